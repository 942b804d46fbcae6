"""Transfer beside scratch on the same splits: cross-validation, hold-outs and training sizes, in processes.

What every table and picture of chapter 5 rests on is one table of predictions: a row for each scored row of each split,
with what each network says of it.
"""

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from common import artifacts, backend, metrics
from common.executor import iterate_tasks, num_usable_cores
from common.files import atomic_path
from irnet.predict import Predictor
from transfer.config import FineTuneConfig
from transfer.data import TargetData, cut
from transfer.fine_tune import fine_tune, single_answers
from transfer.network import load_network

SOURCE = "source"


@dataclass(frozen=True)
class Job:
    """One training of a comparison.

    Attributes:
        name: Of the network in the tables: ``"scratch"``, ``"transfer"``.
        config: How it is trained.
        source: As in ``transfer.network.load_network``.
        data: All rows of the target.
        split: ``(n,)``: what part each row is in.
        label: Name of the split.
        elsewhere: Inputs ``(m, num_inputs)`` of other rows that the trained network is to predict, by name.
        keep_model: Save the trained network in the folder.
    """

    name: str
    config: FineTuneConfig
    source: str
    data: TargetData
    split: np.ndarray
    label: str
    elsewhere: Mapping[str, np.ndarray]
    keep_model: bool = False


@dataclass(frozen=True)
class Trained:
    """What becomes of a ``Job``.

    Attributes:
        name, data, label: Of the job; ``data`` is the name of the data set.
        test_rows: ``(n_test,)`` numbers of the test rows.
        predicted: ``(n_test,)`` in the unit of the target.
        elsewhere: ``(m,)`` predictions of other rows, by name, in the unit of the target.
        rows_train: Number of training rows.
        seconds: Of training.
        best_epoch: Epoch of the weights.
        folder: Where the model is, if it was to be kept.
    """

    name: str
    data: str
    label: str
    test_rows: np.ndarray
    predicted: np.ndarray
    elsewhere: dict[str, np.ndarray]
    rows_train: int
    seconds: float
    best_epoch: int
    folder: Path


def train(job: Job, folder: Path) -> Trained:
    """Do one job, or read what became of it before.

    A killed one goes on from its checkpoint; of a finished one only the answers are kept, and the model where asked.

    Args:
        job: What to train.
        folder: Its own: a finished job in it is taken as this one.

    Raises:
        ValueError, CollapsedTrainingError, DivergedTrainingError: See ``transfer.fine_tune.fine_tune``.
    """
    answers, model = folder / "answers.npz", folder / "model.keras"
    if not answers.is_file() or (job.keep_model and not model.is_file()):
        source = load_network(job.source)
        parts = cut(job.data, job.split, job.config)
        done = fine_tune(source, parts.train, parts.validation, job.config, target=job.data.target, folder=folder)
        arrays = {
            f"elsewhere {name}": single_answers(done.network.predict_attributes(x)) for name, x in job.elsewhere.items()
        }
        if job.keep_model:
            artifacts.save(model, done.network.model, done.network.card)
        with atomic_path(answers) as temporary, temporary.open("wb") as file:
            np.savez(  # type: ignore[call-overload]
                file,
                allow_pickle=False,
                test_rows=parts.test_rows,
                predicted=single_answers(done.network.predict_attributes(parts.test.x)),
                numbers=np.array([len(parts.train), done.training.seconds, done.training.best_epoch]),
                **arrays,
            )
        (folder / "checkpoint.npz").unlink(missing_ok=True)  # three times the size of the model
    with np.load(answers, allow_pickle=False) as saved:
        rows_train, seconds, best_epoch = saved["numbers"]
        return Trained(
            job.name,
            job.data.loaded.name,
            job.label,
            saved["test_rows"],
            saved["predicted"],
            {name: saved[f"elsewhere {name}"] for name in job.elsewhere},
            int(rows_train),
            float(seconds),
            int(best_epoch),
            folder,
        )


