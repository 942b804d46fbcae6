"""Table 3.2: ElemNet beside random forests, each scored once on the same test rows and timed; and the shipped weights
beside published predictions."""

import time

import numpy as np
import pandas as pd

from common import classical, datasets
from common.features import magpie
from common.scored import Scored
from elemnet.config import TARGET
from elemnet.data import ElemNetData, Rows
from elemnet.predict import ENERGY, Predictor, load_pretrained

SHIPPED_SPLITS = ("oqmd", "oqmd_subset")  # data sets with the split whose test rows the shipped weights never saw
PUBLISHED = "oqmd_published_elemnet"  # predictions of another ElemNet, for test rows of that split


def forest(
    name: str,
    train: Rows,
    test: Rows,
    inputs: tuple[np.ndarray, np.ndarray],
    num_trees: int,
    seed: int,
    note: str = "",
) -> Scored:
    """Random forest, fitted and scored.

    Args:
        name: As the paper's table names it.
        train: Rows to fit; their own ``x`` is not read.
        test: Rows to score; the same.
        inputs: ``(n_train, num_inputs)`` and ``(n_test, num_inputs)``, of the same rows.
        num_trees: Its size.
        seed: Seed of bootstrap and splits.
        note: What a reader has to know beside the number of trees.
    """
    model = classical.random_forest(num_trees=num_trees, seed=seed)
    started = time.perf_counter()
    model.fit(inputs[0], train.y)
    trained = time.perf_counter()
    predicted = model.predict(inputs[1])
    done = time.perf_counter()
    note = f"{num_trees} trees" + (f"; {note}" if note else "")
    return Scored(name, test.y.astype(float), predicted, len(train), trained - started, done - trained, note)


def forest_on_fractions(data: ElemNetData, *, num_trees: int, seed: int = 0) -> Scored:
    """Random forest on element fractions, all training rows."""
    inputs = (data.train.x, data.test.x)
    return forest("RandomForest, element fractions", data.train, data.test, inputs, num_trees, seed)


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
        forest(
            "RandomForest, 145 physical attributes",
            train,
            test,
            (attributes[: len(train)], attributes[len(train) :]),
            num_trees,
            seed,
            f"{note}; attributes computed in {seconds:.2g} s, not counted",
        ),
        forest(
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
    energy = answers[ENERGY].to_numpy()
    answered = np.isfinite(energy)
    if not answered.all():
        note = f"{note}; {int((~answered).sum())} rows hold an element that the model does not know".lstrip("; ")
    return Scored(name, rows.y[answered].astype(float), energy[answered], rows_train, seconds_train, seconds, note)


def shipped_weights(data: ElemNetData) -> list[Scored]:
    """The shipped weights: as they answer by default, with every test outlier kept, and with dropout on."""
    predictor = load_pretrained()
    card = predictor.card
    trained = {"rows_train": card["data"]["rows_train"], "seconds_train": card["training_seconds"]}
    note = "weights as shipped, trained by `make weights`"
    if data.loaded.name not in SHIPPED_SPLITS:
        note += "; trained on OQMD, which may hold these test compositions: not a fair score"
    return [
        network("ElemNet, shipped weights", predictor, data.test, note=note, **trained),
        network(
            "ElemNet, shipped weights, test outliers kept",
            predictor,
            data.test_with_outliers,
            note="no test row dropped for its energy, as the published scores are",
            **trained,
        ),
        network(
            "ElemNet, shipped weights, dropout on, mean of 10",
            predictor,
            data.test,
            mc_samples=10,
            note="as the authors' released code predicts",
            **trained,
        ),
    ]


def on_published_rows() -> tuple[Scored, Scored]:
    """The shipped weights and the published ElemNet predictions, on those published rows that the weights can answer.

    Raises:
        DataUnavailableError: If the published predictions cannot be had.
    """
    published = datasets.load(PUBLISHED, allow_stand_in=False).frame
    predictor = load_pretrained()
    answers = predictor.predict(published["formula"])[ENERGY].to_numpy()
    answered = np.isfinite(answers)
    true, theirs = (published.loc[answered, column].to_numpy(float) for column in (TARGET, "predicted"))
    return (
        Scored(
            "ElemNet, shipped weights, on the rows of the published predictions",
            true,
            answers[answered],
            predictor.card["data"]["rows_train"],
            None,
            note="the paper's column is the error of the published predictions, computed here; that model was trained "
            "on more rows",
        ),
        Scored("ElemNet, published predictions", true, theirs, None, None),
    )


def predictions_table(rows: Rows, models: dict[str, Scored]) -> pd.DataFrame:
    """Formulas, true energies and a column for each model that answered every row, in eV/atom."""
    table = pd.DataFrame({"formula": rows.frame["formula"].to_numpy(), TARGET: np.round(rows.y.astype(float), 6)})
    for name, scored in models.items():
        if len(scored.y_pred) == len(table):
            table[name] = np.round(scored.y_pred, 4)
    return table
