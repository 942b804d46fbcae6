"""Frames written in the format of those they came from: TIF and NumPy as float32, GFRM of Bruker as scaled counts."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from common.files import atomic_path, write_bytes_atomic, write_csv_atomic
from padnet.data import XrdDataset
from padnet.frame_formats import READERS, open_gfrm
from padnet.readers import file_columns

_LARGEST_GFRM_COUNT = 2**24 - 1  # of a float32's 24 bits


def write_frame(path: Path | str, frame: np.ndarray, like: Path | None = None) -> None:
    """Write a frame, whole or not at all.

    Args:
        path: ``.tif``, ``.tiff``, ``.gfrm`` or ``.npy``.
        frame: ``(rows, columns)``. Whole numbers are written as they are; floating point numbers as float32, in GFRM as
            2^24 steps between the lowest and the highest with the keyword LINEAR, which keeps them to half a step.
        like: GFRM that the header is taken from: goniometer angles, exposure and so on.

    Raises:
        ValueError: If the suffix is another, or whole numbers are negative in a GFRM.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise ValueError(f"Expected a frame named {', '.join(READERS)}; received {path.name}.")
    frame = frame.astype(np.float32) if frame.dtype.kind == "f" else frame
    if suffix == ".gfrm":
        with atomic_path(path) as temporary:
            _write_gfrm(temporary, frame, like, (like or path).name)
        return
    # In memory first: given a path, NumPy and tifffile take the last pixels for written that a full disk has refused.
    content = io.BytesIO()
    if suffix == ".npy":
        np.save(content, frame, allow_pickle=False)
    else:
        import tifffile

        tifffile.imwrite(content, frame, photometric="minisblack")
    write_bytes_atomic(path, content.getvalue())


def write_folder(dataset: XrdDataset, folder: Path | str, *, progress: bool = False) -> Path:
    """Write samples as ``readers.read_folder`` reads them: a TIF each frame, and ``samples.csv``, the last of all.

    Labels are written by name. Of a data set read back, classes are in order of their names.

    Args:
        dataset: n samples; sample names become file names.
        folder: Made if missing; files of the same names are replaced.
        progress: Show a bar on a terminal.

    Returns:
        The path of the CSV.
    """
    folder, num_frames = Path(folder), dataset.frames.shape[1]
    names = [
        [f"{sample}.tif" if num_frames == 1 else f"{sample}_{number}.tif" for sample in dataset.samples]
        for number in range(1, num_frames + 1)
    ]
    table = pd.DataFrame({"sample": dataset.samples} | dict(zip(file_columns(num_frames), names, strict=True)))
    table[["x", "y"]] = dataset.position_mm
    table["label"] = [dataset.class_names[label] for label in dataset.labels]
    table["origin"] = dataset.origin
    table[list(dataset.components)] = dataset.composition
    bar = tqdm(dataset.frames, desc="writing frames", unit=" samples", disable=None if progress else True)
    for row, frames in enumerate(bar):
        for frame, of_number in zip(frames, names, strict=True):
            write_frame(folder / of_number[row], frame)
    path = folder / "samples.csv"
    write_csv_atomic(path, table)
    return path


def _write_gfrm(path: Path, frame: np.ndarray, like: Path | None, name: str) -> None:
    from fabio.brukerimage import BrukerImage

    header = dict(open_gfrm(like).header) if like is not None else {}
    # fabio and others know the format by the blanks before the 86
    header |= {"FORMAT": f"{86:>10}", "FILENAM": name, "LINEAR": "1.0 0.0"}
    if frame.dtype.kind == "f":
        lowest, highest = float(frame.min()), float(frame.max())
        step = (highest - lowest) / _LARGEST_GFRM_COUNT or 1.0
        header["LINEAR"] = f"{step!r} {lowest!r}"
        frame = np.round((frame.astype(np.float64) - lowest) / step)
    elif frame.min() < 0:
        raise ValueError(f"Expected counts of 0 or more for a GFRM; received {frame.min()}.")
    counts = frame.astype(np.uint32)
    image = BrukerImage(data=counts, header=header)
    # fabio writes the table of counts that do not fit a pixel's bytes, but leaves its length to the header
    image.header["NOVERFL"] = str(int((counts >= 2 ** (8 * image.calc_bpp()) - 1).sum()))
    image.header |= {"MINIMUM": str(counts.min()), "MAXIMUM": str(counts.max()), "NCOUNTS": str(counts.sum())}
    image.write(str(path))
