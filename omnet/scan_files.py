"""What the HDF5 files of kikuchipy and EDAX OIM say of a scan, in one form; nothing is judged here.

Reference:
    M. A. Jackson et al., h5ebsd: an archival data format for electron back-scatter diffraction data sets, Integr.
    Mater. Manuf. Innov. 3, 44 (2014), doi:10.1186/2193-9772-3-4; https://kikuchipy.org, reference frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from common.formula import quoted
from omnet.detector import Detector
from omnet.hdf5_files import MAX_VALUES, check_stored, damage_named, read_stored, stored_item

KIKUCHIPY, EDAX = "kikuchipy", "EDAX OIM"
FORMAT_OF_DATASET = {"patterns": KIKUCHIPY, "Pattern": EDAX}
PC_NAMES = ("pcx", "pcy", "pcz")  # of kikuchipy
_MAX_NAMES = 10  # of scans, in a sentence
_MAX_TEXTS = 1_000  # values of an entry that should be one
_MAX_CANDIDATES = 64  # orientations that EDAX may keep for a point
REMEDY = (
    "supported are HDF5 files of kikuchipy and of EDAX OIM, and NORDIF's Pattern.dat; kikuchipy can save those of "
    "other makers as its own (kikuchipy.load, then save)"
)


@dataclass(frozen=True, eq=False)
class RawScan:
    """What the file of a scan says.

    Attributes:
        name: Of the scan in the file.
        source_format: ``kikuchipy``, ``EDAX OIM`` or ``NORDIF``.
        patterns: ``(n, rows, columns)``, on disk.
        grid: Rows and columns of points.
        step_um: Step along a row (x) and from row to row (y).
        sample_tilt_deg: Tilt of the sample.
        tilt_deg: Tilt of the detector.
        azimuth_deg: Turn of the detector about the vertical.
        pc: ``(1 or n, 3)`` projection centres in Bruker's convention, or ``None``.
        static_background: ``(rows, columns)``, or ``None``.
        reference_euler_rad: ``(n, 3)``, NaN where the file has no orientation; or ``None``.
    """

    name: str
    source_format: str
    patterns: h5py.Dataset | np.ndarray
    grid: tuple[int, int]
    step_um: tuple[float, float]
    sample_tilt_deg: float
    tilt_deg: float
    azimuth_deg: float
    pc: np.ndarray | None = None
    static_background: np.ndarray | None = None
    reference_euler_rad: np.ndarray | None = None


def read_hdf5(path: Path, scan: str | None) -> RawScan:
    """Open a scan in an HDF5 file.

    Args:
        path: The file.
        scan: Name of the scan, needed where the file has several.

    Raises:
        ValueError: If the file is no HDF5 or cut short, has no patterns, several scans and none is named, or lacks
            something of the scan's header.
    """
    with damage_named(path, REMEDY):
        file = h5py.File(path)  # stays open with the patterns
        try:
            return _read(file, path, scan)
        except BaseException:
            file.close()
            raise


def _read(file: h5py.File, path: Path, scan: str | None) -> RawScan:
    name, dataset = _chosen(_scans_in(file), scan, path)
    check_stored(dataset)
    group = file[f"{name}/EBSD"]
    header = stored_item(group, "Header")
    if not isinstance(header, h5py.Group):
        raise ValueError(f"Expected {f'{name}/EBSD/Header'!r} in {str(path)!r}, which lacks it; copy the file whole.")
    read = _from_kikuchipy if dataset.name.endswith("/patterns") else _from_edax
    return read(name, dataset, group, _Header(header, path))


def _scans_in(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Name of each group with patterns -> its dataset of patterns."""
    found = {}

    def look(name: str, item: Any) -> None:
        parts = name.split("/")
        if isinstance(item, h5py.Dataset) and parts[-3:-1] == ["EBSD", "Data"] and parts[-1] in FORMAT_OF_DATASET:
            found["/".join(parts[:-3])] = item

    file.visititems(look)
    return found


def _chosen(scans: Mapping[str, h5py.Dataset], wanted: str | None, path: Path) -> tuple[str, h5py.Dataset]:
    if not scans:
        places = " or ".join(f"SCAN/EBSD/Data/{name}" for name in FORMAT_OF_DATASET)
        raise ValueError(f"Expected patterns in {str(path)!r} as {places}, found none; {REMEDY}.")
    names = ", ".join(quoted(name) for name in list(scans)[:_MAX_NAMES]) + (" ..." if len(scans) > _MAX_NAMES else "")
    if wanted is None and len(scans) > 1:
        raise ValueError(f"Expected one scan in {str(path)!r}, found {len(scans)}: {names}; name one with --scan.")
    name = next(iter(scans)) if wanted is None else wanted
    if name not in scans:
        raise ValueError(f"Expected --scan to be one of {names} of {str(path)!r}; received {wanted!r}.")
    return name, scans[name]


