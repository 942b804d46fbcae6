"""Orientations of EBSD patterns: this project against kikuchipy, same process, two cores.

    python -m benchmarks.bench_dictionary

Dictionary indexing takes the same patterns against the same dictionary, the cubochoric grid of N = 50; both sides must
name the same rows with the same scores. Refinement takes the same patterns from the same starts, the best rows of the
dictionary; each side must come near the orientations that the patterns were simulated for, and ours no less near.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks import Measurement, measure_in_turn, rate, run_as_script, use_cores
from omnet.detector import Detector
from omnet.dictionary import Dictionary
from omnet.disorientation import disorientation_deg
from omnet.master_pattern import BUNDLED, load_master_pattern
from omnet.predict import load_pretrained
from omnet.refinement import refine
from omnet.rotations import random_quaternions
from omnet.sampling import cubochoric_grid
from omnet.simulator import Simulator

GRID_STEPS, QUICK_GRID_STEPS = 50, 12
PATTERNS, QUICK_PATTERNS = 500, 20
REFINED_PATTERNS, QUICK_REFINED_PATTERNS = 250, 4
ROUNDS = 3
SCORE_TOLERANCE = 1e-5
MAX_REFINED_DEG = 0.1  # of a start that is some 1.3 degrees off
MAX_NETWORK_DEG = 3.0
FLOOR_RATIO = 3.0
DATA = "simulated patterns of nickel, 20 kV"


def main(quick: bool = False) -> list[Measurement]:
    """Dictionary indexing and refinement of simulated patterns beside kikuchipy, on two cores."""
    use_cores(2)
    master = load_master_pattern()
    simulator = Simulator(master, Detector())
    grid = cubochoric_grid(QUICK_GRID_STEPS if quick else GRID_STEPS)
    dictionary = Dictionary(grid, simulator.dictionary(grid))
    truth = random_quaternions(QUICK_PATTERNS if quick else PATTERNS, np.random.default_rng(0))
    patterns = simulator.dictionary(truth)

    num_refined = QUICK_REFINED_PATTERNS if quick else REFINED_PATTERNS
    starts = grid[dictionary.index(patterns[:num_refined])[0][:, 0]]
    rounds = 1 if quick else ROUNDS
    return [
        _indexing(dictionary, patterns, rounds),
        _refinement(simulator, patterns[:num_refined], starts, truth[:num_refined], rounds, check=not quick),
        _by_network(patterns, truth, rounds),
    ]


def _by_network(patterns: np.ndarray, truth: np.ndarray, rounds: int) -> Measurement:
    predictor = load_pretrained()
    errors_deg = disorientation_deg(predictor.predict(patterns)[0], truth)
    figures = measure_in_turn({"ours": lambda: rate(len(patterns), lambda: predictor.predict(patterns))}, rounds)
    return Measurement(
        task="orientations by the shipped network, 60 x 60, 2 cores",
        rows=len(patterns),
        unit="patterns/s",
        ours_rounds=figures["ours"],
        agreement=f"{errors_deg.mean():.2f} degrees from the truth on the mean, {MAX_NETWORK_DEG} allowed",
        agreed=bool(errors_deg.mean() <= MAX_NETWORK_DEG),
        data=DATA,
    )


def _indexing(dictionary: Dictionary, patterns: np.ndarray, rounds: int) -> Measurement:
    kikuchipy_index = _kikuchipy_indexing(dictionary, patterns)
    rows, scores = dictionary.index(patterns)
    peer_rows, peer_scores = kikuchipy_index()
    num_same = int((rows[:, 0] == peer_rows).sum())
    difference = float(np.abs(scores[:, 0] - peer_scores).max())
    figures = measure_in_turn(
        {
            "ours": lambda: rate(len(patterns), lambda: dictionary.index(patterns)),
            "kikuchipy": lambda: rate(len(patterns), kikuchipy_index),
        },
        rounds,
    )
    return Measurement(
        task=f"dictionary indexing, {len(dictionary):,} patterns of 60 x 60, 2 cores",
        rows=len(patterns),
        unit="patterns/s",
        ours_rounds=figures["ours"],
        agreement=f"the same row for {num_same:,} of {len(patterns):,}, scores within {difference:.1e}, "
        f"{SCORE_TOLERANCE:.0e} allowed",
        agreed=num_same == len(patterns) and difference <= SCORE_TOLERANCE,
        peer="kikuchipy EBSD.dictionary_indexing",
        peer_rounds=figures["kikuchipy"],
        floor=FLOOR_RATIO,
        floor_on="ratio",
        data=DATA,
    )


def _refinement(
    simulator: Simulator, patterns: np.ndarray, starts: np.ndarray, truth: np.ndarray, rounds: int, *, check: bool
) -> Measurement:
    kikuchipy_refine = _kikuchipy_refinement(simulator, patterns, starts)
    ours_deg = disorientation_deg(refine(patterns, starts, simulator).quaternions, truth)
    peer_deg = disorientation_deg(kikuchipy_refine(), truth)
    figures = measure_in_turn(
        {
            "ours": lambda: rate(len(patterns), lambda: refine(patterns, starts, simulator)),
            "kikuchipy": lambda: rate(len(patterns), kikuchipy_refine),
        },
        rounds,
    )
    return Measurement(
        task="refinement of orientations from the dictionary's, 60 x 60, 2 cores",
        rows=len(patterns),
        unit="patterns/s",
        ours_rounds=figures["ours"],
        agreement=f"from {disorientation_deg(starts, truth).mean():.2f} to {ours_deg.mean():.4f} degrees of the truth "
        f"on the mean, kikuchipy to {peer_deg.mean():.4f}; {MAX_REFINED_DEG} allowed, and no more than its",
        # The starts of a quick run are far off.
        agreed=not check or bool(ours_deg.mean() <= min(MAX_REFINED_DEG, peer_deg.mean())),
        peer="kikuchipy EBSD.refine_orientation (Nelder-Mead)",
        peer_rounds=figures["kikuchipy"],
        floor=FLOOR_RATIO,
        floor_on="ratio",
        data=DATA,
    )


def _crystal_map(quaternions: np.ndarray, phase):
    from orix.crystal_map import CrystalMap, PhaseList
    from orix.quaternion import Rotation

    return CrystalMap(rotations=Rotation(quaternions), x=np.arange(len(quaternions)), phase_list=PhaseList(phase))


def _kikuchipy_indexing(dictionary: Dictionary, patterns: np.ndarray) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """Best rows and their scores."""
    from kikuchipy.signals import EBSD
    from orix.crystal_map import Phase

    signal = EBSD(patterns)
    crystal_map = _crystal_map(dictionary.quaternions, Phase("ni", point_group="m-3m"))
    peer = EBSD(np.asarray(dictionary.patterns), xmap=crystal_map)

    def index() -> tuple[np.ndarray, np.ndarray]:
        found = signal.dictionary_indexing(peer, metric="ncc", keep_n=1)
        return found.prop["simulation_indices"].ravel(), found.prop["scores"].ravel()

    return index


def _kikuchipy_refinement(simulator: Simulator, patterns: np.ndarray, starts: np.ndarray) -> Callable[[], np.ndarray]:
    """(n, 4) quaternions."""
    import kikuchipy

    geometry = simulator.detector
    detector = kikuchipy.detectors.EBSDDetector(
        shape=geometry.shape, pc=geometry.pc, sample_tilt=geometry.sample_tilt_deg, tilt=geometry.tilt_deg
    )
    energy = simulator.master.energy_kev
    master = kikuchipy.load(str(BUNDLED), projection="lambert", hemisphere="both", energy=energy)
    signal, start = kikuchipy.signals.EBSD(patterns), _crystal_map(starts, master.phase)

    def refined() -> np.ndarray:
        return signal.refine_orientation(start, detector, master, energy=energy).rotations.data.reshape(-1, 4)

    return refined


if __name__ == "__main__":
    run_as_script(main)
