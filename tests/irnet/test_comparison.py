"""Classical models on the rows of the networks, and structure types held out of training."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from common import classical
from common.readers import LoadedDataset
from common.rows import Rows
from irnet import comparison
from irnet.data import IRNetData


@pytest.fixture
def loaded() -> LoadedDataset:
    """Three prototypes over three splits, each row with a number of its own."""
    frame = pd.DataFrame(
        {
            "row": range(9),
            "prototype": ["B2", "B2", "B2", "L1_0", "L1_0", "L1_0", "", "", ""],
            "split": ["train", "val", "test"] * 3,
        }
    )
    return LoadedDataset(frame, "made up", "user", len(frame), {}, [])


def rows_in(loaded: LoadedDataset, split: str) -> list[int]:
    return loaded.frame.loc[loaded.frame["split"] == split, "row"].tolist()


def test_a_prototype_held_out_is_all_of_the_test_rows_and_no_other(loaded):
    held_out = comparison.hold_out_prototypes(loaded, ("B2",))
    assert rows_in(held_out, "test") == [0, 1, 2]
    assert rows_in(held_out, "train") == [3, 5, 6, 8] and rows_in(held_out, "val") == [4, 7]
    assert rows_in(loaded, "test") == [2, 5, 8]  # the table itself stays as it was
    both = comparison.hold_out_prototypes(loaded, ("B2", "L1_0"))
    assert rows_in(both, "test") == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="perovskite in made up"):
        comparison.hold_out_prototypes(loaded, ("perovskite",))


def test_a_prototype_set_aside_is_in_no_split(loaded):
    aside = comparison.set_aside_prototype(loaded, "L1_0")
    assert rows_in(aside, "set aside") == [3, 4, 5]
    assert [rows_in(aside, split) for split in ("train", "val", "test")] == [[0, 6], [1, 7], [2, 8]]


@pytest.fixture
def data(loaded) -> IRNetData:
    """A line with noise; the test rows follow another line, so that a choice made on them would be another."""
    rng = np.random.default_rng(0)

    def rows(num_rows: int, slope: float) -> Rows:
        x = rng.normal(size=(num_rows, 3)).astype(np.float32)
        return Rows(pd.DataFrame(index=range(num_rows)), x, slope * x[:, 0] + 0.1 * rng.normal(size=num_rows))

    return IRNetData(rows(200, 1.0), rows(50, 1.0), rows(40, -1.0), ("a", "b", "c"), (), {}, loaded)


def test_classical_models_are_chosen_on_validation_rows_and_scored_on_test_rows(data):
    names = ("DecisionTree", "Ridge")
    models = comparison.classical_models(data, names, num_processes=1)
    assert [model.name for model in models] == ["Ridge", "DecisionTree"]  # by validation error, lowest first
    for model in models:
        assert model.rows_train == 200
        np.testing.assert_array_equal(model.y_true, data.test.y)
    turned = replace(data, test=Rows(data.test.frame, data.test.x, -data.test.y))
    again = comparison.classical_models(turned, names, num_processes=1)
    for model, other in zip(models, again, strict=True):
        assert model.note == other.note  # the point of the grid
        np.testing.assert_array_equal(model.y_pred, other.y_pred)
    alphas = classical.MODELS["Ridge"].points("cpu")
    expected = {
        point["alpha"]: classical.MODELS["Ridge"].make(**point).fit(data.train.x, data.train.y) for point in alphas
    }
    errors = {
        alpha: np.abs(model.predict(data.validation.x) - data.validation.y).mean() for alpha, model in expected.items()
    }
    best = min(errors, key=errors.__getitem__)
    assert models[0].note == f"alpha={best}" and models[0].validation_mae == pytest.approx(errors[best])
    np.testing.assert_allclose(models[0].y_pred, expected[best].predict(data.test.x))
