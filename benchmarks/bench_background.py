"""Background of one full detector frame removed: this project against SciPy, same frame, same process, two cores.

    python -m benchmarks.bench_background

Both sides give I - MF and I - CS at size 200 (equations 7.9 and 7.10). The peer takes SciPy's quick filters, whose
running mean stands for the dense convolution of the authors, some seven minutes a frame.
"""

from __future__ import annotations

import time

import numpy as np

from benchmarks import Measurement, measure_in_turn, run_as_script, use_cores
from padnet.background import PAPER_IMAGE_PX, PAPER_SIZE_PX, remove_minimum, remove_smooth

QUICK_IMAGE_PX, QUICK_SIZE_PX = 256, 25
ROUNDS = 7
MEAN_COUNTS = 480  # typical of the frames from SLAC
TOLERANCE_COUNTS = 1e-3
MOST_SECONDS = 0.3


def main(quick: bool = False) -> list[Measurement]:
    """I - MF and I - CS of one frame beside SciPy, on two cores."""
    use_cores(2)
    image_px, size_px = (QUICK_IMAGE_PX, QUICK_SIZE_PX) if quick else (PAPER_IMAGE_PX, PAPER_SIZE_PX)
    frame = np.random.default_rng(0).poisson(MEAN_COUNTS, (image_px, image_px)).astype(np.uint16)
    answers = zip(_ours(frame, size_px), _peer(frame, size_px), strict=True)
    differences = [np.abs(ours - theirs).max() for ours, theirs in answers]
    sides = {"ours": lambda: _seconds(_ours, frame, size_px), "peer": lambda: _seconds(_peer, frame, size_px)}
    figures = measure_in_turn(sides, rounds=1 if quick else ROUNDS)
    return [
        Measurement(
            task=f"I - MF and I - CS at size {size_px} of {image_px} x {image_px} pixels, 2 cores",
            rows=1,
            unit="s/frame",
            ours_rounds=figures["ours"],
            agreement=f"all counts within {max(differences):.1e}, {TOLERANCE_COUNTS:.0e} allowed",
            agreed=bool(max(differences) <= TOLERANCE_COUNTS),  # False for NaN
            peer="scipy.ndimage minimum_filter and uniform_filter",
            peer_rounds=figures["peer"],
            floor=MOST_SECONDS,
            floor_on="ours_at_most",
            data="Poisson counts",
        )
    ]


def _ours(frame: np.ndarray, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    return remove_minimum(frame, size_px), remove_smooth(frame, size_px)


def _peer(frame: np.ndarray, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    from scipy.ndimage import minimum_filter, uniform_filter

    smallest = minimum_filter(frame, size_px, mode="mirror").astype(np.float64)
    # a convolution of even size reaches one pixel further to the right, which uniform_filter does if told to
    origin = 0 if size_px % 2 else -1
    return frame - smallest, frame - uniform_filter(smallest, size_px, mode="mirror", origin=origin)


def _seconds(work, frame: np.ndarray, size_px: int) -> float:
    start = time.perf_counter()
    work(frame, size_px)
    return time.perf_counter() - start


if __name__ == "__main__":
    run_as_script(main)
