"""Figures of chapter 3 from saved CSV files; nothing here touches a model."""

from pathlib import Path

import pandas as pd

from common import plotting

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
