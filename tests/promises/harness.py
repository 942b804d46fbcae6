"""Thousands of damaged inputs for one reader, in one child process with a limit on memory and on the time of each.

    report = fuzz("tests.promises.test_fuzz_tables:read_table", inputs, expects=(TableError,))
    assert report.problems == []

The reader is named by module and function, ``reader(path: Path) -> object``, and given a file with the bytes of each
input. It may return anything, or raise one of the errors that the commands turn into one sentence.
An input is bytes, or a name and bytes where the reader looks at the suffix.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS_PER_INPUT = 10
MEMORY_BYTES = 3 * 2**30  # more than what is in memory once everything is imported
_MAX_MESSAGE = 2000  # characters a person could be asked to read


@dataclass
class Report:
    """What became of the inputs.

    Attributes:
        num_read: Inputs that were read as if they were whole.
        refused: Kind of error -> number of inputs that it was raised for.
        problems: A line for each input that broke the rule: another error, a hang, the death of the process.
        messages: Number of input -> the message that it was refused with.
        peak_bytes: Largest resident memory of the child.
    """

    num_read: int = 0
    refused: Counter = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    messages: dict[int, str] = field(default_factory=dict)
    peak_bytes: int = 0

    @property
    def num_inputs(self) -> int:
        return self.num_read + self.refused.total() + len(self.problems)


def fuzz(
    reader: str,
    inputs: Iterable[bytes | tuple[str, bytes]],
    *,
    expects: tuple[type[BaseException], ...] = (ValueError,),
    name: str = "input.bin",
    seconds: int = SECONDS_PER_INPUT,
    memory_bytes: int = MEMORY_BYTES,
    folder: Path | None = None,
) -> Report:
    """Give each input to a reader in a child process.

    A MemoryError is never expected: a reader has to refuse what declares more than it can hold. Where an input kills
    the process, that is one problem, and another process goes on with the rest.

    Args:
        reader: ``module:function``, of one argument: the path of a file.
        inputs: Bytes of the files, or pairs of a name and bytes.
        expects: Errors that are the reader's own way to refuse; subclasses count.
        name: Of the file, for inputs without one of their own.
        seconds: Limit for an input, of processor time; a process that merely waits is ended after 12 times as much.
        memory_bytes: Limit of the child's address space, beyond what it takes once the reader's module is imported.
        folder: Where the file lies; a new one by default.
    """
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch, "inputs.bin")
        Path(scratch, "files").mkdir()
        names, sizes = [], []
        with packed.open("wb") as file:
            for item in inputs:
                own_name, data = (name, item) if isinstance(item, bytes) else item
                file.write(data)
                names.append(own_name)
                sizes.append(len(data))
        done = 0
        while done < len(sizes):
            job = {
                "reader": reader,
                "expects": [f"{kind.__module__}:{kind.__qualname__}" for kind in expects],
                "packed": str(packed),
                "names": names,
                "sizes": sizes,
                "first": done,
                "folder": str(folder or Path(scratch, "files")),
                "seconds": seconds,
                "memory_bytes": memory_bytes,
            }
            done = _run(job, report)
    return report


def _run(job: dict, report: Report) -> int:
    """Runs a child until it is through or dead; the number of the next input."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "MPLBACKEND": "agg"}
    command = [sys.executable, "-m", "tests.promises.fuzz_child"]
    log = Path(job["packed"]).with_name("child.log")
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env=environment
        ) as child,
    ):
        child.stdin.write(json.dumps(job))
        child.stdin.close()
        number = job["first"]
        for line in child.stdout:
            answer = json.loads(line)
            report.peak_bytes = max(report.peak_bytes, answer.get("peak_bytes", 0))
            if answer["kind"] == "end":
                continue
            _count(report, number, answer)
            number += 1
    if number == len(job["sizes"]) and child.returncode == 0:
        return number
    tail = log.read_text(errors="replace")[-1500:]
    if number == job["first"] and "ready" not in tail:
        raise RuntimeError(f"The child could not start:\n{tail}")
    report.problems.append(f"input {number}: the process ended with {child.returncode}: {tail}")
    return number + 1


def _count(report: Report, number: int, answer: dict) -> None:
    message = answer.get("message", "")
    if answer["kind"] == "read":
        report.num_read += 1
    elif answer["kind"] == "refused" and 0 < len(message) <= _MAX_MESSAGE:  # shown on one line in any case
        report.refused[answer["error"]] += 1
        report.messages[number] = message
    elif answer["kind"] == "refused":
        report.problems.append(f"input {number}: a message that is no sentence of {len(message)} characters: {answer}")
    else:
        report.problems.append(f"input {number}: {answer}")
