"""Analysis of errors against scipy, pandas and errors made by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from common.composition import encode
from common.elements import ELEMENTS
from elemnet import error_figures
from elemnet.error_analysis import (
    CATEGORY,
    KIND,
    errors_by_class,
    rank_correlation,
    rank_correlation_by_element,
    worst_rows,
    worst_table,
)

FORMULAS = ["NaCl", "Fe2O3", "Ni3Al", "LiCoO2", "GaN", "NaTl", "KCl", "MgO"]


@pytest.fixture
def rows():
    """Fractions, true and predicted energies of eight compounds; the errors are 0.1, 0.2 ... 0.8, signs alternating."""
    true = np.array([-2.0, -1.7, 0.4, -1.9, -0.6, 0.1, -2.2, -3.0])
    return encode(FORMULAS).fractions, true, true + 0.1 * np.arange(1, 9) * np.tile([1, -1], 4)


@pytest.fixture(scope="module")
def random_rows():
    rng = np.random.default_rng(0)
    fractions = rng.dirichlet(np.ones(5), 400) * (rng.random((400, 5)) < 0.5)
    true = rng.normal(size=400)
    return fractions, true, true + rng.normal(scale=0.5, size=400)


def test_rank_correlation_is_pearsons_of_average_ranks():
    rng = np.random.default_rng(1)
    true, predicted = rng.integers(0, 20, 300) / 10, rng.integers(0, 20, 300) / 10  # with ties
    expected = np.corrcoef(stats.rankdata(true), stats.rankdata(predicted))[0, 1]
    assert rank_correlation(true, predicted) == pytest.approx(expected, abs=1e-12)
    assert rank_correlation(true, np.exp(true)) == pytest.approx(1)


@pytest.mark.parametrize("constant", [np.zeros(5), np.ones(1)])
def test_rank_correlation_of_a_constant_is_not_defined(constant):
    assert np.isnan(rank_correlation(np.arange(len(constant)), constant))
    assert np.isnan(rank_correlation(constant, np.arange(len(constant))))


def test_elements_are_ranked_as_pandas_has_them(random_rows):
    fractions, true, predicted = random_rows
    symbols = ("Fe", "O", "Pu", "Na", "Cl")
    table = rank_correlation_by_element(fractions, true, predicted, symbols).set_index("element")
    frame = pd.DataFrame({"true": true, "predicted": predicted})
    for column, symbol in enumerate(symbols):
        part = frame[fractions[:, column] > 0]
        assert table.loc[symbol, "rows"] == len(part)
        assert table.loc[symbol, "spearman"] == pytest.approx(part.corr("spearman").iloc[0, 1])
        assert table.loc[symbol, "mae"] == pytest.approx((part["true"] - part["predicted"]).abs().mean())
    assert table["spearman"].is_monotonic_increasing


def test_elements_of_few_rows_are_left_out(rows):
    assert rank_correlation_by_element(*rows, min_rows=3)["element"].tolist() == ["O"]
    assert rank_correlation_by_element(*rows).empty


@given(st.integers(1, 300), st.sampled_from([0.01, 0.1, 1.0]))
def test_worst_rows_are_the_largest_errors_in_order(n, share):
    rng = np.random.default_rng(n)
    true, predicted = rng.normal(size=n), rng.normal(size=n)
    found, error = worst_rows(true, predicted, share), np.abs(true - predicted)
    assert len(found) == max(1, round(share * n)) == len(set(found))
    assert (np.diff(error[found]) <= 0).all()
    assert np.delete(error, found).max(initial=0) <= error[found].min()


@pytest.mark.parametrize("share", [0, 1.5, -1])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(ValueError, match="share of rows"):
        worst_rows(np.zeros(3), np.ones(3), share)


def test_worst_rows_come_with_kind_and_classes(rows):
    fractions, true, predicted = rows
    table = worst_table(FORMULAS, fractions, true, predicted, count=3)
    assert table["formula"].tolist() == ["MgO", "KCl", "NaTl"] and table["rank"].tolist() == [1, 2, 3]
    assert table["error"].tolist() == pytest.approx([-0.8, 0.7, -0.6])
    assert table["kind"].tolist() == ["oxides", "halides", "intermetallics"]
    assert table["classes"].tolist() == [
        "metal oxides",
        "[Li,K,Na]-containing",
        "[Li,K,Na]-containing; intermetallics",
    ]
    assert len(worst_table(FORMULAS, fractions, true, predicted)) == len(FORMULAS)


def test_errors_by_class_by_hand(rows):
    table = errors_by_class(*rows).set_index(["grouping", "name"])
    oxides = table.loc[(KIND, "oxides")]  # errors -0.2, -0.4, -0.8
    assert oxides["rows"] == 3 and oxides["rows_in_worst"] == 1
    assert oxides["mae"] == pytest.approx(1.4 / 3) and oxides["mean_error"] == pytest.approx(-1.4 / 3)
    assert oxides["median_absolute_error"] == pytest.approx(0.4)
    alkali = table.loc[(CATEGORY, "[Li,K,Na]-containing")]  # NaCl, LiCoO2, NaTl, KCl
    assert alkali["rows"] == 4 and alkali["mae"] == pytest.approx((0.1 + 0.4 + 0.6 + 0.7) / 4)
    assert alkali["mean_error"] == pytest.approx((0.1 - 0.4 - 0.6 + 0.7) / 4)
    assert (KIND, "hydrides") not in table.index
    assert table.loc[KIND]["rows"].sum() == len(FORMULAS) and table.loc[KIND]["rows_in_worst"].sum() == 1


@pytest.mark.parametrize("function", [rank_correlation_by_element, errors_by_class])
def test_rows_of_different_numbers_are_refused(rows, function):
    fractions, true, predicted = rows
    with pytest.raises(ValueError, match="8, 8 and 7 rows"):
        function(fractions, true, predicted[:-1])
    with pytest.raises(ValueError, match="received 0, 0 and 0 rows"):
        function(fractions[:0], true[:0], predicted[:0])


def test_pictures_are_drawn_from_the_saved_tables(tmp_path, rows):
    sizes = pd.DataFrame(
        {"model": ["ElemNet"] * 2 + ["forest"] * 2, "rows_train": [464, 1500] * 2, "test_mae": [0.4, 0.2, 0.3, 0.25]}
    )
    sizes.to_csv(tmp_path / "fig_3_3_sizes.csv", index=False)
    elements = pd.DataFrame({"element": ["H", "Fe", "Pu"], "rows": 1234, "spearman": [0.9, 0.8, 0.7]})
    elements.assign(model="ElemNet").to_csv(tmp_path / "error_analysis_elements.csv", index=False)
    errors_by_class(*rows).assign(model="ElemNet").to_csv(tmp_path / "error_analysis_classes.csv", index=False)
    paths = (
        error_figures.size_curves(tmp_path, {"forest": 550}),
        error_figures.element_map(tmp_path),
        error_figures.class_bars(tmp_path),
    )
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")


def test_no_two_elements_share_a_cell_of_the_periodic_table():
    cells = {error_figures._place(symbol) for symbol in ELEMENTS}
    assert len(cells) == len(ELEMENTS)
    assert error_figures._place("Fe") == (8, 4) and error_figures._place("Lu") == (3, 6)
