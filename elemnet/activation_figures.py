"""Figure 3.6 from its saved CSV; nothing here touches a model."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy.cluster.hierarchy import fcluster, linkage

from common.canvas import PAPER_COLOUR, colour_of, new_panels, save_png

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")  # there are more groups than colours
FORMULAS_PER_LINE = 5

# In points of 1/72 inch, as text is measured.
FONT_SIZE = 8
CHARACTER_WIDTH, LINE_HEIGHT = 5.6, 10.0
MARKER_WIDTH = 6.0


def principal_components(folder: Path) -> list[Path]:
    """Figure 3.6: principal components, a panel for each layer, a picture for each set.

    Every point carries its formula, and the colour and marker of its group; points that coincide share a label.

    Args:
        folder: Holds ``fig_3_6_components.csv``; the pictures go there too.
    """
    table = pd.read_csv(folder / "fig_3_6_components.csv", keep_default_na=False)
    return [_picture(rows, folder / f"fig_3_6.{name}.png") for name, rows in table.groupby("set", sort=False)]


def _picture(table: pd.DataFrame, path: Path) -> Path:
    layers = table["layer"].unique()
    styles = {label: (colour_of(i), MARKERS[i % len(MARKERS)]) for i, label in enumerate(table["label"].unique())}
    figure, panels = new_panels([f"Layer {layer}" for layer in layers], size=(5.0 * len(layers), 5.4))
    for axes, layer in zip(panels, layers, strict=True):
        rows = table[table["layer"] == layer]
        for label, (colour, marker) in styles.items():
            of_label = rows[rows["label"] == label]
            points = of_label["component_1"], of_label["component_2"]
            axes.scatter(*points, s=MARKER_WIDTH**2, c=colour, marker=marker, linewidths=0)
        first, second = rows[["variance_share_1", "variance_share_2"]].iloc[0]
        axes.set(xlim=(-0.06, 1.06), xlabel=f"Principal component 1 ({first:.1%} of variance)")
        axes.set(ylim=(-0.06, 1.06), ylabel=f"Principal component 2 ({second:.1%} of variance)")
    handles = [
        Line2D([], [], marker=marker, linestyle="", color=colour, label=label)
        for label, (colour, marker) in styles.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(styles), frameon=False, handletextpad=0.1)
    figure.draw_without_rendering()  # gives the panels their size, which the labels have to fit
    for axes, layer in zip(panels, layers, strict=True):
        rows = table[table["layer"] == layer]
        _write_formulas(axes, rows.assign(colour=[styles[label][0] for label in rows["label"]]))
    return save_png(figure, path)


def _write_formulas(axes: Axes, rows: pd.DataFrame) -> None:
    """Write each formula beside its point, with a thread to it where the nearest free place is not beside it."""
    panel = axes.get_window_extent()
    size = np.array([panel.width, panel.height]) * 72 / axes.figure.dpi
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    points = (rows[["component_1", "component_2"]].to_numpy() - low) / (high - low) * size
    clusters = fcluster(linkage(points, "single"), MARKER_WIDTH, "distance")
    # The shortest label first: a long one hardly finds a place beside its points anyway.
    groups = sorted((np.flatnonzero(clusters == number) for number in np.unique(clusters)), key=len)
    anchors = np.stack([points[group].mean(axis=0) for group in groups])
    texts = [_label(rows.iloc[group]) for group in groups]
    sizes = np.array([_size_of(text) for text in texts])
    for group, anchor, text, place, extent in zip(
        groups, anchors, texts, _places(anchors, sizes, points, size), sizes, strict=True
    ):
        gap = np.maximum(np.abs(place - anchor) - extent / 2, 0)
        colours = rows["colour"].iloc[group].unique()
        axes.annotate(
            text,
            anchor / size * (high - low) + low,
            xytext=place - anchor,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=FONT_SIZE,
            color=colours[0] if len(colours) == 1 else PAPER_COLOUR,
            arrowprops={"arrowstyle": "-", "color": PAPER_COLOUR, "linewidth": 0.5} if np.hypot(*gap) > 10 else None,
        )


def _label(rows: pd.DataFrame) -> str:
    """The formulas, those of a group together, in lines."""
    formulas = [formula for _, of_label in rows.groupby("label", sort=False) for formula in of_label["formula"]]
    starts = range(0, len(formulas), FORMULAS_PER_LINE)
    return "\n".join(" ".join(formulas[start : start + FORMULAS_PER_LINE]) for start in starts)


def _size_of(text: str) -> tuple[float, float]:
    lines = text.split("\n")
    return CHARACTER_WIDTH * max(map(len, lines)) + 2, LINE_HEIGHT * len(lines)


def _places(anchors: np.ndarray, sizes: np.ndarray, points: np.ndarray, panel: np.ndarray) -> np.ndarray:
    """Centres of labels: for each the nearest place, on circles round its anchor, that is free of points and labels.

    Args:
        anchors: ``(n, 2)`` what the labels belong to.
        sizes: ``(n, 2)`` width and height of the labels.
        points: ``(num_points, 2)`` that no label may hide.
        panel: ``(2,)`` width and height of the panel, which no label may leave.
    """
    angles = np.radians([0, 90, 270, 180, 45, 315, 135, 225])
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1).round(6)
    circles = np.concatenate([radius * directions for radius in range(6, 120, 6)])
    places = np.empty((0, 2))
    for anchor, size in zip(anchors, sizes, strict=True):
        candidates = anchor + circles + np.sign(circles) * size / 2  # (num_candidates, 2)
        to_points = np.abs(candidates[:, None] - points)  # (num_candidates, num_points, 2)
        to_labels = np.abs(candidates[:, None] - places)
        hits = (to_points < (size + MARKER_WIDTH) / 2).all(axis=2).any(axis=1)
        hits |= (to_labels < (size + sizes[: len(places)]) / 2).all(axis=2).any(axis=1)
        hits |= ((candidates < size / 2) | (candidates > panel - size / 2)).any(axis=1)
        places = np.vstack([places, candidates[np.argmin(hits)]])  # the first of all, where none is free
    return places
