"""Users' tables: CSV read as text and nothing guessed, so that "NaN" stays sodium nitride and no row is lost."""

import gzip
import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

import pandas as pd

from common.files import write_csv_atomic

MAX_CHARACTERS_OF_NAMES = 400


class TableError(ValueError):
    """A table that cannot be read, or lacks what is needed."""


def read_text_csv(path: Path | str, *, needs: Sequence[str] = (), reserves: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV file with every cell as text.

    Args:
        path: Plain or ``.gz``, UTF-8.
        needs: Columns that have to be there.
        reserves: Columns that must not be there, because the caller is going to add them.

    Returns:
        All rows, blank lines included, as strings; an empty cell is ``""``.

    Raises:
        TableError: One sentence that names the file, what was expected and what was found.
    """
    path = Path(path)
    if not path.is_file():
        raise TableError(f"{path} does not exist or is not a file.")
    try:
        with open_csv(path) as text:
            cells = pd.read_csv(
                text,
                dtype=str,
                header=None,  # else pandas renames empty and repeated column names, and drops cells of a first long row
                keep_default_na=False,
                na_filter=False,
                skip_blank_lines=False,
            )
    except (ValueError, EOFError, OSError, zlib.error) as error:
        cause = " ".join(str(error).split()).rstrip(".")
        raise TableError(f"{path} cannot be read as a CSV file in UTF-8: {cause}.") from error
    table = cells.iloc[1:].reset_index(drop=True).set_axis(cells.iloc[0].tolist(), axis=1)
    missing = [name for name in needs if name not in table]
    if missing:
        raise TableError(f"{path} has no column {missing[0]!r}; its columns are: {columns_in_words(table)}.")
    repeated = [name for name in needs if list(table.columns).count(name) > 1]
    if repeated:
        raise TableError(f"{path} has more than one column {repeated[0]!r}. Rename all but one.")
    taken = [name for name in reserves if name in table]
    if taken:
        raise TableError(f"{path} already has a column {taken[0]!r}, which would be added. Rename or drop it first.")
    return table


def columns_in_words(table: pd.DataFrame) -> str:
    """The names of the columns for a sentence: on one line, cut where they do not end."""
    names = " ".join(", ".join(map(str, table.columns)).split()) or "none"
    return names if len(names) <= MAX_CHARACTERS_OF_NAMES else f"{names[:MAX_CHARACTERS_OF_NAMES]}..."


def open_csv(path: Path) -> io.TextIOWrapper:
    """Open a CSV file for a parser: plain or ``.gz``, UTF-8, line ends as they are.

    Reading raises `ValueError` where there is a NUL: pandas takes it for the end of a cell, and the rest would be lost.
    """
    stream = gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")  # noqa: SIM115 - handed out
    return _CsvText(cast(IO[bytes], stream), encoding="utf-8-sig", newline="")  # spreadsheet programs put a mark first


class _CsvText(io.TextIOWrapper):
    def read(self, size: int | None = -1) -> str:
        text = super().read(size)
        if "\0" in text:
            raise ValueError("it has NUL characters, as no text has; save it as CSV anew")
        return text


def write_text_csv(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all."""
    write_csv_atomic(Path(path), table)
