"""A trained model as two files: ``NAME.keras`` (weights and architecture) and ``NAME.json``, its model card.

Nothing in them can execute code when loaded: Keras's safe mode refuses lambda layers, and no pickle is involved.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import keras

from common.files import atomic_path, write_json_atomic

REQUIRED_CARD_KEYS = ("name", "architecture", "elements", "target", "unit", "data", "training", "metrics", "limits")


class ArtifactError(RuntimeError):
    """A saved model that is missing, incomplete, damaged or unsafe."""


@dataclass(frozen=True)
class Artifact:
    """A model with its card.

    Attributes:
        model: The network, not compiled.
        card: Data, recipe, learning curve, metrics and limits; see ``REQUIRED_CARD_KEYS``.
        path: The ``.keras`` file it came from.
    """

    model: keras.Model
    card: dict
    path: Path


def save(path: Path | str, model: keras.Model, card: dict) -> Path:
    """Write a model and its card, each atomically, the card last: a card always describes a whole model file.

    Args:
        path: Ends in ``.keras``; the card goes beside it as ``.json``.
        model: Any Keras model of built-in layers.
        card: Holds at least ``REQUIRED_CARD_KEYS``.

    Returns:
        The path of the ``.keras`` file.

    Raises:
        ArtifactError: If the suffix is wrong or the card lacks a key.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ArtifactError(f"Expected a path that ends in .keras; received {path}.")
    missing = [key for key in REQUIRED_CARD_KEYS if key not in card]
    if missing:
        raise ArtifactError(f"The model card lacks {', '.join(missing)}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        model.save(temporary)
    write_json_atomic(path.with_suffix(".json"), {**card, "sha256": _sha256(path)})
    return path


def load(path: Path | str) -> Artifact:
    """Read a model and its card back.

    Raises:
        ArtifactError: If a file is missing, the card is not whole, the hash differs from it, or the model could execute
            code.
    """
    path = Path(path)
    card_path = path.with_suffix(".json")
    for needed in (path, card_path):
        if not needed.is_file():
            raise ArtifactError(f"{needed} does not exist. A model is the pair NAME.keras and NAME.json.")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(f"{card_path} is not a readable model card ({error}).") from error
    missing = [key for key in REQUIRED_CARD_KEYS if not isinstance(card, dict) or key not in card]
    if missing:
        raise ArtifactError(f"{card_path} is not a whole model card: it lacks {', '.join(missing)}.")
    received = _sha256(path)
    if card.get("sha256") != received:
        raise ArtifactError(
            f"{path} is damaged or not the model of its card: expected sha256 {card.get('sha256')}, "
            f"received {received}. Fetch both files again."
        )
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many types for an unsafe or foreign file
        cause = " ".join(str(error).split())
        raise ArtifactError(f"{path} cannot be loaded as a safe Keras model: {cause}") from error
    return Artifact(model=model, card=card, path=path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
