"""Refinement: from an orientation that is nearly right to that whose simulated pattern is most like the measured one.

Many patterns descend at once, each by damped least squares (Levenberg-Marquardt) on the difference of the two
patterns, both with mean 0 and length 1, which is largest normalised cross-correlation (NCC).

Turning the crystal a little moves the pattern over the detector, and so does moving the projection centre. How far
each pixel moves follows from the geometry, so all derivatives follow from the two gradients of the pattern along its
columns and rows. The way is found with the differences of neighbouring pixels, which cost no simulation; the last bit
with patterns simulated a fraction of a pixel to each side.

    refined = refine(patterns, quaternions, simulator)               # from within 3 degrees, as of a dictionary
    refined = refine(patterns, quaternions, simulator, wide=True)    # from within 8, as of a network

Reference:
    Section 6.1 of the thesis; S. Baker, I. Matthews, Int. J. Comput. Vis. 56, 221 (2004),
    doi:10.1023/B:VISI.0000011205.11775.fd; D. W. Marquardt, J. Soc. Ind. Appl. Math. 11, 431 (1963),
    doi:10.1137/0111030.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from omnet.detector import Detector
from omnet.pattern_flow import pattern_flow, pixel_gradients, simulated_gradients
from omnet.patterns import checked_patterns, unit_vectors, usable_patterns
from omnet.rotations import multiply, quaternions_from_rotation_vectors
from omnet.simulator import Simulator

# Ways to the best match: each blurs the patterns less and less and ends with sharp ones. Deviations in sixtieths of the
# height, pixels of the thesis's patterns. A wide blur finds the way from afar, and can lose it on real patterns.
NARROW_WAYS: tuple[tuple[float, ...], ...] = ((),)
WIDE_WAYS: tuple[tuple[float, ...], ...] = ((2.0,), (4.0, 2.0))
BLURRED_HIGH_PASS = 20.0  # in sixtieths: blurred patterns would else be compared by their slow background
BATCHES_AT_ONCE = 4  # of the simulator, which always fills its last one up
NEAR_RAD, CONVERGED_RAD = 1e-3, 2e-4  # the last step of the way there, and of the last bit: 0.06 and 0.01 degrees
MAX_ITERATIONS = 30  # of a stage
MAX_STEP_RAD, MAX_STEP_PC = np.deg2rad(5), 0.02
MAX_PC_SHIFT = 0.1  # farther off, a projection centre is wrong rather than inexact
FIRST_DAMPING, RELAX, TIGHTEN = 1e-3, 1 / 5, 8.0
LEAST_NCC = 0.2  # no step grows more than fivefold for the part of a pattern that is not explained


@dataclass(frozen=True)
class Refined:
    """Refined orientations.

    Attributes:
        quaternions: ``(n, 4)``.
        pc: ``(n, 3)`` projection centres, in the convention of `omnet.detector.Detector`.
        scores: ``(n,)`` normalised cross-correlation of each pattern and its simulation, filtered alike; NaN where
            nothing can be read from a pattern.
        converged: ``(n,)`` bool, whether the last step was negligible rather than merely the last allowed.
    """

    quaternions: np.ndarray
    pc: np.ndarray
    scores: np.ndarray
    converged: np.ndarray


def refine(
    patterns: np.ndarray,
    quaternions: np.ndarray,
    simulator: Simulator,
    *,
    pc: ArrayLike | None = None,
    refine_pc: bool = False,
    wide: bool = False,
) -> Refined:
    """Refine orientations, all patterns of a batch at once.

    Args:
        patterns: ``(n, rows, columns)``, any integer or floating-point intensities; of real ones the background
            removed.
        quaternions: ``(n, 4)`` orientations to start from.
        simulator: Of the phase and the detector.
        pc: ``(3,)`` or ``(n, 3)`` projection centres; the simulator's detector's where none are given.
        refine_pc: Refine the projection centre of each pattern too. A shift of it is much like a small rotation, so
            this takes better patterns than the orientation alone.
        wide: Go by blurred patterns too and take the best way, for starts that are more than 3 degrees off. It takes
            several times as long.

    Returns:
        One result a pattern, in order. Where nothing can be read from a pattern (`omnet.patterns.usable_patterns`) it
        keeps its start, with score NaN.

    Raises:
        ValueError: If there is no pattern, or an array is of another size or kind.
    """
    patterns = checked_patterns(patterns, simulator.detector.shape)
    quaternions = np.array(quaternions, np.float64)
    if quaternions.shape != (len(patterns), 4):
        raise ValueError(f"Expected one start a pattern, shape ({len(patterns)}, 4), received {quaternions.shape}.")
    own_pc = simulator.detector.checked_pc(np.asarray(simulator.detector.pc if pc is None else pc))
    centres = np.broadcast_to(own_pc, (len(patterns), 3)).copy()
    scores, converged = np.full(len(patterns), np.nan), np.zeros(len(patterns), bool)

    def stage(blur: float, is_last: bool = False) -> _Stage:
        return _Stage(simulator, centres.mean(axis=0), blur, refine_pc, is_last)

    ways = [[stage(blur) for blur in (*blurs, 0.0)] for blurs in (WIDE_WAYS if wide else NARROW_WAYS)]
    last = stage(0.0, is_last=True)
    usable = np.flatnonzero(usable_patterns(patterns)[0])
    num_at_once = BATCHES_AT_ONCE * simulator.batch_size
    for start in range(0, len(usable), num_at_once):
        rows = usable[start : start + num_at_once]
        nearest = _nearest(ways, patterns[rows], quaternions[rows], centres[rows])
        descent = _descend(last, patterns[rows], *nearest)
        quaternions[rows], centres[rows] = descent.quaternions, descent.pc
        scores[rows], converged[rows] = 1 - descent.costs, descent.converged
    return Refined(quaternions, centres, scores, converged)


def refine_detector(
    patterns: np.ndarray,
    quaternions: np.ndarray,
    simulator: Simulator,
    *,
    wide: bool = False,
) -> Detector:
    """The detector with the projection centre that suits a whole scan: the mean of what suits each pattern.

    The centre moves with the beam, by a pixel or less in most scans, and one for all is far less uncertain than each
    of them. A few dozen patterns of different orientations are enough.

    Args:
        patterns: ``(n, rows, columns)``.
        quaternions: ``(n, 4)`` orientations to start from.
        simulator: Of the phase, and of the detector with a projection centre that is nearly right.
        wide: As for `refine`.

    Returns:
        The simulator's detector but for its projection centre.

    Raises:
        ValueError: As `refine`, or if nothing can be read from any pattern.
    """
    refined = refine(patterns, quaternions, simulator, refine_pc=True, wide=wide)
    is_scored = np.isfinite(refined.scores)
    if not is_scored.any():
        raise ValueError("Expected a pattern that something can be read from; all received are constant or not finite.")
    x, y, z = refined.pc[is_scored].mean(axis=0).tolist()
    return replace(simulator.detector, pc=(x, y, z))


def _nearest(
    ways: list[list[_Stage]], patterns: np.ndarray, quaternions: np.ndarray, pc: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the best of all ways from one start ends; chosen for each pattern."""
    ends = []
    for way in ways:
        end = quaternions, pc
        for stage in way:
            descent = _descend(stage, patterns, *end)
            end = descent.quaternions, descent.pc
        ends.append((descent.costs, *end))
    costs, all_quaternions, all_pc = (np.stack(parts) for parts in zip(*ends, strict=True))
    best = costs.argmin(axis=0), np.arange(len(patterns))
    return all_quaternions[best], all_pc[best]


