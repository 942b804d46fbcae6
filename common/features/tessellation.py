"""The Voronoi tessellation of a crystal: each facet with its two sites, area, distance and solid angle.

A Voronoi cell is the polar dual of a convex hull. The cell of a site at the origin is all x with x.p <= p.p/2 for each
other point p; with q = 2p/p.p that reads x.q <= 1, so vertices of the cell are facets of the hull of the points q, and
neighbours are its vertices. One small hull a site in three dimensions, by qhull, is many times cheaper than one
tessellation of the crystal and hundreds of its images, and a site's own images are neighbours like any other.

No facet is ever walked around: each edge of a hull joins two vertices of the cell, lies on two facets, and adds to both
the triangle it spans with their foot point. So cells whose vertices coincide (fcc, rock salt) need no special case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Lattice
from pymatgen.optimization.neighbors import find_points_in_spheres
from scipy.spatial import ConvexHull, QhullError

MIN_DISTANCE_ANGSTROM = 0.1  # no bond is a quarter as long as H-H, 0.74; closer sites are one site given twice
MIN_VOLUME_ANGSTROM3_PER_SITE = 0.1
MAX_VOLUME_ANGSTROM3_PER_SITE = 1e6

# Candidates reach so many times the edge of a cube with a site's share of the volume: some 45 points, which close the
# cells of most crystals at the first attempt. Where they do not, the radius grows; it costs time, never correctness.
_FIRST_RADIUS = 2.2
_RADIUS_GROWTH = 1.6
_BLOCK_POINTS = 300_000  # at once, some 50 MB
_MAX_POINTS = 1_000_000  # around one site, as for a slab in 900 angstrom of vacuum: seconds and some 100 MB
_ROUNDING = 1 + 1e-6
_FILLING_TOLERANCE = 1e-6
_MIN_RELATIVE_AREA = 1e-10  # facets where round-off decides whether there is one at all


class TessellationError(ValueError):
    """A structure that has no Voronoi tessellation; the message is one sentence."""


@dataclass(frozen=True)
class Tessellation:
    """Facets of all cells, those of a site together and sites in order; each facet is listed from both its sides.

    Attributes:
        lattice_angstrom: (3, 3) a compact basis of the same lattice, in rows.
        coordinates_angstrom: (num_sites, 3) the sites, moved into the unit cell of that basis.
        site: (num_facets,) the site whose cell the facet bounds.
        neighbor: (num_facets,) the site on the other side.
        image: (num_facets, 3) int, lattice translation of that site, in terms of `lattice_angstrom`.
        area_angstrom2: (num_facets,) area of the facet.
        distance_angstrom: (num_facets,) between the two sites; the facet is half as far from either.
        solid_angle_sr: (num_facets,) that the facet subtends at `site`.
        cell_volume_angstrom3: (num_sites,) volume of each site's cell.
    """

    lattice_angstrom: np.ndarray
    coordinates_angstrom: np.ndarray
    site: np.ndarray
    neighbor: np.ndarray
    image: np.ndarray
    area_angstrom2: np.ndarray
    distance_angstrom: np.ndarray
    solid_angle_sr: np.ndarray
    cell_volume_angstrom3: np.ndarray

    @property
    def num_sites(self) -> int:
        """Sites of the structure."""
        return len(self.cell_volume_angstrom3)


def tessellate(lattice_angstrom: np.ndarray, coordinates_angstrom: np.ndarray) -> Tessellation:
    """Tessellate a periodic structure.

    Each cell is proven complete: a point farther from a site than twice its farthest vertex cannot cut its cell, and
    candidates are taken at least that far. At the end the cells must fill the crystal.

    Args:
        lattice_angstrom: (3, 3) lattice vectors in rows.
        coordinates_angstrom: (num_sites, 3) Cartesian, inside the unit cell or not.

    Returns:
        `Tessellation`.

    Raises:
        TessellationError: no sites, a flat, absurdly small, large or long unit cell, sites on top of each other, or
            a failure of qhull.
    """
    volume = _checked_volume(lattice_angstrom, coordinates_angstrom)
    num_sites = len(coordinates_angstrom)
    lattice, coordinates = _reduced(lattice_angstrom, coordinates_angstrom)
    cell_edge = (volume / num_sites) ** (1 / 3)
    # Rounding to lattice points along the Gram-Schmidt vectors leaves half of each at most, so no point of space is
    # farther than half their diagonal from an image of a site: candidates within the diagonal always suffice.
    enough = _ROUNDING * float(np.linalg.norm(np.diag(np.linalg.qr(lattice.T, mode="r"))))

    radius = np.full(num_sites, min(_FIRST_RADIUS * cell_edge, enough))
    pending = np.arange(num_sites)
    hulls: list[_Hull] = []
    while len(pending):
        num_points = 4.2 * (float(radius[pending].max()) / cell_edge) ** 3  # around a site, on average
        if num_points > _MAX_POINTS:
            raise TessellationError(
                f"The unit cell is too long and empty: {num_points:.1g} sites would have to be looked at around site "
                f"{pending[0]}; cut off some of the vacuum."
            )
        block, pending = np.split(pending, [max(1, int(_BLOCK_POINTS / num_points))])
        points = _points_around(lattice, coordinates, block, radius)
        next_pending = []
        for place, site in enumerate(block.tolist()):
            hull = _hull(site, points.of(place))
            farthest = math.inf if hull is None else hull.farthest_vertex
            if hull is not None and 2 * farthest <= radius[site]:
                hulls.append(hull)
            elif radius[site] >= enough:
                raise TessellationError(f"The Voronoi cell of site {site} could not be closed (qhull failed on it).")
            else:
                wanted = _ROUNDING * 2 * farthest if math.isfinite(farthest) else _RADIUS_GROWTH * radius[site]
                radius[site] = min(wanted, enough)
                next_pending.append(site)
        pending = np.append(pending, next_pending).astype(np.int64)
    hulls.sort(key=lambda hull: hull.site)
    return _assemble(hulls, lattice, coordinates, volume)


# ------------------------------------------------------------------------------------------------ unit cell and points


def _checked_volume(lattice: np.ndarray, coordinates: np.ndarray) -> float:
    """Volume of the unit cell, angstrom^3."""
    if not len(coordinates):
        raise TessellationError("The structure has no sites.")
    if not (np.isfinite(lattice).all() and np.isfinite(coordinates).all()):
        raise TessellationError("The lattice or a coordinate is not a finite number.")
    volume = abs(float(np.linalg.det(lattice)))
    per_site = volume / len(coordinates)
    if not MIN_VOLUME_ANGSTROM3_PER_SITE <= per_site <= MAX_VOLUME_ANGSTROM3_PER_SITE:
        raise TessellationError(
            f"The unit cell has {per_site:.3g} cubic angstrom a site; expected {MIN_VOLUME_ANGSTROM3_PER_SITE:g} to "
            f"{MAX_VOLUME_ANGSTROM3_PER_SITE:g}."
        )
    return volume


def _reduced(lattice: np.ndarray, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A compact basis of the same lattice, and the sites moved into its unit cell.

    In a skewed basis spheres reach across many cells along the short directions.
    """
    reduced = np.ascontiguousarray(Lattice(lattice).lll_matrix, np.float64)
    fractional = coordinates @ np.linalg.inv(reduced)
    return reduced, (fractional - np.floor(fractional)) @ reduced


