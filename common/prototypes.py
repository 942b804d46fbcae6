"""Structure prototypes a search for new compounds asks about: B2, L1_0 and perovskite.

Each is recognised by its geometry, whatever cell it is written in. Used to hold a whole prototype out of training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import gcd

import numpy as np

PROTOTYPES = ("B2", "L1_0", "perovskite")

TOLERANCE_ANGSTROM = 0.01
MAX_SITES = 80

# Along Bain's path a two-atom P4/mmm cell goes from B2 (c/a = 1) to L1_0 (c/a = sqrt 2); the border is half way.
_MIN_AXIAL_RATIO, _MAX_AXIAL_RATIO = 2**0.25, 2**0.75

# Borders of perovskite, set in the gaps that the 328 ABX3 crystals of `mp_structures` leave
_MIN_BOND_ANGSTROM = 0.5
_MAX_OCTAHEDRON_RATIO = 1.5  # longest to shortest B-X; 1.27 in tetragonal KNbO3
_MIN_SHELL_GAP = 1.02  # seventh B-X to sixth
_MAX_ANGLE_ERROR_DEG = 22.5  # of X-B-X, from 90 or 180
_MIN_BRIDGE_DEG = 135.0  # B-X-B; 180 in the cubic cell, 139 in TmFeO3, 120 in calcite
_MAX_CAGE_GAP = 1.42  # seventh A-X to sixth; 1.0 to 1.2 in most, 1.34 in BiFeO3, 1.48 in LiNbO3


def classify(species: Sequence[str], lattice: np.ndarray, frac: np.ndarray) -> str:
    """Prototype of a structure: "B2", "L1_0", "perovskite", or "" for all others.

    - B2 (CsCl): AB with two atoms in the primitive cell, which is a cube, B at its centre.
    - L1_0 (CuAu): the same in a tetragonal cell (space group 123) with an axial ratio nearer to sqrt 2 than to 1 or
      2, for at 1 these sites are those of B2.
    - perovskite: ABX3 with X in octahedra round B which share corners only, each X between two B at an angle of 135
      degrees or more, and A in the cage between them. Tilted and polar perovskites and antiperovskites count;
      ilmenite, LiNbO3, calcite, hexagonal and post-perovskites, and octahedra opened to pyramids do not.

    Args:
        species: n symbols.
        lattice: (3, 3) rows, angstrom, with a volume.
        frac: (n, 3).

    Reference: M. J. Mehl et al., Comput. Mater. Sci. 136, S1 (2017), doi:10.1016/j.commatsci.2017.01.017
    (AB_cP2_221_b_a, AB_tP2_123_a_d, AB3C_cP5_221_a_c_b).
    """
    amounts = Counter(species)
    num_formulas = gcd(*amounts.values())
    if len(species) > MAX_SITES:
        return ""
    symbols = np.array(species)
    match sorted(amount // num_formulas for amount in amounts.values()):
        case [1, 1]:
            return _classify_ab(symbols, lattice, frac)
        case [1, 1, 3]:
            return "perovskite" if _is_perovskite(symbols, lattice, frac) else ""
    return ""


def _classify_ab(species: np.ndarray, lattice: np.ndarray, frac: np.ndarray) -> str:
    primitive = _two_atom_cell(species, lattice, frac)
    if primitive is None:
        return ""
    lattice, offset = primitive
    lengths = np.sort(np.linalg.norm(lattice, axis=1))
    overlaps = np.abs(lattice @ lattice.T - np.diag(np.diag(lattice @ lattice.T)))
    is_square = lengths[1] - lengths[0] < TOLERANCE_ANGSTROM and (overlaps < TOLERANCE_ANGSTROM * lengths[2]).all()
    past_centre = offset @ np.linalg.inv(lattice) % 1.0 - 0.5
    if not is_square or np.linalg.norm(past_centre @ lattice) > TOLERANCE_ANGSTROM:
        return ""
    if lengths[2] - lengths[0] < TOLERANCE_ANGSTROM:
        return "B2"
    return "L1_0" if _MIN_AXIAL_RATIO < lengths[2] / lengths[0] < _MAX_AXIAL_RATIO else ""


def _two_atom_cell(species: np.ndarray, lattice: np.ndarray, frac: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Shortest lattice vectors (3, 3) and the vector from A to B (3,), angstrom, if two atoms make up the crystal."""
    import spglib

    if len(species) > 2:
        is_a = species == species[0]
        for shift in frac[is_a] - frac[0]:  # each must carry every atom to one of its kind
            apart = frac[:, None] + shift - frac[None]
            close = np.linalg.norm((apart - np.rint(apart)) @ lattice, axis=2) < TOLERANCE_ANGSTROM
            if not (close & (is_a[:, None] == is_a[None])).any(axis=1).all():
                return None
        found = spglib.find_primitive((lattice.tolist(), frac.tolist(), is_a.tolist()), symprec=TOLERANCE_ANGSTROM)
        if found is None or len(found[1]) != 2:
            return None
        lattice, frac = np.asarray(found[0]), np.asarray(found[1])
    return _reduced(lattice), (frac[1] - frac[0]) @ lattice


