"""Figures of chapter 5 from saved tables; nothing here touches a model."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from sklearn.metrics import auc

from common import plotting
from common.canvas import PAPER_COLOUR, colour_of, new_axes, new_panels, save_png, style_of
from common.plotting import DENSITY_ABOVE

UNIT = "eV/atom"


def activation_scatter(table: pd.DataFrame, path: str | os.PathLike[str], *, title: str = "") -> Path:
    """Draw the first two principal components of activations, a panel for each network, coloured by label.

    Points are small, transparent and drawn in random order, so that no class hides another.

    Args:
        table: One row for each network and compound; columns ``network``, ``component_1`` and ``component_2`` (both
            from 0 to 1) and ``label``, as the legend writes it. Panels come in the order of the table.
        path: PNG to write.
        title: Heading of the whole; none by default.

    Raises:
        ValueError: If the table lacks a column, rows or the value of a cell.

    Reference:
        Figure 9 of doi:10.1038/s41467-019-13297-w
    """
    _check_table(table, ("component_1", "component_2"), ("network", "label"))
    networks = list(table["network"].unique())
    labels = sorted(table["label"].unique())
    colours = {label: colour_of(i) for i, label in enumerate(labels)}
    figure, panels = new_panels([str(network) for network in networks], size=(0.6 + 3.8 * len(networks), 4.6))
    for axes, network in zip(panels, networks, strict=True):
        rows = table[table["network"] == network].sample(frac=1, random_state=0)
        many = len(rows) > DENSITY_ABOVE
        axes.scatter(
            rows["component_1"],
            rows["component_2"],
            s=3 if many else 12,
            c=rows["label"].map(colours).tolist(),
            alpha=0.2 if many else 0.6,
            linewidths=0,
        )
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="Principal component 1")
    panels[0].set_ylabel("Principal component 2")
    counts = pd.crosstab(table["network"], table["label"])
    has_same_rows = (counts == counts.iloc[0]).all(axis=None)
    handles = [
        Line2D(
            [],
            [],
            marker="o",
            linestyle="",
            color=colours[label],
            label=f"{label} (n = {counts[label].iloc[0]:,})" if has_same_rows else str(label),
        )
        for label in labels
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(labels), frameon=False, handletextpad=0.1)
    if title:
        figure.suptitle(title, fontsize=12)
    return save_png(figure, path)


def roc(
    table: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    auc_intervals: Mapping[str, tuple[float, float]] | None = None,
    title: str = "",
) -> Path:
    """Draw the ROC curve of each network; the legend gives the area under it.

    Args:
        table: One row for each network and point, points in order; columns ``network``, ``false_positive_rate`` and
            ``true_positive_rate``.
        path: PNG to write.
        auc_intervals: Network -> low and high end of the interval of its area.
        title: Heading; none by default.

    Raises:
        ValueError: If the table lacks a column, rows or the value of a cell, or an interval is of a network not in it.

    Reference:
        Figure 9 of doi:10.1038/s41467-019-13297-w
    """
    _check_table(table, ("false_positive_rate", "true_positive_rate"), ("network",))
    auc_intervals = auc_intervals or {}
    curves = {str(network): points for network, points in table.groupby("network", sort=False)}
    if unknown := set(auc_intervals) - set(curves):
        raise ValueError(f"Expected intervals of the networks {', '.join(curves)}; received also {sorted(unknown)}.")
    figure, axes = new_axes(title, size=(5.2, 5.0))
    axes.plot([0, 1], [0, 1], color=PAPER_COLOUR, linewidth=0.8, linestyle=":")  # knows nothing
    for i, (network, points) in enumerate(curves.items()):
        x, y = points["false_positive_rate"].to_numpy(), points["true_positive_rate"].to_numpy()
        legend = f"{network}: AUC {auc(x, y):.3f}"
        if network in auc_intervals:
            legend += " ({:.3f} to {:.3f})".format(*auc_intervals[network])
        axes.plot(x, y, color=colour_of(i), linestyle=style_of(i), linewidth=1.8, label=legend)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.set(xlabel="False positive rate", ylabel="True positive rate")
    axes.legend(loc="lower right", framealpha=0.9)
    return save_png(figure, path)


def _check_table(table: pd.DataFrame, numbers: Sequence[str], words: Sequence[str]) -> None:
    if missing := [name for name in (*words, *numbers) if name not in table.columns]:
        raise ValueError(
            f"Expected a table with columns {', '.join((*words, *numbers))}; {', '.join(missing)} missing from "
            f"{list(table.columns)}."
        )
    if table.empty:
        raise ValueError("Expected a table with rows; received none.")
    if table[list(words)].isna().to_numpy().any():
        raise ValueError(f"Expected words in {' and '.join(words)}; received empty cells.")
    if not np.isfinite(table[list(numbers)].to_numpy(dtype=float)).all():
        raise ValueError(f"Expected finite numbers in {' and '.join(numbers)}; received NaN or infinite ones.")


def activation_pictures(folder: Path) -> list[Path]:
    """Figure 5.9: a scatter of components and the ROC curves for each property, from ``fig_5_9_*.csv``."""
    components = pd.read_csv(folder / "fig_5_9_components.csv.gz")
    curves = pd.read_csv(folder / "fig_5_9_roc.csv")
    paths = []
    for name in curves["property"].unique():
        of_property = curves[curves["property"] == name]
        ends = of_property.groupby("network")[["auc_low", "auc_high"]].first()
        intervals = {str(network): (low, high) for network, low, high in ends.itertuples()}
        points = components[components["property"] == name]
        paths.append(activation_scatter(points, folder / f"fig_5_9.components_{name}.png"))
        paths.append(roc(of_property, folder / f"fig_5_9.roc_{name}.png", auc_intervals=intervals))
    return paths


def dft_against_experiment(folder: Path, experiment: str) -> Path:
    """Figure 5.1: the distribution of differences to experiment, from ``fig_5_1_energies.csv``."""
    table = pd.read_csv(folder / "fig_5_1_energies.csv", keep_default_na=False)
    errors = {name: table[name] - table[experiment] for name in table.columns if name not in ("formula", experiment)}
    return plotting.error_cdf(errors, folder / "fig_5_1.png", unit=UNIT, title="DFT against experiment")


def error_against_share(folder: Path) -> Path:
    """Figure 5.3: error against the share of the training rows, from ``fig_5_3_shares.csv``."""
    table = pd.read_csv(folder / "fig_5_3_shares.csv")
    means = table.pivot_table(index="share", columns="network", values="mae")
    return plotting.metric_against(
        100 * means.index,
        {name: means[name] for name in means},
        folder / "fig_5_3.png",
        "Share of the experimental training rows (%)",
        f"Test MAE ({UNIT})",
        title="Error against training rows",
    )


def parity_and_cdf(
    folder: Path, figure: str, table: pd.DataFrame, names: Mapping[str, str], *, title: str
) -> list[Path]:
    """Parity of each network and the distribution of their errors.

    Args:
        folder: Where the pictures go.
        figure: Start of their names.
        table: Columns ``true`` and those of the networks.
        names: Column of each network -> what it is called.
        title: Heading.
    """
    paths = [
        plotting.parity(
            table["true"],
            table[column],
            folder / f"{figure}.parity_{number}.png",
            label="Formation enthalpy",
            unit=UNIT,
            title=f"{title}: {name}",
        )
        for number, (column, name) in enumerate(names.items(), start=1)
    ]
    errors = {name: table["true"] - table[column] for column, name in names.items()}
    return [*paths, plotting.error_cdf(errors, folder / f"{figure}.cdf.png", unit=UNIT, title=title)]
