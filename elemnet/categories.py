"""Material classes of compositions, by which elements are there: the classes of table 3.3, and one kind for each row.

The thesis gives the classes of table 3.3 by name alone; the definitions are ours. Metals are the elements that
pymatgen calls metals. B, Si, Ge, As, Sb and Te are none: an oxide of boron or silicon is a network of covalent bonds,
and a phase with Sb or Te is as often a semiconductor as a metal. So Heusler phases with Ge or Sb are no intermetallics
here, which others may see otherwise.

Amounts play no part, so that one chemical system has one answer.

Reference: thesis table 3.3; D. Jha et al., Sci. Rep. 8, 17593 (2018), doi:10.1038/s41598-018-35934-y.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from common.elements import ALL_SYMBOLS, ELEMENTS

HALOGENS = frozenset({"F", "Cl", "Br", "I", "At"})
CHALCOGENS = frozenset({"O", "S", "Se", "Te", "Po"})
PNICTOGENS = frozenset({"N", "P", "As", "Sb"})  # without Bi, a metal
METALLOIDS = frozenset({"B", "Si", "Ge", "As", "Sb", "Te", "Po"})
NOBLE_GASES = frozenset({"He", "Ne", "Ar", "Kr", "Xe", "Rn"})
NON_METALS = frozenset({"H", "C"}) | PNICTOGENS | CHALCOGENS | HALOGENS | NOBLE_GASES | METALLOIDS
METALS = frozenset(ALL_SYMBOLS[:112]) - NON_METALS  # of the elements beyond Cn nobody knows
METALS_3D = frozenset(("Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn"))

_GROUPS: dict[str, frozenset[str]] = {
    "elements": frozenset(ALL_SYMBOLS),
    "alkali": frozenset({"Li", "Na", "K"}),
    "metals": METALS,
    "metals_3d": METALS_3D,
    "cations": METALS | METALLOIDS - CHALCOGENS,
    "halogens": HALOGENS,
    "oxygen": frozenset({"O"}),
    "chalcogens": CHALCOGENS,
    "pnictogens": PNICTOGENS,
    "covalent": frozenset({"B", "C", "Si", "Ge"}),
    "hydrogen": frozenset({"H"}),
}

_Counts = Mapping[str, Any]  # of each group: how many of its elements are there, an int or (n,)
_Rule = Callable[[_Counts], Any]  # -> bool or (n,) bool


def _is_oxide_of(metals: str) -> _Rule:
    return lambda count: (count["oxygen"] == 1) & (count[metals] > 0) & (count[metals] + 1 == count["elements"])


def _is_metals_only(count: _Counts):
    return (count["metals"] >= 2) & (count["metals"] == count["elements"])


def _is_chalcohalide(count: _Counts):
    rest = count["elements"] - count["halogens"] - count["chalcogens"]
    return (count["halogens"] > 0) & (count["chalcogens"] > 0) & (rest > 0) & (count["cations"] == rest)


CATEGORIES: dict[str, _Rule] = {
    "[Li,K,Na]-containing": lambda count: count["alkali"] > 0,
    "chalco-/oxyhalides": _is_chalcohalide,
    "metal oxides": _is_oxide_of("metals"),
    "3d metal oxides": _is_oxide_of("metals_3d"),
    "intermetallics": _is_metals_only,
}
"""The classes of table 3.3 by their names there; a composition may be in several, or in none.

- ``[Li,K,Na]-containing``: at least one of Li, K and Na.
- ``chalco-/oxyhalides``: at least one halogen and one chalcogen (O, S, Se, Te), at least one metal or one of B, Si, Ge,
  As, Sb, and nothing else. Compounds of H, C, N and P are left out, whose oxygen is mostly in a molecular anion.
- ``metal oxides``: oxygen and metals, nothing else.
- ``3d metal oxides``: oxygen and metals of Sc to Zn, nothing else.
- ``intermetallics``: two and more metals, nothing else.
"""

KINDS: dict[str, _Rule] = {
    "chalcogenide halides": lambda count: (count["halogens"] > 0) & (count["chalcogens"] > 0),
    "halides": lambda count: count["halogens"] > 0,
    "oxides": lambda count: count["oxygen"] > 0,
    "chalcogenides": lambda count: count["chalcogens"] > 0,
    "pnictides": lambda count: count["pnictogens"] > 0,
    "borides/carbides/silicides/germanides": lambda count: count["covalent"] > 0,
    "hydrides": lambda count: count["hydrogen"] > 0,
    "intermetallics": _is_metals_only,
}
"""Kinds of compounds, each composition in the first whose rule holds: named for the most electronegative element
there."""

OTHER_KIND = "others"


def categories_of(fractions: np.ndarray, elements: Sequence[str] = ELEMENTS) -> dict[str, np.ndarray]:
    """Which compositions are in each class of table 3.3.

    Args:
        fractions: ``(n, num_elements)``, of any unit: an element is there if its number is above 0.
        elements: ``(num_elements,)`` symbols of the columns.

    Returns:
        ``(n,)`` bool for each name of ``CATEGORIES``.

    Raises:
        ValueError: Columns and elements differ in number, or a symbol is none of an element.
    """
    count = _count_rows(fractions, elements)
    return {name: rule(count) for name, rule in CATEGORIES.items()}


def categories_of_system(symbols: Iterable[str]) -> tuple[str, ...]:
    """The classes of table 3.3 that all compositions of a chemical system are in.

    Args:
        symbols: Its elements, in any order.

    Raises:
        ValueError: A symbol is none of an element.
    """
    present = frozenset(symbols)
    _check_symbols(present)
    count = {group: len(members & present) for group, members in _GROUPS.items()}
    return tuple(name for name, rule in CATEGORIES.items() if rule(count))


def kinds_of(fractions: np.ndarray, elements: Sequence[str] = ELEMENTS) -> np.ndarray:
    """The one kind of each composition.

    Args:
        fractions: As for ``categories_of``.
        elements: The same.

    Returns:
        ``(n,)`` object array of names of ``KINDS``, or ``OTHER_KIND``.

    Raises:
        ValueError: As ``categories_of``.
    """
    count = _count_rows(fractions, elements)
    kinds = np.full(len(fractions), OTHER_KIND, object)
    for name, rule in reversed(KINDS.items()):  # the first has the last word
        kinds[rule(count)] = name
    return kinds


def _count_rows(fractions: np.ndarray, elements: Sequence[str]) -> dict[str, np.ndarray]:
    _check_symbols(elements)
    if fractions.ndim != 2 or fractions.shape[1] != len(elements):
        raise ValueError(f"Expected fractions of shape (n, {len(elements)}); received {fractions.shape}.")
    members = np.array([[symbol in group for group in _GROUPS.values()] for symbol in elements], np.float32)
    counts = (fractions > 0).astype(np.float32) @ members  # (n, num_groups)
    return dict(zip(_GROUPS, counts.T, strict=True))


def _check_symbols(symbols: Iterable[str]) -> None:
    if unknown := [symbol for symbol in symbols if symbol not in _GROUPS["elements"]]:
        raise ValueError(f"Expected symbols of elements, such as 'Fe'; received {unknown[0]!r}.")
