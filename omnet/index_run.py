"""A whole scan into one table: part by part, each kept beside the output until all are there, so that a stop costs one.

The table has a row for each point of the scan, in the order of the scan:

    x_um, y_um                    place
    phi1_rad, Phi_rad, phi2_rad   Bunge Euler angles, sample to crystal, in the fundamental zone of 432
    score                         NCC of pattern and simulation at the answer, see omnet.indexing
    confidence                    of the first orientation, 0 to 1
    start                         what gave the first orientation: network or dictionary
    status, reason                ok, or error and why there is no orientation
    disorientation_from_file_deg  from the orientation that the file has already, where it has any
"""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from common.files import atomic_path, read_json, write_csv_atomic, write_json_atomic
from omnet.disorientation import disorientation_deg
from omnet.indexing import NETWORK, Answers, Indexer, IndexingSettings
from omnet.master_pattern import BUNDLED, load_master_pattern
from omnet.orientation_maps import EULER_COLUMNS
from omnet.predict import PRETRAINED_MEASURED
from omnet.rotations import euler_from_quaternions, quaternions_from_euler
from omnet.scans import Scan

# Fewer at once leave the simulator's batches half empty; more would be lost by a stop.
PATTERNS_PER_PART = 1_024
PIXELS_PER_PART = 2**26  # of patterns as they come from the camera: 256 MB a copy
FROM_FILE = "disorientation_from_file_deg"
MANIFEST = "settings.json"


def index_scan(
    scan: Scan,
    output: Path | str,
    settings: IndexingSettings,
    *,
    master: Path | None = None,
    weights: Path | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Index a scan into a CSV file, or go on with a run that was stopped.

    Args:
        scan: The scan.
        output: CSV to write; ``OUTPUT.parts`` beside it holds what is done until all is.
        settings: What is done with each pattern.
        master: Master pattern (HDF5 of EMsoft); ``None`` is the bundled one of nickel.
        weights: Network (``.keras``); ``None`` is the shipped one for measured patterns.
        progress: Show bars on a terminal.

    Returns:
        The table, see the module.

    Raises:
        ValueError: If the parts are of another run, or something of the input is wrong.
        ArtifactError: If the network cannot be loaded.
    """
    output = Path(output)
    if output.is_dir():
        raise ValueError(f"Expected a CSV file to write, received the folder {str(output)!r}.")
    indexer = Indexer(
        settings,
        scan.detector,
        load_master_pattern(master),
        static_background=scan.static_background,
        weights=weights,
        progress=progress,
    )
    folder = output.with_name(output.name + ".parts")
    _begin(folder, _manifest(scan, settings, master, weights))
    num = max(1, min(PATTERNS_PER_PART, PIXELS_PER_PART // int(np.prod(scan.detector.shape))))
    parts = []
    with tqdm(total=len(scan), unit=" patterns", desc="indexing", disable=None if progress else True) as bar:
        for start in range(0, len(scan), num):
            rows = slice(start, min(start + num, len(scan)))
            part = _read_part(_part_path(folder, start))
            if part is None:
                answers = indexer.index(scan.read(rows.start, rows.stop), None if scan.pc is None else scan.pc[rows])
                part = as_table(answers)
                _write_part(_part_path(folder, start), part)
            parts.append(part)
            bar.update(rows.stop - start)
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "x_um", scan.x_um)
    table.insert(1, "y_um", scan.y_um)
    if scan.reference_euler_rad is not None:
        table[FROM_FILE] = _disorientation_from(scan.reference_euler_rad, table)
    write_csv_atomic(output, table)
    shutil.rmtree(folder, ignore_errors=True)  # another process that indexes the same scan may tidy up too
    return table


def as_table(answers: Answers) -> pd.DataFrame:
    """Answers as the columns of the table, without places."""
    found = answers.reason == ""
    euler_rad = np.full((len(found), 3), np.nan)
    euler_rad[found] = euler_from_quaternions(answers.quaternions[found])
    table = pd.DataFrame(euler_rad, columns=EULER_COLUMNS)
    table["score"], table["confidence"], table["start"] = answers.score, answers.confidence, answers.start
    table["status"], table["reason"] = np.where(found, "ok", "error"), answers.reason
    return table


def _disorientation_from(reference_euler_rad: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    known = np.isfinite(reference_euler_rad).all(axis=1) & (table["status"] == "ok").to_numpy()
    result = np.full(len(table), np.nan)
    ours = quaternions_from_euler(table.loc[known, EULER_COLUMNS].to_numpy())
    result[known] = disorientation_deg(quaternions_from_euler(reference_euler_rad[known]), ours)
    return result


def _manifest(scan: Scan, settings: IndexingSettings, master: Path | None, weights: Path | None) -> dict:
    """All that the answers depend on."""
    stat = scan.path.stat()
    return {
        "scan": {"path": str(scan.path.resolve()), "name": scan.name, "bytes": stat.st_size, "mtime": stat.st_mtime_ns},
        "settings": asdict(settings) | {"patterns a part": PATTERNS_PER_PART},
        "detector": asdict(scan.detector),
        "master pattern": _sha256(master or BUNDLED),
        "network": _sha256(weights or PRETRAINED_MEASURED) if settings.method == NETWORK else None,
    }


def _begin(folder: Path, manifest: dict) -> None:
    """Write down what is done, or check that the folder holds parts of just that."""
    path, wanted = folder / MANIFEST, json.loads(json.dumps(manifest))
    try:
        found = read_json(path)
    except FileNotFoundError:
        for part in folder.glob("from-*.parquet"):  # of a run that was killed while it tidied up
            part.unlink(missing_ok=True)
        with suppress(FileNotFoundError):  # see _write_part
            write_json_atomic(path, wanted)
    else:
        if not isinstance(found, dict):
            raise ValueError(f"Expected {str(path)!r} to say what the parts are of; delete that folder to begin anew.")
        if differing := [name for name in wanted if wanted[name] != found.get(name)]:
            raise ValueError(
                f"Expected {str(folder)!r} to hold parts of this run; it holds those of one with other "
                f"{', '.join(differing)}. Take another output, or delete that folder to begin anew."
            )


def _part_path(folder: Path, start: int) -> Path:
    return folder / f"from-{start:09d}.parquet"


def _read_part(path: Path) -> pd.DataFrame | None:
    try:
        return pq.read_table(path).to_pandas()
    except FileNotFoundError:
        return None


def _write_part(path: Path, part: pd.DataFrame) -> None:
    # A process that has finished the same scan may remove the folder meanwhile; what is kept there is not needed then.
    with suppress(FileNotFoundError), atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pandas(part, preserve_index=False), temporary)


def _sha256(path: Path) -> str:
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
