import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.naive_bayes import GaussianNB

from padnet import baselines
from padnet.data import SIMULATED, XrdDataset
from padnet.envelope import remove_envelope
from padnet.folds import stratified_folds, with_validation


def blobs(seed: int, num_rows: int = 120) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, num_rows)
    return np.eye(3)[y] * 3 + rng.normal(size=(num_rows, 3)), y


def small_dataset(patterns: np.ndarray | None) -> XrdDataset:
    return XrdDataset(
        "wafer",
        SIMULATED,
        np.zeros((6, 1, 4, 4), np.uint16),
        np.full((6, 3), 1 / 3),
        ("Sn", "Ti", "Zn"),
        np.arange(12.0).reshape(6, 2),
        np.arange(6) % 2,
        ("a", "b"),
        tuple("123456"),
        patterns=patterns,
    )


@pytest.mark.parametrize("name", list(baselines.FAMILIES))
def test_every_family_learns_separated_classes(name):
    (x, y), (x_validation, y_validation), (x_test, y_test) = blobs(0), blobs(1, 40), blobs(2)
    best = baselines.fit_best(name, x, y, x_validation, y_validation, num_classes=3)
    probability = best.predict(x_test)
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-9)
    assert (probability.argmax(axis=1) == y_test).mean() > 0.85


def test_naive_bayes_is_scikit_learns():
    (x, y), (x_test, _) = blobs(0), blobs(2)
    best = baselines.fit_best("NaiveBayes", x, y, x, y, num_classes=3)
    np.testing.assert_allclose(best.predict(x_test), GaussianNB().fit(x, y).predict_proba(x_test), atol=1e-12)


def test_validation_rows_choose_the_point():
    """Noise in the training labels: only the validation rows tell which depth is better."""
    rng = np.random.default_rng(4)
    x = rng.random((300, 2))
    truth = (x[:, 0] > 0.5).astype(int)
    noisy = np.where(rng.random(300) < 0.3, 1 - truth, truth)
    best = baselines.fit_best("AdaBoost", x[:200], noisy[:200], x[200:], truth[200:], num_classes=2)
    assert best.params["max_depth"] == 2
    overfitted = baselines.fit_best("AdaBoost", x[:200], noisy[:200], x[:200], noisy[:200], num_classes=2)
    assert overfitted.params["max_depth"] == 10


def test_a_class_that_training_lacks_gets_no_probability():
    x, y = blobs(0)
    known = y != 1
    best = baselines.fit_best("RandomForest", x[known], y[known], x[known], y[known], num_classes=3, seed=5)
    probability = best.predict(x)
    assert (probability[:, 1] == 0).all()
    forest = RandomForestClassifier(**best.params, random_state=5).fit(x[known], y[known])
    np.testing.assert_array_equal(probability[:, [0, 2]], forest.predict_proba(x))


def test_inputs_stand_side_by_side():
    patterns = np.random.default_rng(0).poisson(50, (6, 80)).astype(float)
    dataset = small_dataset(patterns)
    x = baselines.inputs(dataset, ("patterns", "composition", "position"), background=True)
    np.testing.assert_array_equal(x, np.hstack([remove_envelope(patterns), dataset.composition, dataset.position_mm]))
    np.testing.assert_array_equal(baselines.inputs(dataset, ("patterns",)), patterns)


def test_missing_patterns_and_unknown_names_are_refused():
    with pytest.raises(ValueError, match="Expected 1D patterns in wafer; received frames alone"):
        baselines.inputs(small_dataset(None), ("patterns",))
    with pytest.raises(ValueError, match="Expected inputs among patterns, composition, position; received image"):
        baselines.inputs(small_dataset(None), ("image",))
    with pytest.raises(ValueError, match="Expected a model of AdaBoost, .*; received 'SVM'"):
        baselines.fit_best("SVM", *blobs(0), *blobs(1), num_classes=3)


def test_cross_validation_predicts_every_row_by_the_fold_that_did_not_see_it():
    """Labels of the test rows are wrong on purpose: a model that saw them would repeat them."""
    x, y = blobs(3)
    folds = with_validation(stratified_folds(y, 4), y)
    found = baselines.cross_validate(baselines.BaselineJob("nb", "NaiveBayes", x, y, folds, 3))
    assert found.accuracy > 0.9 and found.tested.all()
    shifted = y.copy()
    shifted[folds[0].test] = (y[folds[0].test] + 1) % 3
    again = baselines.cross_validate(baselines.BaselineJob("nb", "NaiveBayes", x, shifted, folds[:1], 3))
    np.testing.assert_array_equal(again.predicted[folds[0].test], found.predicted[folds[0].test])
