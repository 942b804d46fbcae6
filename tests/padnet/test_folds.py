import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padnet import folds
from padnet.folds import released_folds, small_classes, spatial_folds, stratified_folds

GRID_MM = np.stack(np.meshgrid(np.arange(15.0), np.arange(12.0)), axis=-1).reshape(-1, 2)


def test_released_folds_are_the_slices_of_one_shuffle_with_the_released_seed():
    np.random.seed(1234567)  # noqa: NPY002 - the call of the released code
    order = np.arange(177)
    np.random.shuffle(order)  # noqa: NPY002
    found = released_folds(177)
    assert [len(rows) for rows in found] == [17, 18, 18, 17, 18, 18, 17, 18, 18, 18]
    np.testing.assert_array_equal(found[0], np.sort(order[:17]))
    np.testing.assert_array_equal(found[9], np.sort(order[159:]))


@settings(deadline=None)
@given(num_samples=st.integers(12, 200), num_folds=st.integers(2, 12), seed=st.integers(0, 9))
def test_every_row_is_tested_once(num_samples, num_folds, seed):
    rng = np.random.default_rng(seed)
    labels, places = rng.integers(0, 5, num_samples), rng.random((num_samples, 2))
    for found in (
        released_folds(num_samples, num_folds),
        stratified_folds(labels, num_folds, seed),
        spatial_folds(places, num_folds),
    ):
        assert len(found) == num_folds
        np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(num_samples))
    for fold in folds.with_validation(stratified_folds(labels, num_folds, seed), labels, seed):
        np.testing.assert_array_equal(
            np.sort(np.concatenate([fold.train, fold.validation, fold.test])), np.arange(num_samples)
        )


def test_stratified_folds_hold_each_class_in_proportion():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    for test in stratified_folds(labels, 10, seed=3):
        np.testing.assert_array_equal(np.bincount(labels[test]), [5, 3, 2])


def test_stratified_folds_of_classes_that_are_all_small_still_spread_them():
    labels = np.repeat(np.arange(6), 3)
    for test in stratified_folds(labels, 6, seed=0):
        assert len(np.unique(labels[test])) == len(test) == 3


def test_a_small_class_is_a_sentence_and_tested_where_it_can_be():
    labels = np.repeat([0, 1], [40, 7])
    assert small_classes(labels, 10, ("rutile", "spinel")) == ["Class spinel has 7 samples, fewer than the 10 folds."]
    assert small_classes(labels, 7) == []
    assert sum((labels[test] == 1).any() for test in stratified_folds(labels, 10)) == 7


def test_validation_takes_its_share_of_every_class_but_of_tiny_ones():
    labels = np.repeat([0, 1, 2], [60, 30, 2])
    (fold,) = folds.with_validation([np.array([0, 60])], labels, share=0.1)
    np.testing.assert_array_equal(np.bincount(labels[fold.validation], minlength=3), [6, 3, 0])


def test_blocks_are_equal_in_size_and_apart():
    blocks = spatial_folds(GRID_MM, 10)
    assert {len(rows) for rows in blocks} == {18}
    # Of a test sample's four neighbours, most are in the block itself; of random folds hardly any are.
    assert _share_of_neighbours_inside(blocks) > 0.6
    assert _share_of_neighbours_inside(released_folds(len(GRID_MM), 10)) < 0.2


def test_blocks_do_not_depend_on_the_order_of_samples():
    order = np.random.default_rng(0).permutation(len(GRID_MM))
    blocks = {frozenset(rows) for rows in spatial_folds(GRID_MM, 7)}
    assert {frozenset(order[rows]) for rows in spatial_folds(GRID_MM[order], 7)} == blocks


def test_test_rows_of_a_class_that_is_not_trained_on_are_counted():
    labels = np.repeat([0, 1], [8, 2])
    fold = folds.Fold(np.arange(6), np.array([6]), np.array([7, 8, 9]))
    assert folds.unseen_test_rows([fold], labels) == 2


def test_too_many_folds_and_lost_places_are_refused():
    with pytest.raises(ValueError, match="Expected from 2 folds to one a sample \\(5\\); received 10"):
        released_folds(5, 10)
    with pytest.raises(ValueError, match="Give positions, or take stratified folds"):
        spatial_folds(np.full((20, 2), np.nan), 4)


def _share_of_neighbours_inside(blocks) -> float:
    inside = total = 0
    for rows in blocks:
        distance = np.abs(GRID_MM[rows][:, None] - GRID_MM[None]).sum(axis=-1)  # (n_test, n)
        is_neighbour = distance == 1
        inside, total = inside + is_neighbour[:, rows].sum(), total + is_neighbour.sum()
    return inside / total
