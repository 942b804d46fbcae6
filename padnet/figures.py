"""Figures of chapter 7 from saved CSV files; nothing here touches a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from common import canvas

UNIT = "%"
_CLASS_COLOURS = ListedColormap([*canvas.PALETTE, "#F0E442", "#000000", "#999999"])  # nine phase sets at most
_MARKERS = ("o", "s", "^", "D", "v", "P")


def images(folder: Path, name: str, titles: dict[str, str]) -> Path:
    """Images side by side on a square root scale, each from ``NAME_KEY.csv.gz``; figures 7.1 and 7.4.

    Args:
        folder: Of the CSV files and the picture ``NAME.png``.
        name: Of the picture.
        titles: Title of each image by its key.
    """
    figure, panels = canvas.new_panels(list(titles.values()), size=(3.1 * len(titles), 3.5))
    for axes, key in zip(panels, titles, strict=True):
        image = pd.read_csv(folder / f"{name}_{key}.csv.gz").to_numpy()
        low, high = np.quantile(image, [0.01, 0.995])  # a few bright spots would leave the rest dark
        shown = np.sqrt(np.clip(image, low, high) - low)
        axes.imshow(shown, cmap="viridis", extent=(0, 1, 1, 0), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
    return canvas.save_png(figure, folder / f"{name}.png")


def patterns(folder: Path, name: str, title: str) -> Path:
    """1D patterns one above the other, from ``NAME.csv``: ``two_theta_deg`` and a column for each; figure 7.2."""
    table = pd.read_csv(folder / f"{name}.csv")
    two_theta_deg = table.pop("two_theta_deg")
    figure, axes = canvas.new_axes(title, size=(7.0, 0.55 * table.shape[1] + 1.4))
    for place, (label, column) in enumerate(table.items()):
        shown = (column - column.min()) / max(np.ptp(column), 1e-12)
        axes.plot(two_theta_deg, shown - place, color=canvas.colour_of(place), linewidth=0.9)
        axes.annotate(str(label), (1.01, 0.15 - place), xycoords=("axes fraction", "data"), fontsize=7)
    axes.set(xlabel="2theta (degrees)", yticks=[])
    return canvas.save_png(figure, folder / f"{name}.png")


def background_matrix(folder: Path, name: str, title: str) -> Path:
    """Accuracy by background of training and of test images, a panel for each kind of filters.

    From ``NAME_accuracies.csv``: ``filters``, ``trained_on``, ``tested_on``, ``accuracy``, ``sd``; figures 7.6 and 7.7.
    """
    table = pd.read_csv(folder / f"{name}_accuracies.csv")
    by_filters = dict(list(table.groupby("filters", sort=False)))
    backgrounds = list(dict.fromkeys(table["tested_on"]))
    figure, panels = canvas.new_panels(list(by_filters), size=(4.2 * len(by_filters), 4.1))
    figure.suptitle(title, fontsize=12)
    low, high = table["accuracy"].min(), table["accuracy"].max()
    for axes, rows in zip(panels, by_filters.values(), strict=True):
        cells, spread = (
            rows.pivot(index="trained_on", columns="tested_on", values=column).reindex(backgrounds)[backgrounds]
            for column in ("accuracy", "sd")
        )
        axes.imshow(cells, cmap="cividis", vmin=low, vmax=high, aspect="auto")
        for (row, column), value in np.ndenumerate(cells.to_numpy()):
            if np.isnan(value):  # its trainings failed
                continue
            colour = "white" if value < (low + high) / 2 else "black"
            text = f"{value:.1f}\n+- {spread.to_numpy()[row, column]:.1f}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
        axes.set_xticks(range(cells.shape[1]), list(cells.columns))
        axes.set_yticks(range(cells.shape[0]), list(cells.index))
        axes.set(xlabel="Test images", ylabel="Training images")
        axes.grid(visible=False)
    return canvas.save_png(figure, folder / f"{name}.png")


def accuracies(folder: Path, name: str, title: str) -> Path:
    """Accuracies with their intervals: a panel for each data set, a line for each method, a mark for each series.

    From ``NAME_accuracies.csv``: ``data``, ``method``, ``series``, ``accuracy``, ``low``, ``high``, all in percent.
    """
    table = pd.read_csv(folder / f"{name}_accuracies.csv")
    by_data = dict(list(table.groupby("data", sort=False)))
    methods, series = list(dict.fromkeys(table["method"])), list(dict.fromkeys(table["series"]))
    size = (3.2 + 3.2 * len(by_data), 0.42 * len(methods) + 1.6)
    figure, panels = canvas.new_panels([f"{title}: {data}" for data in by_data], size)
    for axes, rows in zip(panels, by_data.values(), strict=True):
        for number, one in enumerate(series):
            _marks(axes, rows[rows["series"] == one], methods, number, len(series), one)
        axes.set_xlabel(f"Accuracy ({UNIT})")
    panels[0].set_yticks(range(len(methods)), methods)
    panels[0].set_ylim(len(methods) - 0.5, -0.5)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=len(series), frameon=False)
    return canvas.save_png(figure, folder / f"{name}.png")


def _marks(axes: Axes, rows: pd.DataFrame, methods: list[str], number: int, num_series: int, label: str) -> None:
    places = rows["method"].map(methods.index) + 0.5 * ((number + 0.5) / num_series - 0.5)
    bars = np.maximum(0, [rows["accuracy"] - rows["low"], rows["high"] - rows["accuracy"]])
    marker = _MARKERS[number % len(_MARKERS)]
    colour = canvas.colour_of(number)
    axes.errorbar(rows["accuracy"], places, xerr=bars, fmt=marker, color=colour, markersize=5, capsize=2, label=label)


def wafer_map(folder: Path, name: str, title: str) -> Path:
    """Labels, predictions and errors on the wafer, from ``NAME_samples.csv``.

    Columns: ``x_mm``, ``y_mm``, ``label`` and one of predicted classes for each further panel, -1 where not tested.
    """
    table = pd.read_csv(folder / f"{name}_samples.csv")
    predictions = [column for column in table if column.startswith("predicted, ")]
    titles = [f"{title}: labels", *(column.removeprefix("predicted, ") for column in predictions)]
    figure, panels = canvas.new_panels(titles, size=(4.0 * len(titles), 4.2))
    for axes, column in zip(panels, ["label", *predictions], strict=True):
        tested = table[table[column] >= 0]
        axes.scatter(
            tested["x_mm"], tested["y_mm"], c=tested[column], cmap=_CLASS_COLOURS, vmin=-0.5, vmax=8.5, s=70, marker="s"
        )
        wrong = tested[tested[column] != tested["label"]]
        axes.scatter(wrong["x_mm"], wrong["y_mm"], marker="x", color="white", s=70, linewidths=3)
        axes.scatter(wrong["x_mm"], wrong["y_mm"], marker="x", color="black", s=50, linewidths=1.3)
        axes.set(aspect="equal", xlabel="x (mm)")
    panels[0].set_ylabel("y (mm)")
    return canvas.save_png(figure, folder / f"{name}.png")
