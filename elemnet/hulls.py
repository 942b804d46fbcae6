"""Convex hulls of formation energy: distances of many compositions from planes computed once for each system.

In a chemical system the stable phases are the corners of the lower convex hull of energy over composition. Fractions
x sum to 1, so the plane of a facet is x . mu, with the chemical potentials mu of its elements; and because the hull is
convex, its energy is the largest of them: max_k x . mu_k. The facets of a system thus answer for any number of
compositions by one matrix product.

A face of the composition simplex is a system of fewer elements, and its hull does not depend on what lies off it. So
only phases that are stable in their own system can be corners of a larger one, and what is stable in binaries and
ternaries is found once and used in every quaternary around them.

    known = load_known(["oqmd"])
    known.hull(["Na", "Fe", "O"]).energy_above([[0.25, 0.25, 0.5]], [-1.2])    # NaFeO2 at -1.2 eV/atom

Reference:
    S. P. Ong et al., Chem. Mater. 20, 1798 (2008), doi:10.1021/cm702327g;
    C. B. Barber, D. P. Dobkin, H. Huhdanpaa, ACM Trans. Math. Softw. 22, 469 (1996), doi:10.1145/235815.235821.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.spatial import ConvexHull

from common.cleaning import clean_compositions
from common.datasets import LoadedDataset, load_table
from common.elements import ALL_SYMBOLS, ATOMIC_NUMBER
from common.readers import TARGET

VERTICAL = 1e-9  # of a unit normal: facets on the faces of the simplex, but for rounding; real slopes stay below 1e6
MAX_ELEMENTS = 8  # facets grow too fast with dimension; known phases have at most seven elements


class Phases(NamedTuple):
    """Phases of one chemical system.

    Attributes:
        formulas: (m,) object, as they were given; the symbols of elements.
        fractions: (m, num_elements).
        energies_ev_per_atom: (m,) formation energies; 0 for elements.
    """

    formulas: np.ndarray
    fractions: np.ndarray
    energies_ev_per_atom: np.ndarray


class Hull:
    """The lower convex hull of one chemical system; made by `KnownPhases.hull`.

    Args:
        elements: n symbols.
        phases: m + n phases that may be stable; the first n are the elements.

    Attributes:
        elements: n symbols, the order of all fractions.
        chemical_potentials: (num_facets, n) eV/atom; the hull energy of fractions x is max_k x . mu_k.
        stable: the corners: the elements in their order, then the stable phases.
        facets: (num_facets, n) rows of `stable`, the corners of each facet; two that share a facet share a tie line.
    """

    def __init__(self, elements: tuple[str, ...], phases: Phases):
        self.elements = elements
        self._phases = phases
        self.chemical_potentials, self._corners = lower_facets(phases.fractions, phases.energies_ev_per_atom)

    def energies(self, fractions: ArrayLike) -> np.ndarray:
        """Energy of the hull, that is of the stable phases a composition decomposes into.

        Args:
            fractions: (m, num_elements), each row sums to 1.

        Returns:
            (m,) eV/atom, at most 0.

        Raises:
            ValueError: another number of columns.
        """
        fractions = np.asarray(fractions)
        if fractions.ndim != 2 or fractions.shape[1] != len(self.elements):
            raise ValueError(
                f"Expected fractions of shape (m, {len(self.elements)}) for {'-'.join(self.elements)}, received shape "
                f"{fractions.shape}; give one column for each element in this order."
            )
        # One row a facet: numpy's maximum over rows is much faster than along them.
        return (self.chemical_potentials @ fractions.T).max(axis=0)

    def energy_above(self, fractions: ArrayLike, energies_ev_per_atom: ArrayLike) -> np.ndarray:
        """Distance to the hull along the energy axis.

        Args:
            fractions: (m, num_elements), each row sums to 1.
            energies_ev_per_atom: (m,) formation energies.

        Returns:
            (m,) eV/atom; negative where a composition would lie below all that is known.
        """
        return np.asarray(energies_ev_per_atom) - self.energies(fractions)

    @cached_property
    def stable(self) -> Phases:
        corners = np.unique(self._corners)  # begins with the elements, which are corners of every hull
        return Phases(*(values[corners] for values in self._phases))

    @cached_property
    def facets(self) -> np.ndarray:
        return np.searchsorted(np.unique(self._corners), self._corners)


def lower_facets(fractions: np.ndarray, energies_ev_per_atom: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Facets of the lower convex hull of energy over composition.

    Args:
        fractions: (m, n); the first n rows are the elements.
        energies_ev_per_atom: (m,); 0 for the elements, negative for the rest.

    Returns:
        (num_facets, n) chemical potentials in eV/atom, and (num_facets, n) rows of the corners.
    """
    num_phases, num_elements = fractions.shape
    if num_phases == num_elements:
        return np.zeros((1, num_elements)), np.arange(num_elements)[None]
    scale = -energies_ev_per_atom.min()  # qhull judges what is flat by absolute size
    hull = ConvexHull(np.column_stack([fractions[:, :-1], energies_ev_per_atom / scale]))
    is_lower = hull.equations[:, -2] < -VERTICAL  # the energy component of the outward normal
    equations = hull.equations[is_lower]  # (num_facets, n + 1): normal of n - 1 fractions and energy, then the offset
    planes = equations * (-scale / equations[:, -2:-1])  # energy = slopes . fractions + offset
    # The last fraction is 1 less the others, so its potential is the offset alone.
    potentials = np.concatenate([planes[:, :-2] + planes[:, -1:], planes[:, -1:]], axis=1)
    return potentials, hull.simplices[is_lower]


