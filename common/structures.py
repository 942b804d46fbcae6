"""Users' crystal structures: every file of a folder, one record each, with a reason where it cannot be used.

| file | holds |
|---|---|
| `*.cif` | CIF, one record a data block with atoms |
| `POSCAR*`, `CONTCAR*`, `*.poscar`, `*.vasp` | a structure of VASP 5 or later |
| `*.json` | one structure: pymatgen's `as_dict()`, or species, lattice and frac |
| `*.jsonl` | one such structure a line |

Each may be gzipped (`.gz`). One record is in memory at a time.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from common import structure_formats
from common.outcomes import one_line
from common.structure_formats import StructureFormatError

if TYPE_CHECKING:
    from pymatgen.core import Structure

MAX_FILE_BYTES = 20_000_000

_CIF, _POSCAR, _JSON, _JSON_LINES = "CIF", "POSCAR", "JSON", "JSON lines"
_KIND_OF_SUFFIX = {
    ".cif": _CIF,
    ".poscar": _POSCAR,
    ".vasp": _POSCAR,
    ".json": _JSON,
    ".jsonl": _JSON_LINES,
}


class StructuresError(ValueError):
    """There is no structure to work on; the message is one sentence for the user."""


@dataclass(frozen=True)
class StructureRecord:
    """One structure of the user, or why there is none.

    Attributes:
        name: path relative to the folder, "/" between its parts; with "#" and a number after it the line of JSON
            lines or the block of a CIF with several, from 1.
        structure: pymatgen's structure of ordered sites without oxidation states; None where it cannot be used.
        reason: "" where it can, else one sentence.
    """

    name: str
    structure: Structure | None
    reason: str


@dataclass(frozen=True)
class StructureFiles:
    """What a folder holds.

    Attributes:
        root: the folder that names are relative to.
        paths: files of the kinds read here, sorted by name.
        num_skipped: files of other kinds, hidden files, and links to folders.
    """

    root: Path
    paths: tuple[Path, ...]
    num_skipped: int


def find_structure_files(path: str | Path) -> StructureFiles:
    """The structure files in a folder and the folders below it, or the one file given.

    Raises:
        StructuresError: there is no such path, or no file of a kind read here.
    """
    path = Path(path)
    if path.is_file():
        if _kind(path.name) is None:
            raise StructuresError(f"Expected a CIF, POSCAR, JSON or JSON lines file, received {str(path)!r}.")
        return StructureFiles(path.parent, (path,), 0)
    if not path.is_dir():
        raise StructuresError(f"Expected a folder or file of structures at {str(path)!r}; there is none.")
    found: list[Path] = []
    num_skipped = 0
    for folder, folder_names, names in os.walk(path):
        linked = [name for name in folder_names if Path(folder, name).is_symlink()]
        num_skipped += len(linked)
        for name in names:
            if name.startswith(".") or _kind(name) is None:
                num_skipped += 1
            else:
                found.append(Path(folder, name))
    if not found:
        raise StructuresError(
            f"Expected CIF, POSCAR, JSON or JSON lines files in {str(path)!r}, received {num_skipped:,} files of other "
            "kinds."
        )
    return StructureFiles(path, tuple(sorted(found, key=lambda file: file.relative_to(path).parts)), num_skipped)


def read_structures(path: str | Path, *, max_file_bytes: int = MAX_FILE_BYTES) -> Iterator[StructureRecord]:
    """Read the structures of a folder or file, one after another, in the order of their names.

    A file that cannot be read becomes a record with a reason. Links that leave the folder are not followed, and files
    beyond the size limit are not read.

    Args:
        path: folder or file.
        max_file_bytes: limit for a file, unpacked; for JSON lines for each line.

    Yields:
        `StructureRecord`, at least one of them with a structure.

    Raises:
        StructuresError: at the call, there is no file of a kind read here; at the end, none held a usable structure.
    """
    return _records(find_structure_files(path), max_file_bytes)  # apart, so that the search is done at the call


def _records(files: StructureFiles, max_file_bytes: int) -> Iterator[StructureRecord]:
    num_bad = 0
    any_good = False
    last = None
    for path in files.paths:
        for record in _read_file(files.root, path, max_file_bytes):
            any_good |= record.structure is not None
            num_bad += record.structure is None
            last = record
            yield record
    if not any_good:
        last_reason = f", the last, {last.name}, for this reason: {last.reason}" if last else "."
        raise StructuresError(
            f"Expected a usable structure in {str(files.root)!r}, received {num_bad:,} that are not{last_reason}"
        )


def _kind(name: str) -> str | None:
    name = name.lower().removesuffix(".gz")
    of_vasp = _POSCAR if name.startswith(("poscar", "contcar")) else None  # POSCAR_NaCl, CONTCAR.relaxed
    return _KIND_OF_SUFFIX.get(Path(name).suffix, of_vasp)


def _read_file(root: Path, path: Path, max_bytes: int) -> Iterator[StructureRecord]:
    name = path.relative_to(root).as_posix()
    try:
        real = Path(os.path.realpath(path, strict=True))
        if not real.is_relative_to(root.resolve()):
            yield StructureRecord(name, None, "The file is a link to a place outside the folder: copy it into it.")
            return
        if not real.is_file():  # a pipe or a device, which might never end
            yield StructureRecord(name, None, "The file is not a regular file.")
            return
        is_gzip = path.name.lower().endswith(".gz")
        with cast(IO[bytes], gzip.open(path) if is_gzip else path.open("rb")) as stream:
            yield from _read_stream(name, _kind(path.name), stream, max_bytes)
    except (OSError, EOFError, zlib.error) as error:
        yield StructureRecord(name, None, f"The file cannot be read ({one_line(error)[:160]}).")


def _read_stream(name: str, kind: str | None, stream: IO[bytes], max_bytes: int) -> Iterator[StructureRecord]:
    if kind == _JSON_LINES:
        yield from _read_lines(name, stream, max_bytes)
        return
    content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        yield StructureRecord(name, None, f"The file is larger than the limit of {max_bytes / 1e6:g} MB.")
    elif kind != _CIF:
        parse = structure_formats.from_poscar if kind == _POSCAR else structure_formats.from_json
        yield _record(name, parse, content)
    else:
        yield from _read_cif(name, content)


def _read_cif(name: str, content: bytes) -> Iterator[StructureRecord]:
    try:
        blocks = structure_formats.split_cif(_decode(content))
    except StructureFormatError as error:
        yield StructureRecord(name, None, str(error))
        return
    if not blocks:
        yield StructureRecord(name, None, "Expected a CIF with a data block and atom sites, received none.")
    for number, block in enumerate(blocks, start=1):
        block_name = f"{name}#{number}" if len(blocks) > 1 else name
        yield _record(block_name, structure_formats.from_cif, block.encode())


def _read_lines(name: str, stream: IO[bytes], max_bytes: int) -> Iterator[StructureRecord]:
    number = 0
    any_line = False
    while line := stream.readline(max_bytes + 1):
        number += 1
        if len(line) > max_bytes:
            reason = f"The line is larger than the limit of {max_bytes / 1e6:g} MB; the file is not read further."
            yield StructureRecord(f"{name}#{number}", None, reason)
            return
        if line.strip():
            any_line = True
            yield _record(f"{name}#{number}", structure_formats.from_json, line)
    if not any_line:
        yield StructureRecord(name, None, "The file is empty.")


def _record(name: str, parse: Callable[[str], Structure], content: bytes) -> StructureRecord:
    try:
        return StructureRecord(name, parse(_decode(content)), "")
    except StructureFormatError as error:
        return StructureRecord(name, None, str(error))


def _decode(content: bytes) -> str:
    if not content.strip():
        raise StructureFormatError("The file is empty.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StructureFormatError(f"Expected UTF-8 text, received another byte at {error.start:,}.") from error
