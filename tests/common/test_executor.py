"""Tasks in real processes: order, bounded memory, and workers that die under SIGKILL."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from common.executor import TaskOutcome, iterate_tasks, num_usable_cores, run_tasks

ROOT = Path(__file__).parents[2]


def square(number):
    return number * number


def fail_on_odd(number):
    if number % 2:
        raise ValueError(f"expected an even number,\n received {number}")
    return number


def process_id(_):
    time.sleep(0.05)
    return os.getpid()


def die_on(fatal, number):
    if number == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_unless_seen(folder, number):
    """Kill the process the first time that a task asks for it."""
    seen = Path(folder) / str(number)
    if number % 4 == 0 and not seen.exists():
        seen.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def note_the_times(folder, number):
    """Task 0 kills its first worker; each task notes when it ran."""
    started = time.monotonic()
    if number == 0 and not (Path(folder) / "died").exists():
        (Path(folder) / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return started, time.monotonic()


def leave(code):
    os._exit(code)


def call_exit(_):
    sys.exit("enough")


def environment(name):
    return os.environ.get(name)


def unsendable(_):
    return lambda: None


class Unreceivable:
    def __reduce__(self):
        return square, ("a", "b")


def return_unreceivable(_):
    return Unreceivable()


def nested(number):
    return os.getpid(), [outcome.value for outcome in run_tasks(process_id, range(number), num_processes=4)]


def set_a_mark():
    os.environ["EXECUTOR_TEST_MARK"] = "set"


def fail_to_start():
    raise OSError("expected a licence, received none")


def die_at_start():
    os._exit(7)


@pytest.mark.parametrize("num_processes", [1, 2])
def test_outcomes_come_in_the_order_of_the_tasks(num_processes):
    outcomes = run_tasks(square, range(20), num_processes=num_processes)
    assert outcomes == [TaskOutcome(number, number * number) for number in range(20)]


@pytest.mark.parametrize("num_processes", [1, 2])
def test_an_exception_costs_its_own_task(num_processes):
    outcomes = run_tasks(fail_on_odd, range(6), num_processes=num_processes)
    assert [outcome.value for outcome in outcomes] == [0, None, 2, None, 4, None]
    assert [outcome.ok for outcome in outcomes] == [True, False] * 3
    assert outcomes[3].reason == "ValueError: expected an even number, received 3"


@pytest.mark.parametrize("num_processes", [1, 2])
def test_a_task_that_exits_is_an_outcome(num_processes):
    assert [o.reason for o in run_tasks(call_exit, [0, 1], num_processes=num_processes)] == ["SystemExit: enough"] * 2


@pytest.mark.parametrize("num_processes", [1, 2])
def test_no_tasks_no_outcomes(num_processes):
    assert run_tasks(square, [], num_processes=num_processes) == []


def test_one_process_is_this_one_and_more_are_not():
    assert {o.value for o in run_tasks(process_id, range(2), num_processes=1)} == {os.getpid()}
    workers = {o.value for o in run_tasks(process_id, range(12), num_processes=2)}
    assert len(workers) == 2 and os.getpid() not in workers


def test_a_task_that_kills_its_worker_twice_is_an_outcome_and_no_other_is_lost():
    outcomes = run_tasks(partial(die_on, 5), range(12), num_processes=2)
    assert [o.value for o in outcomes if o.ok] == [n for n in range(12) if n != 5]
    assert "died twice" in outcomes[5].reason and "SIGKILL" in outcomes[5].reason


def test_a_single_fatal_task_does_not_end_this_process():
    (outcome,) = run_tasks(leave, [3], num_processes=2)
    assert "exit code 3" in outcome.reason


def test_a_worker_that_dies_once_is_replaced_and_its_task_done(tmp_path):
    outcomes = run_tasks(partial(die_unless_seen, str(tmp_path)), range(8), num_processes=2)
    assert outcomes == [TaskOutcome(number, number) for number in range(8)]
    assert len(list(tmp_path.iterdir())) == 2


def test_the_second_try_has_nothing_beside_it(tmp_path):
    outcomes = run_tasks(partial(note_the_times, str(tmp_path)), range(10), num_processes=3)
    assert all(outcome.ok for outcome in outcomes)
    started, ended = outcomes[0].value
    others = [outcome.value for outcome in outcomes[1:]]
    assert all(end <= started or start >= ended for start, end in others)


@pytest.mark.parametrize("num_processes", [1, 2])
def test_tasks_are_taken_only_as_there_is_room(num_processes):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield taken - 1

    outcomes = iterate_tasks(square, endless(), num_processes=num_processes)
    for seen in range(1, 40):
        next(outcomes)
        # those yielded, those that have finished, those that run
        assert taken <= seen + 2 * num_processes
    outcomes.close()


def test_outcomes_are_yielded_as_they_finish():
    outcomes = iterate_tasks(time.sleep, [20, 0], num_processes=2)
    assert next(outcomes).index == 1
    started = time.monotonic()
    outcomes.close()  # does not wait for the sleeper
    assert time.monotonic() - started < 10


def test_an_error_of_the_generator_reaches_the_caller():
    def broken():
        yield 1
        raise LookupError("no more rows")

    with pytest.raises(LookupError, match="no more rows"):
        run_tasks(square, broken(), num_processes=2)


def test_what_cannot_travel_is_said():
    with pytest.raises(TypeError, match="top level of a module"):
        run_tasks(lambda task: task, [1, 2], num_processes=2)
    outcomes = run_tasks(square, [2, lambda: None, 3], num_processes=2)
    assert [outcome.value for outcome in outcomes] == [4, None, 9]
    assert "cannot be sent" in outcomes[1].reason
    assert "cannot be sent" in run_tasks(unsendable, [1], num_processes=2)[0].reason
    assert "cannot be received" in run_tasks(return_unreceivable, [1], num_processes=2)[0].reason


def test_more_than_a_pipe_holds_goes_through():
    megabytes = bytes(5_000_000)
    outcomes = run_tasks(bytes.upper, [megabytes] * 4, num_processes=2)
    assert [len(outcome.value) for outcome in outcomes] == [5_000_000] * 4


def test_workers_limit_their_threads_and_this_process_keeps_its_environment(monkeypatch):
    monkeypatch.setattr("common.executor_processes.num_usable_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.setenv("MKL_NUM_THREADS", "1")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    before = dict(os.environ)
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"]
    outcomes = run_tasks(environment, names, num_processes=2)
    assert [outcome.value for outcome in outcomes] == ["4", "4", "1", "4"]
    assert dict(os.environ) == before


def test_a_task_that_runs_tasks_does_so_in_its_own_process():
    for outcome in run_tasks(nested, [2, 3], num_processes=2):
        worker, inner = outcome.value
        assert inner == [worker] * (outcome.index + 2)


def test_the_initializer_runs_in_every_process(monkeypatch):
    monkeypatch.delenv("EXECUTOR_TEST_MARK", raising=False)
    outcomes = run_tasks(environment, ["EXECUTOR_TEST_MARK"] * 4, num_processes=2, initializer=set_a_mark)
    assert [outcome.value for outcome in outcomes] == ["set"] * 4
    assert "EXECUTOR_TEST_MARK" not in os.environ


@pytest.mark.parametrize("num_processes", [1, 2])
def test_a_failing_initializer_is_an_error_with_its_reason(num_processes):
    with pytest.raises(RuntimeError, match="expected a licence"):
        run_tasks(square, [1, 2], num_processes=num_processes, initializer=fail_to_start)


def test_workers_that_die_while_starting_are_an_error_not_a_loop():
    with pytest.raises(RuntimeError, match="exit code 7"):
        run_tasks(square, [1, 2], num_processes=2, initializer=die_at_start)


def test_fewer_than_one_process_is_refused():
    with pytest.raises(ValueError, match="at least 1 process, received 0"):
        run_tasks(square, [1], num_processes=0)
    assert 1 <= num_usable_cores() <= (os.cpu_count() or 1)


MAIN = """
from dataclasses import dataclass
from common.executor import run_tasks