class KnownPhases:
    """Known phases with their formation energies, and the hull of any system among them.

    Only phases below their elements can be stable; the others are counted and take no part.

    Args:
        table: n rows with columns `formula`, each another composition, and `formation_energy_ev_per_atom` relative to
            the elements.
        fractions: (n, 118) element fractions, columns in order of atomic number.
        counts: rows of the source that were left out, by reason.

    Attributes:
        table: as given, phases above their elements included.
        counts: rows that can be on no hull, by reason.
        name: of the data; empty where they did not come from `load_known`.
        files: hash by path, as `common.datasets.LoadedDataset`.
        notes: plain sentences on the data.
    """

    def __init__(self, table: pd.DataFrame, fractions: np.ndarray, counts: dict[str, int] | None = None):
        energies = table[TARGET].to_numpy(np.float64)
        is_below = energies < 0
        self.table = table
        self.counts = (counts or {}) | {"not below the elements": int((~is_below).sum())}
        self.name = ""
        self.files: dict[str, str] = {}
        self.notes: list[str] = []
        # The elements come first, so that the row of an element is its column.
        self._phases = Phases(
            np.concatenate([np.array(ALL_SYMBOLS, object), table["formula"].to_numpy(object)[is_below]]),
            np.concatenate([np.eye(len(ALL_SYMBOLS)), fractions[is_below]]),
            np.concatenate([np.zeros(len(ALL_SYMBOLS)), energies[is_below]]),
        )
        self._rows_of = _rows_by_system(self._phases.fractions)
        self._stable_in: dict[tuple[int, ...], list[int]] = {}

    @classmethod
    def from_table(cls, formulas: Iterable[object], energies_ev_per_atom: ArrayLike) -> KnownPhases:
        """Known phases from a table in any state; the lowest energy of each composition is taken.

        Args:
            formulas: n cells.
            energies_ev_per_atom: (n,) formation energies relative to the elements; NaN where missing.

        Returns:
            Phases with `counts` of the rows left out: formulas that cannot be read, missing energies, single elements
            (0 by definition), duplicates, and energies that are not below 0.
        """
        table = pd.DataFrame({"formula": list(formulas), TARGET: np.asarray(energies_ev_per_atom, np.float64)})
        cleaned = clean_compositions(table, elements=ALL_SYMBOLS)
        # With all elements among the columns, none is unknown.
        counts = {reason: num for reason, num in cleaned.counts.items() if reason != "unknown element"}
        return cls(cleaned.frame, cleaned.fractions, counts)

    def __len__(self) -> int:
        """Compositions, those above their elements included."""
        return len(self.table)

    def hull(self, elements: Sequence[str]) -> Hull:
        """The hull of one chemical system.

        Args:
            elements: 2 to `MAX_ELEMENTS` symbols in any order, which will be that of the fractions.

        Raises:
            ValueError: too few or too many elements, one twice, or one that does not exist.
        """
        elements = tuple(elements)
        if unknown := [symbol for symbol in elements if symbol not in ATOMIC_NUMBER]:
            raise ValueError(f"Expected symbols of elements, received {unknown[0]!r} in {elements}.")
        if not 2 <= len(elements) <= MAX_ELEMENTS or len(set(elements)) < len(elements):
            raise ValueError(
                f"Expected 2 to {MAX_ELEMENTS} different elements, received {', '.join(elements) or 'none'}; "
                "name each element of one chemical system once."
            )
        columns = [ATOMIC_NUMBER[symbol] - 1 for symbol in elements]
        return Hull(elements, self._take(columns, self._candidates(tuple(sorted(columns)))))

    def _candidates(self, system: tuple[int, ...]) -> list[int]:
        """Rows of the phases that may be stable in a system, those with all its elements first."""
        rows = list(self._rows_of.get(system, ()))
        for size in range(2, len(system)):
            for part in combinations(system, size):
                if part in self._rows_of:
                    rows += self._stable_rows(part)
        return rows

    def _stable_rows(self, system: tuple[int, ...]) -> list[int]:
        """Rows of the phases with all elements of a system that are stable in it; found once."""
        if system not in self._stable_in:
            rows, num_own = self._candidates(system), len(self._rows_of[system])
            phases = self._take(system, rows)
            _, corners = lower_facets(phases.fractions, phases.energies_ev_per_atom)
            places = np.unique(corners)[len(system) :] - len(system)
            self._stable_in[system] = [rows[place] for place in places if place < num_own]
        return self._stable_in[system]

    def _take(self, columns: Sequence[int], rows: list[int]) -> Phases:
        """The elements of these columns, then the phases in these rows, with the fractions of these columns."""
        all_rows = np.array([*columns, *rows])
        formulas, fractions, energies = self._phases
        # Row by row, then column by column: numpy takes several times as long for both at once.
        return Phases(
            formulas.take(all_rows), fractions.take(all_rows, axis=0).take(columns, axis=1), energies.take(all_rows)
        )


