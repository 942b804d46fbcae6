"""ElemNet and IRNet on Matbench's tasks at hand, in its own five folds, beside posted results.

The folds are those of Matbench v0.1: scikit-learn's, shuffled with seed 18012019, stratified for classes. For the three
tasks here they were compared with the ids in the package matbench 0.6: all 15 test sets are the same rows. Every row
counts, as there; a table's duplicates stay.

Reference:
    A. Dunn et al., npj Comput. Mater. 6, 138 (2020), doi:10.1038/s41524-020-00406-3
"""

import argparse
import hashlib
import shlex
import sys
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold

from common import datasets, metrics, report
from common.composition import encode
from common.elements import ALL_SYMBOLS
from common.features import magpie
from common.fetch import fetch
from common.files import read_json, write_json_atomic
from common.results import DataUsed, Result, ResultRow, write
from common.tables import read_text_csv
from common.training import CollapsedTrainingError, DivergedTrainingError
from elemnet.estimator import ElemNetRegressor
from experiments.chapter import mae_row, say
from irnet.estimators import IRNetClassifier, IRNetRegressor

FOLD_SEED, NUM_FOLDS = 18012019, 5
MODELS = ("ElemNet", "IRNet")


@dataclass(frozen=True)
class Task:
    """One task of Matbench.

    Attributes:
        name: As Matbench names it, without its prefix; also the name in the dataset registry.
        unit: Of the target; ``""`` for classes.
        posted: Results of others in the same folds, by model, best first: the leaderboard of Matbench v0.1. MAE in
            ``unit``, area under the ROC curve for classes.
        note: What sets the task apart.
    """

    name: str
    unit: str
    posted: dict[str, float]
    note: str = ""

    @property
    def is_classification(self) -> bool:
        """Whether the target is 0 or 1."""
        return not self.unit


TASKS = {
    task.name: task
    for task in (
        Task("expt_gap", "eV", {"CrabNet": 0.331, "MODNet": 0.3327, "random forest": 0.446}),
        Task("expt_is_metal", "", {"best posted": 0.921}),
        Task(
            "mp_e_form",
            "eV/atom",
            {"best of compositions alone": 0.0839},
            "The task is one of structures; a model of compositions cannot tell the polymorphs in it apart.",
        ),
    )
}


