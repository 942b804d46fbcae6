"""Independent tasks in processes of this machine, or on a Dask cluster; what goes wrong costs its own task only.

An exception becomes an outcome with a reason. A worker that dies (a crash in native code, no memory left) is
replaced, and its task tried once more with nothing beside it; if that kills a worker too, it becomes an outcome.
Workers are started afresh, never forked: a fork of a process in which TensorFlow has started threads may hang. So a
script that hands out functions of its own keeps its other work under ``if __name__ == "__main__":``.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from common.executor_dask import iterate_on_cluster
from common.executor_processes import iterate_in_processes, num_usable_cores, pack_work
from common.outcomes import TaskOutcome, attempt, sentence

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["TaskOutcome", "iterate_tasks", "num_usable_cores", "run_tasks"]


def run_tasks(
    function: Callable[[Any], Any],
    tasks: Iterable[Any],
    *,
    num_processes: int | None = None,
    scheduler: str | Client | None = None,
    initializer: Callable[[], object] | None = None,
    progress: bool = False,
    description: str = "",
) -> list[TaskOutcome]:
    """Run every task and return the outcomes in the order of the tasks; arguments as ``iterate_tasks``."""
    outcomes = iterate_tasks(
        function,
        tasks,
        num_processes=num_processes,
        scheduler=scheduler,
        initializer=initializer,
        progress=progress,
        description=description,
    )
    return sorted(outcomes, key=lambda outcome: outcome.index)


def iterate_tasks(
    function: Callable[[Any], Any],
    tasks: Iterable[Any],
    *,
    num_processes: int | None = None,
    scheduler: str | Client | None = None,
    initializer: Callable[[], object] | None = None,
    progress: bool = False,
    description: str = "",
) -> Iterator[TaskOutcome]:
    """Yield the outcomes of tasks as they finish, so that each can be written down at once.

    Tasks are taken only as there is room for them, one a process, so memory does not grow with their number.

    Args:
        function: Called with one task. Processes find it by name, so it is defined at the top level of a module.
        tasks: Any iterable; a generator is taken step by step, in this process.
        num_processes: By default one for each usable core. 1 runs in this process, as does a task that itself runs
            tasks.
        scheduler: Address (``"tcp://host:8786"``) or client of a Dask cluster, which then does the work. Its workers
            may run several tasks in threads of one process, and the scheduler decides how often a task may kill its
            worker (``distributed.scheduler.allowed-failures``).
        initializer: Called once in every process before its first task.
        progress: Show a bar on a terminal.
        description: Title of the bar.

    Yields:
        An outcome a task, in the order in which they finish.

    Raises:
        ValueError: Fewer than one process.
        TypeError: The function cannot be sent to another process.
        RuntimeError: No process can be started, or the initializer failed.
        ModuleNotFoundError: A scheduler is given and dask.distributed is not installed.
        ConnectionError: No scheduler answers at the address.
    """
    if num_processes is not None and num_processes < 1:
        raise ValueError(f"expected at least 1 process, received {num_processes}; leave it out for one a core")
    total = len(tasks) if isinstance(tasks, Sized) else None
    num_processes = num_usable_cores() if num_processes is None else num_processes
    if scheduler is not None:
        outcomes = iterate_on_cluster(function, tasks, scheduler, initializer)
    elif num_processes == 1 or multiprocessing.current_process().daemon:
        outcomes = _iterate_here(function, tasks, initializer)
    else:
        # a single task keeps a process of its own: it may be one that dies
        num_useful = num_processes if total is None else max(1, min(num_processes, total))
        outcomes = iterate_in_processes(pack_work(function, initializer), tasks, num_useful)
    return _shown(outcomes, total, progress, description)


def _shown(
    outcomes: Generator[TaskOutcome, None, None], total: int | None, progress: bool, description: str
) -> Iterator[TaskOutcome]:
    # disable=None: no bar where standard error is a file
    with closing(outcomes), tqdm(total=total, desc=description or None, disable=None if progress else True) as bar:
        for outcome in outcomes:
            bar.update()
            yield outcome


def _iterate_here(
    function: Callable[[Any], Any], tasks: Iterable[Any], initializer: Callable[[], object] | None
) -> Generator[TaskOutcome, None, None]:
    if initializer is not None:
        try:
            initializer()
        except Exception as error:
            raise RuntimeError(f"expected the initializer to succeed, received {sentence(error)}") from error
    for index, task in enumerate(tasks):
        yield TaskOutcome(index, *attempt(function, task))
