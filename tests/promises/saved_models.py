"""What a saved model holds, read without Keras."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np


def weights_of(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a ``.keras`` file by their place in it."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    assert found
    return found


def card_of(path: Path) -> dict:
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def is_pair(path: Path) -> bool:
    """Whether the card is of just this model, as ``artifacts.load`` asks."""
    return card_of(path)["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
