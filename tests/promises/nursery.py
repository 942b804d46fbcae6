"""Processes made to be killed, and cheap: one interpreter with all imports done, which forks one for each call.

TensorFlow takes five seconds to import. The nursery imports it and runs nothing of it: the devices and threads of
TensorFlow start with the first operation, which is the child's.
"""

import atexit
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 600.0  # a hang, however busy the machine is


class Victim:
    """A call that runs in a process of its own."""

    def __init__(self, nursery: "Nursery", pid: int, answer: Path):
        self.nursery, self.pid, self.answer = nursery, pid, answer

    def has_ended(self) -> bool:
        return self.nursery.ask("poll", self.pid) is not None

    def kill(self) -> bool:
        """Send SIGKILL; False if it had ended by itself, well."""
        self.nursery.ask("kill", self.pid)
        status = self.wait()
        assert status in (-signal.SIGKILL, 0), self.answer.read_text()
        return status != 0

    def wait(self) -> int:
        """How it ended: 0, 1 after an exception, or minus the signal."""
        self.wait_until(self.has_ended)
        return self.nursery.ask("poll", self.pid)

    def wait_until(self, is_so: Callable[[], bool]) -> bool:
        """Wait until something is so, which it returns, or the process has ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if is_so():
                return True
            if self.has_ended():
                return is_so()
            time.sleep(0.002)
        raise TimeoutError("a process that was to be killed hangs")

    def result(self):
        """What the call returned."""
        status = self.wait()
        assert status == 0, f"{status}: {self.answer.read_text() if self.answer.exists() else ''}"
        return json.loads(self.answer.read_text())


class Nursery:
    """The interpreter that forks; ends with this process."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="materials-dl-nursery-"))
        self.num_started = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.promises.nursery"],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},  # few threads at a fork
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # TensorFlow's greetings
            text=True,
        )
        atexit.register(self.close)

    def ask(self, *words):
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(self, function: str, *args) -> Victim:
        """Call a function of ``victims`` or ``writers`` by name; arguments and what it returns are JSON."""
        self.num_started += 1
        answer = self.folder / f"{self.num_started}.json"
        return Victim(self, self.ask("fork", str(answer), function, *map(_plain, args)), answer)

    def run(self, function: str, *args):
        """Call a function, and return what it returns."""
        return self.start(function, *args).result()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def nursery() -> Nursery:
    """The one of this process."""
    return Nursery()


def _plain(argument):
    return os.fspath(argument) if isinstance(argument, os.PathLike) else argument


def fork(function: Callable, *args) -> int:
    """Call a function in a new process that does nothing else; its number."""
    pid = os.fork()
    if pid:
        return pid
    try:
        function(*args)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def note_and_wait(folder: str) -> None:
    """A task that leaves the number of its process, and does not end; here, where importing it costs a worker least."""
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(PATIENCE_SECONDS)


def _call(answer: str, function: str, *args) -> None:
    from tests.promises import victims, writers

    try:
        value = (getattr(victims, function, None) or getattr(writers, function))(*args)
    except BaseException:
        Path(answer).write_text(traceback.format_exc())
        raise
    Path(answer).write_text(json.dumps(value))


def _serve() -> None:
    from tests.promises import victims, writers  # noqa: F401

    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)  # what the children print is no answer
    ended: dict[int, int] = {}
    for line in requests:
        word, *rest = json.loads(line)
        if word == "fork":
            value = fork(_call, *rest)
        else:
            (pid,) = rest
            if word == "kill" and pid not in ended:  # not waited for, so the number is still its own
                os.kill(pid, signal.SIGKILL)
            if pid not in ended:
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    ended[pid] = os.waitstatus_to_exitcode(status)
            value = ended.get(pid)
        answers.write(json.dumps(value) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