def train_all(
    jobs: Sequence[Job],
    folder: Path,
    *,
    num_processes: int | None = None,
    progress: bool = False,
    report: Callable[[str], None] = lambda text: None,
) -> tuple[list[Trained], list[str]]:
    """Do jobs side by side; what goes wrong with one costs that one only.

    Args:
        jobs: What to train.
        folder: Each job has a folder of its own below it, named after all that decides its outcome.
        num_processes: Jobs at a time; ``None`` for ``networks_at_a_time``.
        progress: Show a bar on a terminal.
        report: Called with a sentence as each job ends.

    Returns:
        What was trained, in the order of the jobs, and a sentence for each job that failed.
    """
    num_processes = networks_at_a_time() if num_processes is None else num_processes
    tasks = [(job, folder / _folder_name(job)) for job in jobs]
    done: dict[int, Trained] = {}
    failures: dict[int, str] = {}
    outcomes = iterate_tasks(_train_task, tasks, num_processes=num_processes, progress=progress, description="networks")
    for outcome in outcomes:
        job = jobs[outcome.index]
        name = f"{job.data.loaded.name}, {job.name}, {job.label}"
        if outcome.ok:
            done[outcome.index] = outcome.value
            report(f"{name}: trained in {outcome.value.seconds:.0f} s")
        else:
            failures[outcome.index] = f"{name}: {outcome.reason}"
            report(failures[outcome.index])
    return [done[index] for index in sorted(done)], [failures[index] for index in sorted(failures)]


def networks_at_a_time() -> int:
    """One on each core, where small minibatches keep one core busy and not two; one on a GPU."""
    return num_usable_cores() if backend.start_devices() == "the CPU" else 1


def _train_task(task: tuple[Job, Path]) -> Trained:
    return train(*task)


def _folder_name(job: Job) -> str:
    digest = hashlib.sha256(repr((job.config, job.data.target, sorted(job.elsewhere))).encode())
    digest.update(load_network(job.source).weights_hash().encode())
    for array in (job.data.rows.x, job.data.rows.y, *(job.elsewhere[name] for name in sorted(job.elsewhere))):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(" ".join(job.split).encode())
    return f"{job.data.loaded.name}-{job.name}-{digest.hexdigest()[:12]}".replace("/", "_")


def predictions(data: TargetData, source: Predictor | None, trained: Sequence[Trained]) -> pd.DataFrame:
    """The test rows of all splits with what each network says of them.

    Args:
        data: All rows.
        source: Also what the source says as it came; ``None`` for another property.
        trained: Networks of the same splits; rows that one of them lacks are left out.

    Returns:
        Columns ``split``, ``formula``, ``true``, ``seen_by_source`` (missing where not known), one for each name of
        the networks, and ``source``; ordered by split and row; in the unit of the target.

    Raises:
        ValueError: If no split has all networks.
    """
    by_split: dict[str, dict[str, Trained]] = {}
    for one in trained:
        by_split.setdefault(one.label, {})[one.name] = one
    names = list(dict.fromkeys(one.name for one in trained))
    tables = []
    for label, networks in by_split.items():
        if set(networks) != set(names):  # one of them failed
            continue
        # The limits of a training may leave out a test row that those of another keep.
        rows = functools.reduce(np.intersect1d, [one.test_rows for one in networks.values()])
        table = {
            "split": label,
            "formula": data.rows.frame["formula"].to_numpy()[rows],
            "true": data.rows.y[rows],
            "seen_by_source": pd.NA if data.seen is None else data.seen[rows],
        }
        table |= {name: networks[name].predicted[np.isin(networks[name].test_rows, rows)] for name in names}
        if source is not None:
            table[SOURCE] = source.predict_attributes(data.rows.x[rows])[:, 0]
        tables.append(pd.DataFrame(table))
    if not tables:
        raise ValueError(f"{data.loaded.name}: no split was trained without failure.")
    return pd.concat(tables, ignore_index=True)


def fold_errors(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Mean absolute error of each network on each split.

    Args:
        table: As ``predictions`` makes it.
        names: Columns of networks.

    Returns:
        A row for each split, a column for each name.
    """
    errors = table[list(names)].sub(table["true"], axis=0).abs()
    return errors.groupby(table["split"], sort=False).mean()


def error_ratio(
    table: pd.DataFrame, first: str, second: str, *, num_resamples: int = 1000
) -> tuple[float, float, float]:
    """How the error of one network compares with another's on the same rows: the ratio of their MAE.

    Args:
        table: As ``predictions`` makes it.
        first: Column of a network.
        second: Column of the other.
        num_resamples: Of the bootstrap.

    Returns:
        The ratio, and the ends of its 95 % bootstrap interval over rows.
    """
    errors = np.abs(table[[first, second]].to_numpy(float) - table[["true"]].to_numpy(float))  # (n, 2)

    def ratio(one: ArrayLike, other: ArrayLike) -> float:
        return float(np.asarray(one).mean() / np.asarray(other).mean())

    low, high = metrics.bootstrap_interval(ratio, errors[:, 0], errors[:, 1], num_resamples=num_resamples)
    return ratio(errors[:, 0], errors[:, 1]), low, high