class _Header:
    """Values of a group by name; EDAX puts spaces before some names."""

    def __init__(self, group: h5py.Group, path: Path):
        self.path, self.group = path, group
        self.names = {name.strip(): name for name in group}

    def item(self, name: str) -> Any:
        return stored_item(self.group, self.names[name]) if name in self.names else None

    def array(self, name: str, max_values: int) -> np.ndarray:
        item = self.item(name)
        if not isinstance(item, h5py.Dataset):
            raise ValueError(f"Expected {name!r} in {self.group.name!r} of {str(self.path)!r}, which lacks it.")
        return read_stored(item, item.name, max_values)

    def number(self, name: str, default: float | None = None) -> float:
        if name not in self.names and default is not None:
            return default
        values = self.array(name, _MAX_TEXTS).ravel()
        if values.size != 1 or values.dtype.kind not in "iuf" or not np.isfinite(values[0]):
            raise ValueError(f"Expected one number as {name!r} in {str(self.path)!r}, received {_shown(values)}.")
        return float(values[0])

    def count(self, name: str) -> int:
        value = self.number(name)
        if value < 1 or value != int(value):
            raise ValueError(f"Expected a whole number above 0 as {name!r} in {str(self.path)!r}, received {value:g}.")
        return int(value)


def _shown(values: np.ndarray) -> str:
    text = repr(values[:3].tolist())
    return text if len(text) <= 60 else f"{text[:50]}..."


def _from_kikuchipy(name: str, dataset: h5py.Dataset, group: h5py.Group, header: _Header) -> RawScan:
    num = dataset.shape[0]
    background = np.array(-1)
    if "static_background" in header.names:
        background = header.array("static_background", MAX_VALUES)
    crystal_map = stored_item(group, "CrystalMap/crystal_map/data")
    has_pc = all(axis in header.names for axis in PC_NAMES)
    pc = [header.array(axis, max(num, _MAX_TEXTS)).ravel() for axis in PC_NAMES] if has_pc else []
    return RawScan(
        name,
        KIKUCHIPY,
        dataset,
        (header.count("n_rows"), header.count("n_columns")),
        (header.number("step_x", 1.0), header.number("step_y", 1.0)),
        header.number("sample_tilt", 70.0),
        header.number("elevation_angle", 0.0),
        header.number("azimuth_angle", 0.0),
        np.column_stack(pc).astype(np.float64) if has_pc else None,
        background if background.size > 1 else None,  # -1 stands for none
        _reference(crystal_map, ("phi1", "Phi", "phi2"), "phase_id", num),
    )


def _from_edax(name: str, dataset: h5py.Dataset, group: h5py.Group, header: _Header) -> RawScan:
    grid_type = header.array("Grid Type", 1).ravel()[0] if "Grid Type" in header.names else b"SqrGrid"
    if grid_type != b"SqrGrid":
        raise ValueError(
            f"Expected a square grid (SqrGrid) in {str(header.path)!r}, received "
            f"{grid_type.decode(errors='replace')!r}; convert the scan in OIM Analysis."
        )
    pc = None
    for key in header.names:
        item = header.item(key) if key.startswith("Pattern Center") else None
        if isinstance(item, h5py.Group):
            stars = _Header(item, header.path)
            x, y, z = (stars.number(f"{axis}-star") for axis in "xyz")
            if z > 0:  # 0 in files without a calibration
                pc = np.array([Detector.from_tsl(dataset.shape[1:], (x, y, z)).pc])
    return RawScan(
        name,
        EDAX,
        dataset,
        (header.count("nRows"), header.count("nColumns")),
        (header.number("Step X", 1.0), header.number("Step Y", 1.0)),
        header.number("Sample Tilt", 70.0),
        header.number("Camera Elevation Angle", 0.0),
        header.number("Camera Azimuthal Angle", 0.0),
        pc,
        reference_euler_rad=_reference(group["Data"], ("Phi1", "Phi", "Phi2"), "CI", len(dataset)),
    )


def _reference(data: Any, angles: tuple[str, str, str], quality: str, num: int) -> np.ndarray | None:
    """Orientations of the file; those of points whose phase or confidence is negative were never found."""
    if not isinstance(data, h5py.Group) or not all(angle in data for angle in angles):
        return None

    def column(name: str) -> np.ndarray:
        found = read_stored(stored_item(data, name), f"{data.name}/{name}", _MAX_CANDIDATES * max(num, _MAX_TEXTS))
        return found.reshape(len(found), -1)[:, 0].astype(np.float64)  # the best of several

    euler_rad = np.stack([column(angle) for angle in angles], axis=-1)
    if quality in data:
        euler_rad[column(quality) < 0] = np.nan
    is_empty = not np.nan_to_num(euler_rad).any()  # kikuchipy writes zeros for a map that was never indexed
    return None if is_empty else euler_rad
