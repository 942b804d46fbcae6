"""Indexing of simulated scans whose orientations are known; the real one is in test_index_command.py."""

from dataclasses import replace

import numpy as np
import pytest

from omnet import indexing
from omnet.detector import Detector
from omnet.disorientation import disorientation_deg
from omnet.indexing import DICTIONARY, NETWORK, OTHERS, Indexer, IndexingSettings, distinct
from omnet.master_pattern import load_master_pattern
from omnet.patterns import ncc
from omnet.rotations import multiply, quaternions_from_rotation_vectors, random_quaternions
from omnet.simulator import Simulator

SMALL = Detector(shape=(24, 24))
BY_DICTIONARY = IndexingSettings(DICTIONARY, grid_steps=26)  # 5,900 orientations some 3.6 degrees apart


@pytest.fixture(scope="module")
def master():
    return load_master_pattern()


@pytest.fixture(scope="module")
def by_dictionary(master):
    return Indexer(BY_DICTIONARY, SMALL, master)


@pytest.fixture(scope="module")
def truth():
    return random_quaternions(24, np.random.default_rng(2))


@pytest.fixture(scope="module")
def patterns(master, truth):
    """With the background of a camera: brighter in the middle."""
    y, x = np.mgrid[-1:1:24j, -1:1:24j]
    return Simulator(master, SMALL).simulate(truth) + 200 * np.exp(-(x**2) - y**2)


class Network:
    """Stands in for a trained one: its answers err by 5 degrees, and every fourth is far off, as for noisy copies."""

    detector = SMALL
    card = {"elements": ["ni2"]}

    def __init__(self, truth):
        self.truth = truth

    def predict(self, patterns):
        assert patterns.shape[1:] == (24, 24)
        if len(patterns) != len(self.truth):
            return self.of_copies(patterns), np.zeros(len(patterns))
        rng = np.random.default_rng(3)
        axes = rng.normal(size=(len(self.truth), 3))
        turns = np.deg2rad(5) * axes / np.linalg.norm(axes, axis=1, keepdims=True)
        answers = multiply(quaternions_from_rotation_vectors(turns), self.truth)
        answers[::4] = random_quaternions(len(answers[::4]), rng)
        return answers, np.linspace(0, 1, len(self.truth))

    def of_copies(self, patterns):
        return random_quaternions(len(patterns), np.random.default_rng(4))


class WaveringNetwork(Network):
    """One whose answers are right for every second copy with noise."""

    def __init__(self, truth, patterns):
        super().__init__(truth)
        self.patterns = patterns.reshape(len(truth), -1)

    def of_copies(self, patterns):
        answers = super().of_copies(patterns)
        likeness = np.corrcoef(patterns.reshape(len(patterns), -1), self.patterns)[: len(patterns), len(patterns) :]
        answers[::2] = self.truth[likeness.argmax(axis=1)][::2]
        return answers


@pytest.fixture
def by_network(master, truth, by_dictionary, monkeypatch):
    networks = [Network(truth)]
    monkeypatch.setattr(indexing, "load_pretrained", lambda path: networks[-1])

    def make(network=None, **changes):
        if network is not None:
            networks.append(network)
        made = Indexer(replace(BY_DICTIONARY, method=NETWORK, **changes), SMALL, master)
        made.__dict__["_dictionary"] = by_dictionary._dictionary
        return made

    return make


def test_a_network_for_another_phase_is_refused(master, by_network):
    with pytest.raises(ValueError, match="'al'"):
        Indexer(replace(BY_DICTIONARY, method=NETWORK), SMALL, replace(master, phase="al"))


def test_patterns_of_another_size_are_refused(by_dictionary):
    with pytest.raises(ValueError, match=r"\(n, 24, 24\)"):
        by_dictionary.index(np.zeros((2, 20, 24)))


def test_dictionary_and_refinement_find_the_orientations(by_dictionary, patterns, truth):
    answers = by_dictionary.index(patterns)
    errors = disorientation_deg(answers.quaternions, truth)
    right = errors < 0.5
    assert right.mean() > 0.6  # patterns of 24 x 24 in a coarse grid: of 60 x 60 in one of 50 steps it is all
    assert answers.score[right].min() > 2 * answers.score[~right].max()
    assert answers.confidence[right].mean() > answers.confidence[~right].mean()
    assert set(answers.start) == {DICTIONARY} and set(answers.reason) == {""}


def test_refinement_raises_the_score(by_dictionary, patterns, truth, master):
    refined = by_dictionary.index(patterns)
    first = Indexer(replace(BY_DICTIONARY, refine=False), SMALL, master)
    first.__dict__["_dictionary"] = by_dictionary._dictionary
    plain = first.index(patterns)
    assert disorientation_deg(plain.quaternions, truth).mean() > 5 * np.median(
        disorientation_deg(refined.quaternions, truth)
    )
    assert (refined.score > plain.score - 0.02).all() and refined.score.mean() > plain.score.mean()


