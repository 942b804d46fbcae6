"""Whether a compound can be neutral with one common oxidation state for each element, for whole batches.

Most rows are settled at once: by elements that have one state only, or by all charges having the same sign. Of the
others, those with equally many choices are tried together, all combinations of states at once. The few with very
many combinations are tried alone, by the charges that each half of the elements can reach.

Reference:
    L. Ward et al., npj Comput. Mater. 2, 16028 (2016), doi:10.1038/npjcompumats.2016.28
"""

from __future__ import annotations

import numpy as np

from common.features.elemental import OXIDATION_STATES

_TOLERANCE = 1e-8  # charge per atom; rounding stays below 1e-14, and the amounts in formulas are no finer
_CHARGE_DECIMALS = 11  # to tell charges apart
_MAX_COMBINATIONS = 4096  # beyond it a row is tried alone
_MAX_SUMS = 1 << 18  # partial sums in memory at a time
_MAX_CHARGES = 1 << 19  # of half the elements; some 300 pairs of as many balance by chance where they are this dense

_NUM_STATES = np.array([len(states) for states in OXIDATION_STATES])
_STATES = np.full((len(OXIDATION_STATES), _NUM_STATES.max()), np.nan)
for _index, _states in enumerate(OXIDATION_STATES):
    _STATES[_index, : len(_states)] = _states
_LOWEST = np.array([min(states, default=np.nan) for states in OXIDATION_STATES])
_HIGHEST = np.array([max(states, default=np.nan) for states in OXIDATION_STATES])


def can_balance(row: np.ndarray, element: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Whether some choice of one common oxidation state for each element makes each compound neutral.

    A compound of a single element always can. One with an element that has no common state cannot. With a score or
    more elements of many states and of amounts in no simple ratio, only a part of the combinations can be tried.

    Args:
        row: (t,) compound that each element belongs to, rising from 0 and leaving none out.
        element: (t,) row in the elemental tables.
        fraction: (t,) of the atoms.

    Returns:
        (num_rows,) bool.
    """
    num_elements = np.bincount(row)
    lowest = np.bincount(row, _LOWEST[element] * fraction)
    highest = np.bincount(row, _HIGHEST[element] * fraction)
    open_question = (lowest <= _TOLERANCE) & (highest >= -_TOLERANCE) & (num_elements > 1)  # False for NaN
    possible = num_elements == 1

    keep = open_question[row]
    row, element, fraction = row[keep], element[keep], fraction[keep]
    many = _NUM_STATES[element] > 1
    charge = np.bincount(row[~many], _LOWEST[element[~many]] * fraction[~many], minlength=len(possible))
    row, element, fraction = row[many], element[many], fraction[many]
    count = np.bincount(row, minlength=len(possible))
    settled = open_question & (count == 0)
    possible[settled] = np.abs(charge[settled]) <= _TOLERANCE

    # equal numbers of choices stand side by side: most choices first in each row
    order = np.lexsort((-_NUM_STATES[element], row))
    element, fraction = element[order], fraction[order]
    first = np.cumsum(count) - count
    combinations = np.ones(len(possible))
    np.multiply.at(combinations, row, _NUM_STATES[element])
    alone = np.flatnonzero(combinations > _MAX_COMBINATIONS)
    for r in alone:
        part = slice(first[r], first[r] + count[r])
        possible[r] = _can_balance_alone(charge[r], element[part], fraction[part])

    together = np.flatnonzero(open_question & (count > 0) & (combinations <= _MAX_COMBINATIONS))
    # at most 12 elements with 2 or more of at most 9 states each: exact in int64
    rank = np.arange(len(row)) - first[row]
    digits = np.where(combinations[row] <= _MAX_COMBINATIONS, _NUM_STATES[element] * 10 ** np.minimum(rank, 12), 0)
    signature = np.bincount(row, digits, minlength=len(possible)).astype(np.int64)
    for value in np.unique(signature[together]):
        rows = together[signature[together] == value]
        size = max(1, _MAX_SUMS // int(combinations[rows[0]]))
        for begin in range(0, len(rows), size):
            some = rows[begin : begin + size]
            part = first[some][:, None] + np.arange(count[some[0]])  # (m, number of elements with a choice)
            possible[some] = _can_balance_together(charge[some], element[part], fraction[part])
    return possible


def _can_balance_together(charge: np.ndarray, element: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """(m,) bool from (m,) charge of the other elements, (m, j) element, (m, j) fraction; same choices in all rows."""
    sums = charge[:, None]  # (m, number of combinations so far)
    for j in range(element.shape[1]):
        choices = _STATES[element[:, j], : _NUM_STATES[element[0, j]]] * fraction[:, j, None]
        sums = (sums[:, :, None] + choices[:, None, :]).reshape(len(charge), -1)
    return (np.abs(sums) <= _TOLERANCE).any(axis=1)


def _can_balance_alone(charge: float, element: np.ndarray, fraction: np.ndarray) -> bool:
    """The same for one compound with many combinations: some charge of one half must cancel one of the other."""
    left = charge + _reachable(element[::2], fraction[::2])
    right = -_reachable(element[1::2], fraction[1::2])[::-1]  # rising
    place = np.searchsorted(right, left - _TOLERANCE)
    nearest = right[np.minimum(place, len(right) - 1)]
    return bool((np.abs(left - nearest) <= _TOLERANCE).any())


def _reachable(element: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Distinct charges of some elements, rising; amounts in simple ratios make few of them."""
    charges = np.zeros(1)
    for index, share in zip(element, fraction, strict=True):
        charges = (charges[:, None] + _STATES[index, : _NUM_STATES[index]] * share).reshape(-1)
        charges = np.unique(np.round(charges, _CHARGE_DECIMALS))
        # a balance found among those kept is real; that none is found where there are so many is next to impossible
        charges = charges[:: -(-len(charges) // _MAX_CHARGES)]
    return charges
