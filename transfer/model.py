"""The network that fine-tuning starts with: a copy of the source, wholly or in part, with the old head or a new one."""

import itertools

import keras

from common import networks
from common.activations import resolve_layer
from common.networks import ArchitectureError
from irnet import sipfenn
from irnet.config import SIPFENN_VARIANTS
from irnet.model import architecture_key
from transfer.config import FineTuneConfig

HEAD = "output"  # common.networks names the last dense layer so, and what makes probabilities of it
OUTPUTS = (HEAD, "probability")


def start_network(source: keras.Model, config: FineTuneConfig) -> keras.Model:
    """A network of the source's architecture; the source stays as it is.

    With ``start="source"`` and the old head it predicts what the source predicts.

    Args:
        source: A network of ``common.networks``.
        config: Start, frozen layers, head, dropout; its seed is that of fresh weights and of dropout.

    Returns:
        A model with the inputs of the source.

    Raises:
        ArchitectureError: If the source has another architecture than the config asks for.
        ValueError: If the frozen layer or the dropout rates do not fit the source.
    """
    if config.architecture is not None:
        check_architecture(source, config.architecture)
    model = _copy(source, config.training.seed)
    if config.dropout_rates is not None:
        rates = config.dropout_rates
        if isinstance(rates, (int, float)):
            rates = (rates,) * len(networks.dropout_layers(model))
        networks.set_dropout_rate(model, rates)
    if config.start == "source":
        model.set_weights(source.get_weights())
    if config.new_head or config.num_classes:
        model = _with_new_head(model, config)
    freeze(model, config.frozen_up_to, batch_norm=config.freeze_batch_norm)
    return model


def check_architecture(source: keras.Model, architecture: str) -> None:
    """Raise unless the layers of a network are those of an architecture, dropout and the head's width aside.

    Args:
        source: A network of ``common.networks``.
        architecture: Key of the authors' grammar, or a variant such as ``"irnet_17"``.

    Raises:
        ArchitectureError: Naming the first layer that differs, with both shapes.
    """
    if architecture in SIPFENN_VARIANTS:
        model = sipfenn.build(architecture, source.input_shape[-1])
    else:  # groups with dropout have the same weights as groups without
        model = networks.build(architecture_key(architecture).replace("D", ""), source.input_shape[-1])
    for wanted, found in itertools.zip_longest(_places(model), _places(source)):
        if wanted != found:
            raise ArchitectureError(
                f"The source is not {architecture}: expected {_described(wanted)}, received {_described(found)}. "
                "Take a source of that architecture, or leave the architecture out."
            )


def _places(model: keras.Model) -> list[tuple[str, tuple[int, ...]]]:
    """Name and widths of what makes an architecture, up to the head: dense layers, norms, shortcuts."""
    places = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense) and layer.name not in OUTPUTS:
            places.append((layer.name, tuple(layer.kernel.shape)))
        elif isinstance(layer, (keras.layers.BatchNormalization, keras.layers.Add)):
            places.append((layer.name, (layer.output.shape[-1],)))
    return places


def _described(place: tuple[str, tuple[int, ...]] | None) -> str:
    return "no further layer" if place is None else f"layer {place[0]} of {' to '.join(map(str, place[1]))} units"


def _copy(source: keras.Model, seed: int) -> keras.Model:
    """The same layers under the same names, with fresh weights and dropout masks of this seed."""
    seeds = networks.layer_seeds(seed)

    def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config() | {"trainable": True}  # whatever the source was frozen for
        if layer.name not in OUTPUTS:
            config.pop("dtype", None)  # the precision of this training
        if isinstance(layer, keras.layers.Dense):
            config["kernel_initializer"]["config"]["seed"] = next(seeds)
        if isinstance(layer, keras.layers.Dropout):
            config["seed"] = next(seeds)
        return layer.__class__.from_config(config)

    return keras.models.clone_model(source, clone_function=copied)


def _with_new_head(model: keras.Model, config: FineTuneConfig) -> keras.Model:
    width = config.num_classes if config.num_classes > 2 else 1
    activation = {0: None, 2: "sigmoid"}.get(config.num_classes, "softmax")
    hidden = resolve_layer(model, HEAD).input  # (batch_size, width of the last hidden layer)
    # A seed of its own: the copies of the other layers have used up the first ones.
    outputs = networks.head(hidden, width, (config.training.seed + 1) * 10_000 - 1, activation=activation)
    return keras.Model(model.inputs, outputs, name=model.name)


def freeze(model: keras.Model, up_to: str | None = None, *, batch_norm: bool = False) -> None:
    """Keep layers as they are in training; a frozen batch norm also keeps to its moving averages.

    Args:
        model: Changed in place.
        up_to: This layer, and every layer that stands before it, is frozen.
        batch_norm: All batch norms are frozen, wherever they stand.

    Raises:
        ValueError: If there is no layer of that name, or nothing would be left to train.
    """
    last = -1 if up_to is None else model.layers.index(resolve_layer(model, up_to))
    for number, layer in enumerate(model.layers):
        if number <= last or (batch_norm and isinstance(layer, keras.layers.BatchNormalization)):
            layer.trainable = False
    if not model.trainable_variables:
        raise ValueError(f"Expected a layer with something to train behind it; {up_to!r} freezes the whole network.")
