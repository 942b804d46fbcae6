"""Formulas, fractions, cleaning and splits: laws that hold for whatever is drawn."""

import re
from collections import Counter
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from common.cleaning import clean_compositions
from common.composition import FormulaError, composition_keys, encode, parse_formula, reduced_formula
from common.elements import ALL_SYMBOLS, ATOMIC_NUMBER, ELEMENTS
from common.rows import assign_splits
from common.splits import SPLIT_NAMES, LeakageError, check_disjoint, row_hashes, split_by_hash

ENERGY = "formation_energy_ev_per_atom"
BRACKETS = ["()", "[]", "{}"]
fixed = settings(max_examples=100, deadline=None, derandomize=True)

# A formula as a tree: an item is (symbol or list of items, brackets, amount).
amounts = st.one_of(st.just(""), st.integers(0, 30).map(str), st.decimals("0.001", "30", places=3).map(str))
symbols = st.tuples(st.sampled_from(ALL_SYMBOLS), st.none(), amounts)
trees = st.recursive(
    st.lists(symbols, min_size=1, max_size=4),
    lambda inner: st.lists(symbols | st.tuples(inner, st.sampled_from(BRACKETS), amounts), min_size=1, max_size=4),
    max_leaves=8,
)
plain = st.dictionaries(st.sampled_from(ELEMENTS), st.integers(1, 999), min_size=1, max_size=6)


def written(tree, space="", subscripts=False) -> str:
    items = []
    for inside, brackets, amount in tree:
        text = inside if brackets is None else brackets[0] + written(inside, space, subscripts) + brackets[1]
        digits = amount.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")) if subscripts else amount
        items.append(text + digits)
    return space.join(items)


def counted(tree) -> dict[str, Fraction]:
    """The amounts by exact arithmetic, along the tree and not along the text."""
    total: Counter[str] = Counter()
    for inside, brackets, amount in tree:
        factor = Fraction(amount or 1)
        for symbol, number in ({inside: Fraction(1)} if brackets is None else counted(inside)).items():
            total[symbol] += number * factor
    return dict(total)


def expected_amounts(tree) -> dict[str, float]:
    assume(not re.search(r"H2O[)\]}]?[0-9]*$", written(tree)))  # perhaps a hydrate, which is refused
    total = counted(tree)
    assume(0 < sum(total.values()) < 1e7)
    return {symbol: float(number) for symbol, number in total.items() if number > 0}


@fixed
@given(trees, st.sampled_from(["", " ", "\t", "\n "]), st.booleans())
def test_a_formula_is_read_as_it_was_made(tree, space, subscripts):
    expected = expected_amounts(tree)
    found = parse_formula(written(tree, space, subscripts))
    assert list(found) == [symbol for symbol in dict.fromkeys(counted(tree)) if symbol in expected]
    assert found == pytest.approx(expected, rel=1e-12)
    encoded = encode([written(tree, space, subscripts)], ALL_SYMBOLS)
    total = sum(expected.values())
    by_hand = [expected.get(symbol, 0) / total for symbol in ALL_SYMBOLS]
    np.testing.assert_allclose(encoded.fractions[0], by_hand, rtol=0, atol=1e-12)


@fixed
@given(trees, st.randoms(use_true_random=False))
def test_the_order_of_items_changes_nothing_but_the_order(tree, random):
    expected = expected_amounts(tree)
    shuffled = random.sample(tree, len(tree))
    expected_amounts(shuffled)  # no hydrate either
    assert parse_formula(written(shuffled)) == pytest.approx(expected, rel=1e-12)


@fixed
@given(trees, st.integers(1, 50), st.sampled_from(BRACKETS))
def test_brackets_multiply_what_they_hold(tree, factor, brackets):
    expected = expected_amounts(tree)
    once = written([(tree, brackets, str(factor))])
    assert parse_formula(once) == pytest.approx({s: factor * n for s, n in expected.items()}, rel=1e-12)
    deep = brackets[0] * 200 + written(tree) + brackets[1] * 200
    assert parse_formula(deep) == pytest.approx(expected, rel=1e-12)
    for unbalanced in (deep[1:], deep[:-1], deep + brackets[1], brackets[0] + deep):
        with pytest.raises(FormulaError, match="unbalanced"):
            parse_formula(unbalanced)


@fixed
@given(plain)
def test_the_reduced_formula_comes_back_from_itself(counts):
    text = "".join(f"{symbol}{number}" for symbol, number in counts.items())
    reduced = reduced_formula(text)
    assert reduced_formula(reduced) == reduced
    found = parse_formula(reduced)
    ratios = {Fraction(number) / Fraction(found[symbol]) for symbol, number in counts.items()}
    assert len(ratios) == 1 and set(found) == set(counts) and all(n == int(n) for n in found.values())
    np.testing.assert_allclose(encode([text]).fractions, encode([reduced]).fractions, atol=1e-15)


