"""Cleaning of composition tables: every row that goes is counted under a reason.

The two steps stand alone and compose:

    cleaned = clean_compositions(frame)
    frame, counts = drop_outliers(cleaned.frame, cleaned.frame["split"] == "train")
    fractions = cleaned.fractions[frame.index]        # no second encoding: the index numbers the cleaned rows
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, DTypeLike

from common.composition import FormulaError, composition_keys, encode, parse_formula
from common.elements import ELEMENTS
from common.readers import TARGET


class Cleaned(NamedTuple):
    """A cleaned table with what was computed on the way.

    Attributes:
        frame: n rows numbered 0 to n - 1, in the order of the original; no column added or changed.
        fractions: (n, num_elements) element fractions of those rows.
        hashes: (n,) uint64 of those rows, unique; for `splits.check_disjoint` and `splits.split_by_hash`.
        counts: rows dropped by reason, every reason present, in the order of the checks.
    """

    frame: pd.DataFrame
    fractions: np.ndarray
    hashes: np.ndarray
    counts: dict[str, int]


def clean_compositions(
    frame: pd.DataFrame,
    target: str = TARGET,
    elements: Sequence[str] = ELEMENTS,
    keep_single_elements: bool = False,
    *,
    dtype: DTypeLike = np.float64,
) -> Cleaned:
    """One row for each composition a model can learn from.

    Drops, each row under the first reason that holds: formulas that cannot be read, elements outside the list,
    missing targets (NaN or infinite), pure elements (their formation energy is 0 by definition), and duplicates.
    Of a composition with several rows the lowest target stays (the ground state; the first of equal ones),
    and with it its own `split`: if duplicates straddle splits, the others are gone from theirs, so no
    composition is left in two splits.

    Args:
        frame: a table with columns `formula` and `target`.
        target: column in which lower is better, eV/atom for formation energies.
        elements: the elements of the model.
        keep_single_elements: keep pure elements.
        dtype: float type of the fractions returned.

    Raises:
        KeyError: a column is missing.

    Reference: D. Jha et al., Sci. Rep. 8, 17593 (2018), doi:10.1038/s41598-018-35934-y, Methods.
    """
    _require_columns(frame, ("formula", target))
    encoded = encode(frame["formula"], elements)
    outside = np.zeros(len(frame), bool)
    for row in np.flatnonzero(~encoded.ok):
        outside[row] = _is_readable(frame["formula"].iat[row])
    values = frame[target].to_numpy(np.float64)
    kept = np.ones(len(frame), bool)
    counts: dict[str, int] = {}

    def drop(reason: str, rows: np.ndarray) -> None:
        counts[reason] = int((rows & kept).sum())
        kept[rows] = False

    drop("unreadable formula", ~encoded.ok & ~outside)
    drop("unknown element", outside)
    drop("missing target", ~np.isfinite(values))
    drop("single element", (not keep_single_elements) & ((encoded.fractions > 0).sum(axis=1) == 1))
    candidates = np.flatnonzero(kept)
    fractions = encoded.fractions if kept.all() else encoded.fractions[candidates]
    hashes = composition_keys(fractions)
    lowest = np.sort(_first_of_each(hashes, values[candidates]))
    duplicates = kept.copy()
    duplicates[candidates[lowest]] = False
    drop("duplicate composition", duplicates)
    if len(lowest) < len(candidates):
        fractions, hashes = fractions[lowest], hashes[lowest]
    return Cleaned(
        frame.iloc[candidates[lowest]].reset_index(drop=True),
        fractions.astype(dtype, copy=False),
        hashes,
        counts,
    )


def drop_outliers(
    frame: pd.DataFrame, reference_mask: ArrayLike, target: str = TARGET, num_sigma: float = 5.0
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Drop rows further than `num_sigma` standard deviations from the mean of the training rows.

    Mean and deviation are taken once, from the reference rows alone, so no test row shapes the rule.

    Args:
        frame: n rows.
        reference_mask: (n,) bool, True for training rows.
        target: column to judge, without NaN.
        num_sigma: half width of what stays.

    Returns:
        The rows that stay, with their index labels, and the counts by reason.

    Raises:
        KeyError: no column `target`.
        ValueError: the mask does not fit, is empty, or a target is not finite.

    Reference: D. Jha et al., Sci. Rep. 8, 17593 (2018), doi:10.1038/s41598-018-35934-y, Methods (+-5 sigma).
    """
    _require_columns(frame, (target,))
    values = frame[target].to_numpy(np.float64)
    mask = np.asarray(reference_mask)
    if mask.dtype != bool or mask.shape != values.shape or not mask.any():
        raise ValueError(
            f"Expected a boolean mask of {len(values)} rows with a training row in it, received {mask.dtype} "
            f"of shape {mask.shape} with {np.count_nonzero(mask)} set."
        )
    if not np.isfinite(values).all():
        raise ValueError(f"Expected finite values in {target!r}; clean the table with clean_compositions first.")
    mean, deviation = values[mask].mean(), values[mask].std()
    inside = np.abs(values - mean) <= num_sigma * deviation
    return frame[inside], {f"beyond {num_sigma:g} sigma": int((~inside).sum())}


def _first_of_each(keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Row of the lowest value of each key; the first row where values are equal."""
    order = np.lexsort((np.arange(len(keys)), values, keys))
    is_first = np.ones(len(order), bool)
    is_first[1:] = keys[order[1:]] != keys[order[:-1]]
    return order[is_first]


def _is_readable(cell: object) -> bool:
    try:
        parse_formula(cell)  # type: ignore[arg-type]  # cells that are not text are unreadable
    except FormulaError:
        return False
    return True


def _require_columns(frame: pd.DataFrame, names: Sequence[str]) -> None:
    if missing := [name for name in names if name not in frame]:
        raise KeyError(f"Expected columns {list(names)}, but {missing} are not among {list(frame.columns)}.")
