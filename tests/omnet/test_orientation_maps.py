"""Inverse-pole-figure colours and pole figures, held against geometry and against orix."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnet.orientation_maps import (
    POLES,
    direction_colours,
    draw_orientation_map,
    draw_pole_figures,
    ipf_colours,
    pole_places,
)
from omnet.rotations import CUBIC_QUATERNIONS, multiply, quaternions_from_euler, random_quaternions

RNG = np.random.default_rng(0)


@pytest.fixture
def table():
    """Three rows of four points, one of them without an orientation."""
    euler_rad = np.random.default_rng(1).uniform(0, 1.5, (12, 3))
    columns = dict(zip(("phi1_rad", "Phi_rad", "phi2_rad"), euler_rad.T, strict=True))
    places = {"x_um": np.tile(np.arange(4) * 0.3, 3), "y_um": np.repeat(np.arange(3) * 0.3, 4)}
    made = pd.DataFrame(places | columns | {"status": "ok"})
    made.loc[5, ["phi1_rad", "Phi_rad", "phi2_rad"]] = np.nan
    made.loc[5, "status"] = "error"
    return made


@pytest.mark.parametrize(("direction", "colour"), [
    ((0, 0, 1), (1, 0, 0)), ((0, 1, 0), (1, 0, 0)), ((-1, 0, 0), (1, 0, 0)),
    ((0, 1, 1), (0, 1, 0)), ((1, 0, -1), (0, 1, 0)), ((-1, -1, 0), (0, 1, 0)),
    ((1, 1, 1), (0, 0, 1)), ((-1, 1, -1), (0, 0, 1)),
])  # fmt: skip
def test_corners_of_the_key(direction, colour):
    unit = np.array([direction]) / np.linalg.norm(direction)
    np.testing.assert_allclose(direction_colours(unit), [colour], atol=1e-7)


def test_the_middle_of_the_key_is_white():
    corners = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 1]]) / np.sqrt([[1], [2], [3]])
    np.testing.assert_allclose(direction_colours(corners.sum(axis=0)[None]), [[1, 1, 1]], atol=1e-7)


@given(st.integers(0, 2**32 - 1), st.integers(0, 23))
def test_symmetric_equivalents_have_one_colour(seed, operator):
    quaternions = random_quaternions(5, np.random.default_rng(seed))
    equivalents = multiply(CUBIC_QUATERNIONS[operator], quaternions)
    colours = ipf_colours(quaternions, (1, -2, 3))
    np.testing.assert_allclose(ipf_colours(equivalents, (1, -2, 3)), colours, atol=1e-6)
    assert colours.max() <= 1 and colours.min() >= 0 and np.allclose(colours.max(axis=1), 1)


def test_the_sample_direction_is_turned_into_the_crystal():
    """At Phi of 45 degrees a [011] lies along Z, and along X and Y what was there: phi1 of 90 degrees swaps these."""
    quaternions = quaternions_from_euler(np.deg2rad([[90, 45, 0]]))
    np.testing.assert_allclose(ipf_colours(quaternions, (0, 0, 1)), [[0, 1, 0]], atol=1e-7)
    np.testing.assert_allclose(ipf_colours(quaternions, (0, 1, 0)), [[1, 0, 0]], atol=1e-7)
    np.testing.assert_allclose(ipf_colours(quaternions, (1, 0, 0)), [[0, 1, 0]], atol=1e-7)


def test_the_strongest_of_red_green_and_blue_is_that_of_orix():
    """The keys differ in their hues between the corners, not in what lies where."""
    plot, symmetry = pytest.importorskip("orix.plot"), pytest.importorskip("orix.quaternion.symmetry")
    vector = pytest.importorskip("orix.vector")
    directions = RNG.normal(size=(2000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    theirs = plot.DirectionColorKeyTSL(symmetry.Oh).direction2color(vector.Vector3d(directions))
    ours = direction_colours(directions)
    clear = np.sort(ours, axis=1)[:, 1] < 0.7  # one share is far above the others
    assert clear.sum() > 200
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1))[clear].all()


@pytest.mark.parametrize("pole", list(POLES))
def test_poles_lie_where_orix_puts_them(pole):
    quaternion, vector = pytest.importorskip("orix.quaternion"), pytest.importorskip("orix.vector")
    crystal_map, projections = pytest.importorskip("orix.crystal_map"), pytest.importorskip("orix.projections")
    quaternions = random_quaternions(20, RNG)
    phase = crystal_map.Phase(point_group="m-3m")
    family = vector.Miller(hkl=[POLES[pole]], phase=phase).symmetrise(unique=True)
    turned = (~quaternion.Orientation(quaternions)).outer(family)
    upper = vector.Vector3d(turned.data.reshape(20, -1, 3))
    places = np.stack(projections.StereographicProjection(pole=-1).vector2xy(upper[upper.z >= 0]), axis=-1)
    ours = pole_places(quaternions, np.array(POLES[pole])).reshape(-1, 2)
    assert ours.shape == places.shape
    np.testing.assert_allclose(np.sort(ours.view(complex).ravel()), np.sort(places.view(complex).ravel()), atol=1e-6)


def test_pictures_are_made_of_the_table(table, tmp_path):
    first = draw_orientation_map(table, tmp_path / "map.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert draw_orientation_map(table, tmp_path / "again.png").read_bytes() == first
    assert draw_orientation_map(table, tmp_path / "x.png", "X").read_bytes() != first
    assert draw_pole_figures(table, tmp_path / "poles.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_said(table, tmp_path):
    with pytest.raises(ValueError, match="X, Y, Z.*'W'"):
        draw_orientation_map(table, tmp_path / "map.png", "W")
    with pytest.raises(ValueError, match="lacks Phi_rad"):
        draw_pole_figures(table.drop(columns="Phi_rad"), tmp_path / "map.png")
    with pytest.raises(ValueError, match="none of its 12 rows"):
        draw_orientation_map(table.assign(status="error"), tmp_path / "map.png")
    assert list(tmp_path.iterdir()) == []
