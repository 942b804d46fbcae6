"""Which parts of a frame an answer rests on: the probability that is lost as each patch is covered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common import canvas
from common.files import write_csv_atomic
from common.tables import TableError, read_text_csv
from padnet.inputs import image_features
from padnet.predict import VALUES_PER_BATCH, Predictor

GRID = 16  # patches along each edge


def occlusion_maps(predictor: Predictor, frames: np.ndarray, columns: list[np.ndarray], grid: int = GRID) -> np.ndarray:
    """Cover each patch of each frame, and see how much less probable the answer becomes.

    Covered are the maps of peak areas, with trained filters the image, by their median: what there is where no peak is.

    Args:
        predictor: A network that takes images.
        frames: ``(num_frames, rows, columns)`` raw counts of one sample.
        columns: ``(num_columns,)`` each: composition, position, as far as the network takes them, in this order.
        grid: Patches along each edge.

    Returns:
        ``(num_frames, grid, grid)`` probability of the answer less that with the patch covered; positive where the
        patch speaks for the answer.

    Raises:
        ValueError: If the network takes no images, or see ``inputs.image_features``.

    Reference:
        M. D. Zeiler, R. Fergus, ECCV 2014, doi:10.1007/978-3-319-10590-1_53.
    """
    if "image" not in predictor.config.inputs:
        received = ", ".join(predictor.config.inputs)
        raise ValueError(f"Expected a network that takes images; received one that takes {received}.")
    features = image_features(frames[None], predictor.config)[0]  # (num_frames, rows, columns[, 4])
    whole = predictor.forward([features[None], *(column[None] for column in columns)])[0]
    answer = int(whole.argmax())
    edges = np.linspace(0, features.shape[1], grid + 1).round().astype(int)
    patches = list(np.ndindex(grid, grid))
    at_once = max(1, VALUES_PER_BATCH // features.size)  # 2,048 pixels are 67 MB a copy
    lost = np.empty((len(features), grid, grid), np.float32)
    for frame in range(len(features)):
        typical = np.median(features[frame], axis=(0, 1))
        for start in range(0, len(patches), at_once):
            some = patches[start : start + at_once]
            covered = np.repeat(features[None], len(some), axis=0)
            for copy, (row, column) in zip(covered, some, strict=True):
                copy[frame, edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = typical
            repeated = [np.repeat(values[None], len(some), axis=0) for values in columns]
            lost[(frame, *np.transpose(some))] = whole[answer] - predictor.forward([covered, *repeated])[:, answer]
    return lost


def write_saliency(path: Path, frames: np.ndarray, lost: np.ndarray, title: str, *, model: str, sha256: str) -> None:
    """Write maps of one sample as a CSV, and a picture of them beside its frames.

    Args:
        path: Of the picture, ``NAME.png``; the CSV is ``NAME.csv``: ``frame``, ``row``, ``column`` of the patch, and
            ``probability_lost``, ``model``, ``sha256``.
        frames: ``(num_frames, rows, columns)`` counts.
        lost: ``(num_frames, grid, grid)`` of ``occlusion_maps``.
        title: Above the picture.
        model: Hash of the network's weights.
        sha256: Hash of frames and columns.
    """
    path.with_suffix(".csv").unlink(missing_ok=True)  # is_drawn trusts it: it comes after the picture
    titles = [text for number in range(len(frames)) for text in (f"frame {number + 1}", "probability lost if covered")]
    titles[0] = f"{title}: {titles[0]}" if title else titles[0]
    figure, panels = canvas.new_panels(titles, size=(3.6 * len(titles), 3.6))
    largest = max(float(np.abs(lost).max()), 1e-6)
    for frame, of_frame, shown, covered in zip(frames, lost, panels[::2], panels[1::2], strict=True):
        low, high = np.quantile(frame, [0.01, 0.995])  # a few bright spots would leave the rest dark
        shown.imshow(np.sqrt(np.clip(frame, low, high) - low), cmap="viridis", extent=(0, 1, 1, 0))
        map_shown = covered.imshow(of_frame, cmap="RdBu_r", vmin=-largest, vmax=largest, extent=(0, 1, 1, 0))
        figure.colorbar(map_shown, ax=covered, shrink=0.8)
        for axes in (shown, covered):
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
    canvas.save_png(figure, path)
    places = np.indices(lost.shape).reshape(3, -1)
    table = pd.DataFrame(places.T, columns=["frame", "row", "column"])
    table = table.assign(probability_lost=lost.ravel(), model=model, sha256=sha256)
    write_csv_atomic(path.with_suffix(".csv"), table)


def is_drawn(path: Path, *, model: str, sha256: str) -> bool:
    """Whether ``write_saliency`` has written a picture of this network, these frames and columns."""
    if not path.is_file():
        return False
    try:
        table = read_text_csv(path.with_suffix(".csv"), needs=["model", "sha256"])
    except TableError:
        return False
    return bool(((table["model"] == model) & (table["sha256"] == sha256)).any())
