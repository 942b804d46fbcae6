"""Table 3.2: ElemNet beside random forests, each scored once on the same test rows and timed."""

import time
from dataclasses import dataclass

import numpy as np

from common import classical
from common.features import matminer_attributes
from elemnet.data import ElemNetData, Rows
from elemnet.predict import Predictor


@dataclass(frozen=True)
class Scored:
    """Predictions of one model.

    Attributes:
        name: As table 3.2 names it.
        y_true: ``(n,)`` eV/atom.
        y_pred: ``(n,)`` eV/atom.
        rows_train: Number of training rows.
        seconds_train: Wall time of training; ``None`` if it was not trained here.
        seconds_predict: Wall time of predicting the n rows.
        note: What a reader has to know.
    """

    name: str
    y_true: np.ndarray
    y_pred: np.ndarray
    rows_train: int | None
    seconds_train: float | None
    seconds_predict: float
    note: str = ""


def forest_on_fractions(data: ElemNetData, *, num_trees: int, seed: int = 0) -> Scored:
    """Random forest on element fractions, all training rows."""
    inputs = (data.train.x, data.test.x)
    return _forest("RandomForest, element fractions", data.train, data.test, inputs, num_trees, seed)


def forests_on_subsample(
    data: ElemNetData, *, num_train: int, num_test: int, num_trees: int, seed: int = 0, progress: bool = False
) -> list[Scored]:
    """Random forests on matminer's 145 attributes and on fractions, on the same seeded subsample.

    The subsample exists because matminer takes some 6 ms a composition; the second forest shows what the attributes
    themselves are worth at that size.
    """
    rng = np.random.default_rng(seed)
    train, test = _draw(data.train, num_train, rng), _draw(data.test, num_test, rng)
    formulas = [*train.frame["formula"], *test.frame["formula"]]
    attributes = matminer_attributes.featurize(formulas, progress=progress)
    note = f"subsample of {len(train):,} training and {len(test):,} test rows"
    return [
        _forest(
            "RandomForest, 145 physical attributes",
            train,
            test,
            (attributes[: len(train)], attributes[len(train) :]),
            num_trees,
            seed,
            f"{note}; attributes by matminer, their time not counted",
        ),
        _forest(
            "RandomForest, element fractions, same subsample", train, test, (train.x, test.x), num_trees, seed, note
        ),
    ]


def network(
    name: str,
    predictor: Predictor,
    rows: Rows,
    *,
    mc_samples: int = 0,
    rows_train: int | None = None,
    seconds_train: float | None = None,
    note: str = "",
) -> Scored:
    """A trained ElemNet on rows, from formulas to energies as ``elemnet predict`` answers."""
    formulas = rows.frame["formula"].tolist()
    predictor.predict(formulas[:1], mc_samples=mc_samples)  # compilation is not prediction
    started = time.perf_counter()
    answers = predictor.predict(formulas, mc_samples=mc_samples)
    seconds = time.perf_counter() - started
    energy = answers["formation_energy_ev_per_atom"].to_numpy()
    answered = np.isfinite(energy)
    if not answered.all():
        note = f"{note}; {int((~answered).sum())} rows hold an element that the model does not know".lstrip("; ")
    return Scored(name, rows.y[answered].astype(float), energy[answered], rows_train, seconds_train, seconds, note)


def _forest(
    name: str,
    train: Rows,
    test: Rows,
    inputs: tuple[np.ndarray, np.ndarray],
    num_trees: int,
    seed: int,
    note: str = "",
) -> Scored:
    forest = classical.random_forest(num_trees=num_trees, seed=seed)
    started = time.perf_counter()
    forest.fit(inputs[0], train.y)
    trained = time.perf_counter()
    predicted = forest.predict(inputs[1])
    done = time.perf_counter()
    note = f"{num_trees} trees" + (f"; {note}" if note else "")
    return Scored(name, test.y.astype(float), predicted, len(train), trained - started, done - trained, note)


def _draw(rows: Rows, num_rows: int, rng: np.random.Generator) -> Rows:
    drawn = rng.permutation(len(rows))[:num_rows]
    return Rows(rows.frame.iloc[drawn], rows.x[drawn], rows.y[drawn])
