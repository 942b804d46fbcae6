"""What the chapters' scripts share: the command line, one line of progress each, and how a result is written."""

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from common import datasets, metrics, report
from common.artifacts import ArtifactError
from common.checkpoint import CheckpointMismatchError
from common.results import DataUsed, Result, ResultRow, write
from common.training import CollapsedTrainingError, DivergedTrainingError


def say(text: str) -> None:
    """Print one line of what is going on, at once."""
    print(text, flush=True)


@dataclass(frozen=True)
class Options:
    """What the command line of a chapter asks for.

    Attributes:
        profile: ``"smoke"``, ``"cpu"`` or ``"paper"``.
        data: Registered data set, or a path.
        allow_stand_in: Whether a smaller data set may stand in; not where the user named one.
        protocol: ``"honest"`` or ``"paper"``.
        seed: Seed of everything.
        results: Folder of tables and figures; ``None`` lets the chapter choose.
        runs: Folder of checkpoints, so that a killed run goes on.
        command: The command that makes the results again.
    """

    profile: str
    data: str
    allow_stand_in: bool
    protocol: str
    seed: int
    results: Path | None
    runs: Path
    command: str


class Chapter:
    """A chapter's run: its options, and how its results are written. Subclasses say what the data and caveats are.

    Args:
        options: From the command line.

    Attributes:
        number: Of the chapter.
    """

    number: int

    def __init__(self, options: Options):
        self.options = options

    def data_used(self) -> tuple[DataUsed, ...]:
        """The data sets behind every result of the chapter."""
        raise NotImplementedError

    def caveats(self) -> tuple[str, ...]:
        """What every result of the chapter has to say of itself."""
        raise NotImplementedError

    def variant(self) -> str:
        """What sets this run apart from the one whose results are committed, or ``""``."""
        if self.options.profile == "smoke":
            return "smoke"
        return "paper-protocol" if self.options.protocol == "paper" else ""

    @cached_property
    def results(self) -> Path:
        """Folder of tables and figures; a run that backs no README gets one of its own."""
        variant = self.variant()
        name = f"chapter{self.number}" + (f"-{variant}" if variant else "")
        return self.options.results or Path("results") / name

    def finish(
        self,
        result_id: str,
        title: str,
        rows: list[ResultRow],
        started: float,
        caveats: tuple[str, ...] = (),
        **extra: object,
    ) -> None:
        """Write a result; ``started`` is the ``time.monotonic()`` of its beginning."""
        options = self.options
        result = Result(
            id=result_id,
            title=title,
            rows=tuple(rows),
            protocol=options.protocol,  # type: ignore[arg-type]
            profile=options.profile,  # type: ignore[arg-type]
            data=self.data_used(),
            seed=options.seed,
            command=options.command,
            caveats=(*self.caveats(), *caveats),
            seconds=round(time.monotonic() - started, 1),
            extra=extra,
        )
        say(f"wrote {write(result, self.results)}")


def mae_row(name: str, y_true, y_pred, unit: str, **more) -> ResultRow:
    """A result row with the mean absolute error and its bootstrap interval.

    Args:
        name: What was measured.
        y_true: ``(n,)`` in ``unit``.
        y_pred: ``(n,)`` in ``unit``.
        unit: Unit of both.
        **more: Other fields of ``ResultRow``.
    """
    low, high = metrics.bootstrap_interval(metrics.mean_absolute_error, y_true, y_pred)
    return ResultRow(
        name,
        "MAE",
        metrics.mean_absolute_error(y_true, y_pred),
        unit,
        interval_low=low,
        interval_high=high,
        rows_test=len(y_true),
        **more,
    )


def main(
    make_chapter: type[Chapter],
    description: str,
    entries: Mapping[str, Callable],
    *,
    on_request: Mapping[str, Callable] = MappingProxyType({}),
    default_data: str | None = None,
    arguments: list[str] | None = None,
) -> int:
    """The command line of a chapter: run the entries asked for, in order, and write the report.

    Args:
        make_chapter: The chapter's class.
        description: For ``--help``.
        entries: Functions of the chapter by name, one for each table and figure.
        on_request: Further entries, which are run only when named.
        default_data: Registered data set, or what stands in for it; ``None`` for a chapter whose entries each have
            their own.
        arguments: In place of ``sys.argv``.

    Returns:
        0, or 2 after an error said in one sentence.
    """
    number = make_chapter.number
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog=f"python -m experiments.chapter{number}", description=description)
    all_entries = {**entries, **on_request}
    by_name = f"; only when named: {', '.join(on_request)}" if on_request else ""
    parser.add_argument("entries", nargs="*", metavar="ENTRY", help=f"of {', '.join(entries)}; all by default{by_name}")
    parser.add_argument("--profile", choices=("smoke", "cpu", "paper"), default="cpu", help="sizes (default: cpu)")
    if default_data is not None:
        parser.add_argument(
            "--data", help=f"registered data set, or a CSV (default: {default_data}, or what stands in for it)"
        )
    parser.add_argument("--protocol", choices=("honest", "paper"), default="honest", help="paper: validation = test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--results",
        type=Path,
        help=f"tables and figures (default: results/chapter{number}, others beside it for smoke and the like)",
    )
    parser.add_argument("--runs", type=Path, help=f"checkpoints (default: runs/chapter{number}/PROFILE)")
    given = parser.parse_args(arguments)
    unknown = [entry for entry in given.entries if entry not in all_entries]
    if unknown:
        parser.error(f"unknown entry {unknown[0]!r}; expected of {', '.join(all_entries)}")
    data = getattr(given, "data", None)
    chapter = make_chapter(
        Options(
            given.profile,
            data or default_data or "",
            data is None,
            given.protocol,
            given.seed,
            given.results,
            given.runs or Path(f"runs/chapter{number}") / given.profile,
            shlex.join(["python", "-m", f"experiments.chapter{number}", *arguments]),
        )
    )
    try:
        for entry in given.entries or entries:
            say(f"{entry}: {all_entries[entry].__doc__}")
            all_entries[entry](chapter)
        say(f"wrote {report.write_report(chapter.results)}")
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on from the last checkpoint.")
    except (
        datasets.CorruptDataError,
        datasets.DataUnavailableError,
        ArtifactError,
        CheckpointMismatchError,
        CollapsedTrainingError,
        DivergedTrainingError,
        FileNotFoundError,
        ValueError,
    ) as error:
        return _fail(error)
    for caveat in chapter.caveats():
        say(caveat)
    return 0


def _fail(message: object) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2
