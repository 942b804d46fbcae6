import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from scipy.stats import kstest

from omnet import rotations
from omnet.rotations import (
    CUBIC_MATRICES,
    CUBIC_QUATERNIONS,
    conjugate,
    cubic_representatives,
    euler_from_quaternions,
    matrices_from_quaternions,
    multiply,
    quaternions_from_euler,
    quaternions_from_rotation_vectors,
    random_quaternions,
)

seeds = st.integers(0, 2**32 - 1)
angles = st.floats(0, 2 * np.pi, allow_subnormal=False)
poles = st.sampled_from([0.0, np.pi, 1e-13, 1e-9, np.pi - 1e-9, np.pi / 2])
tilts = st.one_of(poles, st.floats(0, np.pi, allow_subnormal=False))


def draw(num, seed=0):
    return random_quaternions(num, np.random.default_rng(seed))


def assert_same_orientations(some, others, atol=1e-12):
    """Up to the sign of the quaternion."""
    signs = np.sign(np.sum(some * others, axis=-1, keepdims=True))
    np.testing.assert_allclose(some, signs * others, atol=atol)


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_quaternions_form_a_group(seed):
    a, b, c = draw(3, seed)
    identity = np.array([1.0, 0, 0, 0])
    np.testing.assert_allclose(multiply(multiply(a, b), c), multiply(a, multiply(b, c)), atol=1e-14)
    np.testing.assert_allclose(multiply(a, identity), a, atol=0)
    np.testing.assert_allclose(multiply(a, conjugate(a)), identity, atol=1e-14)
    np.testing.assert_allclose(conjugate(multiply(a, b)), multiply(conjugate(b), conjugate(a)), atol=1e-14)
    assert np.linalg.norm(multiply(a, b)) == pytest.approx(1, abs=1e-14)


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_products_and_matrices_are_those_of_scipy(seed):
    a, b = draw(2, seed)
    ours, theirs = (Rotation.from_quat(one, scalar_first=True) for one in (a, b))
    np.testing.assert_allclose(matrices_from_quaternions(a), ours.as_matrix(), atol=1e-14)
    product = (ours * theirs).as_quat(scalar_first=True)
    assert_same_orientations(multiply(a, b), product)
    np.testing.assert_allclose(
        matrices_from_quaternions(multiply(a, b)),
        matrices_from_quaternions(a) @ matrices_from_quaternions(b),
        atol=1e-14,
    )


@settings(max_examples=200, deadline=None)
@given(angles, tilts, angles)
def test_euler_angles_there_and_back(phi1, phi, phi2):
    quaternions = quaternions_from_euler(np.array([phi1, phi, phi2]))
    assert np.linalg.norm(quaternions) == pytest.approx(1, abs=1e-14) and quaternions[0] >= 0
    euler_rad = euler_from_quaternions(quaternions)
    assert (euler_rad >= 0).all() and (euler_rad[[0, 2]] < 2 * np.pi).all() and euler_rad[1] <= np.pi
    assert_same_orientations(quaternions_from_euler(euler_rad), quaternions, atol=1e-11)
    # arctan2 keeps angles exact where arccos would not
    assert euler_rad[1] == pytest.approx(phi, abs=1e-15 + 1e-14 * phi)


