"""Patterns from a master pattern: this project against kikuchipy, same orientations, same process, two cores.

    python -m benchmarks.bench_simulation

Both sides end with a NumPy array of float32 in the intensities of the bundled nickel master pattern, 60 x 60 pixels a
pattern. The rounds measure the work alone: each side has compiled its code in the one to warm up.
"""

from __future__ import annotations

import numpy as np

from benchmarks import Measurement, measure_in_turn, rate, run_as_script, use_cores
from omnet.detector import Detector
from omnet.master_pattern import BUNDLED, MasterPattern, load_master_pattern
from omnet.rotations import random_quaternions
from omnet.simulator import Simulator

PATTERNS, QUICK_PATTERNS = 10_000, 100
ROUNDS = 5
TOLERANCE = 1e-4  # of the range of intensities
FLOOR_RATIO = 1


def main(quick: bool = False) -> list[Measurement]:
    """Simulated patterns of random orientations beside kikuchipy, on two cores."""
    use_cores(2)
    master, detector = load_master_pattern(), Detector()
    quaternions = random_quaternions(QUICK_PATTERNS if quick else PATTERNS, np.random.default_rng(0))
    simulator = Simulator(master, detector)
    peer = _Peer(master, detector)
    ours, theirs = simulator.simulate(quaternions), peer.simulate(quaternions)
    difference = float(np.abs(ours - theirs).max() / np.ptp(theirs))
    sides = {
        "ours": lambda: rate(len(quaternions), lambda: simulator.simulate(quaternions)),
        "peer": lambda: rate(len(quaternions), lambda: peer.simulate(quaternions)),
    }
    figures = measure_in_turn(sides, rounds=1 if quick else ROUNDS)
    return [
        Measurement(
            task=f"patterns of {detector.shape[0]} x {detector.shape[1]} pixels from a master pattern, 2 cores",
            rows=len(quaternions),
            unit="patterns/s",
            ours_rounds=figures["ours"],
            agreement=f"all intensities within {difference:.1e} of their range, {TOLERANCE:.0e} allowed",
            agreed=bool(difference <= TOLERANCE),  # False for NaN
            peer="kikuchipy EBSDMasterPattern.get_patterns",
            peer_rounds=figures["peer"],
            floor=FLOOR_RATIO,
            floor_on="ratio",
            data=BUNDLED.name,
        )
    ]


class _Peer:
    """kikuchipy with the same master pattern and geometry ready as its own objects."""

    def __init__(self, master: MasterPattern, detector: Detector):
        from kikuchipy.detectors import EBSDDetector
        from kikuchipy.signals import EBSDMasterPattern
        from orix.crystal_map import Phase

        self.signal = EBSDMasterPattern(
            np.stack([master.upper, master.lower]),
            projection="lambert",
            hemisphere="both",
            phase=Phase("ni", space_group=225),
        )
        self.detector = EBSDDetector(
            detector.shape, pc=detector.pc, sample_tilt=detector.sample_tilt_deg, tilt=detector.tilt_deg
        )

    def simulate(self, quaternions: np.ndarray) -> np.ndarray:
        from orix.quaternion import Rotation

        patterns = self.signal.get_patterns(
            Rotation(quaternions), self.detector, dtype_out="float32", compute=True, show_progressbar=False
        )
        return patterns.data


if __name__ == "__main__":
    run_as_script(main)
