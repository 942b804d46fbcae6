"""A whole screening in a folder: cut into parts, done by whoever is free, and gone on with after a stop.

Each part becomes one Parquet file, whole or not at all, written by this process, a worker process or a worker of a Dask
cluster. What is missing is what is left to do, so a screening that was killed goes on and ends with the same bytes.
"""

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from common.executor import iterate_tasks
from common.files import atomic_path, read_json, write_csv_atomic, write_json_atomic
from elemnet.composition_space import CompositionSpace, Part
from elemnet.hulls import KnownPhases
from elemnet.predict import ENERGY, Predictor, load_pretrained
from elemnet.screening import CAVEAT, PartReport, Screener, Settings

MANIFEST, KNOWN, STAGE_TIMES = "screening.json", "known_phases.parquet", "stages.csv"


class ScreeningError(RuntimeError):
    """Some parts could not be screened, or the folder holds another screening."""


def screen(
    folder: Path | str,
    settings: Settings,
    known: KnownPhases,
    *,
    model: Path | str | None = None,
    num_workers: int = 1,
    scheduler: str | None = None,
    progress: bool = False,
) -> None:
    """Screen a space into a folder, or go on with a screening that was stopped.

    Leaves ``screening.json`` (what was screened), ``known_phases.parquet``, ``parts/*.parquet`` with the candidates
    and ``stages.csv`` with the seconds of each part. ``elemnet.screening_tables`` makes tables of them.

    Args:
        folder: Where it is kept; on a cluster a folder that all workers see.
        settings: What to screen.
        known: Known phases, whose hull the candidates lie below.
        model: A ``.keras`` file, on a cluster one that all workers see; ``None`` takes the shipped network.
        num_workers: Processes of this machine; 1 stays in this one, whose network uses all cores.
        scheduler: Address of a Dask cluster, which does the work instead.
        progress: Show a bar on a terminal.

    Raises:
        ScreeningError: If the folder holds another screening, or a part failed; the same call tries it again.
        ArtifactError: If the model cannot be loaded.
        ValueError: If the model does not know an element of the space.
        ConnectionError, ModuleNotFoundError: See ``common.executor``.
    """
    folder = Path(folder).resolve()
    begin(folder, settings, known, None if model is None else Path(model).resolve())
    parts = list(settings.space.parts(settings.compositions_per_part))
    missing = [part for part in parts if not part_path(folder, part).exists()]
    outcomes = iterate_tasks(
        partial(screen_part, folder),
        missing,
        num_processes=num_workers,
        scheduler=scheduler,
        progress=progress,
        description="screening",
    )
    failed = []
    for outcome in outcomes:
        if outcome.reason:
            failed.append(f"part {missing[outcome.index].number}: {outcome.reason}")
        else:
            _append_stages(folder, outcome.value)
    if failed:
        raise ScreeningError(
            f"Expected {len(missing):,} parts to be screened; {len(failed):,} failed, first {failed[0]} "
            "The same command tries them again."
        )


def screen_part(folder: Path, part: Part) -> PartReport:
    """Screen one part of the screening in a folder, and write its file."""
    screener = _screener(folder)
    table, report = screener.screen(part)
    with report.stage("write"), atomic_path(part_path(folder, part)) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return report


def part_path(folder: Path, part: Part) -> Path:
    """The file of a part."""
    return folder / "parts" / f"part-{part.number:05d}.parquet"


def read_settings(folder: Path) -> Settings:
    """The settings of the screening in a folder."""
    saved = _read_manifest(folder)["settings"]
    space: dict = {name: tuple(value) if isinstance(value, list) else value for name, value in saved["space"].items()}
    return Settings(CompositionSpace(**space), saved["below_hull_ev_per_atom"], saved["compositions_per_part"])


def read_known(folder: Path) -> pd.DataFrame:
    """The known phases of the screening in a folder: ``formula`` and ``formation_energy_ev_per_atom``."""
    return pq.read_table(folder / KNOWN).to_pandas()


def begin(folder: Path, settings: Settings, known: KnownPhases, model: Path | None) -> None:
    """Write down what is screened, or check that the folder holds just that.

    Raises:
        ScreeningError: If it holds another screening.
        ArtifactError, ValueError: See ``screen``.
    """
    predictor = load_pretrained(model)
    check_elements(settings.space.elements, predictor)
    table = known.table
    digest = hashlib.sha256("\n".join(table["formula"]).encode())
    digest.update(table[ENERGY].to_numpy(np.float64).tobytes())
    manifest = {
        "caveat": CAVEAT,
        "settings": asdict(settings),
        "num_compositions_of_space": settings.space.num_compositions,
        "model": None if model is None else str(model),
        "model_sha256": predictor.card["sha256"],
        "num_known_phases": len(known),
        "known_sha256": digest.hexdigest(),
    }
    if (folder / MANIFEST).exists():
        wanted, found = json.loads(json.dumps(manifest)), _read_manifest(folder)
        if differing := [name for name in wanted if name != "model" and wanted[name] != found.get(name)]:
            raise ScreeningError(
                f"Expected {folder} to hold this screening; it holds one with other {', '.join(differing)}. Take "
                "another output folder, or delete this one to begin anew."
            )
    with atomic_path(folder / KNOWN) as temporary:
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), temporary, compression="zstd")
    write_json_atomic(folder / MANIFEST, manifest)


def check_elements(elements: Sequence[str], predictor: Predictor) -> None:
    """Raise a ``ValueError`` if the network does not know an element."""
    if missing := [symbol for symbol in elements if symbol not in predictor.elements]:
        raise ValueError(
            f"Expected elements that the model knows; received also {', '.join(missing)}. It knows "
            f"{', '.join(predictor.elements)}."
        )


_loading = threading.Lock()
_loaded: dict[tuple[Path, str, str], Screener] = {}


def _screener(folder: Path) -> Screener:
    """The screener of a folder, loaded once a process whatever the number of its threads."""
    manifest = _read_manifest(folder)
    key = (folder, manifest["model_sha256"], manifest["known_sha256"])
    with _loading:
        if key not in _loaded:
            predictor = load_pretrained(manifest["model"])
            if predictor.card["sha256"] != manifest["model_sha256"]:
                raise ScreeningError(
                    f"Expected the model that {folder} was begun with; {manifest['model']} is another."
                )
            table = read_known(folder)
            known = KnownPhases.from_table(table["formula"], table[ENERGY])
            _loaded.clear()
            _loaded[key] = Screener(read_settings(folder), predictor, known)
        return _loaded[key]


def _read_manifest(folder: Path) -> dict:
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict):
        raise ScreeningError(f"Expected {folder / MANIFEST} to say what is screened; delete that folder to begin anew.")
    return manifest


def _append_stages(folder: Path, report: PartReport) -> None:
    """Add a line to ``stages.csv``: seconds of a part differ from run to run, so they are not among its results."""
    path = folder / STAGE_TIMES
    columns = {"part": report.number, "compositions": report.num_compositions, "candidates": report.num_candidates}
    row = pd.DataFrame([columns | {f"{name}_s": round(value, 4) for name, value in report.seconds.items()}])
    # written anew: a line that a kill cut short would spoil the table for good
    write_csv_atomic(path, pd.concat([pd.read_csv(path), row]) if path.exists() else row)
