"""The classical models and their grids, against the printed ones and scikit-learn itself."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import ParameterGrid

from common import classical
from common.classical import CLASSIFIERS, MODELS

PAPER = json.loads((Path(__file__).parents[2] / "experiments" / "paper_values" / "paper_values.json").read_text())


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(200, 6))
    y = np.tanh(x[:, 0]) + 0.2 * x[:, 1] * x[:, 4] + 0.05 * rng.normal(size=200)
    x[rng.random(x.shape) < 0.03] = np.nan
    return x[:150], y[:150], x[150:]


def test_the_ten_are_those_of_table_4_3_and_gradient_descent():
    assert set(MODELS) == {*PAPER["chapter4"]["table_4_3_design_problem_ml"], "SGDRegressor"}
    assert len(MODELS) == 10
    assert all(name == family.name for name, family in (MODELS | CLASSIFIERS).items())


def test_the_grid_of_the_forest_is_the_thesis_s():
    ours = {name: list(values) for name, values in MODELS["RandomForest"].paper_grid.items()}
    assert ours == PAPER["chapter4"]["ml_grid_random_forest"]
    assert len(MODELS["RandomForest"].points("paper")) == 48


@pytest.mark.parametrize("name", [*MODELS, *CLASSIFIERS])
@pytest.mark.parametrize("grid", ["cpu", "paper"])
def test_every_point_of_every_grid_makes_a_model(name, grid):
    family = (MODELS | CLASSIFIERS)[name]
    points = family.points(grid)
    values = family.cpu_grid if grid == "cpu" else family.paper_grid
    assert sorted(map(repr, (sorted(p.items()) for p in points))) == sorted(
        map(repr, (sorted(p.items()) for p in ParameterGrid({key: list(v) for key, v in values.items()})))
    )
    assert grid == "paper" or len(points) <= 3
    for params in points:
        assert hasattr(family.make(0, **params), "fit")


def test_the_forest_is_scikit_learn_s(rows):
    x_train, y_train, x_test = rows
    ours = classical.random_forest(num_trees=20, seed=7, num_processes=1).fit(x_train, y_train).predict(x_test)
    imputer = SimpleImputer(strategy="median").fit(x_train)
    theirs = RandomForestRegressor(20, max_features=0.33, min_samples_split=5, random_state=7)
    theirs.fit(imputer.transform(x_train), y_train)
    np.testing.assert_array_equal(ours, theirs.predict(imputer.transform(x_test)))


@pytest.mark.parametrize("name", ["AdaBoost", "Bagging", "DecisionTree", "RandomForest", "SGDRegressor"])
def test_the_seed_decides(rows, name):
    x_train, y_train, x_test = rows
    params = {"n_estimators": 5} if "n_estimators" in MODELS[name].cpu_grid else {}
    first, again, other = (
        MODELS[name].make(seed, **params).fit(x_train, y_train).predict(x_test) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert name == "DecisionTree" or (first != other).any()  # one tree on all inputs has ties alone to decide


@settings(max_examples=10, deadline=None)
@given(
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(-100, 100),
    name=st.sampled_from([name for name, family in MODELS.items() if family.standardised]),
)
def test_the_units_of_inputs_and_target_do_not_matter_to_standardised_models(rows, scale, shift, name):
    x_train, y_train, x_test = rows
    here = MODELS[name].make(0).fit(x_train, y_train).predict(x_test)
    there = MODELS[name].make(0).fit(scale * x_train + shift, scale * y_train + shift).predict(scale * x_test + shift)
    np.testing.assert_allclose((there - shift) / scale, here, atol=0.02)


def test_an_unknown_model_is_named():
    with pytest.raises(ValueError, match="received 'Lasso'"):
        classical.families(["Ridge", "Lasso"])
    with pytest.raises(ValueError, match="every model once"):
        classical.families(["Ridge", "Ridge"])
    assert [family.name for family in classical.families(CLASSIFIERS)] == list(CLASSIFIERS)
