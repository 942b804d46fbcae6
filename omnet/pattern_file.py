"""Patterns on disk, made in parts: a run that is stopped goes on where it was, and only whole files have their name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common.files import write_json_atomic

PART_BYTES = 2**26  # 64 MB between two notes of how far a file is: some 18,000 patterns, a few seconds


class PatternFile:
    """A ``.npy`` of bytes, ``(n, rows, columns)``.

    Until it is whole it is called ``NAME.partial``; ``NAME.json`` says what it is of and how much of it is done.

    Args:
        path: Final file name.
        shape: ``(n, rows, columns)``.
        settings_hash: Of all that the patterns depend on.

    Attributes:
        num_done: Patterns that are there already.

    Raises:
        ValueError: If there is a file of other settings, or one that nothing is known of.
    """

    def __init__(self, path: str | os.PathLike[str], shape: tuple[int, int, int], settings_hash: str):
        self.path, self.shape, self.settings_hash = Path(path), shape, settings_hash
        self._partial = self.path.with_name(self.path.name + ".partial")
        self._note = self.path.with_name(self.path.name + ".json")
        self.num_done = self._find_done()

    def complete(self, make: Callable[[slice], np.ndarray]) -> np.ndarray:
        """Make what is missing.

        Args:
            make: Function of a slice of the n; returns the patterns of these rows, uint8.

        Returns:
            The whole array, mapped from the file for reading.

        Raises:
            OSError: If the disk is full or may not be written; what is done stays.
        """
        if not self.path.is_file():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._write_missing(make)
            self._partial.replace(self.path)
        return np.load(self.path, mmap_mode="r")

    def _write_missing(self, make: Callable[[slice], np.ndarray]) -> None:
        num, pattern_bytes = self.shape[0], self.shape[1] * self.shape[2]
        part = max(1, PART_BYTES // pattern_bytes)
        # Plain writes, not a writable map: on a full disk these raise an error, while a map kills the process.
        with self._partial.open("r+b" if self.num_done else "wb") as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": self.shape}
            np.lib.format.write_array_header_1_0(stream, header)
            stream.seek(stream.tell() + self.num_done * pattern_bytes)
            while self.num_done < num:
                rows = slice(self.num_done, min(self.num_done + part, num))
                stream.write(make(rows).tobytes())
                stream.flush()
                os.fsync(stream.fileno())  # on disk before the note says so
                self.num_done = rows.stop
                write_json_atomic(self._note, {"settings_hash": self.settings_hash, "num_done": self.num_done})

    def _find_done(self) -> int:
        if not self.path.is_file() and not (self._partial.is_file() and self._note.is_file()):
            return 0
        note = json.loads(self._note.read_text(encoding="utf-8")) if self._note.is_file() else {}
        if note.get("settings_hash") != self.settings_hash:
            raise ValueError(
                f"Expected patterns of these settings at {str(self.path)!r}, found those of other orientations, "
                "another detector or another master pattern; name another path, or delete that file and its .json."
            )
        return self.shape[0] if self.path.is_file() else note["num_done"]
