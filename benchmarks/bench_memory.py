"""Peak memory of a process that predicts a million formulas from a CSV file through `elemnet.predict_file`.

    python -m benchmarks.bench_memory

This module must stay small and never import TensorFlow: on Linux a new process starts its count of the peak at that
of the process that started it.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from itertools import zip_longest
from pathlib import Path

from benchmarks import Measurement, run_as_script
from benchmarks.inputs import draw_rows
from common.readers import TARGET

ROWS, QUICK_ROWS = 1_000_000, 300
DISTINCT_ROWS = 100_000  # drawn rows hold their fractions, which would count towards the peak
CEILING_GB = 2.0


def main(quick: bool = False) -> list[Measurement]:
    """Peak memory of predicting a million formulas from a CSV file, on two cores."""
    num_rows = QUICK_ROWS if quick else ROWS
    with tempfile.TemporaryDirectory() as folder:
        source, destination = Path(folder) / "formulas.csv", Path(folder) / "energies.csv"
        data = _write_formulas(source, num_rows, quick=quick)
        command = [sys.executable, "-m", "benchmarks.predict_csv", str(source), str(destination)]
        done = subprocess.run(command, cwd=Path(__file__).resolve().parents[1], stdout=subprocess.PIPE, check=True)
        usage = json.loads(done.stdout.decode().splitlines()[-1])
        rows_out, in_order = _compare(source, destination)
    agreement = f"{rows_out:,} rows out for {num_rows:,} in, {'in order' if in_order else 'NOT in order'}"
    agreed = rows_out == num_rows and in_order
    about = f"CSV of formulas to CSV of energies, {usage['weights']}, 2 cores"
    return [
        Measurement(
            task=f"peak memory: {about}",
            rows=num_rows,
            unit="GB",
            ours_rounds=(usage["peak_bytes"] / 1e9,),
            agreement=agreement,
            agreed=agreed,
            floor=CEILING_GB,
            floor_on="ours_at_most",
            data=data,
        ),
        Measurement(
            task=f"speed: {about}",
            rows=num_rows,
            unit="rows/s",
            ours_rounds=(num_rows / usage["seconds"],),
            agreement=agreement,
            agreed=agreed,
            data=data,
        ),
    ]


def _write_formulas(path: Path, num_rows: int, *, quick: bool) -> str:
    """Write an `id` and a `formula` for each row; returns the name of the data set."""
    rows = draw_rows(min(num_rows, DISTINCT_ROWS), quick=quick)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "formula"])
        writer.writerows((number, rows.formulas[number % len(rows.formulas)]) for number in range(num_rows))
    return rows.data


def _compare(source: Path, destination: Path) -> tuple[int, bool]:
    """Rows of `destination`, and whether each has id and formula of that row of `source`, and an energy or an error."""
    num_rows, in_order = 0, True
    with source.open(newline="", encoding="utf-8") as before, destination.open(newline="", encoding="utf-8") as after:
        nothing: dict[str, str] = {}
        for given, answered in zip_longest(csv.DictReader(before), csv.DictReader(after), fillvalue=nothing):
            num_rows += bool(answered)
            same = all(given.get(key) == answered.get(key) for key in ("id", "formula"))
            in_order &= same and answered.get("status") == ("ok" if answered.get(TARGET) else "error")
    return num_rows, in_order


if __name__ == "__main__":
    run_as_script(main)
