"""Classical models on 1D patterns, composition or position (section 7.4.4), each point chosen on validation rows.

What is the thesis's and what is ours:
    The grid of AdaBoost is the thesis's. Those of the random forest, of logistic regression and of naive Bayes (one
    point, scikit-learn's defaults) are the released notebook's; the forest's with 200 trees besides, as 20 were its
    most. Stochastic gradient descent is named without settings: its grid is ours. There the best of a grid was read off
    the cross-validation itself; here validation rows cut from training choose, so test rows choose nothing.
    Inputs of linear models have mean 0 and standard deviation 1 on the training rows.

Reference:
    Section 7.4.4 of the thesis; ``1D_analysis.ipynb`` of NU-CUCIS/PADNet-XRD.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import AdaBoostClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from common.classical import ModelFamily
from padnet.data import XrdDataset
from padnet.envelope import remove_envelope
from padnet.evaluation import CrossValidated, gather
from padnet.folds import Fold

INPUTS = ("patterns", "composition", "position")


def _adaboost(max_depth: int, learning_rate: float, n_estimators: int) -> AdaBoostClassifier:
    return AdaBoostClassifier(
        DecisionTreeClassifier(max_depth=max_depth), learning_rate=learning_rate, n_estimators=n_estimators
    )


def _registry(*families: ModelFamily) -> dict[str, ModelFamily]:
    return {family.name: family for family in families}


_FOREST = {"n_estimators": (5, 10, 20, 200), "max_depth": (5, 10), "max_features": (0.25, 0.33)}
FAMILIES: dict[str, ModelFamily] = _registry(
    ModelFamily(
        "AdaBoost",
        _adaboost,
        paper_grid={"max_depth": (2, 10), "learning_rate": (1, 0.1, 0.001), "n_estimators": (5, 10)},
        cpu_grid={"max_depth": (2, 10), "learning_rate": (1, 0.1, 0.001), "n_estimators": (5, 10)},
        classifies=True,
    ),
    ModelFamily(
        "RandomForest",
        RandomForestClassifier,
        paper_grid={**_FOREST, "min_samples_split": (2, 5)},
        cpu_grid={"n_estimators": (20, 100), "max_depth": (10,), "max_features": (0.25,)},
        classifies=True,
    ),
    ModelFamily(
        "LogisticRegression",
        LogisticRegression,
        paper_grid={},
        cpu_grid={},
        fixed={"max_iter": 1000},
        standardised=True,
        classifies=True,
    ),
    ModelFamily("NaiveBayes", GaussianNB, paper_grid={}, cpu_grid={}, classifies=True),
    ModelFamily(
        "SGD",
        SGDClassifier,
        paper_grid={"alpha": (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)},
        cpu_grid={"alpha": (1e-4, 1e-2)},
        fixed={"loss": "log_loss"},
        standardised=True,
        classifies=True,
    ),
)
"""The five classifiers that section 7.4.4 names."""


@dataclass(frozen=True)
class FittedBaseline:
    """The point of a grid that validation rows chose, fitted on the training rows.

    Attributes:
        model: A scikit-learn classifier.
        params: The point.
        validation_accuracy: Share of validation rows that it has right.
        num_classes: Classes of the data set, which the training rows may lack some of.
    """

    model: Any
    params: dict[str, Any]
    validation_accuracy: float
    num_classes: int

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Probabilities ``(n, num_classes)`` of rows ``(n, num_inputs)``; 0 for classes that training lacked."""
        probability = np.zeros((len(x), self.num_classes))
        probability[:, self.model.classes_] = self.model.predict_proba(x)
        return probability


def inputs(dataset: XrdDataset, names: tuple[str, ...], *, background: bool = False) -> np.ndarray:
    """What the classical models see.

    Args:
        dataset: Samples.
        names: Of ``INPUTS``, side by side in this order.
        background: Remove the lower envelope of the patterns.

    Returns:
        ``(n, num_inputs)`` float64.

    Raises:
        ValueError: No inputs or unknown ones, or a data set without patterns.
    """
    if not names or not set(names) <= set(INPUTS):
        raise ValueError(f"Expected inputs among {', '.join(INPUTS)}; received {', '.join(names) or 'none'}.")
    columns = []
    for name in names:
        if name == "patterns":
            if dataset.patterns is None:
                raise ValueError(
                    f"Expected 1D patterns in {dataset.name}; received frames alone. Integrate them "
                    "first, or take composition or position."
                )
            columns.append(remove_envelope(dataset.patterns) if background else dataset.patterns)
        else:
            columns.append(dataset.composition if name == "composition" else dataset.position_mm)
    return np.concatenate(columns, axis=1).astype(np.float64)


def fit_best(
    name: str,
    x_train: np.ndarray,
    y_train: np.ndarray,
    x_validation: np.ndarray,
    y_validation: np.ndarray,
    *,
    num_classes: int,
    grid: str = "cpu",
    seed: int = 0,
) -> FittedBaseline:
    """Fit every point of a family's grid on the training rows and keep the most accurate on the validation rows.

    Of equals the first is kept. The chosen model is not fitted again on both parts: networks train on the training rows
    alone, and are held against this.

    Args:
        name: Key of ``FAMILIES``.
        x_train: ``(num_train, num_inputs)``.
        y_train: ``(num_train,)`` class numbers.
        x_validation: ``(num_validation, num_inputs)``.
        y_validation: ``(num_validation,)`` class numbers.
        num_classes: Classes of the data set.
        grid: ``"cpu"`` or ``"paper"``.
        seed: Of trees and shuffles.

    Raises:
        ValueError: No such family or grid, or arrays that scikit-learn refuses.
    """
    if name not in FAMILIES:
        raise ValueError(f"Expected a model of {', '.join(FAMILIES)}; received {name!r}.")
    family, best = FAMILIES[name], None
    for params in family.points(grid):
        model = family.make(seed, **params)
        with warnings.catch_warnings():
            # Few validation rows choose; a point that has not converged is judged by them like any other.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x_train, y_train)
        accuracy = float(np.mean(model.predict(x_validation) == y_validation))
        if best is None or accuracy > best.validation_accuracy:
            best = FittedBaseline(model, params, accuracy, num_classes)
    assert best is not None  # a grid has a point at least
    return best


@dataclass(frozen=True, eq=False)
class BaselineJob:
    """One family on all folds of a data set; a task of ``common.executor``.

    Attributes:
        name: Of the method in tables.
        family: Key of ``FAMILIES``.
        x: ``(n, num_inputs)`` of ``inputs``.
        labels: ``(n,)`` class numbers.
        folds: Which rows train, choose and are predicted.
        num_classes: Classes of the data set.
        grid: ``"cpu"`` or ``"paper"``.
        seed: Of trees and shuffles.
    """

    name: str
    family: str
    x: np.ndarray
    labels: np.ndarray
    folds: Sequence[Fold]
    num_classes: int
    grid: str = "cpu"
    seed: int = 0


def cross_validate(job: BaselineJob) -> CrossValidated:
    """Choose and fit on every fold, and predict its test rows."""
    started, parts = time.monotonic(), []
    for number, fold in enumerate(job.folds):
        rows = (job.x[fold.train], job.labels[fold.train], job.x[fold.validation], job.labels[fold.validation])
        best = fit_best(job.family, *rows, num_classes=job.num_classes, grid=job.grid, seed=job.seed)
        parts.append((number, fold.test, best.predict(job.x[fold.test])))
    return gather(job.name, job.labels, job.num_classes, parts, time.monotonic() - started)
