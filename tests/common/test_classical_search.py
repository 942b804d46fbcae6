"""The search over grids against scikit-learn's own, and what one failing model may cost."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from common.classical import CLASSIFIERS, MODELS
from common.classical_search import predict, search, search_all

FAST = ["ElasticNet", "LinearRegression", "Ridge", "KNeighbors", "DecisionTree"]


@pytest.fixture(scope="module")
def data():
    """Training, validation and test rows of a smooth function of 6 inputs, some of them missing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(260, 6)) * [1, 1, 10, 0.1, 1, 1]
    y = np.tanh(x[:, 0]) + 0.2 * x[:, 1] * x[:, 4] + 0.05 * rng.normal(size=260)
    x[rng.random(x.shape) < 0.03] = np.nan
    return x[:160], y[:160], x[160:210], y[160:210], x[210:]


@pytest.fixture
def changed(monkeypatch):
    def change(name, **fields):
        monkeypatch.setitem(MODELS, name, replace(MODELS[name], **fields))

    return change


@pytest.mark.parametrize("name", [*FAST, "SVR"])
def test_the_search_is_that_of_scikit_learn(data, name):
    x_train, y_train, x_val, y_val, _ = data
    family = MODELS[name]
    found = search(name, x_train, y_train, x_val, y_val, grid="paper", seed=3)
    prefix = f"{family.estimator.__name__.lower()}__"
    if family.standardised:
        prefix = f"regressor__{prefix}"
    theirs = GridSearchCV(
        family.make(3),
        {prefix + key: list(values) for key, values in family.paper_grid.items()},
        scoring="neg_mean_absolute_error",
        cv=PredefinedSplit([-1] * len(x_train) + [0] * len(x_val)),
        refit=False,
    ).fit(np.concatenate([x_train, x_val]), np.concatenate([y_train, y_val]))
    assert found.validation_mae == pytest.approx(-theirs.best_score_, rel=1e-9)
    # two points may tie
    at_ours = theirs.cv_results_["params"].index({prefix + key: value for key, value in found.params.items()})
    assert theirs.cv_results_["mean_test_score"][at_ours] == pytest.approx(theirs.best_score_, rel=1e-9)
    assert found.rows_train == len(x_train) and found.note == ""


def test_every_model_learns_something(data):
    x_train, y_train, x_val, y_val, x_test = data
    results = search_all(x_train, y_train, x_val, y_val, x_test, num_processes=2)
    assert [result.name for result in results] == list(MODELS)
    guess = np.abs(y_val - np.median(y_train)).mean()
    for result in results:
        assert result.ok, result.note
        assert result.validation_mae < 0.85 * guess, result.name
        assert result.test_predictions.shape == (len(x_test),)
        assert result.params in MODELS[result.name].points("cpu")
        assert result.seconds > 0


def test_search_all_finds_what_search_finds(data):
    x_train, y_train, x_val, y_val, x_test = data
    names = ["Bagging", "Ridge", "SGDRegressor"]
    results = search_all(x_train, y_train, x_val, y_val, x_test, names=names, seed=5, num_processes=2)
    for name, result in zip(names, results, strict=True):
        found = search(name, x_train, y_train, x_val, y_val, seed=5)
        assert (found.params, found.validation_mae) == (result.params, result.validation_mae)
        np.testing.assert_array_equal(predict(found.model, x_test), result.test_predictions)


def test_only_validation_rows_choose(data):
    x_train, y_train, x_val, _, x_test = data
    ridges = MODELS["Ridge"].points("paper")
    predicted = [MODELS["Ridge"].make(0, **params).fit(x_train, y_train).predict(x_val) for params in ridges]
    for params, y_val in zip(ridges, predicted, strict=True):
        (result,) = search_all(x_train, y_train, x_val, y_val, x_test, names=["Ridge"], grid="paper", num_processes=1)
        assert result.params == params and result.validation_mae == pytest.approx(0, abs=1e-12)


