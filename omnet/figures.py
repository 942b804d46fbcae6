"""Figures of chapter 6 from saved CSV files; nothing here touches a model."""

from pathlib import Path

import pandas as pd

from common import canvas, plotting

UNIT = "degrees"


def learning_curves(folder: Path) -> list[Path]:
    """Figure 6.4: loss and mean disorientation against the epoch for each loss, from ``fig_6_4_curves.csv``."""
    table = pd.read_csv(folder / "fig_6_4_curves.csv")
    curves = {loss: rows.set_index("epochs") for loss, rows in table.groupby("loss", sort=False)}
    epochs = max((rows.index for rows in curves.values()), key=len)
    return [
        plotting.metric_against(
            epochs,
            # A training that stopped early has a shorter curve.
            {loss: rows[column].reindex(epochs) for loss, rows in curves.items()},
            folder / f"fig_6_4.{name}.png",
            "Epoch",
            label,
            log_y=True,
            title=title,
        )
        for column, name, label, title in (
            ("train_loss", "loss", "Training loss, each in its own unit", "Loss in training"),
            ("validation_mde_deg", "mde", f"Validation MDE ({UNIT})", "Mean disorientation in training"),
        )
    ]


def disorientations(folder: Path) -> list[Path]:
    """Table 6.1: errors of the main methods on clean patterns, and their means against noise.

    From ``table_6_1_disorientations.csv.gz`` and ``table_6_1_methods.csv``.
    """
    errors = pd.read_csv(folder / "table_6_1_disorientations.csv.gz")
    methods = pd.read_csv(folder / "table_6_1_methods.csv")
    noise = methods[methods["condition"].str.match("clean|SNR")].assign(noise=lambda rows: (1 / rows["snr"]).fillna(0))
    means = noise.pivot_table(index="noise", columns="method", values="mean_deg", sort=False).dropna(axis=1)
    shown = [name for name in means if "OMNet" not in name]
    return [
        plotting.error_cdf(
            {name: errors[f"{name}, clean"] for name in shown},
            folder / "table_6_1.cdf.png",
            unit=UNIT,
            title="Disorientation on clean patterns",
        ),
        plotting.metric_against(
            means.index,
            {name: means[name] for name in shown},
            folder / "table_6_1.noise.png",
            "Standard deviation of the noise over that of the pattern",
            f"Mean disorientation ({UNIT})",
            log_y=True,
            title="Mean disorientation against noise",
        ),
    ]


def real_scan(folder: Path) -> Path:
    """The measured patterns: each one's error by each method, and the means, from ``real_scan_disorientations.csv``."""
    table = pd.read_csv(folder / "real_scan_disorientations.csv")
    size = (10.0, 0.35 * table.shape[1] + 1.2)
    figure, axes = canvas.new_axes("Nine measured patterns and their means", size=size)
    for place, name in enumerate(table):
        axes.plot(table[name], [place] * len(table), "o", color=canvas.colour_of(0), alpha=0.5, markersize=4)
        axes.plot(table[name].mean(), place, "|", color=canvas.colour_of(1), markersize=14, markeredgewidth=2)
    axes.set_yticks(range(table.shape[1]), list(table))
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel(f"From the stored reference ({UNIT})")
    return canvas.save_png(figure, folder / "real_scan.png")
