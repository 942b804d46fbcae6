"""Balance of charges: exact arithmetic over all combinations is the oracle."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.composition import encode
from common.elements import ALL_SYMBOLS, ATOMIC_NUMBER
from common.features import oxidation
from common.features.elemental import OXIDATION_STATES
from common.features.oxidation import can_balance

STATES = dict(zip(ALL_SYMBOLS, OXIDATION_STATES, strict=True))
MULTIVALENT = [symbol for symbol, states in STATES.items() if len(states) > 1]


def balance(compounds: list[dict[str, int]]) -> list[bool]:
    rows = np.repeat(np.arange(len(compounds)), [len(amounts) for amounts in compounds])
    elements = [ATOMIC_NUMBER[symbol] - 1 for amounts in compounds for symbol in amounts]
    fractions = [n / sum(amounts.values()) for amounts in compounds for n in amounts.values()]
    return can_balance(rows, np.array(elements), np.array(fractions)).tolist()


def balance_by_trying(amounts: dict[str, int]) -> bool:
    if len(amounts) == 1:
        return True
    combinations = itertools.product(*(STATES[symbol] for symbol in amounts))
    return any(sum(q * n for q, n in zip(charges, amounts.values(), strict=True)) == 0 for charges in combinations)


# few elements of the ninety balance by chance, so half of the draws are from those that often do
symbols = st.one_of(st.sampled_from(ALL_SYMBOLS), st.sampled_from(["C", "N", "O", "S", "H", "Cl", "Fe", "Na", "Ti"]))
compounds = st.dictionaries(symbols, st.integers(1, 12), min_size=1, max_size=5)


@settings(max_examples=300, deadline=None)
@given(st.lists(compounds, min_size=1, max_size=12))
def test_equals_exact_trial_of_all_combinations(drawn):
    assert balance(drawn) == [balance_by_trying(amounts) for amounts in drawn]


@settings(max_examples=200, deadline=None)
@given(st.lists(compounds, min_size=1, max_size=6))
def test_rows_tried_alone_have_the_same_answer(drawn):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oxidation, "_MAX_COMBINATIONS", 1)
        assert balance(drawn) == [balance_by_trying(amounts) for amounts in drawn]


@settings(max_examples=100, deadline=None)
@given(st.lists(compounds, min_size=1, max_size=12))
def test_little_memory_gives_the_same_answer(drawn):
    expected = balance(drawn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oxidation, "_MAX_SUMS", 1)
        assert balance(drawn) == expected


@pytest.mark.parametrize(
    ("amounts", "possible"),
    [
        ({"Na": 1, "Cl": 1}, True),
        ({"Fe": 3, "O": 4}, False),  # iron would need two states at once
        ({"Fe": 2, "O": 3}, True),
        ({"C": 12, "H": 22, "O": 11}, True),
        ({"Fe": 1, "Ni": 1}, False),
        ({"He": 1, "Na": 1}, False),  # helium has no state
        ({"He": 1}, True),
        ({"Na": 99_999_999, "Cl": 100_000_001}, True),  # 1e-8 a formula of two atoms
        ({"Na": 9_999_990, "Cl": 10_000_010}, False),
    ],
)
def test_by_hand(amounts, possible):
    assert balance([amounts]) == [possible]


def neutral_by_design(amounts: dict[str, int], rng: np.random.Generator) -> dict[str, int]:
    """Add as much Na or F as makes a random choice of states neutral."""
    charge = sum(int(rng.choice(STATES[symbol])) * n for symbol, n in amounts.items())
    return amounts | ({"F": charge} if charge > 0 else {"Na": -charge} if charge < 0 else {})


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(MULTIVALENT), min_size=8, max_size=len(MULTIVALENT)), st.integers(0, 2**32 - 1))
def test_compounds_with_very_many_combinations(chosen, seed):
    """Up to 6e14 combinations: halves of the elements and their distinct charges make it milliseconds."""
    rng = np.random.default_rng(seed)
    amounts = {symbol: int(rng.integers(1, 20)) for symbol in sorted(chosen)}
    assert balance([neutral_by_design(amounts, rng)]) == [True]
    # charges of the others come in thousands, so nothing cancels that of sodium
    assert balance([{symbol: 1000 * n for symbol, n in amounts.items()} | {"Na": 1}]) == [False]


def test_amounts_in_no_simple_ratio_stay_within_bounds(monkeypatch):
    """More distinct charges than are kept: some of the very many balances there are is found all the same."""
    monkeypatch.setattr(oxidation, "_MAX_CHARGES", 1 << 16)
    rng = np.random.default_rng(0)
    amounts = {symbol: int(rng.integers(10**7, 10**8)) for symbol in MULTIVALENT}
    assert balance([neutral_by_design(amounts, rng)]) == [True]


def test_order_of_rows_is_kept():
    formulas = ["NaCl", "Fe3O4", "Fe2O3", "Fe", "CH4", "FeNi", "PbO2"] * 50
    fractions = encode(formulas, ALL_SYMBOLS).fractions
    row, element = np.nonzero(fractions)
    answers = can_balance(row, element, fractions[row, element])
    assert answers.tolist() == [True, False, True, True, True, False, True] * 50


def test_charges_told_apart_are_finer_than_the_tolerance():
    """Rounding in each of at most 118 steps must not add up to the tolerance."""
    assert 118 * Fraction(1, 2 * 10**oxidation._CHARGE_DECIMALS) < Fraction(oxidation._TOLERANCE)
