"""Indexing of real patterns: background off, a first orientation from network or dictionary, then refinement.

Where the refined answer of the network scores low, other starts are tried: the orientations found for other points,
which may be of the same grain; the network's answers to copies with noise; at last the dictionary.

The score of an answer is the normalised cross-correlation (NCC) of the prepared pattern with the pattern that is
simulated for this answer, whatever found it: 1 is equality, 0 is what unrelated patterns have on average. The
confidence is what the first step says of itself: the network's own, or the share of the dictionary's best matches that
are neighbours of the best one.

Reference:
    Y. H. Chen et al., A dictionary approach to electron backscatter diffraction indexing, Microsc. Microanal. 21, 739
    (2015), doi:10.1017/S1431927615000756.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from omnet.background import remove_dynamic_background, remove_static_background
from omnet.binning import binned, binned_detector
from omnet.detector import Detector
from omnet.dictionary import Dictionary
from omnet.disorientation import disorientation_deg
from omnet.master_pattern import MasterPattern
from omnet.noise import coloured_noise
from omnet.patterns import checked_patterns, ncc, usable_patterns
from omnet.predict import PRETRAINED_MEASURED, load_pretrained
from omnet.refinement import refine
from omnet.reprojection import Reprojection
from omnet.rotations import cubic_representatives
from omnet.sampling import cubochoric_grid
from omnet.simulator import Simulator

# (n, rows, columns) patterns and (n, 3) projection centres or None -> (n, 4) orientations, (n,) confidences
FirstStep = Callable[[np.ndarray, np.ndarray | None], tuple[np.ndarray, np.ndarray]]
NETWORK, DICTIONARY, OTHERS = "network", "dictionary", "other points"
METHODS = (NETWORK, DICTIONARY)
BINNED_SIDE = 60  # pixels; finer patterns index no better and make dictionaries of gigabytes
NUM_COPIES = 64  # of a pattern with noise, each answered by the network
COPY_NOISE_SD = 1.0  # in standard deviations of the pattern
PATTERNS_PER_BATCH = 16  # that are copied at once
SAME_GRAIN_DEG, MAX_DISTINCT = 1.0, 256  # of the orientations found for other points
NUM_BEST = 10  # matches of the dictionary that its confidence looks at
NEIGHBOUR_DEG = 5.0  # between a true answer and the points around it in a grid of 50 steps
LOW_SCORE = 0.2  # below it an answer of the network is tried again by other ways; real nickel has 0.4 to 0.5
LOW_SHARE_OF_MEDIAN = 0.7  # the same, relative to the patterns around it; wrong answers there have 0 to 0.13
MIN_COVERAGE = 0.5  # share of the network's field of view that the detector must see


@dataclass(frozen=True)
class IndexingSettings:
    """What is done with each pattern.

    Attributes:
        method: ``"network"`` or ``"dictionary"``, where the first orientation comes from.
        refine: Whether the orientation is then refined against simulations.
        remove_static: Whether the static background is removed.
        remove_dynamic: Whether the dynamic background is removed.
        grid_steps: Steps along half the edge of the cubochoric grid of the dictionary; 50 are 41,625 orientations.

    Raises:
        ValueError: If the method is another.
    """

    method: str = NETWORK
    refine: bool = True
    remove_static: bool = False
    remove_dynamic: bool = True
    grid_steps: int = 50

    def __post_init__(self):
        if self.method not in METHODS:
            raise ValueError(f"Expected the method {' or '.join(METHODS)}, received {self.method!r}.")


@dataclass(frozen=True, eq=False)
class Answers:
    """Orientations of patterns; rows are NaN and ``""`` where there is none.

    Attributes:
        quaternions: ``(n, 4)``, sample to crystal, in the fundamental zone of 432.
        score: ``(n,)`` NCC with the simulated pattern at the answer.
        confidence: ``(n,)`` from 0 to 1, as the first step says; NaN where it says nothing.
        start: ``(n,)`` what gave the first orientation: ``"network"``, ``"other points"`` or ``"dictionary"``.
        reason: ``(n,)`` why there is no answer, ``""`` where there is one.
    """

    quaternions: np.ndarray
    score: np.ndarray
    confidence: np.ndarray
    start: np.ndarray
    reason: np.ndarray

    @classmethod
    def none(cls, num: int) -> Answers:
        """Answers to be filled in."""
        empty = np.full(num, "", object)
        return cls(np.full((num, 4), np.nan), np.full(num, np.nan), np.full(num, np.nan), empty, empty.copy())

    def fill(self, rows: np.ndarray, others: Answers, other_rows: slice | np.ndarray = slice(None)) -> None:
        """Put answers of others into rows of these."""
        for name in ("quaternions", "score", "confidence", "start", "reason"):
            getattr(self, name)[rows] = getattr(others, name)[other_rows]


class Indexer:
    """Indexes patterns of one detector; simulations, dictionary and network are made when they are first needed.

    Args:
        settings: What is done.
        detector: Where the detector stands.
        master: The phase.
        static_background: ``(rows, columns)``, needed if it is to be removed.
        weights: Network (``.keras``); ``None`` is the shipped one for measured patterns.
        progress: Show a bar on a terminal while the dictionary is simulated.

    Raises:
        ValueError: If there is no static background to remove, or the detector sees too little of what the network saw.
    """

    def __init__(
        self,
        settings: IndexingSettings,
        detector: Detector,
        master: MasterPattern,
        *,
        static_background: np.ndarray | None = None,
        weights: Path | None = None,
        progress: bool = False,
    ):
        if settings.remove_static and static_background is None:
            raise ValueError("Expected a static background to remove, found none in the scan; use --no-static.")
        self.settings, self.weights, self.progress = settings, weights, progress
        self.camera = detector
        self.binning = max(1, min(detector.shape) // BINNED_SIDE)
        self.detector = binned_detector(detector, self.binning)
        # Rows and columns that fill no whole bin are cut off, which moves the fractions of a projection centre.
        self._pc_scale = np.array(self.detector.pc) / np.array(detector.pc)
        self.simulator = Simulator(master, self.detector)
        self.static_background = None
        if settings.remove_static:
            self.static_background = binned(np.asarray(static_background, np.float32)[None], self.binning)[0]
        if settings.method == NETWORK:
            self._check_phase(master)
            self._check_coverage()

    def index(self, patterns: np.ndarray, pc: np.ndarray | None = None) -> Answers:
        """Orientations of patterns.

        Args:
            patterns: ``(n, rows, columns)`` as they come from the camera.
            pc: ``(n, 3)`` projection centres in Bruker's convention, one a pattern; ``None`` takes the detector's.

        Returns:
            An answer or a reason for each pattern, in their order.

        Raises:
            ValueError: If there is no pattern, or they are of another size or kind than the detector's.
        """
        patterns = checked_patterns(patterns, self.camera.shape).astype(np.float32)
        answers = Answers.none(len(patterns))
        usable, answers.reason[:] = usable_patterns(patterns)
        prepared = self.prepare(patterns[usable])
        has_contrast, why_not = usable_patterns(prepared)
        rows = np.flatnonzero(usable)
        answers.reason[rows] = [reason and f"{reason} without its background" for reason in why_not]
        rows = rows[has_contrast]
        if len(rows):
            pc = None if pc is None else (pc * self._pc_scale)[rows]
            answers.fill(rows, self._index_prepared(prepared[has_contrast], pc))
        return answers

    def prepare(self, patterns: np.ndarray) -> np.ndarray:
        """Bin patterns and take their background off: ``(n, rows, columns)`` of `detector`, float32."""
        patterns = binned(patterns, self.binning)
        if self.static_background is not None:
            patterns = remove_static_background(patterns, self.static_background)
        return remove_dynamic_background(patterns) if self.settings.remove_dynamic else patterns

    def _index_prepared(self, patterns: np.ndarray, pc: np.ndarray | None) -> Answers:
        if self.settings.method == DICTIONARY:
            return self._answers_from(DICTIONARY, self._from_dictionary, patterns, pc)
        answers = self._answers_from(NETWORK, self._from_network, patterns, pc)
        if self.settings.refine:
            self._try_again(answers, patterns, pc)
        return answers

    def _try_again(self, answers: Answers, patterns: np.ndarray, pc: np.ndarray | None) -> None:
        """Replace answers of low scores by better ones, the quickest way first."""

        def from_others(patterns: np.ndarray, _pc: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
            found = distinct(answers.quaternions[answers.score >= _limit(answers.score)])
            rows, _ = Dictionary(found, self.simulator.dictionary(found)).index(patterns)
            return found[rows[:, 0]], np.full(len(patterns), np.nan)

        others, copies = (OTHERS, from_others), (NETWORK, self._from_noisy_copies)
        for start, first in (others, copies, others, (DICTIONARY, self._from_dictionary)):
            is_low = answers.score < _limit(answers.score)
            if is_low.any() and not (start == OTHERS and is_low.all()):
                low = np.flatnonzero(is_low)
                again = self._answers_from(start, first, patterns[low], None if pc is None else pc[low])
                better = again.score > answers.score[low]
                answers.fill(low[better], again, better)

    def _answers_from(self, start: str, first: FirstStep, patterns: np.ndarray, pc: np.ndarray | None) -> Answers:
        """Answers to patterns by a first step of network or dictionary."""
        quaternions, confidence = first(patterns, pc)
        if self.settings.refine:
            wide = start == NETWORK  # which errs by more than the grid of a dictionary
            refined = refine(patterns, quaternions, self.simulator, pc=pc, wide=wide)
            quaternions, score = refined.quaternions, refined.scores
        else:
            score = ncc(patterns, self.simulator.simulate(quaternions, pc))
        made = Answers.none(len(patterns))
        made.start[:] = start
        return replace(made, quaternions=cubic_representatives(quaternions), score=score, confidence=confidence)

    def _from_network(self, patterns: np.ndarray, _pc: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        return self._predictor.predict(self._reprojection(patterns))

    def _from_noisy_copies(self, patterns: np.ndarray, pc: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Of the network's answers to many copies with noise the one whose simulation is most like the pattern.

        Where the network is unsure, noise makes it waver among the orientations that it cannot tell apart.
        """
        parts = [
            self._best_of_copies(patterns[rows], None if pc is None else pc[rows])
            for rows in np.split(np.arange(len(patterns)), range(PATTERNS_PER_BATCH, len(patterns), PATTERNS_PER_BATCH))
        ]
        quaternions, confidences = zip(*parts, strict=True)
        return np.concatenate(quaternions), np.concatenate(confidences)

    def _best_of_copies(self, patterns: np.ndarray, pc: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        seen = self._reprojection(patterns)  # (n, rows, columns) of the network
        noise = COPY_NOISE_SD * seen.std(axis=(1, 2), keepdims=True)[:, None] * self._noise
        copies = (seen[:, None] + noise).reshape(-1, *seen.shape[1:])
        quaternions, confidence = self._predictor.predict(copies)
        of_pattern = np.repeat(np.arange(len(patterns)), NUM_COPIES)
        simulated = self.simulator.simulate(quaternions, None if pc is None else pc[of_pattern])
        scores = ncc(patterns[of_pattern], simulated).reshape(-1, NUM_COPIES)
        best = np.arange(len(patterns)) * NUM_COPIES + scores.argmax(axis=1)
        return quaternions[best], confidence[best]

    def _from_dictionary(self, patterns: np.ndarray, _pc: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        rows, _ = self._dictionary.index(patterns, num_best=NUM_BEST)
        best = self._dictionary.quaternions[rows]  # (n, NUM_BEST, 4)
        neighbours = disorientation_deg(best[:, :1], best[:, 1:]) < NEIGHBOUR_DEG
        return best[:, 0], neighbours.mean(axis=1)

    def _check_phase(self, master: MasterPattern) -> None:
        known = self._predictor.card["elements"]
        if master.phase not in known:
            raise ValueError(
                f"Expected a network for the phase of the master pattern, {master.phase!r}; received one for "
                f"{', '.join(known)}. Give the master pattern it was trained with (--master), or --method dictionary."
            )

    def _check_coverage(self) -> None:
        if self._reprojection.coverage < MIN_COVERAGE:
            raise ValueError(
                f"Expected a detector that sees at least {MIN_COVERAGE:.0%} of what the network was trained to see; "
                f"this one sees {self._reprojection.coverage:.0%}. Use --method dictionary."
            )

    @cached_property
    def _predictor(self):
        return load_pretrained(self.weights or PRETRAINED_MEASURED)

    @cached_property
    def _noise(self) -> np.ndarray:
        return coloured_noise(NUM_COPIES, self._predictor.detector.shape, np.random.default_rng(0))

    @cached_property
    def _reprojection(self) -> Reprojection:
        return Reprojection(self.detector, self._predictor.detector)

    @cached_property
    def _dictionary(self) -> Dictionary:
        grid = cubochoric_grid(self.settings.grid_steps)
        return Dictionary(grid, self.simulator.dictionary(grid, progress=self.progress))


def _limit(scores: np.ndarray) -> float:
    """The score below which an answer is tried again."""
    return max(LOW_SCORE, LOW_SHARE_OF_MEDIAN * float(np.median(scores)))


def distinct(quaternions: np.ndarray) -> np.ndarray:
    """Orientations that differ by `SAME_GRAIN_DEG` and more, ``(n, 4)`` -> ``(m, 4)``; the first of each kind."""
    found = quaternions[:1]
    for quaternion in quaternions[1:]:
        if len(found) < MAX_DISTINCT and disorientation_deg(found, quaternion).min() > SAME_GRAIN_DEG:
            found = np.concatenate([found, quaternion[None]])
    return found
