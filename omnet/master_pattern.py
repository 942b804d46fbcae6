"""Master patterns: the intensity of backscattered electrons in every direction of a crystal, as EMsoft computes it.

Reference: chapter 6 of the thesis; P. G. Callahan, M. De Graef, Microsc. Microanal. 19, 1255 (2013),
doi:10.1017/S1431927613001840; the square projection: D. Rosca, Astron. Astrophys. 520, A63 (2010),
doi:10.1051/0004-6361/201015278.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from omnet.hdf5_files import MAX_VALUES, check_stored, damage_named, read_stored, stored_item

BUNDLED = Path(__file__).parent / "bundled" / "ni_mc_mp_20kv_uint8_gzip_opts9.h5"
_GROUP = "EMData/EBSDmaster"
_MAX_ENERGIES = 10_000
REMEDY = "give the HDF5 file that EMsoft's EMEBSDmaster wrote, copied whole"


@dataclass(frozen=True, eq=False)
class MasterPattern:
    """Intensities on the two hemispheres in the square modified Lambert projection.

    Attributes:
        upper: ``(m, m)`` float32, m odd; rows along the crystal's y, columns along its x, from -1 to 1.
        lower: ``(m, m)``, for directions with z < 0; the same object as `upper` where the two do not differ.
        energy_kev: Energy of the electrons.
        phase: Name of the crystal structure.
        source: File it came from.
    """

    upper: np.ndarray
    lower: np.ndarray
    energy_kev: float
    phase: str
    source: str

    def __post_init__(self):
        shape = self.upper.shape
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 3 or shape[0] % 2 == 0 or self.lower.shape != shape:
            raise ValueError(
                f"Expected two square hemispheres with an odd number of points along each edge, received the shapes "
                f"{shape} and {self.lower.shape}."
            )
        if not (np.isfinite(self.upper).all() and np.isfinite(self.lower).all()):
            raise ValueError("Expected finite intensities in a master pattern, received NaN or infinity.")

    def content_hash(self) -> str:
        """SHA-256 of both hemispheres, wherever they came from."""
        digest = hashlib.sha256(np.ascontiguousarray(self.upper).tobytes())
        digest.update(np.ascontiguousarray(self.lower).tobytes())
        return digest.hexdigest()


def load_master_pattern(path: str | os.PathLike[str] | None = None, energy_kev: float | None = None) -> MasterPattern:
    """Read a master pattern from an HDF5 file of EMsoft, summed over the sites of the crystal.

    Args:
        path: File; the bundled one of nickel at 20 kV where none is given.
        energy_kev: Which of the file's energies; the highest where none is given.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not HDF5, is cut short, holds no master pattern in Lambert projection, has not this
            energy, or is of a crystal without the rotations of 432, which all of ``omnet`` takes for granted.

    Reference:
        https://github.com/EMsoft-org/EMsoft/wiki, file format of EMEBSDmaster.
    """
    path = BUNDLED if path is None else Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a master pattern at {str(path)!r}, found no file there; {REMEDY}.")
    with damage_named(path, REMEDY), h5py.File(path) as file:
        return _read(file, path, energy_kev)


def _read(file: h5py.File, path: Path, energy_kev: float | None) -> MasterPattern:
    names = {name: f"{_GROUP}/{name}" for name in ("mLPNH", "mLPSH", "EkeVs", "xtalname")}
    items = {name: stored_item(file, place) for name, place in names.items()}
    if items["mLPNH"] is None:
        found = "one in stereographic projection only" if f"{_GROUP}/masterSPNH" in file else "none"
        raise ValueError(
            f"Expected a master pattern in Lambert projection ({names['mLPNH']}) in {str(path)!r}, found {found}; "
            f"{REMEDY}."
        )
    if missing := [names[name] for name in ("mLPSH", "EkeVs") if items[name] is None]:
        raise ValueError(f"Expected {missing[0]} in {str(path)!r}, which lacks it; {REMEDY}.")
    _check_symmetry(file, path)
    energies_kev = read_stored(items["EkeVs"], names["EkeVs"], _MAX_ENERGIES).ravel().astype(float)
    if energies_kev.size == 0 or not np.isfinite(energies_kev).all():
        raise ValueError(f"Expected energies as {names['EkeVs']} in {str(path)!r}, received none, NaN or infinity.")
    place = _place_of(energy_kev, energies_kev, path)
    upper, lower = (_hemisphere(items[name], place, len(energies_kev), path) for name in ("mLPNH", "mLPSH"))
    if np.array_equal(upper, lower):
        lower = upper
    phase = path.name
    if items["xtalname"] is not None:
        phase = read_stored(items["xtalname"], names["xtalname"], 1).ravel()[0].decode()
    return MasterPattern(upper, lower, float(energies_kev[place]), Path(phase.strip()).stem, str(path))


def _check_symmetry(file: h5py.File, path: Path) -> None:
    name = "CrystalData/SpaceGroupNumber"
    item = stored_item(file, name)
    if item is not None and (space_group := int(read_stored(item, name, 1).ravel()[0])) < 207:
        raise ValueError(
            f"Expected a cubic crystal of Laue group m-3m (space groups 207 to 230), received space group "
            f"{space_group} in {str(path)!r}; other symmetries are not built in."
        )


def _place_of(energy_kev: float | None, energies_kev: np.ndarray, path: Path) -> int:
    if energy_kev is None:
        return int(energies_kev.argmax())
    place = int(np.abs(energies_kev - energy_kev).argmin())
    if not abs(energies_kev[place] - energy_kev) < 1e-3:
        known = ", ".join(f"{energy:g}" for energy in energies_kev)
        raise ValueError(f"Expected one of the energies {known} keV of {str(path)!r}, received {energy_kev:g}.")
    return place


def _hemisphere(dataset: Any, place: int, num_energies: int, path: Path) -> np.ndarray:
    """(m, m) float32; EMsoft stores (sites, energies, m, m)."""
    shape = dataset.shape if isinstance(dataset, h5py.Dataset) else None
    if shape is None or len(shape) != 4 or shape[1] != num_energies:
        raise ValueError(
            f"Expected hemispheres of shape (sites, {num_energies}, m, m) in {str(path)!r}, received {shape}; {REMEDY}."
        )
    if math.prod(shape) // num_energies > MAX_VALUES or dataset.dtype.kind not in "uif":
        raise ValueError(
            f"Expected hemispheres of at most {MAX_VALUES:,} numbers an energy in {str(path)!r}, received {shape} of "
            f"type {dataset.dtype}; {REMEDY}."
        )
    check_stored(dataset)
    return dataset[:, place].sum(axis=0, dtype=np.float64).astype(np.float32)
