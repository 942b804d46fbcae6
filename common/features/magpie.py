"""The 145 composition attributes of Ward et al., some hundred times faster than matminer.

Six norms of the stoichiometry; minimum, maximum, range, mean, mean deviation and mode of 22 elemental properties; the
share of s, p, d and f electrons in the valence; whether single oxidation states can balance, and the ionic character
of the bonds. All are taken for a whole batch at once from the element fractions.

The numbers are those of matminer 0.10.1 (`Stoichiometry`, `ElementProperty` "magpie", `ValenceOrbital`,
`IonProperty(fast=True)`) to 1e-9, ties in the mode included, which both settle by the smallest value of all elements
within 1e-5 of the largest fraction. As there, the ionic attributes rest on pymatgen's electronegativities and common
oxidation states and not on Magpie's. The answers differ on purpose in these cases:

- An element that lacks one of the 22 properties (He, Ne, Ar, At, Rn, Fr and those beyond Cm) has no attributes here
  and a reason; matminer fills the gap by the mean over all elements.
- matminer works on the amounts as written: an element below 1e-8 is dropped (by pymatgen), amounts within 1e-8 tie, a
  formula with a charge below 1e-8 is balanced, and rounding unbalances one with decimals and amounts beyond 1e7. Here
  the fractions count, so that a formula multiplied by any number has the same attributes.
- Sums run in the order of atomic numbers, so that NaCl and ClNa have the same bits; matminer's follow the formula.

Neither is quite the Magpie of the paper, which takes electronegativity and oxidation states from its own tables.

Reference:
    L. Ward et al., npj Comput. Mater. 2, 16028 (2016), doi:10.1038/npjcompumats.2016.28
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from common.composition import encode
from common.elements import ALL_SYMBOLS
from common.features import Featurized
from common.features.elemental import (
    HAS_ALL_PROPERTIES,
    PAULING_ELECTRONEGATIVITY,
    PROPERTIES,
    PROPERTY_VALUES,
    missing_properties,
)
from common.features.oxidation import can_balance
from common.formula import quoted

NORMS = (0, 2, 3, 5, 7, 10)
STATISTICS = ("minimum", "maximum", "range", "mean", "avg_dev", "mode")
ORBITALS = ("s", "p", "d", "f")

MAGPIE_LABELS: tuple[str, ...] = (
    *(f"{norm}-norm" for norm in NORMS),
    *(f"MagpieData {statistic} {name}" for name in PROPERTIES for statistic in STATISTICS),
    *(f"frac {orbital} valence electrons" for orbital in ORBITALS),
    "compound possible",
    "max ionic char",
    "avg ionic char",
)
"""Names of the 145 attributes in the published order, as matminer writes them."""

_CHUNK_ROWS = 2048  # the working arrays of a chunk stay in the cache; more rows are slower
_TIE_RELATIVE, _TIE_ABSOLUTE = 1e-5, 1e-8  # np.isclose's, by which matminer finds equal weights

_VALENCE_COLUMNS = [PROPERTIES.index(f"N{orbital}Valence") for orbital in ORBITALS]
_ALL_VALENCE_COLUMN = PROPERTIES.index("NValence")
_POWERS = np.array(NORMS[1:], np.float64)
_DIFFERENCE = PAULING_ELECTRONEGATIVITY[:, None] - PAULING_ELECTRONEGATIVITY[None, :]
_IONIC_CHARACTER = -np.expm1(-0.25 * _DIFFERENCE**2)  # (118, 118), of the bond between two elements


def featurize(formulas: Iterable[object]) -> np.ndarray:
    """The 145 attributes of formulas.

    Args:
        formulas: n formulas that `common.composition.encode` reads.

    Returns:
        ``(n, 145)`` float64, columns as `MAGPIE_LABELS`; a row of NaN where `featurize_with_reasons` has a reason.

    Raises:
        TypeError: One text was given where a list of them is expected.
    """
    return featurize_with_reasons(formulas).attributes


def featurize_with_reasons(formulas: Iterable[object]) -> Featurized:
    """The 145 attributes of formulas, and why some have none.

    Memory beyond the result does not grow with the number of formulas.

    Args:
        formulas: n formulas that `common.composition.encode` reads.

    Raises:
        TypeError: One text was given where a list of them is expected.
    """
    if isinstance(formulas, (str, bytes)):
        raise TypeError(f"Expected a list of formulas, received the single text {quoted(formulas)}; write [formula].")
    # tolist() of a pandas or numpy array is many times faster than iterating over it
    cells = formulas.tolist() if hasattr(formulas, "tolist") else list(formulas)
    attributes = np.empty((len(cells), len(MAGPIE_LABELS)))
    reasons = np.full(len(cells), "", object)
    for start in range(0, len(cells), _CHUNK_ROWS):
        chunk = slice(start, start + _CHUNK_ROWS)
        encoded = encode(cells[chunk], ALL_SYMBOLS)
        attributes[chunk] = attributes_of_fractions(encoded.fractions)
        unread = np.flatnonzero(~encoded.ok)
        reasons[start + unread] = encoded.reasons[unread]
        lacking = (encoded.fractions[:, ~HAS_ALL_PROPERTIES] > 0).any(axis=1)  # False in the NaN of an unread row
        for row in np.flatnonzero(lacking):
            reasons[start + row] = _lacking_reason(cells[start + row], encoded.fractions[row])
    return Featurized(attributes, reasons)


def attributes_of_fractions(fractions: np.ndarray) -> np.ndarray:
    """The 145 attributes of element fractions.

    Args:
        fractions: ``(n, 118)`` float64, columns as `ALL_SYMBOLS`, each row sums to 1.

    Returns:
        ``(n, 145)`` float64; a row of NaN for one that has NaN or an element that lacks one of the 22 properties.

    Raises:
        ValueError: The fractions do not have 118 columns.
    """
    if fractions.ndim != 2 or fractions.shape[1] != len(ALL_SYMBOLS):
        raise ValueError(
            f"Expected fractions of shape (n, {len(ALL_SYMBOLS)}), received {fractions.shape}; "
            "encode with elements=ALL_SYMBOLS."
        )
    attributes = np.full((len(fractions), len(MAGPIE_LABELS)), np.nan)
    for start in range(0, len(fractions), _CHUNK_ROWS):
        chunk = fractions[start : start + _CHUNK_ROWS]
        # both comparisons are False for NaN
        ok = (chunk.sum(axis=1) > 0) & ~(chunk[:, ~HAS_ALL_PROPERTIES] > 0).any(axis=1)
        if ok.any():
            parts = _Parts.of(chunk[ok])
            attributes[start + np.flatnonzero(ok)[parts.order]] = _attributes(parts)
    return attributes


def _lacking_reason(cell: object, fractions: np.ndarray) -> str:
    symbol = next(ALL_SYMBOLS[i] for i in np.flatnonzero(fractions) if not HAS_ALL_PROPERTIES[i])
    missing = missing_properties(symbol)
    what = ", ".join(missing) if len(missing) < len(PROPERTIES) else "any property"
    return f"Magpie's tables lack {what} of {symbol}, so {quoted(cell)} has no attributes; leave it out."


# ---------------------------------------------------------------------------------------------------- one chunk


@dataclass(frozen=True)
class _Parts:
    """Compositions by falling number of elements, so that those with a j-th element are the first m_j.

    Attributes:
        order: (m,) row of each in the fractions they came from.
        elements: for each j an array (m_j,) of the j-th element, by its row in the elemental tables.
        fractions: for each j an array (m_j,).
        possible: (m,) bool, whether single oxidation states can balance.
    """

    order: np.ndarray
    elements: list[np.ndarray]
    fractions: list[np.ndarray]
    possible: np.ndarray

    @classmethod
    def of(cls, fractions: np.ndarray) -> _Parts:
        """From (m, 118) fractions, no row empty."""
        row, element = np.nonzero(fractions)  # rows in turn
        fraction = fractions[row, element]
        count = np.bincount(row)
        order = np.argsort(-count, kind="stable")
        first, count = (np.cumsum(count) - count)[order], count[order]
        places = [first[count > j] + j for j in range(count[0])]
        return cls(
            order=order,
            elements=[element[place] for place in places],
            fractions=[fraction[place] for place in places],
            possible=can_balance(row, element, fraction)[order],
        )


def _attributes(parts: _Parts) -> np.ndarray:
    """(m, 145)."""
    statistics = _elemental_statistics(parts)  # (m, 22, 6)
    mean = statistics[:, :, STATISTICS.index("mean")]
    valence = mean[:, _VALENCE_COLUMNS] / mean[:, [_ALL_VALENCE_COLUMN]]
    return np.concatenate([_norms(parts), statistics.reshape(len(mean), -1), valence, _ionic(parts)], axis=1)


def _norms(parts: _Parts) -> np.ndarray:
    """(m, 6): number of elements, then the p-norms of the fractions."""
    norms = np.zeros((len(parts.order), len(NORMS)))
    for fraction in parts.fractions:
        norms[: len(fraction), 0] += 1
        norms[: len(fraction), 1:] += fraction[:, None] ** _POWERS
    norms[:, 1:] **= 1 / _POWERS
    return norms


def _elemental_statistics(parts: _Parts) -> np.ndarray:
    """(m, 22, 6)."""
    values = [PROPERTY_VALUES[element] for element in parts.elements]  # each (m_j, 22)
    weights = [fraction[:, None] for fraction in parts.fractions]  # each (m_j, 1)
    low, high, mean = values[0].copy(), values[0].copy(), values[0] * weights[0]
    largest = weights[0].copy()
    for value, weight in zip(values[1:], weights[1:], strict=True):
        live = slice(len(value))
        np.minimum(low[live], value, out=low[live])
        np.maximum(high[live], value, out=high[live])
        np.maximum(largest[live], weight, out=largest[live])
        mean[live] += value * weight

    deviation, mode = np.zeros_like(mean), np.full_like(mean, np.inf)
    tied = largest - (_TIE_ABSOLUTE + _TIE_RELATIVE * largest)
    for value, weight in zip(values, weights, strict=True):
        live = slice(len(value))
        deviation[live] += np.abs(value - mean[live]) * weight
        np.minimum(mode[live], value, out=mode[live], where=weight >= tied[live])
    return np.stack([low, high, high - low, mean, deviation, mode], axis=2)


def _ionic(parts: _Parts) -> np.ndarray:
    """(m, 3): whether single oxidation states can balance, largest and mean ionic character over pairs of elements."""
    ionic = np.zeros((len(parts.order), 3))
    ionic[:, 0] = parts.possible
    for j, (element, fraction) in enumerate(zip(parts.elements, parts.fractions, strict=True)):
        live = slice(len(element))
        for other, share in zip(parts.elements[:j], parts.fractions[:j], strict=True):
            character = _IONIC_CHARACTER[element, other[live]]
            np.maximum(ionic[live, 1], character, out=ionic[live, 1])
            ionic[live, 2] += character * fraction * share[live]
    return ionic
