"""Voronoi cells: known polyhedra, scipy's tessellation of a large block, and what holds for every crystal."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice
from scipy.spatial import ConvexHull, Voronoi

from common.features.tessellation import MIN_DISTANCE_ANGSTROM, TessellationError, tessellate

FCC = 0.5 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
BCC = 0.5 * np.array([[-1.0, 1, 1], [1, -1, 1], [1, 1, -1]])
ORIGIN = np.zeros((1, 3))

coordinate = st.floats(0, 1, exclude_max=True)


@st.composite
def crystals(draw, max_sites=6):
    """A lattice and Cartesian coordinates of sites at least 0.5 angstrom apart."""
    lengths = draw(st.tuples(*[st.floats(2, 9)] * 3))
    shear = draw(st.tuples(*[st.floats(-0.8, 0.8)] * 3))
    lattice = np.diag(lengths)
    lattice[1, 0], lattice[2, 0], lattice[2, 1] = np.multiply(shear, lengths[0])
    fractional = np.array(draw(st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=1, max_size=max_sites)))
    distances = Lattice(lattice).get_all_distances(fractional, fractional)
    assume((distances + 9 * np.eye(len(distances)) > 0.5).all())
    return lattice, fractional @ lattice


# ------------------------------------------------------------------------------------------------------- known cells


def test_simple_cubic_cell_is_a_cube():
    cells = tessellate(2 * np.eye(3), ORIGIN)
    assert cells.num_sites == 1 and (cells.neighbor == 0).all()
    np.testing.assert_allclose(cells.area_angstrom2, [4] * 6)
    np.testing.assert_allclose(cells.distance_angstrom, [2] * 6)
    np.testing.assert_allclose(cells.solid_angle_sr, [4 * np.pi / 6] * 6)
    np.testing.assert_allclose(cells.cell_volume_angstrom3, [8])
    assert sorted(np.abs(cells.image).sum(axis=1)) == [1] * 6


def test_fcc_cell_is_a_rhombic_dodecahedron():
    cells = tessellate(4 * FCC, ORIGIN)
    np.testing.assert_allclose(cells.area_angstrom2, [16 * np.sqrt(2) / 8] * 12)
    np.testing.assert_allclose(cells.distance_angstrom, [4 / np.sqrt(2)] * 12)
    np.testing.assert_allclose(cells.solid_angle_sr, [4 * np.pi / 12] * 12)


def test_bcc_cell_is_a_truncated_octahedron():
    cells = tessellate(3 * BCC, ORIGIN)
    edge = 3 * np.sqrt(2) / 4
    order = np.argsort(cells.distance_angstrom)
    np.testing.assert_allclose(cells.distance_angstrom[order], [3 * np.sqrt(3) / 2] * 8 + [3] * 6)
    np.testing.assert_allclose(cells.area_angstrom2[order], [1.5 * np.sqrt(3) * edge**2] * 8 + [edge**2] * 6)


def test_hexagonal_layers_make_hexagonal_prisms():
    cells = tessellate(Lattice.hexagonal(2, 5).matrix, ORIGIN)
    order = np.argsort(cells.distance_angstrom)
    np.testing.assert_allclose(cells.area_angstrom2[order], [5 * 2 / np.sqrt(3)] * 6 + [2 * np.sqrt(3)] * 2)


# ---------------------------------------------------------------------------------------------------- other software


@settings(max_examples=15, deadline=None)
@given(crystals(max_sites=3))
def test_cells_are_those_of_a_block_of_crystal(crystal):
    # in a compact basis no image beyond the third is a neighbour
    cells = tessellate(*crystal)
    lattice, sites = cells.lattice_angstrom, cells.coordinates_angstrom
    images = np.array(sorted(itertools.product(range(-3, 4), repeat=3), key=np.any))
    block = (images @ lattice)[:, None] + sites
    voronoi = Voronoi(block.reshape(-1, 3))
    volumes = []
    for site in range(len(sites)):
        region = voronoi.regions[voronoi.point_region[site]]
        assert -1 not in region
        volumes.append(ConvexHull(voronoi.vertices[region]).volume)
    np.testing.assert_allclose(cells.cell_volume_angstrom3, volumes, rtol=1e-8)

    areas = np.zeros((len(sites), len(sites)))
    for (one, other), ridge in zip(voronoi.ridge_points, voronoi.ridge_vertices, strict=True):
        if min(one, other) < len(sites):
            corner = voronoi.vertices[ridge]
            parts = np.cross(corner[1:-1] - corner[0], corner[2:] - corner[0]).sum(axis=0)
            for begin, end in ((one, other), (other, one)):
                if begin < len(sites):
                    areas[begin, end % len(sites)] += np.linalg.norm(parts) / 2
    ours = np.zeros_like(areas)
    np.add.at(ours, (cells.site, cells.neighbor), cells.area_angstrom2)
    np.testing.assert_allclose(ours, areas, rtol=1e-7, atol=1e-7)


# ------------------------------------------------------------------------------------------------------- every crystal


@settings(max_examples=60, deadline=None)
@given(crystals())
def test_cells_fill_the_crystal_and_facets_have_two_sides(crystal):
    cells = tessellate(*crystal)
    assert cells.cell_volume_angstrom3.sum() == pytest.approx(abs(np.linalg.det(crystal[0])), rel=1e-9)
    np.testing.assert_allclose(np.bincount(cells.site, cells.solid_angle_sr), 4 * np.pi, rtol=1e-7)
    assert (np.diff(cells.site) >= 0).all() and (np.bincount(cells.site) >= 4).all()

    ends = cells.coordinates_angstrom[cells.neighbor] + cells.image @ cells.lattice_angstrom
    between = ends - cells.coordinates_angstrom[cells.site]
    np.testing.assert_allclose(np.linalg.norm(between, axis=1), cells.distance_angstrom)

    area = {}
    for site, neighbor, image, size in zip(
        cells.site, cells.neighbor, cells.image.tolist(), cells.area_angstrom2, strict=True
    ):
        area[site, neighbor, *image] = size
    assert len(area) == len(cells.site)
    for (site, neighbor, *image), size in area.items():
        twin = area.get((neighbor, site, *(-translation for translation in image)), 0.0)
        assert twin == pytest.approx(size, rel=1e-6, abs=1e-7)


@settings(max_examples=30, deadline=None)
@given(crystals(), st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(-9, 9)), max_size=6))
def test_the_basis_does_not_matter(crystal, shears):
    lattice, sites = crystal
    skewed = lattice.copy()
    for one, other, times in shears:
        if one != other:
            skewed[one] += times * skewed[other]
    expected, received = tessellate(lattice, sites), tessellate(skewed, sites)
    np.testing.assert_allclose(received.cell_volume_angstrom3, expected.cell_volume_angstrom3, rtol=1e-6)


def test_a_vacuum_is_shared_out():
    lattice = np.diag([3.0, 3.0, 60.0])
    cells = tessellate(lattice, np.array([[0, 0, 0], [1.5, 1.5, 1.5], [0, 0, 3.0]]))
    np.testing.assert_allclose(cells.cell_volume_angstrom3.sum(), 540)
    assert cells.cell_volume_angstrom3.min() < 20 and cells.cell_volume_angstrom3.max() > 250


# ----------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("lattice", "sites", "reason"),
    [
        (np.eye(3), np.zeros((0, 3)), "no sites"),
        (np.diag([3.0, 3, 0]), ORIGIN, "cubic angstrom a site"),
        (np.eye(3) * 0.1, ORIGIN, "cubic angstrom a site"),
        (np.eye(3) * 1e4, ORIGIN, "cubic angstrom a site"),
        (np.diag([3.0, 3, 3000]), np.array([[0, 0, 0], [1.5, 1.5, 1.5]]), "too long and empty"),
        (np.diag([3.0, 3, np.nan]), ORIGIN, "not a finite number"),
        (3 * np.eye(3), np.full((1, 3), np.inf), "not a finite number"),
        (3 * np.eye(3), np.array([[0.0, 0, 0], [3, 0, MIN_DISTANCE_ANGSTROM / 2]]), "overlap: they are 0.05 angstrom"),
        (3 * np.eye(3), np.zeros((2, 3)), "Sites [01] and [01] overlap"),
        (np.diag([0.05, 9, 9]), ORIGIN, "Sites 0 and 0 overlap"),
    ],
)
def test_bad_structures_say_why(lattice, sites, reason):
    with pytest.raises(TessellationError, match=reason) as caught:
        tessellate(lattice, sites)
    assert "\n" not in str(caught.value)


def test_sites_barely_apart_enough_work():
    cells = tessellate(3 * np.eye(3), np.array([[0.0, 0, 0], [0, 0, 1.01 * MIN_DISTANCE_ANGSTROM]]))
    np.testing.assert_allclose(cells.cell_volume_angstrom3, [13.5, 13.5])
