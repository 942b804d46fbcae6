"""SIPFENN's three networks as named data: wide, with activations that change from layer to layer.

SIPFENN predicts formation energies of any structure from 271 attributes (126 of structure, 145 of composition).

Reference:
    A. M. Krajewski, J. W. Siegel, J. Xu, Z.-K. Liu, Comput. Mater. Sci. 208, 111254 (2022),
    doi:10.1016/j.commatsci.2022.111254
"""

from dataclasses import dataclass

import keras

from common import networks
from common.training_config import TrainingConfig
from irnet.config import IRNetConfig


@dataclass(frozen=True)
class Layer:
    """One hidden layer.

    Attributes:
        width: Units.
        activation: Keras name.
        dropout: Whether dropout follows.
    """

    width: int
    activation: str
    dropout: bool = False


# The paper prints where dropout stands and not how much; a half, the default of the framework it used, starves the
# 100-unit end of nothing here, since dropout never follows a narrow layer.
DROPOUT_RATE = 0.5

CITATION = "Krajewski et al., Comput. Mater. Sci. 208, 111254 (2022), doi:10.1016/j.commatsci.2022.111254"

LAYERS: dict[str, tuple[Layer, ...]] = {
    "sipfenn_nn9": (
        Layer(10_000, "softsign"),
        Layer(10_000, "sigmoid"),
        Layer(10_000, "sigmoid"),
        Layer(10_000, "sigmoid"),
        Layer(1_000, "elu"),
        Layer(100, "elu"),
    ),
    "sipfenn_nn20": (
        Layer(10_000, "softsign", dropout=True),
        Layer(10_000, "sigmoid", dropout=True),
        Layer(10_000, "elu", dropout=True),
        Layer(10_000, "sigmoid", dropout=True),
        Layer(1_000, "elu", dropout=True),
        Layer(100, "elu"),
    ),
    "sipfenn_nn24": (
        Layer(4_000, "softsign", dropout=True),
        Layer(4_000, "sigmoid", dropout=True),
        Layer(4_000, "elu", dropout=True),
        Layer(1_000, "elu", dropout=True),
        Layer(100, "elu"),
    ),
}


def build(
    variant: str,
    num_inputs: int = 271,
    *,
    num_outputs: int = 1,
    input_scaling: networks.InputScaling | None = None,
    output_activation: str | None = None,
    dropout_rate: float = DROPOUT_RATE,
    seed: int = 0,
) -> keras.Model:
    """Build one of SIPFENN's networks.

    Args:
        variant: ``"sipfenn_nn9"``, ``"sipfenn_nn20"`` or ``"sipfenn_nn24"``.
        num_inputs: 271 in the paper.
        num_outputs: Width of the output.
        input_scaling: The paper divides each attribute by its maximum: ``InputScaling.fit("maximum", x)``.
        output_activation: As in ``networks.build``.
        dropout_rate: Share of units dropped where the variant has dropout.
        seed: Seed of initialisers and dropout masks.

    Input shape:
        ``(batch_size, num_inputs)``
    Output shape:
        ``(batch_size, num_outputs)``, float32

    Raises:
        KeyError: If the variant is not known.
    """
    seeds = networks.layer_seeds(seed)
    inputs, x = networks.scaled_inputs(num_inputs, input_scaling)  # (batch_size, num_inputs)
    for number, layer in enumerate(LAYERS[variant], start=1):
        x = networks.seeded_dense(x, layer.width, f"layer{number}_dense", next(seeds))  # (batch_size, layer.width)
        x = keras.layers.Activation(layer.activation, name=f"layer{number}_activation")(x)
        if layer.dropout:
            x = keras.layers.Dropout(dropout_rate, seed=next(seeds), name=f"layer{number}_dropout")(x)
    outputs = networks.head(x, num_outputs, next(seeds), activation=output_activation)
    return keras.Model(inputs, outputs, name=variant)


# Batch 2,048, Adam with a warm-up, L2 of 1e-6, mean absolute error. Rate and length are not in the text: ours.
PAPER_RECIPE = IRNetConfig(
    variant="sipfenn_nn24",
    recipe="sipfenn",
    data="mp_structures",
    inputs="S+C",
    input_scaling="maximum",
    training=TrainingConfig(
        optimizer="adam",
        learning_rate=1e-3,
        schedule="warmup",
        warmup_epochs=5.0,
        l2=1e-6,
        batch_size=2_048,
        max_epochs=240,
        patience_epochs=None,
    ),
)
