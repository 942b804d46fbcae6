"""Networks of many folds, trained side by side and resumably, and what each says of its test samples."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from common.executor import iterate_tasks
from common.files import atomic_path
from padnet.config import PADNetConfig
from padnet.data import XrdDataset
from padnet.evaluation import CrossValidated, gather
from padnet.folds import Fold


@dataclass(frozen=True, eq=False)
class Job:
    """One network of a cross-validation.

    Attributes:
        name: Of the method in tables.
        config: How it is trained.
        dataset: All samples.
        fold: Which rows train, choose and are predicted.
        number: Of the fold.
        tests: Other images of all samples, by name, of which the test rows are scored: backgrounds that the network was
            not trained on. Without any, those of ``dataset`` alone.
    """

    name: str
    config: PADNetConfig
    dataset: XrdDataset
    fold: Fold
    number: int
    tests: Mapping[str, XrdDataset]

    @property
    def label(self) -> str:
        """For lines of progress and sentences on failures."""
        return f"{self.dataset.name}, {self.name}, fold {self.number + 1}"


@dataclass(frozen=True, eq=False)
class _Task:
    """A ``Job`` as it is sent to a process, which has the frames of all jobs already: numbers in place of data sets."""

    config: PADNetConfig
    dataset: int
    fold: Fold
    tests: Mapping[str, int]
    folder: Path


def cross_validate(
    jobs: Sequence[Job],
    folder: Path,
    *,
    num_processes: int = 1,
    progress: bool = False,
    report: Callable[[str], None] = lambda text: None,
) -> tuple[dict[tuple[str, str], CrossValidated], list[str]]:
    """Train the networks of many folds side by side; what goes wrong with one costs that fold only.

    A killed training goes on from its checkpoint; finished ones are not trained again. Every process is sent each data
    set once, so jobs that share them are best given together.

    Args:
        jobs: Those of one name are one method, on one data set.
        folder: Each job has a folder of its own below it, named after all that decides its outcome.
        num_processes: Networks at a time.
        progress: Show a bar on a terminal.
        report: Called with a sentence as each job fails, and with one as each method is through.

    Returns:
        Answers by method and test set (``""`` without further ones), without the methods of which every fold failed;
        and a sentence for each job that failed.
    """
    datasets = list({id(data): data for job in jobs for data in (job.dataset, *job.tests.values())}.values())
    number_of = {id(data): number for number, data in enumerate(datasets)}
    fingerprints = [_fingerprint(data) for data in datasets]
    tasks = []
    for job in jobs:
        tests = {name: number_of[id(test)] for name, test in job.tests.items()}
        number = number_of[id(job.dataset)]
        own = folder / _folder_name(job, fingerprints[number], {name: fingerprints[at] for name, at in tests.items()})
        tasks.append(_Task(job.config, number, job.fold, tests, own))
    answers: dict[int, tuple[dict[str, np.ndarray], float]] = {}
    failures: list[str] = []
    outcomes = iterate_tasks(
        _answer,
        tasks,
        num_processes=num_processes,
        initializer=partial(_hold, datasets),
        progress=progress,
        description="networks",
    )
    try:
        for outcome in outcomes:
            job = jobs[outcome.index]
            if outcome.ok:
                answers[outcome.index] = probability, seconds = outcome.value
                right = [
                    (shares.argmax(axis=1) == job.dataset.labels[job.fold.test]).mean()
                    for shares in probability.values()
                ]
                report(f"{job.label}: {', '.join(f'{share:.1%}' for share in right)} right, {seconds:.0f} s")
            else:
                failures.append(f"{job.label}: {outcome.reason}")
                report(failures[-1])
    finally:
        _datasets.clear()  # of this process
    found: dict[tuple[str, str], CrossValidated] = {}
    for name in dict.fromkeys(job.name for job in jobs):
        indices = [index for index in sorted(answers) if jobs[index].name == name]
        if not indices:
            continue
        dataset, total = jobs[indices[0]].dataset, sum(answers[index][1] for index in indices)
        for test in answers[indices[0]][0]:
            parts = [(jobs[index].number, jobs[index].fold.test, answers[index][0][test]) for index in indices]
            found[name, test] = gather(name, dataset.labels, len(dataset.class_names), parts, total)
    return found, failures


_datasets: list[XrdDataset] = []  # of this process, as ``_Task`` numbers them


def _hold(datasets: Sequence[XrdDataset]) -> None:
    _datasets[:] = datasets


def _answer(task: _Task) -> tuple[dict[str, np.ndarray], float]:
    """``(n_test, num_classes)`` probabilities by test set and seconds of training, from the task's folder if there."""
    path = task.folder / "answers.npz"
    if not path.is_file():
        from padnet.train import run  # loads Keras

        dataset, fold, config = _datasets[task.dataset], task.fold, task.config
        features = _features(dataset, config) if "image" in config.inputs else None
        with warnings.catch_warnings():
            # A score of few validation rows, where a network may well answer a class that none of them has.
            warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
            result = run(
                dataset, fold.train, fold.validation, config, folder=task.folder, features=features, progress=False
            )
        tests = {name: _datasets[number] for name, number in task.tests.items()} or {"": dataset}
        found = {name: result.predictor.predict(test.take(fold.test)) for name, test in tests.items()}
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(  # type: ignore[call-overload]
                file,
                allow_pickle=False,
                seconds=np.array(result.training.seconds),
                **{f"test {name}": probability for name, probability in found.items()},
            )
        for name in ("checkpoint.npz", "model.keras"):  # hundreds of networks, of which only the answers are used
            (task.folder / name).unlink(missing_ok=True)
    with np.load(path, allow_pickle=False) as saved:
        by_test = {name.removeprefix("test "): saved[name] for name in saved.files if name.startswith("test ")}
        return by_test, float(saved["seconds"])


@lru_cache(maxsize=1)  # the folds of a method follow one another; more would keep frames that nothing needs any more
def _features(dataset: XrdDataset, config: PADNetConfig) -> np.ndarray:
    from padnet.inputs import peak_area_features  # loads Keras

    return peak_area_features(dataset, config)


def _folder_name(job: Job, trained_on: bytes, tested_on: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256(repr((job.config, trained_on, sorted(tested_on.items()))).encode())
    for rows in (job.fold.train, job.fold.validation, job.fold.test):
        digest.update(np.asarray(rows, np.int64).tobytes() + b"|")
    plain = "".join(letter if letter.isalnum() else "_" for letter in f"{job.dataset.name}-{job.name}".lower())
    return f"{plain}-{job.number}-{digest.hexdigest()[:12]}"


def _fingerprint(dataset: XrdDataset) -> bytes:
    digest = hashlib.sha256()
    for array in (dataset.frames, dataset.composition, dataset.position_mm, dataset.labels):
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
