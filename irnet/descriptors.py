"""Structures to descriptor tables: 271 attributes a row, computed in chunks, saved as CSV and used again."""

import hashlib
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm import tqdm

from common.features import Featurized, ward2017
from common.files import atomic_path
from common.structures import StructureRecord
from common.tables import TableError, open_csv

if TYPE_CHECKING:
    from pymatgen.core import Structure

STRUCTURES_PER_CHUNK = 2_000  # their attributes take 4 MB; starting the processes costs a few per cent of such a chunk
MIN_STRUCTURES_FOR_PROCESSES = 200  # below, starting processes takes longer than they save
TEXT_COLUMNS = ("name", "formula", "structure_hash", "status", "reason")


@dataclass(frozen=True)
class Descriptors:
    """Attributes of some structures, in the order given.

    Attributes:
        names: ``(n,)`` of str.
        formulas: ``(n,)`` of str; ``""`` where nothing could be read.
        hashes: ``(n,)`` of str; ``structure_hash``, or ``""``.
        featurized: ``(n, 271)`` attributes, columns as ``ward2017.LABELS``, with reasons.
        num_reused: Rows that were not computed but taken from a table.
    """

    names: np.ndarray
    formulas: np.ndarray
    hashes: np.ndarray
    featurized: Featurized
    num_reused: int = 0

    def to_frame(self) -> pd.DataFrame:
        """The rows of the table: name, formula, hash, 271 attributes, status, reason."""
        reasons = self.featurized.reasons
        return pd.DataFrame(
            {"name": self.names, "formula": self.formulas, "structure_hash": self.hashes}
            | dict(zip(ward2017.LABELS, self.featurized.attributes.T, strict=True))
            | {"status": np.where(reasons == "", "ok", "error"), "reason": reasons}
        )


def describe(
    records: Iterable[StructureRecord],
    *,
    attributes: bool = True,
    known: Descriptors | None = None,
    cache_dir: Path | None = None,
    num_processes: int | None = None,
    progress: bool = False,
) -> Iterator[Descriptors]:
    """Compute the attributes of structures, a chunk at a time, so that memory does not grow with their number.

    Args:
        records: Structures with names; one that could not be read keeps its row and its reason.
        attributes: ``False`` finds names and formulas alone, in a fraction of the time.
        known: A table computed before; its good rows are taken over for structures with the same hash.
        cache_dir: Keeps what is finished, so that a killed run goes on; see ``ward2017.featurize``.
        num_processes: Structures at a time; ``None`` for one on each core.
        progress: Show a bar on a terminal.

    Yields:
        Every record once, in order.
    """
    rows_known = {} if known is None else _rows_by_hash(known)
    records = iter(records)
    with tqdm(desc="structures", unit="", disable=None if progress else True) as bar:
        while chunk := list(islice(records, STRUCTURES_PER_CHUNK)):
            yield _describe_chunk(chunk, attributes, known, rows_known, cache_dir, num_processes, bar)


def _rows_by_hash(known: Descriptors) -> dict[str, int]:
    return {known.hashes[row]: int(row) for row in np.flatnonzero(known.featurized.ok) if known.hashes[row]}


