"""Orientations for patterns, from a trained network."""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from common import artifacts, backend
from omnet.data import orientations
from omnet.detector import Detector

PRETRAINED = Path(__file__).parent / "weights" / "omnet_small_ni.keras"  # the most exact on simulated patterns
PRETRAINED_MEASURED = PRETRAINED.with_name("omnet_measured_ni.keras")  # for what comes from a camera
PATTERNS_PER_BATCH = 1_024


class Predictor:
    """A trained OMNet that answers for patterns.

    Args:
        model: Maps ``(batch_size, rows, columns)`` patterns to the outputs of its head.
        card: Model card; its ``head`` and ``detector`` are used.
    """

    def __init__(self, model, card: dict):
        self.model, self.card = model, card
        self.head: str = card["head"]
        geometry = card["detector"]
        self.detector = Detector(**geometry | {"shape": tuple(geometry["shape"]), "pc": tuple(geometry["pc"])})
        self._forward = backend.make_predictor(model)

    def weights_hash(self) -> str:
        """A hash of the weights."""
        digest = hashlib.sha256()
        for weights in self.model.get_weights():
            digest.update(weights.tobytes())
        return digest.hexdigest()

    def predict(self, patterns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Orientations of patterns.

        Args:
            patterns: ``(n, rows, columns)`` of the size and, nearly, the geometry that the network was trained for
                (``detector``); any intensities, finite and not constant.

        Returns:
            ``(n, 4)`` unit quaternions, sample to crystal, in the fundamental zone of 432; ``(n,)`` confidences from 0
            to 1, NaN where the network's head has none.

        Raises:
            ValueError: If the patterns have another size.
        """
        patterns = np.asarray(patterns)
        if patterns.ndim != 3 or patterns.shape[1:] != self.detector.shape:
            raise ValueError(
                f"Expected patterns of shape (n, {self.detector.shape[0]}, {self.detector.shape[1]}), as the network "
                f"was trained on; received {patterns.shape}. Bin them to that size, or index by the dictionary."
            )
        outputs = [
            self._forward(patterns[start : start + PATTERNS_PER_BATCH].astype(np.float32))
            for start in range(0, len(patterns), PATTERNS_PER_BATCH)
        ]
        num_outputs = self.model.output_shape[-1]
        return orientations(np.concatenate([np.empty((0, num_outputs), np.float32), *outputs]), self.head)


def load_pretrained(path: Path | str | None = None) -> Predictor:
    """The shipped network for nickel, or one of your own.

    Args:
        path: A ``.keras`` file with its card beside it; ``None`` takes the shipped one that is most exact on simulated
            patterns. For measured ones take ``PRETRAINED_MEASURED``, as `omnet index` does.

    Raises:
        ArtifactError: If the files are missing, damaged, unsafe, or of another chapter.
    """
    path = Path(path or PRETRAINED)
    return _load(path, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=4)
def _load(path: Path, _modified_ns: int) -> Predictor:  # a file written anew is read anew
    artifact = artifacts.load(path)
    missing = [key for key in ("head", "detector") if key not in artifact.card]
    if missing:
        raise artifacts.ArtifactError(f"{path} is not a model of omnet: its card lacks {', '.join(missing)}.")
    with artifacts.reading_card(path):
        return Predictor(artifact.model, artifact.card)
