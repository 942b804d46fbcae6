"""Whole files or nothing: each file the project writes appears under its name complete, or not at all.

A run may be killed at any byte. Whoever reads a checkpoint, a result or a model card afterwards must find
either the file that was there before or the new one. So each writer here fills a temporary file in the same
folder, syncs it to disk, renames it onto the final name (atomic within one file system), and syncs the folder
so that the rename itself survives a power cut.

A process killed outright cannot tidy up: its temporary file stays behind, named ``.tmp-<random>-<name>``. It
is never read and may be deleted.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TEMPORARY_PREFIX = ".tmp-"


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path to write to; on success it becomes `path`, on any exception it is removed.

    The temporary path lies in the folder of `path` (made if missing) and ends in the same file name, so
    writers that look at the suffix (`.keras`, `.weights.h5`, `.csv.gz`, `.png`) behave as they would with the
    final name. Nothing exists at the temporary path until the caller creates it. A symbolic link at `path` is
    kept: the file it points to is replaced. Several processes may write the same `path` at once; the last to
    finish wins, whole.

    Args:
        path: Final file name.

    Raises:
        FileNotFoundError: The block ended without writing the temporary file.
        IsADirectoryError: `path` is a folder.
        OSError: `path` is a device or a pipe, which a file must not replace; or what the disk says.

    Example:
        >>> with atomic_path("model.keras") as temporary:  # doctest: +SKIP
        ...     model.save(temporary)
    """
    final = Path(os.path.realpath(path))
    if final.is_dir():
        raise IsADirectoryError(f"expected a file name to write, received the folder {os.fspath(path)!r}")
    if final.exists() and not final.is_file():  # the rename would take /dev/null from the whole system
        raise OSError(f"expected a file name to write, received the device or pipe {os.fspath(path)!r}; name a file")
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}-{final.name}")
    try:
        yield temporary
        if not temporary.is_file():
            raise FileNotFoundError(
                f"expected the block to write {temporary.name!r}, but no such file was made; "
                f"write to the path that atomic_path yields, not to {final.name!r}"
            )
        _sync_file(temporary)
        if final.exists():
            shutil.copymode(final, temporary)
        temporary.replace(final)
    except BaseException:
        # BaseException: Ctrl-C in mid-write must not leave litter either.
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(final.parent)


def write_bytes_atomic(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write `data` to `path`, whole or not at all.

    Returns:
        `path` as a `Path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return Path(path)


def write_text_atomic(path: str | os.PathLike[str], text: str) -> Path:
    """Write `text` to `path` as UTF-8, line ends as given, whole or not at all.

    Returns:
        `path` as a `Path`.
    """
    return write_bytes_atomic(path, text.encode("utf-8"))


def write_json_atomic(path: str | os.PathLike[str], obj: Any) -> Path:
    """Write `obj` to `path` as JSON: keys in the order given, indent 1, UTF-8, a newline at the end.

    NaN and infinity are refused, not turned into null: JSON has no such numbers, other languages cannot read
    them, and in a result they nearly always mean a mistake. A figure that is truly missing is `None`. NumPy
    scalars and arrays are written as numbers and lists, paths as strings.

    Returns:
        `path` as a `Path`.

    Raises:
        ValueError: `obj` holds NaN or infinity; the message says where.
        TypeError: `obj` holds something JSON has no form for.
    """
    try:
        text = json.dumps(obj, indent=1, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError as error:
        place = _find_non_finite(obj)
        if place is None:  # a circular reference, which json already describes well
            raise
        raise ValueError(
            f"expected finite numbers for {os.fspath(path)!r}, received NaN or infinity at {place}; "
            "write None where a figure is missing"
        ) from error
    return write_text_atomic(path, text + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON that anybody may have written.

    Raises:
        OSError: `path` cannot be read.
        ValueError: It holds something else, or is nested too deep; one sentence.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON in {os.fspath(path)!r}, received something else: {error}") from error


def write_csv_atomic(path: str | os.PathLike[str], frame: pd.DataFrame, *, index: bool = False) -> Path:
    r"""Write `frame` to `path` as CSV, whole or not at all.

    UTF-8, ``\n`` line ends, floats in full precision. A suffix such as `.csv.gz` compresses.

    Args:
        path: Final file name.
        frame: Table to write.
        index: Whether the index becomes the first column; by default it is left out.

    Returns:
        `path` as a `Path`.
    """
    with atomic_path(path) as temporary, ExitStack() as opened:
        file: Any = temporary
        if temporary.suffix == ".gz":  # pandas would put the time of day and the temporary name into its head
            packed = opened.enter_context(temporary.open("wb"))
            file = opened.enter_context(gzip.GzipFile("", "wb", fileobj=packed, mtime=0))
        frame.to_csv(file, mode="wb", index=index, lineterminator="\n", quoting=csv_quoting(frame))
    return Path(path)


def csv_quoting(frame: pd.DataFrame) -> int:
    """Which cells of a CSV file stand in quotes: those that need it, or all text where a cell has a carriage return.

    Before 3.11.9 and 3.12.3 Python left such a cell without quotes (python/cpython#67044): readers found a row in it.
    """
    texts = (column for _, column in frame.items() if column.dtype == object)
    cells = chain(frame.columns, chain.from_iterable(texts))
    return csv.QUOTE_NONNUMERIC if any(isinstance(c, str) and "\r" in c for c in cells) else csv.QUOTE_MINIMAL


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"expected something JSON can hold, received {type(value).__name__}: {value!r}")


def _find_non_finite(obj: Any, place: str = "$") -> str | None:
    """Return the path (`$.rows[3].mae`) of the first non-finite number in `obj`, or None."""
    if isinstance(obj, (np.generic, np.ndarray)):
        obj = obj.tolist()
    if isinstance(obj, float):
        return None if np.isfinite(obj) else place
    if isinstance(obj, dict):
        children = ((f"{place}.{key}", value) for key, value in obj.items())
    elif isinstance(obj, (list, tuple)):
        children = ((f"{place}[{i}]", value) for i, value in enumerate(obj))
    else:
        return None
    found = (_find_non_finite(value, name) for name, value in children)
    return next((place for place in found if place is not None), None)


def _sync_file(path: Path) -> None:
    with path.open("r+b") as stream:
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # Windows cannot open a folder, and its rename is already journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
