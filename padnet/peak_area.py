"""Peak areas as layers: `PeakArea` of images, with filters to train or not; `NormalisedAreas` of areas made ready.

A network with fixed filters has nothing to learn before batch normalisation. `slope_filters.peak_areas` then does all
of that once, exactly and much faster, and the network begins with `NormalisedAreas`.

Reference: equations 7.5 to 7.8 of the thesis; doi:10.1109/IJCNN.2019.8852096.
"""

import keras
from keras import ops

from padnet.slope_filters import (
    NUM_FILTERS,
    PADDING,
    RELEASED,
    ROBUST,
    check_image_shape,
    check_mode,
    check_settings,
    maximum_window,
    reach_px,
    scaled_images,
    slope_filters,
)

# The text names none. With Keras's 0.99, and the hundred steps of an epoch here, the first validations see statistics
# that are none yet; they then look the best, and the untrained weights of epoch 1 are kept.
NORM_MOMENTUM = 0.9


@keras.saving.register_keras_serializable("padnet")
class NormalisedAreas(keras.Layer):
    """Batch normalisation of the four peak areas, then softmax over them: which of the four stands out where.

    Its 8 trainable parameters are the scales and offsets of batch normalisation. In mode ``"released"`` that never sees
    the statistics of a batch, in training as little as after it, as in the authors' code; softmax of raw counts then is
    1 for the largest and 0 for the others.

    Args:
        mode: One of ``slope_filters.MODES``.

    Input shape:
        ``(batch_size, rows, columns, 4)``, of ``slope_filters.peak_areas``
    Output shape:
        ``(batch_size, rows, columns, 4)``, each 4 of them 0 to 1 and of sum 1

    Reference:
        Equation 7.8.
    """

    def __init__(self, mode: str = ROBUST, **kwargs):
        super().__init__(**kwargs)
        check_mode(mode)
        self.mode = mode
        self.batch_norm = keras.layers.BatchNormalization(momentum=NORM_MOMENTUM, name="batch_norm")

    def build(self, input_shape):
        self.batch_norm.build(input_shape)

    def call(self, areas, training=False):
        areas = self.batch_norm(areas, training=training and self.mode != RELEASED)
        return ops.softmax(areas, axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {"mode": self.mode}


@keras.saving.register_keras_serializable("padnet")
class PeakArea(keras.Layer):
    """Peak areas of images: correlate with four slope filters, absolute value, maximum filter, `NormalisedAreas`.

    Before training and up to the rounding of float32 it finds what ``slope_filters.peak_areas`` of the same settings
    does, by convolution, so that its filters may be trained.

    Work falls with the square of the stride: at 2048 x 2048, filters of 50 x 50 and a stride of 8, the gradient of the
    filters takes some 7 seconds of one core and 0.1 GB an image. The gradient with respect to the image, as saliency
    asks for, takes 42 GB at stride 1 on a CPU.

    Args:
        filter_px: Rows and columns of the filters and of the maximum filter.
        mode: One of ``slope_filters.MODES``: what the filters are before training, how images are scaled and continued
            beyond their edges, whether there is a maximum filter.
        trainable_filters: Whether they are trained: 4 * filter_px**2 parameters beside the 8 of `NormalisedAreas`.
        stride_px: Correlate at every so many pixels only, and take the maximum of those.

    Input shape:
        ``(batch_size, rows, columns)`` counts
    Output shape:
        ``(batch_size, ceil(rows / stride_px), ceil(columns / stride_px), 4)``, each 4 of them 0 to 1 and of sum 1

    Reference:
        Equations 7.1 to 7.8.
    """

    def __init__(
        self,
        filter_px: int,
        mode: str = ROBUST,
        trainable_filters: bool = False,
        stride_px: int = 1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_settings(filter_px, mode, stride_px)
        self.filter_px = filter_px
        self.mode = mode
        self.trainable_filters = trainable_filters
        self.stride_px = stride_px
        self.normalised = NormalisedAreas(mode, name="normalised")

    def build(self, input_shape):
        check_image_shape(input_shape[1:], self.filter_px)
        self.filters = self.add_weight(
            name="filters",
            shape=(self.filter_px, self.filter_px, 1, NUM_FILTERS),
            initializer=self._initial_filters,
            trainable=self.trainable_filters,
        )
        self.normalised.build(self.compute_output_shape(input_shape))

    def call(self, images, training=False):
        return self.normalised(self.areas(images), training=training)

    def areas(self, images):
        """What `NormalisedAreas` is given: ``(batch_size, rows, columns)`` images -> the shape of the output, >= 0."""
        images = scaled_images(ops.cast(images, self.compute_dtype), self.mode, ops)
        reach = reach_px(self.filter_px)
        images = ops.pad(images, ((0, 0), reach, reach), mode=PADDING[self.mode])[..., None]
        areas = ops.abs(
            ops.conv(images, self.filters, strides=self.stride_px, padding="valid", data_format="channels_last")
        )  # (batch_size, rows / stride_px, columns / stride_px, 4)
        if self.mode == ROBUST:
            areas = areas / self.filter_px
        window = maximum_window(self.filter_px, self.mode, self.stride_px)
        for shape in ((1, window), (window, 1)):  # 2 * 50 comparisons a pixel in place of 50 * 50
            areas = ops.max_pool(areas, shape, strides=1, padding="same", data_format="channels_last")
        return areas

    def compute_output_shape(self, input_shape):
        batch_size, rows, columns = input_shape
        return batch_size, -(-rows // self.stride_px), -(-columns // self.stride_px), NUM_FILTERS

    def get_config(self):
        return super().get_config() | {
            "filter_px": self.filter_px,
            "mode": self.mode,
            "trainable_filters": self.trainable_filters,
            "stride_px": self.stride_px,
        }

    def _initial_filters(self, shape, dtype=None):
        filters = slope_filters(self.filter_px, self.mode)  # (4, filter_px, filter_px)
        return ops.cast(filters.transpose(1, 2, 0)[:, :, None, :], dtype)
