"""Formulas to fractions: pymatgen is the oracle, and the fast path must agree with the grammar."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition

from common.composition import FormulaError, composition_keys, encode, parse_formula, reduced_formula
from common.datasets import load
from common.elements import ALL_SYMBOLS, ELEMENT_INDEX, ELEMENTS
from common.splits import row_hashes

TOLERANCE = 1e-12
MIRROR = os.environ.get("MATERIALS_DL_MIRROR")  # before conftest.py takes it away


def pymatgen_fractions(formula: str) -> np.ndarray:
    row = np.zeros(len(ELEMENTS))
    for element, fraction in Composition(formula).fractional_composition.items():
        row[ELEMENT_INDEX[element.symbol]] = fraction
    return row


def assert_matches_pymatgen(formulas: list[str]) -> None:
    encoded = encode(formulas)
    assert encoded.ok.all(), encoded.reasons[~encoded.ok][:5]
    expected = np.array([pymatgen_fractions(formula) for formula in formulas])
    np.testing.assert_allclose(encoded.fractions, expected, rtol=0, atol=TOLERANCE)


# ---------------------------------------------------------------------------------------------- good formulas


def test_bundled_sample_agrees_with_pymatgen():
    formulas = load("flla").frame["formula"]
    outside = formulas.isin(["He", "Ne"])
    assert outside.sum() == 2
    assert_matches_pymatgen(formulas[~outside].tolist())


@pytest.mark.skipif(MIRROR is None, reason="needs the OQMD files in a mirror folder")
def test_oqmd_agrees_with_pymatgen():
    path = Path(MIRROR) / "oqmd/oqmd_subset.csv.gz"
    if not path.exists():
        pytest.skip("the mirror has no OQMD")
    formulas = pd.read_csv(path, keep_default_na=False)["composition"]
    assert_matches_pymatgen(formulas[formulas != "Ne"].sample(5_000, random_state=0).tolist())


@pytest.mark.parametrize(
    "formula",
    [
        "NaCl",
        "Na2Cl2",
        "NaN",  # sodium nitride, not a missing value
        "Fe0.95O",
        "Na.5Cl",
        "O0.555600Pr0.222200Pt0.222200",
        "CH3COOH",  # elements repeat
        "(NH4)2SO4",
        "Ca5[PO4]3(OH)",
        "K4[Fe(CN)6]",
        "Mg3((AlO2)2(SiO2)3)0.5",
        "CuSO4(H2O)5",
        "NaCl0.333333333333333333333333",  # more digits than a float holds
        "Na123456789",
        "Na0Cl",  # an explicit zero is no mistake
        "He0NaCl",
    ],
)
def test_formula_agrees_with_pymatgen(formula):
    assert_matches_pymatgen([formula])


def test_spaces_and_subscript_digits_are_read():
    assert parse_formula("  Fe₂O₃\n") == {"Fe": 2.0, "O": 3.0}
    assert parse_formula("Fe2 O3") == {"Fe": 2.0, "O": 3.0}
    encoded = encode(["  Fe₂O₃\n", "Fe2 O3", "Fe2O3"])
    assert encoded.ok.all() and (encoded.fractions == encoded.fractions[2]).all()


# small amounts, for pymatgen takes fractions below 1e-8 as zero
amounts = st.one_of(st.just(""), st.integers(1, 20).map(str), st.decimals("0.5", "20", places=3).map(str))
plain_formulas = st.lists(st.tuples(st.sampled_from(ELEMENTS), amounts), min_size=1, max_size=8).map(
    lambda items: "".join(symbol + amount for symbol, amount in items)
)
bracket_formulas = st.recursive(
    plain_formulas,
    lambda inner: st.tuples(inner, inner, amounts).map(lambda parts: f"{parts[0]}({parts[1]}){parts[2]}"),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(plain_formulas, bracket_formulas), min_size=1, max_size=8))
def test_any_formula_agrees_with_pymatgen(formulas):
    formulas = [formula for formula in formulas if not formula.endswith(("H2O", "H2O)"))]  # perhaps a hydrate
    if formulas:
        assert_matches_pymatgen(formulas)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.text(alphabet="NaClOHeFeXx0123.()[] +-\n·e", max_size=10), max_size=12))
def test_fast_path_accepts_exactly_what_the_grammar_accepts(formulas):
    encoded = encode(formulas, ALL_SYMBOLS)
    for formula, reason, row in zip(formulas, encoded.reasons, encoded.fractions, strict=True):
        try:
            amounts = parse_formula(formula)
        except FormulaError as error:
            assert reason == str(error)
            assert np.isnan(row).all()
        else:
            assert reason is None
            total = sum(amounts.values())
            expected = np.array([amounts.get(symbol, 0.0) / total for symbol in ALL_SYMBOLS])
            np.testing.assert_allclose(row, expected, rtol=0, atol=TOLERANCE)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=20))
def test_no_text_makes_encode_fail(text):
    encoded = encode([text, "NaCl"])
    assert encoded.reasons[1] is None and encoded.fractions[1, ELEMENT_INDEX["Na"]] == 0.5


# ----------------------------------------------------------------------------------------------- bad formulas

BAD = {
    "Xx2O3": "'Xx' in 'Xx2O3' is not an element",
    "NaCl)": "unbalanced",
    "(NaCl": "unbalanced",
    "(NaCl]": "unbalanced",
    "Na()Cl": "empty pair of brackets",
    "": "empty",
    "   ": "empty",
    "Na0": "total amount of 'Na0' is zero",
    "NaCl2.5.1": "malformed number '2.5.1'",
    "NaCl.": "malformed number",
    "Na5.Cl": "malformed number",
    "He": "He is a known element but outside the 86 elements",
    "Og2": "Og is a known element but outside the 86 elements",
    "HeNe": "He, Ne are known elements but outside the 86",
    "Fe3+": "ions and negative amounts are not supported; give the neutral formula",
    "SO4-2": "ions and negative amounts",
    "Na-1Cl": "ions and negative amounts",
    "CuSO4.5H2O": "hydrate.*brackets, as CuSO4\\(H2O\\)5",
    "CuSO4·5H2O": "hydrate",
    "CuSO4.H2O": "hydrate",
    "CaSO4.0.5H2O": "hydrate",
    "CuSO4.5(H2O)": "hydrate",
    "nacl": "without a capital letter; perhaps NaCl",
    "fe2o3": "perhaps Fe2O3",
    "Nacl": "'Nacl' in 'Nacl' is not an element; perhaps NaCl",
    "2NaCl": "starts with a number",
    "Na1e30Cl": "exponent",
    "Na1E30Cl": "exponent",
    "Na" + "9" * 400: "exceeds 1e\\+09",
    "((((Na999999999)999999999)999999999)99)": "exceed 1e\\+09",
    "Na,Cl": "unexpected ',' at character 3",
    "Na\nCl;": "unexpected ';'",
    "D2O": "'D' in 'D2O' is not an element",
}


@pytest.mark.parametrize(("formula", "reason"), BAD.items())
def test_bad_formula_has_one_clear_reason(formula, reason):
    encoded = encode(["NaCl", formula, "Fe2O3"])
    assert encoded.ok.tolist() == [True, False, True]
    with pytest.raises(FormulaError, match=reason):
        raise FormulaError(encoded.reasons[1])
    assert "\n" not in encoded.reasons[1] and len(encoded.reasons[1]) < 250
    assert np.isnan(encoded.fractions[1]).all()
    np.testing.assert_allclose(encoded.fractions[[0, 2]], [pymatgen_fractions("NaCl"), pymatgen_fractions("Fe2O3")])


@pytest.mark.parametrize("cell", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT])
def test_missing_cells_are_empty(cell):
    assert encode([cell, "NaCl"]).reasons.tolist() == ["The cell is empty; give a formula such as 'Fe2O3'.", None]


@pytest.mark.parametrize("cell", [5, 1.5, b"NaCl", ["NaCl"], np.zeros(2)])
def test_cells_that_are_not_text_say_their_type(cell):
    assert type(cell).__name__ in encode(["NaCl", cell]).reasons[1]


def test_a_single_text_is_refused():
    with pytest.raises(TypeError, match="list of formulas"):
        encode("NaCl")


def test_elements_outside_the_columns_given():
    encoded = encode(["TiO2", "NaCl"], ["O", "Ti"])
    np.testing.assert_allclose(encoded.fractions[0], [2 / 3, 1 / 3])
    assert encoded.reasons[1].startswith("Na, Cl are known elements but outside the 2 elements")


# ------------------------------------------------------------------------------------------------ many formulas


def test_rows_keep_their_order_across_chunks():
    formulas = [f"Na{i}Cl" for i in range(1, 20_001)]
    formulas[8191] = formulas[8192] = "Xx"
    encoded = encode(formulas)
    assert np.flatnonzero(~encoded.ok).tolist() == [8191, 8192]
    sodium = encoded.fractions[encoded.ok, ELEMENT_INDEX["Na"]]
    i = np.arange(1, 20_001)[encoded.ok]
    np.testing.assert_array_equal(sodium, i / (i + 1))


@pytest.mark.parametrize("container", [list, tuple, np.array, pd.Series, iter])
def test_containers(container):
    encoded = encode(container(["NaCl", "Fe2O3"]))
    assert encoded.fractions.shape == (2, 86) and encoded.ok.all()


def test_no_formulas_and_dtype():
    assert encode([]).fractions.shape == (0, 86)
    single = encode(["Fe2O3"], dtype=np.float32)
    assert single.fractions.dtype == np.float32
    np.testing.assert_array_equal(single.fractions, encode(["Fe2O3"]).fractions.astype(np.float32))


# -------------------------------------------------------------------------------------------------------- keys


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(ELEMENTS), st.integers(1, 999), min_size=1, max_size=6),
    st.integers(2, 50),
    st.randoms(use_true_random=False),
)
def test_key_does_not_depend_on_how_a_formula_is_written(amounts, factor, random):
    items = list(amounts.items())
    plain = "".join(f"{s}{n}" for s, n in items)
    random.shuffle(items)
    multiplied = "".join(f"{s}{n * factor}" for s, n in items)
    repeated = plain + f"({plain}){factor}"
    keys = composition_keys(encode([plain, multiplied, repeated]).fractions)
    assert len(set(keys.tolist())) == 1
    assert reduced_formula(plain) == reduced_formula(multiplied) == reduced_formula(repeated)


def test_keys_tell_the_compositions_of_the_sample_apart():
    formulas = load("flla").frame["formula"]
    keys = composition_keys(encode(formulas, ALL_SYMBOLS).fractions)
    assert len(np.unique(keys)) == formulas.nunique() == 3_726


def test_keys_are_the_same_on_every_machine():
    keys = composition_keys(encode(["NaCl", "Fe2O3"]).fractions)
    assert keys.tolist() == [14877526187386600207, 11459259252707130945]


def test_keys_tell_all_compositions_of_one_to_two_to_six_apart():
    """Atomic numbers double as amounts do: 46 = 2 x 23, 30 = 2 x 15 gave PdP2O6 the key of ZnV2O6."""
    oxygen = ALL_SYMBOLS.index("O")
    first, second = (numbers.ravel() for numbers in np.indices((118, 118)))
    distinct = (first != second) & (first != oxygen) & (second != oxygen)
    fractions = np.zeros((int(distinct.sum()), 118))
    rows = np.arange(len(fractions))
    fractions[rows, first[distinct]], fractions[rows, second[distinct]], fractions[rows, oxygen] = 1 / 9, 2 / 9, 6 / 9
    assert len(np.unique(composition_keys(fractions))) == len(fractions)
    assert len(np.unique(row_hashes(fractions))) < len(fractions)  # salt 0, for the sides of a split alone


def test_keys_refuse_what_would_make_other_keys():
    with pytest.raises(TypeError, match="float64"):
        composition_keys(encode(["NaCl"], dtype=np.float32).fractions)
    with pytest.raises(ValueError, match="without NaN"):
        composition_keys(encode(["Xx"]).fractions)


@pytest.mark.parametrize(
    ("formula", "reduced"),
    [("Na2Cl2", "ClNa"), ("CH3COOH", "CH2O"), ("Fe0.5O0.75", "Fe2O3"), ("NaN", "NNa"), ("Fe0.95O", "Fe19O20")],
)
def test_reduced_formula(formula, reduced):
    assert reduced_formula(formula) == reduced
