"""Probabilities of phase regions for raw frames, from a trained network."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from keras import ops

from common import artifacts
from common.training_config import TrainingConfig
from padnet import model as _layers  # noqa: F401 - registers the layers that a saved network has
from padnet.config import INPUTS, PADNetConfig
from padnet.data import XrdDataset
from padnet.frame_formats import size_text
from padnet.inputs import image_features, network_inputs

VALUES_PER_BATCH = 2**24  # of image inputs at once: 64 MB


class Predictor:
    """A trained PADNet that answers for raw frames.

    Args:
        model: Maps the inputs of its config, in the order of ``config.INPUTS``, to probabilities.
        card: Model card; its ``config``, ``class_names``, ``components`` and ``frame_shape`` are used.

    Attributes:
        frame_shape: Rows and columns of the frames that it was trained on, before any binning by the network.
    """

    def __init__(self, model, card: dict):
        self.model, self.card = model, card
        self.config = _config_of(card["config"])
        self.class_names: tuple[str, ...] = tuple(card["class_names"])
        self.components: tuple[str, ...] = tuple(card["components"])
        self.frame_shape: tuple[int, int] = tuple(card["frame_shape"])

    def weights_hash(self) -> str:
        """A hash of the weights."""
        digest = hashlib.sha256()
        for weights in self.model.get_weights():
            digest.update(weights.tobytes())
        return digest.hexdigest()

    def predict(
        self, dataset: XrdDataset, rows: np.ndarray | None = None, *, features: np.ndarray | None = None
    ) -> np.ndarray:
        """Probabilities for samples of a data set.

        Args:
            dataset: Frames like those of the training.
            rows: Which samples; all by default.
            features: ``inputs.peak_area_features`` of ALL samples of the data set, if there are any already.

        Returns:
            ``(n, num_classes)`` float32, each row of sum 1.

        Raises:
            ValueError: If frames have another number or size, or compositions are of other components than those of the
                training.
        """
        if "composition" in self.config.inputs and tuple(dataset.components) != self.components:
            raise ValueError(
                f"Expected compositions of {', '.join(self.components)}, in this order; received "
                f"{', '.join(dataset.components)}. Order the columns, or train a network for these."
            )
        rows = np.arange(len(dataset)) if rows is None else np.asarray(rows)
        selected = None if features is None else features[rows]
        return self.forward(network_inputs(dataset.take(rows), self.config, selected))

    def predict_frames(
        self, frames: np.ndarray, composition: np.ndarray | None = None, position: np.ndarray | None = None
    ) -> np.ndarray:
        """Probabilities for raw frames.

        Args:
            frames: ``(n, num_frames, rows, columns)`` counts, of the detector and binning of the training.
            composition: ``(n, num_components)`` fractions, for a network that takes them.
            position: ``(n, 2)`` mm, for a network that takes them.

        Returns:
            ``(n, num_classes)`` float32.

        Raises:
            ValueError: If an input is missing, or frames have another number or size than those of the training.
        """
        columns = {"composition": composition, "position": position}
        arrays = []
        for name in (name for name in INPUTS if name in self.config.inputs):
            if name == "image":
                arrays.append(image_features(self._checked_size(np.asarray(frames)), self.config))
            elif columns[name] is None:
                raise ValueError(f"Expected the {name} of each sample, which the network takes; received none.")
            else:
                arrays.append(np.asarray(columns[name], np.float32))
        return self.forward(arrays)

    def _checked_size(self, frames: np.ndarray) -> np.ndarray:
        # Others would be binned to the same images, in which rings lie elsewhere.
        if frames.ndim == 4 and frames.shape[2:] != self.frame_shape:
            raise ValueError(
                f"Expected frames of {size_text(self.frame_shape)} pixels, as those of the training; received "
                f"{size_text(frames.shape[2:])}. Bring them to that size, or train a network on frames like these."
            )
        return frames

    def forward(self, arrays: list[np.ndarray]) -> np.ndarray:
        """Probabilities for inputs as ``inputs.network_inputs`` makes them, ``(n, num_classes)`` float32."""
        num = len(arrays[0])
        batch = max(1, VALUES_PER_BATCH // max(int(np.prod(array.shape[1:])) for array in arrays))
        parts = [
            ops.convert_to_numpy(self.model([array[start : start + batch] for array in arrays], training=False))
            for start in range(0, num, batch)
        ]
        return np.concatenate([np.empty((0, len(self.class_names)), np.float32), *parts])


def _config_of(settings: dict) -> PADNetConfig:
    """The config that a card holds."""
    training = TrainingConfig(**settings["training"])
    return PADNetConfig(**settings | {"inputs": tuple(settings["inputs"]), "training": training})


def load(path: Path | str) -> Predictor:
    """A network that ``train.run`` or `padnet train` saved. None ships with the package: no real frames are public.

    Args:
        path: A ``.keras`` file with its card beside it.

    Raises:
        ArtifactError: If the files are missing, damaged, unsafe, or of another chapter.
    """
    path = Path(path)
    return _load(path, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=4)
def _load(path: Path, _modified_ns: int) -> Predictor:  # a file written anew is read anew
    artifact = artifacts.load(path)
    missing = [key for key in ("config", "class_names", "components", "frame_shape") if key not in artifact.card]
    if missing:
        raise artifacts.ArtifactError(f"{path} is not a model of padnet: its card lacks {', '.join(missing)}.")
    try:
        return Predictor(artifact.model, artifact.card)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise artifacts.ArtifactError(
            f"{path} is not a model of this version of padnet: a field of its card is unknown, missing or of another "
            f"kind ({error}). Train it again with `padnet train`."
        ) from error