class _Stage:
    """How patterns are compared in one stage: their filter, their derivatives and the smallest step that counts."""

    def __init__(
        self,
        simulator: Simulator,
        pc: np.ndarray,
        blur: float,
        refine_pc: bool,
        is_last: bool,
    ):
        shape = simulator.detector.shape
        self.simulator, self.is_last = simulator, is_last
        self.negligible_rad = CONVERGED_RAD if is_last else NEAR_RAD
        # (length, length) for rows and columns: a narrow blur less a wide one
        widths_px = (blur * shape[0] / 60, BLURRED_HIGH_PASS * shape[0] / 60)
        self._blurs = [[_gaussian(length, width) for length in shape] for width in widths_px] if blur else None
        # The centres of a scan differ too little for the flow to differ.
        self.flow = pattern_flow(simulator.detector, pc)[: 6 if refine_pc else 3]  # (k, 2, p)

    def filtered(self, patterns: np.ndarray) -> np.ndarray:
        """(n, rows, columns) float32."""
        patterns = np.asarray(patterns, np.float32)
        if self._blurs is not None:
            (rows, columns), (slow_rows, slow_columns) = self._blurs
            patterns = rows @ patterns @ columns.T
            patterns = patterns - slow_rows @ patterns @ slow_columns.T
        return patterns

    def simulated(self, quaternions: np.ndarray, pc: np.ndarray) -> np.ndarray:
        """(n, rows, columns) float32."""
        is_own = (pc == self.simulator.detector.pc).all()  # cheaper, for all pixels then have the same directions
        return self.filtered(self.simulator.simulate(quaternions, None if is_own else pc))

    def normal_equations(
        self, targets: np.ndarray, patterns: np.ndarray, quaternions: np.ndarray, pc: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(n, k, k) Hessians and (n, k) right sides of the least-squares step."""
        along_columns, along_rows = (
            simulated_gradients(self.simulated, quaternions, pc, patterns.shape[1:])
            if self.is_last
            else pixel_gradients(patterns)
        )
        num, num_pixels = targets.shape
        vectors = patterns.reshape(num, -1)
        lengths = np.linalg.norm(vectors - vectors.mean(axis=1, keepdims=True), axis=1)
        units = unit_vectors(patterns)
        hessians, right_sides = [], []
        for i in range(num):  # one pattern's derivatives stay in the cache
            jacobian = self.flow[:, 0] * along_columns[i].ravel() + self.flow[:, 1] * along_rows[i].ravel()  # (k, p)
            # Mean and length are taken out of the pattern, and so out of its derivatives.
            sums, along, onto_target = jacobian.sum(axis=1), jacobian @ units[i], jacobian @ targets[i]
            ncc = units[i] @ targets[i]
            hessian = jacobian @ jacobian.T - np.outer(sums, sums) / num_pixels - np.outer(along, along)
            # The part of the target that no orientation explains is not there to be fitted: without it the NCC would
            # be 1, and with it the NCC falls so much more slowly.
            hessians.append(hessian * (max(ncc, LEAST_NCC) / lengths[i] ** 2))
            right_sides.append((onto_target - along * ncc) / lengths[i])
        return np.array(hessians, np.float64), np.array(right_sides, np.float64)


def _descend(stage: _Stage, patterns: np.ndarray, quaternions: np.ndarray, pc: np.ndarray) -> _Descent:
    """One stage from start to end."""
    descent = _Descent(stage, patterns, quaternions, pc)
    descent.run()
    return descent


class _Descent:
    """One stage for one batch; patterns leave it as they converge."""

    def __init__(self, stage: _Stage, patterns: np.ndarray, quaternions: np.ndarray, pc: np.ndarray):
        num, num_parameters = len(patterns), len(stage.flow)
        self.stage = stage
        self.quaternions, self.pc, self._first_pc = quaternions.copy(), pc.copy(), pc
        self.costs = np.full(num, np.inf)  # 1 - NCC
        self.converged = np.zeros(num, bool)
        self._targets = unit_vectors(stage.filtered(patterns))
        self._hessians = np.empty((num, num_parameters, num_parameters))
        self._right_sides = np.empty((num, num_parameters))
        self._damping = np.full(num, FIRST_DAMPING)

    def run(self) -> None:
        """Take steps until all have converged."""
        active = np.arange(len(self.costs))
        self._accept_improvements(active, self.quaternions, self.pc)
        for _ in range(MAX_ITERATIONS):
            steps = self._steps(active)
            is_negligible = np.linalg.norm(steps[:, :3], axis=1) < self.stage.negligible_rad
            self.converged[active[is_negligible]] = True
            active, steps = active[~is_negligible], steps[~is_negligible]
            if not len(active):
                return
            quaternions = multiply(self.quaternions[active], quaternions_from_rotation_vectors(steps[:, :3]))
            pc = self.pc[active]
            if steps.shape[1] > 3:
                limits = self._first_pc[active] - MAX_PC_SHIFT, self._first_pc[active] + MAX_PC_SHIFT
                pc = np.clip(pc + steps[:, 3:], *limits)
            is_better = self._accept_improvements(active, quaternions, pc)
            self._damping[active] *= np.where(is_better, RELAX, TIGHTEN)

    def _steps(self, rows: np.ndarray) -> np.ndarray:
        """(n, k) rotation vectors, radians, and shifts of the projection centre."""
        diagonals = self._hessians[rows] * np.eye(self._hessians.shape[1])
        damped = self._hessians[rows] + self._damping[rows, None, None] * diagonals
        steps = np.linalg.solve(damped, self._right_sides[rows, :, None])[..., 0]
        excess = np.linalg.norm(steps[:, :3], axis=1) / MAX_STEP_RAD
        if steps.shape[1] > 3:
            excess = np.maximum(excess, np.abs(steps[:, 3:]).max(axis=1) / MAX_STEP_PC)
        return steps / np.maximum(excess, 1)[:, None]

    def _accept_improvements(self, rows: np.ndarray, quaternions: np.ndarray, pc: np.ndarray) -> np.ndarray:
        """Move the patterns that are better off there; (n,) bool says which."""
        patterns = self.stage.simulated(quaternions, pc)
        differences = unit_vectors(patterns) - self._targets[rows]
        costs = np.einsum("ij,ij->i", differences, differences) / 2  # exact near 0, as 1 - NCC would not be
        is_better = costs < self.costs[rows]
        moved = rows[is_better]
        if len(moved):
            self.quaternions[moved], self.pc[moved], self.costs[moved] = (
                quaternions[is_better],
                pc[is_better],
                costs[is_better],
            )
            self._hessians[moved], self._right_sides[moved] = self.stage.normal_equations(
                self._targets[moved], patterns[is_better], quaternions[is_better], pc[is_better]
            )
        return is_better


def _gaussian(length: int, std_px: float) -> np.ndarray:
    """(length, length) float32 that blurs a line of pixels from the left; at the edges by what there is."""
    distances = np.subtract.outer(np.arange(length), np.arange(length))
    weights = np.exp(-((distances / std_px) ** 2) / 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