print("imported", flush=True)

@dataclass
class Point:
    x: int

def double(number):
    return 2 * number

if __name__ == "__main__":
    print([outcome.value for outcome in CALL])
"""


@pytest.mark.parametrize(
    "call, result, num_imports",
    [
        ("run_tasks(abs, [-1, -2], num_processes=2)", "[1, 2]", 1),
        ("run_tasks(double, [1, 2], num_processes=2)", "[2, 4]", 3),
        ("run_tasks(str, [1, 2, Point(3)], num_processes=1)", "['1', '2', 'Point(x=3)']", 1),
        ("run_tasks(str, (x if x < 9 else Point(x) for x in range(10)), num_processes=2)", "8', 'Point(x=9)']", 2),
    ],
)
def test_workers_import_the_script_only_where_something_of_it_is_needed(tmp_path, call, result, num_imports):
    (tmp_path / "script.py").write_text(MAIN.replace("CALL", call))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.rstrip().endswith(result), done.stderr
    assert done.stdout.count("imported") == num_imports


SCRIPT = """
import signal
import time
from common.executor import iterate_tasks

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in its background without it
    for outcome in iterate_tasks(time.sleep, [0, 300, 300], num_processes=2):
        print("first", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_stops_the_workers_at_once(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "first\n"
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert errors.count("KeyboardInterrupt") == 1  # this process's own, none of the workers'
    for _ in range(100):  # a child that has been killed stays in the group until it is collected
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    pytest.fail("a worker outlived the interrupt")


# ----------------------------------------------------------------------------------------------- a Dask cluster


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
    ) as local_cluster:
        yield local_cluster


def test_dask_gives_the_same_outcomes(cluster):
    outcomes = run_tasks(fail_on_odd, range(30), scheduler=cluster.scheduler_address)
    assert outcomes == run_tasks(fail_on_odd, range(30), num_processes=1)


def test_dask_takes_a_client_and_leaves_it_open(cluster):
    from distributed import Client

    with Client(cluster) as client:
        for _ in range(2):
            assert [o.value for o in run_tasks(square, [3, 4], scheduler=client)] == [9, 16]
        assert client.status == "running"


def test_dask_takes_tasks_only_as_there_is_room(cluster):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield taken - 1

    outcomes = iterate_tasks(square, endless(), scheduler=cluster.scheduler_address)
    for seen in range(1, 30):
        next(outcomes)
        assert taken <= seen + 4
    outcomes.close()


def test_dask_runs_the_initializer(cluster, monkeypatch):
    monkeypatch.delenv("EXECUTOR_TEST_MARK", raising=False)
    outcomes = run_tasks(
        environment, ["EXECUTOR_TEST_MARK"], scheduler=cluster.scheduler_address, initializer=set_a_mark
    )
    assert [outcome.value for outcome in outcomes] == ["set"]


def test_a_worker_of_dask_that_dies_costs_its_own_task():
    distributed = pytest.importorskip("distributed")
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
    ):
        outcomes = run_tasks(partial(die_on, 1), range(3), scheduler=cluster.scheduler_address)
    assert [outcome.value for outcome in outcomes] == [0, None, 2]
    assert outcomes[1].reason.startswith("KilledWorker")


def test_a_cluster_without_workers_is_said(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("common.executor_dask.PATIENCE_SECONDS", 0.5)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        pytest.raises(ConnectionError, match="dask worker"),
    ):
        run_tasks(square, [1], scheduler=cluster.scheduler_address)


def test_no_scheduler_is_said():
    pytest.importorskip("distributed")
    with pytest.raises(ConnectionError, match="dask scheduler"):
        run_tasks(square, [1], scheduler="not an address")


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ModuleNotFoundError, match=r"materials-dl\[cluster\]"):
        run_tasks(square, [1], scheduler="tcp://127.0.0.1:1")
