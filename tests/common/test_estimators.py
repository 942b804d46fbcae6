"""scikit-learn's own checks of all estimators of the packages, and what these share."""

import copy
import functools
import pickle
import random

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.estimator_checks import parametrize_with_checks

from common import artifacts, networks
from common.estimators import NUM_SEEDS, FormulaTransformer, TrainedNetwork, seed_of, seeded
from common.features import Featurized
from elemnet import ElemNetRegressor
from irnet import IRNetClassifier, IRNetRegressor
from irnet.predict import Predictor
from transfer import FineTunedRegressor

# The smallest network that the grammar knows, linear; a step an epoch, for all rows at once.
TINY = {"recipe": "paper", "epochs": 1, "learning_rate": 0.05, "batch_size": 1_000, "random_state": 0}
SCALED = TINY | {"recipe": "small", "epochs": 2}  # its first step, that of the warm-up, has a rate of 0
NEED_SKILL = ("check_regressors_train", "check_classifiers_train", "check_classifiers_classes")
EPOCHS_OF_SKILL = 25


@functools.cache
def source_of(num_inputs: int) -> Predictor:
    card = {key: key for key in artifacts.REQUIRED_CARD_KEYS} | {"inputs": "EF", "targets": ["y"], "elements": ["H"]}
    return Predictor(networks.build("1", num_inputs, seed=2), card)


class FineTunedOfAnyWidth(FineTunedRegressor):
    """The checks fit 1 to 30 columns, a source takes one number of them: here there is one for each number."""

    def _load_source(self, num_inputs: int) -> Predictor:
        return source_of(num_inputs)


@pytest.fixture
def uncompiled():
    """Compiling so small a network takes longer than all its steps; the packages' own tests compile theirs."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@parametrize_with_checks(
    [
        ElemNetRegressor("1", **TINY),
        IRNetRegressor("1", **SCALED),
        IRNetClassifier("1", **TINY),
        FineTunedOfAnyWidth(new_head=True, **SCALED),
    ]
)
@pytest.mark.usefixtures("uncompiled")
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_checks(estimator, check):
    estimator = clone(estimator)  # the next check gets the same object
    if check.func.__name__ in NEED_SKILL:
        estimator.set_params(epochs=EPOCHS_OF_SKILL, learning_rate=0.1)
    check(estimator)


# -- a trained network ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network() -> TrainedNetwork:
    scaling = networks.InputScaling(np.arange(3.0), np.full(3, 2.0))
    model = networks.build("8BARx2-4x1D-2", 3, dropout_rates=(0.5,), input_scaling=scaling, seed=3)
    return TrainedNetwork(model, (np.zeros(3), np.full(3, 0.9)))


def test_a_copy_answers_with_the_same_bits(network):
    x = np.random.default_rng(0).random((20, 3))
    for again in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        assert (again.predict(x) == network.predict(x)).all() and again.predict(x).shape == (20, 2)


def test_a_pickle_holds_settings_and_arrays_only(network):
    state = network.__getstate__()
    assert isinstance(state["architecture"], str)
    assert all(type(array) is np.ndarray for array in [*state["weights"], *state["input_range"]])


def test_the_answer_for_a_row_does_not_depend_on_its_neighbours(network):
    x = np.random.default_rng(1).random((600, 3))
    together = network.predict(x)
    assert (
        np.concatenate([network.predict(x[i : i + 1]) for i in (0, 255, 256, 599)]) == together[[0, 255, 256, 599]]
    ).all()
    assert (network.predict(x[::-1]) == together[::-1]).all()


def test_inputs_beyond_the_range_count_as_its_end(network):
    assert (network.predict(np.array([[5.0, 0.5, -5.0]])) == network.predict(np.array([[0.9, 0.5, 0.0]]))).all()


# -- seeds ---------------------------------------------------------------------------------------------------------


def test_a_number_is_the_seed_and_generators_give_one():
    assert seed_of(7) == 7 and seed_of(NUM_SEEDS + 7) == seed_of(NUM_SEEDS + 7) < NUM_SEEDS
    generator = np.random.RandomState(0)
    assert seed_of(generator) != seed_of(generator)
    assert seed_of(None) != seed_of(None)
    with pytest.raises(ValueError):
        seed_of(-1)


def test_the_callers_generators_are_left_as_they_were():
    numpy_generator = check_random_state(None)
    numpy_state, python_state = numpy_generator.get_state(legacy=False), random.getstate()
    with seeded(1):
        numpy_generator.random()
        random.random()
    np.testing.assert_equal(numpy_generator.get_state(legacy=False), numpy_state)
    assert random.getstate() == python_state


# -- formulas ------------------------------------------------------------------------------------------------------


class Lengths(FormulaTransformer):
    def get_feature_names_out(self, input_features=None):
        return np.array(["length"], object)

    def _featurize(self, formulas):
        reasons = np.array(["" if isinstance(formula, str) else "is no text." for formula in formulas], object)
        return Featurized(np.array([[float(len(str(formula)))] for formula in formulas]), reasons)


@pytest.mark.parametrize(
    "formulas",
    [
        ["NaCl", "MgO"],
        pd.Series(["NaCl", "MgO"], index=[8, 9]),
        pd.DataFrame({"formula": ["NaCl", "MgO"]}),
        np.array(["NaCl", "MgO"]),
        np.array([["NaCl"], ["MgO"]], object),
    ],
)
def test_formulas_come_in_any_shape_of_one_column(formulas):
    assert Lengths().fit_transform(formulas).tolist() == [[4.0], [3.0]]


def test_tables_stay_tables():
    table = Lengths().set_output(transform="pandas").transform(pd.DataFrame({"formula": ["MgO"]}, index=[8]))
    assert table.columns.tolist() == ["length"] and table.index.tolist() == [8]


def test_what_is_not_a_column_of_formulas_is_refused():
    with pytest.raises(ValueError, match="single text 'NaCl'"):
        Lengths().transform("NaCl")
    with pytest.raises(ValueError, match=r"received \(1, 2\)"):
        Lengths().transform([["NaCl", "MgO"]])
    with pytest.raises(ValueError, match="1 of 2 that cannot, the first in row 1: is no text"):
        Lengths().transform(["NaCl", None])
