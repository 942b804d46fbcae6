"""Layers of a network by name, as ``common.networks`` gives them: by place, ``stack2_block1_dense``."""

import difflib

import keras


def resolve_layer(model: keras.Model, name: str) -> keras.layers.Layer:
    """The layer of that name.

    Raises:
        ValueError: If the model has none; the message holds the closest names, the first and the last.
    """
    names = [layer.name for layer in model.layers]
    if name in names:
        return model.layers[names.index(name)]
    closest = difflib.get_close_matches(name, names, n=3)
    hint = f"; closest: {', '.join(closest)}" if closest else ""
    raise ValueError(f"Expected a layer of {model.name!r}, {names[0]!r} to {names[-1]!r}; received {name!r}{hint}.")


def hidden_layers(model: keras.Model) -> list[str]:
    """Names of the layers that give the hidden activations, from the input on."""
    return [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Activation) and layer.name not in model.output_names
    ]
