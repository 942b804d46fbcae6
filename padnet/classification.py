"""Many frames into one table of class probabilities: a row each, resumable, with a reason where there is no answer."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from common.elements import ALL_SYMBOLS
from common.fetch import hash_file
from common.files import write_csv_atomic
from common.tables import TableError, read_text_csv
from padnet.frame_batch import frame_paths, frames_in
from padnet.predict import Predictor
from padnet.readers import file_columns, read_frame
from padnet.saliency import is_drawn, occlusion_maps, write_saliency

SECONDS_BETWEEN_RECORDS = 5.0  # a kill costs at most so much work
ANSWER_COLUMNS = ("class", "model", "sha256", "status", "reason")


def sample_table(images: Path, table_path: Path | None, predictor: Predictor) -> pd.DataFrame:
    """The samples to classify.

    Args:
        images: A folder of frames, or one frame.
        table_path: CSV that names the frames of each sample, relative to the folder: ``file``, or ``file_1``,
            ``file_2`` and so on; and has a column for each component that the network takes, for a network that takes
            positions ``x`` and ``y`` in mm. Without it every frame is a sample. With one frame as `images`, only its
            rows count.
        predictor: What it takes decides on the columns needed.

    Returns:
        A row for each sample as text: the file columns first; then one more for every frame of the folder that no row
        names, with a ``reason``, which is else empty.

    Raises:
        TableError: If the table cannot be read or lacks a column.
        ValueError: If there are no frames, the network needs a table and none is given, or the table has elements that
            the network does not know.
    """
    num_frames = predictor.config.num_frames
    files = file_columns(num_frames)
    takes = [name for name in ("composition", "position") if name in predictor.config.inputs]
    if table_path is None:
        if num_frames > 1 or takes:
            needed = [*([f"{num_frames} frames a sample"] if num_frames > 1 else []), *takes]
            raise ValueError(
                f"The network takes {' and '.join(needed)}: give --composition CSV with the columns "
                f"{', '.join([*files, *needed_columns(predictor)])}."
            )
        return pd.DataFrame({"file": [path.name for path in frame_paths([images])], "reason": ""})
    table = read_text_csv(table_path, needs=[*files, *needed_columns(predictor)], reserves=ANSWER_COLUMNS)
    repeated = table.columns[table.columns.duplicated()]
    if len(repeated):
        raise TableError(f"{table_path} has more than one column {repeated[0]!r}. Rename or drop all but one.")
    unknown = [name for name in table if name in ALL_SYMBOLS and name not in predictor.components]
    if unknown and "composition" in takes:
        raise ValueError(
            f"Expected amounts of {', '.join(predictor.components)}, the elements of the network; {table_path.name} "
            f"has {', '.join(unknown)} too. Drop them if they are 0 throughout, else train a network with them."
        )
    folder = images if images.is_dir() else images.parent
    paths = table[files].map(lambda name: (folder / name).resolve())
    if images.is_dir():
        frames = frames_in(images)
    else:
        frames = [images]
        table = table[(paths == images.resolve()).any(axis=1)]
    table = table[[*files, *(name for name in table if name not in files)]].assign(reason="")
    named = set(paths.to_numpy().ravel())
    rest = [path.name for path in frames if path.resolve() not in named]
    unnamed = pd.DataFrame({files[0]: rest, "reason": f"No row of {table_path.name} names this frame."})
    samples = pd.concat([table, unnamed], ignore_index=True).fillna("")
    if samples.empty:
        raise ValueError(f"Expected frames in {images} or rows in {table_path.name}; received none of either.")
    return samples


def needed_columns(predictor: Predictor) -> list[str]:
    """Columns of numbers that a network takes besides images."""
    composition = predictor.components if "composition" in predictor.config.inputs else ()
    return [*composition, *(("x", "y") if "position" in predictor.config.inputs else ())]


def classify_samples(
    samples: pd.DataFrame,
    images: Path,
    predictor: Predictor,
    output: Path,
    *,
    saliency: Path | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Classify samples into a CSV, or go on with one that was stopped.

    Rows of an earlier output with the same network, frames and columns are taken over.

    Args:
        samples: Of ``sample_table``.
        images: The folder of the frames, or the one frame.
        predictor: The network.
        output: CSV to write.
        saliency: Folder for an occlusion picture of each sample, ``NAME.tif.png`` with its numbers as CSV.
        progress: Show a bar on a terminal.

    Returns:
        The rows of `samples` with ``class``, ``probability NAME`` of each class, ``model`` (a hash of its weights),
        ``sha256`` (of frames and columns), ``status`` (``"ok"`` or ``"error"``) and ``reason``.

    Raises:
        ValueError: If an earlier output is damaged.
        OSError: If the output cannot be written.
    """
    folder = images if images.is_dir() else images.parent
    files = file_columns(predictor.config.num_frames)
    probabilities = [f"probability {name}" for name in predictor.class_names]
    model = predictor.weights_hash()[:16]
    finished = _finished(output, model, probabilities)
    earlier = {
        row["sha256"]: {name: row[name] for name in ("class", *probabilities)} for row in finished.to_dict("records")
    }
    answers: list[dict] = []
    recorded = time.monotonic()

    def table() -> pd.DataFrame:
        answered = pd.DataFrame(answers, columns=["class", *probabilities, "model", "sha256", "status", "reason"])
        return pd.concat([samples.drop(columns="reason").iloc[: len(answers)].reset_index(drop=True), answered], axis=1)

    def write() -> None:
        rows = table()
        if len(rows) < len(samples):  # what is not reached yet may have an answer already
            unreached = finished[~finished["sha256"].isin(rows["sha256"])]
            rows = pd.concat([rows, unreached.reindex(columns=rows.columns)], ignore_index=True)
        write_csv_atomic(output, rows)

    try:
        bar = tqdm(samples.to_dict("records"), unit=" samples", disable=None if progress else True)
        for sample in bar:
            answer = {"class": "", "model": model, "sha256": "", "status": "error", "reason": sample["reason"]}
            try:
                if not sample["reason"]:
                    paths = [folder / sample[name] for name in files]
                    columns = _columns(sample, predictor)
                    picture = None if saliency is None else saliency / f"{sample[files[0]].replace('/', '_')}.png"
                    answer |= {"sha256": _sha256(paths, columns), "status": "ok"}
                    source = {"model": model, "sha256": answer["sha256"]}
                    if answer["sha256"] in earlier and (picture is None or is_drawn(picture, **source)):
                        answer |= earlier[answer["sha256"]]
                    else:
                        answer |= _answer(paths, columns, predictor, probabilities, picture, source)
            except (ValueError, OSError) as error:
                answer |= {"status": "error", "reason": " ".join(str(error).split())}
            answers.append(answer)
            if time.monotonic() - recorded > SECONDS_BETWEEN_RECORDS:
                write()
                recorded = time.monotonic()
    finally:
        write()
    return table()


