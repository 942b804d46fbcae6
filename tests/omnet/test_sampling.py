import numpy as np
import pytest

from omnet.disorientation import disorientation_deg
from omnet.rotations import CUBIC_QUATERNIONS, conjugate, cubic_representatives, multiply, random_quaternions
from omnet.sampling import cubochoric_grid


@pytest.mark.parametrize("semi_edge_steps", [1, 3, 17, 50])
def test_grid_is_the_set_of_orix(semi_edge_steps):
    symmetry = pytest.importorskip("orix.quaternion.symmetry")
    sampling = pytest.importorskip("orix.sampling")
    peer = sampling.get_sample_fundamental(
        method="cubochoric", point_group=symmetry.O, semi_edge_steps=semi_edge_steps
    ).data
    peer = np.where(peer[:, :1] < 0, -peer, peer)
    grid = cubochoric_grid(semi_edge_steps)
    assert len(grid) == len(peer)
    np.testing.assert_allclose(in_order(grid), in_order(peer), atol=1e-10)


def in_order(quaternions):
    """Sorted by components that rounding cannot reorder."""
    return quaternions[np.lexsort(np.round(quaternions, 8).T)]


def test_grids_of_the_thesis_have_its_numbers_and_share_their_points():
    coarse, fine = cubochoric_grid(50), cubochoric_grid(100)
    assert (len(coarse), len(fine)) == (41_625, 333_227)
    assert {row.tobytes() for row in coarse} <= {row.tobytes() for row in fine}
    assert fine[:, 0].min() == pytest.approx(0.856244, abs=1e-6)  # as orix's
    assert len(np.unique(np.round(fine, 9), axis=0)) == len(fine)


def test_grid_lies_in_the_fundamental_zone_and_on_the_unit_sphere():
    grid = cubochoric_grid(20)
    np.testing.assert_allclose(np.linalg.norm(grid, axis=1), 1, atol=1e-14)
    np.testing.assert_allclose(cubic_representatives(grid), grid, atol=1e-12)


def test_grid_is_symmetric():
    """The zone and the grid look the same in every equivalent crystal frame, and backwards."""
    grid = cubochoric_grid(12)
    expected = in_order(grid)
    np.testing.assert_allclose(in_order(conjugate(grid)), expected, atol=1e-12)
    for operator in CUBIC_QUATERNIONS:
        turned = multiply(multiply(operator, grid), conjugate(operator))
        np.testing.assert_allclose(in_order(turned), expected, atol=1e-12)


def test_grid_points_stand_for_equal_volumes():
    """The points within some angle of the identity are nearest to their share of random orientations."""
    grid = cubochoric_grid(12)
    orientations = cubic_representatives(random_quaternions(1_000, np.random.default_rng(0)))
    nearest = disorientation_deg(orientations[:, None], grid).argmin(axis=1)
    for smallest_w in np.cos(np.deg2rad([30, 40, 50]) / 2):
        within = grid[:, 0] > smallest_w
        assert within[nearest].mean() == pytest.approx(within.mean(), abs=0.05)


@pytest.mark.parametrize("semi_edge_steps", [0, -3, 2.5, "50", None])
def test_what_is_no_number_of_steps_is_refused(semi_edge_steps):
    with pytest.raises(ValueError, match="positive integer"):
        cubochoric_grid(semi_edge_steps)
