"""Training of OMNet: a master pattern in, a network with its card and its errors on the test orientations out."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from common import artifacts, backend, provenance
from common.training import TrainingResult, fit
from common.training_config import TrainingConfig
from omnet import data
from omnet.augmentation import training_model
from omnet.config import PAPER_NETWORK, OMNetConfig
from omnet.disorientation import disorientation_deg, mean_disorientation_error_deg
from omnet.losses import make_loss
from omnet.master_pattern import MasterPattern, load_master_pattern
from omnet.model import build_omnet
from omnet.predict import Predictor
from omnet.simulator import Simulator

LIMITS = (
    "Answers for one phase, one detector geometry and one pattern size, those of the card; a projection centre that "
    "is off by 0.01 turns the answers by about 0.9 degrees. Trained on simulated patterns; real ones need their "
    "background removed. Refine the answers where tenths of a degree matter."
)
CITATION = "Jha et al., Microsc. Microanal. 24, 497-502 (2018), doi:10.1017/S1431927618015131"


@dataclass(frozen=True)
class OMNetResult:
    """What a training hands back.

    Attributes:
        predictor: The trained network, ready for patterns.
        training: Learning curve, with the validation's ``validation_mde_deg``, and times.
        test_deg: ``(1000,)`` disorientations on clean patterns of ``data.test_quaternions``, degrees.
        card: The model card.
    """

    predictor: Predictor
    training: TrainingResult
    test_deg: np.ndarray
    card: dict


def run(
    config: OMNetConfig,
    folder: Path | str | None = None,
    *,
    master: MasterPattern | None = None,
    start: Predictor | None = None,
    progress: bool = True,
) -> OMNetResult:
    """Train OMNet, from random weights or on from a trained network.

    The same call on the same ``folder`` goes on where a killed one stopped, and ends with the same weights.

    Args:
        config: Recipe, head, loss, geometry and augmentation.
        folder: Keeps checkpoint, learning curve and the finished ``model.keras`` with its card; ``None`` keeps nothing.
        master: The phase; the bundled nickel where none is given.
        start: A network to go on from: fine-tuning to another geometry or to degraded patterns (section 8.2.6).
        progress: Show a bar, or one line a validation where there is no terminal.

    Raises:
        CollapsedTrainingError, DivergedTrainingError, CheckpointMismatchError: See ``common.training``.
        ValueError: If ``start`` is of another design.
    """
    loss = make_loss(
        config.loss,
        config.head,
        output_weight=config.output_weight,
        disorientation_weight=config.disorientation_weight,
    )
    folder = None if folder is None else Path(folder)
    settings = config.training
    master = load_master_pattern() if master is None else master
    simulator = Simulator(master, config.detector)
    backend.make_deterministic(settings.seed)
    made_with = provenance.collect_provenance()  # of the code that starts, whatever the checkout becomes meanwhile
    network, strategy = backend.build_for(settings, lambda: build_omnet(config))
    if start is not None:
        _copy_weights(start, network, config)
    train, validation = data.training_rows(config), data.validation_rows(config)
    # The fingerprint has the settings of the training, without those that may change between a kill and a new start.
    design = dataclasses.replace(config, training=TrainingConfig())
    training = fit(
        training_model(network, simulator, config.augmentation, settings.seed),
        (train.x, train.y),
        (validation.x, validation.y),
        settings,
        loss=loss,
        metrics={"validation_mde_deg": lambda true, predicted: _mde_deg(true, predicted, config.head)},
        folder=folder,
        identity=f"{design} {master.content_hash()} {start and start.weights_hash()}",
        strategy=strategy,
        progress=progress,
    )
    card = _card(config, network, master, training, len(train), len(validation), made_with)
    if start is not None:
        came = {key: start.card[key] for key in ("recipe", "protocol", "detector", "metrics")}
        card["started_from"] = came | {"weights_sha256": start.weights_hash()}
    predictor = Predictor(network, card)
    test = data.test_quaternions()
    test_deg = disorientation_deg(test, predictor.predict(simulator.simulate(test))[0])
    card["metrics"]["test"] = errors_report(test_deg)
    if folder is not None:
        artifacts.save(folder / "model.keras", network, card)
    return OMNetResult(predictor, training, test_deg, card)


def _mde_deg(true: np.ndarray, predicted: np.ndarray, head: str) -> float:
    return mean_disorientation_error_deg(data.orientations(true, head)[0], data.orientations(predicted, head)[0])


def errors_report(disorientations_deg: np.ndarray) -> dict[str, float | int]:
    """Mean, median, 95th percentile, largest and number of disorientations, degrees."""
    return {
        "mean_deg": float(disorientations_deg.mean()),
        "median_deg": float(np.median(disorientations_deg)),
        "p95_deg": float(np.quantile(disorientations_deg, 0.95)),
        "max_deg": float(disorientations_deg.max()),
        "n": len(disorientations_deg),
    }


def _copy_weights(start: Predictor, network: keras.Model, config: OMNetConfig) -> None:
    shapes = [weight.shape for weight in start.model.get_weights()]
    expected = [tuple(weight.shape) for weight in network.weights]
    if start.head != config.head or shapes != expected:
        raise ValueError(
            f"Expected a start of the same design, {config.network} with head {config.head!r} and hidden units "
            f"{config.hidden_units}; received one of {start.card['architecture']} with head {start.head!r}."
        )
    network.set_weights(start.model.get_weights())


def _card(
    config: OMNetConfig,
    network: keras.Model,
    master: MasterPattern,
    training: TrainingResult,
    rows_train: int,
    rows_validation: int,
    made_with: provenance.Provenance,
) -> dict:
    at_best = training.history[f"validation_{config.training.monitor}"].idxmin()
    curve = training.history[["epoch", "step", "train_loss", "validation_mde_deg"]].round(5)
    is_paper = config.network == PAPER_NETWORK
    return {
        "name": "OMNet",
        "architecture": PAPER_NETWORK if is_paper else f"{config.network} {'-'.join(map(str, config.hidden_units))}",
        "parameters": network.count_params(),
        "head": config.head,
        "loss": config.loss,
        "elements": [master.phase],
        "detector": dataclasses.asdict(config.detector),
        "target": "orientation",
        "unit": "unit quaternion, sample to crystal",
        "recipe": config.recipe,
        "protocol": config.protocol,
        "local_mean_px": config.local_mean_px,
        "augmentation": dataclasses.asdict(config.augmentation),
        "training": dataclasses.asdict(config.training) | {"loss": config.loss},
        "training_seconds": round(training.seconds, 1),
        "data": {
            "name": f"simulated: {master.phase}, {master.energy_kev:g} kV",
            "source": Path(master.source).name,
            "rows_train": rows_train,
            "rows_validation": rows_validation,
            "rows_test": data.NUM_TEST,
        },
        "metrics": {
            "validation_mde_deg": float(training.history["validation_mde_deg"][at_best]),
            "best_epoch": training.best_epoch,
        },
        "learning_curve": curve.to_dict("list"),
        "limits": LIMITS,
        "citation": CITATION,
        "made_with": dataclasses.asdict(made_with),
    }
