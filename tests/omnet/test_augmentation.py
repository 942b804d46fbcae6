"""Patterns of a training: simulated, standardised, and degraded in training only."""

import keras
import numpy as np
import pytest

from omnet.augmentation import SimulatedPatterns
from omnet.background import remove_dynamic_background
from omnet.config import FAST_RECIPE, Augmentation
from omnet.detector import Detector
from omnet.master_pattern import load_master_pattern
from omnet.rotations import random_quaternions
from omnet.simulator import Simulator

NUM = 6
ALL = FAST_RECIPE.augmentation


@pytest.fixture(scope="module")
def simulator():
    return Simulator(load_master_pattern(), Detector(shape=(24, 32)))


@pytest.fixture(scope="module")
def rows(simulator):
    quaternions = random_quaternions(NUM, np.random.default_rng(0))
    return np.column_stack([quaternions, np.tile(simulator.detector.pc, (NUM, 1))]).astype(np.float32)


@pytest.fixture(scope="module")
def clean(simulator, rows):
    return standardised(simulator.simulate(rows[:, :4]))


def standardised(patterns: np.ndarray) -> np.ndarray:
    axes = {"axis": (1, 2), "keepdims": True}
    return (patterns - patterns.mean(**axes)) / patterns.std(**axes)


def patterns_of(simulator, rows, augmentation, training: bool = True, seed: int = 0) -> np.ndarray:
    return keras.ops.convert_to_numpy(SimulatedPatterns(simulator, augmentation, seed)(rows, training=training))


def test_at_prediction_nothing_is_degraded(simulator, rows, clean):
    np.testing.assert_allclose(patterns_of(simulator, rows, ALL, training=False), clean, atol=1e-4)
    np.testing.assert_allclose(patterns_of(simulator, rows, Augmentation()), clean, atol=1e-4)


def test_in_training_the_seed_repeats_and_no_round_is_like_another(simulator, rows, clean):
    first, again = (SimulatedPatterns(simulator, ALL, 5) for _ in range(2))
    rounds = [np.asarray(first(rows, training=True)) for _ in range(2)]
    assert np.array_equal(rounds[0], again(rows, training=True))
    assert np.abs(rounds[0] - rounds[1]).max() > 0.1 and np.abs(rounds[0] - clean).max() > 0.1
    assert not np.array_equal(rounds[0], patterns_of(simulator, rows, ALL, seed=6))


def test_the_state_of_its_randomness_is_a_variable_and_nothing_trains(simulator):
    layer = SimulatedPatterns(simulator, ALL, 5)
    assert [variable.name for variable in layer.variables] == [layer.seed_generator.state.name]
    assert layer.trainable_variables == []


def test_the_blur_is_that_of_the_dynamic_background(simulator, rows, clean):
    """Against `scipy.ndimage.gaussian_filter`, which `remove_dynamic_background` takes."""
    expected = standardised(remove_dynamic_background(clean))
    layer = SimulatedPatterns(simulator, Augmentation(high_pass_max=1.0))
    blurred = layer._blurred(clean.reshape(NUM, -1))
    ours = standardised(clean - np.asarray(blurred).reshape(clean.shape))
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_the_high_pass_takes_a_share_of_the_blur(simulator, rows, clean):
    """So every pattern lies between itself and itself without its dynamic background, each at another place."""
    made = patterns_of(simulator, rows, Augmentation(high_pass_max=1.0)).reshape(NUM, -1)
    ends = np.stack([clean, standardised(remove_dynamic_background(clean))], axis=-1).reshape(NUM, -1, 2)
    shares = []
    for pattern, between in zip(made, ends, strict=True):
        coefficients, residual, *_ = np.linalg.lstsq(between, pattern, rcond=None)
        assert residual < 1e-4 and (coefficients > -1e-3).all()
        shares.append(coefficients[1] / coefficients.sum())
    assert np.ptp(shares) > 0.1
    np.testing.assert_allclose(made.std(axis=1), 1, atol=1e-4)


def test_the_noise_is_white_and_of_another_strength_in_each_pattern(simulator, rows, clean):
    noise = patterns_of(simulator, rows, Augmentation(noise_sd_max=2.0)) - clean
    sds = noise.std(axis=(1, 2))
    assert (sds <= 2.1).all() and sds.max() > 2 * sds.min()
    assert np.abs(noise.mean(axis=(1, 2)) / sds).max() < 0.2
    neighbours = (noise[:, :, 1:] * noise[:, :, :-1]).mean(axis=(1, 2)) / sds**2
    assert np.abs(neighbours).max() < 0.2


def test_coloured_noise_is_stronger_at_low_frequencies_and_of_either_sign(simulator, rows, clean):
    many = np.tile(rows, (200, 1))
    noise = patterns_of(simulator, many, Augmentation(coloured_noise_sd_max=2.0)) - np.tile(clean, (200, 1, 1))
    sds = noise.std(axis=(1, 2))
    assert sds.max() <= 2.001
    np.testing.assert_allclose(np.quantile(sds, [0.25, 0.5, 0.75]), [0.5, 1.0, 1.5], atol=0.15)
    assert abs(np.sign(noise[:, 5, 5]).mean()) < 0.15 and np.abs(noise.mean(axis=(1, 2))).max() < 1e-3
    power = (np.abs(np.fft.fft2(noise / sds[:, None, None])) ** 2).mean(axis=0)
    cycles = np.hypot(np.fft.fftfreq(24)[:, None] * 24, np.fft.fftfreq(32) * 32)
    seen = (cycles > 0) & (np.abs(np.fft.fftfreq(24)[:, None]) < 0.5) & (np.abs(np.fft.fftfreq(32)) < 0.5)
    slope, _ = np.polyfit(np.log(cycles[seen]), np.log(power[seen]), 1)
    assert slope == pytest.approx(-1.2, abs=0.1)


@pytest.mark.parametrize("kind", ["background_sd", "gain_sd"])
def test_background_and_gain_are_smooth(simulator, rows, clean, kind):
    made = patterns_of(simulator, rows, Augmentation(**{kind: 0.2}))
    departure = made - clean if kind == "background_sd" else made / clean - 1
    y, x = np.meshgrid(np.linspace(-1, 1, 24), np.linspace(-1, 1, 32), indexing="ij")
    quadratic = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1).reshape(-1, 6)
    seen = np.abs(clean).reshape(NUM, -1) > 0.1  # a gain cannot be told where the pattern is 0
    for one, where in zip(departure.reshape(NUM, -1), seen, strict=True):
        coefficients, *_ = np.linalg.lstsq(quadratic[where], one[where], rcond=None)
        np.testing.assert_allclose(quadratic[where] @ coefficients, one[where], atol=5e-3)
        assert 0.02 < one[where].std() < 2


def test_projection_centres_of_the_rows_are_used_where_they_scatter(simulator, rows, clean):
    pc = rows[:, 4:] + np.linspace(0, 0.05, NUM, dtype=np.float32)[:, None]
    moved = np.column_stack([rows[:, :4], pc])
    expected = standardised(simulator.simulate(rows[:, :4], pc))
    np.testing.assert_allclose(patterns_of(simulator, moved, Augmentation(pc_sd=0.01), False), expected, atol=1e-3)
    assert np.abs(expected[-1] - clean[-1]).max() > 0.1
