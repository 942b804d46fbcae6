"""A trained model as two files: ``NAME.keras`` (weights and architecture) and ``NAME.json``, its model card.

Nothing in them can execute code when loaded: `common.safe_archive` refuses what it does not know, Keras's safe mode
refuses lambda layers, and no pickle is involved.
"""

import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras

from common import safe_archive
from common.files import atomic_path, read_json, write_json_atomic

MAX_CAUSE_CHARACTERS = 300  # Keras adds whole architectures to its messages
NO_DATE = "1980-01-01@00:00:00"  # the first that a zip archive can name
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
    """Write a model and its card, each atomically; neither is replaced before both are on disk.

    A kill in the instant between the two renames leaves a new model with an old card, which ``load`` refuses.

    The same model makes the same bytes each time.

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
    with atomic_path(path.with_suffix(".json")) as temporary_card, atomic_path(path) as temporary:
        _save_repeatably(model, temporary)
        # of what was saved here: under the final name another process may save at the same time
        write_json_atomic(temporary_card, {**card, "sha256": _sha256(temporary)})
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
        card = read_json(card_path)
    except ValueError as error:
        raise ArtifactError(f"{card_path} is not a readable model card ({error}).") from error
    missing = [key for key in REQUIRED_CARD_KEYS if not isinstance(card, dict) or key not in card]
    if missing:
        raise ArtifactError(f"{card_path} is not a whole model card: it lacks {', '.join(missing)}.")
    received = _sha256(path)
    if card.get("sha256") != received:
        raise ArtifactError(
            f"{path} is damaged or not the model of its card: expected sha256 {str(card.get('sha256'))[:64]}, "
            f"received {received}. Fetch both files again."
        )
    try:
        safe_archive.check(path)
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many types for an unsafe or foreign file
        cause = " ".join(str(error).split()).rpartition("Exception encountered: ")[2]  # after it comes what is wrong
        cause = cause if len(cause) <= MAX_CAUSE_CHARACTERS else f"{cause[:MAX_CAUSE_CHARACTERS]}..."
        raise ArtifactError(f"{path} cannot be loaded as a safe Keras model: {cause}") from error
    return Artifact(model=model, card=card, path=path)


def update_card(path: Path | str, **changes: object) -> None:
    """Add to the card of a saved model, or change it, atomically; the model stays as it is.

    Args:
        path: The ``.keras`` file.
        **changes: Keys of the card with their new values.

    Raises:
        ArtifactError: As in ``load``.
    """
    write_json_atomic(Path(path).with_suffix(".json"), load(path).card | changes)


@contextmanager
def reading_card(path: Path) -> Iterator[None]:
    """Within the block a card is put to use; what it trips over is the card's fault, and becomes an ArtifactError."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        cause = " ".join(str(error).split())[:MAX_CAUSE_CHARACTERS]
        raise ArtifactError(
            f"{path} cannot be used: a field of its card is missing or of another kind ({type(error).__name__}: "
            f"{cause}). Fetch both files again."
        ) from error


def _save_repeatably(model: keras.Model, path: Path) -> None:
    """Write what Keras writes, but for what differs each time: the time of day, and addresses in memory as numbers."""
    written = path.with_name(f"{path.stem}-written.keras")
    try:
        model.save(written)
        with zipfile.ZipFile(written) as source, zipfile.ZipFile(path, "w") as target:
            for member in source.infolist():
                undated = zipfile.ZipInfo(member.filename)
                undated.file_size = member.file_size  # tells of files beyond 2 GiB
                if member.filename == "metadata.json":
                    target.writestr(undated, json.dumps(json.loads(source.read(member)) | {"date_saved": NO_DATE}))
                elif member.filename == "config.json":
                    target.writestr(undated, _renumbered(source.read(member).decode()))
                else:
                    with source.open(member) as whole, target.open(undated, "w") as copy:
                        shutil.copyfileobj(whole, copy, 1 << 20)
    finally:
        written.unlink(missing_ok=True)


def _renumbered(architecture: str) -> str:
    """An architecture whose shared objects are numbered from 0, in the order in which they come."""
    numbers: dict[str, int] = {}

    def number(found: re.Match) -> str:
        return f"{found[1]}{numbers.setdefault(found[2], len(numbers))}"

    return re.sub(r'("shared_object_id": )(\d+)', number, architecture)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
