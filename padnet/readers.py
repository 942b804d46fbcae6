"""Frames of area detectors: TIF, GFRM of Bruker, NumPy; a folder of them with a CSV; each refusal one sentence.

Counts keep the dtype they were recorded in. Negative counts of signed frames are flags: gaps between
modules and bad pixels.
"""

import hashlib
import logging
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from common.elements import ALL_SYMBOLS
from common.formula import quoted
from common.outcomes import one_line
from common.tables import read_text_csv
from padnet.data import MEASURED, ORIGINS, XrdDataset
from padnet.frame_formats import READERS, FrameError, size_text

SATURATED_SHARE = 0.01  # of the pixels, at a full scale: what no few bright spots explain
_FULL_SCALES = frozenset(2**bits - 1 for bits in (8, 10, 12, 14, 15, 16, 18, 20, 24, 31, 32))


def read_frame(path: Path | str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Read one frame.

    Args:
        path: ``.tif``, ``.tiff``, ``.gfrm`` or ``.npy``.
        shape: Rows and columns that it must have.

    Returns:
        ``(rows, columns)`` counts, in the dtype of the file.

    Raises:
        FrameError: If there is no such file, it is none of these, is truncated, declares more than it holds, has
            several pages or colours, another shape, or its pixels are unusable (see ``check_frame``).
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise FrameError(f"Expected a frame named {', '.join(READERS)}; received {path.name}.")
    try:
        is_file = path.is_file()
    except OSError as error:  # a name that no file can have
        raise FrameError(f"Expected the name of a file; received {quoted(path.name)} ({error.strerror}).") from error
    if not is_file:
        raise FrameError(f"{path} does not exist or is not a file.")
    try:
        with library_warnings_silenced():
            frame = reader(path)
    except FrameError:
        raise
    except MemoryError:
        raise FrameError(f"{path.name} does not fit into memory.") from None
    except Exception as error:  # the libraries raise nearly anything on damaged files
        cause = one_line(error).rstrip(".") or type(error).__name__
        raise FrameError(f"{path.name} is damaged, or no {path.suffix.lower()} file: {cause}.") from error
    if shape is not None and frame.shape != tuple(shape):
        raise FrameError(f"Expected {shape[0]} x {shape[1]} pixels; {path.name} has {size_text(frame.shape)}.")
    try:
        check_frame(frame)
    except FrameError as error:
        raise FrameError(f"{path.name}: {error}") from None
    return frame.astype(frame.dtype.newbyteorder("="), copy=False)


def check_frame(frame: np.ndarray) -> None:
    """Refuse pixels that say nothing.

    Args:
        frame: ``(rows, columns)`` counts.

    Raises:
        FrameError: If it is no array of real numbers, is not finite, all zero or all flagged, constant, or if more than
            1 % of its pixels are at a full scale (2^16 - 1 and the like).
    """
    if frame.ndim != 2 or 0 in frame.shape or frame.dtype.kind not in "uif":
        raise FrameError(f"expected numbers of shape (rows, columns); received {frame.dtype} of shape {frame.shape}.")
    if num := int((~np.isfinite(frame)).sum()):
        raise FrameError(f"expected finite counts; received NaN or infinity in {num:,} pixels.")
    lowest, highest = frame.min(), frame.max()
    if highest == 0 == lowest:
        raise FrameError("expected counts; all are zero. Was the shutter closed?")
    if frame.dtype.kind == "i" and highest < 0:
        raise FrameError("expected counts; all pixels are flagged as unusable (negative).")
    if highest == lowest and frame.size > 1:
        raise FrameError(f"expected counts that differ; all are {highest}.")
    if float(highest) in _FULL_SCALES and (share := float((frame == highest).mean())) > SATURATED_SHARE:
        raise FrameError(f"expected a frame that is not saturated; {share:.0%} of its pixels are at {highest}.")


def flagged_pixels(frame: np.ndarray) -> np.ndarray:
    """Which pixels of ``(rows, columns)`` are gaps or bad: negative in a frame of signed integers."""
    return frame < 0 if frame.dtype.kind == "i" else np.zeros(frame.shape, bool)


def fill_flagged(frame: np.ndarray) -> np.ndarray:
    """The frame with the count of the nearest measured pixel in each flagged one, ``(rows, columns)``."""
    from scipy.ndimage import distance_transform_edt

    flagged = flagged_pixels(frame)
    if not flagged.any():
        return frame
    rows, columns = distance_transform_edt(flagged, return_distances=False, return_indices=True)
    return frame[rows, columns]


def read_folder(csv_path: Path | str, image_px: int | None = None) -> XrdDataset:
    """Read the samples of a composition spread: a CSV, and the frames that it names.

    Args:
        csv_path: Columns ``file`` or, with several frames a sample, ``file_1``, ``file_2`` and so on (from the CSV's
            folder); ``x`` and ``y`` in mm; ``label``; one column an element, amounts of any scale; and if wanted
            ``sample``, and ``origin``, which is one of ``padnet.data.ORIGINS`` in all rows: measured if not given.
        image_px: Sum pixels in squares until so many columns are left; a divisor of the frames' columns. Flagged
            pixels take the count of their nearest neighbour first.

    Returns:
        A data set. Compositions sum to 1; labels are numbered in order of their names, numbers
        by value.

    Raises:
        TableError: If the CSV cannot be read or lacks a column.
        ValueError: If it has a column of another kind, a cell that is no number, a file, frame or sample twice, or a
            frame cannot be used; the first such row is named and all are counted.
    """
    return read_samples(csv_path, image_px)[0]


def read_samples(csv_path: Path | str, image_px: int | None = None) -> tuple[XrdDataset, tuple[int, ...]]:
    """``read_folder``, and the rows and columns of the frames as they are on disk."""
    csv_path = Path(csv_path)
    table = read_text_csv(csv_path, needs=("x", "y", "label"))
    found = [name for name in table if name == "file" or (name.startswith("file_") and name[5:].isdecimal())]
    files = file_columns(len(found))
    components = [name for name in table if name in ALL_SYMBOLS]
    other = [name for name in table if name not in {*found, *components, "x", "y", "label", "sample", "origin"}]
    if other or not found or set(found) != set(files) or not components or not table.columns.is_unique:
        raise ValueError(
            f"Expected the columns file (or file_1, file_2), x, y, label, sample, origin, one an element, each once; "
            f"{csv_path.name} has {', '.join(map(repr, table))}. Rename or drop the others."
        )
    if table.empty:
        raise ValueError(f"Expected a row for each sample; {csv_path.name} has none.")
    numbers = table[[*components, "x", "y"]].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    composition, position = numbers[:, : len(components)], numbers[:, len(components) :]
    samples = table["sample"] if "sample" in table else pd.Series(range(1, len(table) + 1)).astype(str)
    with np.errstate(over="ignore"):
        totals = composition.sum(axis=1)
    paths = table[files].map(lambda name: csv_path.parent / name)
    cells = pd.Series(paths.to_numpy().ravel())
    _refuse_rows(csv_path, ~np.isfinite(numbers).all(axis=1), "expected numbers for elements, x and y")
    is_amount = (composition >= 0).all(axis=1) & (totals > 0) & (totals < np.inf)
    _refuse_rows(csv_path, ~is_amount, "expected amounts of 0 or more, one above 0")
    _refuse_rows(csv_path, table["label"].str.strip() == "", "expected a label")
    _refuse_rows(csv_path, samples.duplicated(), "expected samples to differ; this one was there before")
    twice = cells.duplicated().to_numpy().reshape(paths.shape).any(axis=1)
    _refuse_rows(csv_path, twice, "expected files to differ; this one was there before")
    origin = table["origin"].iloc[0] if "origin" in table else MEASURED
    if "origin" in table:
        one_of = f"expected one origin in all rows, {' or '.join(ORIGINS)}"
        _refuse_rows(csv_path, (table["origin"] != origin) | ~table["origin"].isin(ORIGINS), one_of)
    labels = table["label"].str.strip()
    class_names = sorted(set(labels), key=lambda name: (0, int(name), name) if name.isdecimal() else (1, 0, name))
    frames, shape = _read_frames(csv_path, paths.to_numpy(), image_px)
    dataset = XrdDataset(
        name=csv_path.parent.resolve().name,
        origin=origin,
        frames=frames,
        composition=composition / totals[:, None],
        components=tuple(components),
        position_mm=position,
        labels=labels.map(class_names.index).to_numpy(int),
        class_names=tuple(class_names),
        samples=tuple(samples),
    )
    return dataset, shape


def file_columns(num_frames: int) -> list[str]:
    """The columns of a table that name the frames of each sample: ``file``, or ``file_1``, ``file_2`` and so on."""
    return ["file"] if num_frames == 1 else [f"file_{number}" for number in range(1, num_frames + 1)]


def _refuse_rows(csv_path: Path, bad: np.ndarray | pd.Series, reason: str) -> None:
    bad = np.asarray(bad, bool)
    if bad.any():
        first = int(np.argmax(bad)) + 2  # line 1 is the heading
        raise ValueError(
            f"{csv_path.name}, line {first}: {reason} ({bad.sum():,} of {len(bad):,} rows cannot be used)."
        )


def _read_frames(csv_path: Path, paths: np.ndarray, image_px: int | None) -> tuple[np.ndarray, tuple[int, ...]]:
    """(n, num_frames, rows, columns), and the shape on disk; all rows are tried: one run tells of all bad frames."""
    shape: tuple[int, ...] = ()
    frames, reasons = [], np.full(len(paths), "", object)
    there: dict[bytes, Path] = {}  # the same counts twice would train in one sample and test in another
    for (row, _), path in np.ndenumerate(paths):
        try:
            frame = read_frame(path, shape or None)
            shape = frame.shape
            first = there.setdefault(hashlib.blake2b(frame.tobytes()).digest(), path)
            if first != path:
                raise FrameError(f"{path} has the same counts as {first}, pixel by pixel; leave one of them out.")
            frames.append(frame if image_px is None else bin_frame(fill_flagged(frame), image_px))
        except FrameError as error:
            reasons[row] = reasons[row] or one_line(error)
    bad = reasons != ""
    if bad.any():
        _refuse_rows(csv_path, bad, reasons[bad][0].rstrip("."))
    return np.stack(frames).reshape(*paths.shape, *frames[0].shape), shape


def bin_frame(frame: np.ndarray, image_px: int) -> np.ndarray:
    """Sum pixels in squares until so many columns are left.

    Args:
        frame: ``(rows, columns)`` counts.
        image_px: Columns of the result.

    Returns:
        ``(rows / factor, image_px)``; sums of whole numbers as int32 where they fit, else int64; others as float32.

    Raises:
        FrameError: If rows and columns are not multiples of one factor.
    """
    rows, columns = frame.shape
    factor = columns // image_px if image_px > 0 else 0
    if factor < 1 or factor * image_px != columns or rows % factor:
        raise FrameError(
            f"Expected {size_text(frame.shape)} pixels to fall into squares for {image_px} columns; choose a number of "
            "columns that divides theirs, or crop the frames."
        )
    squares = frame.reshape(rows // factor, factor, image_px, factor)
    if frame.dtype.kind == "f":
        return squares.sum(axis=(1, 3), dtype=np.float64).astype(np.float32)
    sums = squares.sum(axis=(1, 3), dtype=np.int64)
    return sums.astype(np.int32) if np.abs(sums).max() < 2**31 else sums


@contextmanager
def library_warnings_silenced():
    """tifffile, fabio and pyFAI log what the sentence of the error says already, and NumPy warns of it."""
    loggers = [logging.getLogger(name) for name in ("tifffile", "fabio", "pyFAI")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
