"""Networks of many folds, trained side by side and resumably, and what each says of its test samples."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
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
        tests: The test samples as further images show them, in the order of ``fold.test``, by name: backgrounds that
            the network was not trained on. Without any, those of ``dataset`` alone.
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
class Answer:
    """What becomes of a ``Job``: ``(n_test, num_classes)`` probabilities by test set, and seconds of training."""

    job: Job
    probability: dict[str, np.ndarray]
    seconds: float


def answer(job: Job, folder: Path) -> Answer:
    """Train the network of a job and predict its test rows, or read what came of it before.

    A killed training goes on from its checkpoint; of a finished one the answers are kept and the rest is not.

    Args:
        job: What to train.
        folder: Its own: finished answers in it are taken as this job's.
    """
    path = folder / "answers.npz"
    if not path.is_file():
        from padnet.train import run  # loads Keras

        rows = job.fold.train, job.fold.validation
        features = _features(job.dataset, job.config) if "image" in job.config.inputs else None
        with warnings.catch_warnings():
            # A score of few validation rows, where a network may well answer a class that none of them has.
            warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
            result = run(job.dataset, *rows, job.config, folder=folder, features=features, progress=False)
        tests = job.tests or {"": job.dataset.take(job.fold.test)}
        found = {name: result.predictor.predict(test) for name, test in tests.items()}
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(  # type: ignore[call-overload]
                file,
                allow_pickle=False,
                seconds=np.array(result.training.seconds),
                **{f"test {name}": probability for name, probability in found.items()},
            )
        for name in ("checkpoint.npz", "model.keras"):  # hundreds of networks, of which only the answers are used
            (folder / name).unlink(missing_ok=True)
    with np.load(path, allow_pickle=False) as saved:
        by_test = {name.removeprefix("test "): saved[name] for name in saved.files if name.startswith("test ")}
        return Answer(job, by_test, float(saved["seconds"]))


def cross_validate(
    jobs: Sequence[Job],
    folder: Path,
    *,
    num_processes: int = 1,
    progress: bool = False,
    report: Callable[[str], None] = lambda text: None,
) -> tuple[dict[tuple[str, str], CrossValidated], list[str]]:
    """Train the networks of many folds side by side; what goes wrong with one costs that fold only.

    Args:
        jobs: Jobs of one data set; those of one name are one method.
        folder: Each job has a folder of its own below it, named after all that decides its outcome.
        num_processes: Networks at a time.
        progress: Show a bar on a terminal.
        report: Called with a sentence as each job fails, and with one as each method is through.

    Returns:
        Answers by method and test set (``""`` without further ones), without the methods of which every fold failed;
        and a sentence for each job that failed.
    """
    tasks = [(job, folder / _folder_name(job)) for job in jobs]
    answers: dict[int, Answer] = {}
    failures: list[str] = []
    outcomes = iterate_tasks(
        _answer_task, tasks, num_processes=num_processes, progress=progress, description="networks"
    )
    for outcome in outcomes:
        job = jobs[outcome.index]
        if outcome.ok:
            probability, seconds = outcome.value
            answers[outcome.index] = Answer(job, probability, seconds)
            right = [
                (shares.argmax(axis=1) == job.dataset.labels[job.fold.test]).mean() for shares in probability.values()
            ]
            report(f"{job.label}: {', '.join(f'{share:.1%}' for share in right)} right, {seconds:.0f} s")
        else:
            failures.append(f"{job.label}: {outcome.reason}")
            report(failures[-1])
    found: dict[tuple[str, str], CrossValidated] = {}
    for name in dict.fromkeys(job.name for job in jobs):
        of_name = [answers[index] for index in sorted(answers) if jobs[index].name == name]
        if not of_name:
            continue
        dataset, seconds = of_name[0].job.dataset, sum(one.seconds for one in of_name)
        for test in of_name[0].probability:
            parts = [(one.job.number, one.job.fold.test, one.probability[test]) for one in of_name]
            found[name, test] = gather(name, dataset.labels, len(dataset.class_names), parts, seconds)
    return found, failures


def _answer_task(task: tuple[Job, Path]) -> tuple[dict[str, np.ndarray], float]:
    done = answer(*task)
    return done.probability, done.seconds  # the job's images need not come back


@lru_cache(maxsize=1)  # the folds of a method follow one another, and one process may train them all
def _features(dataset: XrdDataset, config: PADNetConfig) -> np.ndarray:
    from padnet.inputs import peak_area_features  # loads Keras

    return peak_area_features(dataset, config)


def _folder_name(job: Job) -> str:
    digest = hashlib.sha256(repr((job.config, sorted(job.tests))).encode())
    digest.update(_fingerprint(job.dataset))
    for test in job.tests.values():
        digest.update(_fingerprint(test))
    for rows in (job.fold.train, job.fold.validation, job.fold.test):
        digest.update(np.asarray(rows, np.int64).tobytes() + b"|")
    plain = "".join(letter if letter.isalnum() else "_" for letter in f"{job.dataset.name}-{job.name}".lower())
    return f"{plain}-{job.number}-{digest.hexdigest()[:12]}"


@lru_cache(maxsize=1)  # as above; more would keep frames in memory that nothing else needs any more
def _fingerprint(dataset: XrdDataset) -> bytes:
    digest = hashlib.sha256()
    for array in (dataset.frames, dataset.composition, dataset.position_mm, dataset.labels):
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
