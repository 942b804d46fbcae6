"""Where predictions go wrong (thesis 3.3.6): by element, by sign of the energy, by class, and the worst rows.

All functions take the truth and the predictions of the same n rows, in eV/atom, and element fractions ``(n,
num_elements)`` with the symbols of their columns.

Reference: thesis section 3.3.6; D. Jha et al., Sci. Rep. 8, 17593 (2018), doi:10.1038/s41598-018-35934-y.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from common.elements import ELEMENTS
from common.metrics import mean_absolute_error
from elemnet.categories import KINDS, OTHER_KIND, categories_of, kinds_of

WORST_SHARE = 0.01
MIN_ROWS = 30  # below, the standard error of a rank correlation near 0.9 is above 0.04
KIND, CATEGORY = "kind", "class of table 3.3"


def rank_correlation(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Spearman's rank correlation of ``(n,)`` and ``(n,)``; NaN where either is constant or n is below 2."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if len(y_true) < 2 or np.ptp(y_true) == 0 or np.ptp(y_pred) == 0:
        return float("nan")
    return float(stats.spearmanr(y_true, y_pred).statistic)


def rank_correlation_by_element(
    fractions: np.ndarray,
    y_true: np.ndarray,
    y_pred: np.ndarray,
    elements: Sequence[str] = ELEMENTS,
    *,
    min_rows: int = MIN_ROWS,
) -> pd.DataFrame:
    """Rank correlation over the rows that contain an element, for each element of at least ``min_rows`` rows.

    Returns:
        ``element``, ``rows``, ``spearman``, ``mae``, the lowest correlation first.

    Raises:
        ValueError: Rows of different numbers.
    """
    _check(fractions, y_true, y_pred)
    table = []
    for symbol, has_element in zip(elements, (fractions > 0).T, strict=True):
        true, predicted = y_true[has_element], y_pred[has_element]
        correlation = rank_correlation(true, predicted)
        if len(true) >= min_rows and np.isfinite(correlation):
            table.append(
                {
                    "element": symbol,
                    "rows": len(true),
                    "spearman": correlation,
                    "mae": mean_absolute_error(true, predicted),
                }
            )
    columns = ["element", "rows", "spearman", "mae"]
    return pd.DataFrame(table, columns=columns).sort_values("spearman", kind="stable", ignore_index=True)


def worst_rows(y_true: np.ndarray, y_pred: np.ndarray, share: float = WORST_SHARE) -> np.ndarray:
    """Row numbers of the largest absolute errors, the worst first: ``share`` of the rows, and at least one.

    Raises:
        ValueError: ``share`` outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"Expected a share of rows in (0, 1]; received {share}. Write 1 % as 0.01.")
    count = max(1, round(share * len(y_true)))
    return np.argsort(-np.abs(y_true - y_pred), kind="stable")[:count]


def worst_table(
    formulas: Sequence[str],
    fractions: np.ndarray,
    y_true: np.ndarray,
    y_pred: np.ndarray,
    elements: Sequence[str] = ELEMENTS,
    *,
    count: int = 25,
) -> pd.DataFrame:
    """The ``count`` worst rows with their kind and their classes of table 3.3.

    Returns:
        ``rank`` from 1, ``formula``, ``true``, ``predicted``, ``error`` (predicted - true), ``kind``, ``classes``
        (joined by "; ").

    Raises:
        ValueError: Rows of different numbers.
    """
    _check(fractions, y_true, y_pred)
    rows = worst_rows(y_true, y_pred, 1.0)[:count]
    masks = categories_of(fractions[rows], elements)
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(rows) + 1),
            "formula": np.asarray(formulas, object)[rows],
            "true": y_true[rows],
            "predicted": y_pred[rows],
            "error": (y_pred - y_true)[rows],
            "kind": kinds_of(fractions[rows], elements),
            "classes": ["; ".join(name for name in masks if masks[name][i]) for i in range(len(rows))],
        }
    )


def errors_by_class(
    fractions: np.ndarray, y_true: np.ndarray, y_pred: np.ndarray, elements: Sequence[str] = ELEMENTS
) -> pd.DataFrame:
    """Errors of each kind of compound, and of each class of table 3.3; those without a row are left out.

    Every row has one kind; classes overlap, and many rows are in none.

    Returns:
        ``grouping`` ("kind" or "class of table 3.3"), ``name``, ``rows``, ``mae``, ``median_absolute_error``,
        ``mean_error`` (predicted - true), ``rows_in_worst`` (of the worst 1 %).

    Raises:
        ValueError: Rows of different numbers.
    """
    _check(fractions, y_true, y_pred)
    error = y_pred - y_true
    is_worst = np.zeros(len(error), bool)
    is_worst[worst_rows(y_true, y_pred)] = True
    return pd.DataFrame(
        [
            {
                "grouping": grouping,
                "name": name,
                "rows": int(mask.sum()),
                "mae": float(np.abs(error[mask]).mean()),
                "median_absolute_error": float(np.median(np.abs(error[mask]))),
                "mean_error": float(error[mask].mean()),
                "rows_in_worst": int(is_worst[mask].sum()),
            }
            for grouping, name, mask in _groups(fractions, elements)
            if mask.any()
        ]
    )


def _groups(fractions: np.ndarray, elements: Sequence[str]) -> Iterator[tuple[str, str, np.ndarray]]:
    kinds = kinds_of(fractions, elements)
    for name in (*KINDS, OTHER_KIND):
        yield KIND, name, kinds == name
    for name, mask in categories_of(fractions, elements).items():
        yield CATEGORY, name, mask


def _check(fractions: np.ndarray, y_true: np.ndarray, y_pred: np.ndarray) -> None:
    if not len(fractions) == len(y_true) == len(y_pred) > 0:
        raise ValueError(
            "Expected fractions, true and predicted energies of the same rows, at least one; received "
            f"{len(fractions)}, {len(y_true)} and {len(y_pred)} rows."
        )
