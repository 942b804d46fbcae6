"""What a network of PADNet is given for each sample, and the layer that holds it while the network trains."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from padnet.background import BACKGROUNDS
from padnet.config import INPUTS, PADNetConfig
from padnet.data import XrdDataset
from padnet.readers import bin_frame, fill_flagged
from padnet.slope_filters import peak_areas


def image_features(frames: np.ndarray, config: PADNetConfig, *, progress: bool = False) -> np.ndarray:
    """The image input of a network, from raw frames: binned, background removed, and with fixed filters the peak areas.

    Each sample on its own, so that one call serves all folds. With fixed filters sixteen bytes a pixel, at 2048 px some
    67 MB a frame; in mode ``"robust"`` sixteen bytes a point of its map of peak areas, some 66 kB a frame; with trained
    ones four bytes a pixel.

    Args:
        frames: ``(n, num_frames, rows, columns)`` counts, square, of ``config.image_px`` pixels or a multiple, whose
            blocks are summed; flagged pixels (negative counts) become their nearest neighbours.
        config: Background, filters, mode, size.
        progress: Show a bar on a terminal.

    Returns:
        ``(n, num_frames, rows, columns, 4)`` float32 peak areas, or with trainable filters ``(n, num_frames, rows,
        columns)`` float32 counts.

    Raises:
        ValueError: If frames have another number or size than the config says, or values that are not finite.
    """
    if frames.ndim != 4 or frames.shape[1] != config.num_frames:
        raise ValueError(
            f"Expected {config.num_frames} frames a sample, (n, {config.num_frames}, rows, columns); received "
            f"{frames.shape}. Set num_frames."
        )
    remove = BACKGROUNDS[config.background]
    features = np.empty((len(frames), *config.image_shape), np.float32)
    bar = tqdm(frames, desc="peak areas", unit=" samples", disable=None if progress else True)
    for sample, feature in zip(bar, features, strict=True):
        images = remove(np.stack([_at_size(frame, config.image_px) for frame in sample]), None)
        if config.trainable_filters:
            feature[:] = images
        else:
            feature[:] = peak_areas(images, config.slope_filter_px, config.mode, config.stride_px)
    return features


def _at_size(frame: np.ndarray, image_px: int) -> np.ndarray:
    rows, columns = frame.shape
    if rows != columns or rows % image_px or rows == 0:
        raise ValueError(
            f"Expected square frames of {image_px} pixels, as the network's, or a multiple; received {rows} x "
            f"{columns}. Crop them, or train a network of a size that divides theirs."
        )
    return bin_frame(fill_flagged(frame), image_px)


def peak_area_features(dataset: XrdDataset, config: PADNetConfig, *, progress: bool = False) -> np.ndarray:
    """``image_features`` of a data set, to be handed to ``train.run`` and ``Predictor.predict`` of every fold."""
    return image_features(dataset.frames, config, progress=progress)


def columns_of(dataset: XrdDataset, name: str) -> np.ndarray:
    """The columns of an input other than the image: ``(n, num_components)`` fractions or ``(n, 2)`` mm, float32."""
    return np.asarray({"composition": dataset.composition, "position": dataset.position_mm}[name], np.float32)


def network_inputs(dataset: XrdDataset, config: PADNetConfig, features: np.ndarray | None = None) -> list[np.ndarray]:
    """All inputs of a network for the samples of a data set, in the order of ``config.INPUTS``.

    Args:
        dataset: n samples.
        config: Which inputs, and how images become features.
        features: ``(n, ...)`` of ``peak_area_features``, if there are any already.

    Raises:
        ValueError: If features are of another number of samples, or see ``image_features``.
    """
    arrays = []
    for name in (name for name in INPUTS if name in config.inputs):
        if name != "image":
            arrays.append(columns_of(dataset, name))
            continue
        if features is None:
            features = peak_area_features(dataset, config)
        if len(features) != len(dataset):
            raise ValueError(f"Expected features of all {len(dataset)} samples; received {len(features)}.")
        arrays.append(features)
    return arrays


class StoredInputs(keras.layers.Layer):
    """Row numbers in, the inputs of those rows out, so that a training passes numbers and not images.

    The arrays are no weights: a checkpoint of the network does not hold them.

    Args:
        arrays: Inputs of all n samples, ``(n, ...)`` each.

    Input shape:
        ``(batch_size, 1)`` row numbers
    Output shape:
        ``(batch_size, ...)`` of each array
    """

    def __init__(self, arrays: list[np.ndarray], **kwargs):
        super().__init__(trainable=False, **kwargs)
        self._stored = [ops.convert_to_tensor(array) for array in arrays]

    def call(self, rows):
        numbers = ops.cast(rows[:, 0], "int32")
        return [ops.take(array, numbers, axis=0) for array in self._stored]
