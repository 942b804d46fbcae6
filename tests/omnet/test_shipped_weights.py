"""The weights in the package: whole, described, small enough, and as exact as promised."""

import zipfile

import numpy as np
import pytest

from common import artifacts
from omnet.config import FAST_RECIPE
from omnet.disorientation import disorientation_deg
from omnet.master_pattern import load_master_pattern
from omnet.noise import add_noise, coloured_noise
from omnet.predict import PRETRAINED, PRETRAINED_MEASURED, load_pretrained
from omnet.refinement import refine
from omnet.rotations import random_quaternions
from omnet.simulator import Simulator


@pytest.fixture(scope="module")
def shipped():
    return load_pretrained()


@pytest.fixture(scope="module")
def simulated(shipped):
    """Orientations that no training has seen, and their patterns."""
    quaternions = random_quaternions(200, np.random.default_rng(2024))
    return quaternions, Simulator(load_master_pattern(), shipped.detector).simulate(quaternions)


def test_clean_patterns_are_indexed_within_degrees(shipped, simulated):
    quaternions, patterns = simulated
    answers, confidences = shipped.predict(patterns)
    errors_deg = disorientation_deg(quaternions, answers)
    assert errors_deg.mean() <= 3.0 and np.median(errors_deg) <= 1.5
    assert confidences.mean() > 0.8


def test_refinement_makes_hundredths_of_degrees(shipped, simulated):
    quaternions, patterns = simulated
    refined = refine(patterns, shipped.predict(patterns)[0], Simulator(load_master_pattern(), shipped.detector))
    errors_deg = disorientation_deg(quaternions, refined.quaternions)
    assert np.median(errors_deg) <= 0.05 and (errors_deg < 0.5).mean() >= 0.95


def test_noise_and_brightness_of_a_camera_cost_little(shipped, simulated):
    quaternions, patterns = simulated
    noisy = add_noise(patterns, 0.5, np.random.default_rng(0))
    as_bytes = (255 * (noisy - noisy.min()) / np.ptp(noisy)).astype(np.uint8)
    for degraded, limit_deg in ((noisy, 6.0), (as_bytes, 6.0), (1e-3 * patterns, 3.0)):
        assert disorientation_deg(quaternions, shipped.predict(degraded)[0]).mean() <= limit_deg


def test_patterns_of_noise_alone_have_less_confidence(shipped, simulated):
    noise = np.random.default_rng(1).normal(size=simulated[1].shape)
    assert shipped.predict(noise)[1].mean() < 0.7 * shipped.predict(simulated[1])[1].mean()


def test_the_network_for_measured_patterns_sees_through_what_a_camera_adds(simulated):
    """Noise twice as strong as the pattern, which leaves the other network without a clue."""
    quaternions, patterns = simulated
    noise_sds = 2.0 * patterns.std(axis=(1, 2), keepdims=True)
    noisy = patterns + noise_sds * coloured_noise(len(patterns), patterns.shape[1:], np.random.default_rng(5))
    errors_deg = {
        path: np.median(disorientation_deg(quaternions, load_pretrained(path).predict(noisy)[0]))
        for path in (PRETRAINED, PRETRAINED_MEASURED)
    }
    assert errors_deg[PRETRAINED_MEASURED] < 15 and errors_deg[PRETRAINED] > 1.5 * errors_deg[PRETRAINED_MEASURED]


def test_the_network_is_that_of_the_recipe(shipped):
    assert shipped.detector == FAST_RECIPE.detector and shipped.head == FAST_RECIPE.head
    assert shipped.card["architecture"] == "omnet_small " + "-".join(map(str, FAST_RECIPE.hidden_units))
    assert shipped.model.count_params() == shipped.card["parameters"]


@pytest.mark.parametrize(("path", "recipe"), [(PRETRAINED, "fast"), (PRETRAINED_MEASURED, "measured")])
def test_the_card_is_whole(path, recipe):
    card = load_pretrained(path).card
    assert set(artifacts.REQUIRED_CARD_KEYS) <= set(card)
    assert card["protocol"] == "honest" and card["recipe"] == recipe and card["elements"] == ["ni2"]
    assert card["metrics"]["test"]["n"] == 1_000
    assert 0 < card["metrics"]["test"]["median_deg"] < card["metrics"]["test"]["mean_deg"] <= 3.0
    assert len(card["learning_curve"]["step"]) == len(card["learning_curve"]["validation_mde_deg"]) > 0
    assert not card["data"]["source"].startswith("/")  # no place on the machine that trained it


def test_the_files_are_small_enough_together_and_hold_no_code():
    paths = (PRETRAINED, PRETRAINED_MEASURED)
    assert sum(path.stat().st_size for path in paths) <= 20e6
    for path in paths:
        with zipfile.ZipFile(path) as file:
            assert "Lambda" not in file.read("config.json").decode()
