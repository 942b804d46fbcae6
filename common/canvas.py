"""How every picture of the project looks, and how it is saved.

Figures are made as objects, never through pyplot, so no global state is left behind and worker processes without a
display can draw. Colours are Okabe and Ito's, which readers with colour-blindness can tell apart; line styles differ
too, for print without colour.

Reference:
    M. Okabe, K. Ito, Color Universal Design (2008).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from common.files import atomic_path

DPI = 150
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
PAPER_COLOUR = "#4D4D4D"
LINE_STYLES = ("-", "--", "-.", ":")


def new_axes(title: str = "", size: tuple[float, float] = (6.0, 4.2)) -> tuple[Figure, Axes]:
    """Return a figure of `size` inches and its one set of axes, in the project's style."""
    figure, (axes,) = new_panels([title], size)
    return figure, axes


def new_panels(titles: Sequence[str], size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Return a figure of `size` inches and axes side by side with the same limits, one for each title."""
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(1, len(titles), sharex=True, sharey=True, squeeze=False)[0])
    for axes, title in zip(panels, titles, strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(visible=True, color="#E6E6E6", linewidth=0.7)
        axes.set_axisbelow(True)
        if title:
            axes.set_title(title, fontsize=11)
    return figure, panels


def save_png(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write `figure` to `path` as PNG at `DPI`, whole or not at all; the same numbers give the same bytes."""
    with atomic_path(path) as temporary:
        # The version stamp would change the bytes with every release of matplotlib.
        figure.savefig(temporary, dpi=DPI, format="png", metadata={"Software": None})
    return Path(path)


def colour_of(i: int) -> str:
    """Return the colour of series number `i`."""
    return PALETTE[i % len(PALETTE)]


def style_of(i: int) -> str:
    """Return the line style of series number `i`."""
    return LINE_STYLES[i % len(LINE_STYLES)]


def with_unit(label: str, unit: str) -> str:
    """Return "label (unit)", or the label alone for a pure number."""
    return f"{label} ({unit})" if unit else label


def plain_log_ticks(axes: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic with ticks written 0.05 and 20,000, not as powers of ten."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axes.get_xlim() if which == "x" else axes.get_ylim())
    axis.set_major_locator(LogLocator(subs=(1.0,) if high > 100 * low else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
