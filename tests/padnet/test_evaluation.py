import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from padnet.data import SIMULATED, XrdDataset
from padnet.evaluation import CrossValidated, accuracy, gather, mcnemar_p_value, paired_test, shuffled_images


def answered(name: str, labels: np.ndarray, predicted: np.ndarray, num_classes: int = 4) -> CrossValidated:
    fold = np.arange(len(labels)) % 5
    parts = [
        (number, np.flatnonzero(fold == number), np.eye(num_classes)[predicted[fold == number]]) for number in range(5)
    ]
    return gather(name, labels, num_classes, parts)


def numbered_dataset(num_samples: int) -> XrdDataset:
    """The frame of each sample holds its number."""
    numbers = np.arange(num_samples)
    return XrdDataset(
        "wafer",
        SIMULATED,
        np.broadcast_to(numbers[:, None, None, None], (num_samples, 2, 3, 3)).copy(),
        np.stack([numbers, 1 - numbers], axis=1).astype(float),
        ("Sn", "Ti"),
        np.zeros((num_samples, 2)),
        numbers % 2,
        ("a", "b"),
        tuple(map(str, numbers)),
        patterns=numbers[:, None] * np.ones(7),
    )


@settings(deadline=None, max_examples=30)
@given(num_samples=st.integers(2, 60), seed=st.integers(0, 99))
def test_shuffling_gives_every_sample_the_image_of_another(num_samples, seed):
    dataset = numbered_dataset(num_samples)
    shuffled = shuffled_images(dataset, seed)
    numbers = shuffled.frames[:, 0, 0, 0]
    np.testing.assert_array_equal(np.sort(numbers), np.arange(num_samples))
    assert (numbers != np.arange(num_samples)).all()
    np.testing.assert_array_equal(shuffled.patterns[:, 0], numbers)
    for kept in ("composition", "position_mm", "labels"):
        np.testing.assert_array_equal(getattr(shuffled, kept), getattr(dataset, kept))


def test_one_sample_cannot_be_shuffled():
    with pytest.raises(ValueError, match="two samples or more to shuffle images across; received 1"):
        shuffled_images(numbered_dataset(1))


def test_mcnemar_p_values_are_the_binomial_ones():
    # Two-sided tail of Binomial(n, 1/2), by hand: 2 * (1 + 10) / 1024 for 1 against 9.
    assert mcnemar_p_value(1, 9) == pytest.approx(22 / 1024)
    assert mcnemar_p_value(9, 1) == mcnemar_p_value(1, 9)
    assert mcnemar_p_value(0, 6) == pytest.approx(2 / 64)
    assert mcnemar_p_value(4, 4) == mcnemar_p_value(0, 0) == 1


def test_a_paired_test_counts_what_one_alone_has_right():
    labels = np.zeros(100, int)
    ours, theirs = np.zeros(100, int), np.zeros(100, int)
    theirs[:14] = 1  # 14 that ours alone has right
    ours[14:16] = 2  # 2 that theirs alone has right
    ours[16:20] = theirs[16:20] = 3
    test = paired_test(answered("ours", labels, ours), answered("theirs", labels, theirs))
    assert (test.only_first, test.only_second, test.num_samples) == (14, 2, 100)
    assert test.difference == pytest.approx(accuracy_score(labels, ours) - accuracy_score(labels, theirs))
    assert test.p_value == pytest.approx(2 * sum([1, 16, 120]) / 2**16)
    assert 0 < test.low < test.difference < test.high < 0.25
    assert test.verdict == "better"
    assert paired_test(answered("theirs", labels, theirs), answered("ours", labels, ours)).verdict == "worse"


def test_equal_accuracy_shows_no_difference():
    labels = np.zeros(40, int)
    ours, theirs = labels.copy(), labels.copy()
    ours[:5], theirs[5:10] = 1, 1
    test = paired_test(answered("a", labels, ours), answered("b", labels, theirs))
    assert (test.difference, test.p_value, test.verdict) == (0, 1, "no difference shown")


def test_the_mcnemar_test_rejects_a_true_null_no_more_often_than_it_says():
    rng = np.random.default_rng(0)
    rejected = [mcnemar_p_value(wins, 30 - wins) < 0.05 for wins in rng.binomial(30, 0.5, 2000)]
    assert np.mean(rejected) < 0.05


def test_a_failed_fold_leaves_its_rows_out_of_both():
    labels = np.arange(10) % 4
    full = answered("full", labels, labels)
    rows = np.arange(6)
    part = gather("part", labels, 4, [(0, rows, np.eye(4)[labels[rows]])])
    assert part.accuracy == 1 and part.tested.sum() == 6
    np.testing.assert_array_equal(part.predicted[6:], -1)
    assert paired_test(full, part).num_samples == 6


def test_accuracies_of_folds_and_of_samples():
    labels = np.zeros(12, int)
    parts = [(0, np.arange(4), np.eye(2)[[0, 0, 0, 1]]), (1, np.arange(4, 12), np.eye(2)[[0] * 8])]
    found = gather("method", labels, 2, parts)
    np.testing.assert_allclose(found.fold_accuracies, [0.75, 1.0])
    assert found.accuracy == pytest.approx(11 / 12)
    low, high = found.interval()
    assert low < 11 / 12 <= high
    assert accuracy([0, 1, 1], [0, 1, 0]) == pytest.approx(2 / 3)


def test_other_samples_cannot_be_compared():
    labels = np.arange(20) % 4
    with pytest.raises(ValueError, match="on the same samples; received 20 and 16 with 0 tested in both"):
        paired_test(answered("a", labels, labels), answered("b", labels[:16], labels[:16]))
    with pytest.raises(ValueError, match="received none: every training failed"):
        gather("a", labels, 4, [])
