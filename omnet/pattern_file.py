"""Patterns on disk, made in parts: a run that is stopped goes on where it was, and only whole files have their name."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from common.files import read_json, write_json_atomic

try:
    import fcntl
except ModuleNotFoundError:  # Windows, where one process at a time is up to the user
    fcntl = None  # type: ignore[assignment]

PART_BYTES = 2**26  # 64 MB between two notes of how far a file is: some 18,000 patterns, a few seconds


class PatternFile:
    """A ``.npy`` of bytes, ``(n, rows, columns)``.

    Until it is whole it is called ``NAME.partial``; ``NAME.json`` says what it is of and how much of it is done. A
    second process that wants the same file waits, and then takes it, or goes on where the first one was stopped.

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
            ValueError: If another process has begun one of other settings in the meantime.
        """
        while not self.path.is_file():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._partial, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)  # never cut
            with os.fdopen(descriptor, "r+b") as stream:
                _lock(stream)
                if not self._is_to_be_finished(stream):
                    continue
                self.num_done = self._find_done()  # more, if another process was here before
                self._write_missing(make, stream)
                if fcntl is not None:  # under the lock: nobody else may have begun anew
                    self._give_name()
            if fcntl is None:  # Windows renames no open file
                self._give_name()
        self._find_done()  # another process may have made it, of other settings
        return self._mapped()

    def _is_to_be_finished(self, stream: BinaryIO) -> bool:
        """Whether the file just locked is still the partial one; another process may have finished it meanwhile."""
        try:
            if not os.path.samestat(os.fstat(stream.fileno()), self._partial.stat()):
                return False
        except FileNotFoundError:
            return False
        if self.path.is_file():  # ours was made just after the other process was done
            self._partial.unlink()
            return False
        return True

    def _mapped(self) -> np.ndarray:
        try:
            patterns = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # a damaged header raises whatever its reader trips over
            raise ValueError(
                f"Expected patterns in {str(self.path)!r}, which cannot be read ({error}); delete it and its .json."
            ) from error
        if not isinstance(patterns, np.ndarray) or (patterns.shape, patterns.dtype) != (tuple(self.shape), np.uint8):
            raise ValueError(
                f"Expected bytes of shape {tuple(self.shape)} in {str(self.path)!r}, found something else; delete it "
                "and its .json."
            )
        return patterns

    def _give_name(self) -> None:
        with suppress(FileNotFoundError):  # where there are no locks another process may have been first
            self._partial.replace(self.path)

    def _write_missing(self, make: Callable[[slice], np.ndarray], stream: BinaryIO) -> None:
        num, pattern_bytes = self.shape[0], self.shape[1] * self.shape[2]
        part = max(1, PART_BYTES // pattern_bytes)
        # Plain writes, not a writable map: on a full disk these raise an error, while a map kills the process.
        header = {"descr": "|u1", "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(stream, header)
        start = stream.tell()
        stream.seek(start + self.num_done * pattern_bytes)
        self._write_note()
        while self.num_done < num:
            rows = slice(self.num_done, min(self.num_done + part, num))
            stream.write(make(rows).tobytes())
            stream.flush()
            os.fsync(stream.fileno())  # on disk before the note says so
            self.num_done = rows.stop
            self._write_note()
        stream.truncate(start + num * pattern_bytes)  # whatever a kill left behind it
        stream.flush()
        os.fsync(stream.fileno())

    def _write_note(self) -> None:
        write_json_atomic(self._note, {"settings_hash": self.settings_hash, "num_done": self.num_done})

    def _find_done(self) -> int:
        if not self.path.is_file() and not (self._partial.is_file() and self._note.is_file()):
            return 0
        note = read_json(self._note) if self._note.is_file() else {}
        if not isinstance(note, dict) or note.get("settings_hash") != self.settings_hash:
            raise ValueError(
                f"Expected patterns of these settings at {str(self.path)!r}, found those of other orientations, "
                "another detector or another master pattern; name another path, or delete that file and its .json."
            )
        num_done = self.shape[0] if self.path.is_file() else note.get("num_done")
        if not isinstance(num_done, int) or not 0 <= num_done <= self.shape[0]:
            raise ValueError(
                f"Expected {str(self._note)!r} to say how many patterns are done, received {num_done!r}; delete it."
            )
        return num_done


def _lock(stream: BinaryIO) -> None:
    """Wait until no other process holds the file; the lock ends with the process, also by SIGKILL."""
    if fcntl is not None:
        with suppress(OSError):  # a network folder without locks
            fcntl.flock(stream, fcntl.LOCK_EX)
