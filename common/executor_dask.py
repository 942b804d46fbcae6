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
    running: dict[Any, tuple[int, Future]] = {}  # by key
    completed = distributed.as_completed(loop=client.loop)
    numbered = enumerate(tasks)
    try:
        if initializer is not None:
            client.register_worker_callbacks(initializer)
        while True:
            room = max(1, _TASKS_A_THREAD * sum(client.nthreads().values())) - len(running)
            for index, task in islice(numbered, max(0, room)):
                future = client.submit(attempt, function, task, pure=False)
                running[future.key] = (index, future)
                completed.add(future)
            if not running:
                return
            future = next(completed)
            index, _ = running.pop(future.key)
            yield TaskOutcome(index, *_answer(future, client))
    finally:
        if client.status == "running":
            client.cancel([future for _, future in running.values()])
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
    try:
        return future.result()
    except Exception as error:  # its worker died once too often, or a value could not travel
        if client.status != "running":
            raise ConnectionError(
                f"expected the Dask scheduler to stay, received {sentence(error)}; see its log, then run again"
            ) from error
        return None, sentence(error)
