import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from common.metrics import (
    absolute_error_quantile,
    bootstrap_difference,
    bootstrap_interval,
    classification_report,
    mean_absolute_deviation,
    mean_absolute_error,
    r2_score,
    regression_report,
    roc_auc_score,
    root_mean_squared_error,
)

values = st.floats(-1e3, 1e3)
pairs = st.integers(1, 30).flatmap(
    lambda n: st.tuples(arrays(float, n, elements=values), arrays(float, n, elements=values))
)


@pytest.fixture
def sample():
    rng = np.random.default_rng(7)
    y_true = rng.normal(-0.5, 0.6, 500)
    return y_true, y_true + rng.laplace(0, 0.06, 500)


def test_against_scikit_learn(sample):
    assert mean_absolute_error(*sample) == pytest.approx(sklearn.metrics.mean_absolute_error(*sample))
    assert root_mean_squared_error(*sample) == pytest.approx(sklearn.metrics.mean_squared_error(*sample) ** 0.5)
    assert r2_score(*sample) == pytest.approx(sklearn.metrics.r2_score(*sample))
    assert absolute_error_quantile(*sample, 0.5) == pytest.approx(sklearn.metrics.median_absolute_error(*sample))


def test_by_hand():
    y_true, y_pred = [0.0, 1.0, 2.0, 3.0], [0.0, 2.0, 2.0, 6.0]
    assert mean_absolute_error(y_true, y_pred) == 1.0
    assert root_mean_squared_error(y_true, y_pred) == pytest.approx(2.5**0.5)
    assert r2_score(y_true, y_pred) == pytest.approx(1 - 10 / 5)
    assert mean_absolute_deviation(y_true) == 1.0
    assert absolute_error_quantile(y_true, y_pred, 1) == 3.0


def test_report_holds_the_single_figures(sample):
    report = regression_report(*sample)
    assert report == {
        "mae": mean_absolute_error(*sample),
        "rmse": root_mean_squared_error(*sample),
        "r2": r2_score(*sample),
        "median_absolute_error": absolute_error_quantile(*sample, 0.5),
        "p90_absolute_error": absolute_error_quantile(*sample, 0.9),
        "mean_absolute_deviation": mean_absolute_deviation(sample[0]),
        "n": 500,
    }
    assert regression_report([1.0, 1.0], [1.0, 2.0])["r2"] is None


@settings(max_examples=50, deadline=None)
@given(pairs)
def test_properties(pair):
    y_true, y_pred = pair
    mae = mean_absolute_error(y_true, y_pred)
    assert mae == mean_absolute_error(y_pred, y_true) >= 0
    assert mean_absolute_error(y_true, y_true) == 0
    assert root_mean_squared_error(y_true, y_pred) >= mae * (1 - 1e-9) - 1e-150  # squares below that are 0
    assert absolute_error_quantile(y_true, y_pred, 0.5) <= absolute_error_quantile(y_true, y_pred, 0.9)
    mean = np.full_like(y_true, np.mean(y_true))
    assert mean_absolute_deviation(y_true) == pytest.approx(mean_absolute_error(y_true, mean))
    low, high = bootstrap_interval(mean_absolute_error, y_true, y_pred, num_resamples=20)
    errors = np.abs(y_true - y_pred)
    assert errors.min() - 1e-9 <= low <= high <= errors.max() + 1e-9


def test_bootstrap_against_scipy(sample):
    errors = np.abs(sample[0] - sample[1])
    theirs = scipy.stats.bootstrap(
        (errors,), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    ours = bootstrap_interval(mean_absolute_error, *sample, num_resamples=20_000, seed=2)
    # Two independent bootstraps: their ends differ by Monte-Carlo noise, a few percent of the width.
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.05 * (theirs.high - theirs.low))


def test_fast_and_general_bootstrap_agree(sample):
    fast = bootstrap_interval(mean_absolute_error, *sample, num_resamples=4000)
    general = bootstrap_interval(lambda y, p: mean_absolute_error(y, p), *sample, num_resamples=4000)
    assert fast == pytest.approx(general, abs=0.1 * (fast[1] - fast[0]))


def test_bootstrap_is_seeded_and_widens_with_level(sample):
    interval = bootstrap_interval(mean_absolute_error, *sample, seed=3)
    assert interval == bootstrap_interval(mean_absolute_error, *sample, seed=3)
    assert interval != bootstrap_interval(mean_absolute_error, *sample, seed=4)
    wide = bootstrap_interval(mean_absolute_error, *sample, seed=3, level=0.99)
    assert wide[0] < interval[0] < mean_absolute_error(*sample) < interval[1] < wide[1]


