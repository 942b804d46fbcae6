"""What is added to patterns has the size that was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnet.noise import add_gradient, add_noise, apply_gain, apply_vignetting


@pytest.fixture
def patterns():
    return np.random.default_rng(0).uniform(0, 255, (3, 80, 100)) * np.array([1, 0.5, 0.1])[:, None, None]


@pytest.mark.parametrize("snr", [4, 1, 0.25, [1, 0.5, 0.25]])
def test_noise_is_white_and_has_the_stated_ratio(patterns, snr):
    noise = add_noise(patterns, snr, np.random.default_rng(1)) - patterns
    np.testing.assert_allclose(patterns.std(axis=(1, 2)) / noise.std(axis=(1, 2)), np.broadcast_to(snr, 3), rtol=0.03)
    scaled = noise / noise.std(axis=(1, 2), keepdims=True)  # (3, 80, 100)
    bound = 5 / np.sqrt(scaled[0].size)  # five standard errors
    assert np.abs(scaled.mean(axis=(1, 2))).max() < bound
    assert np.abs((scaled[:, :, 1:] * scaled[:, :, :-1]).mean(axis=(1, 2))).max() < bound  # neighbours
    assert np.abs((scaled[0] * scaled[1]).mean()) < bound  # patterns
    assert np.abs((scaled**4).mean() - 3) < 0.2  # Gaussian


def test_noise_repeats_with_its_seed(patterns):
    first, second = (add_noise(patterns, 1, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32


def test_gain_saturates_at_white(patterns):
    amplified = apply_gain(patterns, [2, 1, 0.5])
    np.testing.assert_allclose(amplified, np.minimum(patterns * np.array([2, 1, 0.5])[:, None, None], 255), rtol=1e-6)
    assert (amplified[0] == 255).mean() > 0.4


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 5), st.floats(-7, 7))
def test_a_gradient_is_a_plane_through_the_mean(strength, angle_rad):
    patterns = np.random.default_rng(0).normal(100, 10, (2, 21, 31))
    added = add_gradient(patterns, strength, angle_rad) - patterns
    x, y = np.linspace(-1, 1, 31)[None, :], np.linspace(1, -1, 21)[:, None]
    expected = x * np.cos(angle_rad) + y * np.sin(angle_rad)
    expected *= strength / np.abs(expected).max()
    np.testing.assert_allclose(added / patterns.std(axis=(1, 2), keepdims=True), [expected] * 2, atol=1e-4)


def test_a_gradient_grows_upwards_by_default(patterns):
    added = add_gradient(patterns, 1) - patterns
    assert (added[:, 0] > 0).all() and (added[:, -1] < 0).all()


def test_vignetting_darkens_the_corners_and_spares_the_middle():
    result = apply_vignetting(np.full((2, 41, 61), 200.0), [0.6, 1])
    assert result[0, 20, 30] == 200
    np.testing.assert_allclose(result[0, [0, 0, -1, -1], [0, -1, 0, -1]], 120, rtol=1e-6)
    np.testing.assert_allclose(result[0, 0, 30], 160, rtol=1e-6)
    assert (result[1] == 200).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: add_noise(p, 0, np.random.default_rng(0)), "signal-to-noise ratio one finite number above 0"),
        (lambda p: add_noise(p, [1, 1], np.random.default_rng(0)), "each of the 3 patterns"),
        (lambda p: add_noise(p[0], 1, np.random.default_rng(0)), r"\(n, rows, columns\)"),
        (lambda p: apply_gain(p, -1), "gain"),
        (lambda p: add_gradient(p, np.inf), "strength one finite number,"),
        (lambda p: apply_vignetting(p, 0), "corners"),
    ],
)
def test_wrong_arguments_get_a_sentence(patterns, call, words):
    with pytest.raises(ValueError, match=words):
        call(patterns)
