"""Fine-tuning: a trained network continued on a target, its own data and learning rate; or, beside it, from scratch."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from common import artifacts, backend, networks, provenance, splits, uncertainty
from common.composition import encode
from common.difficulty import Answered
from common.files import write_csv_atomic
from common.readers import TARGET, LoadedDataset
from common.rows import Rows
from common.training import TrainingResult, fit
from irnet import outputs
from irnet.model import fold_target_scaling
from irnet.predict import Predictor
from transfer.config import FineTuneConfig
from transfer.data import Parts, TargetData, cut, load
from transfer.model import start_network
from transfer.network import ELEMNET, load_network, path_of
from transfer.seen import seen_by

CITATION = "Jha et al., Nat. Commun. 10, 5316 (2019), doi:10.1038/s41467-019-13297-w"
LIMITS = (
    "Answers for materials like the rows it was fine-tuned on, in the terms of that data set (such as enthalpies at "
    "298 K from experiment); errors grow for elements that are rare there."
)

NOT_INHERITED = ("fine_tuned_from", "fine_tuned", "uncertainty")  # of the source's card: true of its weights alone


@dataclass(frozen=True)
class Continued:
    """A network after its training.

    Attributes:
        network: The trained network with its card; its inputs are the source's.
        training: Learning curve and times, errors in the unit of the target (of probabilities for classes).
    """

    network: Predictor
    training: TrainingResult


def fine_tune(
    source: Predictor,
    train: Rows,
    validation: Rows,
    config: FineTuneConfig,
    *,
    target: str | None = None,
    folder: Path | None = None,
    progress: bool = False,
) -> Continued:
    """Train a network of the source's architecture on the rows of a target.

    Args:
        source: The trained network; stays as it is.
        train: ``x`` ``(n, num_inputs)`` in the inputs of the source, ``y`` ``(n,)``.
        validation: The same; decides on the best weights.
        config: Start, frozen layers, head, and the training.
        target: Name of the target; ``None`` for that of the source.
        folder: Keeps the checkpoint and the learning curve, as in ``common.training.fit``.
        progress: Show a bar, or one line an epoch where there is no terminal.

    Raises:
        ArchitectureError, ValueError: See ``transfer.model.start_network``; also if rows are missing or not finite.
        CollapsedTrainingError, DivergedTrainingError, CheckpointMismatchError: See ``common.training``.
    """
    settings = outputs.with_loss(config.training, config.num_classes)
    backend.make_deterministic(settings.seed)
    model, strategy = backend.build_for(settings, lambda: start_network(source.model, config))
    made_with = provenance.collect_provenance()
    y_train, y_validation = (outputs.as_outputs(part.y, config.num_classes) for part in (train, validation))
    center, scale = _target_scaling(config, y_train)
    low, high = _input_range(source, train.x, config)
    training = fit(
        model,
        (train.x, (y_train - center) / scale),
        (np.clip(validation.x, low, high), (y_validation - center) / scale),
        settings,
        folder=folder,
        identity=f"{config.with_training(checkpoint_seconds=0.0)} {source.weights_hash()}",
        strategy=strategy,
        progress=progress,
    )
    if config.new_head and not config.num_classes:
        fold_target_scaling(model, center, scale)
        training = outputs.in_units(training, scale, settings.loss)
    config = dataclasses.replace(config, training=settings)
    card = _card(source, model, config, training, target or source.targets[0], train, made_with)
    if "input_range" in source.card:
        card["input_range"] = [low.tolist(), high.tolist()]
    return Continued(Predictor(model, card), training)


def _target_scaling(config: FineTuneConfig, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the targets, for a fresh head; an old one knows its units. ``(1,)`` each."""
    if config.num_classes or not config.new_head:
        return np.zeros(1), np.ones(1)
    if np.ptp(y) == 0:
        raise ValueError(f"Expected targets that vary; received {float(y[0, 0]):g} in all training rows.")
    return y.mean(axis=0), y.std(axis=0)


