"""Spreads, shares, difficulties and calibrations. That intervals cover what they say is tested with the promises."""

import json
import math

import numpy as np
import pytest

from common import uncertainty
from common.difficulty import Answered, Difficulty
from common.uncertainty import Calibration, UncertaintyError

ELEMENTS = ("H", "C", "N", "O", "Na")


def rows_of(n: int, seed: int = 0, hard: int = 4) -> Answered:
    """Rows of two and three elements whose errors are ten times as large where element number `hard` is present."""
    rng = np.random.default_rng(seed)
    fractions = np.zeros((n, 5))
    for row in fractions:
        chosen = rng.choice(5, rng.integers(2, 4), replace=False)
        row[chosen] = rng.dirichlet(np.ones(len(chosen)))
    predicted = rng.normal(-1, 1, n)
    sd = np.where(fractions[:, hard] > 0, 0.5, 0.05)
    return Answered(predicted + rng.normal(0, sd), predicted, fractions)


def test_mean_and_sd_of_an_ensemble():
    mean, sd = uncertainty.mean_and_sd(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert mean.tolist() == [2, 5] and sd.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("num_scores", "level", "rank"),
    # by hand: the smallest rank that is at least (n + 1) level
    [(9, 0.9, 9), (10, 0.9, 10), (19, 0.95, 19), (99, 0.9, 90), (99, 0.95, 95), (100, 0.9, 91), (1, 0.5, 1)],
)
def test_the_rank_of_the_quantile(num_scores, level, rank):
    scores = np.random.default_rng(0).permutation(np.arange(1.0, num_scores + 1))
    assert uncertainty.conformal_quantile(scores, level) == rank


@pytest.mark.parametrize(("num_scores", "level"), [(0, 0.5), (8, 0.9), (18, 0.95), (98, 0.99)])
def test_too_few_rows_for_a_level_give_no_finite_quantile(num_scores, level):
    assert uncertainty.conformal_quantile(np.arange(float(num_scores)), level) == math.inf


@pytest.mark.parametrize(
    ("hits", "rows", "low", "high"),
    # scipy.stats.binomtest(hits, rows).proportion_ci(method="wilson"), scipy 1.17
    [(90, 100, 0.825634, 0.944772), (0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0), (1, 3, 0.061492, 0.792340)],
)
def test_wilson_intervals_are_those_of_scipy(hits, rows, low, high):
    assert uncertainty.wilson_interval(hits, rows) == pytest.approx((low, high), abs=2e-5)


# ------------------------------------------------------------------------------------------------------ difficulty


def test_a_difficulty_finds_what_is_hard():
    rows = rows_of(2000)
    difficulty = Difficulty.fit(rows)(rows.predicted, rows.fractions)
    hard = rows.fractions[:, 4] > 0
    assert np.median(difficulty[hard]) > 4 * np.median(difficulty[~hard])


def test_a_difficulty_never_leaves_what_it_has_seen():
    rows = rows_of(500)
    difficulty = Difficulty.fit(rows)
    seen = difficulty(rows.predicted, rows.fractions)
    strange = difficulty(np.array([-1e9, 1e9, 0.0]), np.array([np.full(5, 0.2), np.eye(5)[0], np.zeros(5)]))
    assert seen.min() * 0.999 <= strange.min() and strange.max() <= seen.max() * 1.001


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_intervals_scale_with_the_unit_of_the_target(scale):
    rows, new = rows_of(600), rows_of(50, seed=1)
    plain = Calibration.fit(rows).half_widths(new.predicted, new.fractions, 0.9)
    scaled = Calibration.fit(Answered(rows.y * scale, rows.predicted * scale, rows.fractions))
    np.testing.assert_allclose(scaled.half_widths(new.predicted * scale, new.fractions, 0.9), plain * scale, rtol=1e-6)


def test_a_perfect_model_and_one_that_always_says_the_same():
    rows = rows_of(400)
    perfect = Calibration.fit(Answered(rows.predicted, rows.predicted, rows.fractions))
    assert perfect.half_widths(rows.predicted, rows.fractions, 0.99).max() == 0
    constant = Calibration.fit(Answered(rows.y, np.ones(400), rows.fractions))
    assert np.isfinite(constant.half_widths(np.ones(400), rows.fractions, 0.99)).all()


# ----------------------------------------------------------------------------------------------------- calibration


