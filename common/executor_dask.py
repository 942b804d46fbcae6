"""Tasks on a Dask cluster (extra ``[cluster]``), with the outcomes of ``common.executor``."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from common.outcomes import TaskOutcome, attempt, sentence

if TYPE_CHECKING:
    from distributed import Client, Future

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
        ConnectionError: No scheduler answers, or it has gone.
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
            index, task, future = running.pop(next(completed).key)
            try:
                answer = _answer(future, client)
            except distributed.KilledWorker:
                killed.append((index, task))
                continue
            yield TaskOutcome(index, *answer)
        # Dask blames a death on all that its worker had in hand, so each is tried once more with nothing beside it.
        for index, task in killed:
            submit(index, task)
            future = running.pop(next(completed).key)[-1]
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
