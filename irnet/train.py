"""Training of chapter 4's networks: rows in, a model with its card and its errors on the test rows out."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common import artifacts, backend, networks, provenance, splits, uncertainty
from common.composition import encode
from common.difficulty import Answered
from common.rows import Rows
from common.training import TrainingResult, fit
from irnet import data as irnet_data
from irnet import outputs, sipfenn
from irnet.config import SIPFENN_VARIANTS, IRNetConfig
from irnet.model import build_irnet, fold_target_scaling
from irnet.predict import Predictor

LIMITS = (
    "Answers for materials like the training rows of its card: elements and structure types that are rare there come "
    "with larger errors. Energies are those of DFT at 0 K."
)
CITATION = (
    "Jha et al., KDD 2019, 2385, doi:10.1145/3292500.3330703; Jha et al., Sci. Rep. 11, 4244 (2021), "
    "doi:10.1038/s41598-021-83193-1"
)


@dataclass(frozen=True)
class IRNetResult:
    """What a training hands back.

    Attributes:
        predictor: The trained network.
        data: The rows it was trained, validated and tested on.
        training: Learning curve and times; errors in the unit of a single target, of scaled targets for several.
        validation_mae: On the validation rows, in the unit of the target (mean over targets; of probabilities for
            classes).
        test_predictions: ``(n_test,)``, or ``(n_test, num_outputs)`` for several outputs, in the order of
            ``data.test``.
        test_report: By target, ``metrics.regression_report`` or ``metrics.classification_report`` on the test rows.
        card: The model card.
    """

    predictor: Predictor
    data: irnet_data.IRNetData
    training: TrainingResult
    validation_mae: float
    test_predictions: np.ndarray
    test_report: dict[str, dict]
    card: dict


def run(
    config: IRNetConfig,
    folder: Path | str | None = None,
    *,
    data: irnet_data.IRNetData | None = None,
    progress: bool = True,
) -> IRNetResult:
    """Train a network of chapter 4.

    The same call on the same ``folder`` goes on where a killed one stopped, and ends with the same weights.

    Args:
        config: Variant, data, inputs and protocol.
        folder: Keeps checkpoint, learning curve, split and the finished ``model.keras`` with its card; ``None`` keeps
            nothing.
        data: Rows prepared already by ``irnet.data.load`` for this config.
        progress: Show a bar, or one line an epoch where there is no terminal.

    Raises:
        CollapsedTrainingError, DivergedTrainingError, CheckpointMismatchError: See ``common.training``.
        DataUnavailableError, CorruptDataError: See ``common.datasets``.
    """
    folder = None if folder is None else Path(folder)
    data = data if data is not None else irnet_data.load(config, progress=progress)
    settings = outputs.with_loss(config.training, config.num_classes)
    backend.make_deterministic(settings.seed)
    input_scaling = networks.InputScaling.fit(config.input_scaling, data.train.x)
    model, strategy = backend.build_for(
        settings, lambda: build_irnet(config, len(data.labels), input_scaling=input_scaling)
    )
    made_with = provenance.collect_provenance()  # of the code that starts, whatever the checkout becomes meanwhile
    y_train, y_validation = (outputs.as_outputs(part.y, config.num_classes) for part in (data.train, data.validation))
    center, scale = _target_scaling(config, y_train)
    training = fit(
        model,
        (data.train.x, (y_train - center) / scale),
        (np.clip(data.validation.x, *_input_range(data)), (y_validation - center) / scale),
        settings,
        folder=folder,
        # what neither the settings of the training nor the shapes of the weights tell
        identity=f"{config.variant} {config.inputs} {config.input_scaling} {config.kernel_initializer} "
        f"{config.batch_norm_momentum} {config.batch_norm_gamma} {config.protocol}",
        strategy=strategy,
        progress=progress,
    )
    if config.target_scaling and not config.num_classes:
        fold_target_scaling(model, center, scale)
        training = outputs.in_units(training, scale, config.training.loss)
    predictor = Predictor(model, _card(config, data, training, made_with))
    validation_mae = float(np.abs(predictor.predict_attributes(data.validation.x) - y_validation).mean())
    predicted = predictor.predict_attributes(data.test.x)  # (n_test, num_outputs)
    report = outputs.report(data.test.y, predicted, config.targets, config.num_classes)
    predictor.card["metrics"] |= {"validation_mae": validation_mae, "test": report}
    if config.protocol == "honest" and not config.num_classes:  # else the validation rows are the test rows
        predictor.card["uncertainty"] = measured_uncertainty(predictor, data, predicted)
    if folder is not None:  # only now: a folder that holds another run stays as it is
        splits.save_ids(folder / "split.json", _split_ids(data))
        artifacts.save(folder / "model.keras", model, predictor.card)
    return IRNetResult(
        predictor,
        data,
        training,
        validation_mae,
        predicted[:, 0] if predicted.shape[1] == 1 else predicted,
        report,
        predictor.card,
    )


def measured_uncertainty(predictor: Predictor, data: irnet_data.IRNetData, test_predictions: np.ndarray) -> dict:
    """Calibration of intervals on the validation rows, and their coverage of the test rows, for the model card.

    Args:
        predictor: The trained network, of values.
        data: Its rows, of protocol ``honest``.
        test_predictions: ``(n_test, num_targets)``.

    Returns:
        ``uncertainty.entry_of`` by target.
    """
    predicted = predictor.predict_attributes(data.validation.x)
    train_fractions = encode(data.train.frame["formula"], predictor.elements).fractions

    def answered(rows: Rows, predictions: np.ndarray, number: int) -> Answered:
        y = rows.y.reshape(len(rows), -1)[:, number]
        return Answered.of_formulas(y, predictions[:, number], rows.frame["formula"], predictor.elements)

    return {
        target: uncertainty.entry_of(
            data.loaded.name,
            train_fractions,
            answered(data.validation, predicted, number),
            answered(data.test, test_predictions, number),
        )
        for number, target in enumerate(predictor.targets)
    }


def _target_scaling(config: IRNetConfig, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the training targets, or 0 and 1; ``(num_outputs,)`` each."""
    if config.num_classes or not config.target_scaling:
        return np.zeros(y.shape[1]), np.ones(y.shape[1])
    deviation = y.std(axis=0)
    if (deviation == 0).any():
        raise ValueError(
            f"Expected targets that vary; {config.targets[int(np.argmin(deviation))]!r} is constant in training rows."
        )
    return y.mean(axis=0), deviation


