"""Users' tables: CSV read as text and nothing guessed, so that "NaN" stays sodium nitride and no row is lost."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.files import write_csv_atomic


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
        cells = pd.read_csv(
            path,
            dtype=str,
            header=None,  # else pandas renames empty and repeated column names, and drops cells of a first long row
            keep_default_na=False,
            na_filter=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",  # spreadsheet programs put a byte order mark first
        )
    except (ValueError, EOFError, OSError, zlib.error, zipfile.BadZipFile) as error:
        cause = " ".join(str(error).split()).rstrip(".")
        raise TableError(f"{path} cannot be read as a CSV file in UTF-8: {cause}.") from error
    table = cells.iloc[1:].reset_index(drop=True).set_axis(cells.iloc[0].tolist(), axis=1)
    missing = [name for name in needs if name not in table]
    if missing:
        found = ", ".join(map(str, table.columns)) or "none"
        raise TableError(f"{path} has no column {missing[0]!r}; its columns are: {found}.")
    repeated = [name for name in needs if list(table.columns).count(name) > 1]
    if repeated:
        raise TableError(f"{path} has more than one column {repeated[0]!r}. Rename all but one.")
    taken = [name for name in reserves if name in table]
    if taken:
        raise TableError(f"{path} already has a column {taken[0]!r}, which would be added. Rename or drop it first.")
    return table


def write_text_csv(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all."""
    write_csv_atomic(Path(path), table)
