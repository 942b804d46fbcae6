"""Everything in the packages that writes a file, to be killed, starved and raced; each call runs in the nursery.

A writer writes version 0 or 1 of something under a name. What is heavy is imported where it is needed: in the nursery
it is there already, and the tests import this module for its names.
"""

import errno
import gzip
import hashlib
import os
import re
import resource
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from tests.promises.disks import own_disk, protect
from tests.promises.nursery import PATIENCE_SECONDS, fork


def _numbers(version: int) -> np.ndarray:
    return np.random.default_rng(version).random((40 + 20 * version, 6))


def _table(version: int) -> pd.DataFrame:
    return pd.DataFrame(_numbers(version), columns=list("abcdef")).assign(formula=f"NaCl, {version}")


def _write_simple(name: str, path: Path, version: int) -> None:
    from common import checkpoint, files, splits
    from common.canvas import new_axes, save_png
    from common.features import Featurized, ward2017
    from padnet.writers import write_frame

    if name == "bytes":
        files.write_bytes_atomic(path, _numbers(version).tobytes())
    elif name == "json":
        files.write_json_atomic(path, {"rows": _numbers(version), "version": version})
    elif name in ("csv", "csv.gz"):
        files.write_csv_atomic(path, _table(version))
    elif name == "split":
        splits.save_ids(path, {"train": _table(version)["formula"].to_numpy(), "test": np.arange(90 + version)})
    elif name == "checkpoint":
        checkpoint.save(path, fingerprint="x", state={"step": version}, arrays={"model": [_numbers(version)] * 3})
    elif name == "attributes":
        reasons = np.array([f"reason {version}"] * 5, object)
        ward2017._write(path, Featurized(np.full((5, len(ward2017.LABELS)), float(version)), reasons))
    elif name == "picture":
        figure, axes = new_axes()
        axes.plot(_numbers(version))
        save_png(figure, path)
    else:
        frame = np.round(1e4 * _numbers(version)).astype(np.uint32)
        write_frame(path, frame.astype(np.float32) if name == "tif" else frame)


def _write_screened_part(path: Path, version: int) -> None:
    import pyarrow as pa

    from elemnet import screening_run
    from elemnet.composition_space import CompositionSpace
    from elemnet.screening import PartReport

    class Screener:
        def screen(self, part):
            return pa.Table.from_pandas(_table(version)), PartReport(0, 1, 1)

    part = next(CompositionSpace(("Na", "Cl")).parts(10))
    screening_run._screener = lambda folder: Screener()
    screening_run.part_path = lambda folder, part: path
    screening_run.screen_part(path.parent, part)


def _write_result(path: Path, version: int) -> None:
    from common import results
    from common.provenance import Provenance

    rows = tuple(results.ResultRow(f"row {number}", "mae", 1.0 * version + number, "eV") for number in range(30))
    fields = dict.fromkeys(Provenance.__dataclass_fields__, f"version {version}")
    data = (results.DataUsed("made up", "simulation", 30),)
    made = results.Result(path.stem, "title", rows, "honest", "smoke", data, 0, "make", provenance=Provenance(**fields))
    results.write(made, path.parent)


SUFFIXES = {
    "bytes": "bin", "json": "json", "csv": "csv", "csv.gz": "csv.gz", "split": "json", "checkpoint": "npz",
    "attributes": "npz", "npy": "npy", "tif": "tif", "gfrm": "gfrm", "parquet": "parquet", "result": "json",
    "picture": "png",
}  # fmt: skip


