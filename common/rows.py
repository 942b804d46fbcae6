"""Rows of one split, and how a table falls into training, validation and test rows under a protocol."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from common import splits


@dataclass(frozen=True)
class Rows:
    """Rows of one split: ``frame`` (n rows), ``x`` (n, num_inputs) float32, ``y`` (n,) or (n, num_outputs)."""

    frame: pd.DataFrame
    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)

    def draw(self, max_rows: int | None, seed: int) -> "Rows":
        """A seeded draw of ``max_rows`` rows, nested: a larger draw contains the smaller; ``None`` keeps all."""
        if max_rows is None or max_rows >= len(self):
            return self
        drawn = np.random.default_rng(seed).permutation(len(self))[:max_rows]
        return self.take(drawn)

    def take(self, rows: np.ndarray) -> "Rows":
        """Rows by number, in that order, or by a mask ``(n,)``."""
        return Rows(self.frame.iloc[rows], self.x[rows], self.y[rows])


def assign_splits(split: pd.Series, *, protocol: str, validation_fraction: float, seed: int) -> np.ndarray:
    """``"train"``, ``"val"`` or ``"test"`` for each row, as the protocol has it.

    Args:
        split: What the data says; rows without a ``"val"`` among them have one cut from their training rows.
        protocol: ``"honest"``; or ``"paper"``: the authors train on all that is not test, and validate on the test
            rows.
        validation_fraction: Share of the training rows cut off.
        seed: Seed of that cut.
    """
    assigned = split.to_numpy(object).copy()
    if protocol == "paper":
        assigned[assigned == "val"] = "train"
    elif not (assigned == "val").any():
        train_rows = np.flatnonzero(assigned == "train")
        if len(train_rows) > 1:  # with fewer there is nothing to cut; the caller says which rows are missing
            assigned[train_rows[splits.hold_out(len(train_rows), validation_fraction, seed)[1]]] = "val"
    return assigned
