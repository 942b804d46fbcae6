"""The 145 composition attributes: matminer is the oracle, with each deviation from it named."""

import itertools
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Element

from benchmarks.matminer_peer import featurize_with_matminer, make_featurizer
from common.composition import encode
from common.datasets import load
from common.elements import ALL_SYMBOLS
from common.features import magpie
from common.features.elemental import HAS_ALL_PROPERTIES, OXIDATION_STATES, PROPERTIES
from common.features.magpie import MAGPIE_LABELS, attributes_of_fractions, featurize, featurize_with_reasons

TOLERANCE = 1e-9
COMPLETE = [symbol for symbol, ok in zip(ALL_SYMBOLS, HAS_ALL_PROPERTIES, strict=True) if ok]
# an older pymatgen has other oxidation states for some: matminer's answer is then another
SAME_STATES = [s for s in COMPLETE if tuple(Element(s).common_oxidation_states) == OXIDATION_STATES[Element(s).Z - 1]]


def column(label: str) -> int:
    return MAGPIE_LABELS.index(label)


@pytest.fixture(scope="module")
def matminer():
    featurizer = make_featurizer()
    return lambda formulas: featurize_with_matminer(formulas, featurizer)


def assert_matches(matminer, formulas: list[str]) -> None:
    ours = featurize_with_reasons(formulas)
    assert ours.ok.all(), ours.reasons[~ours.ok][:5]
    np.testing.assert_allclose(ours.attributes, matminer(formulas), rtol=0, atol=TOLERANCE)


# ------------------------------------------------------------------------------------------ agreement with matminer


def test_labels_are_pinned_in_the_order_of_matminer():
    assert tuple(make_featurizer().feature_labels()) == MAGPIE_LABELS
    assert len(MAGPIE_LABELS) == len(set(MAGPIE_LABELS)) == 145 == 6 + 6 * len(PROPERTIES) + 4 + 3


def test_bundled_sample_agrees(matminer):
    formulas = load("flla").frame["formula"].drop_duplicates().sample(420, random_state=0)
    encoded = encode(formulas, SAME_STATES)
    assert encoded.ok.sum() > 350
    assert_matches(matminer, formulas[encoded.ok].tolist())


def test_pure_elements_agree(matminer):
    assert_matches(matminer, COMPLETE)


amounts = st.one_of(st.integers(1, 12).map(str), st.decimals("0.01", "12", places=2).map(str))
drawn_formulas = st.dictionaries(st.sampled_from(SAME_STATES), amounts, min_size=1, max_size=6).map(
    lambda parts: "".join(symbol + amount for symbol, amount in parts.items())
)


@settings(max_examples=60, deadline=None)
@given(formulas=st.lists(drawn_formulas, min_size=1, max_size=6))
def test_any_formula_agrees(matminer, formulas):
    assert_matches(matminer, formulas)


@pytest.mark.parametrize(
    "formula",
    [
        "NaCl",  # equal amounts: the mode is the smaller value
        "Fe0.500001O0.499999",  # and where they differ by less than 1e-5
        "Fe0.50001O0.49999",
        "Na0.333333Cl0.333333K0.333334",
        "Fe3O4",
        "Ca5(PO4)3OH",
        "Al0.4O0.6",
        "XePtF6",
        "CmO2",
        "".join(COMPLETE[:40:4]),
    ],
)
def test_particular_formulas_agree(matminer, formula):
    assert_matches(matminer, [formula])


