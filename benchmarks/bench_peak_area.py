"""Peak areas of raw X-ray images: four fixed 50 x 50 filters and as large a maximum filter, on two cores.

    python -m benchmarks.bench_peak_area

One image of the thesis's size is checked against convolution by Fourier transforms in doubles, whose rounding to whole
counts is exact, and scipy's maximum filter. The peer is the same layer of Keras, direct convolution and pooling, on a
batch of smaller images: at 2048 x 2048 its pooling alone takes minutes an image.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import keras
import numpy as np
from keras import ops
from scipy.ndimage import maximum_filter
from scipy.signal import fftconvolve

from benchmarks import Measurement, measure_in_turn, rate, run_as_script, use_cores
from common.backend import make_predictor
from padnet.peak_area import NormalisedAreas
from padnet.slope_filters import PAPER, peak_areas, slope_filters

FILTER_PX = 50
IMAGE_PX, QUICK_IMAGE_PX = 2048, 160
BATCH, QUICK_BATCH = 4, 1
BATCH_IMAGE_PX, QUICK_BATCH_IMAGE_PX = 256, 64
ROUNDS, PEER_ROUNDS = 5, 2
MEAN_COUNTS = 480  # of the thesis's images from the synchrotron
MAX_SECONDS = 1.5
FLOOR_RATIO = 5
DATA = "Poisson counts"


def main(quick: bool = False) -> list[Measurement]:
    """Peak areas of one image of 2048 x 2048, and of a batch beside Keras, on two cores."""
    use_cores(2)
    return [_one_image(quick), _batch(quick)]


def _one_image(quick: bool) -> Measurement:
    image_px = QUICK_IMAGE_PX if quick else IMAGE_PX
    image = _counts(1, image_px)
    normalised = _predictor(image_px, NormalisedAreas(PAPER))
    expected = _areas_by_fourier(image[0])
    num_other = int((peak_areas(image, FILTER_PX, PAPER)[0] != expected).sum())
    sides = {"ours": lambda: _seconds(lambda: normalised(peak_areas(image, FILTER_PX, PAPER)))}
    return Measurement(
        task=f"fixed peak-area layer, an image of {image_px} x {image_px}, filters and maximum 50 x 50, 2 cores",
        rows=1,
        unit="s/image",
        ours_rounds=measure_in_turn(sides, rounds=1 if quick else ROUNDS)["ours"],
        agreement=f"{num_other} of {expected.size:,} areas differ from exact convolution",
        agreed=num_other == 0,
        floor=MAX_SECONDS,
        floor_on="ours_at_most",
        data=DATA,
    )


def _batch(quick: bool) -> Measurement:
    image_px = QUICK_BATCH_IMAGE_PX if quick else BATCH_IMAGE_PX
    images = _counts(QUICK_BATCH if quick else BATCH, image_px)
    peer = _peer(image_px)
    theirs = peer(images)
    num_other = int((peak_areas(images, FILTER_PX, PAPER) != theirs).sum())
    sides = {
        "ours": lambda: rate(len(images), lambda: peak_areas(images, FILTER_PX, PAPER)),
        "peer": lambda: rate(len(images), lambda: peer(images)),
    }
    figures = measure_in_turn(sides, rounds=1 if quick else PEER_ROUNDS)
    return Measurement(
        task=f"peak areas of a batch of {image_px} x {image_px}, filters and maximum 50 x 50, 2 cores",
        rows=len(images),
        unit="images/s",
        ours_rounds=figures["ours"],
        agreement=f"{num_other} of {theirs.size:,} areas differ",
        agreed=num_other == 0,
        peer="Keras Conv2D + MaxPool2D",
        peer_rounds=figures["peer"],
        floor=FLOOR_RATIO,
        floor_on="ratio",
        data=DATA,
    )


def _counts(num_images: int, image_px: int) -> np.ndarray:
    return np.random.default_rng(0).poisson(MEAN_COUNTS, (num_images, image_px, image_px)).astype(np.uint16)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _predictor(image_px: int, layer: keras.Layer) -> Callable[[np.ndarray], np.ndarray]:
    areas = keras.Input((image_px, image_px, 4))
    return make_predictor(keras.Model(areas, layer(areas)))


def _areas_by_fourier(image: np.ndarray) -> np.ndarray:
    """``(rows, columns, 4)`` areas of counts, float32."""
    before = (FILTER_PX - 1) // 2
    padded = np.pad(image.astype(np.float64), (before, FILTER_PX - 1 - before))
    areas = []
    for one in slope_filters(FILTER_PX, PAPER).astype(np.float64):
        correlation = np.rint(fftconvolve(padded, one[::-1, ::-1], mode="valid"))
        areas.append(maximum_filter(np.abs(correlation), FILTER_PX, mode="constant", origin=-1))
    return np.stack(areas, axis=-1).astype(np.float32)


def _peer(image_px: int) -> Callable[[np.ndarray], np.ndarray]:
    """Keras's own layers with the same filters, compiled."""
    images = keras.Input((image_px, image_px))
    convolution = keras.layers.Conv2D(4, FILTER_PX, padding="same", use_bias=False)
    responses = convolution(images[..., None])
    areas = keras.layers.MaxPooling2D(FILTER_PX, strides=1, padding="same")(ops.abs(responses))
    convolution.set_weights([slope_filters(FILTER_PX, PAPER).transpose(1, 2, 0)[:, :, None]])
    return make_predictor(keras.Model(images, areas))


if __name__ == "__main__":
    run_as_script(main)