def test_projection_centres_of_each_point_are_used(by_dictionary, truth, master):
    pc = np.array(SMALL.pc) + np.random.default_rng(4).uniform(-0.02, 0.02, (len(truth), 3))
    made = Simulator(master, SMALL).simulate(truth, pc)
    right = np.median(disorientation_deg(by_dictionary.index(made, pc).quaternions, truth))
    assert right < 0.2 < 0.6 < np.median(disorientation_deg(by_dictionary.index(made).quaternions, truth))


def test_patterns_without_content_have_a_reason_and_the_rest_is_as_without_them(by_dictionary, patterns):
    some = patterns[:4].copy()
    some[1], some[2, 3, 3] = 7, np.nan
    answers, alone = by_dictionary.index(some), by_dictionary.index(patterns[[0, 3]])
    assert answers.reason.tolist() == ["", "constant pattern", "NaN or infinite values", ""]
    assert np.isnan(answers.quaternions[1:3]).all() and np.isnan(answers.score[1:3]).all()
    np.testing.assert_allclose(answers.quaternions[[0, 3]], alone.quaternions, atol=1e-6)
    nothing = by_dictionary.index(some[1:3])
    assert nothing.reason.tolist() == ["constant pattern", "NaN or infinite values"]


def test_a_pattern_that_is_nothing_but_background_has_a_reason(master, patterns):
    settings = replace(BY_DICTIONARY, remove_static=True)
    indexer = Indexer(settings, SMALL, master, static_background=patterns[0])
    assert indexer.index(patterns[:1]).reason.tolist() == ["constant pattern without its background"]
    with pytest.raises(ValueError, match="static background.*--no-static"):
        Indexer(settings, SMALL, master)


def test_answers_of_the_network_that_match_badly_are_tried_again(by_network, patterns, truth):
    answers = by_network().index(patterns)
    errors = disorientation_deg(answers.quaternions, truth)
    assert (errors < 0.5).mean() > 0.8
    assert set(answers.start[::4]) == {DICTIONARY}
    assert (np.delete(answers.start, np.s_[::4]) == NETWORK).mean() > 0.8


def test_noisy_copies_are_asked_before_the_dictionary(by_network, by_dictionary, patterns, truth):
    wavering = WaveringNetwork(truth, by_dictionary.prepare(patterns))
    answers = by_network(wavering).index(patterns)
    assert (disorientation_deg(answers.quaternions, truth) < 0.5).mean() > 0.8
    assert (answers.start == NETWORK).mean() > 0.8


def test_points_of_one_grain_help_each_other(by_network, by_dictionary, patterns, truth):
    """Every fourth point is of the grain of its neighbour, and the network does not know it."""
    of_grain = np.arange(len(truth))
    of_grain[::4] += 1
    answers = by_network(Network(truth[of_grain])).index(patterns[of_grain])
    right = disorientation_deg(answers.quaternions, truth[of_grain]) < 0.5
    assert right.mean() > 0.8 and (answers.start[::4] == OTHERS).mean() > 0.8


def test_distinct_orientations_are_found_once():
    different = random_quaternions(20, np.random.default_rng(6))
    nearly = multiply(quaternions_from_rotation_vectors(np.full((20, 3), 0.004)), different)
    np.testing.assert_array_equal(distinct(np.concatenate([different, nearly])), different)
    assert distinct(different[:0]).shape == (0, 4)


def test_the_network_alone_says_its_own_confidence(by_network, patterns, truth):
    answers = by_network(refine=False).index(patterns)
    assert set(answers.start) == {NETWORK}
    np.testing.assert_allclose(answers.confidence, np.linspace(0, 1, len(truth)))
    np.testing.assert_allclose(np.delete(disorientation_deg(answers.quaternions, truth), np.s_[::4]), 5, atol=1e-6)


def test_a_detector_that_sees_little_of_what_the_network_saw_is_refused(by_network, master):
    far = Detector(shape=(24, 24), pc=(SMALL.pc[0], SMALL.pc[1], 1.5))
    with pytest.raises(ValueError, match="50%.*--method dictionary"):
        Indexer(replace(BY_DICTIONARY, method=NETWORK), far, master)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="network or dictionary.*'hough'"):
        IndexingSettings("hough")


def test_fine_patterns_are_binned(master):
    indexer = Indexer(BY_DICTIONARY, Detector(shape=(131, 187)), master)
    assert indexer.binning == 2 and indexer.prepare(np.zeros((1, 131, 187))).shape == (1, 65, 93)


def test_ncc_is_the_correlation_coefficient():
    first, second = np.random.default_rng(5).normal(size=(2, 3, 8, 9))
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(ncc(first, second), expected)
