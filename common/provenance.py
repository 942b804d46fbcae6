"""When, with which versions and on what kind of machine a result was made; no host name, no user name."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("materials-dl", "keras", "tensorflow", "scikit-learn", "scipy", "numpy", "pandas")


@dataclass(frozen=True)
class Provenance:
    """The circumstances of a run.

    Attributes:
        date: UTC, ISO 8601, to the second: "2025-01-31T12:00:00+00:00".
        versions: Python and the installed packages of `PACKAGES`, name -> version.
        machine: `cpu` (model), `cores` (usable by the process), `memory_gib`, `gpus` (models present), `system`.
            No host name and no user name.
        git_commit: Short commit of the checkout, with "-dirty" if files other than results differ from it; None
            outside a checkout.
    """

    date: str
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    git_commit: str | None


def collect_provenance() -> Provenance:
    """Return the provenance of the running process, as of now. Imports none of the packages it names."""
    return Provenance(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=_versions(),
        machine=_machine(),
        git_commit=_git_commit(Path(__file__).resolve().parents[1]),
    )


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _machine() -> dict[str, Any]:
    return {
        "cpu": _first_value(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory_gib(),
        "gpus": [
            model
            for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
            if (model := _first_value(path, "Model"))
        ],
        "system": f"{platform.system()} {platform.machine()}",
    }


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):  # not every system counts its pages
        return None


def _first_value(path: Path, key: str) -> str | None:
    """Return the value of the first `key: value` line of a file under /proc, or None."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == key), None)


def _git_commit(root: Path) -> str | None:
    # The top level must be this project: a package installed inside some other checkout is not at that
    # commit.
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root:
        return None
    commit = _git(root, "rev-parse", "--short", "HEAD")
    # Results are left out: each run writes some, and would mark the next run dirty.
    changes = _git(root, "status", "--porcelain", "--", ".", ":(exclude)results", ":(exclude)README.md")
    return f"{commit}-dirty" if commit and changes else commit


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
