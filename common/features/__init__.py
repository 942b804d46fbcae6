"""Attributes of compositions and structures that models other than ElemNet learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Featurized:
    """Attributes of many materials, in the order given.

    Attributes:
        attributes: ``(n, k)`` float64; a row of NaN where there are none.
        reasons: ``(n,)`` of str; empty where the attributes were found, else why not.
    """

    attributes: np.ndarray
    reasons: np.ndarray

    @property
    def ok(self) -> np.ndarray:
        """``(n,)`` bool, True where the attributes were found."""
        return np.equal(self.reasons, "").astype(bool)
