"""Training of ElemNet: rows in, a model with its card and its errors on the test rows out."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common import artifacts, backend, metrics, provenance, splits, uncertainty
from common.difficulty import Answered
from common.training import TrainingResult, fit
from elemnet import data as elemnet_data
from elemnet.config import TARGET, ElemNetConfig
from elemnet.model import build_elemnet
from elemnet.predict import Predictor

LIMITS = (
    "Answers for the lowest-enthalpy ordered compound of a composition, at 0 K and as computed by DFT; it cannot tell "
    "polymorphs apart. Errors grow for elements and chemistries rare in the training rows. Composition models rank "
    "formation enthalpy well and stability against decomposition less well (Bartel et al. 2020, "
    "doi:10.1038/s41524-020-00362-y)."
)
CITATION = "Jha et al., Sci. Rep. 8, 17593 (2018), doi:10.1038/s41598-018-35934-y"


@dataclass(frozen=True)
class ElemNetResult:
    """What a training hands back.

    Attributes:
        predictor: The trained network, ready for formulas.
        data: The rows it was trained, validated and tested on.
        training: Learning curve and times.
        test_predictions: ``(n_test,)`` eV/atom, dropout off, in the order of ``data.test``.
        test_report: ``metrics.regression_report`` on the test rows.
        card: The model card.
    """

    predictor: Predictor
    data: elemnet_data.ElemNetData
    training: TrainingResult
    test_predictions: np.ndarray
    test_report: dict
    card: dict


def run(
    config: ElemNetConfig,
    folder: Path | str | None = None,
    *,
    data: elemnet_data.ElemNetData | None = None,
    progress: bool = True,
) -> ElemNetResult:
    """Train ElemNet.

    The same call on the same ``folder`` goes on where a killed one stopped, and ends with the same weights.

    Args:
        config: Recipe, data and protocol.
        folder: Keeps checkpoint, learning curve, split and the finished ``model.keras`` with its card; ``None`` keeps
            nothing.
        data: Rows prepared already by ``elemnet.data.load`` for this config.
        progress: Show a bar, or one line an epoch where there is no terminal.

    Raises:
        CollapsedTrainingError, DivergedTrainingError, CheckpointMismatchError: See ``common.training``.
        DataUnavailableError, CorruptDataError: See ``common.datasets``.
    """
    folder = None if folder is None else Path(folder)
    settings = config.training
    data = data if data is not None else elemnet_data.load(config)
    backend.make_deterministic(settings.seed)
    model, strategy = backend.build_for(settings, lambda: build_elemnet(config, len(data.elements)))
    made_with = provenance.collect_provenance()  # of the code that starts, whatever the checkout becomes meanwhile
    training = fit(
        model,
        (data.train.x, data.train.y),
        (data.validation.x, data.validation.y),
        settings,
        folder=folder,
        identity=f"{config.architecture} {config.dropout_rates} {config.kernel_initializer} {config.protocol}",
        strategy=strategy,
        progress=progress,
    )
    card = _card(config, data, training, made_with)
    predictor = Predictor(model, card)
    predicted = predictor.predict_fractions(data.test.x)
    report = metrics.regression_report(data.test.y, predicted)
    card["metrics"]["test"] = report
    if config.protocol == "honest":  # else the validation rows are the test rows
        card["uncertainty"] = measured_uncertainty(predictor, data, predicted)
    if folder is not None:  # only now: a folder that holds another run stays as it is
        splits.save_ids(folder / "split.json", _split_ids(data))
        artifacts.save(folder / "model.keras", model, card)
    return ElemNetResult(predictor, data, training, predicted, report, card)


def measured_uncertainty(predictor: Predictor, data: elemnet_data.ElemNetData, test_predictions: np.ndarray) -> dict:
    """Calibration of intervals on the validation rows, and their coverage of the test rows, for the model card.

    Args:
        predictor: The trained network.
        data: Its rows, of protocol ``honest``.
        test_predictions: ``(n_test,)``.

    Returns:
        ``uncertainty.entry_of`` by target.
    """
    predicted = predictor.predict_fractions(data.validation.x)
    validation = Answered(data.validation.y, predicted, data.validation.x)
    test = Answered(data.test.y, test_predictions, data.test.x)
    return {TARGET: uncertainty.entry_of(data.loaded.name, data.train.x, validation, test)}


def _split_ids(data: elemnet_data.ElemNetData) -> dict[str, list]:
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    return {name: rows.frame["formula"].tolist() for name, rows in parts.items()}


def _card(
    config: ElemNetConfig,
    data: elemnet_data.ElemNetData,
    training: TrainingResult,
    made_with: provenance.Provenance,
) -> dict:
    curve = training.history[["epoch", "train_loss", "validation_mae"]].round(5)
    return {
        "name": "ElemNet",
        "architecture": config.architecture,
        "dropout_rates": list(config.dropout_rates),
        "elements": list(data.elements),
        "target": TARGET,
        "unit": "eV/atom",
        "recipe": config.recipe,
        "protocol": config.protocol,
        "training": dataclasses.asdict(config.training),
        "training_seconds": round(training.seconds, 1),
        "data": {
            "name": data.loaded.name,
            "tier": data.loaded.tier,
            "files": data.loaded.files,
            "rows_train": len(data.train),
            "rows_validation": len(data.validation),
            "rows_test": len(data.test),
            "left_out": data.counts,
        },
        "metrics": {"validation_mae": training.best_validation, "best_epoch": training.best_epoch},
        "learning_curve": curve.to_dict("list"),
        "limits": LIMITS,
        "citation": CITATION,
        "made_with": dataclasses.asdict(made_with),
    }