def folds_of(task: Task, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Numbers of the training and test rows of each of Matbench's folds.

    Args:
        task: Of ``TASKS``.
        y: ``(n,)`` targets in Matbench's order, which is that of the files.
    """
    splitter = StratifiedKFold if task.is_classification else KFold
    return list(splitter(NUM_FOLDS, shuffle=True, random_state=FOLD_SEED).split(y, y))


@dataclass(frozen=True)
class Profile:
    """Sizes of a run.

    Attributes:
        architecture: ElemNet's; ``None`` for the thesis's.
        irnet: Variant, or architecture key.
        small_epochs: Passes over tables of a few thousand rows; ``None`` for the recipe's.
        large_epochs: The same for ``mp_e_form``.
        max_train_rows: A seeded draw of so many training rows of each fold.
        num_folds: The first so many of the five.
    """

    architecture: str | None
    irnet: str
    small_epochs: int | None
    large_epochs: int | None
    max_train_rows: int | None
    num_folds: int = NUM_FOLDS


PROFILES = {
    "smoke": Profile("16x2-1", "16BARx2-1", 2, 1, 300, num_folds=2),
    "cpu": Profile(None, "irnet_10", 20, 6, 20_000),
    "paper": Profile(None, "irnet_17", None, None, None),
}


@dataclass(frozen=True)
class Answers:
    """A model's answers for the test rows of a fold: ``predicted`` ``(n_test,)``, and what they cost."""

    predicted: np.ndarray
    rows_train: int
    seconds: float


class Benchmark:
    """The rows of one task, its folds and its models.

    Args:
        task: Of ``TASKS``.
        profile: Of ``PROFILES``.
        seed: Of draws and trainings; the folds have their own.
        runs: Keeps the answers of each fold, so that a killed run goes on with the next.

    Raises:
        DataUnavailableError, CorruptDataError: See ``common.datasets``.
    """

    def __init__(self, task: Task, profile: str, seed: int, runs: Path):
        self.task, self.profile, self.seed, self.runs = task, PROFILES[profile], seed, runs
        (file,) = datasets.DATASETS[task.name].files
        self.files = {file.path: file.expected_hash}
        table = read_text_csv(fetch(file), needs=("formula", "target"))
        self.formulas = table["formula"].to_numpy(object)
        self.y = pd.to_numeric(table["target"]).to_numpy(np.float64)

    @cached_property
    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The folds of this profile."""
        return folds_of(self.task, self.y)[: self.profile.num_folds]

    @cached_property
    def inputs(self) -> dict[str, np.ndarray]:
        """``(n, num_inputs)`` of each model; NaN where a formula has none."""
        return {"ElemNet": encode(self.formulas, ALL_SYMBOLS).fractions, "IRNet": magpie.featurize(self.formulas)}

    def model(self, name: str):
        """A model to fit."""
        profile = self.profile
        epochs = profile.large_epochs if self.task.name == "mp_e_form" else profile.small_epochs
        settings: dict[str, Any] = {"epochs": epochs, "random_state": self.seed, "verbose": sys.stderr.isatty()}
        if name == "ElemNet":
            return ElemNetRegressor(profile.architecture, **settings)
        irnet = IRNetClassifier if self.task.is_classification else IRNetRegressor
        return irnet(profile.irnet, **settings)

    def answers(self, name: str, fold: int) -> Answers:
        """A model's answers for the test rows of a fold, from an earlier run where there are any.

        Rows without inputs are not trained on; in the test they get the median of the training targets.

        Raises:
            CollapsedTrainingError, DivergedTrainingError: See ``common.training``.
        """
        model, max_rows = self.model(name), self.profile.max_train_rows
        settings = f"{model.get_params() | {'verbose': None}} {max_rows} {self.files}"
        path = self.runs / f"{self.task.name}.{name}.{fold}.{hashlib.sha256(settings.encode()).hexdigest()[:12]}.json"
        if path.is_file():
            saved = read_json(path)
            return Answers(np.array(saved["predicted"]), saved["rows_train"], saved["seconds"])
        x = self.inputs[name]
        usable = np.isfinite(x).all(axis=1)
        train, test = self.folds[fold]
        train = train[usable[train]]
        if max_rows is not None and max_rows < len(train):
            train = np.random.default_rng(self.seed).permutation(train)[:max_rows]
        say(f"{self.task.name}: {name}, fold {fold + 1} of {len(self.folds)}, {len(train):,} rows")
        started = time.monotonic()
        model.fit(x[train], self.y[train])
        seconds = time.monotonic() - started
        predicted = np.full(len(test), np.median(self.y[train]))
        known = usable[test]
        if name == "IRNet" and self.task.is_classification:
            predicted[known] = model.predict_proba(x[test[known]])[:, 1]
        else:
            predicted[known] = model.predict(x[test[known]])
        saved = {"predicted": predicted.round(6).tolist(), "rows_train": len(train), "seconds": round(seconds, 1)}
        write_json_atomic(path, saved)
        return Answers(predicted.round(6), len(train), seconds)

    def row(self, name: str) -> ResultRow:
        """A model's figure as Matbench counts it, the mean over the folds, beside the best posted."""
        found = [self.answers(name, fold) for fold in range(len(self.folds))]
        truth = [self.y[test] for _, test in self.folds]
        metric = metrics.roc_auc_score if self.task.is_classification else metrics.mean_absolute_error
        scores = np.array([metric(y, fold.predicted) for y, fold in zip(truth, found, strict=True)])
        best, paper = next(iter(self.task.posted.items()))
        num_without = int((~np.isfinite(self.inputs[name]).all(axis=1)).sum())
        note = f"sd over the folds {scores.std():.4f}; the paper's column: {best}, as posted for these folds"
        if num_without:
            note += f"; {num_without} rows have no attributes and get the median of the training rows"
        title = f"Matbench {self.task.name}: {name}"
        costs: dict[str, Any] = {
            "paper": paper,
            "rows_train": round(np.mean([fold.rows_train for fold in found])),
            "seconds_train": round(sum(fold.seconds for fold in found), 1),
        }
        if self.task.is_classification:
            if name == "ElemNet":
                note += "; its output for labels of 0 and 1 ranks the rows"
            num_test = sum(map(len, truth))
            return ResultRow(title, "ROC AUC", scores.mean(), "", rows_test=num_test, note=note, **costs)
        pooled = np.concatenate(truth), np.concatenate([fold.predicted for fold in found])
        return replace(mae_row(title, *pooled, self.task.unit, note=note, **costs), ours=float(scores.mean()))

    def posted_rows(self) -> list[ResultRow]:
        """What others have posted for the same folds."""
        metric = "ROC AUC" if self.task.is_classification else "MAE"
        return [
            ResultRow(f"Matbench {self.task.name}, posted: {model}", metric, figure, self.task.unit, headline=False)
            for model, figure in self.task.posted.items()
        ]


def main(arguments: list[str] | None = None) -> int:
    """The command line.

    Returns:
        0, or 2 after an error said in one sentence.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="python -m experiments.matbench", description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"of {', '.join(TASKS)}; all by default")
    parser.add_argument("--profile", choices=tuple(PROFILES), default="cpu", help="sizes (default: cpu)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, help="default: results/matbench, beside it for smoke")
    parser.add_argument("--runs", type=Path, default=Path("runs/matbench"), help="answers of each fold")
    given = parser.parse_args(arguments)
    if unknown := [task for task in given.tasks if task not in TASKS]:
        parser.error(f"unknown task {unknown[0]!r}; expected of {', '.join(TASKS)}")
    folder = given.results or Path("results") / ("matbench-smoke" if given.profile == "smoke" else "matbench")
    command = shlex.join(["python", "-m", "experiments.matbench", *arguments])
    try:
        for name in given.tasks or TASKS:
            started = time.monotonic()
            task = Benchmark(TASKS[name], given.profile, given.seed, given.runs / given.profile)
            rows = [*(task.row(model) for model in MODELS), *task.posted_rows()]
            result = Result(
                id=f"matbench_{name}",
                title=f"Matbench v0.1, {name}: {NUM_FOLDS} folds",
                rows=tuple(rows),
                protocol="honest",
                profile=given.profile,
                data=(DataUsed(name, "public", len(task.y), task.files),),
                seed=given.seed,
                command=command,
                caveats=tuple(filter(None, (TASKS[name].note, _reduced(task.profile)))),
                seconds=round(time.monotonic() - started, 1),
            )
            say(f"wrote {write(result, folder)}")
        say(f"wrote {report.write_report(folder)}")
    except KeyboardInterrupt:
        print("error: interrupted; the same command goes on with the next fold.", file=sys.stderr)
        return 2
    except (
        datasets.CorruptDataError,
        datasets.DataUnavailableError,
        CollapsedTrainingError,
        DivergedTrainingError,
        ValueError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _reduced(profile: Profile) -> str:
    """What is smaller than Matbench asks for."""
    if profile.max_train_rows is None:
        return ""
    folds = "" if profile.num_folds == NUM_FOLDS else f", and only the first {profile.num_folds} folds"
    return f"At most {profile.max_train_rows:,} training rows of a fold, and few epochs{folds}: errors are too high."


if __name__ == "__main__":
    raise SystemExit(main())
