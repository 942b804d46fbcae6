"""Pictures of results, from plain arrays and saved tables; nothing here touches a model.

Every function takes numbers and a path and writes one PNG, whole or not at all. How they look is in `common.canvas`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike

from common.canvas import PALETTE, PAPER_COLOUR, colour_of, new_axes, plain_log_ticks, save_png, style_of, with_unit
from common.metrics import absolute_error_quantile, mean_absolute_error

DENSITY_ABOVE = 5_000

_MARKERS = ("o", "s", "^", "D", "v", "P")
_LOG_DECADES = 1.5


def parity(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    path: str | os.PathLike[str],
    *,
    label: str,
    unit: str,
    title: str = "",
) -> Path:
    """Draw prediction against truth, with the diagonal; the corner gives MAE and number of rows.

    Above `DENSITY_ABOVE` rows, points would hide one another: the density is drawn instead.

    Args:
        y_true: True values, shape (n,).
        y_pred: Predicted values, shape (n,).
        path: PNG to write.
        label: What is predicted: "Formation energy".
        unit: Its unit: "eV/atom".
        title: Heading; none by default.

    Raises:
        ValueError: Shapes differ, no rows, or a value that is not finite.
    """
    true, pred = np.asarray(y_true, dtype=float), np.asarray(y_pred, dtype=float)
    mae = mean_absolute_error(true, pred)  # also checks the pair
    figure, axes = new_axes(title, size=(5.4, 4.8))
    low, high = min(true.min(), pred.min()), max(true.max(), pred.max())
    margin = 0.03 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    if true.size > DENSITY_ABOVE:
        cells = axes.hexbin(
            true, pred, gridsize=70, bins="log", mincnt=1, cmap="cividis", linewidths=0.1, extent=limits * 2
        )
        figure.colorbar(cells, ax=axes, label="Rows per cell", shrink=0.85)
    else:
        axes.scatter(true, pred, s=14, color=PALETTE[0], alpha=0.45, linewidths=0)
    axes.plot(limits, limits, color=PALETTE[1], linewidth=1.2, linestyle="--", zorder=3)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.set(xlabel=with_unit(f"{label}, true", unit), ylabel=with_unit(f"{label}, predicted", unit))
    axes.text(
        0.04,
        0.96,
        f"MAE {mae:.3g} {unit}\nn = {true.size:,}",
        transform=axes.transAxes,
        va="top",
        bbox={"facecolor": "white", "edgecolor": "#CCCCCC", "boxstyle": "round", "alpha": 0.9},
    )
    return save_png(figure, path)


def error_cdf(
    errors_by_name: Mapping[str, ArrayLike],
    path: str | os.PathLike[str],
    *,
    unit: str,
    mark: float = 0.9,
    title: str = "",
) -> Path:
    """Draw, for each model, the share of rows whose absolute error does not exceed a value.

    Args:
        errors_by_name: Model name -> errors of its test rows, shape (n,); the sign does not matter.
        path: PNG to write.
        unit: Unit of the errors.
        mark: Share of rows to mark on each curve, in [0, 1]; the legend gives the error there.
        title: Heading; none by default.

    Raises:
        ValueError: No models, no rows, a value that is not finite, or `mark` outside [0, 1].

    Reference:
        Thesis Fig. 3.4 and Fig. 4.5.
    """
    _check_some(errors_by_name, "errors_by_name")
    figure, axes = new_axes(title)
    marks, ends = [], []
    for i, (name, errors) in enumerate(errors_by_name.items()):
        absolute = np.sort(np.abs(np.asarray(errors, dtype=float)))
        marks.append(absolute_error_quantile(absolute, np.zeros_like(absolute), mark))
        ends.append(float(np.quantile(absolute, 0.99)))
        share = np.arange(1, absolute.size + 1) / absolute.size
        colour = colour_of(i)
        legend = f"{name}: {mark:.0%} within {marks[-1]:.3g} {unit}"
        axes.plot(absolute, share, color=colour, linestyle=style_of(i), linewidth=1.8, label=legend)
        axes.plot([marks[-1]], [mark], marker="o", color=colour, markersize=6, zorder=4)
    axes.axhline(mark, color=PAPER_COLOUR, linewidth=0.8, linestyle=":")
    # The last percent reaches far to the right and would squeeze all the rest to the left edge.
    axes.set(xlim=(0, max(*ends, *marks) or 1), ylim=(0, 1.01))
    axes.set(xlabel=with_unit("Absolute error", unit), ylabel="Share of test rows")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    axes.legend(loc="lower right")
    return save_png(figure, path)


def learning_curve(
    history: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    metric: str = "loss",
    label: str = "Loss",
    unit: str = "",
    title: str = "",
) -> Path:
    """Draw a metric on training and validation rows against the epoch, and mark the best validation epoch.

    The vertical axis is logarithmic where the values, all positive, span more than one and a half decades.

    Args:
        history: One row per epoch; columns `metric`, `val_<metric>` if there was validation, and `epoch` if the first
            is not 1.
        path: PNG to write.
        metric: Column to draw.
        label: Its name in words: "MAE".
        unit: Its unit.
        title: Heading; none by default.

    Raises:
        ValueError: The column is missing, or there is no epoch.
    """
    if metric not in history.columns or history.empty:
        raise ValueError(
            f"expected a history with column {metric!r} and at least one epoch, received {len(history)} "
            f"epoch(s) with columns {list(history.columns)}"
        )
    epochs = history["epoch"].to_numpy() if "epoch" in history.columns else np.arange(1, len(history) + 1)
    figure, axes = new_axes(title)
    columns = [(metric, "Training")] + [(f"val_{metric}", "Validation")] * (f"val_{metric}" in history.columns)
    for i, (column, name) in enumerate(columns):
        values = history[column].to_numpy(dtype=float)
        marker = "o" if len(values) == 1 else ""
        if name == "Validation" and np.isfinite(values).any():
            best = int(np.nanargmin(values))
            name += f" (best {values[best]:.3g} at epoch {epochs[best]:g})"
            axes.plot([epochs[best]], [values[best]], marker="o", color=colour_of(i), markersize=6, zorder=4)
        axes.plot(epochs, values, color=colour_of(i), linestyle=style_of(i), linewidth=1.6, marker=marker, label=name)
    drawn = history[[column for column, _ in columns]].to_numpy(dtype=float)
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size and drawn.min() > 0 and np.log10(drawn.max() / drawn.min()) > _LOG_DECADES:
        plain_log_ticks(axes, "y")
    axes.set(xlabel="Epoch", ylabel=with_unit(label, unit))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return save_png(figure, path)


def metric_against(
    x: ArrayLike,
    series: Mapping[str, ArrayLike],
    path: str | os.PathLike[str],
    xlabel: str,
    ylabel: str,
    paper: Mapping[str, ArrayLike] | None = None,
    *,
    intervals: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    title: str = "",
) -> Path:
    """Draw a metric of several models against depth, number of training rows or the like.

    Args:
        x: Places, shape (n,).
        series: Name -> values, shape (n,); NaN leaves a gap.
        path: PNG to write.
        xlabel: Horizontal label, with its unit.
        ylabel: Vertical label, with its unit.
        paper: Name -> the paper's values: shape (n,), or one number, drawn as a level line. A name that is also in
            `series` takes its colour.
        intervals: Name -> (low, high), each of shape (n,): error bars for that series.
        log_x: Whether the horizontal axis is logarithmic.
        log_y: Whether the vertical axis is logarithmic.
        title: Heading; none by default.

    Raises:
        ValueError: No series, one whose length is not that of `x`, or intervals of an unknown series.
    """
    _check_some(series, "series")
    places = np.asarray(x, dtype=float)
    intervals = intervals or {}
    if unknown := set(intervals) - set(series):
        raise ValueError(f"expected intervals of the series {list(series)}, received also {sorted(unknown)}")
    figure, axes = new_axes(title)
    colours = {name: colour_of(i) for i, name in enumerate(series)}
    for i, (name, given) in enumerate(series.items()):
        values = _same_length(given, places, name)
        bars = None
        if name in intervals:
            low, high = (_same_length(end, places, f"interval of {name}") for end in intervals[name])
            # A percentile interval need not hold the point estimate; error bars cannot be negative.
            bars = np.maximum(0, [values - low, high - values])
        axes.errorbar(
            places,
            values,
            yerr=bars,
            color=colours[name],
            linestyle=style_of(i),
            marker=_MARKERS[i % len(_MARKERS)],
            markersize=5,
            linewidth=1.6,
            capsize=3,
            label=name,
        )
    for name, given in (paper or {}).items():
        colour, legend = colours.get(name, PAPER_COLOUR), f"{name} (paper)"
        if np.ndim(given) == 0:
            axes.axhline(float(np.asarray(given)), color=colour, linewidth=1.2, linestyle=":", label=legend)
        else:
            values = _same_length(given, places, legend)
            axes.plot(places, values, color=colour, linewidth=1.2, linestyle=":", marker="x", label=legend)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if log_x:
        plain_log_ticks(axes, "x")
    if log_y:
        plain_log_ticks(axes, "y")
    # Error bars would come after plain lines; our series belong first.
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: labels[i].endswith("(paper)"))
    axes.legend([handles[i] for i in order], [labels[i] for i in order], framealpha=0.9)
    return save_png(figure, path)


def bars_beside_paper(
    names: Sequence[str],
    ours: ArrayLike,
    paper: Sequence[float | None],
    path: str | os.PathLike[str],
    ylabel: str,
    *,
    intervals: tuple[ArrayLike, ArrayLike] | None = None,
    title: str = "",
) -> Path:
    """Draw our figure and the paper's as a pair of bars for each name. Bars lie flat, so long names stay readable.

    Args:
        names: What was measured, n names, from top to bottom.
        ours: Our figures, shape (n,).
        paper: The paper's figures, n of them; None where it gives none.
        path: PNG to write.
        ylabel: What the bars measure, with its unit.
        intervals: (low, high) of our figures, each of shape (n,).
        title: Heading; none by default.

    Raises:
        ValueError: No names, or another number of figures than of names.
    """
    _check_some(names, "names")
    places = np.arange(len(names), dtype=float)
    values = _same_length(ours, places, "ours")
    theirs = _same_length([np.nan if value is None else value for value in paper], places, "paper")
    figure, axes = new_axes(title, size=(6.8, 1.5 + 0.62 * len(names)))
    bars = None
    if intervals is not None:
        low, high = (_same_length(end, places, "intervals") for end in intervals)
        bars = np.maximum(0, [values - low, high - values])
    height = 0.38
    axes.barh(
        places - height / 2,
        values,
        height,
        xerr=bars,
        color=PALETTE[0],
        label="Ours",
        error_kw={"capsize": 3, "linewidth": 1},
    )
    axes.barh(
        places + height / 2,
        np.nan_to_num(theirs),
        height,
        color="white",
        edgecolor=PAPER_COLOUR,
        hatch="////",
        label="Paper",
    )
    ends = values if bars is None else values + bars[1]
    for shift, figures, tips in ((-height / 2, values, ends), (height / 2, theirs, theirs)):
        for place, value, tip in zip(places, figures, tips, strict=True):
            text, tip = (f"{value:.3g}", max(tip, 0)) if np.isfinite(value) else ("not given", 0)
            axes.annotate(
                text, (tip, place + shift), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
            )
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.margins(x=0.14)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(ylabel)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower right", ncols=2, frameon=False)
    return save_png(figure, path)


def _check_some(values: Mapping[str, ArrayLike] | Sequence[str], name: str) -> None:
    if len(values) == 0:
        raise ValueError(f"expected at least one entry in {name}, received none")


def _same_length(values: ArrayLike, places: np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.shape != places.shape:
        raise ValueError(f"expected {name} of shape {places.shape}, received {array.shape}")
    return array
