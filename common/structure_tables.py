"""The registry's crystal structures: JSON lines to a frame, and from its rows to pymatgen's structures.

A line has `id`, `species` (n symbols), `lattice` (3, 3; rows, angstrom), `frac` (n, 3) and an energy. The frame keeps
these as small arrays, a few kB a row; `structures` makes the heavy objects one at a time.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from common.prototypes import classify
from common.readers import TARGET, Table, split_by_composition

if TYPE_CHECKING:
    from pymatgen.core import Structure


@dataclass(frozen=True)
class StructureReader:
    """Reads one file of JSON lines into a frame of structures with a target.

    Its columns: `structure_id`, `formula` (reduced, elements in alphabetical order), the target (float64), `num_sites`,
    `split` (80/10/10 by the hash of the composition, so polymorphs stay together), `prototype` ("" where it is none
    of those `common.prototypes` knows), `species` (tuple of n str), `lattice` (3, 3; rows, angstrom), `frac` (n, 3)
    and the fields in `extra`. Lines without an energy are left out and counted in a note.

    Attributes:
        target: column of the frame, unit in its name.
        energy_field: field of the lines.
        atoms_per_energy: what the field is divided by: 1 for energies per atom, 5 for those of a cell of 5.
        prototype: of all structures, where the data set has one alone; None to classify each by its geometry.
        extra: further fields of the lines to keep as columns.
        left_out_sources: values of the field `source` whose energies cannot be compared with the others.
    """

    target: str = TARGET
    energy_field: str = "e_form_ev_per_atom"
    atoms_per_energy: int = 1
    prototype: str | None = None
    extra: tuple[str, ...] = ()
    left_out_sources: tuple[str, ...] = ()

    def __call__(self, paths: list[Path]) -> Table:
        rows = []
        num_unlabelled = num_other_source = 0
        with gzip.open(paths[0], "rt", encoding="utf-8") as stream:
            for line in stream:
                item = json.loads(line)
                if item[self.energy_field] is None:
                    num_unlabelled += 1
                elif item.get("source") in self.left_out_sources:
                    num_other_source += 1
                else:
                    rows.append(self._row(item))
        frame = pd.DataFrame(rows)
        frame.insert(4, "split", split_by_composition(frame["formula"]))
        notes = []
        if num_unlabelled:
            notes.append(f"{num_unlabelled:,} structures without an energy: left out.")
        if num_other_source:
            sources = ", ".join(self.left_out_sources)
            notes.append(f"{num_other_source:,} structures with energies of another kind ({sources}): left out.")
        return frame, notes

    def _row(self, item: dict) -> dict[str, object]:
        species = tuple(item["species"])
        lattice = np.array(item["lattice"], np.float64)
        frac = np.array(item["frac"], np.float64)
        return {
            "structure_id": item["id"],
            "formula": reduce_species(species),
            self.target: float(item[self.energy_field]) / self.atoms_per_energy,
            "num_sites": len(species),
            "prototype": classify(species, lattice, frac) if self.prototype is None else self.prototype,
            "species": species,
            "lattice": lattice,
            "frac": frac,
            **{name: item.get(name) for name in self.extra},
        }


def structures(frame: pd.DataFrame) -> Iterator[Structure]:
    """pymatgen's structure of each row, in order, made when asked for.

    Args:
        frame: rows with `species`, `lattice` (3, 3; angstrom) and `frac` (n, 3), as the structure data sets have.

    Raises:
        KeyError: a column is missing; the frame is not one of structures.
    """
    if missing := [name for name in ("species", "lattice", "frac") if name not in frame]:
        raise KeyError(
            f"Expected columns species, lattice and frac, but {missing} are not among {list(frame.columns)}."
        )
    return _structures(frame)


def _structures(frame: pd.DataFrame) -> Iterator[Structure]:
    from pymatgen.core import Lattice, Structure  # slow to import, and not needed by most commands

    for species, lattice, frac in zip(frame["species"], frame["lattice"], frame["frac"], strict=True):
        yield Structure(Lattice(lattice), species, frac)


def reduce_species(species: Sequence[str]) -> str:
    """Reduced formula of a cell, elements in alphabetical order: Fe4O6 for 4 Fe and 6 O is Fe2O3."""
    amounts = Counter(species)
    divisor = gcd(*amounts.values())
    parts = ((symbol, amounts[symbol] // divisor) for symbol in sorted(amounts))
    return "".join(f"{symbol}{amount}" if amount > 1 else symbol for symbol, amount in parts)
