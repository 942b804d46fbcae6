"""Splits: they cover every row once, repeat by seed, and leakage is found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.composition import encode
from common.splits import (
    LeakageError,
    check_disjoint,
    hold_out,
    hold_out_chemical_system,
    k_fold,
    load_ids,
    row_hashes,
    save_ids,
    split_by_hash,
)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 300), st.floats(0.001, 0.999), st.integers(0, 2**32 - 1))
def test_hold_out_takes_every_row_once(n, test_fraction, seed):
    train, test = hold_out(n, test_fraction, seed)
    assert sorted([*train, *test]) == list(range(n)) and len(train) and len(test)
    assert abs(len(test) - n * test_fraction) <= 1
    assert (np.diff(train) > 0).all() and (np.diff(test) > 0).all()
    again = hold_out(n, test_fraction, seed)
    np.testing.assert_array_equal(test, again[1])


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 200), st.data())
def test_k_fold_tests_every_row_once(n, data):
    num_folds = data.draw(st.integers(2, n))
    folds = list(k_fold(n, num_folds, seed=3))
    assert len(folds) == num_folds
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(n))
    assert all(sorted([*train, *test]) == list(range(n)) for train, test in folds)
    sizes = [len(test) for _, test in folds]
    assert max(sizes) - min(sizes) <= 1


def test_seeds_differ_and_hold_over_versions():
    assert hold_out(10, 0.3, seed=1)[1].tolist() == [4, 7, 8]
    assert hold_out(1000, 0.3, seed=1)[1].tolist() != hold_out(1000, 0.3, seed=2)[1].tolist()
    assert [test.tolist() for _, test in k_fold(7, 3, seed=1)] == [[0, 1, 5], [2, 4], [3, 6]]


@pytest.mark.parametrize(("n", "test_fraction"), [(1, 0.5), (10, 0.0), (10, 1.0), (10, float("nan"))])
def test_hold_out_refuses_empty_parts(n, test_fraction):
    with pytest.raises(ValueError, match="0 < test_fraction < 1"):
        hold_out(n, test_fraction, seed=0)


@pytest.mark.parametrize("num_folds", [1, 11])
def test_k_fold_refuses_at_the_call(num_folds):
    with pytest.raises(ValueError, match="2 <= num_folds <= n"):
        k_fold(10, num_folds, seed=0)


FORMULAS = ["TiO2", "Ti", "O2", "BaTiO3", "NaCl", "Ti2O3", "BaO"]


def test_chemical_system():
    fractions = encode(FORMULAS).fractions
    train, test = hold_out_chemical_system(fractions, ["Ti", "O"])
    assert [FORMULAS[i] for i in test] == ["TiO2", "BaTiO3", "Ti2O3"]
    assert sorted([*train, *test]) == list(range(7))
    train, test = hold_out_chemical_system(fractions, ["Ti", "O"], rule="made_only_of")
    assert [FORMULAS[i] for i in test] == ["TiO2", "Ti", "O2", "Ti2O3"]
    assert hold_out_chemical_system(fractions, ["Pu"])[1].tolist() == []


@pytest.mark.parametrize(
    ("system", "rule"), [(["Xx"], "contains_all"), ([], "contains_all"), (["Ti"], "any"), ("Ti", "contains_all")]
)
def test_chemical_system_refuses(system, rule):
    with pytest.raises(ValueError, match="Expected"):
        hold_out_chemical_system(encode(FORMULAS).fractions, system, rule)


def test_leakage_names_the_splits_and_the_rows():
    hashes = row_hashes(encode(["NaCl", "Fe2O3", "TiO2", "Cl2Na2", "O3Fe2", "KBr"]).fractions)
    check_disjoint(train=hashes[:2], val=hashes[2:3], test=hashes[5:])
    with pytest.raises(LeakageError, match="2 of the 3 rows of 'test' are also in 'train'"):
        check_disjoint(train=hashes[:2], val=hashes[2:3], test=hashes[3:])


def test_split_by_hash_depends_on_the_row_alone():
    formulas = [f"Na{i}Cl{j}" for i in range(1, 100) for j in range(1, 100)]
    hashes = row_hashes(encode(formulas).fractions)
    split = split_by_hash(hashes)
    np.testing.assert_array_equal(split[::7], split_by_hash(hashes[::7]))
    unique = split_by_hash(np.unique(hashes), (0.5, 0.2, 0.3))
    shares = [np.mean(unique == name) for name in ("train", "val", "test")]
    np.testing.assert_allclose(shares, [0.5, 0.2, 0.3], atol=0.02)
    assert 0.6 < np.mean(split == split_by_hash(hashes, seed=1)) < 0.72  # 0.8^2 + 0.1^2 + 0.1^2 when independent
    check_disjoint(**{name: hashes[split == name] for name in ("train", "val", "test")})


def test_split_by_hash_refuses_wrong_shares():
    with pytest.raises(ValueError, match="sum to 1"):
        split_by_hash(np.zeros(1, np.uint64), (0.8, 0.1, 0.2))


def test_ids_survive_the_round_trip(tmp_path):
    path = tmp_path / "folder" / "split.json"
    save_ids(path, {"train": np.array([0, 2]), "test": ["mp-1", "NaN"]})
    assert load_ids(path) == {"train": [0, 2], "test": ["mp-1", "NaN"]}
    save_ids(path, {"train": []})
    assert load_ids(path) == {"train": []}
    assert [p.name for p in path.parent.iterdir()] == ["split.json"]


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"train": 3}', '{"train": [1, '])
def test_what_is_no_split_is_refused(tmp_path, text):
    path = tmp_path / "split.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="split.json"):
        load_ids(path)
