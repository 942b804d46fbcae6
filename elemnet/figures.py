"""Figures of chapter 3 from saved CSV files; nothing here touches a model."""

from pathlib import Path

import pandas as pd

from common import canvas, plotting

UNIT = "eV/atom"


def depth(folder: Path, paper_forest_mae: float) -> Path:
    """Figure 3.2: test error against number of layers, from ``fig_3_2_depths.csv``."""
    table = pd.read_csv(folder / "fig_3_2_depths.csv")
    return plotting.metric_against(
        table["depth"],
        {"test": table["test_mae"], "validation": table["validation_mae"], "training, last epoch": table["train_mae"]},
        folder / "fig_3_2.png",
        "Layers, output included",
        f"MAE ({UNIT})",
        paper={"forest on 145 attributes": paper_forest_mae},
        title="Error against depth",
    )


def parity_and_cdf(folder: Path) -> list[Path]:
    """Figure 3.4: parity and error distribution, from ``fig_3_4_predictions.csv.gz``."""
    table = pd.read_csv(folder / "fig_3_4_predictions.csv.gz", keep_default_na=False)
    true = table["formation_energy_ev_per_atom"]
    models = {name: pd.to_numeric(table[name]) for name in table.columns[2:]}
    first = next(iter(models))
    return [
        plotting.parity(
            true, models[first], folder / "fig_3_4.parity.png", label="Formation energy", unit=UNIT, title=first
        ),
        plotting.error_cdf(
            {name: true - predicted for name, predicted in models.items()},
            folder / "fig_3_4.cdf.png",
            unit=UNIT,
            title="Distribution of test errors",
        ),
    ]


def dropout_curves(folder: Path) -> Path:
    """Validation error against epoch for each way with dropout, from ``dropout_study_curves.csv``."""
    table = pd.read_csv(folder / "dropout_study_curves.csv").pivot(
        index="epoch", columns="variant", values="validation_mae"
    )
    return plotting.metric_against(
        table.index,
        {name: table[name] for name in table},
        folder / "dropout_study.png",
        "Epoch",
        f"Validation MAE, dropout off at prediction ({UNIT})",
        title="Ways with dropout",
    )


def learning_curve(folder: Path) -> Path:
    """Training and validation error against epoch, from ``table_3_2_history.csv``."""
    table = pd.read_csv(folder / "table_3_2_history.csv")
    table = table.rename(columns={"train_loss": "mae", "validation_mae": "val_mae"})
    path = folder / "table_3_2.learning_curve.png"
    return plotting.learning_curve(table, path, metric="mae", label="MAE", unit=UNIT, title="Learning curve")


def candidate_systems(folder: Path) -> Path:
    """Table 3.3 as a picture: systems with candidates beside the paper's, from ``table_3_3_systems.csv``."""
    table = pd.read_csv(folder / "table_3_3_systems.csv")
    names = list(dict.fromkeys(table["name"]))[::-1]  # the first on top
    figure, axes = canvas.new_axes("Chemical systems with candidates", size=(8.0, 0.34 * len(names) + 1.8))
    for number, (source, rows) in enumerate(table[table["estimate"] > 0].groupby("known_phases", sort=False)):
        low, high = rows["low"].fillna(rows["estimate"]), rows["high"].fillna(rows["estimate"])
        axes.errorbar(
            rows["estimate"],
            [names.index(name) for name in rows["name"]],
            xerr=[rows["estimate"] - low, high - rows["estimate"]],
            fmt="os"[number % 2],
            color=canvas.colour_of(number),
            label=f"ours, hull of {source}",
        )
    places = [names.index(name) for name in table["name"]]
    axes.plot(table["paper"], places, "D", color=canvas.PAPER_COLOUR, fillstyle="none", label="paper")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("Systems in the whole space")
    canvas.plain_log_ticks(axes, "x")
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return canvas.save_png(figure, folder / "table_3_3.png")