@fixed
@given(st.lists(st.tuples(st.sampled_from(ALL_SYMBOLS), st.integers(1, 9)), min_size=1, max_size=5))
def test_case_tells_elements_apart_and_is_never_guessed(items):
    """CO is no cobalt: a formula in capitals is of one-letter elements or none; one in small letters is none."""
    text = "".join(f"{symbol}{number}" for symbol, number in items)
    with pytest.raises(FormulaError, match="capital letter"):
        parse_formula(text.lower())
    if all(letter in ATOMIC_NUMBER for letter in text.upper() if letter.isalpha()):
        amounts = {s for s, _ in items if len(s) == 1} | {letter.upper() for s, _ in items for letter in s}
        assume(not text.upper().endswith("H2O"))
        assert set(parse_formula(text.upper())) == amounts
    else:
        with pytest.raises(FormulaError, match="not an element"):
            parse_formula(text.upper())


@fixed
@given(st.lists(trees.map(written) | st.text("NaClOHe012.()[ x", max_size=8), min_size=1, max_size=12))
def test_fractions_of_a_row_that_was_read_sum_to_one(formulas):
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-6)):
        encoded = encode(formulas, dtype=dtype)
        good = encoded.fractions[encoded.ok]
        assert (good >= 0).all() and (good <= 1).all() and np.isnan(encoded.fractions[~encoded.ok]).all()
        np.testing.assert_allclose(good.sum(axis=1), 1, rtol=0, atol=tolerance)
    for formula, row, ok in zip(formulas, encoded.fractions, encoded.ok, strict=True):
        if ok:
            assert {ELEMENTS[column] for column in np.flatnonzero(row)} <= set(parse_formula(formula))


# ------------------------------------------------------------------------------------------- cleaning and splits

SOME = ["NaCl", "ClNa", "Na2Cl2", "Fe2O3", "O3Fe2", "MgO", "Fe", "O2", "He", "HeO", "Xx", "", "Na0", None]
rows = st.lists(
    st.tuples(
        st.sampled_from(SOME),
        st.sampled_from([-2.0, -1.0, 0.0, 1.0, np.nan, np.inf, -np.inf]),
    ),
    max_size=30,
)
SAME = {"ClNa": "NaCl", "Na2Cl2": "NaCl", "O3Fe2": "Fe2O3"}


@fixed
@given(rows)
def test_cleaning_counts_are_those_of_one_row_after_another(table):
    counts = dict.fromkeys(
        ["unreadable formula", "unknown element", "missing target", "single element", "duplicate composition"], 0
    )
    lowest: dict[str, float] = {}
    for formula, energy in table:
        if formula in ("Xx", "", "Na0", None):
            counts["unreadable formula"] += 1
        elif formula in ("He", "HeO"):
            counts["unknown element"] += 1
        elif not np.isfinite(energy):
            counts["missing target"] += 1
        elif formula in ("Fe", "O2"):
            counts["single element"] += 1
        else:
            name = SAME.get(formula, formula)
            counts["duplicate composition"] += name in lowest
            lowest[name] = min(energy, lowest.get(name, np.inf))
    cleaned = clean_compositions(pd.DataFrame(table, columns=["formula", ENERGY]).astype({ENERGY: float}))
    assert cleaned.counts == counts
    found = {SAME.get(f, f): energy for f, energy in zip(cleaned.frame["formula"], cleaned.frame[ENERGY], strict=True)}
    assert found == lowest and len(cleaned.frame) + sum(counts.values()) == len(table)
    assert len(set(cleaned.hashes.tolist())) == len(cleaned.hashes)


@fixed
@given(st.lists(plain, min_size=1, max_size=30), st.integers(2, 9), st.integers(0, 2**32 - 1), st.floats(0.01, 0.4))
def test_no_composition_falls_into_two_splits(compositions, factor, seed, share):
    """However often it occurs and however it is written."""
    texts = ["".join(f"{s}{n}" for s, n in counts.items()) for counts in compositions]
    others = ["".join(f"{s}{n * factor}" for s, n in reversed(counts.items())) for counts in compositions]
    fractions = encode([*texts, *others]).fractions
    hashed = split_by_hash(row_hashes(fractions), (1 - 2 * share, share, share), seed)
    np.testing.assert_array_equal(hashed[: len(texts)], hashed[len(texts) :])
    keys = composition_keys(fractions)
    check_disjoint(**{name: keys[hashed == name] for name in SPLIT_NAMES})
    with pytest.raises(LeakageError):
        check_disjoint(train=keys[: len(texts)], test=keys[len(texts) :])


@fixed
@given(st.lists(st.sampled_from(["train", "train", "test"]), min_size=1, max_size=60), st.integers(0, 99))
def test_validation_rows_are_cut_from_training_rows_alone(split, seed):
    given_split = pd.Series(split)
    assigned = assign_splits(given_split, protocol="honest", validation_fraction=0.2, seed=seed)
    np.testing.assert_array_equal(assigned == "test", given_split == "test")
    assert set(assigned[given_split == "train"]) <= {"train", "val"}
    num_train = split.count("train")
    assert (assigned == "val").sum() == (min(max(1, round(0.2 * num_train)), num_train - 1) if num_train > 1 else 0)
    assert (assign_splits(given_split, protocol="paper", validation_fraction=0.2, seed=seed) == given_split).all()
