"""Tasks on a Dask cluster (extra ``[cluster]``), with the outcomes of ``common.executor``."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from common.outcomes import TaskOutcome, attempt, sentence

if TYPE_CHECKING:
    from distributed import Client, Future

PATIENCE_SECONDS = 300.0  # without any worker: a queue may take minutes to start one
_LOOK_SECONDS, _ASK_SECONDS = 0.01, 1.0  # for outcomes; for workers, which costs the scheduler a message
_TASKS_A_THREAD = 2  # one that runs and one that waits, so that no worker is idle while an outcome travels


def iterate_on_cluster(
    function: Callable[[Any], Any],
    tasks: Iterable[Any],
    scheduler: str | Client,
    initializer: Callable[[], object] | None,
) -> Generator[TaskOutcome, None, None]:
    """Yield the outcomes of tasks as they finish; arguments as ``common.executor.iterate_tasks``.

    Raises:
        ModuleNotFoundError: dask.distributed is not installed.
        ConnectionError: No scheduler answers, it has gone, or it has had no worker for minutes.
    """
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "expected dask.distributed to run tasks on a cluster, received an environment without it; "
            "pip install 'materials-dl[cluster]'"
        ) from error
    return _iterate(function, tasks, scheduler, initializer, distributed)


def _iterate(function, tasks, scheduler, initializer, distributed) -> Generator[TaskOutcome, None, None]:
    client = scheduler if isinstance(scheduler, distributed.Client) else _connect(scheduler, distributed)
    running: dict[Any, tuple[int, Any, Future]] = {}  # by key
    completed = distributed.as_completed(loop=client.loop)
    numbered = enumerate(tasks)
    killed: list[tuple[int, Any]] = []

    def submit(index: int, task: Any) -> None:
        future = client.submit(attempt, function, task, pure=False)
        running[future.key] = (index, task, future)
        completed.add(future)

    try:
        if initializer is not None:
            client.register_worker_callbacks(initializer)
        while True:
            room = max(1, _TASKS_A_THREAD * sum(client.nthreads().values())) - len(running)
            for index, task in islice(numbered, max(0, room)):
                submit(index, task)
            if not running:
                break
            index, task, future = running.pop(_next(completed, client).key)
            try:
                answer = _answer(future, client)
            except distributed.KilledWorker:
                killed.append((index, task))
                continue
            yield TaskOutcome(index, *answer)
        # Dask blames a death on all that its worker had in hand, so each is tried once more with nothing beside it.
        for index, task in killed:
            submit(index, task)
            future = running.pop(_next(completed, client).key)[-1]
            try:
                answer = _answer(future, client)
            except distributed.KilledWorker as error:
                answer = (None, sentence(error))
            yield TaskOutcome(index, *answer)
    finally:
        if client.status == "running":
            client.cancel([future for *_, future in running.values()])
        if client is not scheduler:
            client.close()


def _next(completed, client: Client) -> Future:
    """The next future that is done.

    Raises:
        ConnectionError: There has been no worker for ``PATIENCE_SECONDS``. Dask itself would wait for ever.
    """
    last_seen = last_asked = time.monotonic()
    while not completed.has_ready() and client.status == "running":
        time.sleep(_LOOK_SECONDS)
        now = time.monotonic()
        if now - last_asked < _ASK_SECONDS:
            continue
        last_asked = now
        if client.nthreads():
            last_seen = now
        elif now - last_seen > PATIENCE_SECONDS:
            raise ConnectionError(
                f"expected a worker on the Dask cluster, received none for {PATIENCE_SECONDS:g} seconds; start some "
                "with `dask worker`, see their log, then run again"
            )
    return next(completed)


def _connect(address: str, distributed) -> Client:
    try:
        return distributed.Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"expected a Dask scheduler at {address!r}, received {sentence(error)}; "
            "start one with `dask scheduler`, or leave the scheduler out to use this machine"
        ) from error


def _answer(future: Future, client: Client) -> tuple[Any, str]:
    """What became of a task.

    Raises:
        KilledWorker: Its worker died once too often.
        ConnectionError: The scheduler has gone.
    """
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker:
        raise
    except Exception as error:  # a value could not travel
        if client.status != "running":
            raise ConnectionError(
                f"expected the Dask scheduler to stay, received {sentence(error)}; see its log, then run again"
            ) from error
        return None, sentence(error)