def test_few_rows_are_not_normalised_unless_asked_for():
    few, many = rows_of(199), rows_of(200)
    assert Calibration.fit(few).difficulty is None and Calibration.fit(few).num_calibration == 199
    calibration = Calibration.fit(many)
    assert calibration.difficulty is not None and (calibration.num_fit, calibration.num_calibration) == (100, 100)
    assert Calibration.fit(few, "normalised").difficulty is not None
    assert Calibration.fit(many, "plain").difficulty is None
    with pytest.raises(ValueError, match="'bayesian'"):
        Calibration.fit(many, "bayesian")
    with pytest.raises(ValueError, match="four rows"):
        Calibration.fit(rows_of(3), "normalised")


def test_normalising_narrows_intervals_where_errors_differ():
    rows, new = rows_of(2000), rows_of(2000, seed=1)
    plain, normalised = (
        Calibration.fit(rows, method).half_widths(new.predicted, new.fractions, 0.9)
        for method in uncertainty.METHODS[::-1]
    )
    assert normalised.mean() < 0.8 * plain.mean()


def test_the_same_rows_give_the_same_intervals():
    first, again = (Calibration.fit(rows_of(300)).to_card() for _ in range(2))
    assert first == again


def test_a_card_keeps_every_bit():
    rows = rows_of(300)
    for method in uncertainty.METHODS:
        calibration = Calibration.fit(rows, method)
        read = Calibration.of_card(json.loads(json.dumps(calibration.to_card())), 5)
        for level in (0.5, 0.77, 0.9):
            half = calibration.half_widths(rows.predicted, rows.fractions, level)
            assert np.array_equal(read.half_widths(rows.predicted, rows.fractions, level), half)


def test_a_level_between_two_hundredths_counts_as_the_upper():
    calibration = Calibration.fit(rows_of(300), "plain")
    widths = [float(calibration.half_widths(np.zeros(1), np.zeros((1, 5)), level)[0]) for level in (0.9, 0.905, 0.91)]
    assert widths[0] < widths[1] == widths[2]


@pytest.mark.parametrize("level", [0.0, 0.49, 0.991, 1.0, -1.0, 90.0, math.nan, math.inf])
def test_levels_out_of_range(level):
    with pytest.raises(UncertaintyError, match=r"0\.5 to 0\.99"):
        Calibration.fit(rows_of(300)).half_widths(np.zeros(1), np.zeros((1, 5)), level)


def test_few_rows_reach_low_levels_alone():
    calibration = Calibration.fit(rows_of(19))
    calibration.half_widths(np.zeros(1), np.zeros((1, 5)), 0.95)
    with pytest.raises(UncertaintyError, match=r"up to 0\.95.*19 calibration rows"):
        calibration.half_widths(np.zeros(1), np.zeros((1, 5)), 0.96)
    assert [row["level"] for row in uncertainty.measure_all(calibration, rows_of(10), "ten")] == [0.8, 0.9, 0.95]
    assert [row["level"] for row in uncertainty.measure_all(Calibration.fit(rows_of(18)), rows_of(10), "")] == [
        0.8,
        0.9,
    ]


# ------------------------------------------------------------------------------------------------- the model card


def test_an_entry_tells_rows_of_unseen_chemical_systems_apart():
    train = np.array([[0.5, 0.5, 0, 0, 0], [0.2, 0.8, 0, 0, 0]])
    fractions = np.array([[0.1, 0.9, 0, 0, 0], [0.1, 0, 0.9, 0, 0], [0.4, 0, 0.6, 0, 0]])
    test = Answered(np.zeros(3), np.zeros(3), fractions)
    coverage = uncertainty.entry_of("mine", train, rows_of(300), test)["coverage"]
    assert {row["rows"]: row["n"] for row in coverage} == {
        "test rows of mine": 3,
        "test rows of mine of chemical systems not trained on": 2,
    }
    seen = uncertainty.entry_of("mine", fractions, rows_of(300), test)["coverage"]
    assert len(seen) == len(uncertainty.MEASURED_LEVELS)  # no rows, no figures


def test_rows_that_the_model_refuses_are_not_counted():
    rows = Answered.of_formulas(np.arange(3.0), np.zeros(3), ["CO2", "XeF2", "NaH"], ELEMENTS)
    assert rows.y.tolist() == [0, 2]
    assert uncertainty.entry_of("mine", rows.fractions, rows.take(np.zeros(2, bool)), rows) == {}


@pytest.mark.parametrize("entries", [{}, {"energy": {}}, {"energy": None}, {"gap": {"scores": [1]}}, [], None])
def test_a_card_without_calibration_is_refused(entries):
    with pytest.raises(UncertaintyError, match="no calibrated intervals for energy: run the command"):
        uncertainty.calibration_of({"elements": ELEMENTS, "uncertainty": entries}, "energy")


def test_a_classifier_is_refused():
    with pytest.raises(UncertaintyError, match="tells classes apart"):
        uncertainty.calibration_of({"elements": ELEMENTS, "num_classes": 2}, "is_metal")