class Subject:
    """One writer, a name for it to write to, and what both versions look like there.

    Attributes:
        path: Holds version 0 to begin with.
        wholes: Hashes of both versions of each file, by file name.
    """

    def __init__(self, name: str, folder: Path):
        special = {"parquet": _write_screened_part, "result": _write_result}
        self._write: Callable[[Path, int], None] = special.get(name) or partial(_write_simple, name)
        self.path = folder / f"file.{SUFFIXES[name]}"
        self.sizes: list[int] = []
        self.wholes: dict[str, list[str]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for version in (1, 0):
            self.write(version)
            for path in self.files():
                self.wholes.setdefault(path.name, []).append(_digest(path))
            if version:
                self.sizes = [path.stat().st_size for path in self.files()]
        assert all(first != second for first, second in self.wholes.values())

    def write(self, version: int) -> None:
        self._write(self.path, version)

    def files(self) -> list[Path]:
        return sorted(path for path in self.path.parent.iterdir() if path.name.startswith("file"))

    def check_whole(self, *, tidy: bool) -> None:
        """Raise unless every file is of one version or the other, and nothing lies about that should not."""
        for path in self.files():
            assert _digest(path) in self.wholes[path.name], f"{path.name} is torn"
        assert {path.name for path in self.files()} == set(self.wholes)
        others = [path for path in self.path.parent.iterdir() if path not in self.files()]
        assert not (tidy and others), f"{others} were left behind"
        assert all(path.name.startswith(".tmp-") for path in others)
        for path in others:
            path.unlink()

    def is_old(self) -> bool:
        return all(_digest(path) == self.wholes[path.name][1] for path in self.files())


def _digest(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".gz":  # the time of day is in its head
        data = gzip.decompress(data)
    elif path.suffix == ".gfrm":
        data = re.sub(rb"CREATED:.{72}", b"", data)
    return hashlib.sha256(data).hexdigest()


# ------------------------------------------------------------------------------------------------------------ kills


def kill_at_bytes(name: str, folder: str, seed: int, count: int) -> int:
    """The system kills the writer at random bytes of its file; how often it did."""
    subject, rng, num_killed = Subject(name, Path(folder)), np.random.default_rng(seed), 0
    for _ in range(count):
        if not subject.is_old():
            subject.write(0)
        limit = int(rng.integers(max(subject.sizes)))
        _, status = os.waitpid(fork(_write_until, subject, limit), 0)
        assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGXFSZ)
        num_killed += status != 0
        subject.check_whole(tidy=False)
        assert status == 0 or limit >= min(subject.sizes) or subject.is_old()
    return num_killed


def _write_until(subject: Subject, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it; by default the process ends at once
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    subject.write(1)


def kill_at_moments(name: str, folder: str, seed: int, count: int) -> int:
    """SIGKILL at random moments to a process that writes the two versions in turn."""
    subject, rng = Subject(name, Path(folder)), np.random.default_rng(seed)
    started = time.monotonic()
    subject.write(0)
    duration = time.monotonic() - started
    for _ in range(count):
        pid = fork(_write_in_turn, subject, PATIENCE_SECONDS)
        time.sleep(rng.uniform(0, 3 * duration))
        os.kill(pid, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        subject.check_whole(tidy=False)
    return count


def _write_in_turn(subject: Subject, seconds: float, rounds: int = 2**62) -> None:
    deadline = time.monotonic() + seconds
    for number in range(rounds):
        if time.monotonic() > deadline:
            break
        subject.write((os.getpid() + number) % 2)


def race(name: str, folder: str, rounds: int) -> int:
    """Two processes write the same name at once, while this one reads it; how often it was written."""
    subject = Subject(name, Path(folder))
    running = {fork(_write_in_turn, subject, PATIENCE_SECONDS, rounds) for _ in range(2)}
    while running:
        for path in list(subject.wholes):
            assert _digest(subject.path.with_name(path)) in subject.wholes[path]
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            assert status == 0
            running.remove(pid)
    subject.check_whole(tidy=True)
    return 2 * rounds


# ------------------------------------------------------------------------------------------- disks that do not take it


def fill_quota(name: str, folder: str, seed: int, count: int) -> int:
    """A file may not grow beyond a random byte."""
    subject, rng = Subject(name, Path(folder)), np.random.default_rng(seed)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    for _ in range(count):
        if not subject.is_old():
            subject.write(0)
        limit = int(rng.integers(min(subject.sizes)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited[1]))
        try:
            _expect_refusal(subject, errno.EFBIG)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        assert subject.is_old()
    return count


def fill_disk(name: str, folder: str, seed: int, count: int) -> int | None:
    """A disk of its own is full but for some bytes; None where no disk can be had."""
    rng = np.random.default_rng(seed)
    with own_disk(Path(folder), 2**19) as has_disk:
        if not has_disk:
            return None
        subject = Subject(name, Path(folder) / "full")
        pages = min(subject.sizes) // 4096
        for _ in range(count):
            ballast = Path(folder) / "ballast"
            room = 4096 * int(rng.integers(pages + 1))
            space = os.statvfs(folder)
            with ballast.open("wb") as stream:
                stream.write(bytes(max(0, space.f_bavail * space.f_frsize - room)))
            _expect_refusal(subject, errno.ENOSPC)
            assert subject.is_old()
            ballast.unlink()
    return count


def write_protected(name: str, folder: str) -> int | None:
    """A disk that may only be read; None where no disk can be had."""
    with own_disk(Path(folder), 2**20) as has_disk:
        if not has_disk:
            return None
        subject = Subject(name, Path(folder) / "protected")
        protect(Path(folder))
        _expect_refusal(subject, errno.EROFS)
        assert subject.is_old()
    return 1


def write_without_permission(name: str, folder: str) -> int:
    """A folder of somebody else's, a file where a folder should be, and a folder where a file should be."""
    subject = Subject(name, Path(folder) / "theirs")
    blocked = {"in a file": subject.path / subject.path.name, "on a folder": Path(folder) / subject.path.name}
    blocked["on a folder"].mkdir()
    for path in blocked.values():
        path, subject.path = subject.path, path
        try:
            subject.write(1)
        except OSError as error:
            assert error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, None), error
        else:
            raise AssertionError(f"{subject.path} was written")
        finally:
            path, subject.path = subject.path, path
    subject.path.parent.chmod(0o555)
    Path(folder).chmod(0o755)
    assert os.waitpid(fork(_write_as_nobody, subject), 0)[1] == 0
    assert subject.is_old()
    return 3


def _write_as_nobody(subject: Subject) -> None:
    if os.getuid() == 0:  # whom no permission binds
        os.setuid(65534)
    _expect_refusal(subject, errno.EACCES)


def _expect_refusal(subject: Subject, number: int) -> None:
    try:
        subject.write(1)
    except OSError as error:
        assert error.errno in (number, None), error  # None: a library that has its own words
    else:
        raise AssertionError("written where there was no room")
    subject.check_whole(tidy=True)