def test_fe2o3_by_hand():
    """The definitions of Ward et al., section "General-purpose attribute set", worked out on paper."""
    row = featurize(["Fe2O3"])[0]
    np.testing.assert_allclose(row[:2], [2, np.hypot(0.4, 0.6)])
    mean = 0.4 * 26 + 0.6 * 8
    number = [8, 26, 18, mean, 0.4 * (26 - mean) + 0.6 * (mean - 8), 8]
    np.testing.assert_allclose(row[column("MagpieData minimum Number") :][:6], number)
    valence = 0.4 * 8 + 0.6 * 6  # iron 4s2 3d6, oxygen 2s2 2p4
    np.testing.assert_allclose(
        row[column("frac s valence electrons") :][:4], np.array([2, 0.6 * 4, 0.4 * 6, 0]) / valence
    )
    character = 1 - np.exp(-0.25 * (3.44 - 1.83) ** 2)
    np.testing.assert_allclose(row[-3:], [1, character, 0.24 * character])


# ------------------------------------------------------------------------------------- where matminer is not followed


@pytest.mark.filterwarnings("ignore:No Pauling electronegativity")
@pytest.mark.parametrize("symbol", ["He", "Ne", "Ar", "At", "Rn", "Fr", "Bk", "Rf", "Og"])
def test_incomplete_elements_have_a_reason_where_matminer_invents_values(matminer, symbol):
    ours = featurize_with_reasons(["NaCl", f"{symbol}Na", "Fe2O3"])
    assert ours.ok.tolist() == [True, False, True]
    assert np.isnan(ours.attributes[1]).all() and np.isfinite(ours.attributes[[0, 2]]).all()
    assert f" of {symbol}, so '{symbol}Na' has no attributes" in ours.reasons[1]
    assert np.isfinite(matminer([f"{symbol}Na"])).all()


def test_incomplete_elements_say_what_is_missing():
    reasons = featurize_with_reasons(["HeH", "OgH"]).reasons
    assert reasons[0].startswith("Magpie's tables lack MeltingT, Electronegativity of He, so 'HeH'")
    assert reasons[1].startswith("Magpie's tables lack any property of Og")


def test_traces_count_where_pymatgen_drops_them(matminer):
    formula = "Na0.000000005Cl"
    assert (featurize([formula])[0, 0], matminer([formula])[0, 0]) == (2, 1)


def test_balance_is_of_the_fractions_where_matminer_takes_the_amounts(matminer):
    tiny, huge = "Na0.00000002Cl0.000000025", "Fe33333333.4O50000000.1"
    possible = column("compound possible")
    assert featurize([tiny, huge])[:, possible].tolist() == [0, 1]  # as Na4Cl5 and Fe2O3
    assert matminer([tiny, huge])[:, possible].tolist() == [1, 0]


def test_ties_are_of_the_fractions_where_matminer_takes_the_amounts(matminer):
    formula, mode = "Na0.00000010Cl0.000000105", column("MagpieData mode Number")
    assert featurize([formula])[0, mode] == 17
    assert matminer([formula])[0, mode] == 11


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(COMPLETE), st.integers(1, 99), min_size=1, max_size=6), st.integers(2, 1000))
def test_attributes_do_not_depend_on_how_a_formula_is_written(parts, factor):
    items = list(parts.items())
    written = ["".join(f"{s}{n}" for s, n in order) for order in itertools.islice(itertools.permutations(items), 8)]
    written.append("".join(f"{s}{n * factor}" for s, n in items))
    attributes = featurize(written)
    np.testing.assert_array_equal(attributes[:-1], attributes[:1].repeat(len(written) - 1, axis=0))
    np.testing.assert_allclose(attributes[-1], attributes[0], rtol=1e-13, atol=1e-13)


# ------------------------------------------------------------------------------------------------ properties, bad rows


@settings(max_examples=100, deadline=None)
@given(st.lists(drawn_formulas, min_size=1, max_size=8))
def test_bounds(formulas):
    rows = featurize(formulas)
    low, high, span, mean, deviation, mode = rows[:, 6:138].reshape(len(rows), 22, 6).transpose(2, 0, 1)
    slack = 1e-9
    assert (low <= mean + slack).all() and (mean <= high + slack).all()
    assert (low <= mode).all() and (mode <= high).all()
    assert (span == high - low).all() and (deviation <= span / 2 + slack).all()  # Popoviciu's for the mean deviation
    assert (rows[:, 1:6] > 0).all() and (np.diff(rows[:, 1:6]) <= slack).all()  # norms fall with p
    np.testing.assert_allclose(rows[:, 138:142].sum(axis=1), 1)
    assert ((rows[:, 142:] >= 0) & (rows[:, 142:] <= 1)).all() and (rows[:, 144] <= rows[:, 143] / 2 + slack).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(drawn_formulas, st.sampled_from(["", "Xx", "He", "NaCl)", None, 5])), max_size=12))
