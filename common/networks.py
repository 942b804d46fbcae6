"""The authors' architecture grammar, parsed once and built as a Keras functional model.

``1024x4D-512x3D-256x3D-128x3D-64x2-32x1-1`` is the field's published name of a network: groups joined by ``-``, each
``WIDTH[B][A][R]xREPEAT[D][R]``, the last a bare width for the linear output. Keys from the papers can be pasted here.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np

_STACK = re.compile(r"(?P<width>\d+)(?P<norm>B?)(?P<after>A?)(?P<each>R?)x(?P<repeat>\d+)(?P<drop>D?)(?P<whole>R?)")


class ArchitectureError(ValueError):
    """An architecture key that does not follow the grammar."""


@dataclass(frozen=True)
class Stack:
    """One group of equal dense layers.

    Attributes:
        width: Units of every dense layer of the group.
        repeat: Number of dense layers.
        batch_norm: ``B``: every dense layer has batch normalisation.
        activation_after_norm: ``A``: activation after the batch norm; without it, before.
        layer_shortcut: ``R`` before ``x``: a shortcut round every layer (IRNet).
        stack_shortcut: ``R`` at the end: one shortcut round the whole group (SRNet).
        dropout: ``D``: dropout after the group.
    """

    width: int
    repeat: int
    batch_norm: bool = False
    activation_after_norm: bool = False
    layer_shortcut: bool = False
    stack_shortcut: bool = False
    dropout: bool = False


@dataclass(frozen=True)
class Architecture:
    """A parsed key: the hidden stacks and the width of the linear output."""

    key: str
    stacks: tuple[Stack, ...]
    output_width: int

    @property
    def depth(self) -> int:
        """Number of dense layers, the output included: the count that the papers quote ("17 layers")."""
        return sum(stack.repeat for stack in self.stacks) + 1

    @property
    def num_dropouts(self) -> int:
        """Number of groups followed by dropout."""
        return sum(stack.dropout for stack in self.stacks)


def parse_architecture(key: str) -> Architecture:
    """Parse an architecture key of the papers.

    Args:
        key: For instance ``"1024BARx4-512BARx3-1"``.

    Returns:
        The stacks in order and the output width.

    Raises:
        ArchitectureError: Naming the group that does not follow the grammar.
    """
    *groups, output = key.strip().split("-")
    if not output.isdecimal() or int(output) == 0:
        raise ArchitectureError(
            f"Architecture {key!r} has to end in a bare positive width for the output; received {output!r}."
        )
    stacks = []
    for group in groups:
        match = _STACK.fullmatch(group)
        if match is None or int(match["width"]) == 0 or int(match["repeat"]) == 0:
            raise ArchitectureError(
                f"Group {group!r} of architecture {key!r} does not read as WIDTH[B][A][R]xREPEAT[D][R], "
                "for instance 1024x4D or 512BARx3."
            )
        if match["after"] and not match["norm"]:
            raise ArchitectureError(f"Group {group!r} has A (activation after the norm) without B (batch norm).")
        stacks.append(
            Stack(
                width=int(match["width"]),
                repeat=int(match["repeat"]),
                batch_norm=bool(match["norm"]),
                activation_after_norm=bool(match["after"]),
                layer_shortcut=bool(match["each"]),
                stack_shortcut=bool(match["whole"]),
                dropout=bool(match["drop"]),
            )
        )
    return Architecture(key=key, stacks=tuple(stacks), output_width=int(output))


_SWITCHED_OFF = 1e12  # as a scale; its square still fits into float32


@dataclass(frozen=True)
class InputScaling:
    """A linear map of the raw inputs that the network carries within itself, so that it takes raw inputs.

    Attributes:
        center: ``(num_inputs,)`` subtracted from each input.
        scale: ``(num_inputs,)`` positive; divides the difference.
    """

    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, kind: str, x: np.ndarray) -> "InputScaling | None":
        """The scaling of a kind, from training rows alone.

        An input that is constant there has told the network nothing: it is switched off, for elsewhere it may be
        thousands, and a network with shortcuts would pass that on.

        Args:
            kind: ``"standard"`` (mean 0, standard deviation 1), ``"maximum"`` (divided by the largest magnitude, as
                in SIPFENN) or ``"none"``.
            x: ``(n, num_inputs)`` training inputs.

        Raises:
            ValueError: If the kind is not known.
        """
        if kind == "none":
            return None
        if kind == "standard":
            center, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
        elif kind == "maximum":
            center, scale = np.zeros(x.shape[1]), np.abs(x).max(axis=0).astype(np.float64)
        else:
            raise ValueError(f"Expected input scaling 'standard', 'maximum' or 'none'; received {kind!r}.")
        # Rounding leaves a constant column of large numbers with a tiny deviation, which would blow it up elsewhere.
        return cls(center, np.where(scale > 1e-6 * np.maximum(1.0, np.abs(center)), scale, _SWITCHED_OFF))


def scaled_inputs(num_inputs: int, scaling: InputScaling | None):
    """The input tensor of a network and the tensor after its scaling, both ``(batch_size, num_inputs)``."""
    inputs = keras.Input((num_inputs,), name="inputs")
    if scaling is None:
        return inputs, inputs
    layer = keras.layers.Normalization(
        mean=scaling.center.tolist(), variance=(scaling.scale**2).tolist(), name="input_scaling"
    )
    return inputs, layer(inputs)


def layer_seeds(seed: int) -> Iterator[int]:
    """One seed for each layer of a network, none shared with a network of another seed."""
    return iter(range(seed * 10_000, (seed + 1) * 10_000))


def seeded_dense(tensor, width: int, name: str, seed: int, *, kernel_initializer: str = "glorot_uniform", **kwargs):
    """A dense layer whose first kernel a seed repeats: ``(batch_size, any)`` to ``(batch_size, width)``."""
    initializer = keras.initializers.get({"class_name": kernel_initializer, "config": {"seed": seed}})
    return keras.layers.Dense(width, kernel_initializer=initializer, name=name, **kwargs)(tensor)


def head(tensor, width: int, seed: int, *, kernel_initializer: str = "glorot_uniform", activation: str | None = None):
    """The layer ``output`` and, for classes, their ``probability``: ``(batch_size, width)`` float32."""
    # A half-precision output could not resolve a millielectronvolt at 4 eV.
    outputs = seeded_dense(tensor, width, "output", seed, kernel_initializer=kernel_initializer, dtype="float32")
    if activation is None:
        return outputs
    return keras.layers.Activation(activation, dtype="float32", name="probability")(outputs)


def build(
    architecture: str | Architecture,
    num_inputs: int,
    *,
    dropout_rates: Sequence[float] = (),
    activation: str = "relu",
    kernel_initializer: str = "glorot_uniform",
    input_scaling: InputScaling | None = None,
    output_activation: str | None = None,
    batch_norm_momentum: float = 0.99,
    batch_norm_gamma: float = 1.0,
    seed: int = 0,
    name: str = "network",
) -> keras.Model:
    """Build the network of an architecture key.

    Layers are named by place, ``stack2_block1_dense``, so that transfer and activation studies can address them.
    A shortcut adds the input unchanged where widths match, else through a linear projection without bias.

    Args:
        architecture: A key or its parsed form.
        num_inputs: Width of the input.
        dropout_rates: Share of units DROPPED after each ``D`` group, in order (the thesis prints the share kept).
        activation: Name of the hidden activation.
        kernel_initializer: Name of the Keras initialiser of every dense kernel.
        input_scaling: Scaling of the raw inputs, kept within the network.
        output_activation: ``"sigmoid"`` or ``"softmax"`` for class probabilities; ``None`` for regression.
        batch_norm_momentum: Share of the moving averages kept at a step; short trainings need less than Keras's 0.99.
        batch_norm_gamma: First value of the norms' scale; below 1 a network with shortcuts starts nearly linear.
        seed: Seed of all initialisers and dropout masks.
        name: Name of the model.

    Input shape:
        ``(batch_size, num_inputs)``
    Output shape:
        ``(batch_size, output_width)``, float32 whatever the precision policy

    Raises:
        ArchitectureError: If the key is malformed or ``dropout_rates`` does not match its ``D`` groups.
    """
    if isinstance(architecture, str):
        architecture = parse_architecture(architecture)
    if len(dropout_rates) != architecture.num_dropouts:
        raise ArchitectureError(
            f"Architecture {architecture.key!r} has {architecture.num_dropouts} dropout groups (D); "
            f"received {len(dropout_rates)} dropout rates."
        )
    seeds = layer_seeds(seed)

    def dense(tensor, width: int, name: str, **kwargs):
        return seeded_dense(tensor, width, name, next(seeds), kernel_initializer=kernel_initializer, **kwargs)

    def batch_norm(tensor, place: str):
        gamma = keras.initializers.Constant(batch_norm_gamma)
        return keras.layers.BatchNormalization(
            momentum=batch_norm_momentum, gamma_initializer=gamma, name=f"{place}_norm"
        )(tensor)

    def shortcut(tensor, source, place: str):
        if source.shape[-1] != tensor.shape[-1]:
            source = dense(source, tensor.shape[-1], f"{place}_projection", use_bias=False)
        return keras.layers.Add(name=f"{place}_shortcut")([tensor, source])

    rates = iter(dropout_rates)
    inputs, x = scaled_inputs(num_inputs, input_scaling)  # (batch_size, num_inputs)
    for stack_number, stack in enumerate(architecture.stacks, start=1):
        stack_input = x
        for block_number in range(1, stack.repeat + 1):
            place = f"stack{stack_number}_block{block_number}"
            block_input = x
            x = dense(x, stack.width, f"{place}_dense")  # (batch_size, stack.width)
            if stack.batch_norm and stack.activation_after_norm:
                x = batch_norm(x, place)
            x = keras.layers.Activation(activation, name=f"{place}_activation")(x)
            if stack.batch_norm and not stack.activation_after_norm:
                x = batch_norm(x, place)
            if stack.layer_shortcut:
                x = shortcut(x, block_input, place)
        if stack.stack_shortcut:
            x = shortcut(x, stack_input, f"stack{stack_number}")
        if stack.dropout:
            x = keras.layers.Dropout(next(rates), seed=next(seeds), name=f"stack{stack_number}_dropout")(x)
    outputs = head(
        x,
        architecture.output_width,
        next(seeds),
        kernel_initializer=kernel_initializer,
        activation=output_activation,
    )
    return keras.Model(inputs, outputs, name=name)


def set_dropout_rate(model: keras.Model, rates: Sequence[float]) -> list[float]:
    """Set the rates of a model's dropout layers in order and return the former ones.

    Raises:
        ValueError: If the number of rates is not the number of dropout layers.
    """
    layers = dropout_layers(model)
    if len(layers) != len(rates):
        raise ValueError(f"Expected {len(layers)} dropout rates, one for each dropout layer; received {len(rates)}.")
    former = [layer.rate for layer in layers]
    for layer, rate in zip(layers, rates, strict=True):
        layer.rate = rate
    return former


def dropout_layers(model: keras.Model) -> list[keras.layers.Dropout]:
    """The dropout layers of a model, in order."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