@pytest.mark.parametrize(("phi", "sign"), [(0.0, 1), (np.pi, -1)])
def test_at_the_poles_only_sum_or_difference_is_known(phi, sign):
    euler_rad = euler_from_quaternions(quaternions_from_euler(np.array([0.7, phi, 0.4])))
    np.testing.assert_allclose(euler_rad, [0.7 + sign * 0.4, phi, 0], atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(angles, tilts, angles)
def test_euler_angles_are_bunges_lab_to_crystal(phi1, phi, phi2):
    """Frames turned about z, the new x and the new z: scipy's intrinsic ZXZ, whose inverse takes lab to crystal."""
    matrix = matrices_from_quaternions(quaternions_from_euler(np.array([phi1, phi, phi2])))
    np.testing.assert_allclose(matrix, Rotation.from_euler("ZXZ", [phi1, phi, phi2]).inv().as_matrix(), atol=1e-13)


def test_euler_angles_and_matrices_are_those_of_orix():
    quaternion = pytest.importorskip("orix.quaternion")
    euler_rad = np.random.default_rng(0).random((200, 3)) * [2 * np.pi, np.pi, 2 * np.pi]
    theirs = quaternion.Orientation.from_euler(euler_rad)  # lab2crystal
    ours = quaternions_from_euler(euler_rad)
    assert_same_orientations(ours, theirs.data)
    np.testing.assert_allclose(matrices_from_quaternions(ours), theirs.to_matrix(), atol=1e-12)
    np.testing.assert_allclose(euler_from_quaternions(ours), theirs.to_euler(), atol=1e-7)


def test_cubic_operators_are_the_24_proper_rotations_of_a_cube():
    products = multiply(CUBIC_QUATERNIONS[:, None], CUBIC_QUATERNIONS)  # (24, 24, 4)
    overlap = np.abs(products.reshape(-1, 4) @ CUBIC_QUATERNIONS.T)  # 1 where equal up to sign
    assert ((overlap > 1 - 1e-12).sum(axis=1) == 1).all()  # closed, and no operator twice
    assert np.array_equal(CUBIC_QUATERNIONS[0], [1, 0, 0, 0])
    assert len(np.unique(CUBIC_MATRICES, axis=0)) == 24
    np.testing.assert_allclose(np.linalg.det(CUBIC_MATRICES), 1)
    np.testing.assert_allclose(CUBIC_MATRICES, matrices_from_quaternions(CUBIC_QUATERNIONS), atol=1e-15)


def test_cubic_operators_are_those_of_orix():
    symmetry = pytest.importorskip("orix.quaternion.symmetry")
    overlap = np.abs(symmetry.O.data @ CUBIC_QUATERNIONS.T)
    assert ((overlap > 1 - 1e-9).sum(axis=0) == 1).all() and len(symmetry.O.data) == 24


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-3.1, 3.1, allow_subnormal=False), min_size=3, max_size=3))
def test_rotation_vectors_are_those_of_scipy(vector):
    vector = np.array(vector)
    expected = Rotation.from_rotvec(vector).as_quat(scalar_first=True)
    assert_same_orientations(quaternions_from_rotation_vectors(vector), expected)


def test_random_orientations_are_uniform():
    """The rotation angle has density (1 - cos) / pi, the axis is even on the sphere, and any turn changes nothing."""
    quaternions = draw(4_000)
    for turned in (quaternions, multiply(draw(1, seed=1), quaternions)):
        rotation_angles = 2 * np.arccos(np.minimum(np.abs(turned[:, 0]), 1))
        assert kstest((rotation_angles - np.sin(rotation_angles)) / np.pi, "uniform").pvalue > 1e-3
        axes = turned[:, 1:] * np.sign(turned[:, :1]) / np.linalg.norm(turned[:, 1:], axis=1, keepdims=True)
        for component in axes.T:
            assert kstest((component + 1) / 2, "uniform").pvalue > 1e-3


def test_representatives_are_the_equivalents_of_smallest_angle():
    quaternions = draw(300)
    representatives = cubic_representatives(quaternions)
    assert representatives[:, 0].min() > (2 + np.sqrt(2)) / 4 - 1e-12  # the corners of the fundamental zone
    equivalents = multiply(CUBIC_QUATERNIONS, quaternions[:, None])  # (n, 24, 4)
    np.testing.assert_allclose(np.abs(equivalents[..., 0]).max(axis=1), representatives[:, 0], atol=1e-14)
    assert (np.abs(np.einsum("nij,nj->ni", equivalents, representatives)).max(axis=1) > 1 - 1e-12).all()
    for operator in CUBIC_QUATERNIONS:
        np.testing.assert_allclose(cubic_representatives(multiply(operator, quaternions)), representatives, atol=1e-12)


def test_representatives_are_inside_the_region_of_orix():
    quaternion = pytest.importorskip("orix.quaternion")
    symmetry = pytest.importorskip("orix.quaternion.symmetry")
    representatives = cubic_representatives(draw(300))
    region = quaternion.OrientationRegion.from_symmetry(symmetry.O)
    assert (quaternion.Rotation(representatives) < region).all()


def test_angles_in_degrees_are_warned_of_and_others_refused():
    with pytest.warns(UserWarning, match="looks like degrees"):
        quaternions_from_euler(np.array([120.0, 45.0, 10.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quaternions_from_euler(np.full(3, 4 * np.pi, np.float32))  # what OIM writes for a point without an orientation
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 3\)"):
        rotations.check_euler_rad(np.zeros((5, 2)))
    with pytest.raises(ValueError, match="finite"):
        quaternions_from_euler(np.array([0.0, np.nan, 1.0]))
