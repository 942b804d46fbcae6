"""A pool of worker processes that outlives its workers: one job a worker, so a death is known to be of that job.

``concurrent.futures`` gives up all that runs when one worker dies, and ``multiprocessing.Pool`` and joblib may wait
for ever. Here every worker has a connection of its own, whose end tells of its death.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

from common.outcomes import TaskOutcome, attempt, sentence
from common.quiet import native_stderr_silenced

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
_MAX_FAILED_STARTS = 3


def num_usable_cores() -> int:
    """Cores that this process may use, which on a shared machine are fewer than it has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class _Job:
    """A task on its way: its place, the task as sent, and how many workers it has taken down."""

    index: int
    data: bytes
    num_deaths: int = 0


def pack_work(function: Callable[[Any], Any], initializer: Callable[[], object] | None) -> bytes:
    """The function and the initializer as they are sent to every worker.

    Raises:
        TypeError: Another process could not find one of them.
    """
    try:
        return bytes(ForkingPickler.dumps((function, initializer)))
    except Exception as error:
        raise TypeError(
            f"expected a function that another process can find by name, received {function!r} ({sentence(error)}); "
            "define it at the top level of a module, or run with num_processes=1"
        ) from error


def iterate_in_processes(work: bytes, tasks: Iterable[Any], num_processes: int) -> Generator[TaskOutcome, None, None]:
    """Yield the outcomes of tasks as they finish; arguments as ``common.executor.iterate_tasks``.

    Args:
        work: From ``pack_work``.
        tasks: Taken one at a time, in this process.
        num_processes: Workers; each is started when there is a task for it.
    """
    pool = _Pool(work, tasks, num_processes)
    try:
        yield from pool.outcomes()
    except BaseException:  # Ctrl-C, or a caller who has seen enough: nothing that still runs is wanted
        pool.stop(seconds=0)
        raise
    pool.stop(seconds=5)


