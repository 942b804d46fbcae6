from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from common import networks
from common.activations import activations
from transfer import representation
from transfer.representation import auc_difference, separate

FIRST = "stack1_block1_activation"


@pytest.fixture(scope="module")
def model():
    return networks.build("24x2D-8BARx1D-1", 6, dropout_rates=(0.5, 0.5), seed=3)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).dirichlet(np.ones(6), 70).astype(np.float32)


# -------------------------------------------------------------------------------------------------------- separation


def two_classes(num_rows=600, num_units=20, distance=1.0, seed=0):
    """Activations of which some differ between two classes of unequal size, some are constant and some dead."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(num_rows) < 0.3).astype(int)
    values = rng.normal(size=(num_rows, num_units)) + distance * labels[:, None] * (np.arange(num_units) < 3)
    values[:, -2:] = [0, 7]
    return values.astype(np.float32) * np.linspace(0.1, 50, num_units, dtype=np.float32), labels


@pytest.fixture(scope="module")
def sample():
    return two_classes()


@pytest.fixture(scope="module")
def separation(sample):
    return separate(*sample)


def test_separation_against_scikit_learn(sample, separation):
    values, labels = sample
    train = np.setdiff1d(np.arange(600), separation.test_rows)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=separation.regularisation_c, tol=1e-8, max_iter=9999))
    theirs.fit(values[train].astype(float), labels[train])  # lbfgs in float64
    # Ours stops where no component of the gradient is beyond 1e-4.
    np.testing.assert_allclose(separation.weights, theirs[-1].coef_[0], atol=1e-3)
    score = theirs.decision_function(values[separation.test_rows])
    np.testing.assert_allclose(separation.score, score, atol=5e-3)
    assert separation.accuracy == theirs.score(values[separation.test_rows], labels[separation.test_rows])


def test_separation_is_whole(sample, separation):
    labels = sample[1]
    assert separation.num_test == 60 and separation.num_train == 540
    np.testing.assert_array_equal(separation.y_true, labels[separation.test_rows])
    assert (np.diff(separation.test_rows) > 0).all()
    assert separation.y_true.mean() == pytest.approx(labels.mean(), abs=1 / 60)  # stratified
    assert separation.majority_share == pytest.approx(1 - separation.y_true.mean())
    assert separation.auc == pytest.approx(sklearn.metrics.roc_auc_score(separation.y_true, separation.score))
    curve = separation.false_positive_rate, separation.true_positive_rate
    assert sklearn.metrics.auc(*curve) == pytest.approx(separation.auc)
    low, high = separation.auc_interval
    assert 0.5 < low < separation.auc < high <= 1
    assert separation.weights.shape == (20,) and (separation.weights[-2:] == 0).all()  # constant units


def test_separation_is_seeded(sample, separation):
    again, other = separate(*sample), separate(*sample, seed=1)
    assert (again.auc, again.auc_interval) == (separation.auc, separation.auc_interval)
    np.testing.assert_array_equal(again.score, separation.score)
    assert not np.array_equal(other.test_rows, separation.test_rows)


def test_units_may_be_rescaled(sample, separation):
    values, labels = sample
    rescaled = separate(values * np.geomspace(1e-3, 1e3, 20, dtype=np.float32) + 5, labels)
    np.testing.assert_allclose(rescaled.score, separation.score, atol=0.01)


def test_test_rows_do_not_touch_the_fit(sample, separation, monkeypatch):
    values, labels = (array.copy() for array in sample)
    test = separation.test_rows
    values[test] = np.random.default_rng(9).normal(0, 1e4, (len(test), 20))
    labels[test] = 1 - labels[test]
    # Other labels would be split otherwise: the rows are held as they were.
    rows = np.setdiff1d(np.arange(600), test), test
    monkeypatch.setattr(representation, "_split", lambda *_: rows)
    changed = separate(values, labels)
    np.testing.assert_array_equal(changed.weights, separation.weights)
    assert changed.regularisation_c == separation.regularisation_c
    assert changed.auc != separation.auc


def test_noise_is_not_separated_and_is_regularised_most():
    rng = np.random.default_rng(4)
    noise = separate(rng.normal(size=(2000, 50)).astype(np.float32), rng.integers(0, 2, 2000), test_fraction=0.5)
    assert noise.auc_interval[0] < 0.5 < noise.auc_interval[1]
    assert noise.regularisation_c == 1e-4


@pytest.mark.filterwarnings("error")
def test_classes_apart_and_more_units_than_rows():
    values, labels = two_classes(40, 300)
    values[:, :100] += 1000 * labels[:, None]
    result = separate(values, labels, test_fraction=0.25)
    assert result.auc == 1 and result.auc_interval == (1, 1) and result.accuracy == 1


@pytest.mark.filterwarnings("error")
def test_the_fewest_rows_of_a_class():
    values = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    labels = np.arange(500) < 10
    for fraction in (0.1, 0.5):
        result = separate(values, labels, test_fraction=fraction)
        assert 0 <= result.auc_interval[0] <= result.auc <= result.auc_interval[1] <= 1
    with pytest.raises(ValueError, match="test_fraction of 0.01 leaves none of the 10 rows with label 1"):
        separate(values, labels, test_fraction=0.01)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros(30), "at least 10 rows of each label; received 30 of 0 and 0 of 1"),
        (np.arange(30) < 9, "received 21 of 0 and 9 of 1"),
        (np.arange(30) % 3, "labels 0 and 1; received 10 others, such as 2"),
        (np.where(np.arange(30) < 3, np.nan, 1), "received 3 others, such as nan"),
        (["metal", "insulator"] * 15, "received 30 others, such as 'metal'"),
        (np.zeros(29), r"one label for each of 30 rows; received shape \(29,\)"),
        (np.zeros((30, 1)), r"received shape \(30, 1\)"),
    ],
)
def test_labels_that_are_refused(labels, words):
    with pytest.raises(ValueError, match=words):
        separate(np.ones((30, 2)), labels)


def test_activations_and_fractions_that_are_refused(sample):
    values, labels = sample[0].copy(), sample[1]
    for fraction in (0, 0.6, -1):
        with pytest.raises(ValueError, match="test_fraction above 0 and up to 0.5"):
            separate(values, labels, test_fraction=fraction)
    values[[7, 9], 2] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"NaN or infinite in 2 of 600 rows \(the first is row 7\)"):
        separate(values, labels)
    with pytest.raises(ValueError, match=r"shape \(n, units\)"):
        separate(labels, labels)


# -------------------------------------------------------------------------------------------------------- comparison


def test_differences_of_areas(sample, separation):
    values, labels = sample
    blind = separate(values[:, 1:], labels)  # one of the units that differ is gone
    difference, low, high = auc_difference(separation, blind)
    assert difference == separation.auc - blind.auc and low < difference < high
    backwards = auc_difference(blind, separation)
    assert backwards == pytest.approx((-difference, -high, -low))
    assert auc_difference(separation, separation) == (0, 0, 0)
    assert auc_difference(separation, blind, seed=1) != (difference, low, high)


def test_other_test_rows_are_not_compared(sample, separation):
    for other in (
        separate(*sample, seed=1),
        separate(*sample, test_fraction=0.2),
        replace(separation, y_true=1 - separation.y_true),
    ):
        with pytest.raises(ValueError, match="Expected the same test rows with the same labels"):
            auc_difference(separation, other)


def test_from_a_network_to_what_it_knows(model, x):
    is_rich = (x[:, 0] > np.median(x[:, 0])).astype(int)
    known = separate(activations(model, x, FIRST), is_rich, test_fraction=0.3)
    assert known.auc > 0.9
