"""Dictionary indexing: the orientation of the simulated pattern that is most like the measured one.

    dictionary = Dictionary(quaternions, simulator.dictionary(quaternions))
    rows, scores = dictionary.index(patterns)
    orientations = dictionary.quaternions[rows[:, 0]]

A matrix product in single precision compares all pairs; those that might be among the best are compared again in
double precision. What is found so depends neither on the size of the parts nor on how a matrix product rounds.

Reference:
    Section 6.1 of the thesis; Y. H. Chen et al., Microsc. Microanal. 21, 739 (2015), doi:10.1017/S1431927615000756.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from omnet.patterns import checked_patterns, unit_vectors, usable_patterns

Metric = Literal["ncc", "dot"]
ROUNDING = 5e-5  # of a score, more than single precision can be off: patterns nearer than that are compared again


class Dictionary:
    """Simulated patterns and their orientations.

    Args:
        quaternions: ``(m, 4)``.
        patterns: ``(m, rows, columns)`` uint8, may be mapped from a file: they are read in parts.
        rows_at_once: Patterns of a part.

    Raises:
        ValueError: If the patterns are of another kind, or there are not as many of them as quaternions.
    """

    def __init__(self, quaternions: np.ndarray, patterns: np.ndarray, *, rows_at_once: int = 1024):
        if patterns.ndim != 3 or patterns.dtype != np.uint8 or len(patterns) == 0:
            raise ValueError(
                f"Expected a dictionary of uint8 patterns of shape (m, rows, columns), received {patterns.dtype} of "
                f"shape {patterns.shape}; make one with Simulator.dictionary."
            )
        if np.shape(quaternions) != (len(patterns), 4):
            raise ValueError(
                f"Expected one quaternion a pattern, shape ({len(patterns)}, 4), received {np.shape(quaternions)}."
            )
        self.quaternions, self.patterns, self.rows_at_once = np.asarray(quaternions), patterns, rows_at_once

    def __len__(self) -> int:
        return len(self.patterns)

    def index(
        self, patterns: np.ndarray, num_best: int = 1, metric: Metric = "ncc", *, patterns_at_once: int = 2048
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the most similar patterns of the dictionary.

        Args:
            patterns: ``(n, rows, columns)``, any integer or floating-point intensities.
            num_best: How many to find for each.
            metric: ``"ncc"``, the normalised cross-correlation of patterns with their means removed, from -1 to 1; or
                ``"dot"``, the normalised dot product of the thesis, which keeps the means and so lies near 1 for any
                two patterns.
            patterns_at_once: Patterns compared at once; with `rows_at_once` it bounds the memory.

        Returns:
            ``(n, num_best)`` rows of the dictionary, the most similar first and of equal ones the lowest row, and
            ``(n, num_best)`` scores. Patterns that nothing can be read from (`omnet.patterns.usable_patterns`) have
            row -1 and score NaN.

        Raises:
            ValueError: If there is no pattern, they are of another size or kind, the metric is unknown, or there are
                fewer than `num_best` in the dictionary.
        """
        patterns = checked_patterns(patterns, self.patterns.shape[1:])
        if metric not in ("ncc", "dot"):
            raise ValueError(f'Expected the metric "ncc" or "dot", received {metric!r}.')
        if not 1 <= num_best <= len(self):
            raise ValueError(f"Expected num_best from 1 to {len(self)}, the size of the dictionary, got {num_best}.")
        usable = np.flatnonzero(usable_patterns(patterns)[0])
        rows = np.full((len(patterns), num_best), -1)
        scores = np.full((len(patterns), num_best), np.nan)
        for start in range(0, len(usable), patterns_at_once):
            part = usable[start : start + patterns_at_once]
            rows[part], scores[part] = self._index_part(patterns[part], num_best, metric == "ncc")
        return rows, scores

    def _index_part(self, patterns: np.ndarray, num_best: int, subtract_mean: bool) -> tuple[np.ndarray, np.ndarray]:
        candidates = self._candidates(unit_vectors(patterns, subtract_mean=subtract_mean), num_best, subtract_mean)
        rows = np.empty((len(patterns), num_best), int)
        scores = np.empty((len(patterns), num_best))
        for i, places in enumerate(candidates):
            vector = unit_vectors(patterns[i : i + 1], subtract_mean=subtract_mean, dtype=np.float64)[0]
            near = unit_vectors(self.patterns[places], subtract_mean=subtract_mean, dtype=np.float64)
            found = np.einsum("ij,j->i", near, vector)  # row by row; in a matrix product the order of sums varies
            best = np.lexsort([places, -found])[:num_best]
            rows[i], scores[i] = places[best], found[best]
        return rows, scores

    def _candidates(self, vectors: np.ndarray, num_best: int, subtract_mean: bool) -> list[np.ndarray]:
        """For each vector the rows, in ascending order, that may be among its best but for rounding."""
        at_least = np.full(len(vectors), -np.inf, np.float32)  # the num_best-th score, as far as is known
        of_vector, of_row, of_score = [], [], []
        for start in range(0, len(self), self.rows_at_once):
            scores = self._scores(vectors, slice(start, start + self.rows_at_once), subtract_mean)
            if scores.shape[1] >= num_best:
                best = scores.max(axis=1) if num_best == 1 else -np.partition(-scores, num_best - 1)[:, num_best - 1]
                at_least = np.maximum(at_least, best)
            i, j = np.nonzero(scores >= (at_least - ROUNDING)[:, None])
            of_vector.append(i)
            of_row.append(start + j)
            of_score.append(scores[i, j])
        vector, row, score = (np.concatenate(parts) for parts in (of_vector, of_row, of_score))
        is_near = score >= at_least[vector] - ROUNDING
        vector, row = vector[is_near], row[is_near]
        order = np.argsort(vector, kind="stable")
        return np.split(row[order], np.searchsorted(vector[order], np.arange(1, len(vectors))))

    def _scores(self, vectors: np.ndarray, rows: slice, subtract_mean: bool) -> np.ndarray:
        """(n, rows) scores in single precision; 0 for constant patterns of the dictionary."""
        intensities = self.patterns[rows].reshape(-1, vectors.shape[1]).astype(np.float32)
        # In double precision: of patterns of little contrast the difference is small.
        squares = np.einsum("ij,ij->i", intensities, intensities, dtype=np.float64)
        if subtract_mean:  # from the norm alone: the vectors sum to 0, and so do not see the mean
            squares = squares - intensities.sum(axis=1, dtype=np.float64) ** 2 / vectors.shape[1]
        scores = vectors @ intensities.T
        scores /= np.sqrt(np.maximum(squares, 0.5)).astype(
            np.float32
        )  # 0 but for rounding where constant, and else nearly 1 or more
        return scores
