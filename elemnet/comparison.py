"""Table 3.2: ElemNet beside random forests, each scored once on the same test rows and timed."""

import time

import numpy as np

from common import classical
from common.features import magpie
from common.scored import Scored
from elemnet.data import ElemNetData, Rows
from elemnet.predict import Predictor


def forest_on_fractions(data: ElemNetData, *, num_trees: int, seed: int = 0) -> Scored:
    """Random forest on element fractions, all training rows."""
    inputs = (data.train.x, data.test.x)
    return _forest("RandomForest, element fractions", data.train, data.test, inputs, num_trees, seed)


def forests_on_subsample(
    data: ElemNetData, *, num_train: int, num_test: int, num_trees: int, seed: int = 0
) -> list[Scored]:
    """Random forests on the 145 attributes and on fractions, on the same seeded subsample.

    The subsample bounds the cost, for trees on 145 dense inputs grow slowly; the second forest shows what the
    attributes themselves are worth at that size.
    """
    train, test = data.train.draw(num_train, seed), data.test.draw(num_test, seed)
    formulas = [*train.frame["formula"], *test.frame["formula"]]
    started = time.perf_counter()
    attributes = magpie.featurize(formulas)
    seconds = time.perf_counter() - started
    note = f"subsample of {len(train):,} training and {len(test):,} test rows"
    return [
        _forest(
            "RandomForest, 145 physical attributes",
            train,
            test,
            (attributes[: len(train)], attributes[len(train) :]),
            num_trees,
            seed,
            f"{note}; attributes computed in {seconds:.2g} s, not counted",
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
