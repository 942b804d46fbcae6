"""Pictures of errors by size, element and class, from saved CSV files; nothing here touches a model."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from common.canvas import PAPER_COLOUR, colour_of, new_axes, plain_log_ticks, save_png, style_of
from common.elements import ATOMIC_NUMBER
from common.features.elemental import PROPERTIES, PROPERTY_VALUES
from elemnet.error_analysis import KIND

UNIT = "eV/atom"
_GROUP, _PERIOD = PROPERTIES.index("Column"), PROPERTIES.index("Row")


def size_curves(folder: Path, paper_crossings: Mapping[str, float]) -> Path:
    """Figure 3.3: test error against training size, from ``fig_3_3_sizes.csv``.

    Args:
        folder: Of the CSV and the picture.
        paper_crossings: Model -> training rows above which the paper's ElemNet has the smaller error.
    """
    table = pd.read_csv(folder / "fig_3_3_sizes.csv")
    figure, axes = new_axes("Error against training size", size=(6.6, 4.6))
    colours = {}
    for i, (model, points) in enumerate(table.groupby("model", sort=False)):
        colours[model] = colour_of(i)
        axes.plot(
            points["rows_train"],
            points["test_mae"],
            color=colours[model],
            linestyle=style_of(i),
            marker="os^"[i % 3],
            markersize=5,
            linewidth=1.6,
            label=model,
        )
    for model, size in paper_crossings.items():
        axes.axvline(
            size,
            color=colours.get(model, PAPER_COLOUR),
            linewidth=1.2,
            linestyle=":",
            label=f"ElemNet ahead of {model}: above {size:,} (paper)",
        )
    axes.set(xlabel="Training rows", ylabel=f"Test MAE ({UNIT})")
    plain_log_ticks(axes, "x")
    plain_log_ticks(axes, "y")
    figure.legend(loc="outside lower center", ncols=1, frameon=False, fontsize=8)
    return save_png(figure, folder / "fig_3_3.png")


def element_map(folder: Path) -> Path:
    """Rank correlation by element on the periodic table, for the first model of ``error_analysis_elements.csv``."""
    table = pd.read_csv(folder / "error_analysis_elements.csv", keep_default_na=False)
    model = table["model"].iloc[0]
    table = table[table["model"] == model]
    figure, axes = new_axes(f"{model}: rank correlation by element", size=(9.6, 4.7))
    places = np.array([_place(symbol) for symbol in table["element"]], float)
    # of no size: it only carries the scale of colours
    shades = axes.scatter(places[:, 0], places[:, 1], c=table["spearman"], cmap="cividis", s=0)
    middle = (table["spearman"].min() + table["spearman"].max()) / 2
    for place, row in zip(places, table.itertuples(), strict=True):
        _draw_cell(axes, place, row, shades.to_rgba(row.spearman), "white" if row.spearman < middle else "black")
    axes.set(xlim=(0.4, 18.6), ylim=(9.0, 0.4), aspect="equal")
    axes.axis("off")
    figure.colorbar(shades, ax=axes, label="Spearman's rank correlation", shrink=0.7)
    axes.text(7.5, 2, "In each cell: symbol, rank correlation, test rows", fontsize=8, ha="center")
    return save_png(figure, folder / "error_analysis.elements.png")


def class_bars(folder: Path) -> Path:
    """Error of each kind of compound for each model, from ``error_analysis_classes.csv``."""
    table = pd.read_csv(folder / "error_analysis_classes.csv", keep_default_na=False)
    table = table[table["grouping"] == KIND]
    errors = table.pivot(index="name", columns="model", values="mae")[list(table["model"].unique())]
    rows = table.drop_duplicates("name").set_index("name")["rows"]
    errors = errors.sort_values(errors.columns[0])
    figure, axes = new_axes("Error by kind of compound", size=(7.2, 1.6 + 0.45 * len(errors)))
    num_models = len(errors.columns)
    places, height = np.arange(len(errors), dtype=float), 0.8 / num_models
    for i, model in enumerate(errors):
        from_below = (num_models - 1 - i) * height  # so that the first stands at the top, as in the legend
        axes.barh(places + from_below, errors[model], height, color=colour_of(i), label=model)
    axes.set_yticks(places + 0.4 - height / 2, [f"{name} ({rows[name]:,})" for name in errors.index])
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"Test MAE ({UNIT}); number of test rows in brackets")
    axes.legend(loc="lower right")
    return save_png(figure, folder / "error_analysis.classes.png")


def _place(symbol: str) -> tuple[float, float]:
    """Column and row of an element in the periodic table of 18 columns, the f block below it."""
    number = ATOMIC_NUMBER[symbol]
    for first, row in ((57, 7.4), (89, 8.4)):  # La to Yb, Ac to No
        if first <= number < first + 14:
            return number - first + 3, row
    return PROPERTY_VALUES[number - 1, _GROUP], PROPERTY_VALUES[number - 1, _PERIOD]


def _draw_cell(axes: Axes, place: np.ndarray, row, colour, text_colour: str) -> None:
    x, y = place
    axes.add_patch(Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, facecolor=colour))
    for drop, text, size in ((-0.22, row.element, 8), (0.08, f"{row.spearman:.2f}", 6.5), (0.32, f"{row.rows:,}", 5)):
        axes.text(x, y + drop, text, fontsize=size, ha="center", va="center", color=text_colour)
