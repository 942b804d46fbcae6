"""Each format of frames on disk; what a file declares is checked against its size before anything is allocated."""

import math
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

MAX_PIXELS = 100_000_000  # the largest X-ray detectors have 59 million
_MAX_PAGES = 100  # that are counted
_DEFLATE = (8, 32946)
_COMPRESSIONS = (1, 5, 32773, *_DEFLATE)  # none, LZW, PackBits
_MAX_DEFLATE = 1032  # bytes that one may stand for
_HARMLESS_BYTES = 2**26
_GFRM_HEAD_BYTES = 5 * 512  # which tell how long the header is


class FrameError(ValueError):
    """A frame that cannot be used; one sentence says why."""


def _read_tif(path: Path) -> np.ndarray:
    import tifffile

    with tifffile.TiffFile(path) as file:
        if (num_pages := _num_pages(file)) > 1:
            at_least = "at least " if num_pages == _MAX_PAGES else ""
            raise FrameError(
                f"Expected one page; {path.name} has {at_least}{num_pages}. Save each as a file of its own."
            )
        page = file.pages.first
        if page.samplesperpixel != 1 or len(page.shape) != 2:
            raise FrameError(f"Expected one count a pixel; {path.name} has shape {page.shape}.")
        if page.dtype is None:
            raise FrameError(f"Expected whole or floating point numbers; {path.name} has {page.bitspersample} bits.")
        if page.compression not in _COMPRESSIONS:
            raise FrameError(
                f"Expected no compression, LZW, Deflate or PackBits; {path.name} has {page.compression!r}."
            )
        ends = [start + length for start, length in zip(page.dataoffsets, page.databytecounts, strict=True)]
        # compressed data say nothing of the size they unpack to, beyond the limit that holds for all
        stored_bytes = sum(page.databytecounts) if page.compression == 1 else None
        _check_declared(path, page.shape, page.dtype.itemsize, stored_bytes)
        if not ends or max(ends) > path.stat().st_size:
            raise FrameError(f"{path.name} is truncated: it ends before its pixels do.")
        _check_declared(path, page.chunks, page.dtype.itemsize, None)  # a tile may be larger than the image
        if page.compression != 1:
            _check_inflated(path, page)
        return page.asarray()


def _num_pages(file) -> int:
    """Up to `_MAX_PAGES`: a chain of pages may be a ring, around which tifffile's own count goes for ever."""
    for number in range(1, _MAX_PAGES):
        try:
            file.pages[number]
        except IndexError:
            return number
    return _MAX_PAGES


def _check_inflated(path: Path, page) -> None:
    """Refuse compressed strips or tiles that hold more than their pixels; the decoders take whatever comes."""
    expected = math.prod(page.chunks) * page.dtype.itemsize
    with path.open("rb") as file:
        for start, length in zip(page.dataoffsets, page.databytecounts, strict=True):
            is_too_long = length > 2 * expected + 1024
            if not is_too_long and page.compression in _DEFLATE and length * _MAX_DEFLATE > _HARMLESS_BYTES:
                file.seek(start)
                is_too_long = len(zlib.decompressobj().decompress(file.read(length), expected + 1)) > expected
            if is_too_long:
                raise FrameError(f"{path.name} is damaged: a strip or tile holds more than its {expected:,} bytes.")


def _read_gfrm(path: Path) -> np.ndarray:
    image = open_gfrm(path)
    header = image.header
    shape = int(header["NROWS"].split()[0]), int(header["NCOLS"].split()[0])
    header_bytes, pixel_bytes = 512 * int(header["HDRBLKS"]), int(header["NPIXELB"].split()[0])
    file_bytes = path.stat().st_size
    _check_declared(path, shape, pixel_bytes, file_bytes - header_bytes)
    if any(int(count) > file_bytes for count in header["NOVERFL"].split()):
        raise FrameError(f"{path.name} is truncated: it declares {header['NOVERFL'].strip()} counts beyond a byte.")
    return image.read(str(path)).data


def open_gfrm(path: Path):
    """fabio's reader of a Bruker frame, with nothing but ``header`` read yet."""
    from fabio.bruker100image import Bruker100Image
    from fabio.brukerimage import BrukerImage

    with path.open("rb") as file:
        head = file.read(_GFRM_HEAD_BYTES)
    key, _, version = head[:80].partition(b":")
    readers = {b"86": BrukerImage, b"100": Bruker100Image}
    # fabio.open wants blanks before the version that fabio's own writer leaves out
    if key.strip() != b"FORMAT" or version.strip() not in readers:
        raise FrameError(f"Expected a Bruker frame of format 86 or 100; {path.name} is none.")
    declared = re.search(rb"HDRBLKS *: *(\d+)", head)  # fabio would walk through all that it declares
    if declared is not None and 512 * int(declared[1]) > path.stat().st_size:
        raise FrameError(f"{path.name} is truncated: its header alone is declared to be longer.")
    image = readers[version.strip()]()
    image.readheader(str(path))
    return image


def _read_npy(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if len(shape) != 2 or dtype.kind not in "uif":
            raise FrameError(
                f"Expected numbers of shape (rows, columns); {path.name} has {dtype} of shape {shape}. "
                "Save each frame as a file of its own."
            )
        _check_declared(path, shape, dtype.itemsize, path.stat().st_size - file.tell())
    return np.load(path, allow_pickle=False)


READERS: dict[str, Callable[[Path], np.ndarray]] = {
    ".tif": _read_tif,
    ".tiff": _read_tif,
    ".gfrm": _read_gfrm,
    ".npy": _read_npy,
}


def _check_declared(path: Path, shape: tuple[int, ...], pixel_bytes: int, stored_bytes: int | None) -> None:
    if min(shape) < 1:
        raise FrameError(f"Expected at least one pixel; {path.name} declares {size_text(shape)}.")
    if math.prod(shape) > MAX_PIXELS:
        raise FrameError(f"Expected at most {MAX_PIXELS:,} pixels; {path.name} declares {size_text(shape)}.")
    needed = math.prod(shape) * pixel_bytes
    if stored_bytes is not None and stored_bytes < needed:
        raise FrameError(
            f"{path.name} is truncated: its {size_text(shape)} pixels are {needed:,} bytes; it has {stored_bytes:,}."
        )


def size_text(shape: tuple[int, ...]) -> str:
    """2,048 x 2,048."""
    return " x ".join(f"{length:,}" for length in shape)
