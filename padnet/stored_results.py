"""What the predictions that the authors stored with their code show, and what they do not.

Each of 64 runs is one network configuration (fixed or trained slope filters, detector, background of the training
images) on the test images of one background. The images are not public, but a network that looks at them must answer
differently for at least some when their background is taken away; and it should know more than the place on the wafer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from common.fetch import fetch
from padnet.data import STORED_RESULTS, WAFER_LABELS
from padnet.evaluation import CrossValidated, gather
from padnet.folds import released_folds

NUM_CLASSES, NUM_SAMPLES = 8, 177
NUM_TREES = 500
BACKGROUNDS = {"TIF": "raw", "TIF-MF": "mf", "TIF-MF-CS": "cs", "TIF-MF-CS-CRBG": "crbg"}
DETECTORS = {"SLAC": "SLAC", "Bruker": "NIST"}
FILTERS = {"fixed": "fixed", "trainable": "trained"}


@dataclass(frozen=True, eq=False)
class StoredRun:
    """One configuration on the test images of one background.

    Attributes:
        filters: ``"fixed"`` or ``"trained"``.
        detector: ``"SLAC"`` or ``"NIST"``.
        trained_on: Background of the training images, as keys of ``padnet.background.BACKGROUNDS``.
        tested_on: Background of the test images.
        stored_accuracy: Mean of the ten folds as stored, a share.
        stored_sd: Standard deviation over the folds as stored.
        result: The stored predictions, as those of the released folds.
    """

    filters: str
    detector: str
    trained_on: str
    tested_on: str
    stored_accuracy: float
    stored_sd: float
    result: CrossValidated

    @property
    def name(self) -> str:
        """The configuration, without what it was tested on."""
        return f"{self.detector}, {self.filters} filters, trained on {self.trained_on}"


@dataclass(frozen=True, eq=False)
class StoredResults:
    """All stored runs, and the wafer they are of.

    Attributes:
        position: ``(n, 2)`` places on the wafer, in steps of its grid.
        labels: ``(n,)`` phase regions.
        runs: One for each line of the file.
        file_hashes: File name -> hash.
    """

    position: np.ndarray
    labels: np.ndarray
    runs: Sequence[StoredRun]
    file_hashes: Mapping[str, str]


def load(*, data_dir: str | Path | None = None) -> StoredResults:
    """Read the stored predictions and the label map.

    Args:
        data_dir: Folder to look in first.

    Raises:
        DataUnavailableError: A file is not here and cannot be downloaded.
        CorruptDataError: A file has the wrong hash.
    """
    wafer = pd.read_csv(fetch(WAFER_LABELS, data_dir=data_dir))
    labels = wafer["label0to7"].to_numpy()
    folds = released_folds(len(labels))
    runs = []
    for row in pd.read_csv(fetch(STORED_RESULTS, data_dir=data_dir)).itertuples():
        predicted = np.array(row.predictions.split(), int)
        parts = [(number, rows, np.eye(NUM_CLASSES)[predicted[rows]]) for number, rows in enumerate(folds)]
        filters, detector = FILTERS[row.filters], DETECTORS[row.model]
        runs.append(
            StoredRun(
                filters,
                detector,
                BACKGROUNDS[row.train_input],
                BACKGROUNDS[row.test_input],
                row.mean_acc / 100,
                row.std_acc / 100,
                gather(f"stored {detector}, {filters} filters", labels, NUM_CLASSES, parts),
            )
        )
    hashes = {Path(file.path).name: file.expected_hash for file in (WAFER_LABELS, STORED_RESULTS)}
    return StoredResults(wafer[["x", "y"]].to_numpy(float), labels, tuple(runs), hashes)


def by_configuration(results: StoredResults) -> pd.DataFrame:
    """How each configuration's predictions depend on the background of the test images.

    Returns:
        A row for each configuration: ``filters``, ``detector``, ``trained_on``, ``name``; ``distinct_predictions`` over
        the four backgrounds; ``samples_changed``, predicted differently for any of them; ``accuracy`` and ``sd``, mean
        and standard deviation over the released folds computed from the predictions, on the background trained on;
        ``stored_accuracy`` and ``stored_sd``, as the authors stored them.
    """
    rows = []
    for name in dict.fromkeys(run.name for run in results.runs):
        runs = [run for run in results.runs if run.name == name]
        predicted = np.stack([run.result.predicted for run in runs])  # (4, n)
        (matching,) = [run for run in runs if run.tested_on == run.trained_on]
        accuracies = matching.result.fold_accuracies
        rows.append(
            {
                "filters": matching.filters,
                "detector": matching.detector,
                "trained_on": matching.trained_on,
                "name": name,
                "distinct_predictions": len(np.unique(predicted, axis=0)),
                "samples_changed": int((predicted != predicted[0]).any(axis=0).sum()),
                "accuracy": accuracies.mean(),
                "sd": accuracies.std(),
                "stored_accuracy": matching.stored_accuracy,
                "stored_sd": matching.stored_sd,
            }
        )
    return pd.DataFrame(rows)


def position_forest(results: StoredResults, *, num_trees: int = NUM_TREES, seed: int = 0) -> CrossValidated:
    """A random forest that sees nothing but the place on the wafer, on the same folds; scikit-learn's defaults."""
    parts = []
    for number, test in enumerate(released_folds(len(results.labels))):
        train = np.setdiff1d(np.arange(len(results.labels)), test)
        forest = RandomForestClassifier(num_trees, random_state=seed)
        forest.fit(results.position[train], results.labels[train])
        probability = np.zeros((len(test), NUM_CLASSES))
        probability[:, forest.classes_] = forest.predict_proba(results.position[test])
        parts.append((number, test, probability))
    return gather("random forest on position alone", results.labels, NUM_CLASSES, parts)
