"""A trained network continued on a small new system, and what each new point is worth.

SIPFENN's networks are made for it: on a system whose few energies are known, some twenty of them halve the error.

Reference:
    A. M. Krajewski, J. W. Siegel, J. Xu, Z.-K. Liu, Comput. Mater. Sci. 208, 111254 (2022),
    doi:10.1016/j.commatsci.2022.111254
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm import tqdm

from common import backend, networks, splits
from common.training import fit
from common.training_config import TrainingConfig
from irnet.predict import Predictor
from irnet.system import System


def fine_tune(
    predictor: Predictor,
    x: np.ndarray,
    y: np.ndarray,
    *,
    learning_rate_ratio: float = 0.1,
    epochs: int = 40,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    elements: Iterable[str] = (),
    folder: Path | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Predictor:
    """Continue the training of a network on a small new system, at a fraction of its learning rate.

    All weights move. A new system has too few rows for statistics of a batch, so batch norms stay as they are.

    Args:
        predictor: The trained network; stays as it is.
        x: ``(n, num_inputs)`` raw attributes of the new rows.
        y: ``(n,)`` or ``(n, num_outputs)`` targets in their units.
        learning_rate_ratio: Share of the learning rate in the model card; its optimiser and schedule are kept.
        epochs: Passes over the new rows; each is one step unless there are more rows than the card's batch size.
        validation: Inputs and targets that choose the best pass; ``None`` takes the weights of the last.
        elements: Symbols in the new rows, which the network then answers for too.
        folder: As in ``common.training.fit``.
        seed: Seed of data order and dropout.
        progress: Show a bar, or one line an epoch where there is no terminal.

    Returns:
        The continued network, with a card that says what it was continued on.

    Raises:
        ValueError: If the network is a classifier, its card lacks the training, or rows are missing or not finite.
        CollapsedTrainingError, DivergedTrainingError, CheckpointMismatchError: See ``common.training``.

    Reference:
        Section 3.5 and figure 3.9 of doi:10.1016/j.commatsci.2022.111254
    """
    if predictor.num_classes:
        raise ValueError(f"Expected a regression model; received a classifier of {predictor.num_classes} classes.")
    settings = _continued(predictor.card, len(x), learning_rate_ratio, epochs, seed, validation is not None)
    backend.make_deterministic(seed)
    model = keras.models.clone_model(predictor.model)
    model.set_weights(predictor.model.get_weights())
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False  # also has it use the moving averages
    for number, layer in enumerate(networks.dropout_layers(model)):
        layer.seed_generator.state.assign([seed, number])
    result = fit(
        model,
        (x, y),
        validation or (x, y),
        settings,
        folder=folder,
        identity="" if folder is None else predictor.weights_hash(),
        progress=progress,
    )
    card = predictor.card
    continued = {
        "from": card["name"],
        "rows": len(x),
        "epochs": epochs,
        "learning_rate": settings.learning_rate,
        "metrics_before": card["metrics"],
    }
    metrics = {} if validation is None else {"validation_mae": result.best_validation}
    all_elements = list(dict.fromkeys([*predictor.elements, *elements]))
    changes = {"fine_tuned": continued, "metrics": metrics, "elements": all_elements}
    if "input_range" in card:
        low, high = np.asarray(card["input_range"])
        changes["input_range"] = [np.minimum(low, np.min(x, 0)).tolist(), np.maximum(high, np.max(x, 0)).tolist()]
    calibrated_before = {"uncertainty"}  # for other weights and other rows; here are too few to do it anew
    kept = {key: value for key, value in card.items() if key not in calibrated_before}
    return Predictor(model, kept | changes)


def _continued(card: dict, num_rows: int, ratio: float, epochs: int, seed: int, has_validation: bool) -> TrainingConfig:
    """The training of a card, shortened and slowed down."""
    try:
        trained = TrainingConfig(**card["training"])
    except TypeError as error:
        raise ValueError(f"Expected the settings of a training in the model card; received others ({error}).") from None
    return replace(
        trained,
        learning_rate=trained.learning_rate * ratio,
        warmup_epochs=min(trained.warmup_epochs, epochs / 4),
        batch_size=min(trained.batch_size, max(1, num_rows)),
        max_epochs=epochs,
        patience_epochs=None,
        patience_steps=None,
        validate_every_steps=None,
        dropout_free_epochs=0,
        restore_best=has_validation,
        seed=seed,
        mirrored=False,
    )


@dataclass(frozen=True)
class TunedPredictor:
    """A network continued on part of a system, scored on the rest of it.

    Attributes:
        predictor: The continued network.
        num_new: Rows it was continued on.
        num_held_out: Rows it was scored on.
        mae_before: Mean absolute error on those before, over all targets; NaN without such rows.
        mae_after: The same after.
    """

    predictor: Predictor
    num_new: int
    num_held_out: int
    mae_before: float
    mae_after: float


def fine_tune_on_system(
    predictor: Predictor,
    system: System,
    *,
    held_out: float = 0.2,
    learning_rate_ratio: float = 0.1,
    epochs: int = 40,
    seed: int = 0,
    progress: bool = False,
) -> TunedPredictor:
    """Continue the training of a network on part of a new system, and see on the rest what that was worth.

    Args:
        predictor: The trained network; stays as it is.
        system: The new system, in the inputs and targets of the network.
        held_out: Share of its rows to score on, drawn at random; 0 continues on all of them.
        learning_rate_ratio: As in ``fine_tune``.
        epochs: As in ``fine_tune``.
        seed: Seed of the rows held out, data order and dropout.
        progress: As in ``fine_tune``.

    Raises:
        ValueError, CollapsedTrainingError, DivergedTrainingError: See ``fine_tune``.
    """
    new, rest = np.arange(len(system)), np.arange(0)
    if held_out > 0:
        new, rest = splits.hold_out(len(system), held_out, seed)
    continued = fine_tune(
        predictor,
        system.x[new],
        system.y[new],
        learning_rate_ratio=learning_rate_ratio,
        epochs=epochs,
        elements=system.elements(new),
        seed=seed,
        progress=progress,
    )
    before, after = (
        float(np.abs(network.predict_attributes(system.x[rest]) - system.y[rest]).mean()) if len(rest) else np.nan
        for network in (predictor, continued)
    )
    return TunedPredictor(continued, len(new), len(rest), before, after)


def new_points_study(
    predictor: Predictor,
    x: np.ndarray,
    y: np.ndarray,
    *,
    numbers: Sequence[int] = (0, 5, 10, 20, 40, 80),
    rounds: int = 5,
    learning_rate_ratio: float = 0.1,
    epochs: int = 40,
    seed: int = 0,
    progress: bool = False,
) -> pd.DataFrame:
    """The error on a new system against the number of its points that the network was fine-tuned on.

    Every round shuffles the system anew. Within a round the larger numbers contain the smaller, and all are scored on
    the same rows: those beyond the largest number.

    Args:
        predictor: The trained network; stays as it is.
        x: ``(n, num_inputs)`` raw attributes of the system.
        y: ``(n,)`` or ``(n, num_outputs)`` targets.
        numbers: Numbers of new points, below n; 0 is the network as it came.
        rounds: Draws of new points.
        learning_rate_ratio: As in ``fine_tune``.
        epochs: As in ``fine_tune``.
        seed: Seed of the draws and trainings.
        progress: Show a bar on a terminal.

    Returns:
        A row for each round and number: ``num_points``, ``round``, ``test_mae`` in the unit of the target,
        ``num_test``.

    Raises:
        ValueError: If a number leaves no row to score on.
    """
    if not numbers or min(numbers) < 0 or max(numbers) >= len(x):
        raise ValueError(f"Expected numbers of new points from 0 to below the {len(x)} rows; received {list(numbers)}.")
    y = np.asarray(y, np.float64).reshape(len(x), -1)
    tasks = [(round_number, number) for round_number in range(rounds) for number in numbers]
    table = []
    for round_number, number in tqdm(tasks, desc="new points", disable=None if progress else True):
        order = np.random.default_rng((seed, round_number)).permutation(len(x))
        new, held_out = order[:number], order[max(numbers) :]
        continued = predictor
        if number:
            continued = fine_tune(
                predictor,
                x[new],
                y[new],
                learning_rate_ratio=learning_rate_ratio,
                epochs=epochs,
                seed=seed + round_number,
            )
        mae = float(np.abs(continued.predict_attributes(x[held_out]) - y[held_out]).mean())
        table.append({"num_points": number, "round": round_number, "test_mae": mae, "num_test": len(held_out)})
    return pd.DataFrame(table)