@dataclass(frozen=True)
class _Points:
    """Points around some sites, sorted by site: displacements, and which site and image they are."""

    starts: np.ndarray
    displacement: np.ndarray
    neighbor: np.ndarray
    image: np.ndarray

    def of(self, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        part = slice(self.starts[place], self.starts[place + 1])
        return self.displacement[part], self.neighbor[part], self.image[part]


def _points_around(lattice: np.ndarray, coordinates: np.ndarray, sites: np.ndarray, radius: np.ndarray) -> _Points:
    center, neighbor, offset, distance = find_points_in_spheres(
        all_coords=coordinates,
        center_coords=np.ascontiguousarray(coordinates[sites]),
        r=float(radius[sites].max()),
        pbc=np.ones(3, np.int64),
        lattice=lattice,
        tol=1e-8,
    )
    image = offset.astype(np.int64)
    itself = (sites[center] == neighbor) & ~image.any(axis=1)
    keep = np.flatnonzero(~itself & (distance <= radius[sites[center]]))
    if len(keep):
        nearest = keep[distance[keep].argmin()]
        if distance[nearest] < MIN_DISTANCE_ANGSTROM:
            raise TessellationError(
                f"Sites {sites[center[nearest]]} and {neighbor[nearest]} overlap: they are {distance[nearest]:.2g} "
                f"angstrom apart; expected at least {MIN_DISTANCE_ANGSTROM:g}."
            )
    keep = keep[np.argsort(center[keep], kind="stable")]
    center, neighbor, image = center[keep], neighbor[keep], image[keep]
    displacement = coordinates[neighbor] + image @ lattice - coordinates[sites[center]]
    return _Points(np.searchsorted(center, np.arange(len(sites) + 1)), displacement, neighbor, image)


# ----------------------------------------------------------------------------------------------- one cell, all cells


@dataclass(frozen=True)
class _Hull:
    """The hull that is dual to the cell of one site: (f, 3) indices into its points, neighbouring facets, vertices."""

    site: int
    displacement: np.ndarray
    neighbor: np.ndarray
    image: np.ndarray
    simplices: np.ndarray
    adjacent: np.ndarray
    vertices: np.ndarray
    farthest_vertex: float


def _hull(site: int, points: tuple[np.ndarray, np.ndarray, np.ndarray]) -> _Hull | None:
    """The dual hull, or None where the points do not close the cell."""
    displacement, neighbor, image = points
    if len(displacement) < 4:
        return None
    squared = np.einsum("ij,ij->i", displacement, displacement)
    scale = squared.min()  # the largest dual point then has length 1
    try:
        hull = ConvexHull(displacement * np.sqrt(scale) / squared[:, None])
    except QhullError:  # all points in one plane
        return None
    offset = hull.equations[:, 3]
    if offset.max() >= 0:  # the site lies outside the hull: its cell is open
        return None
    vertices = hull.equations[:, :3] * (-0.5 * np.sqrt(scale) / offset)[:, None]
    farthest = math.sqrt(np.einsum("ij,ij->i", vertices, vertices).max())
    used, simplices = np.unique(hull.simplices, return_inverse=True)
    simplices = simplices.reshape(hull.simplices.shape)  # numpy 1 returns them flat
    return _Hull(site, displacement[used], neighbor[used], image[used], simplices, hull.neighbors, vertices, farthest)


def _assemble(hulls: list[_Hull], lattice: np.ndarray, coordinates: np.ndarray, volume: float) -> Tessellation:
    """Measure the facets of all cells at once."""
    first_point = np.cumsum([0, *(len(hull.displacement) for hull in hulls)])
    first_simplex = np.cumsum([0, *(len(hull.simplices) for hull in hulls)])
    displacement = np.concatenate([hull.displacement for hull in hulls])
    simplices = np.concatenate([hull.simplices + start for hull, start in zip(hulls, first_point[:-1], strict=True)])
    adjacent = np.concatenate([hull.adjacent + start for hull, start in zip(hulls, first_simplex[:-1], strict=True)])
    vertices = np.concatenate([hull.vertices for hull in hulls])
    distance = np.sqrt(np.einsum("ij,ij->i", displacement, displacement))

    area, solid_angle = _facets(displacement, distance, simplices, adjacent, vertices)

    site_of_point = np.repeat([hull.site for hull in hulls], np.diff(first_point))
    largest = np.maximum.reduceat(area, first_point[:-1])
    real = np.flatnonzero(area > _MIN_RELATIVE_AREA * largest[site_of_point])
    site, area, distance = site_of_point[real], area[real], distance[real]
    cell_volume = np.bincount(site, area * distance, len(hulls)) / 6  # pyramids of height distance / 2
    if not abs(cell_volume.sum() / volume - 1) <= _FILLING_TOLERANCE:
        filled = cell_volume.sum() / volume
        raise TessellationError(f"The Voronoi cells fill {filled:.6g} of the unit cell, expected 1 (qhull failed).")
    return Tessellation(
        lattice_angstrom=lattice,
        coordinates_angstrom=coordinates,
        site=site,
        neighbor=np.concatenate([hull.neighbor for hull in hulls])[real],
        image=np.concatenate([hull.image for hull in hulls])[real],
        area_angstrom2=area,
        distance_angstrom=distance,
        solid_angle_sr=solid_angle[real],
        cell_volume_angstrom3=cell_volume,
    )


def _facets(
    displacement: np.ndarray, distance: np.ndarray, simplices: np.ndarray, adjacent: np.ndarray, vertices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(num_points,) area and solid angle of the facet that each point makes, 0 where it makes none."""
    here, corner = np.nonzero(adjacent > np.arange(len(adjacent))[:, None])  # each edge from one of its two ends
    start, end = vertices[here], vertices[adjacent[here, corner]]  # (num_edges, 3)
    length = np.linalg.norm(end - start, axis=1)
    first, second = simplices[here, (corner + 1) % 3], simplices[here, (corner + 2) % 3]
    cross = np.linalg.norm(np.cross(displacement[first], displacement[second]), axis=1)
    dot = np.einsum("ij,ij->i", displacement[first], displacement[second])
    start_norm, end_norm = np.linalg.norm(start, axis=1), np.linalg.norm(end, axis=1)
    start_dot_end = np.einsum("ij,ij->i", start, end)

    area, solid_angle = np.zeros(len(displacement)), np.zeros(len(displacement))
    for point, other in ((first, second), (second, first)):
        # in the plane of the facet, from the foot point to the line of the edge; negative where the foot lies beyond
        height = 0.5 * (distance[other] ** 2 - dot) * distance[point] / cross
        double_area = height * length
        area += np.bincount(point, 0.5 * double_area, len(area))
        # solid angle of the triangle (foot, start, end): A. Van Oosterom and J. Strackee, IEEE Trans. Biomed. Eng.
        # BME-30, 125 (1983), doi:10.1109/TBME.1983.325207; foot . vertex = |foot|^2 for each vertex of the facet
        foot = 0.5 * distance[point]
        denominator = start_norm * end_norm + foot * (start_norm + end_norm) + start_dot_end
        solid_angle += np.bincount(point, 2 * np.arctan2(double_area, denominator), len(area))
    return area, solid_angle
