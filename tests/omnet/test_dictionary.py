"""Dictionary indexing against all pairs in double precision and against kikuchipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnet.dictionary import Dictionary
from omnet.patterns import CONSTANT, NOT_FINITE, unit_vectors, usable_patterns
from omnet.rotations import random_quaternions

SHAPE = (12, 10)


def make_patterns(num, seed):
    return np.random.default_rng(seed).integers(0, 256, (num, *SHAPE), dtype=np.uint8)


def make_dictionary(num=300, seed=0, **options):
    return Dictionary(random_quaternions(num, np.random.default_rng(seed)), make_patterns(num, seed), **options)


def all_scores(patterns, dictionary, metric):
    vectors = [
        unit_vectors(array, subtract_mean=metric == "ncc", dtype=np.float64)
        for array in (patterns, dictionary.patterns)
    ]
    return vectors[0] @ vectors[1].T


@pytest.mark.parametrize("metric", ["ncc", "dot"])
@pytest.mark.parametrize("num_best", [1, 7])
def test_the_best_of_all_pairs(metric, num_best):
    dictionary, patterns = make_dictionary(rows_at_once=64), make_patterns(20, seed=1)
    rows, scores = dictionary.index(patterns, num_best, metric, patterns_at_once=8)
    expected = all_scores(patterns, dictionary, metric)
    np.testing.assert_array_equal(rows, np.argsort(-expected, axis=1)[:, :num_best])
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1)[:, :num_best], rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(rows_at_once=st.integers(1, 400), patterns_at_once=st.integers(1, 40), num_best=st.integers(1, 300))
def test_parts_do_not_matter(rows_at_once, patterns_at_once, num_best):
    patterns = make_patterns(15, seed=1)
    expected = make_dictionary().index(patterns, num_best)
    found = make_dictionary(rows_at_once=rows_at_once).index(patterns, num_best, patterns_at_once=patterns_at_once)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_of_equal_patterns_the_lowest_row_comes_first():
    patterns = make_patterns(40, seed=0)
    twice = Dictionary(np.tile([1.0, 0, 0, 0], (80, 1)), np.concatenate([patterns, patterns]), rows_at_once=30)
    rows, scores = twice.index(patterns, num_best=2)
    np.testing.assert_array_equal(rows, np.arange(40)[:, None] + [0, 40])
    np.testing.assert_allclose(scores, 1, rtol=0, atol=1e-12)


def test_ncc_sees_neither_brightness_nor_contrast_and_dot_sees_brightness():
    dictionary, patterns = make_dictionary(), make_patterns(10, seed=1)
    other = 0.25 * patterns.astype(np.float32) + 100
    np.testing.assert_allclose(dictionary.index(other)[1], dictionary.index(patterns)[1], rtol=0, atol=1e-6)
    assert (dictionary.index(other, metric="dot")[1] > dictionary.index(patterns, metric="dot")[1] + 0.01).all()


def test_patterns_that_nothing_can_be_read_from_have_no_row():
    patterns = make_patterns(5, seed=1).astype(np.float64)
    expected = make_dictionary().index(patterns)
    patterns[1], patterns[2, 0, 0], patterns[3, 3, 3] = 7.0, np.nan, np.inf
    usable, reasons = usable_patterns(patterns)
    assert usable.tolist() == [True, False, False, False, True]
    assert reasons == ["", CONSTANT, NOT_FINITE, NOT_FINITE, ""]
    rows, scores = make_dictionary().index(patterns)
    assert (rows[1:4] == -1).all() and np.isnan(scores[1:4]).all()
    np.testing.assert_array_equal(rows[[0, 4]], expected[0][[0, 4]])


def test_a_constant_pattern_of_the_dictionary_is_never_the_best():
    patterns = make_patterns(50, seed=0)
    patterns[:25] = 200
    dictionary = Dictionary(np.tile([1.0, 0, 0, 0], (50, 1)), patterns)
    rows, _ = dictionary.index(patterns[25:])
    np.testing.assert_array_equal(rows[:, 0], np.arange(25, 50))


def test_patterns_may_be_mapped_from_a_file(tmp_path):
    patterns = make_patterns(300, seed=0)
    np.save(tmp_path / "dictionary.npy", patterns)
    mapped = Dictionary(np.tile([1.0, 0, 0, 0], (300, 1)), np.load(tmp_path / "dictionary.npy", mmap_mode="r"))
    np.testing.assert_array_equal(mapped.index(patterns)[0][:, 0], np.arange(300))


def test_bad_input():
    dictionary, patterns = make_dictionary(), make_patterns(3, seed=1)
    with pytest.raises(ValueError, match=r"shape \(n, 12, 10\), received \(3, 10, 12\)"):
        dictionary.index(patterns.swapaxes(1, 2))
    with pytest.raises(ValueError, match="empty scan"):
        dictionary.index(patterns[:0])
    with pytest.raises(ValueError, match="dtype complex64"):
        dictionary.index(patterns.astype(np.complex64))
    with pytest.raises(ValueError, match="metric"):
        dictionary.index(patterns, metric="cosine")
    with pytest.raises(ValueError, match="from 1 to 300"):
        dictionary.index(patterns, num_best=301)
    with pytest.raises(ValueError, match="one quaternion a pattern"):
        Dictionary(dictionary.quaternions[1:], dictionary.patterns)
    with pytest.raises(ValueError, match="uint8"):
        Dictionary(dictionary.quaternions, dictionary.patterns.astype(np.float32))


def test_answers_are_those_of_kikuchipy():
    kikuchipy = pytest.importorskip("kikuchipy")
    crystal_map = pytest.importorskip("orix.crystal_map")
    rotation = pytest.importorskip("orix.quaternion")
    dictionary, patterns = make_dictionary(), make_patterns(12, seed=1)
    xmap = crystal_map.CrystalMap(
        rotations=rotation.Rotation(dictionary.quaternions),
        phase_list=crystal_map.PhaseList(names="ni", point_groups="m-3m"),
    )
    peer = kikuchipy.signals.EBSD(dictionary.patterns, xmap=xmap)
    found = kikuchipy.signals.EBSD(patterns).dictionary_indexing(peer, metric="ncc", keep_n=5)
    rows, scores = dictionary.index(patterns, num_best=5)
    np.testing.assert_array_equal(rows, found.prop["simulation_indices"])
    np.testing.assert_allclose(scores, found.prop["scores"], rtol=0, atol=1e-5)
