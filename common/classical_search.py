"""Classical models beside the networks: the search over the grids of ``common.classical``.

Every point of a grid is fitted on training rows and judged on validation rows; test rows are only predicted.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning

from common.classical import MODELS, ModelFamily, families
from common.executor import iterate_tasks, num_usable_cores
from common.metrics import mean_absolute_error
from common.outcomes import attempt


@dataclass(frozen=True)
class FittedModel:
    """The best point of a grid, fitted.

    Attributes:
        model: A scikit-learn model; ``predict`` takes it.
        params: The point.
        validation_mae: In the unit of the target; of a classifier, the share of wrong classes.
        seconds: Wall time of all points.
        rows_train: Rows it was fitted on.
        note: What a reader has to know; ``""`` if nothing.
    """

    model: Any
    params: dict[str, Any]
    validation_mae: float
    seconds: float
    rows_train: int
    note: str


@dataclass(frozen=True)
class ClassicalResult:
    """What a family of models came to.

    Attributes:
        name: Of the family.
        params: The chosen point.
        validation_mae: In the unit of the target; of a classifier, the share of wrong classes. NaN where every point
            failed.
        test_predictions: ``(num_test,)`` in the unit of the target; of a classifier, the probability of class 1. NaN
            where every point failed.
        seconds: Wall time of all points, one after the other.
        rows_train: Rows that each point was fitted on.
        note: What a reader has to know, and why points failed; ``""`` if nothing.
    """

    name: str
    params: dict[str, Any]
    validation_mae: float
    test_predictions: np.ndarray
    seconds: float
    rows_train: int
    note: str

    @property
    def ok(self) -> bool:
        """Whether a point of the grid could be fitted."""
        return not np.isnan(self.validation_mae)


def predict(model: Any, x: np.ndarray) -> np.ndarray:
    """Predictions ``(n,)`` float64: the target in its unit, or the probability of class 1 by a classifier.

    Raises:
        ValueError: A prediction is not finite; the model has diverged.
    """
    values = model.predict_proba(x)[:, 1] if hasattr(model, "predict_proba") else model.predict(x)
    values = np.asarray(values, np.float64).reshape(len(x))
    if not np.isfinite(values).all():
        raise ValueError(f"expected finite predictions, received {int((~np.isfinite(values)).sum())} that are not")
    return values


def search(
    name: str,
    x_train: np.ndarray,
    y_train: np.ndarray,
    x_val: np.ndarray,
    y_val: np.ndarray,
    *,
    grid: str = "cpu",
    seed: int = 0,
) -> FittedModel:
    """Fit every point of a family's grid on the training rows and keep the best on the validation rows.

    Args:
        name: Key of ``classical.MODELS`` or ``classical.CLASSIFIERS``.
        x_train: ``(num_train, num_inputs)``, NaN where missing.
        y_train: ``(num_train,)``; classes 0 and 1 for a classifier.
        x_val: ``(num_val, num_inputs)``.
        y_val: ``(num_val,)``.
        grid: ``"cpu"`` is short and limits the rows of models whose cost grows with their square.
        seed: Of trees, bootstraps, shuffles and drawn rows.

    Raises:
        ValueError: No such family or grid, or arrays that do not fit together.
        RuntimeError: Every point failed.
    """
    family = families([name])[0]
    arrays = _checked({"x_train": x_train, "y_train": y_train, "x_val": x_val, "y_val": y_val}, [family])
    gathered = _Gathered()
    for index, params in enumerate(family.points(grid)):
        gathered.add(index, *attempt(lambda params: _fit(family, params, arrays, grid, seed), params))
    note = gathered.note(family, len(x_train), grid)
    if gathered.best is None:
        raise RuntimeError(f"expected {name} to fit at one point of its grid at least, received {note}")
    best = gathered.best
    return FittedModel(best.model, best.params, best.validation_mae, gathered.seconds, best.rows_train, note)


def search_all(
    x_train: np.ndarray,
    y_train: np.ndarray,
    x_val: np.ndarray,
    y_val: np.ndarray,
    x_test: np.ndarray,
    *,
    names: Iterable[str] | None = None,
    grid: str = "cpu",
    seed: int = 0,
    num_processes: int | None = None,
    progress: bool = False,
) -> list[ClassicalResult]:
    """Search many families at once, every point of every grid a task of its own; a failure costs only itself.

    The arrays are written once to a temporary folder, which the processes map into memory.

    Args:
        x_train: ``(num_train, num_inputs)``, NaN where missing.
        y_train: ``(num_train,)``; classes 0 and 1 for classifiers.
        x_val: ``(num_val, num_inputs)``.
        y_val: ``(num_val,)``; alone decides which point is chosen.
        x_test: ``(num_test, num_inputs)``; predicted, never judged.
        names: Keys of ``classical.MODELS`` or ``classical.CLASSIFIERS``; by default the ten of ``MODELS``.
        grid: ``"cpu"`` is short and limits the rows of models whose cost grows with their square.
        seed: Of trees, bootstraps, shuffles and drawn rows.
        num_processes: By default one for each core.
        progress: Show a bar on a terminal.

    Returns:
        A result for each name, in that order.

    Raises:
        ValueError: No such family or grid, or arrays that do not fit together.
    """
    chosen = families(MODELS if names is None else names)
    given = {"x_train": x_train, "y_train": y_train, "x_val": x_val, "y_val": y_val, "x_test": x_test}
    arrays = _checked(given, chosen)
    gathered = {family.name: _Gathered() for family in chosen}
    with tempfile.TemporaryDirectory(prefix="materials-dl-") as folder:
        for key, array in arrays.items():
            np.save(Path(folder) / f"{key}.npy", array, allow_pickle=False)
        # the forest, which takes longest, stands last in the registry: started first, it is not what all wait for
        points = [
            _Point(family.name, params, folder, grid, seed) for family in chosen[::-1] for params in family.points(grid)
        ]
        # cores that have no point of their own help with the trees of another
        num_jobs = max(1, (num_processes or num_usable_cores()) // len(points))
        points = [replace(point, num_jobs=num_jobs) for point in points]
        outcomes = iterate_tasks(
            _try_point, points, num_processes=num_processes, progress=progress, description="classical models"
        )
        for outcome in outcomes:
            gathered[points[outcome.index].name].add(outcome.index, outcome.value, outcome.reason)
    return [_result(family, gathered[family.name], len(x_train), len(x_test), grid) for family in chosen]


@dataclass(frozen=True)
class _Fit:
    model: Any
    params: dict[str, Any]
    validation_mae: float
    seconds: float
    rows_train: int
    converged: bool
    test_predictions: np.ndarray | None = None


@dataclass(frozen=True)
class _Point:
    """A task: one point of one grid, and where the arrays are."""

    name: str
    params: dict[str, Any]
    folder: str
    grid: str
    seed: int
    num_jobs: int = 1


class _Gathered:
    """What the points of a grid came to, in whatever order they finished; keeps the best alone."""

    def __init__(self) -> None:
        self.best: _Fit | None = None
        self.seconds = 0.0
        self._rank = (np.inf, 0)
        self._num_points = 0
        self._reasons: list[str] = []

    def add(self, index: int, fit: _Fit | None, reason: str) -> None:
        self._num_points += 1
        if fit is None:
            self._reasons.append(reason)
            return
        self.seconds += fit.seconds
        rank = (fit.validation_mae, index)  # of equals the first, so that no clock decides
        if self.best is None or rank < self._rank:
            self.best, self._rank = fit, rank

    def note(self, family: ModelFamily, num_train: int, grid: str) -> str:
        notes = []
        if (num_rows := _num_rows(family, num_train, grid)) < num_train:
            notes.append(f"{num_rows:,} of {num_train:,} training rows, as its cost grows with their square")
        if self.best is not None and not self.best.converged:
            notes.append("stopped before it had converged")
        if self._reasons:
            failed = f"{len(self._reasons)} of {self._num_points} grid points failed"
            notes.append(f"{failed}: {self._reasons[0]}")
        return "; ".join(notes)


def _result(family: ModelFamily, gathered: _Gathered, num_train: int, num_test: int, grid: str) -> ClassicalResult:
    best, missing = gathered.best, np.full(num_test, np.nan)
    return ClassicalResult(
        name=family.name,
        params=best.params if best else {},
        validation_mae=best.validation_mae if best else np.nan,
        test_predictions=best.test_predictions if best and best.test_predictions is not None else missing,
        seconds=gathered.seconds,
        rows_train=_num_rows(family, num_train, grid),
        note=gathered.note(family, num_train, grid),
    )


def _try_point(point: _Point) -> _Fit:
    family = families([point.name])[0]
    arrays = {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in Path(point.folder).glob("*.npy")}
    fit = _fit(family, point.params, arrays, point.grid, point.seed, point.num_jobs)
    started = time.perf_counter()
    predictions = predict(fit.model, arrays["x_test"])
    seconds = fit.seconds + time.perf_counter() - started
    return replace(fit, model=None, seconds=seconds, test_predictions=predictions)  # models may be large


def _fit(
    family: ModelFamily, params: dict[str, Any], arrays: dict[str, np.ndarray], grid: str, seed: int, num_jobs: int = 1
) -> _Fit:
    started = time.perf_counter()
    x, y = arrays["x_train"], arrays["y_train"]
    num_rows = _num_rows(family, len(x), grid)
    if num_rows < len(x):
        drawn = np.sort(np.random.default_rng(seed).permutation(len(x))[:num_rows])
        x, y = x[drawn], y[drawn]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        is_forest = family.estimator in (RandomForestRegressor, RandomForestClassifier)
        threads = {"n_jobs": num_jobs} if is_forest else {}
        model = family.make(seed, **params, **threads).fit(x, y)
    converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    predictions = predict(model, arrays["x_val"])
    if family.classifies:
        predictions = np.round(predictions)
    error = mean_absolute_error(arrays["y_val"], predictions)
    return _Fit(model, params, error, time.perf_counter() - started, num_rows, converged)


def _num_rows(family: ModelFamily, num_train: int, grid: str) -> int:
    return num_train if grid == "paper" or family.max_rows is None else min(num_train, family.max_rows)


def _checked(arrays: dict[str, np.ndarray], chosen: list[ModelFamily]) -> dict[str, np.ndarray]:
    """The arrays as the models take them; inputs and targets are those whose names begin with x and y."""
    inputs = {key: np.asarray(array) for key, array in arrays.items() if key.startswith("x")}
    targets = {key: np.asarray(array, np.float64) for key, array in arrays.items() if key.startswith("y")}
    num_inputs = inputs["x_train"].shape[-1]
    for key, x in inputs.items():
        if x.ndim != 2 or len(x) == 0 or x.shape[1] != num_inputs:
            raise ValueError(f"expected {key} of shape (n, {num_inputs}) with n > 0, received {x.shape}")
        if np.isinf(x).any():
            raise ValueError(f"expected finite inputs or NaN where missing, received infinity in {key}")
    for key, y in targets.items():
        num_rows = len(inputs["x" + key[1:]])
        if y.shape != (num_rows,):
            raise ValueError(f"expected {key} of shape ({num_rows},), received {y.shape}; one target at a time")
        if not np.isfinite(y).all():
            raise ValueError(f"expected finite targets, received NaN or infinity in {key}; leave those rows out")
        if any(family.classifies for family in chosen) and not np.isin(y, (0, 1)).all():
            raise ValueError(f"expected classes 0 and 1 for a classifier, received other values in {key}")
    return {**inputs, **targets}