def _rows_by_system(fractions: np.ndarray) -> dict[tuple[int, ...], list[int]]:
    """The rows of each set of elements, by its columns in ascending order."""
    row, column = np.nonzero(fractions)
    rows_of: dict[tuple[int, ...], list[int]] = {}
    starts = np.searchsorted(row, np.arange(len(fractions) + 1)).tolist()
    columns = column.tolist()
    for i, (start, end) in enumerate(zip(starts, starts[1:], strict=False)):
        rows_of.setdefault(tuple(columns[start:end]), []).append(i)
    return rows_of


def load_known(names: Sequence[str], *, allow_stand_in: bool = True) -> KnownPhases:
    """Known phases of registered data sets or of the user's tables; of several, the lowest energy is taken.

    Args:
        names: data sets of formation energies (`common.datasets.DATASETS`), or paths of CSV files with the columns
            `formula` and `formation_energy_ev_per_atom`. All their rows are used, whatever their split.
        allow_stand_in: False pins the choice, as in `common.datasets.load`.

    Raises:
        ValueError: no name, a name that is neither, or data without formation energies.
        DataUnavailableError, CorruptDataError: see `common.datasets`.
    """
    if isinstance(names, str) or not names:
        raise ValueError(f"Expected a list with at least one data set or CSV file, received {names!r}.")
    loaded = [_load_energies(name, allow_stand_in) for name in names]
    tables = list({tuple(table.files.values()): table for table in loaded}.values())  # one stand-in may serve several
    frame = pd.concat([table.frame for table in tables], ignore_index=True)
    known = KnownPhases.from_table(frame["formula"], frame[TARGET])
    known.name = " + ".join(table.name for table in tables)
    known.files = {path: file_hash for table in tables for path, file_hash in table.files.items()}
    known.notes = list(dict.fromkeys(note for table in loaded for note in table.notes))
    if len(tables) > 1:
        known.notes.append(
            f"The lowest energy of each composition in {known.name} is taken; energies of different sources rest on "
            "different settings and references, and a hull across them is only as exact as these agree."
        )
    return known


def _load_energies(name: str, allow_stand_in: bool) -> LoadedDataset:
    table = load_table(name, allow_stand_in=allow_stand_in)
    if TARGET not in table.frame:
        raise ValueError(
            f"Expected a data set of formation energies, received {name!r}, which has the columns "
            f"{', '.join(table.frame.columns)}; choose one with {TARGET}."
        )
    return table
