"""The oxides of the Sn-Ti-Zn-O system: their diffraction lines, as lattices and texture change.

Structures are of the literature and line intensities are pymatgen's. Tin and titanium replace each other in rutile,
ilmenite and spinel: lattice parameters and intensities lie on the straight line between the end members (Vegard's law).

Reference: rutile and anatase: C. J. Howard, T. M. Sabine, F. Dickson, Acta Cryst. B 47, 462 (1991); SnO2: W. H. Baur,
A. A. Khan, Acta Cryst. B 27, 2133 (1971); ZnO: E. H. Kisi, M. M. Elcombe, Acta Cryst. C 45, 1867 (1989); ZnTiO3 and
Zn2TiO4: S. F. Bartram, R. A. Slepetys, J. Am. Ceram. Soc. 44, 493 (1961).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import permutations, product
from typing import Any

import numpy as np
from scipy.special import ive


@dataclass(frozen=True, eq=False)
class Member:
    """One structure: lengths of the axes in Angstrom, and what is where in the asymmetric unit."""

    formula: str
    a_a: float
    c_a: float
    species: Sequence[Any]  # symbols, or shares by symbol
    sites: Sequence[Sequence[float]]


@dataclass(frozen=True, eq=False)
class Phase:
    """A phase of one or two end members.

    Attributes:
        name: Its structure type.
        space_group: Symbol, in the setting of the sites.
        hexagonal: Whether its first axes are at 120 degrees; otherwise all are at right angles.
        zinc_fraction: Of its cations.
        fibre_axis: hkl of the planes that like to lie parallel to the film.
        members: From tin to titanium, or the only one.
    """

    name: str
    space_group: str
    hexagonal: bool
    zinc_fraction: float
    fibre_axis: tuple[int, int, int]
    members: tuple[Member, ...] = field(repr=False)


# Spinels in the first choice of origin, the only one that pymatgen knows: 8a at 1/4, 16d at 5/8, oxygen at u + 1/8.
# Both are inverse: half of the zinc on the tetrahedra, the rest and the other cation on the octahedra.
_SPINEL_SITES = ((0.25, 0.25, 0.25), (0.625, 0.625, 0.625), (0.385, 0.385, 0.385))
_ILMENITE_SITES = ((0, 0, 0.360), (0, 0, 0.1441), (0.3136, 0.0194, 0.2477))
PHASES = {
    phase.name: phase
    for phase in (
        Phase("rutile", "P4_2/mnm", False, 0, (1, 1, 0), (
            Member("SnO2", 4.737, 3.186, ("Sn", "O"), ((0, 0, 0), (0.307, 0.307, 0))),
            Member("TiO2", 4.594, 2.959, ("Ti", "O"), ((0, 0, 0), (0.305, 0.305, 0))),
        )),
        Phase("anatase", "I4_1/amd", False, 0, (0, 0, 1), (
            Member("TiO2", 3.785, 9.514, ("Ti", "O"), ((0, 0, 0), (0, 0, 0.2081))),
        )),
        Phase("ilmenite", "R-3", True, 1 / 2, (0, 0, 1), (
            Member("ZnSnO3", 5.284, 14.091, ("Zn", "Sn", "O"), _ILMENITE_SITES),
            Member("ZnTiO3", 5.079, 13.927, ("Zn", "Ti", "O"), _ILMENITE_SITES),
        )),
        Phase("spinel", "Fd-3m", False, 2 / 3, (1, 1, 1), (
            Member("Zn2SnO4", 8.657, 8.657, ("Zn", {"Zn": 0.5, "Sn": 0.5}, "O"), _SPINEL_SITES),
            Member("Zn2TiO4", 8.460, 8.460, ("Zn", {"Zn": 0.5, "Ti": 0.5}, "O"), _SPINEL_SITES),
        )),
        Phase("wurtzite", "P6_3mc", True, 1, (0, 0, 1), (
            Member("ZnO", 3.2498, 5.2066, ("Zn", "O"), ((1 / 3, 2 / 3, 0), (1 / 3, 2 / 3, 0.382))),
        )),
    )
}  # fmt: skip


def structure(phase: Phase, member: Member) -> Any:
    """pymatgen's Structure of one end member."""
    from pymatgen.core import Lattice, Structure

    angle = 120 if phase.hexagonal else 90
    lattice = Lattice.from_parameters(member.a_a, member.a_a, member.c_a, 90, 90, angle)
    return Structure.from_spacegroup(phase.space_group, lattice, member.species, member.sites)


@dataclass(frozen=True, eq=False)
class Lines:
    """The diffraction lines of a phase at one wavelength.

    Attributes:
        hkl: ``(m, 3)``, one of the planes of each line.
        strength: ``(num_members, m)`` of each end member: intensity on a unit length of ring for a unit volume, the
            same unit for all phases; Lorentz and polarisation factors (of an unpolarised beam) included.
        cos_to_axis: ``(m, 96)``: cosine of the angle from each of the equivalent planes to the fibre axis.
    """

    phase: Phase
    hkl: np.ndarray
    strength: np.ndarray
    cos_to_axis: np.ndarray

    def spacings_a(self, titanium_share: float) -> np.ndarray:
        """``(m,)`` distances of the planes; the titanium share, 0 to 1, is that of titanium in tin and titanium."""
        inverse = reciprocal_vectors(self.hkl, *self._axes_a(titanium_share), self.phase.hexagonal)
        return 1 / np.linalg.norm(inverse, axis=-1)

    def strengths(self, titanium_share: float) -> np.ndarray:
        """``(m,)``, of untextured material."""
        return self._between(self.strength, titanium_share)

    def _axes_a(self, titanium_share: float) -> tuple[float, float]:
        a_a, c_a = self._between(np.array([[member.a_a, member.c_a] for member in self.phase.members]), titanium_share)
        return float(a_a), float(c_a)

    def _between(self, values: np.ndarray, titanium_share: float) -> np.ndarray:
        return values[0] + titanium_share * (values[-1] - values[0])


