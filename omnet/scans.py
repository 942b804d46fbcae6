"""Real scans: patterns and their geometry from HDF5 files of kikuchipy and EDAX, and from NORDIF's own files.

Patterns stay on disk until they are asked for. The sample frame is that of EDAX TSL (RD, TD, ND), which kikuchipy
shares; patterns are seen from the detector towards the sample, row by row from the top left.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from common.outcomes import one_line
from omnet.detector import Detector
from omnet.nordif import read_nordif
from omnet.scan_files import RawScan, read_hdf5

MAX_PIXELS = 2**26  # of one pattern; the largest detectors have some 5 million
UNCALIBRATED_PC = (0.5, 0.5, 0.5)  # what kikuchipy takes where nobody gave a projection centre


@dataclass(frozen=True, eq=False)
class Scan:
    """Patterns of a map, row by row.

    Attributes:
        path: File they come from.
        name: Of the scan in the file.
        source_format: ``kikuchipy``, ``EDAX OIM`` or ``NORDIF``.
        patterns: ``(n, rows, columns)`` on disk; `read` gives some of them.
        grid: Rows and columns of points, whose product is n.
        step_um: Step along a row (x) and from row to row (y).
        detector: Where the detector stands, with the mean projection centre where it differs from point to point.
        pc: ``(n, 3)`` projection centres in Bruker's convention, or ``None`` where all are the detector's.
        static_background: ``(rows, columns)``, or ``None``.
        reference_euler_rad: ``(n, 3)`` orientations that the file has already, NaN where it has none; or ``None``.
        notes: What a user should know.
    """

    path: Path
    name: str
    source_format: str
    patterns: h5py.Dataset | np.ndarray
    grid: tuple[int, int]
    step_um: tuple[float, float]
    detector: Detector
    pc: np.ndarray | None = None
    static_background: np.ndarray | None = None
    reference_euler_rad: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.patterns.shape[0]

    @property
    def x_um(self) -> np.ndarray:
        """``(n,)``; place along a row."""
        return np.tile(np.arange(self.grid[1]) * self.step_um[0], self.grid[0])

    @property
    def y_um(self) -> np.ndarray:
        """``(n,)``; place of the row."""
        return np.repeat(np.arange(self.grid[0]) * self.step_um[1], self.grid[1])

    def read(self, start: int, stop: int) -> np.ndarray:
        """``(m, rows, columns)`` float32: the patterns of the points from `start` to before `stop`.

        Raises:
            ValueError: If the file is damaged there.
        """
        try:
            return np.asarray(self.patterns[start:stop], np.float32)
        except (OSError, RuntimeError, ValueError, MemoryError) as error:
            reason = one_line(error) or type(error).__name__
            raise ValueError(
                f"Expected to read patterns {start:,} to {stop - 1:,} of {str(self.path)!r}, which is damaged there "
                f"({reason}); copy it anew."
            ) from error


def read_scan(
    path: str | os.PathLike[str],
    scan: str | None = None,
    *,
    pc: tuple[float, float, float] | None = None,
    sample_tilt_deg: float | None = None,
    tilt_deg: float | None = None,
) -> Scan:
    """Open a scan; what is given of the geometry counts instead of what the file says.

    Args:
        path: HDF5 file of kikuchipy or EDAX OIM, or NORDIF's ``Pattern.dat``.
        scan: Name of the scan in the file, needed where it has several.
        pc: Projection centre in Bruker's convention, for all points.
        sample_tilt_deg: Tilt of the sample.
        tilt_deg: Tilt of the detector.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is none of these or cut short, has no patterns, several scans and none is named,
            patterns of another type than uint8, uint16 and floats, or no projection centre.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a scan at {str(path)!r}, found no file there.")
    raw = read_nordif(path) if path.suffix.lower() == ".dat" else read_hdf5(path, scan)
    _check(raw, path)
    centres = raw.pc if pc is None else np.array([pc], np.float64)
    num_centres = 0 if centres is None else len(centres)
    if centres is None or num_centres not in (1, len(raw.patterns)):
        raise ValueError(
            f"Expected a projection centre in {str(path)!r}, or one for each of {len(raw.patterns)} patterns; it has "
            f"{num_centres}. Give one with --pc X,Y,Z."
        )
    x, y, z = centres.mean(axis=0).tolist()
    detector = Detector(
        (raw.patterns.shape[1], raw.patterns.shape[2]),
        (x, y, z),
        raw.sample_tilt_deg if sample_tilt_deg is None else sample_tilt_deg,
        raw.tilt_deg if tilt_deg is None else tilt_deg,
    )
    return Scan(
        path,
        raw.name,
        raw.source_format,
        raw.patterns,
        raw.grid,
        raw.step_um,
        detector,
        centres if len(centres) > 1 else None,
        raw.static_background,
        raw.reference_euler_rad,
        _notes(raw, is_pc_given=pc is not None),
    )


def _check(raw: RawScan, path: Path) -> None:
    """Raise a ``ValueError`` if patterns cannot be taken, or the parts of the file do not belong together."""
    patterns, (rows, columns) = raw.patterns, raw.grid
    if patterns.ndim != 3 or len(patterns) == 0 or min(patterns.shape[1:]) < 2:
        raise ValueError(
            f"Expected patterns of shape (points, rows, columns) in {str(path)!r}, at least one and of 2 x 2 pixels; "
            f"received the shape {patterns.shape}."
        )
    if math.prod(patterns.shape[1:]) > MAX_PIXELS:
        raise ValueError(
            f"Expected patterns of at most {MAX_PIXELS:,} pixels in {str(path)!r}, received {patterns.shape[1]:,} x "
            f"{patterns.shape[2]:,}; bin them."
        )
    if patterns.dtype.kind + str(patterns.dtype.itemsize) not in ("u1", "u2", "f4", "f8"):
        raise ValueError(
            f"Expected patterns of type uint8, uint16, float32 or float64 in {str(path)!r}, received {patterns.dtype}; "
            "convert them."
        )
    if rows * columns != len(patterns):
        raise ValueError(
            f"Expected {rows} x {columns} = {rows * columns} patterns in {str(path)!r}, as its header says; it holds "
            f"{len(patterns)}. Correct the header, or save the scan anew."
        )
    background = raw.static_background
    if background is not None and background.shape != patterns.shape[1:]:
        raise ValueError(
            f"Expected a static background of shape {patterns.shape[1:]} for {str(path)!r}, received "
            f"{background.shape}; take it away to index without."
        )
    if background is not None and (background.dtype.kind not in "uif" or not np.isfinite(background).all()):
        raise ValueError(
            f"Expected finite numbers as static background of {str(path)!r}, received {background.dtype}, NaN or "
            "infinity; take it away to index without."
        )
    known = raw.reference_euler_rad
    if known is not None and len(known) != len(patterns):
        raise ValueError(
            f"Expected an orientation for each of the {len(patterns)} patterns in {str(path)!r}, or none at all; it "
            f"holds {len(known)}. Take them away, or save the scan anew."
        )


def _notes(raw: RawScan, is_pc_given: bool) -> tuple[str, ...]:
    notes = []
    if raw.azimuth_deg != 0:
        notes.append(f"the detector's azimuth of {raw.azimuth_deg:g} degrees is left out: its geometry has none here.")
    if not is_pc_given and raw.pc is not None and np.allclose(raw.pc, UNCALIBRATED_PC):
        notes.append("the projection centre is 0.5, 0.5, 0.5, which stands for one that nobody calibrated; see --pc.")
    return tuple(notes)