def test_bootstrap_in_chunks_covers_every_resample(sample, monkeypatch):
    monkeypatch.setattr("common.metrics._RESAMPLED_VALUES_AT_ONCE", 3 * 500)
    low, high = bootstrap_interval(mean_absolute_error, *sample, num_resamples=100)
    monkeypatch.undo()
    # Same generator, same order of draws: chunks change memory, not numbers.
    assert (low, high) == bootstrap_interval(mean_absolute_error, *sample, num_resamples=100)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([1.0, 2.0], [1.0], r"shape of y_true \(2,\), received \(1,\)"),
        ([1.0], [[1.0]], r"received \(1, 1\); drop the last axis"),
        ([], [], "at least one row"),
        ([1.0, np.nan], [1.0, 2.0], r"values in y_true, received 1 NaN or infinite of 2 \(first at row 1\)"),
        ([1.0, 2.0], [np.inf, 2.0], r"values in y_pred"),
    ],
)
def test_bad_pairs_are_refused_by_every_metric(y_true, y_pred, message):
    for metric in (
        mean_absolute_error,
        root_mean_squared_error,
        r2_score,
        regression_report,
        lambda y, p: absolute_error_quantile(y, p, 0.5),
        lambda y, p: bootstrap_interval(mean_absolute_error, y, p),
    ):
        with pytest.raises(ValueError, match=message):
            metric(y_true, y_pred)


def test_bad_settings_are_refused(sample):
    with pytest.raises(ValueError, match=r"quantile in \[0, 1\], received 90"):
        absolute_error_quantile(*sample, 90)
    with pytest.raises(ValueError, match=r"level in \(0, 1\), received 95"):
        bootstrap_interval(mean_absolute_error, *sample, level=95)
    with pytest.raises(ValueError, match="num_resamples >= 1"):
        bootstrap_interval(mean_absolute_error, *sample, num_resamples=0)
    with pytest.raises(ValueError, match="two different values"):
        r2_score([1.0, 1.0], [1.0, 2.0])


# ------------------------------------------------------------------------------------------------------- classes


@pytest.fixture(params=[2, 3, 5])
def classes(request):
    """Classes of unequal size, and float32 probabilities that are right more often than not."""
    rng = np.random.default_rng(request.param)
    y_true = rng.choice(request.param, 300, p=rng.dirichlet(np.full(request.param, 4.0)))
    probability = rng.dirichlet(np.ones(request.param), 300) + 0.4 * np.eye(request.param)[y_true]
    return y_true, (probability / probability.sum(axis=1, keepdims=True)).astype(np.float32)


def test_classification_against_scikit_learn(classes):
    y_true, probability = classes
    num_classes = probability.shape[1]
    report = classification_report(y_true, probability)
    predicted = probability.argmax(axis=1)
    assert report["accuracy"] == sklearn.metrics.accuracy_score(y_true, predicted)
    assert report["balanced_accuracy"] == sklearn.metrics.balanced_accuracy_score(y_true, predicted)
    assert report["f1"] == sklearn.metrics.f1_score(y_true, predicted, average="macro")
    assert report["n"] == 300
    one_hot = np.eye(num_classes)[y_true]
    assert report["log_loss"] == pytest.approx(-np.log((probability * one_hot).sum(axis=1)).mean(), rel=1e-5)
    by_class = [
        sklearn.metrics.roc_auc_score(y_true == number, probability[:, number]) for number in range(num_classes)
    ]
    assert report["roc_auc"] == pytest.approx(np.mean(by_class))


def test_the_probability_of_class_1_is_enough(classes):
    y_true, probability = classes
    if probability.shape[1] == 2:
        short, full = classification_report(y_true, probability[:, 1]), classification_report(y_true, probability)
        assert short == pytest.approx(full, rel=1e-5)


def test_classification_by_hand():
    report = classification_report([0, 0, 0, 1], [0.2, 0.4, 0.9, 0.8])
    assert report["accuracy"] == 0.75 and report["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert report["f1"] == pytest.approx((0.8 + 2 / 3) / 2) and report["roc_auc"] == pytest.approx(2 / 3)


def test_a_class_without_rows_has_no_ranking():
    report = classification_report([0, 0, 1], np.array([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.1, 0.8, 0.1]]))
    assert report["roc_auc"] is None and report["accuracy"] == pytest.approx(2 / 3)
    assert classification_report([1, 1], [0.9, 0.6])["roc_auc"] is None


@pytest.mark.parametrize(
    ("y_true", "probability"), [([], []), ([0, 1], [0.5]), ([0, 1], [0.5, np.nan]), ([[0], [1]], [0.5, 0.5])]
)
def test_classes_that_cannot_be_scored_are_refused(y_true, probability):
    with pytest.raises(ValueError, match="a finite probability for each"):
        classification_report(y_true, probability)


# ------------------------------------------------------------------------------------------------- area under the ROC

