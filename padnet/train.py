"""Training of PADNet: a data set and row numbers in, a classifier of raw frames with its card out."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import layers, ops

from common import artifacts, backend, provenance
from common.networks import InputScaling
from common.training import CollapsedTrainingError, TrainingResult, fit
from common.training_config import TrainingConfig
from padnet.config import PADNetConfig
from padnet.data import XrdDataset
from padnet.evaluation import accuracy
from padnet.inputs import StoredInputs, columns_of, network_inputs
from padnet.model import build_padnet, fit_components, with_probabilities
from padnet.predict import Predictor

LIMITS = (
    "Answers for frames of the detector and geometry that it was trained on, for the phase regions of its card. "
    "Neighbours on a wafer are alike: an accuracy says something only beside those of composition and position alone."
)
CITATION = (
    "Jha et al., IJCNN 2019, doi:10.1109/IJCNN.2019.8852096; chapter 7 of D. Jha, Deep Learning Methodologies for "
    "Scientific Knowledge Discovery, Northwestern (2020)"
)
TRAINED_FILTERS_CPU_PX = 512  # correlating takes memory with the fourth power of the size: 0.15 GB an image here
CURVE = ["epoch", "step", "train_loss", "validation_loss", "validation_accuracy"]
COLLAPSED = "collapsed"


@dataclass(frozen=True)
class PADNetResult:
    """What a training hands back.

    Attributes:
        predictor: The trained network, ready for raw frames.
        training: Learning curve, with ``validation_accuracy``, and times. In modes ``"paper"`` and
            ``"released"`` it may have stopped as ``"collapsed"``: one answer for all samples, and no curve.
        card: The model card.
    """

    predictor: Predictor
    training: TrainingResult
    card: dict


def run(
    dataset: XrdDataset,
    train_rows: np.ndarray,
    validation_rows: np.ndarray,
    config: PADNetConfig,
    folder: Path | str | None = None,
    *,
    features: np.ndarray | None = None,
    progress: bool = True,
) -> PADNetResult:
    """Train PADNet on some rows of a data set.

    The same call on the same ``folder`` goes on where a killed one stopped, and ends with the same weights.

    Args:
        dataset: Frames, compositions, places, labels.
        train_rows: Rows to train on; columns are standardised by these alone.
        validation_rows: Rows that choose the weights. Where the recipe chooses nothing, having neither patience nor
            best weights, they are trained on as well, but in protocol ``"paper"``, where they are the test rows.
        config: Recipe, size and inputs.
        folder: Keeps checkpoint, learning curve and the finished ``model.keras`` with its card; ``None`` keeps nothing.
        features: ``inputs.peak_area_features(dataset, config)``, if there are any already.
        progress: Show a bar, or one line an epoch where there is no terminal.

    Raises:
        CollapsedTrainingError: In mode ``"robust"``; see ``common.training``, also for DivergedTrainingError and
            CheckpointMismatchError.
        ValueError: If rows are missing or overlap, frames have another number or size than the config says, or filters
            are to be trained on images of more than 512 px without a GPU.
    """
    train_rows, validation_rows = _checked_rows(dataset, train_rows, validation_rows)
    if not config.chooses_on_validation and config.protocol != "paper":
        train_rows = np.union1d(train_rows, validation_rows)
    _check_memory(config)
    folder = None if folder is None else Path(folder)
    settings = config.training
    arrays = network_inputs(dataset, config, features)
    scalings = {
        name: InputScaling.fit("standard", columns_of(dataset, name)[train_rows])
        for name in config.inputs
        if name != "image" and config.mode != "released"
    }
    backend.make_deterministic(settings.seed)
    made_with = provenance.collect_provenance()  # of the code that starts, whatever the checkout becomes meanwhile
    num_classes = len(dataset.class_names)
    network, strategy = backend.build_for(
        settings, lambda: build_padnet(config, len(dataset.components), num_classes, scalings)
    )
    if config.mode == "robust" and "image" in config.inputs:
        fit_components(network, arrays[0][train_rows], config)
    one_hot = np.eye(num_classes, dtype=np.float32)[dataset.labels]
    # The fingerprint has the settings of the training, without those that may change between a kill and a new start.
    design = dataclasses.replace(config, training=TrainingConfig())
    started = time.monotonic()
    try:
        training = fit(
            _training_model(network, arrays),
            (train_rows[:, None], one_hot[train_rows]),
            (validation_rows[:, None], one_hot[validation_rows]),
            dataclasses.replace(settings, l2=0.0),  # fit would penalise dense kernels alone
            loss=make_loss(network, config, dataset.labels[train_rows], num_classes),
            metrics={"validation_accuracy": _accuracy},
            folder=folder,
            identity=f"{design} {settings.l2} {_content_hash(arrays)}" if folder is not None else "",
            strategy=strategy,
            progress=progress,
        )
    except CollapsedTrainingError:
        if config.mode == "robust":
            raise
        # One answer for all is what the authors' code comes to where it is blind, and a result of a reproduction.
        training = TrainingResult(pd.DataFrame(columns=CURVE), math.inf, 0, COLLAPSED, time.monotonic() - started)
    card = _card(config, dataset, network, training, len(train_rows), len(validation_rows), made_with)
    predictor = Predictor(with_probabilities(network), card)
    if config.chooses_on_validation:
        probabilities = predictor.predict(dataset, validation_rows, features=features)
        card["metrics"]["validation_accuracy"] = _accuracy(one_hot[validation_rows], probabilities)
    if folder is not None:
        artifacts.save(folder / "model.keras", predictor.model, card)
    return PADNetResult(predictor, training, card)


def _checked_rows(dataset: XrdDataset, train_rows, validation_rows) -> tuple[np.ndarray, np.ndarray]:
    train_rows, validation_rows = (np.asarray(rows, np.int64) for rows in (train_rows, validation_rows))
    for name, rows in (("training", train_rows), ("validation", validation_rows)):
        if len(rows) == 0 or rows.min() < 0 or rows.max() >= len(dataset):
            raise ValueError(
                f"Expected one or more {name} rows from 0 to {len(dataset) - 1}; received {len(rows)} rows"
                + (f" from {rows.min()} to {rows.max()}." if len(rows) else ".")
            )
    if len(np.intersect1d(train_rows, validation_rows)):
        raise ValueError(
            "Expected training and validation rows that do not overlap; received "
            f"{len(np.intersect1d(train_rows, validation_rows))} in both. Cut them apart with padnet.folds."
        )
    return train_rows, validation_rows


def _check_memory(config: PADNetConfig) -> None:
    trains_filters = config.trainable_filters and "image" in config.inputs
    if trains_filters and config.image_px > TRAINED_FILTERS_CPU_PX and backend.start_devices() == "the CPU":
        raise ValueError(
            f"Expected images of at most {TRAINED_FILTERS_CPU_PX} px to train slope filters on a CPU, which at 2048 px "
            f"takes tens of GB an image; received {config.image_px} px. Take smaller images, fixed filters or a GPU."
        )


def _training_model(network: keras.Model, arrays: list[np.ndarray]) -> keras.Model:
    """A network behind the inputs it trains on: row numbers in, logits out."""
    rows = keras.Input((1,), name="row")
    return keras.Model(rows, network(StoredInputs(arrays, name="stored_inputs")(rows)), name=f"{network.name}_training")


def make_loss(network: keras.Model, config: PADNetConfig, train_labels: np.ndarray, num_classes: int):
    """Cross entropy of ``(batch_size, num_classes)`` one-hot labels and logits, with L2 on all kernels."""
    weights = np.ones(num_classes, np.float32)
    if config.class_balanced:
        counts = np.bincount(train_labels, minlength=num_classes)
        weights = (len(train_labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))).astype(np.float32)
    kernels = [
        layer.kernel for layer in network.layers if isinstance(layer, (layers.Dense, layers.Conv2D)) and layer.trainable
    ]

    def loss(one_hot, logits):
        value = keras.losses.categorical_crossentropy(
            one_hot, logits, from_logits=True, label_smoothing=config.label_smoothing
        )
        value *= ops.sum(one_hot * weights, axis=-1)
        if config.training.l2:
            value += config.training.l2 * sum(ops.sum(ops.square(kernel)) for kernel in kernels)
        return value

    return loss


def _accuracy(one_hot: np.ndarray, outputs: np.ndarray) -> float:
    return accuracy(one_hot.argmax(axis=1), outputs.argmax(axis=1))


def _content_hash(arrays: list[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _card(
    config: PADNetConfig,
    dataset: XrdDataset,
    network: keras.Model,
    training: TrainingResult,
    rows_train: int,
    rows_validation: int,
    made_with: provenance.Provenance,
) -> dict:
    curve = training.history[CURVE].round(5)
    return {
        "name": "PADNet",
        "architecture": network.name,
        "parameters": network.count_params(),
        "elements": list(dataset.components),
        "components": list(dataset.components),
        "frame_shape": list(dataset.frames.shape[2:]),
        "class_names": list(dataset.class_names),
        "target": "phase_region",
        "unit": "probability of each class",
        "config": dataclasses.asdict(config),
        "recipe": config.recipe,
        "protocol": config.protocol,
        "training": dataclasses.asdict(config.training) | {"loss": "softmax cross entropy"},
        "training_seconds": round(training.seconds, 1),
        "data": {
            "name": dataset.name,
            "origin": dataset.origin,
            "rows_train": rows_train,
            "rows_validation": rows_validation if config.chooses_on_validation else 0,
        },
        "metrics": {"best_epoch": training.best_epoch, "stopped": training.stopped},
        "learning_curve": curve.to_dict("list"),
        "limits": LIMITS,
        "citation": CITATION,
        "made_with": dataclasses.asdict(made_with),
    }
