"""Rows of a split and the protocols that assign them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.rows import Rows, assign_splits


def rows(n: int) -> Rows:
    return Rows(pd.DataFrame({"formula": [f"H{i}" for i in range(n)]}), np.arange(2 * n).reshape(n, 2), np.arange(n))


@given(st.integers(1, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 5))
def test_draws_are_nested_and_their_parts_belong_together(n, fewer, more, seed):
    fewer, more = sorted((fewer, more))
    small, large = rows(n).draw(fewer, seed), rows(n).draw(more, seed)
    assert len(small) == min(fewer, n) and len(large) == min(more, n)
    assert set(small.y) <= set(large.y) and len(set(large.y)) == len(large)
    for drawn in (small, large):
        assert drawn.frame["formula"].tolist() == [f"H{i}" for i in drawn.y]
        np.testing.assert_array_equal(drawn.x, np.stack([2 * drawn.y, 2 * drawn.y + 1], axis=1))


def test_another_seed_draws_other_rows_and_none_draws_all():
    assert set(rows(100).draw(10, 0).y) != set(rows(100).draw(10, 1).y)
    everything = rows(5)
    assert everything.draw(None, 0) is everything and everything.draw(5, 0) is everything


def assign(split: list[str], protocol: str = "honest", seed: int = 0) -> list[str]:
    assigned = assign_splits(pd.Series(split, dtype=object), protocol=protocol, validation_fraction=0.25, seed=seed)
    return assigned.tolist()


def test_splits_of_the_data_are_kept():
    split = ["train", "val", "test", "train"]
    assert assign(split) == split


def test_validation_is_cut_from_training_where_there_is_none():
    split = ["train"] * 40 + ["test"] * 10
    assigned = assign(split)
    assert assigned[40:] == ["test"] * 10 and assigned.count("val") == 10 and assigned.count("train") == 30
    assert assign(split) == assigned and assign(split, seed=1) != assigned
    assert split == ["train"] * 40 + ["test"] * 10  # the caller's own is not touched


def test_protocol_paper_trains_on_all_that_is_not_test():
    assert assign(["train", "val", "test", "val"], "paper") == ["train", "train", "test", "train"]
    assert assign(["train"] * 8 + ["test"], "paper") == ["train"] * 8 + ["test"]


@pytest.mark.parametrize("split", [["test", "test"], ["train", "test"], []])
def test_too_few_rows_are_left_for_the_caller_to_report(split):
    assert assign(split) == split