ranked = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        arrays(int, n, elements=st.integers(0, 1)).filter(lambda labels: 0 < labels.sum() < labels.size),
        arrays(float, n, elements=st.integers(-5, 5).map(float)),  # few values: many ties
    )
)


@pytest.fixture
def two_scores():
    """Two models' scores of the same 400 rows, a quarter of class 1; the first is the better."""
    rng = np.random.default_rng(5)
    labels = (np.arange(400) % 4 == 0).astype(int)
    shared = rng.normal(size=400) + labels
    return labels, shared + rng.normal(0, 0.4, 400), shared + rng.normal(0, 1.2, 400)


@settings(max_examples=100, deadline=None)
@given(ranked)
def test_area_against_scikit_learn_and_its_symmetries(sample):
    labels, score = sample
    area = roc_auc_score(labels, score)
    assert area == pytest.approx(sklearn.metrics.roc_auc_score(labels, score), abs=1e-12)
    assert roc_auc_score(labels, np.exp(score) - 7) == area  # only the order counts
    assert roc_auc_score(1 - labels, score) == pytest.approx(1 - area, abs=1e-12)
    assert roc_auc_score(labels, -score) == pytest.approx(1 - area, abs=1e-12)


def test_area_by_hand():
    assert roc_auc_score([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]) == 0.75
    assert roc_auc_score([0, 1], [2.0, 2.0]) == 0.5


@pytest.mark.parametrize("labels", [[1, 1, 1], [0, 0, 0], [0, 1, 2], [0, 1, 0.5]])
def test_area_needs_two_classes(labels):
    with pytest.raises(ValueError, match="rows of 0 and of 1, received"):
        roc_auc_score(labels, [1.0, 2.0, 3.0])


def test_strata_keep_the_number_of_rows_of_each_class():
    labels, score = np.array([0] * 30 + [1] * 2), np.arange(32.0) % 7
    seen = set()

    def metric(y_true, y_pred):
        seen.add(y_true.sum())
        return roc_auc_score(y_true, y_pred)  # not defined for one plain resample in eight, which has no row of class 1

    low, high = bootstrap_interval(metric, labels, score, strata=labels)
    assert seen == {2} and 0 <= low < high <= 1
    with pytest.raises(ValueError, match=r"strata of shape \(32,\), received \(2,\)"):
        bootstrap_interval(roc_auc_score, labels, score, strata=[0, 1])


def test_intervals_of_areas_against_delong(two_scores):
    """E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44, 837 (1988), from all pairs of rows."""
    labels, first, second = two_scores
    wins = [np.sign(s[labels == 1][:, None] - s[labels == 0]) / 2 + 0.5 for s in (first, second)]

    def standard_error(pairs):  # (num_ones, num_zeros)
        return np.sqrt(sum(pairs.mean(axis=axis).var(ddof=1) / pairs.shape[1 - axis] for axis in (0, 1)))

    low, high = bootstrap_interval(roc_auc_score, labels, first, strata=labels, num_resamples=4000)
    assert (high - low) / 2 == pytest.approx(1.96 * standard_error(wins[0]), rel=0.06)
    low, high = bootstrap_difference(roc_auc_score, labels, first, second, strata=labels, num_resamples=4000)
    assert (high - low) / 2 == pytest.approx(1.96 * standard_error(wins[0] - wins[1]), rel=0.06)


def test_a_paired_difference_is_surer_than_two_intervals(two_scores):
    labels, first, second = two_scores
    low, high = bootstrap_difference(roc_auc_score, labels, first, second, strata=labels)
    assert 0 < low < roc_auc_score(labels, first) - roc_auc_score(labels, second) < high
    (first_low, _), (_, second_high) = (bootstrap_interval(roc_auc_score, labels, s) for s in (first, second))
    assert first_low < second_high  # their own intervals overlap
    assert bootstrap_difference(roc_auc_score, labels, second, first, strata=labels) == pytest.approx((-high, -low))
    assert bootstrap_difference(roc_auc_score, labels, first, first) == (0, 0)
    with pytest.raises(ValueError, match="y_pred of the shape"):
        bootstrap_difference(roc_auc_score, labels, first, second[:-1])
    with pytest.raises(ValueError, match="num_resamples >= 1"):
        bootstrap_difference(roc_auc_score, labels, first, second, num_resamples=0)


def test_a_difference_of_errors_is_the_error_of_differences(sample):
    y_true, first = sample
    second = first + 0.01
    gain = np.abs(y_true - first) - np.abs(y_true - second)
    ours = bootstrap_difference(mean_absolute_error, y_true, first, second)
    theirs = bootstrap_interval(lambda gains, _: float(gains.mean()), gain, gain)
    assert ours == pytest.approx(theirs)
