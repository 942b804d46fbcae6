"""What the command lines of the packages share: errors in one sentence, answers as a table, a count of bad rows."""

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

NUM_REASONS_SHOWN = 5
error_console = Console(stderr=True)

Interval = Annotated[
    float | None,
    typer.Option(
        "--interval",
        metavar="LEVEL",
        help="Also give an interval that is to hold the truth in this share of rows: 0.5 to 0.99, such as 0.9.",
    ),
]


def fail(message: object) -> typer.Exit:
    """Print one sentence to standard error; the caller raises what comes back, which ends with exit code 2."""
    error_console.print(f"[bold red]error:[/] {escape(_shown(message))}", highlight=False, soft_wrap=True)
    return typer.Exit(code=2)


def note(message: object) -> None:
    """Print something to know to standard error."""
    error_console.print(f"[bold yellow]note:[/] {escape(_shown(message))}", highlight=False, soft_wrap=True)


def print_answers(table: "pd.DataFrame", key: str, headings: Mapping[str, str]) -> None:
    """Print answers as a table.

    Args:
        table: Columns ``key``, ``status``, ``reason`` and those of ``headings``.
        key: What the rows are about: ``"formula"``.
        headings: Column of numbers -> its heading; columns that the table lacks are left out.
    """
    _print_any_text()
    shown = [name for name in headings if name in table]
    rich_table = Table()
    rich_table.add_column(key)
    for name in shown:
        rich_table.add_column(headings[name], justify="right")
    rich_table.add_column("status")
    rich_table.add_column("reason")
    for row in table.to_dict("records"):
        numbers = [_as_text(row[name]) if row["status"] == "ok" else "-" for name in shown]
        rich_table.add_row(escape(_shown(row[key])) or "''", *numbers, row["status"], escape(_shown(row["reason"])))
    Console(width=None if sys.stdout.isatty() else 160).print(rich_table)


def _shown(text: object) -> str:
    """One line that cannot steer a terminal: names in files from anywhere may hold its escape sequences."""
    line = " ".join(str(text).splitlines())
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


def _print_any_text() -> None:
    """Escapes stand for what a terminal cannot show, such as subscripts in Latin-1; the command goes on."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _as_text(value: float | int) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def left_out_lines(counts: Mapping[str, int]) -> list[str]:
    """What a training leaves out of its table: a line for each reason that holds for a row."""
    return [f"left out: {count:,} {reason}" for reason, count in counts.items() if count]


def print_summary(status: "pd.Series", reason: "pd.Series", output: Path) -> None:
    """Say how many rows of a file have an answer, and the most frequent reasons of those that have none."""
    _print_any_text()
    reasons = reason[status != "ok"].value_counts()
    num_bad = int((status != "ok").sum())
    print(f"{len(status):,} rows written to {output}: {len(status) - num_bad:,} ok, {num_bad:,} without an answer.")
    for text, count in reasons.head(NUM_REASONS_SHOWN).items():
        print(f"  {count:,} x {_shown(text)}")
    if len(reasons) > NUM_REASONS_SHOWN:
        print(f"  and {len(reasons) - NUM_REASONS_SHOWN:,} other reasons; see the column reason.")
