"""Files by hash: find a verified copy of a data file, or download one.

A file is looked for in the folder given, the cache, the mirror; then it is downloaded into the cache. Nothing is
used before its hash is right, and a file with the wrong one stops the run, for a person to look at.

Environment:
    MATERIALS_DL_CACHE: folder of downloads; by default the user's cache folder.
    MATERIALS_DL_MIRROR: folder with files laid out as in the registry; read in place, never written.
    MATERIALS_DL_OFFLINE: "1" skips downloads.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pooch

from common.files import atomic_path

DOWNLOAD_TIMEOUT_S = 10


class DataUnavailableError(RuntimeError):
    """A data file is neither here nor can it be downloaded; the message says how to provide it."""


class CorruptDataError(RuntimeError):
    """A data file is not what the registry says. It was not read, and is left as it is."""


@dataclass(frozen=True)
class DataFile:
    """One file of a data set and the hash that proves it.

    Attributes:
        path: place under the cache, the mirror or the package, with forward slashes.
        url: where to download it; None where it is not published in this form.
        sha256: SHA-256 of the content.
        git_blob: git blob id of the content, given where that is all that is known of a public file.
        package: the Python package that carries it.
    """

    path: str
    url: str | None = None
    sha256: str | None = None
    git_blob: str | None = None
    package: str | None = None

    @property
    def expected_hash(self) -> str:
        """ "sha256:..." or "git:..."."""
        return f"sha256:{self.sha256}" if self.sha256 else f"git:{self.git_blob}"


def cache_dir() -> Path:
    """Folder of downloaded files."""
    return Path(os.environ.get("MATERIALS_DL_CACHE") or pooch.os_cache("materials-dl")).expanduser()


def fetch(file: DataFile, *, data_dir: str | Path | None = None) -> Path:
    """Path of a verified copy of `file`: in `data_dir`, the cache, the mirror, or downloaded into the cache.

    A download gets its name only once it is complete, verified and on disk.

    Raises:
        CorruptDataError: the first copy found, or the download, has the wrong hash.
        DataUnavailableError: there is no copy and it cannot be downloaded, or the first copy cannot be read.
    """
    if file.package:
        path = Path(str(importlib.resources.files(file.package).joinpath(file.path)))
        _verify(path, file, "install the package again")
        return path
    mirror = os.environ.get("MATERIALS_DL_MIRROR")
    for folder in (data_dir, cache_dir(), mirror):
        if not folder:
            continue
        path = Path(folder).expanduser() / file.path
        try:
            _verify(path, file, "move it away, or replace it by a good copy, and run again")
            return path
        except (FileNotFoundError, NotADirectoryError):  # not there, or no longer
            continue
        except OSError as error:
            raise DataUnavailableError(
                f"{path} cannot be read ({one_line(error)}); move it away or make it readable, and run again."
            ) from error
    return _download(file)


def _download(file: DataFile) -> Path:
    provide = f"put it at {file.path} in the folder named by MATERIALS_DL_MIRROR"
    if file.url is None:
        raise DataUnavailableError(f"{file.path} is not in the cache or mirror and is not published; {provide}.")
    if os.environ.get("MATERIALS_DL_OFFLINE") == "1":
        raise DataUnavailableError(
            f"{file.path} is not in the cache or mirror, and MATERIALS_DL_OFFLINE=1 forbids its download; {provide}."
        )
    path = cache_dir() / file.path
    download = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=DOWNLOAD_TIMEOUT_S)
    try:
        with atomic_path(path) as temporary:
            download(file.url, str(temporary), None)
            _verify(
                temporary,
                file,
                "run again, or set MATERIALS_DL_OFFLINE=1 to use smaller data",
                source=file.url,
            )
    except (OSError, ValueError) as error:  # all of requests are one, and what it lets through of urllib3
        raise DataUnavailableError(
            f"{file.path} could not be downloaded from {file.url} ({one_line(error)}); check the connection, or "
            f"{provide}."
        ) from error
    return path


def one_line(error: Exception) -> str:
    """The beginning of what an error says, or its kind where it says nothing."""
    return " ".join(str(error).split())[:160] or type(error).__name__


def _verify(path: Path, file: DataFile, remedy: str, source: str | None = None) -> None:
    kind, expected = file.expected_hash.split(":")
    received = hash_file(path, kind)
    if received != expected:
        raise CorruptDataError(
            f"Expected {kind} {expected} of {source or path}, received {received} "
            f"({path.stat().st_size:,} bytes); the file was not used: {remedy}."
        )


def hash_file(path: Path, kind: str) -> str:
    """SHA-256, or the git blob id, which is the SHA-1 of 'blob <size>', a zero byte and the content."""
    digest = hashlib.sha256() if kind == "sha256" else hashlib.sha1(usedforsecurity=False)
    with path.open("rb") as stream:
        if kind == "git":
            digest.update(f"blob {os.fstat(stream.fileno()).st_size}\0".encode())
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