def _input_range(data: irnet_data.IRNetData) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value of each attribute in training rows; beyond them counts as the end of the range."""
    return data.train.x.min(axis=0), data.train.x.max(axis=0)


def _split_ids(data: irnet_data.IRNetData) -> dict[str, list]:
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    column = "structure_id" if "structure_id" in data.train.frame else "formula"
    return {name: rows.frame[column].tolist() for name, rows in parts.items()}


def _card(
    config: IRNetConfig,
    data: irnet_data.IRNetData,
    training: TrainingResult,
    made_with: provenance.Provenance,
) -> dict:
    curve = training.history[["epoch", "train_loss", "validation_mae"]].round(5)
    return {
        "name": config.variant,
        "architecture": config.variant,
        "elements": list(data.elements),
        "target": config.targets[0],
        "targets": list(config.targets),
        "num_classes": config.num_classes,
        "unit": "as the column's name says",
        "inputs": config.inputs,
        "input_range": [end.tolist() for end in _input_range(data)],
        "recipe": config.recipe,
        "protocol": config.protocol,
        "training": dataclasses.asdict(outputs.with_loss(config.training, config.num_classes)),
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
        "metrics": {"best_epoch": training.best_epoch},
        "learning_curve": curve.to_dict("list"),
        "limits": LIMITS,
        "citation": sipfenn.CITATION if config.variant in SIPFENN_VARIANTS else CITATION,
        "made_with": dataclasses.asdict(made_with),
    }
