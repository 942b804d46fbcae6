"""Networks and classical models of chapter 4 on the same rows, and the hold-out by prototype."""

import dataclasses
import time

import numpy as np

from common import classical_search, metrics
from common.readers import LoadedDataset
from common.scored import Scored
from irnet.data import IRNetData
from irnet.train import IRNetResult


def network(name: str, result: IRNetResult, note: str = "") -> Scored:
    """A trained regression network with one output, on its test rows."""
    x = result.data.test.x
    result.predictor.predict_attributes(x[:1])  # compilation is not prediction
    started = time.perf_counter()
    result.predictor.predict_attributes(x)
    seconds = time.perf_counter() - started
    epochs = f"best epoch {result.training.best_epoch} of {int(result.training.history['epoch'].iloc[-1])}"
    return Scored(
        name,
        result.data.test.y,
        result.test_predictions.astype(float),
        len(result.data.train),
        result.training.seconds,
        seconds,
        f"{epochs}; {note}".rstrip("; "),
        result.validation_mae,
    )


def classical_models(
    data: IRNetData,
    names: tuple[str, ...] | None = None,
    *,
    grid: str = "cpu",
    seed: int = 0,
    num_processes: int | None = None,
    progress: bool = False,
) -> list[Scored]:
    """The ten scikit-learn models, each with the point of its grid that has the lowest validation error.

    Args:
        data: Rows as the networks have them.
        names: Of ``common.classical.MODELS``; ``None`` for all ten.
        grid: ``"cpu"`` or ``"paper"``.
        seed: Seed of the models.
        num_processes: Fits at a time; ``None`` for one on each core.
        progress: Show a bar.

    Returns:
        Those that could be fitted, best validation error first.

    Raises:
        ValueError: If none could be.
    """
    found = classical_search.search_all(
        data.train.x,
        data.train.y,
        data.validation.x,
        data.validation.y,
        data.test.x,
        names=names,
        grid=grid,
        seed=seed,
        num_processes=num_processes,
        progress=progress,
    )
    scored = [
        Scored(
            row.name,
            data.test.y,
            row.test_predictions,
            row.rows_train,
            row.seconds,
            note="; ".join(filter(None, [_as_text(row.params), row.note])),
            validation_mae=row.validation_mae,
        )
        for row in found
        if row.ok
    ]
    if not scored:
        raise ValueError(f"None of the classical models could be fitted: {'; '.join(row.note for row in found)}")
    return sorted(scored, key=lambda model: model.validation_mae or 0.0)


def always_the_median(data: IRNetData) -> Scored:
    """The best constant: what an error means where most values are equal, as with band gaps."""
    median = np.full(len(data.test), np.median(data.train.y))
    return Scored("always the median", data.test.y, median, len(data.train), None)


def paired_difference(first: Scored, second: Scored) -> tuple[float, float, float]:
    """How much lower the first model's error is, row by row on the same test rows.

    Rows that are hard are hard for both, so this tells two models apart where their own intervals overlap.

    Returns:
        MAE of the second less that of the first, and its 95 % bootstrap interval, in the unit of the target.

    Raises:
        ValueError: If the models were not scored on the same rows.
    """
    if not np.array_equal(first.y_true, second.y_true):
        raise ValueError(f"Expected the same test rows; {first.name} and {second.name} have others.")
    errors = [np.abs(model.y_true - model.y_pred) for model in (first, second)]
    low, high = metrics.bootstrap_interval(lambda ours, theirs: float(np.subtract(theirs, ours).mean()), *errors)
    return second.mae - first.mae, low, high


def hold_out_prototypes(loaded: LoadedDataset, prototypes: tuple[str, ...]) -> LoadedDataset:
    """The same table with all structures of the prototypes as its test rows (table 4.5).

    A composition that also crystallises otherwise may stay in training: the question is what a model makes of a
    structure type that it never saw.

    Args:
        loaded: Its frame has a column ``prototype``.
        prototypes: Names in that column.

    Raises:
        ValueError: If no row has one of the prototypes.
    """
    frame = loaded.frame.copy()
    is_held_out = frame["prototype"].isin(prototypes).to_numpy()
    if not is_held_out.any():
        raise ValueError(f"Expected structures of {', '.join(prototypes)} in {loaded.name}; there are none.")
    frame["split"] = np.where(is_held_out, "test", np.where(frame["split"] == "test", "train", frame["split"]))
    return dataclasses.replace(loaded, frame=frame)


def set_aside_prototype(loaded: LoadedDataset, prototype: str) -> LoadedDataset:
    """The same table with all structures of a prototype in no split: a new system, to be fine-tuned to.

    Args:
        loaded: Its frame has a column ``prototype``.
        prototype: Name in that column.
    """
    frame = loaded.frame.copy()
    frame["split"] = np.where(frame["prototype"] == prototype, "set aside", frame["split"])
    return dataclasses.replace(loaded, frame=frame)


def _as_text(params: dict) -> str:
    return ", ".join(f"{name}={value}" for name, value in params.items())
