"""ElemNet's network (table 3.1) and the family of depths of figure 3.2."""

import keras

from common import networks
from elemnet.config import ARCHITECTURE, PAPER_DROPOUT_RATES, ElemNetConfig

# The thesis explores 2 to 24 layers and prints only the 17-layer network. The others are ours: its width groups with
# fewer layers each, first the widest kept, and beyond 17 the group sizes of the 24-layer plain network of table 4.1.
_DEPTHS = {
    2: "1024x1D-1",
    4: "1024x1D-512x1D-256x1D-1",
    6: "1024x1D-512x1D-256x1D-128x1D-64x1-1",
    8: "1024x2D-512x1D-256x1D-128x1D-64x1-32x1-1",
    10: "1024x2D-512x2D-256x2D-128x1D-64x1-32x1-1",
    12: "1024x3D-512x2D-256x2D-128x2D-64x1-32x1-1",
    14: "1024x3D-512x3D-256x2D-128x2D-64x2-32x1-1",
    17: ARCHITECTURE,
    20: "1024x4D-512x4D-256x4D-128x3D-64x2-32x2-1",
    24: "1024x4D-512x4D-256x4D-128x4D-64x3-32x2-16x2-1",
}


def depth_family() -> dict[int, str]:
    """Architecture keys by number of layers, output included, from 2 to 24 (figure 3.2)."""
    return dict(_DEPTHS)


def dropout_rates_for(architecture: str, rates: tuple[float, ...] = PAPER_DROPOUT_RATES) -> tuple[float, ...]:
    """The first of ElemNet's four dropout rates, as many as the architecture has ``D`` groups."""
    return tuple(rates[: networks.parse_architecture(architecture).num_dropouts])


def build_elemnet(config: ElemNetConfig, num_elements: int = 86) -> keras.Model:
    """Build the network of a config.

    Args:
        config: Architecture key, dropout rates, initialiser and seed.
        num_elements: Number of element fractions.

    Input shape:
        ``(batch_size, num_elements)`` element fractions that add up to 1
    Output shape:
        ``(batch_size, 1)`` formation energy, eV/atom

    Reference:
        Table 3.1; doi:10.1038/s41598-018-35934-y
    """
    return networks.build(
        config.architecture,
        num_elements,
        dropout_rates=config.dropout_rates,
        kernel_initializer=config.kernel_initializer,
        seed=config.training.seed,
        name="elemnet",
    )
