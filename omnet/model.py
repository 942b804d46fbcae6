"""The networks of chapter 6: the thesis's branched one, and one that two cores can train."""

import keras
import numpy as np
from keras import layers, ops

from omnet.config import HEADS, PAPER_NETWORK, OMNetConfig

PAPER_FILTERS = ((256, 256, 512, 512), (256, 256, 96, 96))  # the two stacks, each ended by a pooling
PAPER_DENSE, PAPER_BRANCH = (8192, 2048), (1024, 256)
ANGLES = ("phi1", "Phi", "phi2")
TINY = 1e-12  # contrast of a constant pattern, which becomes 0 everywhere


def omnet_paper(shape: tuple[int, int] = (60, 60)) -> keras.Model:
    """The thesis's network: eight convolutions, two wide dense layers, a branch an angle. No dropout, no batch norm.

    Input shape:
        ``(batch_size, rows, columns)`` intensities in any units; each pattern is stretched from 0 to 1, as 1/255 does
        with the bytes of the released dictionary
    Output shape:
        ``(batch_size, 3)`` Bunge Euler angles, radians, linear and unbounded

    Reference:
        Figure 6.3; NU-CUCIS/EBSD-indexing at 0e78a17. 207,024,067 parameters at 60 x 60.
    """
    patterns = keras.Input(shape, name="pattern")
    darkest, brightest = (extreme(patterns, axis=(1, 2), keepdims=True) for extreme in (ops.min, ops.max))
    x = (patterns - darkest) / ops.maximum(brightest - darkest, TINY)
    x = layers.Reshape((*shape, 1), name="channel")(x)  # (batch_size, 60, 60, 1)
    for stack, filters in enumerate(PAPER_FILTERS, start=1):
        for number, num_filters in enumerate(filters, start=1):
            name = f"stack{stack}_conv{number}"
            x = layers.Conv2D(num_filters, 3, padding="same", activation="relu", name=name)(x)
        x = layers.MaxPooling2D(2, name=f"stack{stack}_pool")(x)
    x = layers.Flatten(name="flatten")(x)  # (batch_size, 21600)
    for number, units in enumerate(PAPER_DENSE, start=1):
        x = layers.Dense(units, activation="relu", name=f"dense{number}")(x)
    angles = []
    for angle in ANGLES:
        branch = x
        for number, units in enumerate(PAPER_BRANCH, start=1):
            branch = layers.Dense(units, activation="relu", name=f"{angle}_dense{number}")(branch)
        angles.append(layers.Dense(1, name=angle)(branch))
    return keras.Model(patterns, layers.Concatenate(name="euler_rad")(angles), name=PAPER_NETWORK)


def omnet_small(config: OMNetConfig) -> keras.Model:
    """Ours for two cores: the pattern at half its resolution, standardised, through a few dense layers.

    A bundle of lines across the whole detector is what an orientation looks like, so that the first layer sees all of
    it; a convolution of the same accuracy costs ten times as much on a CPU. Pooling averages noise away first.

    Input shape:
        ``(batch_size, rows, columns)`` intensities in any units
    Output shape:
        ``(batch_size, 9)`` harmonics, ``(batch_size, 4)`` unit quaternions or ``(batch_size, 3)`` Euler angles, radians
    """
    shape = config.detector.shape
    patterns = keras.Input(shape, name="pattern")
    x = layers.Reshape((*shape, 1), name="channel")(patterns)
    if config.local_mean_px:
        local_mean = layers.AveragePooling2D(config.local_mean_px, strides=1, padding="same", name="local_mean")(x)
        x = layers.Subtract(name="without_local_mean")([x, local_mean])
    x = layers.AveragePooling2D(2, name="halve")(x)  # (batch_size, 30, 30, 1)
    if config.local_mean_px:
        x = layers.Rescaling(_hann_window(x.shape[1:3]), name="fade_out")(x)
    x = layers.Flatten(name="flatten")(x)  # (batch_size, 900)
    x = layers.LayerNormalization(epsilon=TINY, center=False, scale=False, name="standardise")(x)  # each pattern alone
    for number, units in enumerate(config.hidden_units, start=1):
        x = layers.Dense(units, activation="gelu", name=f"dense{number}")(x)
    x = layers.Dense(HEADS[config.head], name=config.head)(x)
    if config.head == "quaternion":
        x = layers.UnitNormalization(name="unit_length")(x)
    return keras.Model(patterns, x, name=config.network)


def _hann_window(shape: tuple[int, int]) -> list:
    """Weights of pixels, ``(rows, columns, 1)``, 1 in the middle and 0 at the edges; plain numbers, for JSON."""
    rows, columns = (np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2 for length in shape)
    return np.outer(rows, columns)[..., None].round(6).tolist()


def build_omnet(config: OMNetConfig) -> keras.Model:
    """The network of a config."""
    return omnet_paper(config.detector.shape) if config.network == PAPER_NETWORK else omnet_small(config)
