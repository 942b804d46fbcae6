"""A small new system of materials with targets, in the inputs of a network that is to be fine-tuned on it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common import datasets, tables
from common.composition import encode
from common.elements import ELEMENTS
from common.features import Featurized
from irnet import inputs as irnet_inputs
from irnet.data import check_has_structures
from irnet.descriptors import read_descriptors
from irnet.predict import Predictor, is_table


@dataclass(frozen=True)
class System:
    """Materials with attributes and targets.

    Attributes:
        formulas: ``(n,)`` of str.
        x: ``(n, num_inputs)`` float32 attributes, as the network takes them.
        y: ``(n, num_targets)`` targets.
        counts: Rows left out, by reason.
        name: Where the rows came from.
    """

    formulas: np.ndarray
    x: np.ndarray
    y: np.ndarray
    counts: dict[str, int]
    name: str

    def __len__(self) -> int:
        return len(self.formulas)

    def elements(self, rows: np.ndarray) -> tuple[str, ...]:
        """Symbols in the formulas of some rows, given by number."""
        fractions = encode(self.formulas[rows], ELEMENTS).fractions
        return tuple(np.asarray(ELEMENTS)[np.nansum(fractions, axis=0) > 0])


def load_system(data: str, predictor: Predictor, *, formula_column: str = "formula") -> System:
    """Rows of a registered data set or of the user's own CSV file, whatever its splits.

    A CSV file for a model of structures is a descriptor table (``irnet describe``) with a column for each target; for
    a model of compositions it has formulas and the targets. Of rows with equal attributes the first stays.

    Args:
        data: Name in the dataset registry, or a path.
        predictor: Says which inputs and targets are needed.
        formula_column: Name of the column of formulas of a CSV file.

    Raises:
        TableError: If a file cannot be read or lacks a column.
        ValueError: If nothing is left, or a registered data set lacks what the network needs.
        DataUnavailableError, CorruptDataError: See ``common.datasets``.
    """
    if data in datasets.DATASETS:
        frame = datasets.load(data, allow_stand_in=False).frame
        featurized = _of_frame(frame, predictor, data)
        formulas = frame["formula"].to_numpy(object)
        values = frame[list(_existing(frame, predictor.targets, data))].to_numpy(np.float64)
    elif not is_table(Path(data)):
        raise tables.TableError(f"Expected a registered data set or a CSV file; received {data!r}.")
    else:
        needs = (*predictor.targets, *([] if predictor.needs_structure else [formula_column]))
        texts = tables.read_text_csv(data, needs=needs)
        values = np.stack([pd.to_numeric(texts[name], errors="coerce") for name in predictor.targets], axis=1)
        if predictor.needs_structure:
            descriptors = read_descriptors(data)
            formulas = descriptors.formulas
            featurized = irnet_inputs.of_descriptors(
                predictor.inputs, descriptors.featurized, formulas, predictor.input_elements
            )
        else:
            formulas = texts[formula_column].to_numpy(object)
            featurized = irnet_inputs.of_formulas(predictor.inputs, formulas, predictor.input_elements)
    return _usable(formulas, featurized, values, Path(data).name)


def _of_frame(frame: pd.DataFrame, predictor: Predictor, name: str) -> Featurized:
    if not predictor.needs_structure:
        return irnet_inputs.of_formulas(predictor.inputs, frame["formula"], predictor.input_elements)
    check_has_structures(frame, predictor.inputs, name)
    return irnet_inputs.of_structures(predictor.inputs, datasets.structures(frame), predictor.input_elements)


def _existing(frame: pd.DataFrame, columns: tuple[str, ...], name: str) -> tuple[str, ...]:
    if missing := [column for column in columns if column not in frame]:
        raise ValueError(f"Expected a column {missing[0]!r} in {name}; received {', '.join(map(str, frame.columns))}.")
    return columns


def _usable(formulas: np.ndarray, featurized: Featurized, values: np.ndarray, name: str) -> System:
    has_target = np.isfinite(values).all(axis=1)
    x = featurized.attributes.astype(np.float32)
    has_attributes = featurized.ok & np.isfinite(x).all(axis=1)
    first = np.zeros(len(x), bool)
    first[np.unique(x, axis=0, return_index=True)[1]] = True  # NaN rows are all different, and left out already
    kept = has_target & has_attributes & first
    counts = {
        "missing target": int((~has_target).sum()),
        "no attributes": int((has_target & ~has_attributes).sum()),
        "duplicate": int((has_target & has_attributes & ~first).sum()),
    }
    if not kept.any():
        raise ValueError(f"{name} has no row to train on: {len(kept)} rows read, left out {counts}.")
    return System(formulas[kept], x[kept], values[kept], counts, name)