def test_a_bad_row_costs_only_itself(cells):
    together = featurize_with_reasons(cells)
    assert together.attributes.shape == (len(cells), 145)
    for cell, row, reason in zip(cells, together.attributes, together.reasons, strict=True):
        np.testing.assert_array_equal(row, featurize([cell])[0])
        assert (reason == "") == np.isfinite(row).all() and (reason != "") == np.isnan(row).all()


def test_reasons_of_unreadable_formulas_are_those_of_the_grammar():
    formulas = ["Xx2O3", "NaCl", None]
    reasons = featurize_with_reasons(formulas).reasons
    assert reasons.tolist() == [reason or "" for reason in encode(formulas, ALL_SYMBOLS).reasons]


def test_rows_keep_their_order_across_chunks(monkeypatch):
    formulas = [f"Na{i}Cl{i % 7 + 1}O{i % 3}" for i in range(1, 100)]
    formulas[9] = formulas[10] = "Xx"
    formulas[20] = "Ne"
    whole = featurize_with_reasons(formulas)
    monkeypatch.setattr(magpie, "_CHUNK_ROWS", 10)
    chunked = featurize_with_reasons(formulas)
    np.testing.assert_array_equal(whole.attributes, chunked.attributes)
    assert whole.reasons.tolist() == chunked.reasons.tolist()
    assert np.flatnonzero(~whole.ok).tolist() == [9, 10, 20]
    alone = np.concatenate([featurize([formula]) for formula in formulas])
    np.testing.assert_array_equal(whole.attributes, alone)


def test_working_memory_does_not_grow_with_the_rows(monkeypatch):
    monkeypatch.setattr(magpie, "_CHUNK_ROWS", 256)
    peaks = []
    for num_rows in (1_000, 8_000):
        formulas = [f"Na{i}Cl{i % 7 + 1}O{i % 3 + 1}" for i in range(1, num_rows + 1)]
        tracemalloc.start()
        result = featurize_with_reasons(formulas)
        peaks.append(tracemalloc.get_traced_memory()[1] - result.attributes.nbytes - result.reasons.nbytes)
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize("container", [list, tuple, np.array, pd.Series, iter])
def test_containers(container):
    assert np.isfinite(featurize(container(["NaCl", "Fe2O3"]))).all()


def test_no_formulas_and_a_single_text():
    assert featurize([]).shape == (0, 145)
    assert featurize(["Xx"]).shape == (1, 145)
    with pytest.raises(TypeError, match="list of formulas"):
        featurize("NaCl")


# -------------------------------------------------------------------------------------------------------- fractions


def test_fractions_give_the_same_as_their_formulas():
    formulas = load("flla").frame["formula"][:50].tolist()
    np.testing.assert_array_equal(attributes_of_fractions(encode(formulas, ALL_SYMBOLS).fractions), featurize(formulas))


def test_fractions_without_a_composition_have_no_attributes():
    fractions = encode(["NaCl", "Xx", "Fe2O3", "NeH"], ALL_SYMBOLS).fractions
    fractions[2] = 0
    assert np.isnan(attributes_of_fractions(fractions)).all(axis=1).tolist() == [False, True, True, True]


def test_fractions_of_other_columns_are_refused():
    with pytest.raises(ValueError, match=r"Expected fractions of shape \(n, 118\), received \(1, 86\)"):
        attributes_of_fractions(encode(["NaCl"]).fractions)
