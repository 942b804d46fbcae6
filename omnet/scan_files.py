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

from omnet.detector import Detector

KIKUCHIPY, EDAX = "kikuchipy", "EDAX OIM"
FORMAT_OF_DATASET = {"patterns": KIKUCHIPY, "Pattern": EDAX}
PC_NAMES = ("pcx", "pcy", "pcz")  # of kikuchipy
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
    try:
        file = h5py.File(path)
    except OSError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"Expected a whole HDF5 file, received {str(path)!r} ({reason}); {REMEDY}.") from error
    name, dataset = _chosen(_scans_in(file), scan, path)
    group = file[f"{name}/EBSD"]
    if "Header" not in group:
        raise ValueError(f"Expected {name}/EBSD/Header in {str(path)!r}, which lacks it; copy the file whole.")
    read = _from_kikuchipy if dataset.name.endswith("/patterns") else _from_edax
    return read(name, dataset, group, _Header(group["Header"], path))


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
    names = ", ".join(repr(name) for name in scans)
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
        self.items = {name.strip(): item for name, item in group.items()}

    def array(self, name: str) -> np.ndarray:
        if not isinstance(self.items.get(name), h5py.Dataset):
            raise ValueError(f"Expected {name!r} in {self.group.name} of {str(self.path)!r}, which lacks it.")
        return np.asarray(self.items[name][()])

    def number(self, name: str, default: float | None = None) -> float:
        if name not in self.items and default is not None:
            return default
        values = self.array(name).ravel()
        if values.size != 1 or values.dtype.kind not in "iuf":
            raise ValueError(f"Expected one number as {name!r} in {str(self.path)!r}, received {values[:3].tolist()}.")
        return float(values[0])


def _from_kikuchipy(name: str, dataset: h5py.Dataset, group: h5py.Group, header: _Header) -> RawScan:
    background = header.array("static_background") if "static_background" in header.items else np.array(-1)
    crystal_map = "CrystalMap/crystal_map/data"
    has_pc = all(axis in header.items for axis in PC_NAMES)
    return RawScan(
        name,
        KIKUCHIPY,
        dataset,
        (int(header.number("n_rows")), int(header.number("n_columns"))),
        (header.number("step_x", 1.0), header.number("step_y", 1.0)),
        header.number("sample_tilt", 70.0),
        header.number("elevation_angle", 0.0),
        header.number("azimuth_angle", 0.0),
        np.column_stack([header.array(axis).ravel() for axis in PC_NAMES]).astype(np.float64) if has_pc else None,
        background if background.size > 1 else None,  # -1 stands for none
        _reference(group[crystal_map], ("phi1", "Phi", "phi2"), "phase_id") if crystal_map in group else None,
    )


def _from_edax(name: str, dataset: h5py.Dataset, group: h5py.Group, header: _Header) -> RawScan:
    grid_type = header.array("Grid Type").ravel()[0] if "Grid Type" in header.items else b"SqrGrid"
    if grid_type != b"SqrGrid":
        raise ValueError(
            f"Expected a square grid (SqrGrid) in {str(header.path)!r}, received {grid_type.decode()}; convert "
            "the scan in OIM Analysis."
        )
    pc = None
    for key, item in header.items.items():
        if key.startswith("Pattern Center") and isinstance(item, h5py.Group):
            stars = _Header(item, header.path)
            x, y, z = (stars.number(f"{axis}-star") for axis in "xyz")
            if z > 0:  # 0 in files without a calibration
                pc = np.array([Detector.from_tsl(dataset.shape[1:], (x, y, z)).pc])
    return RawScan(
        name,
        EDAX,
        dataset,
        (int(header.number("nRows")), int(header.number("nColumns"))),
        (header.number("Step X", 1.0), header.number("Step Y", 1.0)),
        header.number("Sample Tilt", 70.0),
        header.number("Camera Elevation Angle", 0.0),
        header.number("Camera Azimuthal Angle", 0.0),
        pc,
        reference_euler_rad=_reference(group["Data"], ("Phi1", "Phi", "Phi2"), "CI"),
    )


def _reference(data: h5py.Group, angles: tuple[str, str, str], quality: str) -> np.ndarray | None:
    """Orientations of the file; those of points whose phase or confidence is negative were never found."""
    if not all(angle in data for angle in angles):
        return None
    columns = [np.asarray(data[angle][()], np.float64) for angle in angles]
    euler_rad = np.stack([column.reshape(len(column), -1)[:, 0] for column in columns], axis=-1)  # the best of several
    if quality in data:
        euler_rad[np.asarray(data[quality][()]) < 0] = np.nan
    is_empty = not np.nan_to_num(euler_rad).any()  # kikuchipy writes zeros for a map that was never indexed
    return None if is_empty else euler_rad