def test_a_model_that_fails_costs_nothing(data, changed):
    changed("KNeighbors", cpu_grid={"n_neighbors": (4, 10_000)})
    changed("SGDRegressor", cpu_grid={"eta0": (-1.0,)})
    results = search_all(*data, names=["KNeighbors", "SGDRegressor", "LinearRegression"], num_processes=1)
    neighbours, descent, linear = results
    assert neighbours.params == {"n_neighbors": 4}
    assert neighbours.note.startswith("1 of 2 grid points failed: ValueError") and "10000" in neighbours.note
    assert not descent.ok and np.isnan(descent.validation_mae)
    assert descent.test_predictions.shape == (50,) and np.isnan(descent.test_predictions).all()
    assert descent.note.startswith("1 of 1 grid points failed: ")
    assert linear.ok and linear.note == ""
    with pytest.raises(RuntimeError, match="SGDRegressor to fit at one point"):
        search("SGDRegressor", *data[:4])


def test_a_model_that_has_not_converged_says_so(data, changed):
    changed("ElasticNet", fixed={"max_iter": 1}, cpu_grid={"alpha": (1e-6,)})
    assert search("ElasticNet", *data[:4]).note == "stopped before it had converged"


def test_rows_are_limited_in_the_cpu_grid_alone(data, changed):
    changed("KNeighbors", max_rows=50)
    short = search("KNeighbors", *data[:4])
    assert short.rows_train == 50
    assert short.note == "50 of 160 training rows, as its cost grows with their square"
    full = search("KNeighbors", *data[:4], grid="paper")
    assert full.rows_train == 160 and full.note == ""
    assert {name for name, family in MODELS.items() if family.max_rows} == {"KNeighbors", "SVR"}


def test_an_attribute_that_is_always_missing_is_no_error(data):
    x_train, y_train, x_val, y_val, x_test = (array.copy() for array in data)
    for x in (x_train, x_val, x_test):
        x[:, 5] = np.nan
    results = search_all(x_train, y_train, x_val, y_val, x_test, names=FAST, num_processes=1)
    assert [result.note for result in results] == [""] * len(FAST)


def test_classifiers_predict_probabilities(data):
    x_train, y_train, x_val, y_val, x_test = data
    metal_train, metal_val = (y_train > 0).astype(int), (y_val > 0).astype(int)
    results = search_all(x_train, metal_train, x_val, metal_val, x_test, names=CLASSIFIERS, num_processes=1)
    for result in results:
        assert result.test_predictions.min() >= 0 and result.test_predictions.max() <= 1
        assert len(np.unique(result.test_predictions)) > 2
        found = search(result.name, x_train, metal_train, x_val, metal_val)
        accuracy = accuracy_score(metal_val, found.model.predict(x_val))
        assert result.validation_mae == pytest.approx(1 - accuracy)
        assert accuracy > 0.75


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x_val": np.zeros((50, 5))}, r"x_val of shape \(n, 6\) with n > 0, received \(50, 5\)"),
        ({"x_test": np.zeros((0, 6))}, "x_test of shape"),
        ({"y_train": np.zeros((160, 1))}, "one target at a time"),
        ({"y_val": np.full(50, np.nan)}, "NaN or infinity in y_val"),
        ({"x_train": np.full((160, 6), np.inf)}, "infinity in x_train"),
        ({"names": ["Ridge", "Lasso"]}, "received 'Lasso'"),
        ({"grid": "smoke"}, "received 'smoke'"),
    ],
)
def test_bad_input_is_named(data, change, message):
    arguments = dict(zip(("x_train", "y_train", "x_val", "y_val", "x_test"), data, strict=True)) | change
    with pytest.raises(ValueError, match=message):
        search_all(**arguments)


def test_a_prediction_that_is_not_finite_is_an_error(data):
    class Diverged:
        def predict(self, x):
            return np.full(len(x), np.inf)

    with pytest.raises(ValueError, match="received 50 that are not"):
        predict(Diverged(), data[2])


def test_classes_are_0_and_1(data):
    with pytest.raises(ValueError, match="classes 0 and 1"):
        search("LogisticRegression", *data[:4])
