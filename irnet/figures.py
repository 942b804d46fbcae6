"""Figures of chapter 4 from saved CSV files; nothing here touches a model."""

from pathlib import Path

import numpy as np
import pandas as pd

from common import plotting
from irnet.config import KINDS


def validation_curves(folder: Path, unit: str) -> list[Path]:
    """Figure 4.2: validation error against epoch, a picture for each data set and depth, from ``fig_4_2_curves.csv``.

    A network that could not be trained keeps its place in the legend, so that a kind has the same colour throughout.
    """
    table = pd.read_csv(folder / "fig_4_2_curves.csv")
    table[["kind", "depth"]] = table["variant"].str.split(", ", expand=True)  # "IRNet", "17 layers"
    paths = []
    for (data, depth), part in table.groupby(["data", "depth"], sort=False):
        curves = part.pivot(index="epoch", columns="kind", values="validation_mae")
        curves = curves.reindex(columns=list(KINDS.values()))
        paths.append(
            plotting.metric_against(
                curves.index,
                {name: curves[name] for name in curves},
                folder / f"fig_4_2.{data}.{depth.replace(' ', '_')}.png",
                "Epoch",
                f"Validation MAE ({unit})",
                log_y=True,
                title=f"Validation error, {data}, {depth}",
            )
        )
    return paths


def error_against_depth(folder: Path, unit: str, paper: dict[str, dict[str, float]]) -> list[Path]:
    """Figure 4.3: test error against depth, from ``table_4_2_networks.csv``.

    Args:
        folder: Of the results.
        unit: Of the errors.
        paper: The paper's errors by number of layers and kind, drawn where the depths are the same.
    """
    table = pd.read_csv(folder / "table_4_2_networks.csv")
    paths = []
    for data, part in table.groupby("data", sort=False):
        errors, low, high = (
            part.pivot(index="layers", columns="kind", values=column).reindex(columns=list(KINDS)).rename(columns=KINDS)
            for column in ("test_mae", "interval_low", "interval_high")
        )
        theirs = {
            name: np.array([paper.get(str(layers), {}).get(kind, np.nan) for layers in errors.index])
            for kind, name in KINDS.items()
        }
        paths.append(
            plotting.metric_against(
                errors.index,
                {name: errors[name] for name in errors},
                folder / f"fig_4_3.{data}.png",
                "Layers, output included",
                f"Test MAE ({unit})",
                paper=theirs,
                intervals={name: (low[name], high[name]) for name in errors},
                title=f"Error against depth, {data} (paper: OQMD)",
            )
        )
    return paths


def parity_and_cdf(folder: Path, unit: str) -> list[Path]:
    """Figures 4.4 and 4.5: parity and error distribution, from ``fig_4_5_predictions.csv.gz``."""
    table = pd.read_csv(folder / "fig_4_5_predictions.csv.gz", keep_default_na=False)
    paths = []
    for data, part in table.groupby("data", sort=False):
        models = list(part["model"].unique())
        errors = {}
        for number, model in enumerate(models, start=1):
            rows = part[part["model"] == model]
            errors[model] = (rows["true"] - rows["predicted"]).to_numpy()
            paths.append(
                plotting.parity(
                    rows["true"],
                    rows["predicted"],
                    folder / f"fig_4_4.{data}.{number}.png",
                    label="Formation energy",
                    unit=unit,
                    title=f"{model}, {data}",
                )
            )
        paths.append(
            plotting.error_cdf(errors, folder / f"fig_4_5.{data}.png", unit=unit, title=f"Test errors, {data}")
        )
    return paths


def error_against_size(folder: Path, unit: str) -> Path:
    """Figure 2 of the 2021 paper: test error against number of training rows, from ``srep2021_fig_2_sizes.csv``."""
    table = pd.read_csv(folder / "srep2021_fig_2_sizes.csv")
    errors = table.pivot(index="rows_train", columns="model", values="test_mae")
    low = table.pivot(index="rows_train", columns="model", values="interval_low")
    high = table.pivot(index="rows_train", columns="model", values="interval_high")
    models = list(table["model"].unique())
    return plotting.metric_against(
        errors.index,
        {model: errors[model] for model in models},
        folder / "srep2021_fig_2.png",
        "Training rows",
        f"Test MAE ({unit})",
        intervals={model: (low[model], high[model]) for model in models},
        log_x=True,
        log_y=True,
        title="Error against size of the training set",
    )


def fine_tuning(folder: Path, unit: str) -> Path:
    """SIPFENN's figure 3.9: error on a small system against new points, from ``sipfenn_fig_3_9_rounds.csv``."""
    table = pd.read_csv(folder / "sipfenn_fig_3_9_rounds.csv")
    by_number = table.groupby("num_points")["test_mae"]
    middle, low, high = by_number.median(), by_number.quantile(0.25), by_number.quantile(0.75)
    return plotting.metric_against(
        middle.index,
        {"fine-tuned, median and quartiles of the draws": middle},
        folder / "sipfenn_fig_3_9.png",
        "New points of the system",
        f"MAE on the rest of the system ({unit})",
        intervals={"fine-tuned, median and quartiles of the draws": (low, high)},
        title="Fine-tuning to a small system",
    )
