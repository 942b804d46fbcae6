"""One piece of work on many frames: a row each with what became of it, resumable, nothing overwritten by accident."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import typer
from tqdm import tqdm

from common.command_line import fail, print_summary
from common.fetch import hash_file
from common.files import write_csv_atomic
from common.tables import TableError, read_text_csv
from padnet.frame_formats import READERS

COLUMNS = ["file", "output", "settings", "sha256", "status", "reason"]
_SECONDS_BETWEEN_RECORDS = 5.0  # a kill costs at most so much work
_TO_DO = "Not worked on yet; the same command goes on."


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
    paths = [frame for path in inputs for frame in (frames_in(path) if path.is_dir() else [path])]
    if not paths:
        received = ", ".join(map(str, inputs)) or "nothing"
        raise ValueError(f"Expected frames named {', '.join(READERS)}; received none in {received}.")
    return paths


def frames_in(folder: Path) -> list[Path]:
    """The files of a folder that are named like frames, by name; those of folders in it are not among them."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in READERS)


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
    Results named in the record are replaced; other files never.

    Args:
        paths: Files of frames; results have their names.
        folder: Where the results go.
        work: Called with a frame's path and the path of its result, which it writes whole or not at all. What it raises
            as ``ValueError`` or ``OSError`` becomes the reason in the frame's row.
        record_name: CSV in the folder; results of other frames stay in it, each with the settings it was made with.
        settings: All that results depend on besides the frames.
        suffix: Of the results; by default that of each frame.
        progress: Show a bar on a terminal.

    Returns:
        A row for each path in their order: ``file``, ``output``, ``settings``, ``sha256``, ``status``, ``reason``.

    Raises:
        OSError: If the record cannot be written.
        ValueError: If a file with the record's name is no record.
    """
    record = folder / record_name
    earlier = _read_record(record)
    rows = _planned(paths, folder, suffix, record, settings, earlier)
    planned = {row["output"] for row in rows}
    others = [row for output, row in earlier.items() if output not in planned]

    def write() -> None:
        write_csv_atomic(record, pd.DataFrame([*rows, *others], columns=COLUMNS))

    write()  # before anything is replaced: a kill leaves a record of all results, with none of other settings as done
    recorded = time.monotonic()
    try:
        for path, row in zip(tqdm(paths, unit=" frames", disable=None if progress else True), rows, strict=True):
            if row["output"]:
                _work_on_frame(path, folder / row["output"], work, row)
            if time.monotonic() - recorded > _SECONDS_BETWEEN_RECORDS:
                write()
                recorded = time.monotonic()
    finally:
        write()
    return pd.DataFrame(rows, columns=COLUMNS)


def _planned(
    paths: Sequence[Path],
    folder: Path,
    suffix: str | None,
    record: Path,
    settings: str,
    earlier: dict[str, dict[str, str]],
) -> list[dict[str, str]]:
    """A row for each path: as it is in the record, still to do, or without an output, and refused."""
    inputs = {path.resolve() for path in paths}
    sources: dict[Path, Path] = {}
    rows = []
    for path in paths:
        output = folder / (path.name if suffix is None else f"{path.stem}{suffix}")
        row = dict.fromkeys(COLUMNS, "") | {"file": str(path), "settings": settings, "status": "error"}
        known = earlier.get(output.name, {})
        if output in sources:
            row["reason"] = f"Its result would replace that of {sources[output]}; use another folder."
        elif output.resolve() in inputs:
            row["reason"] = f"Its result would replace the frame {output}; use another folder."
        elif output == record:
            row["reason"] = f"Its result would replace the record {record.name}; rename the frame."
        elif output.exists() and not known:
            row["reason"] = (
                f"Its result would replace {output}, which {record.name} does not name; move that file, or use another "
                "folder."
            )
        else:
            sources[output] = path
            row |= {"output": output.name, "reason": _TO_DO}
            if known.get("settings") == settings and known["status"] == "ok":
                row |= {"sha256": known["sha256"], "status": "ok", "reason": ""}
        rows.append(row)
    return rows


def _work_on_frame(path: Path, output: Path, work: Callable[[Path, Path], None], row: dict[str, str]) -> None:
    """Make the result of a frame unless it is there; its row is updated in place."""
    try:
        sha256 = hash_file(path, "sha256") if path.is_file() else ""
        if row["status"] != "ok" or row["sha256"] != sha256 or not output.is_file():
            row |= {"sha256": sha256, "status": "error", "reason": _TO_DO}
            output.unlink(missing_ok=True)  # where there is no new result, an outdated one would pass for it
            work(path, output)
        row |= {"status": "ok", "reason": ""}
    except (ValueError, OSError) as error:
        row |= {"status": "error", "reason": " ".join(str(error).split())}
        if not output.exists():
            row["output"] = ""


def _read_record(record: Path) -> dict[str, dict[str, str]]:
    """Result -> its row."""
    if not record.exists():
        return {}
    try:
        table = read_text_csv(record, needs=COLUMNS)
    except TableError as error:
        raise ValueError(f"{error} It would be replaced by the record; move it, or use another folder.") from error
    return {row["output"]: row for row in table[table["output"] != ""][COLUMNS].to_dict("records")}