def _is_perovskite(species: np.ndarray, lattice: np.ndarray, frac: np.ndarray) -> bool:
    amounts = Counter(species.tolist())
    x, *cations = sorted(amounts, key=lambda symbol: -amounts[symbol])
    cell = _reduced(lattice)
    place = (frac @ lattice) @ np.linalg.inv(cell) % 1.0
    return any(
        _is_octahedral_network(place[species == b], place[species == x], cell)
        and _is_in_cage(place[species == a], place[species == x], cell)
        for a, b in (cations, cations[::-1])
    )


def _is_octahedral_network(b: np.ndarray, x: np.ndarray, cell: np.ndarray) -> bool:
    """Whether X (3n, 3) form octahedra round B (n, 3), each X a corner of two of them."""
    bonds, number = _nearest(b, x, cell)
    length = np.linalg.norm(bonds, axis=2)
    if length.min() < _MIN_BOND_ANGSTROM or (length[:, 5] > _MAX_OCTAHEDRON_RATIO * length[:, 0]).any():
        return False
    if (length[:, 6] < _MIN_SHELL_GAP * length[:, 5]).any():
        return False
    bonds, number = bonds[:, :6], number[:, :6]
    units = bonds / length[:, :6, None]
    angles = np.sort(np.degrees(np.arccos(np.clip(units @ units.transpose(0, 2, 1), -1, 1))), axis=2)
    if np.abs(angles - [0, 90, 90, 90, 90, 180]).max() > _MAX_ANGLE_ERROR_DEG:  # itself, four beside, one opposite
        return False
    if (np.bincount(number.ravel(), minlength=len(x)) != 2).any():
        return False
    first, second = units.reshape(-1, 3)[np.argsort(number.ravel(), kind="stable")].reshape(-1, 2, 3).swapaxes(0, 1)
    bridges = np.degrees(np.arccos(np.clip((first * second).sum(axis=1), -1, 1)))
    return bool((bridges >= _MIN_BRIDGE_DEG).all())


def _is_in_cage(a: np.ndarray, x: np.ndarray, cell: np.ndarray) -> bool:
    """Whether A (n, 3) has more near X (3n, 3) than the six of an octahedron, as it has in ilmenite and LiNbO3."""
    length = np.linalg.norm(_nearest(a, x, cell)[0], axis=2)
    return bool(length.min() > _MIN_BOND_ANGSTROM and (length[:, 6] < _MAX_CAGE_GAP * length[:, 5]).all())


def _nearest(centres: np.ndarray, x: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (n, 7, 3), angstrom, to the seven nearest X of each centre, nearest first; and the numbers of those X."""
    images = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    bonds = ((x[None, :, None] - centres[:, None, None] + images) @ cell).reshape(len(centres), -1, 3)
    order = np.argsort((bonds**2).sum(axis=2), axis=1)[:, :7]
    return np.take_along_axis(bonds, order[:, :, None], 1), order // len(images)


def _reduced(lattice: np.ndarray) -> np.ndarray:
    """The same lattice with the shortest vectors, so that a few images on each side hold all near neighbours."""
    import spglib

    reduced = spglib.niggli_reduce(lattice)
    return lattice if reduced is None else np.asarray(reduced)