class _Pool:
    """Hands out jobs to at most ``num_processes`` workers, one each, and starts workers as they are needed."""

    def __init__(self, work: bytes, tasks: Iterable[Any], num_processes: int):
        self.work, self.tasks, self.num_processes = work, enumerate(tasks), num_processes
        self.num_threads = max(1, num_usable_cores() // num_processes)
        self.workers: list[_Worker] = []
        self.again: deque[_Job] = deque()
        self.finished: list[TaskOutcome] = []
        self.num_failed_starts = 0
        self.needs_main = _mentions_main(work)

    def outcomes(self) -> Iterator[TaskOutcome]:
        while True:
            while (job := self._next_job()) is not None:
                self.needs_main = self.needs_main or _mentions_main(job.data)
                self._idle_worker().give(job)
            # yielded after handing out, so that workers go on while the caller is busy with an outcome
            finished, self.finished = self.finished, []
            yield from finished
            busy = [worker for worker in self.workers if worker.job is not None]
            if not busy:
                return
            ready = wait([worker.connection for worker in busy])
            for worker in busy:
                if worker.connection in ready:
                    self._hear(worker)

    def stop(self, seconds: float) -> None:
        """End all workers, which may take up to ``seconds`` to go by themselves."""
        for worker in self.workers:
            worker.connection.close()
        for worker in self.workers:
            worker.end(seconds)

    def _next_job(self) -> _Job | None:
        busy = [worker.job for worker in self.workers if worker.job is not None]
        if len(busy) == self.num_processes or any(job.num_deaths for job in busy) or (busy and self.again):
            return None
        if self.again:
            return self.again.popleft()
        for index, task in self.tasks:
            try:
                return _Job(index, bytes(ForkingPickler.dumps(task)))
            except Exception as error:
                self.finished.append(TaskOutcome(index, None, f"the task cannot be sent: {sentence(error)}"))
        return None

    def _idle_worker(self) -> _Worker:
        for worker in [worker for worker in self.workers if worker.job is None]:
            if worker.process.is_alive() and worker.knows_main >= self.needs_main:
                return worker
            self.workers.remove(worker)
            worker.end(seconds=0)
        self.workers.append(_Worker(self.work, self.num_threads, knows_main=self.needs_main))
        return self.workers[-1]

    def _hear(self, worker: _Worker) -> None:
        """Take what a worker has sent, or notice that it has died."""
        job, was_ready = worker.job, worker.ready
        assert job is not None
        try:
            answer = worker.receive()
        except (EOFError, OSError):
            self.workers.remove(worker)
            how = worker.end(seconds=5)
            if was_ready:
                job.num_deaths += 1
            else:
                self._count_failed_start(how)
            if job.num_deaths < 2:
                self.again.append(job)
            else:
                reason = f"the process that ran it died twice, the second time with no other task beside it ({how})"
                self.finished.append(TaskOutcome(job.index, None, reason))
            return
        self.num_failed_starts = 0
        if answer is not None:
            self.finished.append(TaskOutcome(job.index, *answer))

    def _count_failed_start(self, how: str) -> None:
        self.num_failed_starts += 1
        if self.num_failed_starts == _MAX_FAILED_STARTS:
            raise RuntimeError(
                f"expected a worker process to start, received {_MAX_FAILED_STARTS} that died while starting ({how}); "
                "in a script, call from under `if __name__ == '__main__':`, or use num_processes=1"
            )


class _Worker:
    """One process and the connection to it.

    Attributes:
        ready: Whether it has started and asked for work.
        knows_main: Whether it has imported the script that runs.
        job: What it has to do; ``None`` if nothing.
    """

    def __init__(self, work: bytes, num_threads: int, *, knows_main: bool):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, work), daemon=True)
        with _limited_threads(num_threads), nullcontext() if knows_main else _main_hidden():
            self.process.start()
        theirs.close()  # so that the death of the worker ends the connection
        self.ready, self.knows_main = False, knows_main
        self.job: _Job | None = None

    def give(self, job: _Job) -> None:
        """Send a job now, or as soon as the worker is ready: sending to one that still starts could block."""
        self.job = job
        if self.ready:
            self._send()

    def receive(self) -> tuple[Any, str] | None:
        """The answer to the job; ``None`` if the worker has only just become ready.

        Raises:
            EOFError, OSError: The worker has died.
            RuntimeError: Its initializer failed.
        """
        data = self.connection.recv_bytes()
        if self.ready:
            self.job = None
            value, reason = attempt(ForkingPickler.loads, data)
            return (None, f"what it returned cannot be received: {reason}") if reason else value
        if data:
            raise RuntimeError(f"expected the initializer to succeed in a new process, received {data.decode()}")
        self.ready = True
        self._send()
        return None

    def _send(self) -> None:
        assert self.job is not None
        # a worker that dies here is noticed where its answer is awaited
        with suppress(OSError):
            self.connection.send_bytes(self.job.data)

    def end(self, seconds: float) -> str:
        """Wait for the process to go, then make it; returns how it ended."""
        self.process.join(seconds)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()
        code = self.process.exitcode or 0
        if code == -getattr(signal, "SIGKILL", 9):
            return "SIGKILL, as a system does that has run out of memory"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _mentions_main(data: bytes) -> bool:
    return b"__main__" in data


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Processes started in the block do not import the script that runs.

    ``multiprocessing`` has each import it, for functions that are defined there. Where none is, that only costs:
    ten seconds for two workers on two cores if the script imports TensorFlow.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _limited_threads(num_threads: int) -> Iterator[None]:
    """Processes started in the block use at most this many threads for arithmetic."""
    saved = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    for name, value in saved.items():
        if not (value and value.isdigit() and int(value) <= num_threads):
            os.environ[name] = str(num_threads)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end_with_parent() -> None:
    """Leave a task unfinished that nobody awaits any more: a killed parent can stop nobody."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _serve(connection: Connection, work: bytes) -> None:
    """The life of a worker: say that it is ready (or why not), then answer jobs until the connection ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    try:
        with native_stderr_silenced():  # what it imports greets once in every worker
            function, initializer = ForkingPickler.loads(work)
        if initializer is not None:
            initializer()
    except Exception as error:
        connection.send_bytes(sentence(error).encode())
        return
    connection.send_bytes(b"")
    with suppress(EOFError, OSError):  # the parent is done, or dead
        while True:
            answer = attempt(lambda data: function(ForkingPickler.loads(data)), connection.recv_bytes())
            packed, reason = attempt(ForkingPickler.dumps, answer)
            if reason:
                packed = ForkingPickler.dumps((None, f"what it returned cannot be sent: {reason}"))
            connection.send_bytes(packed)
