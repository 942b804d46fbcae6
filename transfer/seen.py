"""Which compositions a source model has seen, so that a target's scores can be told apart.

The thesis lets a test composition of the target occur in the training rows of the source; 910 of the 1,643 compounds
of SSUB do. We report both: all test rows, and those unseen by the source.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from common import datasets, splits
from common.composition import composition_keys, encode
from common.elements import ALL_SYMBOLS
from elemnet import data as elemnet_data
from elemnet.config import RECIPES
from transfer.network import load_network, path_of

UNREADABLE = np.uint64(0)


def seen_by(source: Path | str) -> np.ndarray | None:
    """Keys of the compositions in the training and validation rows of a model, and of the models that it came from.

    They are read from ``split.json`` beside the model; those of the shipped ElemNet come from its data set.

    Args:
        source: As in ``transfer.network.load_network``.

    Returns:
        ``(k,)`` uint64 of ``common.composition.composition_keys``, ascending; ``None`` where they cannot be had, for a
        model that came alone or whose data set is out of reach.

    Raises:
        ArtifactError: See ``load_network``.
    """
    return _seen_by(path_of(source), frozenset())


def _seen_by(path: Path, followed: frozenset[Path]) -> np.ndarray | None:
    if path in followed:  # a path that leads back tells nothing
        return None
    card = load_network(path).card
    split_file = path.parent / "split.json"
    formulas: list[str] | None = None
    if "fine_tuned" in card:  # by irnet, which keeps no rows; a split beside it is that of its source
        return None
    if split_file.is_file():
        ids = splits.load_ids(split_file)
        formulas = [*ids["train"], *ids["validation"]]
    else:
        formulas = _of_shipped(card)
    if formulas is None:
        return None
    keys = keys_of(formulas)
    if (keys == UNREADABLE).any():  # the rows of a table of structures, by their own ids
        return None
    if "fine_tuned_from" not in card:
        return np.unique(keys)
    before = Path(card["fine_tuned_from"]["path"])
    if not before.is_file() or load_network(before).weights_hash() != card["fine_tuned_from"]["weights_sha256"]:
        return None
    earlier = _seen_by(before, followed | {path})
    return None if earlier is None else np.union1d(keys, earlier)


def _of_shipped(card: dict) -> list[str] | None:
    """The formulas of a training of ElemNet, loaded again by its card; ``None`` where that gives other rows."""
    if card["name"] != "ElemNet" or card["data"]["name"] not in datasets.DATASETS or "fine_tuned_from" in card:
        return None
    config = replace(
        RECIPES[card["recipe"]], data=card["data"]["name"], allow_stand_in=False, protocol=card["protocol"]
    ).with_training(seed=card["training"]["seed"])
    try:
        data = elemnet_data.load(config)
    except datasets.DataUnavailableError:
        return None
    if (len(data.train), len(data.validation)) != (card["data"]["rows_train"], card["data"]["rows_validation"]):
        return None
    return [*data.train.frame["formula"], *data.validation.frame["formula"]]


def keys_of(formulas: Iterable[object]) -> np.ndarray:
    """``(n,)`` uint64, equal for equal compositions; ``UNREADABLE`` for a formula that cannot be read."""
    encoded = encode(formulas, ALL_SYMBOLS)
    keys = np.full(len(encoded.ok), UNREADABLE)
    keys[encoded.ok] = composition_keys(encoded.fractions[encoded.ok])
    return keys


def is_seen(formulas: Iterable[object], seen: np.ndarray) -> np.ndarray:
    """``(n,)`` bool: whether the composition of each formula is among the keys of ``seen_by``."""
    return np.isin(keys_of(formulas), seen)
