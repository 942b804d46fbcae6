"""A small disk of one's own, which can be full and can be write-protected."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEW_MOUNTS, NEW_USER = 0x20000, 0x10000000  # of unshare(2)
READ_ONLY, REMOUNT, PRIVATE = 1, 32, (1 << 18) | (1 << 14)  # of mount(2)


@contextmanager
def own_disk(folder: Path, num_bytes: int) -> Iterator[bool]:
    """Mount a disk in memory on a folder, seen by this process alone and gone with it; False where none can be had.

    For a process of one thread that needs nothing else any more: without being root it becomes root of its own world.
    """
    folder.mkdir(parents=True, exist_ok=True)
    uid, gid = os.getuid(), os.getgid()
    try:
        if uid:
            _call("unshare", NEW_USER | NEW_MOUNTS)
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        else:
            _call("unshare", NEW_MOUNTS)
        _call("mount", b"none", b"/", None, ctypes.c_ulong(PRIVATE), None)
        _call("mount", b"tmpfs", bytes(folder), b"tmpfs", ctypes.c_ulong(0), b"size=%d" % num_bytes)
    except (OSError, AttributeError):  # a system that forbids it, or that is not Linux
        yield False
        return
    yield True


def protect(folder: Path) -> None:
    """Nothing may be written on the disk from here on."""
    _call("mount", b"tmpfs", bytes(folder), b"tmpfs", ctypes.c_ulong(REMOUNT | READ_ONLY), None)


def _call(name: str, *arguments) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
