"""The networks of chapter 4: plain, SRNet and IRNet from the authors' grammar, and SIPFENN's."""

import itertools
from dataclasses import replace

import keras
import numpy as np

from common import networks
from irnet import sipfenn
from irnet.config import ARCHITECTURES, SIPFENN_VARIANTS, VARIANTS, IRNetConfig


def architecture_key(variant: str) -> str:
    """The key of a named variant, or the key itself.

    Raises:
        ArchitectureError: If it is neither a name nor a key of the grammar.
    """
    key = ARCHITECTURES.get(variant, variant)
    try:
        networks.parse_architecture(key)
    except networks.ArchitectureError as error:
        raise networks.ArchitectureError(
            f"Expected a variant of {', '.join(VARIANTS)}, or a key of the grammar; received {variant!r}. {error}"
        ) from error
    return key


def num_outputs(config: IRNetConfig) -> int:
    """Width of the network's output: one for each target, or for each of three and more classes."""
    if config.num_classes > 2:
        return config.num_classes
    return len(config.targets)


def build_irnet(
    config: IRNetConfig, num_inputs: int, input_scaling: networks.InputScaling | None = None
) -> keras.Model:
    """Build the network of a config.

    A shortcut goes round every layer (IRNet) or every group of equal layers (SRNet): the input is added unchanged
    where widths match, else through a linear projection.

    Args:
        config: Variant, head, initialiser and seed.
        num_inputs: Number of attributes.
        input_scaling: Fitted on training rows; see ``InputScaling.fit``.

    Input shape:
        ``(batch_size, num_inputs)`` raw attributes
    Output shape:
        ``(batch_size, num_outputs)``: a value for each target; the probability of class 1; or of each of three and
        more classes

    Raises:
        ArchitectureError: If the variant is neither a name nor a key of the grammar.

    Reference:
        Table 4.1; doi:10.1145/3292500.3330703, doi:10.1038/s41598-021-83193-1; heads: section 8.2
    """
    head = {0: None, 2: "sigmoid"}.get(config.num_classes, "softmax")
    if config.variant in SIPFENN_VARIANTS:
        return sipfenn.build(
            config.variant,
            num_inputs,
            num_outputs=num_outputs(config),
            input_scaling=input_scaling,
            output_activation=head,
            seed=config.training.seed,
        )
    architecture = networks.parse_architecture(architecture_key(config.variant))
    return networks.build(
        replace(architecture, output_width=num_outputs(config)),
        num_inputs,
        kernel_initializer=config.kernel_initializer,
        input_scaling=input_scaling,
        output_activation=head,
        batch_norm_momentum=config.batch_norm_momentum,
        batch_norm_gamma=config.batch_norm_gamma,
        seed=config.training.seed,
        name="irnet",
    )


def num_parameters(variant: str, num_inputs: int) -> int:
    """Trainable and moving parameters of a variant with one output, counted without building it.

    SIPFENN's widest have 313 million, more than a gigabyte.

    Args:
        variant: Name, or an architecture key.
        num_inputs: Number of attributes.
    """
    if variant in SIPFENN_VARIANTS:
        widths = [num_inputs, *(layer.width for layer in sipfenn.LAYERS[variant]), 1]
        return sum((before + 1) * after for before, after in itertools.pairwise(widths))
    architecture = networks.parse_architecture(architecture_key(variant))
    total, width = 0, num_inputs
    for stack in architecture.stacks:
        stack_width = width
        for _ in range(stack.repeat):
            total += (width + 1) * stack.width + 4 * stack.width * stack.batch_norm
            total += width * stack.width if stack.layer_shortcut and width != stack.width else 0
            width = stack.width
        total += stack_width * width if stack.stack_shortcut and stack_width != width else 0
    return total + (width + 1) * architecture.output_width


def fold_target_scaling(model: keras.Model, mean: np.ndarray, standard_deviation: np.ndarray) -> None:
    """Have a network trained on scaled targets answer in their units, by its linear output layer; exact.

    Args:
        model: Its layer ``output`` is linear; changed in place.
        mean: ``(num_outputs,)`` subtracted from the targets.
        standard_deviation: ``(num_outputs,)`` that divided them.
    """
    kernel, bias = model.get_layer("output").get_weights()
    model.get_layer("output").set_weights([kernel * standard_deviation, bias * standard_deviation + mean])
