"""The 271 attributes of a structure: 126 of its Voronoi tessellation, 145 of its composition.

SIPFENN's networks take them in this order, which for each elemental property begins with the mean; the names are those
of `VORONOI_LABELS` and `MAGPIE_LABELS`.

Long runs are cut into chunks. With a cache folder each finished chunk is a file of its own, so that a killed run goes
on where it was and the same chunk is not computed twice.

Reference:
    L. Ward et al., Phys. Rev. B 96, 024104 (2017), doi:10.1103/PhysRevB.96.024104
    A. M. Krajewski et al., Comput. Mater. Sci. 208, 111254 (2022), doi:10.1016/j.commatsci.2022.111254
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from tqdm import tqdm

from common.elements import ALL_SYMBOLS
from common.executor import iterate_tasks, run_tasks
from common.features import Featurized
from common.features.elemental import PROPERTIES
from common.features.magpie import MAGPIE_LABELS, attributes_of_fractions
from common.features.voronoi import VORONOI_LABELS, element_rows, featurize_with_reasons
from common.files import atomic_path

ATTRIBUTES_VERSION = 1  # raise it when any attribute changes: files in cache folders are then computed anew
CHUNK_STRUCTURES = 200  # a chunk takes half a second; no more than that is lost by a kill

_STATISTICS = ("mean", "range", "avg_dev", "maximum", "minimum", "mode")  # in SIPFENN's order
_COMPOSITION_LABELS: tuple[str, ...] = (
    *MAGPIE_LABELS[:6],
    *(f"MagpieData {statistic} {name}" for name in PROPERTIES for statistic in _STATISTICS),
    *MAGPIE_LABELS[-7:],
)
_COMPOSITION_COLUMNS = [MAGPIE_LABELS.index(label) for label in _COMPOSITION_LABELS]

LABELS: tuple[str, ...] = (*VORONOI_LABELS, *_COMPOSITION_LABELS)
"""Names of the 271 attributes, in SIPFENN's order."""


def featurize(
    structures: Iterable[Structure],
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    num_processes: int | None = 1,
    progress: bool = False,
) -> Featurized:
    """The 271 attributes of structures, and why some have none.

    Structures are taken as there is room for them: memory beyond the result does not grow with their number.

    Args:
        structures: n structures, also from a generator.
        cache_dir: Folder, made if missing, that keeps the attributes of each finished chunk under a hash of its
            structures; give it again and the same structures in the same order, and only what is missing is computed.
        num_processes: Processes that share the work; ``None`` for one on each usable core.
        progress: Show a bar on a terminal.

    Returns:
        `Featurized` with attributes (n, 271), columns as `LABELS`.

    Raises:
        TypeError: One structure was given where several are expected.
        ValueError: Fewer than one process.
        OSError: A chunk could not be written.
    """
    if isinstance(structures, Structure):
        raise TypeError("Expected an iterable of structures, received a single Structure; write [structure].")
    results: dict[int, Featurized] = {}
    waiting: dict[int, tuple[int, _Chunk, Path | None]] = {}
    total = len(structures) if isinstance(structures, Sized) else None
    # disable=None: no bar where standard error is a file
    with tqdm(total=total, desc="attributes", unit="structure", disable=None if progress else True) as bar:

        def tasks() -> Iterator[_Chunk]:
            num_tasks = 0
            for number, chunk in enumerate(_chunks(structures)):
                path = None if cache_dir is None else Path(cache_dir) / f"{_key(chunk)}.npz"
                known = None if path is None else _read(path, len(chunk))
                if known is not None:
                    results[number] = known
                    bar.update(len(chunk))
                else:
                    waiting[num_tasks] = number, chunk, path
                    num_tasks += 1
                    yield chunk

        for outcome in iterate_tasks(_featurize_chunk, tasks(), num_processes=num_processes):
            number, chunk, path = waiting.pop(outcome.index)
            results[number] = outcome.value if outcome.ok else _one_by_one(chunk, num_processes)
            if outcome.ok and path is not None:  # what took down a chunk may not happen again
                _write(path, outcome.value)
            bar.update(len(chunk))
    return _joined([results[number] for number in range(len(results))])


_Chunk = tuple[Structure, ...]


def _chunks(structures: Iterable[Structure]) -> Iterator[_Chunk]:
    remaining = iter(structures)
    while chunk := tuple(islice(remaining, CHUNK_STRUCTURES)):
        yield chunk


def _featurize_chunk(chunk: _Chunk) -> Featurized:
    structural = featurize_with_reasons(chunk)
    fractions = np.full((len(chunk), len(ALL_SYMBOLS)), np.nan)
    for row in np.flatnonzero(structural.ok):
        elements = element_rows(chunk[row])
        fractions[row] = np.bincount(elements, minlength=len(ALL_SYMBOLS)) / len(elements)
    composition = attributes_of_fractions(fractions)[:, _COMPOSITION_COLUMNS]
    return Featurized(np.hstack([structural.attributes, composition]), structural.reasons)


def _one_by_one(chunk: _Chunk, num_processes: int | None) -> Featurized:
    """A chunk that failed as a whole, where one structure must not cost the others theirs."""
    outcomes = run_tasks(_featurize_chunk, [(structure,) for structure in chunk], num_processes=num_processes)
    lost = np.full((1, len(LABELS)), np.nan)
    return _joined([one.value if one.ok else Featurized(lost, np.array([one.reason], object)) for one in outcomes])


def _joined(parts: Sequence[Featurized]) -> Featurized:
    return Featurized(
        np.concatenate([np.empty((0, len(LABELS))), *(part.attributes for part in parts)]),
        np.concatenate([np.empty(0, object), *(part.reasons for part in parts)]),
    )


# ---------------------------------------------------------------------------------------------------------- the cache


def _key(chunk: _Chunk) -> str:
    """Hash of all that the attributes depend on."""
    digest = hashlib.sha256(f"{ATTRIBUTES_VERSION} {LABELS}".encode())
    for structure in chunk:
        if not isinstance(structure, Structure):
            digest.update(f"not a structure: {type(structure).__name__}".encode())
            continue
        species = [site.species_string for site in structure]
        digest.update(repr((len(species), species, structure.lattice.pbc)).encode())
        digest.update(np.ascontiguousarray(structure.lattice.matrix, "<f8").tobytes())
        digest.update(np.ascontiguousarray(structure.frac_coords, "<f8").tobytes())
    return digest.hexdigest()


def _write(path: Path, computed: Featurized) -> None:
    # A process that has finished the same table may remove the folder meanwhile; what is kept there is not needed then.
    with suppress(FileNotFoundError), atomic_path(path) as temporary:
        np.savez(temporary, attributes=computed.attributes, reasons=computed.reasons.astype(str))


def _read(path: Path, num_structures: int) -> Featurized | None:
    """A chunk from the cache; None where it is not there, or is damaged and must be computed again."""
    try:
        with np.load(path, allow_pickle=False) as file:
            known = Featurized(file["attributes"], file["reasons"].astype(object))
    except Exception:  # a damaged zip raises whatever its reader trips over
        return None
    expected = known.attributes.shape == (num_structures, len(LABELS)) and known.reasons.shape == (num_structures,)
    return known if expected else None
