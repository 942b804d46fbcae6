"""Trained networks of any chapter by name or file, behind the one face of ``irnet.predict.Predictor``."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from common import artifacts
from common.datasets import structures
from common.features import Featurized
from elemnet.predict import PRETRAINED
from irnet import inputs as irnet_inputs
from irnet.config import VARIANTS
from irnet.data import check_has_structures
from irnet.predict import Predictor, find_weights

ELEMNET = "elemnet"


def load_network(name_or_path: Path | str = ELEMNET) -> Predictor:
    """A trained network: ElemNet, one of chapter 4, or one that was fine-tuned.

    ElemNet is then a network of element fractions (inputs ``"EF"``) with one target.

    Args:
        name_or_path: ``"elemnet"`` for the shipped one, a variant such as ``"irnet_10"``, or a ``.keras`` file of
            ``elemnet train``, ``irnet train`` or ``transfer fine-tune`` with its card beside it.

    Raises:
        ArtifactError: If there are no such weights, or the files are missing, damaged or unsafe.
    """
    path = path_of(name_or_path)
    return _load(path, path.stat().st_mtime_ns if path.is_file() else 0)


def path_of(name_or_path: Path | str) -> Path:
    """The ``.keras`` file behind a name or path; as ``load_network``.

    Raises:
        ArtifactError: If it is neither, or a name without weights.
    """
    name = str(name_or_path)
    if name == ELEMNET:
        return PRETRAINED
    if name in VARIANTS:
        return find_weights(name)
    if Path(name).suffix != ".keras":
        raise artifacts.ArtifactError(
            f"Expected {ELEMNET}, one of {', '.join(VARIANTS)}, or a path that ends in .keras; received {name!r}."
        )
    return Path(name)


@lru_cache(maxsize=4)
def _load(path: Path, _modified_ns: int) -> Predictor:  # a file written anew is read anew
    artifact = artifacts.load(path)
    with artifacts.reading_card(path):
        return Predictor(artifact.model, with_inputs_named(artifact.card))


def with_inputs_named(card: dict) -> dict:
    """A card that says what goes in and what comes out; ElemNet's own takes both for granted."""
    if "inputs" in card:
        return card
    return card | {"inputs": "EF", "input_elements": card["elements"], "targets": [card["target"]]}


def featurize(network: Predictor, frame: pd.DataFrame) -> Featurized:
    """The raw inputs of a network for the rows of a table.

    Args:
        network: Says which inputs are needed.
        frame: n rows with ``formula``; for a network of structures also ``species``, ``lattice`` and ``frac``.

    Returns:
        ``(n, num_inputs)``, with a reason where a row has none, or an element that the network does not know.

    Raises:
        ValueError: If structures are needed and the table has none.
    """
    if network.needs_structure:
        check_has_structures(frame, network.inputs, "the table")
        featurized = irnet_inputs.of_structures(network.inputs, structures(frame), network.input_elements)
    else:
        featurized = irnet_inputs.of_formulas(network.inputs, frame["formula"], network.input_elements)
    reasons = np.where(featurized.ok, network.unseen_elements(frame["formula"]), featurized.reasons)
    return Featurized(featurized.attributes, reasons)