def reciprocal_vectors(hkl: np.ndarray, a_a: float, c_a: float, hexagonal: bool) -> np.ndarray:
    """``(..., 3)`` in 1/Angstrom, of planes ``(..., 3)``; their length is 1 over the distance of the planes."""
    h, k, l = np.moveaxis(np.asarray(hkl, np.float64), -1, 0)  # noqa: E741
    second = (h + 2 * k) / np.sqrt(3) if hexagonal else k
    return np.stack([h / a_a, second / a_a, l / c_a], axis=-1)


@lru_cache(maxsize=32)
def lines(name: str, wavelength_a: float, max_two_theta_deg: float) -> Lines:
    """The lines of a phase by name, up to an angle."""
    from pymatgen.analysis.diffraction.xrd import XRDCalculator

    phase = PHASES[name]
    calculator = XRDCalculator(wavelength=wavelength_a)
    found: list[dict[tuple[int, int, int], float]] = []
    for member in phase.members:
        crystal = structure(phase, member)
        pattern = calculator.get_pattern(crystal, scaled=False, two_theta_range=(0, max_two_theta_deg))
        # hkil of hexagonal crystals -> hkl; a line of several kinds of planes has one distance, so one of them serves.
        planes = [
            (int(kinds[0]["hkl"][0]), int(kinds[0]["hkl"][1]), int(kinds[0]["hkl"][-1])) for kinds in pattern.hkls
        ]
        # A cell scatters with its structure factor squared; a unit volume has 1 / V cells, each over 1 / V of the beam.
        found.append(dict(zip(planes, pattern.y / crystal.volume**2, strict=True)))
    hkl = np.array(sorted(set().union(*found)))
    strength = np.array([[intensities.get(tuple(planes), 0.0) for planes in hkl.tolist()] for intensities in found])
    first = phase.members[0]
    cubic = all(member.a_a == member.c_a for member in phase.members)
    equivalents = np.stack([_equivalents(planes, phase.hexagonal, cubic) for planes in hkl])  # (m, 96, 3)
    axes = (first.a_a, first.c_a, phase.hexagonal)
    normals = _unit(reciprocal_vectors(equivalents, *axes))
    return Lines(phase, hkl, strength, normals @ _unit(reciprocal_vectors(np.array(phase.fibre_axis), *axes)))


def _equivalents(hkl: np.ndarray, hexagonal: bool, cubic: bool) -> np.ndarray:
    """``(96, 3)`` planes equivalent by the symmetry of the lattice, each as often as any other."""
    h, k, l = hkl.tolist()  # noqa: E741
    if hexagonal:
        inplane = list(permutations((h, k, -h - k)))
        planes = [(s * p[0], s * p[1], t * l) for p in inplane for s, t in product((1, -1), repeat=2)]
    else:
        orders = list(permutations((h, k, l))) if cubic else [(h, k, l), (k, h, l)]
        planes = [tuple(s * p for s, p in zip(signs, order, strict=True)) for order in orders
                  for signs in product((1, -1), repeat=3)]  # fmt: skip
    return np.resize(np.array(planes), (96, 3))  # 24, 48 or 16 planes, all of which divide 96


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def pole_density(cos_to_axis: np.ndarray, tilt_rad: np.ndarray, sharpness: float) -> np.ndarray:
    """How much brighter texture makes a line, by the tilt of the scattering vector out of the film's normal.

    The fibre axes of the grains are spread about the normal as a von Mises-Fisher distribution; grains are turned about
    their axes at random. The mean of that distribution over the cone of axes that a plane's normal allows is

        kappa / sinh(kappa) exp(kappa cos(phi) cos(psi)) I0(kappa sin(phi) sin(psi)),

    phi from the plane's normal to the axis and psi the tilt.

    Args:
        cos_to_axis: ``(m, k)`` cos(phi) of the k equivalent planes of each line.
        tilt_rad: ``(t,)`` psi.
        sharpness: kappa, above 0; towards 0 there is no texture.

    Returns:
        ``(m, t)``, of mean 1 over the sphere.
    """
    # Few of the equivalent planes differ in their angle; the Bessel function is what takes time.
    cosines, positions = np.unique(np.round(cos_to_axis, 6), return_inverse=True)
    cos_phi = np.clip(cosines[:, None], -1, 1)
    sine = np.sqrt(1 - cos_phi**2) * np.sin(tilt_rad)
    cosine = cos_phi * np.cos(tilt_rad)
    # exp and I0 are scaled by exp(-kappa), as is sinh
    density = np.exp(sharpness * (cosine + sine - 1)) * ive(0, sharpness * sine)
    density *= 2 * sharpness / -np.expm1(-2 * sharpness)
    return density[positions.reshape(cos_to_axis.shape)].mean(axis=1)