def _describe_chunk(chunk, wants_attributes, known, rows_known, cache_dir, num_processes, bar) -> Descriptors:
    structures = [record.structure for record in chunk]
    hashes = np.array(["" if structure is None else structure_hash(structure) for structure in structures], object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen's, on elements without an electronegativity
        formulas = ["" if structure is None else structure.composition.reduced_formula for structure in structures]
    reasons = np.array([record.reason for record in chunk], object)
    attributes = np.full((len(chunk), len(ward2017.LABELS)), np.nan)
    reused = [row for row, digest in enumerate(hashes) if digest in rows_known]
    if reused:
        attributes[reused] = known.featurized.attributes[[rows_known[digest] for digest in hashes[reused]]]
    todo = [
        row
        for row, record in enumerate(chunk)
        if wants_attributes and record.structure is not None and hashes[row] not in rows_known
    ]
    bar.update(len(chunk) - len(todo))

    def counted():
        for row in todo:
            bar.update()
            yield chunk[row].structure

    if todo:
        processes = 1 if num_processes is None and len(todo) < MIN_STRUCTURES_FOR_PROCESSES else num_processes
        computed = ward2017.featurize(counted(), cache_dir=cache_dir, num_processes=processes)
        attributes[todo], reasons[todo] = computed.attributes, computed.reasons
    names = np.array([record.name for record in chunk], object)
    return Descriptors(names, np.array(formulas, object), hashes, Featurized(attributes, reasons), len(reused))


def structure_hash(structure: "Structure") -> str:
    """16 hex digits: equal for the same lattice, sites and species to the bit and in the same order.

    It changes when the attributes do (``ward2017.ATTRIBUTES_VERSION``), so that rows of an older table are not reused.
    """
    digest = hashlib.sha256(f"{ward2017.ATTRIBUTES_VERSION} {structure.lattice.pbc}".encode())
    digest.update(np.ascontiguousarray(structure.lattice.matrix, "<f8").tobytes())
    digest.update(np.ascontiguousarray(structure.frac_coords, "<f8").tobytes())
    digest.update("|".join(site.species_string for site in structure).encode())
    return digest.hexdigest()[:16]


def read_descriptors(path: Path | str) -> Descriptors:
    """Read a descriptor table, written here or elsewhere.

    Args:
        path: CSV, plain or ``.gz``, with a column for each of the 271 attributes. Columns ``name``, ``formula``,
            ``structure_hash``, ``status`` and ``reason`` are taken where they are there; a row whose attributes are
            not all finite gets a reason in any case, as does a blank line.

    Raises:
        TableError: One sentence: not a CSV table, a column is missing, or a cell is not a number.
    """
    path = Path(path)
    try:
        with open_csv(path) as text, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header: cells would be lost
            frame = pd.read_csv(
                text,
                dtype=dict.fromkeys(TEXT_COLUMNS, str) | dict.fromkeys(ward2017.LABELS, np.float64),
                keep_default_na=False,  # else sodium nitride, NaN, would be read as missing
                na_values={label: ["", "nan", "NaN"] for label in ward2017.LABELS},
                float_precision="round_trip",
                skip_blank_lines=False,
                index_col=False,
            )
    except (ValueError, pd.errors.ParserWarning, EOFError, OSError, zlib.error) as error:
        cause = " ".join(str(error).split()).rstrip(".")
        raise TableError(f"{path} cannot be read as a descriptor table: {cause}.") from error
    missing = [label for label in ward2017.LABELS if label not in frame]
    if missing:
        raise TableError(
            f"{path} is not a descriptor table: expected {len(ward2017.LABELS)} columns of attributes; "
            f"{len(missing)} are missing, the first {missing[0]!r}. `irnet describe` makes such tables."
        )
    attributes = frame[list(ward2017.LABELS)].to_numpy(np.float64)
    empty = pd.Series([""] * len(frame), dtype=object)
    texts = {name: frame.get(name, empty).to_numpy(object) for name in TEXT_COLUMNS}
    names = texts["name"] if "name" in frame else np.array([str(row) for row in range(len(frame))], object)
    is_finite = np.isfinite(attributes).all(axis=1)
    reasons = np.where(is_finite | (texts["reason"] != ""), texts["reason"], "An attribute is missing in the table.")
    return Descriptors(names, texts["formula"], texts["structure_hash"], Featurized(attributes, reasons))


def describe_file(
    records: Iterable[StructureRecord],
    destination: Path,
    *,
    num_processes: int | None = None,
    progress: bool = False,
) -> Iterator[Descriptors]:
    """Compute attributes as ``describe`` does and write them to a table on the way.

    If the table is there already, its good rows are used again and the table is replaced at the end. Until then, what
    is finished is kept in the folder ``NAME.parts`` beside it: the same call after a kill goes on from there.

    Raises:
        TableError: If the file is there and is not a descriptor table; it stays as it is.
    """
    known = read_descriptors(destination) if destination.exists() else None
    parts = destination.with_name(f"{destination.name}.parts")
    chunks = describe(records, known=known, cache_dir=parts, num_processes=num_processes, progress=progress)
    with atomic_path(destination) as temporary:
        for number, descriptors in enumerate(chunks):
            descriptors.to_frame().to_csv(temporary, mode="a", header=number == 0, index=False, lineterminator="\n")
            yield descriptors
    for part in parts.glob("*.npz"):
        part.unlink(missing_ok=True)  # another process may tidy up after the same table
    with suppress(OSError):  # never made, or not ours alone
        parts.rmdir()