def _input_range(source: Predictor, x: np.ndarray, config: FineTuneConfig) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest inputs that the weights have learned from; beyond them counts as the end of the range."""
    if "input_range" not in source.card:
        return np.array(-np.inf), np.array(np.inf)
    low, high = x.min(axis=0), x.max(axis=0)
    if config.start == "source":
        before = np.asarray(source.card["input_range"], x.dtype)
        low, high = np.minimum(low, before[0]), np.maximum(high, before[1])
    return low, high


def _card(
    source: Predictor,
    model: keras.Model,
    config: FineTuneConfig,
    training: TrainingResult,
    target: str,
    train: Rows,
    made_with: provenance.Provenance,
) -> dict:
    name = source.card["name"]
    curve = training.history[["epoch", "train_loss", "validation_mae"]].round(5)
    changes = {
        "name": f"{name}, fine-tuned" if config.start == "source" else f"{name}, from scratch",
        "dropout_rates": [layer.rate for layer in networks.dropout_layers(model)],
        "input_elements": list(source.input_elements),
        "elements": list(source.elements),
        "target": target,
        "targets": [target],
        "num_classes": config.num_classes,
        "unit": "as the column's name says",
        "recipe": config.recipe,
        "protocol": config.protocol,
        "training": dataclasses.asdict(config.training),
        "training_seconds": round(training.seconds, 1),
        "data": {"rows_train": len(train)},
        "metrics": {"best_validation": training.best_validation, "best_epoch": training.best_epoch},
        "learning_curve": curve.to_dict("list"),
        "limits": LIMITS,
        "citation": CITATION,
        "made_with": dataclasses.asdict(made_with),
    }
    if config.start == "source":
        changes["fine_tuned_from"] = {
            "name": name,
            "protocol": source.card.get("protocol"),
            "weights_sha256": source.weights_hash(),
            "frozen_up_to": config.frozen_up_to,
            "freeze_batch_norm": config.freeze_batch_norm,
            "new_head": config.new_head or bool(config.num_classes),
        }
    else:  # it knows no more than its own rows
        fractions = encode(train.frame["formula"], source.elements).fractions  # (n, num_elements)
        changes["elements"] = np.asarray(source.elements)[(fractions > 0).any(axis=0)].tolist()
    before = {key: value for key, value in source.card.items() if key not in NOT_INHERITED}
    return before | changes


@dataclass(frozen=True)
class FineTuneResult:
    """What ``run`` hands back.

    Attributes:
        network: The trained network with its card.
        training: Learning curve and times.
        data: The rows of the target.
        predictions: A row for each test row: ``formula``, ``true``, ``predicted``, ``source`` (what the source says as
            it came; NaN for another property), ``seen_by_source``. For two and more classes ``predicted`` is the
            probability of class 1, or the class.
        report: Of the test rows: ``"all"``, and, where it is known what the source has seen, ``"unseen_by_source"``;
            each as ``irnet.outputs.report`` of the target.
    """

    network: Predictor
    training: TrainingResult
    data: TargetData
    predictions: pd.DataFrame
    report: dict[str, dict]


def run(
    config: FineTuneConfig,
    data: str,
    folder: Path | str | None = None,
    *,
    source: Path | str = ELEMNET,
    target: str = TARGET,
    loaded: LoadedDataset | None = None,
    progress: bool = True,
) -> FineTuneResult:
    """Fine-tune a named network or a file on a data set, and score it once on the test rows.

    The same call on the same ``folder`` goes on where a killed one stopped.

    Args:
        config: Start, frozen layers, head, protocol and training.
        data: Name in the dataset registry, or a path to a table with ``formula`` and the target.
        folder: Keeps checkpoint, learning curve, split, predictions and the finished ``model.keras`` with its card;
            ``None`` keeps nothing.
        source: As in ``transfer.network.load_network``.
        loaded: The table, where it is at hand already.
        target: Column to predict; another one than the source's gets a new head, as do classes.
        progress: Show a bar, or one line an epoch where there is no terminal.

    Raises:
        ArtifactError: See ``load_network``.
        DataUnavailableError, CorruptDataError: See ``common.datasets``.
        ValueError and others: See ``transfer.data.load`` and ``fine_tune``.
    """
    folder = None if folder is None else Path(folder)
    network = load_network(source)
    if folder is not None and (folder / "model.keras").resolve() == path_of(source).resolve():
        raise ValueError(f"Expected a folder other than that of the source; {folder} would lose its model.keras.")
    if (network.targets, network.num_classes) != ((target,), config.num_classes):
        config = dataclasses.replace(config, new_head=True)
    start_network(network.model, config)  # what does not fit is said before the data are read
    rows = load(
        network,
        data,
        target=target,
        num_classes=config.num_classes,
        unknown_elements=config.unknown_elements,
        seen=seen_by(source),
        loaded=loaded,
    )
    parts = cut(rows, rows.split, config)
    done = fine_tune(network, parts.train, parts.validation, config, target=target, folder=folder, progress=progress)
    predicted = done.network.predict_attributes(parts.test.x)
    seen = None if rows.seen is None else rows.seen[parts.test_rows]
    report = {"all": outputs.report(parts.test.y, predicted, (target,), config.num_classes)[target]}
    if seen is not None and not seen.all():
        of_unseen = outputs.report(parts.test.y[~seen], predicted[~seen], (target,), config.num_classes)
        report["unseen_by_source"] = of_unseen[target]
    predictions = pd.DataFrame(
        {
            "formula": parts.test.frame["formula"].to_numpy(),
            "true": parts.test.y,
            "predicted": single_answers(predicted),
            "source": _answers_of_source(network, parts.test.x, target, config.num_classes),
            "seen_by_source": pd.NA if seen is None else seen,
        }
    )
    card = done.network.card
    card["metrics"]["test"] = report
    card["data"] = {
        "name": rows.loaded.name,
        "tier": rows.loaded.tier,
        "files": rows.loaded.files,
        "rows_train": len(parts.train),
        "rows_validation": len(parts.validation),
        "rows_test": len(parts.test),
        "left_out": rows.counts | parts.counts,
    }
    if "fine_tuned_from" in card:
        card["fine_tuned_from"]["path"] = str(path_of(source).resolve())
    if config.protocol == "honest" and not config.num_classes:  # else the validation rows are the test rows
        card["uncertainty"] = _measured_uncertainty(done.network, parts, rows.loaded.name, predicted)
    if folder is not None:  # only now: a folder that holds another run stays as it is
        ids = {"train": parts.train, "validation": parts.validation, "test": parts.test}
        splits.save_ids(folder / "split.json", {name: part.frame["formula"].tolist() for name, part in ids.items()})
        write_csv_atomic(folder / "test_predictions.csv", predictions)
        artifacts.save(folder / "model.keras", done.network.model, card)
    return FineTuneResult(done.network, done.training, rows, predictions, report)


def _measured_uncertainty(network: Predictor, parts: Parts, data: str, test_predictions: np.ndarray) -> dict:
    """Calibration of intervals on the validation rows, and their coverage of the test rows, for the model card."""
    predicted = network.predict_attributes(parts.validation.x)
    validation, test = (
        Answered.of_formulas(part.y, answers[:, 0], part.frame["formula"], network.elements)
        for part, answers in ((parts.validation, predicted), (parts.test, test_predictions))
    )
    train_fractions = encode(parts.train.frame["formula"], network.elements).fractions
    return {network.targets[0]: uncertainty.entry_of(data, train_fractions, validation, test)}


def single_answers(values: np.ndarray) -> np.ndarray:
    """``(n,)`` of ``(n, num_outputs)``: values, probabilities of class 1, or the likeliest of several classes."""
    return values[:, 0] if values.shape[1] == 1 else values.argmax(axis=1)


def _answers_of_source(source: Predictor, x: np.ndarray, target: str, num_classes: int) -> np.ndarray | float:
    """What the source says of the target as it came; NaN where that is another property."""
    if target not in source.targets or source.num_classes != num_classes:
        return np.nan
    answers = source.predict_attributes(x)
    return single_answers(answers) if num_classes else answers[:, source.targets.index(target)]
