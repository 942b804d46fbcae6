"""Tables of orientations as ``.ang``, the text format of EDAX TSL OIM that texture programs read (orix, MTEX).

Reference:
    OIM Analysis, user manual, "ANG files"; one phase, square grid.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from common.elements import ALL_SYMBOLS
from common.files import write_text_atomic
from omnet.detector import Detector
from omnet.hdf5_files import damage_named, read_stored, stored_item

TSL_CUBIC = 43  # TSL's number for Laue group m-3m
ANGSTROM_PER_NM = 10.0
_MAX_ATOMS = 10_000
NOT_INDEXED_RAD = 4 * np.pi  # what OIM writes for angles it did not find, with a confidence of -1


@dataclass(frozen=True)
class Crystal:
    """The phase as the header of an ``.ang`` names it.

    Attributes:
        name: Of the phase.
        formula: Symbols of its elements.
        lattice: a, b, c in angstrom, alpha, beta, gamma in degrees.
    """

    name: str
    formula: str
    lattice: tuple[float, ...]


def read_crystal(path: str | os.PathLike[str], name: str) -> Crystal:
    """The crystal that a master pattern of EMsoft was computed for.

    Args:
        path: HDF5 file of the master pattern.
        name: What to call the phase.

    Raises:
        ValueError: If the file does not say.
    """
    with damage_named(Path(path), "give the one that EMsoft wrote"), h5py.File(path) as file:
        items = {name: stored_item(file, name) for name in ("CrystalData/LatticeParameters", "CrystalData/Atomtypes")}
        if not all(isinstance(item, h5py.Dataset) for item in items.values()):
            raise ValueError(
                f"Expected CrystalData with LatticeParameters and Atomtypes in {str(path)!r}, which lacks it."
            )
        lattice, numbers = (read_stored(item, name, _MAX_ATOMS).ravel() for name, item in items.items())  # nm, degrees
    is_known = numbers.dtype.kind in "iu" and ((numbers >= 1) & (numbers <= len(ALL_SYMBOLS))).all()
    if lattice.dtype.kind not in "iuf" or lattice.shape != (6,) or not np.isfinite(lattice).all() or not is_known:
        raise ValueError(
            f"Expected six lattice parameters and atomic numbers in CrystalData of {str(path)!r}, received "
            f"{lattice[:6].tolist()} and {numbers[:6].tolist()}."
        )
    a, b, c, alpha, beta, gamma = lattice.astype(np.float64).tolist()
    lengths = tuple(round(length * ANGSTROM_PER_NM, 6) for length in (a, b, c))
    return Crystal(
        name, "".join(dict.fromkeys(ALL_SYMBOLS[number - 1] for number in numbers)), (*lengths, alpha, beta, gamma)
    )


def write_ang(
    path: str | os.PathLike[str], table: pd.DataFrame, crystal: Crystal, detector: Detector, title: str = ""
) -> Path:
    """Write a table of ``omnet index`` as ``.ang``.

    The image quality column holds the confidence, the confidence index the score; points without an orientation have a
    confidence index of -1, as OIM writes it. Signal and fit are 0: neither is known.

    Args:
        path: File to write.
        table: All points of a square grid, row by row: ``x_um``, ``y_um``, ``phi1_rad``, ``Phi_rad``, ``phi2_rad``,
            ``score``, ``confidence`` and ``status``.
        crystal: The one phase.
        detector: Whose projection centre the header names.
        title: What was indexed.

    Raises:
        ValueError: If the points are not a whole grid.
    """
    columns, rows = np.unique(table["x_um"]), np.unique(table["y_um"])
    if len(columns) * len(rows) != len(table):
        raise ValueError(
            f"Expected the {len(rows)} x {len(columns)} = {len(rows) * len(columns)} points of a grid, received "
            f"{len(table)}; .ang holds whole grids only."
        )
    lines = _header(crystal, detector, columns, rows, title)
    found = (table["status"] == "ok").to_numpy()
    angles = table[["phi1_rad", "Phi_rad", "phi2_rad"]].to_numpy(np.float64)
    angles = np.where(found[:, None], angles, NOT_INDEXED_RAD)
    quality = np.where(found, table["confidence"], 0.0)
    score = np.where(found, table["score"], -1.0)
    phase = np.where(found, 1, 0)
    for (phi1, phi, phi2), x, y, q, s, number in zip(
        angles, table["x_um"], table["y_um"], quality, score, phase, strict=True
    ):
        lines.append(f"{phi1:9.5f} {phi:9.5f} {phi2:9.5f} {x:12.5f} {y:12.5f} {q:8.4f} {s:7.4f} {number:2d} 0 0.000")
    return write_text_atomic(path, "\n".join(lines) + "\n")


def _header(crystal: Crystal, detector: Detector, columns: np.ndarray, rows: np.ndarray, title: str) -> list[str]:
    x, y, z = detector.pc
    num_rows, num_columns = detector.shape
    lattice = " ".join(f"{value:.3f}" for value in crystal.lattice)
    body = [
        "TEM_PIXperUM          1.000000",
        f"x-star                {x:.6f}",
        f"y-star                {1 - y:.6f}",
        f"z-star                {z * num_rows / min(num_rows, num_columns):.6f}",
        "WorkingDistance       0.000000",
        "",
        "Phase 1",
        f"MaterialName  \t{crystal.name}",
        f"Formula     \t{crystal.formula}",
        f"Info \t\tangles in radians; image quality: confidence; confidence index: score (NCC); {title}",
        f"Symmetry              {TSL_CUBIC}",
        f"LatticeConstants      {lattice}",
        "NumberFamilies        0",
        "",
        "GRID: SqrGrid",
        f"XSTEP: {_step(columns):.6f}",
        f"YSTEP: {_step(rows):.6f}",
        f"NCOLS_ODD: {len(columns)}",
        f"NCOLS_EVEN: {len(columns)}",
        f"NROWS: {len(rows)}",
        "",
        "OPERATOR: \t",
        "SAMPLEID: \t",
        "SCANID: \t",
        "",
    ]
    return [f"# {line}".rstrip(" ") for line in body]


def _step(values: np.ndarray) -> float:
    return float(np.diff(values).min()) if len(values) > 1 else 0.0
