"""HDF5 files of strangers: what they declare is checked before it is read, and no other file is opened for them.

An HDF5 file may name others that its data are to be read from (external links, external and virtual data sets), and
may declare any size without holding a byte.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from common.outcomes import one_line

MAX_VALUES = 2**27  # of an array that is read whole: 1 GB as float64
MAX_CHUNK_BYTES = 2**28  # what one value costs to read
MAX_PACKED = 10_000  # bytes that one on disk may stand for: ten times what gzip can do, for files with gaps
_MAX_LINKS = 16  # one after another


@contextmanager
def damage_named(path: Path, remedy: str) -> Iterator[None]:
    """What h5py raises on a damaged file, nearly anything, becomes a ``ValueError`` of one sentence."""
    try:
        yield
    except ValueError:
        raise
    except Exception as error:
        reason = one_line(error) or type(error).__name__
        raise ValueError(f"Expected a whole HDF5 file, received {str(path)!r} ({reason}); {remedy}.") from error


def stored_item(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """What lies at a place in a file; links within the file are followed.

    Args:
        group: Where to begin.
        name: Path from there, parts between slashes.

    Returns:
        A group or data set, or ``None`` where there is nothing.

    Raises:
        ValueError: If it lies in another file, or links lead round in a circle.
    """
    item, parts, num_links = group, _parts(name), 0
    while parts:
        link = item.get(parts[0], getlink=True) if isinstance(item, h5py.Group) else None
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            raise ValueError(
                f"Expected {name!r} in {group.file.filename!r} itself, received a link to another file, "
                f"{link.filename!r}; copy it in."
            )
        if isinstance(link, h5py.SoftLink):
            num_links += 1
            if num_links > _MAX_LINKS:
                raise ValueError(f"Expected {name!r} in {group.file.filename!r}, received links that lead in a circle.")
            item = item.file if link.path.startswith("/") else item
            parts = _parts(link.path) + parts[1:]
        else:
            item, parts = item[parts[0]], parts[1:]
    return item


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]


def check_stored(dataset: h5py.Dataset) -> None:
    """Refuse a data set that is elsewhere, or declares far more than the file can hold.

    Raises:
        ValueError: One sentence.
    """
    name, shape = f"{dataset.name!r} in {dataset.file.filename!r}", dataset.shape
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"Expected {name} itself, received a data set whose values lie in other files; copy them in.")
    if shape is None:
        raise ValueError(f"Expected values as {name}, received a data set without any.")
    num_bytes, num_stored = math.prod(shape) * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if num_bytes > MAX_PACKED * num_stored:
        raise ValueError(
            f"Expected the values of {name}, {num_bytes:,} bytes by its shape {shape}, received {num_stored:,} bytes; "
            "copy the file whole."
        )
    if dataset.chunks is not None and math.prod(dataset.chunks) * dataset.dtype.itemsize > MAX_CHUNK_BYTES:
        raise ValueError(
            f"Expected {name} in chunks of at most {MAX_CHUNK_BYTES:,} bytes, received chunks of shape "
            f"{dataset.chunks}; save it in smaller ones."
        )


def read_stored(dataset: object, name: str, max_values: int = MAX_VALUES) -> np.ndarray:
    """A whole data set.

    Args:
        dataset: What `stored_item` found.
        name: Its path.
        max_values: How many there may be.

    Raises:
        ValueError: If it is none, has more values, or see `check_stored`.
    """
    if not isinstance(dataset, h5py.Dataset):
        where = f" in {dataset.file.filename!r}" if isinstance(dataset, h5py.Group) else ""
        raise ValueError(f"Expected values as {name!r}{where}, received {'a group' if where else 'nothing'}.")
    if dataset.shape is not None and math.prod(dataset.shape) > max_values:
        raise ValueError(
            f"Expected at most {max_values:,} values as {name!r} in {dataset.file.filename!r}, received the shape "
            f"{dataset.shape}."
        )
    check_stored(dataset)
    return np.asarray(dataset[()])
