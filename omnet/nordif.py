"""Scans in NORDIF's own format: ``Pattern.dat``, a bare block of 8-bit patterns, and ``Setting.txt`` beside it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from common.outcomes import one_line
from omnet.scan_files import RawScan

SETTINGS, BACKGROUND = "Setting.txt", "Background acquisition pattern.bmp"
FORMAT = "NORDIF"


def read_nordif(path: Path) -> RawScan:
    """Open a scan; the files have no projection centre.

    Args:
        path: ``Pattern.dat``; ``Setting.txt`` lies in the same folder, and so may the static background.

    Raises:
        FileNotFoundError: If there is no ``Setting.txt``.
        ValueError: If a setting is missing or not a number, or the file is shorter than the settings say.
    """
    settings_path = path.with_name(SETTINGS)
    if not settings_path.is_file():
        raise FileNotFoundError(f"Expected NORDIF's {SETTINGS} beside {str(path)!r}, found none; copy it there.")
    settings = _Settings(settings_path)
    rows, columns = settings.pair("Area", "Number of samples")
    width, height = settings.pair("Acquisition settings", "Resolution")
    num_bytes = rows * columns * height * width
    if path.stat().st_size < num_bytes:
        raise ValueError(
            f"Expected {rows} x {columns} patterns of {height} x {width} bytes in {str(path)!r}, as {SETTINGS} says; "
            f"the file has {path.stat().st_size:,} of {num_bytes:,} bytes. Copy it whole."
        )
    step_um = settings.number("Area", "Step size")
    return RawScan(
        name=path.stem,
        source_format=FORMAT,
        patterns=np.memmap(path, np.uint8, "r", shape=(rows * columns, height, width)),
        grid=(rows, columns),
        step_um=(step_um, step_um),
        sample_tilt_deg=settings.number("Microscope", "Tilt angle"),
        tilt_deg=0.0 - settings.number("Detector angles", "Elevation"),  # NORDIF counts the elevation downwards
        azimuth_deg=settings.number("Detector angles", "Azimuthal"),
        static_background=_read_background(path.with_name(BACKGROUND)),
    )


class _Settings:
    """The blocks of ``Setting.txt``: lines of name, value and unit between tabs."""

    def __init__(self, path: Path):
        self.path = path
        self.values: dict[tuple[str, str], str] = {}
        block = ""
        for line in path.read_text(encoding="latin-1").splitlines():
            fields = [field.strip() for field in line.split("\t")]
            if fields[0].startswith("["):
                block = fields[0].strip("[]")
            elif len(fields) > 1:
                self.values.setdefault((block, fields[0]), fields[1])

    def number(self, block: str, name: str) -> float:
        try:
            value = float(self.values[block, name])
        except (KeyError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise self._error(block, name, "a number")
        return value

    def pair(self, block: str, name: str) -> tuple[int, int]:
        """Two whole numbers, written ``60x60``."""
        found = re.fullmatch(r"\s*([1-9]\d{0,6})\s*x\s*([1-9]\d{0,6})\s*", self.values.get((block, name), ""), re.ASCII)
        if found is None:
            raise self._error(block, name, "two whole numbers such as 60x60")
        return int(found[1]), int(found[2])

    def _error(self, block: str, name: str, wanted: str) -> ValueError:
        received = self.values.get((block, name))
        return ValueError(
            f"Expected {wanted} as {name!r} under [{block}] in {str(self.path)!r}; received "
            f"{'nothing' if received is None else repr(received[:40])}."
        )


def _read_background(path: Path) -> np.ndarray | None:
    if not path.is_file():
        return None
    from matplotlib.image import imread

    try:
        return np.asarray(imread(path))
    except Exception as error:  # Pillow raises nearly anything on damaged files, and on those that declare too much
        reason = one_line(error) or type(error).__name__
        raise ValueError(
            f"Expected a picture as {str(path)!r}, which cannot be read ({reason}); take it away to index without."
        ) from error
