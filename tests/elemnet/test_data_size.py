"""Training sizes, settings at each, and crossings of curves against power laws solved by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.rows import Rows
from elemnet.config import FAST_RECIPE, PAPER_RECIPE, SMALL_RECIPE
from elemnet.data_size import MIN_STEPS, crossing, log_spaced_sizes, network_config

CPU = FAST_RECIPE.with_training(max_epochs=14, dropout_free_epochs=4)


@given(st.integers(1, 2000), st.integers(2, 300_000), st.integers(2, 20))
def test_sizes_rise_from_end_to_end_with_even_ratios(smallest, more, count):
    largest = smallest + more
    sizes = log_spaced_sizes(smallest, largest, count)
    assert sizes[0] == smallest and sizes[-1] == largest and len(sizes) <= count
    assert all(a < b for a, b in zip(sizes, sizes[1:], strict=False))
    if smallest >= 100 and largest > 2 * smallest * count:
        ratios = np.array(sizes[1:]) / np.array(sizes[:-1])
        assert len(sizes) == count and np.ptp(ratios) < 0.02 * ratios[0]


@pytest.mark.parametrize(("smallest", "largest", "count"), [(464, 464, 8), (0, 10, 3), (464, 1000, 1), (10, 5, 3)])
def test_ends_that_leave_no_room_are_refused(smallest, largest, count):
    with pytest.raises(ValueError, match="at least two sizes"):
        log_spaced_sizes(smallest, largest, count)


def test_smaller_draws_lie_inside_the_larger():
    rows = Rows(pd.DataFrame({"row": np.arange(5000)}), np.zeros((5000, 1)), np.zeros(5000))
    inner: set = set()
    for size in log_spaced_sizes(464, 5000, 5):
        drawn = set(rows.draw(size, 0).frame["row"])
        assert len(drawn) == size and inner < drawn
        inner = drawn


@given(st.integers(464, 400_000))
def test_every_size_gets_its_steps_as_far_as_the_recipes_go(size):
    settings, small = network_config(CPU, size).training, SMALL_RECIPE.training
    assert small.batch_size <= settings.batch_size <= CPU.training.batch_size
    assert CPU.training.max_epochs <= settings.max_epochs <= small.max_epochs
    steps = settings.max_epochs * size / settings.batch_size
    assert steps >= MIN_STEPS or (settings.batch_size, settings.max_epochs) == (small.batch_size, small.max_epochs)
    if settings.batch_size < CPU.training.batch_size:  # no smaller batch than needed
        assert CPU.training.max_epochs * size < MIN_STEPS * 2 * settings.batch_size
    assert settings.dropout_free_epochs / settings.max_epochs == pytest.approx(4 / 14, abs=0.5 / settings.max_epochs)


@pytest.mark.parametrize(
    ("size", "batch_size", "learning_rate"),
    [(464, 64, 5e-4), (24_332, 128, 5e-4 * 2 ** (1 / 3)), (65_471, 256, 5e-4 * 4 ** (1 / 3)), (176_235, 512, 1e-3)],
)
def test_batch_and_learning_rate_go_from_small_to_fast(size, batch_size, learning_rate):
    settings = network_config(CPU, size).training
    assert settings.batch_size == batch_size and settings.learning_rate == pytest.approx(learning_rate)


def test_only_rows_change_at_large_sizes_and_for_other_recipes():
    assert network_config(CPU, 176_235).training == CPU.training
    for base in (PAPER_RECIPE, SMALL_RECIPE):
        config = network_config(base, 464)
        assert config.max_train_rows == 464 and config.training == base.training


@given(st.floats(0.05, 0.9), st.floats(-0.3, 0.3), st.floats(600, 150_000))
def test_power_laws_cross_where_algebra_says(exponent, other_exponent, where):
    if abs(exponent - other_exponent) < 0.02 or exponent < other_exponent:
        return
    sizes = log_spaced_sizes(464, 176_235, 8)
    errors = 0.2 * (np.array(sizes) / where) ** -exponent
    others = 0.2 * (np.array(sizes) / where) ** -other_exponent
    found = crossing(sizes, errors, others)
    assert found.size == pytest.approx(where, rel=1e-6) and found.num_changes == 1 and not found.ahead_from_start


def test_ahead_from_the_start_and_never_ahead():
    assert crossing([1, 2, 4], [1, 1, 1], [2, 2, 2]) == crossing([1], [1], [2])
    ahead = crossing([1, 2, 4], [1, 1, 1], [2, 2, 2])
    assert ahead.size is None and ahead.ahead_from_start and ahead.num_changes == 0
    behind = crossing([1, 2, 4], [2, 2, 2], [1, 1, 1])
    assert behind.size is None and not behind.ahead_from_start
    lost_at_last = crossing([1, 2, 4], [2, 1, 2], [1, 2, 1])
    assert lost_at_last.size is None and not lost_at_last.ahead_from_start and lost_at_last.num_changes == 2


def test_equal_errors_are_not_ahead_and_the_last_change_counts():
    assert crossing([1, 4], [2, 1], [2, 2]).size == pytest.approx(1)
    found = crossing([1, 10, 100, 1000], [1, 3, 2, 1], [2, 2, 2.5, 3])
    assert 10 < found.size < 100 and found.num_changes == 2


def test_failed_trainings_are_passed_over():
    whole = crossing([1, 100], [2, 1], [1, 2])
    assert crossing([1, 10, 100], [2, np.nan, 1], [1, 1.3, 2]) == whole
    assert whole.size == pytest.approx(10)


@pytest.mark.parametrize(
    ("sizes", "errors", "others"), [([1, 2], [np.nan] * 2, [1, 1]), ([2, 1], [1, 1], [1, 1]), ([1, 2], [0, 1], [1, 1])]
)
def test_curves_that_cannot_be_compared_are_refused(sizes, errors, others):
    with pytest.raises(ValueError, match="rising sizes and errors above 0"):
        crossing(sizes, errors, others)
