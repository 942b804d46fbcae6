"""Intervals around predictions that hold the truth as often as they say, and how often they did.

Split-conformal prediction: errors on calibration rows, which the weights were not fitted to, are ranked; an interval of
level 0.9 is as wide as the error with rank ceil(0.9 (n + 1)). Where new rows are exchangeable with the n calibration
rows it holds the truth with a probability of at least 0.9, and of at most 0.9 + 1 / (n + 1) where no errors tie,
whatever the network and however its errors are distributed (Lei et al. 2018, theorem 2.2). Divided by a difficulty
before they are ranked, errors give intervals that are wide where the network is bad and narrow where it is good
(Papadopoulos et al. 2008); the promise stays the same, as long as other rows than the calibration rows made the
difficulty.

Our calibration rows are validation rows. They have chosen the epoch of the weights, so they are not quite as new as
test rows, and the theorem does not strictly apply: therefore coverage is measured on the test rows, and the model card
has it. It holds for no rows of another kind; the card tells the coverage on such as well.

The spread of an ensemble, or of passes with dropout on, is no interval by itself (Levi et al. 2022), but may be taken
as a difficulty. For ElemNet the one here, which costs nothing at prediction, gives narrower intervals than ten passes
with dropout do.

References:
    J. Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018), doi:10.1080/01621459.2017.1307116
    H. Papadopoulos, A. Gammerman, V. Vovk, Normalized nonconformity measures for regression conformal prediction,
    Proc. IASTED AIA, 64 (2008)
    Y. Gal, Z. Ghahramani, Dropout as a Bayesian approximation, ICML (2016), arXiv:1506.02142
    B. Lakshminarayanan, A. Pritzel, C. Blundell, Deep ensembles, NeurIPS (2017), arXiv:1612.01474
    D. Levi et al., Sensors 22, 5540 (2022), doi:10.3390/s22155540
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from common.difficulty import NUM_OTHER_FEATURES, Answered, Difficulty

METHODS = ("normalised", "plain")
PERCENTS = range(50, 100)  # levels that a card has a score for
MEASURED_LEVELS = (0.8, 0.9, 0.95)
ROWS_TO_NORMALISE = 200  # below, half of the rows are too few to learn a difficulty from
MAX_LOG = 100.0  # of a difficulty in a card that can be believed


class UncertaintyError(ValueError):
    """Intervals that a model cannot give, or a level that it cannot give them for."""


def mean_and_sd(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of several predictions for the same rows.

    Args:
        samples: ``(num_samples, n)``: of the networks of a deep ensemble (Lakshminarayanan et al. 2017), or of passes
            of one network with dropout on (Gal and Ghahramani 2016).

    Returns:
        ``(n,)`` each, in the unit of the samples. The deviation is 0 for a single sample.
    """
    return samples.mean(axis=0), samples.std(axis=0)


