"""Intervals of the shipped networks: calibrated and measured anew from the data of their cards, without training.

`python -m experiments.intervals` writes them into the cards. A training does the same for its own network; here two
sets of another kind are added: measured enthalpies for ElemNet, structures of JARVIS-DFT for IRNet.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import artifacts, backend, cleaning, datasets, metrics, uncertainty
from common.difficulty import Answered
from common.readers import TARGET
from common.training_config import TrainingConfig
from elemnet import data as elemnet_data
from elemnet.config import RECIPES
from elemnet.predict import PRETRAINED
from elemnet.predict import load_pretrained as load_elemnet
from elemnet.train import measured_uncertainty as elemnet_uncertainty
from irnet import data as irnet_data
from irnet import inputs
from irnet.choices import configure
from irnet.predict import SHIPPED
from irnet.predict import load_pretrained as load_irnet
from irnet.train import measured_uncertainty as irnet_uncertainty
from transfer.seen import is_seen, seen_by

IRNET = SHIPPED / "irnet_10.keras"
EXPERIMENT, OTHER_STRUCTURES = "ssub", "jarvis_structures"
TOLERANCE = 1e-4  # eV/atom: the test error of another machine


def of_elemnet(path: Path = PRETRAINED) -> dict[str, dict]:
    """The uncertainty of an ElemNet, with its coverage of measured enthalpies at 298 K.

    Raises:
        ValueError: If the rows are not those that the model was trained, validated and tested on.
        DataUnavailableError, CorruptDataError: See ``common.datasets``.
    """
    predictor = load_elemnet(path)
    card = predictor.card
    config = replace(
        RECIPES[card["recipe"]],
        data=card["data"]["name"],
        allow_stand_in=False,
        protocol=card["protocol"],
        training=TrainingConfig(**card["training"]),
    )
    data = elemnet_data.load(config)
    predicted = predictor.predict_fractions(data.test.x)
    _check_same(card, data, predicted, card["metrics"]["test"]["mae"])
    entries = elemnet_uncertainty(predictor, data, predicted)
    frame = cleaning.clean_compositions(datasets.load(EXPERIMENT, allow_stand_in=False).frame, target=TARGET).frame
    answers = predictor.predict(frame["formula"])
    known = (answers["status"] == "ok").to_numpy()
    rows = Answered.of_formulas(
        frame[TARGET].to_numpy()[known], answers[TARGET].to_numpy()[known], frame["formula"][known], predictor.elements
    )
    calibration = uncertainty.Calibration.of_card(entries[TARGET], len(predictor.elements))
    name = f"{EXPERIMENT}, measured enthalpies at 298 K"
    entries[TARGET]["coverage"] += uncertainty.measure_all(calibration, rows, name)
    seen = seen_by(path)
    if seen is not None:
        unseen = rows.take(~is_seen(frame["formula"][known], seen))
        more = uncertainty.measure_all(calibration, unseen, f"{name}, of compositions not trained on")
        entries[TARGET]["coverage"] += more
    return entries


def of_irnet(path: Path = IRNET) -> dict[str, dict]:
    """The uncertainty of an IRNet of structures, with its coverage of another database.

    Raises:
        ValueError, DataUnavailableError, CorruptDataError: As ``of_elemnet``.
    """
    predictor = load_irnet(path)
    card = predictor.card
    chosen = {"data": card["data"]["name"], "inputs": card["inputs"], "targets": tuple(card["targets"])}
    config = configure(
        card["name"], card["recipe"], chosen | {"protocol": card["protocol"]}, {"seed": card["training"]["seed"]}
    )
    data = irnet_data.load(config, progress=True)
    predicted = predictor.predict_attributes(data.test.x)
    _check_same(card, data, predicted[:, 0], card["metrics"]["test"][TARGET]["mae"])
    entries = irnet_uncertainty(predictor, data, predicted)
    frame = datasets.load(OTHER_STRUCTURES, allow_stand_in=False).frame
    featurized = inputs.of_structures(predictor.inputs, datasets.structures(frame), progress=True)
    known = featurized.ok & (predictor.unseen_elements(frame["formula"]) == "")
    answers = predictor.predict_attributes(featurized.attributes[known].astype(np.float32))[:, 0]
    rows = Answered.of_formulas(frame[TARGET].to_numpy()[known], answers, frame["formula"][known], predictor.elements)
    calibration = uncertainty.Calibration.of_card(entries[TARGET], len(predictor.elements))
    entries[TARGET]["coverage"] += uncertainty.measure_all(calibration, rows, f"{OTHER_STRUCTURES}, OptB88vdW")
    return entries


def _check_same(card: dict, data: Any, predicted: np.ndarray, mae: float) -> None:
    expected = [card["data"][f"rows_{part}"] for part in ("train", "validation", "test")]
    received = [len(data.train), len(data.validation), len(data.test)]
    if expected != received:
        raise ValueError(f"Expected {expected} training, validation and test rows of {card['name']}; got {received}.")
    found = metrics.mean_absolute_error(data.test.y, predicted)
    if abs(found - mae) > TOLERANCE:
        raise ValueError(f"Expected a test error of {mae:.5f} from {card['name']}; received {found:.5f}.")


def main() -> None:
    backend.start_devices()
    for path, of_model in ((PRETRAINED, of_elemnet), (IRNET, of_irnet)):
        entries = of_model(path)
        artifacts.update_card(path, uncertainty=entries)
        print(path.with_suffix(".json"))
        print(pd.DataFrame(entries[TARGET]["coverage"]).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
