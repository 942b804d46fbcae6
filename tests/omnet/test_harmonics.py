"""Harmonics of a cubic crystal's orientation: their symmetry and metric, against scipy's spherical harmonics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import sph_harm_y

from omnet import harmonics, rotations
from omnet.disorientation import disorientation_deg
from omnet.harmonics import harmonics_from_quaternions, quaternions_from_harmonics

numbers = st.floats(-1, 1, allow_subnormal=False)
quaternions = (
    st.tuples(numbers, numbers, numbers, numbers)
    .map(np.array)
    .filter(lambda q: np.linalg.norm(q) > 0.1)
    .map(lambda q: q / np.linalg.norm(q))
)


def random_quaternions(num: int, seed: int = 0) -> np.ndarray:
    return rotations.random_quaternions(num, np.random.default_rng(seed))


# ---------------------------------------------------------------------------------------------------- what they are


def real_harmonics(axes: np.ndarray) -> np.ndarray:
    """``(n, 3)`` unit vectors -> ``(n, 9)``: real harmonics out of scipy's complex ones."""
    polar, azimuth = np.arccos(np.clip(axes[:, 2], -1, 1)), np.arctan2(axes[:, 1], axes[:, 0])
    columns = []
    for m in range(-4, 5):
        value = sph_harm_y(4, abs(m), polar, azimuth)
        part = value.imag if m < 0 else value.real
        columns.append(part if m == 0 else np.sqrt(2) * (-1) ** m * part)
    return np.stack(columns, axis=1)


def test_they_are_the_sum_of_the_harmonics_of_the_cube_axes():
    orientations = random_quaternions(50)
    axes = rotations.matrices_from_quaternions(orientations)  # g^T e_i is row i of g
    expected = np.sqrt(16 * np.pi / 189) * sum(real_harmonics(axes[:, i]) for i in range(3))
    np.testing.assert_allclose(harmonics_from_quaternions(orientations), expected, atol=1e-13)


@settings(deadline=None)
@given(quaternion=quaternions)
def test_the_24_equivalents_and_both_signs_have_the_same(quaternion):
    equivalents = rotations.multiply(rotations.CUBIC_QUATERNIONS, quaternion)  # (24, 4)
    expected = np.broadcast_to(harmonics_from_quaternions(quaternion), (24, 9))
    np.testing.assert_allclose(harmonics_from_quaternions(equivalents), expected, atol=1e-12)
    np.testing.assert_allclose(harmonics_from_quaternions(-equivalents), expected, atol=1e-12)


@settings(deadline=None)
@given(quaternion=quaternions)
def test_their_length_is_1(quaternion):
    assert np.linalg.norm(harmonics_from_quaternions(quaternion)) == pytest.approx(1, abs=1e-12)


@settings(deadline=None)
@given(quaternion=quaternions, axis=quaternions)
def test_a_small_angle_moves_them_equally_far_in_every_direction(quaternion, axis):
    """By the square root of 20/3 times the angle."""
    direction = axis[1:] / np.linalg.norm(axis[1:]) if np.linalg.norm(axis[1:]) > 0.1 else np.eye(3)[0]
    angle_rad = 1e-4
    turned = rotations.multiply(quaternion, rotations.quaternions_from_rotation_vectors(angle_rad * direction))
    moved = np.linalg.norm(harmonics_from_quaternions(turned) - harmonics_from_quaternions(quaternion))
    assert moved == pytest.approx(np.sqrt(20 / 3) * angle_rad, rel=1e-6)


def test_different_orientations_have_different_ones():
    a, b = random_quaternions(5_000), random_quaternions(5_000, seed=1)
    distances = np.linalg.norm(harmonics_from_quaternions(a) - harmonics_from_quaternions(b), axis=1)
    angles_rad = np.deg2rad(disorientation_deg(a, b))
    assert (distances > angles_rad).all()  # some 2.6 times as far near 0, 1.1 times at the largest angles


# ---------------------------------------------------------------------------------------------------- and back


def test_decoding_is_the_inverse():
    orientations = random_quaternions(2_000)
    decoded, confidences = quaternions_from_harmonics(harmonics_from_quaternions(orientations))
    assert disorientation_deg(orientations, decoded).max() < 1e-6
    np.testing.assert_allclose(decoded, rotations.cubic_representatives(orientations) * _signs(decoded, orientations))
    np.testing.assert_allclose(confidences, 1, atol=1e-12)


def _signs(decoded: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    return np.sign(np.sum(decoded * rotations.cubic_representatives(orientations), axis=1, keepdims=True))


def test_the_orientation_found_is_the_nearest_to_what_was_predicted():
    truth = random_quaternions(500)
    predicted = harmonics_from_quaternions(truth) + 0.1 * np.random.default_rng(1).normal(size=(500, 9))
    decoded, confidences = quaternions_from_harmonics(predicted)
    turns = rotations.quaternions_from_rotation_vectors(1e-2 * np.concatenate([np.eye(3), -np.eye(3)]))
    neighbours = rotations.multiply(decoded[:, None], turns)  # (500, 6, 4), 0.6 degrees away
    here, at_truth, around = (
        np.einsum("n...j,nj->n...", harmonics_from_quaternions(rows), predicted)
        for rows in (decoded, truth, neighbours)
    )
    assert (around < here[:, None]).all() and (at_truth < here).all()
    np.testing.assert_allclose(confidences, np.minimum(here, 1), atol=1e-12)
    assert 0 < disorientation_deg(truth, decoded).mean() < 10


def test_the_length_is_the_confidence():
    orientations = random_quaternions(30)
    shares = np.linspace(0, 1.2, 30)
    decoded, confidences = quaternions_from_harmonics(shares[:, None] * harmonics_from_quaternions(orientations))
    np.testing.assert_allclose(confidences, np.minimum(shares, 1), atol=1e-9)
    assert disorientation_deg(orientations, decoded)[1:].max() < 1e-6


def test_batches_change_nothing(monkeypatch):
    predicted = np.random.default_rng(2).normal(size=(20, 9))
    whole = quaternions_from_harmonics(predicted)
    monkeypatch.setattr(harmonics, "ROWS_PER_BATCH", 7)
    for a, b in zip(whole, quaternions_from_harmonics(predicted), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)


def test_no_rows():
    decoded, confidences = quaternions_from_harmonics(np.empty((0, 9)))
    assert decoded.shape == (0, 4) and confidences.shape == (0,)
