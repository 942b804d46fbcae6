"""What the tests of the promises share: a count of the faults put in their way, and the table of `make promises`."""

import json
import re
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis.errors import UnsatisfiedAssumption

PROMISES = {
    "1": "Rows in = rows out, same order, with `status` and `reason`; `--strict` exits non-zero on any bad row.",
    "2": "Unknown elements, zero totals, NaN, duplicates: counted and reported by reason.",
    "3": "Every file is written to a temporary name, synced, renamed: a kill leaves the old file or the new one.",
    "4": "A run killed with SIGKILL and started again ends with the same weights and metrics as one that was not.",
    "5": "Nothing that is loaded can execute code.",
    "6": "Validation never equals test (row hashes); the authors' way is `--protocol paper`, labelled.",
    "7": "A collapsed training (prediction sd below 1 % of target sd) fails loudly.",
    "8": "The same seed on the same machine gives bit-identical results on CPU.",
    "9": "Uncertainty ships with measured coverage.",
    "10": "After the first run everything works offline; what cannot be had is said in one clear sentence.",
    "fuzz": "Whatever is in a file, a user sees an answer, a row with a reason or one sentence; never a hang.",
    "properties": "Formulas, cleaning, splits, hulls, rotations and filters keep their laws for any input.",
}
MODULE = re.compile(r"test_(?:promise_0*(?P<number>\d+)|(?P<name>fuzz|properties))_\w+\.py")


class Faults:
    """Counts the faults that a test puts in the way of the code, and those that the code survives.

    Attributes:
        counts: Injected and survived; the reports of pytest hold this very list.
    """

    def __init__(self):
        self.counts = [0, 0]

    @contextmanager
    def inject(self, count: int = 1):
        """Within the block the code meets `count` faults; it survives them if nothing is raised."""
        self.counts[0] += count
        try:
            yield
        except UnsatisfiedAssumption:  # what was drawn is no case at all
            self.counts[0] -= count
            raise
        self.counts[1] += count


@pytest.fixture
def faults(request):
    """The count of this test."""
    found = Faults()
    request.node.user_properties.append(("faults", found.counts))
    return found


def pytest_addoption(parser):
    parser.addoption("--promises", type=Path, metavar="JSON", help="write the table of promises to this file")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == Path(__file__).parent:
            named = MODULE.fullmatch(item.path.name)
            item.user_properties.append(("promise", named["number"] or named["name"]))


def pytest_terminal_summary(terminalreporter, config):
    path = config.getoption("--promises", default=None)
    if path is None:
        return
    rows = table(terminalreporter.stats)
    for row in rows:
        terminalreporter.write_line(
            "{number:>10}  {passed:>3}/{tests:<3} tests  {survived:>6}/{injected:<6} faults  {promise}".format(**row)
        )
    written = {"command": "make promises", "date": datetime.now(UTC).date().isoformat(), "promises": rows}
    path.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def table(stats) -> list[dict]:
    """A row a promise: its number and words, tests and faults, and how many of each were passed and survived."""
    rows = {number: {"tests": 0, "passed": 0, "injected": 0, "survived": 0} for number in PROMISES}
    for outcome in ("passed", "failed", "error"):
        for report in stats.get(outcome, ()):
            properties = dict(report.user_properties)
            if "promise" not in properties:
                continue  # a test of another folder
            row = rows[properties["promise"]]
            injected, survived = properties.get("faults", (0, 0))
            row["tests"] += 1
            row["passed"] += outcome == "passed"
            row["injected"] += injected
            row["survived"] += survived if outcome == "passed" else 0
    return [{"number": number, "promise": PROMISES[number], **row} for number, row in rows.items()]
