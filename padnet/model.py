"""The networks of chapter 7: peak areas, a tower of convolutions a frame, small nets for columns, one classifier."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
from keras import layers, ops

from common.networks import InputScaling
from padnet.config import INPUTS, VARIANTS, PADNetConfig
from padnet.peak_area import NORM_MOMENTUM, NormalisedAreas, PeakArea

STRIDES = (4, 2, 2)  # of the three convolutions of 5 x 5
COLUMN_UNITS = (256, 256)  # of the net on composition, and of that on position
CLASSIFIER_UNITS = 256
# Of mode "robust". The logarithm, the grid of the areas and the components were chosen with a look at all samples of
# Bi-Cu-V-O and of simulated wafers of other seeds than chapter 7's; the numbers below were set once.
AREA_FLOOR = 0.1  # peak areas of noise are about 1: its logarithms then stay above -2.3
WHITENING = 0.5  # components are divided by this power of their deviation: 0 leaves them as they are, 1 makes all alike
ROBUST_UNITS = 64  # of each dense layer
# The released code normalises along axis 1 of (sample, row, column, channel), and the published numbers of parameters
# are those of that graph: a scale and an offset for each row of pixels, not for each channel.
RELEASED_NORM_AXIS = 1


@keras.saving.register_keras_serializable("padnet")
class BlindBatchNorm(layers.BatchNormalization):
    """A fault of the released code: batch normalisation that never sees a batch, a trained scale and offset alone.

    Input shape, output shape:
        ``(batch_size, ...)``
    """

    def call(self, inputs, training=False):
        return super().call(inputs, training=False)


@keras.saving.register_keras_serializable("padnet")
class SecondFrameTwice(keras.layers.Layer):
    """A fault of the released code: in training, and only then, the tower of frame 1 gives way to that of frame 2.

    So the tower of frame 1 keeps its random weights and answers with them.

    Input shape:
        Two of ``(batch_size, units)``: towers of frame 1 and frame 2
    Output shape:
        ``(batch_size, units)``
    """

    def call(self, towers, training=False):
        first, second = towers
        return second + 0.0 * first if training else first  # the product gives the first tower gradients, of 0

    def compute_output_shape(self, input_shape):
        return input_shape[0]


@keras.saving.register_keras_serializable("padnet")
class LogAreas(keras.layers.Layer):
    """Peak areas on a logarithmic scale, on which the weak rings of a phase count beside the strong ones."""

    def call(self, areas):
        return log_areas(areas)


def log_areas(areas):
    """Areas >= 0, of which 1 is about what noise gives, of any shape."""
    return ops.log(areas + AREA_FLOOR)


def build_padnet(
    config: PADNetConfig,
    num_components: int,
    num_classes: int,
    scalings: Mapping[str, InputScaling | None] | None = None,
) -> keras.Model:
    """The network of a config, from its inputs to logits.

    Args:
        config: Mode, variant, size, inputs.
        num_components: Columns of the composition.
        num_classes: Phase regions.
        scalings: Of the columns ``"composition"`` and ``"position"``, fitted on training rows; none leaves them raw.

    Input shape:
        Those that the config names, in the order of ``INPUTS``: image ``(batch_size, num_frames, rows, columns)``, with
        fixed filters their peak areas ``(batch_size, num_frames, rows, columns, 4)``; composition
        ``(batch_size, num_components)``; position ``(batch_size, 2)``, mm
    Output shape:
        ``(batch_size, num_classes)`` logits

    Reference:
        Section 7.3; NU-CUCIS/PADNet-XRD at 19fb9d4. At 2048 px, 3 components and 8 classes, but for
        the peak areas' own: SLAC 4,701,448 trainable parameters, NIST 2,490,440, composition alone 136,200.
    """
    widths = {"composition": num_components, "position": 2}
    inputs, features = [], []
    for name in (name for name in INPUTS if name in config.inputs):
        if name == "image":
            tensor = keras.Input(config.image_shape, name=name)
            features += _towers(tensor, config)
        else:
            tensor = keras.Input((widths[name],), name=name)
            features.append(_column_net(tensor, name, config, (scalings or {}).get(name)))
        inputs.append(tensor)
    x = layers.Concatenate(name="features")(features) if len(features) > 1 else features[0]
    if config.mode == "robust":
        x = layers.Dropout(config.dropout, name="features_dropout")(x)
    x = _dense(x, CLASSIFIER_UNITS, "classifier_dense1", config)
    logits = layers.Dense(num_classes, name="logits")(x)
    return keras.Model(inputs, logits, name=f"padnet_{config.variant}_{config.mode}")


def with_probabilities(network: keras.Model) -> keras.Model:
    """The network with a softmax over its classes."""
    probabilities = layers.Softmax(name="probabilities")(network.output)
    return keras.Model(network.inputs, probabilities, name=network.name)


def _towers(images, config: PADNetConfig) -> list:
    """A tower a frame, which share no weights: ``num_frames`` tensors of ``(batch_size, units)``."""
    towers = []
    for number in range(config.num_frames):
        frame, name = images[:, number], f"tower{number + 1}"
        if config.mode == "robust":
            towers.append(_robust_tower(frame, name, config))
            continue
        if config.trainable_filters:
            pad = PeakArea(config.slope_filter_px, config.mode, True, config.stride_px, name=f"{name}_peak_area")
        else:
            pad = NormalisedAreas(config.mode, name=f"{name}_peak_area")
        towers.append(_paper_tower(pad(frame), name, config))
    if config.mode == "released" and len(towers) == 2:
        towers[0] = SecondFrameTwice(name="second_frame_twice")(towers)
    return towers


def _paper_tower(x, name: str, config: PADNetConfig):
    """``(batch_size, rows, columns, 4)`` -> ``(batch_size, units)``."""
    variant = VARIANTS[config.variant]
    initializer = keras.initializers.TruncatedNormal(stddev=0.05) if config.mode == "released" else "glorot_uniform"
    for number, (filters, stride) in enumerate(zip(variant.filters, STRIDES, strict=True), start=1):
        convolution = layers.Conv2D(
            filters,
            5,
            strides=stride,
            padding="same",
            activation="relu",
            kernel_initializer=initializer,
            name=f"{name}_conv{number}",
        )
        x = _normalised(convolution(x), f"{name}_conv{number}_norm", config)
        x = layers.MaxPooling2D(2, name=f"{name}_pool{number}")(x)  # at 2048: 256, 64, 16 pixels
    x = layers.Flatten(name=f"{name}_flatten")(x)  # at 2048, SLAC: 8,192
    return _dense(x, variant.units, f"{name}_dense1", config)


def _robust_tower(x, name: str, config: PADNetConfig):
    """Peak areas -> ``(batch_size, num_components)``; see ``fit_components``.

    Areas are ``(batch_size, area_px, area_px, 4)``, with 64 for ``config.area_px`` where that divides the image.
    """
    x = LogAreas(name=f"{name}_log_areas")(x)
    x = layers.Flatten(name=f"{name}_flatten")(x)
    x = layers.Dense(config.num_components, trainable=False, name=f"{name}_components")(x)
    return layers.GaussianNoise(config.noise_sd, seed=config.training.seed, name=f"{name}_noise")(x)


def fit_components(network: keras.Model, images: np.ndarray, config: PADNetConfig) -> None:
    """Have the towers of a ``"robust"`` network see the principal components of some samples' peak areas.

    Some hundred and sixty samples cannot tell a convolution graph which of millions of weights matter. The components
    in which samples differ are found without labels, and are whole rings: each sums a ring along all of its length.

    Args:
        network: Of ``build_padnet``.
        images: ``(n, num_frames, rows, columns, 4)`` peak areas of training rows.
        config: Of the network.

    Raises:
        ValueError: If the peak areas are the same in all samples.
    """
    for number in range(config.num_frames):
        logs = ops.convert_to_numpy(log_areas(images[:, number])).reshape(len(images), -1)
        mean = logs.mean(axis=0, dtype=np.float64)
        centred = (logs - mean).astype(np.float64)
        variances, vectors = np.linalg.eigh(centred @ centred.T / len(centred))  # n x n: far fewer samples than pixels
        order = np.argsort(variances)[::-1][: config.num_components]
        order = order[variances[order] > 1e-9 * variances.max()]  # n samples span n - 1 directions
        if len(order) == 0:
            raise ValueError(
                f"Expected images that differ between samples; all {len(images)} to train on have the same peak areas. "
                "Look at the frames, or train without images."
            )
        deviations = np.sqrt(variances[order])
        axes = centred.T @ vectors[:, order] / (np.sqrt(len(centred)) * deviations)  # (pixels, components), unit length
        kernel = np.zeros((logs.shape[1], config.num_components), np.float32)
        kernel[:, : len(order)] = axes / (deviations**WHITENING * deviations[0] ** (1 - WHITENING))
        network.get_layer(f"tower{number + 1}_components").set_weights([kernel, -(mean @ kernel)])


def _column_net(x, name: str, config: PADNetConfig, scaling: InputScaling | None):
    """``(batch_size, num_columns)`` -> ``(batch_size, 256)``."""
    if scaling is not None:
        x = layers.Normalization(
            mean=scaling.center.tolist(), variance=(scaling.scale**2).tolist(), name=f"{name}_scaling"
        )(x)
    for number, units in enumerate(COLUMN_UNITS, start=1):
        x = _dense(x, units, f"{name}_dense{number}", config)
    return x


def _dense(x, units: int, name: str, config: PADNetConfig):
    if config.mode == "robust":
        return layers.Dense(ROBUST_UNITS, activation="gelu", name=name)(x)
    x = layers.Dense(units, activation="relu", name=name)(x)
    return _normalised(x, f"{name}_norm", config)


def _normalised(x, name: str, config: PADNetConfig):
    norm = BlindBatchNorm if config.mode == "released" else layers.BatchNormalization
    return norm(axis=RELEASED_NORM_AXIS, momentum=NORM_MOMENTUM, name=name)(x)
