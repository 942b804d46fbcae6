"""The 126 structure attributes of Ward et al., hundreds of times faster than matminer.

One tessellation of a structure serves them all: effective coordination number, bond lengths and their variation, cell
volumes, chemical ordering in three shells, packing, and the differences of 22 elemental properties between neighbours.
Facets weigh by their area.

The numbers are those of matminer 0.10.1 (`SiteStatsFingerprint` with its "ward-prb-2017" presets,
`StructuralHeterogeneity`, `ChemicalOrdering`, `MaximumPackingEfficiency`) to 1e-8. Names and order are Magpie's and
SIPFENN's, misspelling included. matminer returns 128 columns: the ranges of the coordination number and of the
bond-length variation ("range CN_VoronoiNN", "range neighbor distance variation") are not among the paper's 126, and
are only the differences of a maximum and a minimum that are.

The answers differ on purpose in these cases:

- With a site outside the unit cell (a fractional coordinate below 0, or 1 and above), pymatgen's `VoronoiNN` mixes up
  images: its cells fill more than the crystal, or it fails. matminer's answers then change with the choice of image,
  ours do not; they are matminer's for the structure with all sites inside.
- pymatgen looks for neighbours within 13 angstrom, so that matminer fails on sparse structures such as slabs in a
  vacuum of 15 angstrom; here cells are always complete.
- An element that lacks one of the 22 properties (He, Ne, Ar, At, Rn, Fr and those beyond Cm) gives a reason; matminer
  fills the gap by the mean over all elements.

Reference:
    L. Ward et al., Phys. Rev. B 96, 024104 (2017), doi:10.1103/PhysRevB.96.024104
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from pymatgen.core import Structure

from common.elements import ATOMIC_NUMBER
from common.features import Featurized
from common.features.elemental import HAS_ALL_PROPERTIES, PROPERTIES, PROPERTY_VALUES, missing_properties
from common.features.tessellation import Tessellation, TessellationError, tessellate

NUM_SHELLS = 3
_MAGPIE_NAMES = {"NValence": "NValance"}  # as the published tables and models spell it

VORONOI_LABELS: tuple[str, ...] = (
    *(f"{statistic}_EffectiveCoordination" for statistic in ("mean", "var", "min", "max")),
    *(f"{statistic}_MeanBondLength" for statistic in ("var", "min", "max")),
    *(f"{statistic}_BondLengthVariation" for statistic in ("mean", "var", "min", "max")),
    "var_CellVolume",
    *(f"mean_WCMagnitude_Shell{shell}" for shell in range(1, NUM_SHELLS + 1)),
    "MaxPackingEfficiency",
    *(
        f"{statistic}_NeighDiff_shell1_{_MAGPIE_NAMES.get(name, name)}"
        for name in PROPERTIES
        for statistic in ("mean", "var", "min", "max", "range")
    ),
)
"""Names of the 126 attributes in the published order; "var" is the mean absolute deviation over the sites."""


def featurize(structures: Iterable[Structure]) -> np.ndarray:
    """The 126 attributes of structures.

    Args:
        structures: n structures, also from a generator.

    Returns:
        ``(n, 126)`` float64, columns as `VORONOI_LABELS`; a row of NaN where `featurize_with_reasons` has a reason.
    """
    return featurize_with_reasons(structures).attributes


def featurize_with_reasons(structures: Iterable[Structure]) -> Featurized:
    """The 126 attributes of structures, and why some have none.

    No structure is kept: memory beyond the result does not grow with their number.

    Args:
        structures: n structures, also from a generator.

    Raises:
        TypeError: One structure was given where several are expected.
    """
    if isinstance(structures, Structure):
        raise TypeError("Expected an iterable of structures, received a single Structure; write [structure].")
    rows, reasons = [], []
    for structure in structures:
        try:
            rows.append(_attributes_of_structure(structure))
            reasons.append("")
        except (UnusableStructureError, TessellationError) as error:
            rows.append(np.full(len(VORONOI_LABELS), np.nan))
            reasons.append(str(error))
    return Featurized(np.array(rows).reshape(-1, len(VORONOI_LABELS)), np.array(reasons, object))


class UnusableStructureError(ValueError):
    """A structure that cannot be featurised; the message is one sentence."""


def element_rows(structure: object) -> np.ndarray:
    """(num_sites,) the element of each site, by its row in the elemental table.

    Raises:
        UnusableStructureError: not a crystal, a site is disordered, or an element lacks a property.
    """
    if not isinstance(structure, Structure):
        raise UnusableStructureError(f"Expected a pymatgen Structure, received {type(structure).__name__}.")
    if not all(structure.lattice.pbc):
        raise UnusableStructureError("The structure is not periodic in all three directions.")
    symbols = []
    for number, site in enumerate(structure):
        if not site.is_ordered:
            raise UnusableStructureError(
                f"Site {number} is disordered ({site.species_string}); give an ordered structure."
            )
        symbols.append(site.specie.symbol)
    row_of = {symbol: ATOMIC_NUMBER.get(symbol, 0) - 1 for symbol in set(symbols)}
    for symbol, row in row_of.items():
        if row < 0:
            raise UnusableStructureError(f"'{symbol}' is not a chemical element, so the structure has no attributes.")
        if not HAS_ALL_PROPERTIES[row]:
            missing = missing_properties(symbol)
            what = ", ".join(missing) if len(missing) < len(PROPERTIES) else "any property"
            raise UnusableStructureError(
                f"Magpie's tables lack {what} of {symbol}, so the structure has no attributes."
            )
    return np.array([row_of[symbol] for symbol in symbols], np.int64)


def _attributes_of_structure(structure: Structure) -> np.ndarray:
    elements = element_rows(structure)
    return attributes_of_tessellation(tessellate(structure.lattice.matrix, structure.cart_coords), elements)


def attributes_of_tessellation(cells: Tessellation, elements: np.ndarray) -> np.ndarray:
    """The attributes of one structure.

    Args:
        cells: its tessellation.
        elements: (num_sites,) row of each site's element in `common.features.elemental`.

    Returns:
        (126,) float64.
    """
    site, area = cells.site, cells.area_angstrom2
    starts = np.searchsorted(site, np.arange(cells.num_sites))
    total = np.add.reduceat(area, starts)  # (num_sites,)

    coordination = total**2 / np.add.reduceat(area**2, starts)
    bond_length = np.add.reduceat(area * cells.distance_angstrom, starts) / total
    deviation = np.abs(cells.distance_angstrom - bond_length[site])
    variation = np.add.reduceat(area * deviation, starts) / total / bond_length
    relative_length = bond_length / bond_length.mean()
    volume = cells.cell_volume_angstrom3
    # the largest sphere inside each cell
    radius = np.minimum.reduceat(cells.distance_angstrom, starts) / 2
    packing = 4 / 3 * np.pi * (radius**3).sum() / volume.sum()

    values = PROPERTY_VALUES[elements]  # (num_sites, 22)
    difference = np.abs(values[cells.neighbor] - values[site]) * area[:, None]  # (num_facets, 22)
    difference = np.add.reduceat(difference, starts) / total[:, None]  # (num_sites, 22)
    mean, dev, low, high = _statistics(difference)
    return np.concatenate(
        [
            _statistics(coordination),
            _statistics(relative_length)[1:],
            _statistics(variation),
            [_statistics(volume)[1] / volume.mean()],
            _ordering(cells, elements),
            [packing],
            np.stack([mean, dev, low, high, high - low], axis=1).ravel(),
        ]
    )


def _statistics(values: np.ndarray) -> np.ndarray:
    """(4, ...) mean, mean absolute deviation, minimum and maximum over the sites (first axis)."""
    mean = values.mean(axis=0)
    return np.stack([mean, np.abs(values - mean).mean(axis=0), values.min(axis=0), values.max(axis=0)])


def _ordering(cells: Tessellation, elements: np.ndarray) -> np.ndarray:
    """(3,) mean absolute Warren-Cowley parameter of the first three shells of neighbours.

    A shell is reached by paths that step from facet to facet and return to no site. A step weighs by its area over the
    largest of the cell it leaves, a path by the product of its steps, and an element by the paths that end on it:
    the share among all, over its share in the structure, differs from 1 where there is order.

    Paths need not be walked. Those that return are few in kind and are taken off the number of all: after two steps
    back to the start, after three back to the first stop or around a triangle to the start.
    """
    kinds, kind = np.unique(elements, return_inverse=True)
    if len(kinds) == 1:
        return np.zeros(NUM_SHELLS)
    site, neighbor, area = cells.site, cells.neighbor, cells.area_angstrom2
    starts = np.searchsorted(site, np.arange(cells.num_sites))
    largest = np.maximum.reduceat(area, starts)
    there, back = (area / largest[site])[:, None], (area / largest[neighbor])[:, None]  # (num_facets, 1)
    start_kind = np.eye(len(kinds))[kind]  # (num_sites, num_kinds)
    end_kind = start_kind[neighbor]  # (num_facets, num_kinds)

    first = np.add.reduceat(there * end_kind, starts)
    second = np.add.reduceat(there * (first[neighbor] - back * start_kind[site]), starts)
    beyond = second[neighbor] - back * (first[site] - there * end_kind)  # two steps from the neighbour, not back here
    third = np.add.reduceat(there * beyond, starts) - _triangles(cells, largest)[:, None] * start_kind

    fraction = start_kind.mean(axis=0)
    shells = np.stack([first, second, third])  # (3, num_sites, num_kinds)
    parameter = 1 - shells / shells.sum(axis=2, keepdims=True) / fraction
    return np.abs(parameter).mean(axis=(1, 2))


def _triangles(cells: Tessellation, largest: np.ndarray) -> np.ndarray:
    """(num_sites,) weight of all paths of three steps that end where they began."""
    site, neighbor, image, area = cells.site, cells.neighbor, cells.image, cells.area_angstrom2
    # facets get a number by which that between two neighbours of a site is found; images differ by twice the reach
    reach = np.abs(image).max()
    span = 4 * reach + 1
    place_value = np.array([span**2, span, 1])

    def number(begin: np.ndarray, end: np.ndarray, translation: np.ndarray) -> np.ndarray:
        return (begin * cells.num_sites + end) * span**3 + (translation + 2 * reach) @ place_value

    known = number(site, neighbor, image)
    order = np.argsort(known)
    known, known_area = known[order], area[order]

    # Each pair of facets of a cell once: a triangle weighs the same in either direction.
    last = np.searchsorted(site, site, side="right")
    facet = np.arange(len(site))
    num_later = last - facet - 1
    one = np.repeat(facet, num_later)
    other = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(num_later) - num_later, num_later)
    wanted = number(neighbor[one], neighbor[other], image[other] - image[one])
    found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    closing = np.where(known[found] == wanted, known_area[found], 0.0)
    weight = area[one] * closing * area[other] / (largest[neighbor[one]] * largest[neighbor[other]])
    return 2 * np.bincount(site[one], weight, cells.num_sites) / largest
