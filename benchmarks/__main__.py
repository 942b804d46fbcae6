"""All benchmarks, or the named ones: one table, one JSON file, exit status 1 if a promise is not kept."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import Measurement
from common.files import write_json_atomic
from common.provenance import collect_provenance

FOLDER = Path(__file__).resolve().parent
NAMES = tuple(sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py")))
DEFAULT_OUTPUT = FOLDER.parent / "results" / "bench" / "bench.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write; returns the exit status."""
    options = _parser().parse_args(arguments)
    if unknown := [name for name in options.names if name not in NAMES]:
        _parser().error(f"expected names from {', '.join(NAMES)}; received {', '.join(unknown)}")
    names = options.names or NAMES
    measurements: list[Measurement] = []
    failures: list[str] = []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        measured = _run_alone(name, quick=options.quick)
        if measured is None:
            failures.append(f"{name}: stopped with an error before it had a figure; see above.")
            continue
        measurements += measured
        failures += [text for one in measured for text in one.failures(check_floors=not options.quick)]

    Console(width=None if sys.stdout.isatty() else 200).print(_table(measurements, quick=options.quick))
    for text in failures:
        print(f"FAILED  {text}", file=sys.stderr)
    complete = set(names) == set(NAMES) and not options.quick
    output = options.output or (DEFAULT_OUTPUT if complete else None)
    if output is not None:
        document = {
            "command": " ".join(["python -m benchmarks", *options.names, *(["--quick"] if options.quick else [])]),
            "quick": options.quick,  # figures of a quick run say nothing about speed
            "benchmarks": list(names),
            "measurements": [measurement.as_json() for measurement in measurements],
            "failures": failures,
            "provenance": dataclasses.asdict(collect_provenance()),
        }
        print(f"written to {write_json_atomic(output, document)}", file=sys.stderr)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Speed and memory beside the peers. Each benchmark has a process of its own, in which both sides "
        "do the same task on the same input; they must agree before a speed counts.",
        epilog="Exits with 1 if two sides disagree, a stated floor is missed, or a benchmark stops with an error. "
        "Leave the machine alone meanwhile: a complete run takes some 20 minutes on two cores.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of {', '.join(NAMES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, floors not checked: does it work at all?")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="JSON file to write; default: results/bench/bench.json for a complete run at full size, else none, so "
        "that a partial or quick run never replaces complete figures",
    )
    return parser


def _run_alone(name: str, *, quick: bool) -> list[Measurement] | None:
    """Run one benchmark in a fresh process; None if it stopped before it wrote its measurements."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measurements.json"
        command = [sys.executable, "-m", f"benchmarks.bench_{name}", "--json", str(path)]
        # Its status is not asked for: the measurements are judged here, and without them it failed.
        subprocess.run(
            [*command, *(["--quick"] if quick else [])],
            cwd=FOLDER.parent,
            stdout=subprocess.DEVNULL,
            env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},  # start-up notices would bury the names and failures
        )
        if not path.is_file():
            return None
        fields = {field.name for field in dataclasses.fields(Measurement)}
        rows = json.loads(path.read_text(encoding="utf-8"))
    return [Measurement(**{key: value for key, value in row.items() if key in fields}) for row in rows]


def _table(measurements: Sequence[Measurement], *, quick: bool) -> Table:
    table = Table(title="tiny sizes: these figures say nothing about speed" if quick else None)
    for heading in ("task", "ours", "unit", "peer", "peer's", "ratio", "floor", "agreement"):
        numeric = heading in ("ours", "peer's", "ratio")
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    for one in measurements:
        table.add_row(
            one.task,
            _figure(one.ours),
            one.unit,
            one.peer or "-",
            _figure(one.peer_value),
            _figure(one.ratio),
            _floor(one, quick=quick),
            one.agreement if one.agreed else f"[bold red]NO[/]: {one.agreement}",
        )
    return table


def _floor(one: Measurement, *, quick: bool) -> str:
    if one.floor is None:
        return "-"
    text = f"{'<=' if one.floor_on == 'ours_at_most' else '>='} {_figure(one.floor)}"
    text += " (ratio)" if one.floor_on == "ratio" else ""
    return text if quick else f"{text}: {'met' if one.floor_met else '[bold red]MISSED[/]'}"


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    raise SystemExit(main())