def _columns(sample: dict[str, str], predictor: Predictor) -> dict[str, np.ndarray]:
    """Composition and position of a sample, as far as the network takes them."""
    columns = {}
    for name, wanted in (("composition", predictor.components), ("position", ("x", "y"))):
        if name not in predictor.config.inputs:
            continue
        cells = [sample[column] for column in wanted]
        values = pd.to_numeric(pd.Series(cells), errors="coerce").to_numpy(np.float64)
        if not np.isfinite(values).all():
            raise ValueError(f"Expected numbers for {', '.join(wanted)}; received {', '.join(map(repr, cells))}.")
        if name == "composition":
            if (values < 0).any() or values.sum() <= 0:
                raise ValueError(f"Expected amounts of 0 or more, one above 0; received {', '.join(cells)}.")
            values = values / values.sum()
        columns[name] = values.astype(np.float32)
    return columns


def _answer(
    paths: list[Path],
    columns: dict[str, np.ndarray],
    predictor: Predictor,
    probabilities: list[str],
    picture: Path | None,
    source: dict[str, str],
) -> dict:
    frames = [read_frame(path) for path in paths]
    if len({frame.shape for frame in frames}) > 1:
        raise ValueError(f"Expected frames of one size; received {', '.join(str(frame.shape) for frame in frames)}.")
    stacked = np.stack(frames)
    shares = predictor.predict_frames(stacked[None], **{name: values[None] for name, values in columns.items()})[0]
    answer = predictor.class_names[int(shares.argmax())]
    if picture is not None:
        lost = occlusion_maps(predictor, stacked, list(columns.values()))
        write_saliency(picture, stacked, lost, f"{paths[0].name}, {answer}", **source)
    return {"class": answer, **dict(zip(probabilities, shares.astype(float), strict=True))}


def _sha256(paths: list[Path], columns: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if not path.is_file():
            raise ValueError(f"{path} does not exist or is not a file.")
        digest.update(bytes.fromhex(hash_file(path, "sha256")))
    for values in columns.values():
        digest.update(values.tobytes())
    return digest.hexdigest()


def _finished(output: Path, model: str, probabilities: list[str]) -> pd.DataFrame:
    """The answered rows of an earlier output of the same network, one of each ``sha256``; probabilities are numbers."""
    try:
        table = read_text_csv(output, needs=["class", *probabilities, "model", "sha256", "status"])
    except TableError:
        return pd.DataFrame(columns=["class", *probabilities, "sha256"])
    done = table[(table["status"] == "ok") & (table["model"] == model)].drop_duplicates("sha256")
    numbers = done[probabilities].apply(pd.to_numeric, errors="coerce")
    if numbers.isna().any(axis=None):
        raise ValueError(
            f"Expected probabilities in every row of {output} that is ok; received other cells in "
            f"{int(numbers.isna().any(axis=1).sum())}. Delete the file to start anew, or name another output."
        )
    return done.assign(**{name: numbers[name] for name in probabilities})