def conformal_quantile(scores: np.ndarray, level: float) -> float:
    """The score that a new one does not exceed with a probability of at least ``level``.

    Args:
        scores: ``(n,)`` of calibration rows that are exchangeable with the new row, in any order.
        level: Between 0 and 1.

    Returns:
        The score with rank ceil((n + 1) level); infinite where there are too few rows for the level.

    Reference:
        Lei et al. 2018, section 2.2, doi:10.1080/01621459.2017.1307116
    """
    rank = math.ceil(round((len(scores) + 1) * level, 9))  # 0.95 x 100 is 95, whatever the last bit says
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def wilson_interval(num_hits: int, num_rows: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share, given its count in ``num_rows`` independent rows.

    Reference:
        E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927), doi:10.1080/01621459.1927.10502953
    """
    share, weight = num_hits / num_rows, z**2 / num_rows
    center = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / num_rows + weight / (4 * num_rows))
    return max(0.0, center - half), min(1.0, center + half)


@dataclass(frozen=True)
class Calibration:
    """What turns predictions into intervals.

    Attributes:
        scores: ``(k,)`` half widths for the levels 0.50, 0.51, ... in units of the difficulty (of the target, where
            there is none); up to 0.99, or as far as the calibration rows reach.
        num_calibration: Rows whose errors were ranked.
        num_fit: Rows that the difficulty was learned from; 0 without one.
        difficulty: ``None`` for intervals that are equally wide for all rows.
    """

    scores: np.ndarray
    num_calibration: int
    num_fit: int = 0
    difficulty: Difficulty | None = None

    @classmethod
    def fit(cls, rows: Answered, method: str | None = None, seed: int = 0) -> Calibration:
        """Calibrate on rows that the weights were not fitted to.

        Args:
            rows: Calibration rows.
            method: ``"normalised"`` learns a difficulty from one half of the rows and ranks the errors of the other;
                ``"plain"`` ranks all errors as they are. ``None`` normalises from 200 rows on.
            seed: Seed of the halves.

        Raises:
            ValueError: If there are too few rows, or the method is another.
        """
        method = method or METHODS[len(rows) < ROWS_TO_NORMALISE]
        if method not in METHODS:
            raise ValueError(f"Expected the method {' or '.join(METHODS)}; received {method!r}.")
        if method == "plain":
            return cls(_scores(rows.errors), len(rows))
        order = np.random.default_rng(seed).permutation(len(rows))
        first, second = rows.take(order[: len(rows) // 2]), rows.take(order[len(rows) // 2 :])
        if len(first) < 2:
            raise ValueError(f"Expected four rows and more to learn a difficulty; received {len(rows)}. Take 'plain'.")
        difficulty = Difficulty.fit(first)
        scores = _scores(second.errors / difficulty(second.predicted, second.fractions))
        return cls(scores, len(second), len(first), difficulty)

    def half_widths(self, predicted: np.ndarray, fractions: np.ndarray, level: float) -> np.ndarray:
        """``(n,)`` half widths of intervals, in the unit of the target.

        Args:
            predicted: ``(n,)``.
            fractions: ``(n, num_elements)``, as in ``Answered``.
            level: From 0.5 to 0.99; one between two hundredths counts as the upper.

        Raises:
            UncertaintyError: If the level is another, or higher than the calibration rows allow.
        """
        score = self.scores[self._number(level)]
        if self.difficulty is None:
            return np.full(len(predicted), score)
        return score * self.difficulty(predicted, fractions)

    def _number(self, level: float) -> int:
        if not PERCENTS[0] / 100 <= level <= PERCENTS[-1] / 100:  # also where it is NaN
            raise UncertaintyError(f"Expected an interval level from 0.5 to 0.99; received {level:g}.")
        number = math.ceil(round(100 * level, 6)) - PERCENTS[0]
        if number >= len(self.scores):
            raise UncertaintyError(
                f"Expected an interval level up to {(PERCENTS[0] + len(self.scores) - 1) / 100:g}, as far as the "
                f"{self.num_calibration} calibration rows of this model reach; received {level:g}."
            )
        return number

    def to_card(self) -> dict:
        """As plain data for a model card."""
        difficulty = self.difficulty
        return {
            "method": "split conformal" if difficulty is None else "split conformal, normalised",
            "num_fit": self.num_fit,
            "num_calibration": self.num_calibration,
            "levels": [percent / 100 for percent in PERCENTS[: len(self.scores)]],
            "scores": self.scores.tolist(),
            "difficulty": None if difficulty is None else {key: a.tolist() for key, a in vars(difficulty).items()},
        }

    @classmethod
    def of_card(cls, entry: Mapping, num_elements: int) -> Calibration:
        """What ``to_card`` wrote.

        Raises:
            UncertaintyError: If it is not whole.
        """
        try:
            scores = np.asarray(entry["scores"], np.float64)
            stored = entry["difficulty"]
            shapes = {"knots": (3,), "coefficients": (1 + num_elements + NUM_OTHER_FEATURES,), "limits": (2,)}
            parts = [] if stored is None else [np.asarray(stored[key], np.float64) for key in shapes]
            believable = scores.ndim == 1 and 1 <= len(scores) <= len(PERCENTS) and np.isfinite(scores).all()
            believable = believable and scores[0] >= 0 and (np.diff(scores) >= 0).all()
            for part, shape, top in zip(parts, shapes.values(), (np.inf, MAX_LOG, MAX_LOG), strict=False):
                believable = believable and part.shape == shape and (np.abs(part) < top).all()
            if not believable:
                raise ValueError("its numbers do not fit together")
            difficulty = Difficulty(*parts) if parts else None
            return cls(scores, int(entry["num_calibration"]), int(entry["num_fit"]), difficulty)
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise UncertaintyError(
                f"The calibration in the model card is damaged ({type(error).__name__}: {error}); fetch the card again."
            ) from error


def _scores(scores: np.ndarray) -> np.ndarray:
    """The quantiles of all levels that the rows reach."""
    quantiles = np.array([conformal_quantile(scores, percent / 100) for percent in PERCENTS])
    if not math.isfinite(quantiles[0]):
        raise ValueError(f"Expected calibration rows; received {len(scores)}.")
    return quantiles[np.isfinite(quantiles)]


# ------------------------------------------------------------------------------------------------- the model card


def measure(calibration: Calibration, rows: Answered, name: str, level: float) -> dict:
    """Coverage and sharpness of the intervals on rows whose truth is known.

    Args:
        calibration: Made from other rows.
        rows: At least one.
        name: What the rows are.
        level: Of the intervals.

    Returns:
        ``rows`` (their name), ``level``, ``n``, ``coverage``, ``coverage_interval`` (95 %, Wilson), ``mean_width`` and
        ``median_width``, in the unit of the target.
    """
    half = calibration.half_widths(rows.predicted, rows.fractions, level)
    covered = int((rows.errors <= half).sum())
    return {
        "rows": name,
        "level": level,
        "n": len(rows),
        "coverage": covered / len(rows),
        "coverage_interval": list(wilson_interval(covered, len(rows))),
        "mean_width": float(2 * half.mean()),
        "median_width": float(2 * np.median(half)),
    }


def measure_all(calibration: Calibration, rows: Answered, name: str) -> list[dict]:
    """``measure`` at the levels 0.8, 0.9 and 0.95, those that the calibration reaches; nothing without rows."""
    reached = [level for level in MEASURED_LEVELS if 100 * level - PERCENTS[0] < len(calibration.scores) - 0.5]
    return [measure(calibration, rows, name, level) for level in reached if len(rows)]


def entry_of(data: str, train_fractions: np.ndarray, validation: Answered, test: Answered) -> dict:
    """What a model card says of the uncertainty of one target.

    Args:
        data: Name of the data set.
        train_fractions: ``(n_train, num_elements)``.
        validation: Calibration rows.
        test: Rows that neither fitted nor chose the weights; their coverage is measured, and apart from it that of
            those whose chemical system no training row has.

    Returns:
        ``Calibration.to_card()``, with ``calibrated_on`` and ``coverage``: a list of what ``measure`` returns. Nothing
        where there is no validation row that the model answers for.
    """
    if not len(validation):
        return {}
    calibration = Calibration.fit(validation)
    unseen = ~np.isin(_systems(test.fractions), _systems(train_fractions))
    return {
        "calibrated_on": f"{len(validation)} validation rows of {data}, which also chose the epoch of the weights",
        **calibration.to_card(),
        "coverage": [
            *measure_all(calibration, test, f"test rows of {data}"),
            *measure_all(calibration, test.take(unseen), f"test rows of {data} of chemical systems not trained on"),
        ],
    }


def _systems(fractions: np.ndarray) -> np.ndarray:
    """(n,) bytes, equal for rows made of the same elements."""
    packed = np.ascontiguousarray(np.packbits(fractions > 0, axis=1))
    return packed.view(f"V{packed.shape[1]}").ravel()


def calibration_of(card: Mapping, target: str) -> Calibration:
    """The calibration of a trained model for one of its targets.

    Raises:
        UncertaintyError: If the card has none, or a damaged one.
    """
    if card.get("num_classes", 0):
        raise UncertaintyError(
            "Intervals are for numbers, and this model tells classes apart; its probabilities say how sure it is."
        )
    entries = card.get("uncertainty", {})
    if not isinstance(entries, Mapping) or not entries.get(target):
        raise UncertaintyError(
            f"This model has no calibrated intervals for {target}: run the command that trained it again, with the "
            "honest protocol; a finished training comes back at once and adds them."
        )
    return Calibration.of_card(entries[target], len(card["elements"]))


def interval_columns(target: str) -> tuple[str, str]:
    """The columns of the ends of an interval."""
    return f"lower_{target}", f"upper_{target}"
