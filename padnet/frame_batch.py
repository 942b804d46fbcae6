"""One piece of work on many frames: a row each with what became of it, resumable, nothing overwritten by accident."""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import typer
from tqdm import tqdm

from common.command_line import fail, print_summary
from common.files import write_csv_atomic
from common.tables import TableError, read_text_csv
from padnet.frame_formats import READERS

COLUMNS = ["file", "output", "settings", "sha256", "status", "reason"]
_SECONDS_BETWEEN_RECORDS = 5.0  # a kill costs at most so much work


def run_on_frames(
    inputs: Sequence[Path],
    folder: Path,
    work: Callable[[Path, Path], None],
    *,
    record_name: str,
    settings: str,
    suffix: str | None = None,
    strict: bool = False,
) -> None:
    """``work_on_frames`` as a command: a bar, a summary, errors in one sentence.

    Args:
        inputs: Frames, or folders of them.
        folder: Where the results go.
        work: As in ``work_on_frames``, as are `record_name`, `settings` and `suffix`.
        strict: End with exit code 1 if any frame has no result.

    Raises:
        typer.Exit: With code 2 if nothing can be done, with 1 as `strict` says.
    """
    try:
        table = work_on_frames(
            frame_paths(inputs), folder, work, record_name=record_name, settings=settings, suffix=suffix, progress=True
        )
    except KeyboardInterrupt:
        raise fail(f"interrupted; the same command goes on with what is missing in {folder}.") from None
    except (ValueError, OSError) as error:
        raise fail(error) from error
    print_summary(table["status"], table["reason"], folder / record_name)
    if strict and (table["status"] != "ok").any():
        raise typer.Exit(code=1)


def frame_paths(inputs: Sequence[Path]) -> list[Path]:
    """The files given, and those of the folders given that are named like frames.

    Raises:
        ValueError: If none is left.
    """
    paths: list[Path] = []
    for path in inputs:
        if path.is_dir():
            paths += sorted(found for found in path.iterdir() if found.suffix.lower() in READERS)
        else:
            paths.append(path)
    if not paths:
        received = ", ".join(map(str, inputs)) or "nothing"
        raise ValueError(f"Expected frames named {', '.join(READERS)}; received none in {received}.")
    return paths


def work_on_frames(
    paths: Sequence[Path],
    folder: Path,
    work: Callable[[Path, Path], None],
    *,
    record_name: str,
    settings: str,
    suffix: str | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Work on each frame and record what became of it.

    Frames that the record in the folder says to be done, from the same bytes with the same settings, are left alone.

    Args:
        paths: Files of frames; results have their names.
        folder: Where the results go.
        work: Called with a frame's path and the path of its result, which it writes whole or not at all. What it raises
            as ``ValueError`` or ``OSError`` becomes the reason in the frame's row.
        record_name: CSV in the folder; rows of earlier results with these settings stay in it.
        settings: All that results depend on besides the frames.
        suffix: Of the results; by default that of each frame.
        progress: Show a bar on a terminal.

    Returns:
        A row for each path in their order: ``file``, ``output``, ``settings``, ``sha256``, ``status``, ``reason``.

    Raises:
        OSError: If the record cannot be written.
    """
    record = folder / record_name
    earlier = _finished(record, settings)
    rows: list[dict[str, str]] = []
    sources: dict[Path, Path] = {}
    recorded = time.monotonic()
    try:
        for path in tqdm(paths, unit=" frames", disable=None if progress else True):
            output = folder / (path.name if suffix is None else f"{path.stem}{suffix}")
            row = dict.fromkeys(COLUMNS, "") | {"file": str(path), "settings": settings, "status": "error"}
            try:
                _refuse_replacing(output, path, record, sources)
                row["sha256"] = _sha256(path) if path.is_file() else ""
                if earlier.get(output.name, {}).get("sha256") != row["sha256"] or not output.is_file():
                    work(path, output)
                row |= {"output": output.name, "status": "ok"}
            except (ValueError, OSError) as error:
                row["reason"] = " ".join(str(error).split())
            rows.append(row)
            if time.monotonic() - recorded > _SECONDS_BETWEEN_RECORDS:
                _write(record, rows, earlier)
                recorded = time.monotonic()
    finally:
        _write(record, rows, earlier)
    return pd.DataFrame(rows, columns=COLUMNS)


def _refuse_replacing(output: Path, path: Path, record: Path, sources: dict[Path, Path]) -> None:
    """Keep apart the results of this run, the frames and the record."""
    if output in sources:
        raise ValueError(f"Its result would replace that of {sources[output]}; use another folder.")
    if output.resolve() == path.resolve():
        raise ValueError("Its result would replace the frame itself; use another folder.")
    if output == record:
        raise ValueError(f"Its result would replace the record {record.name}; rename the frame.")
    sources[output] = path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finished(record: Path, settings: str) -> dict[str, dict[str, str]]:
    """Result -> its row, of those with the settings."""
    try:
        table = read_text_csv(record, needs=COLUMNS)
    except TableError:
        return {}
    table = table[(table["status"] == "ok") & (table["settings"] == settings)][COLUMNS]
    return {row["output"]: row for row in table.to_dict("records")}


def _write(record: Path, rows: list[dict[str, str]], earlier: dict[str, dict[str, str]]) -> None:
    new = {row["output"] for row in rows} | {row["file"] for row in rows}
    kept = [row for output, row in earlier.items() if output not in new and row["file"] not in new]
    write_csv_atomic(record, pd.DataFrame([*rows, *kept], columns=COLUMNS))
