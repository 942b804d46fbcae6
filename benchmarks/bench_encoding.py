"""Formulas to element fractions: this project against pymatgen, same formulas, same process, one core.

    python -m benchmarks.bench_encoding

The answers must agree to 1e-12 before a speed is printed. pymatgen is timed on the first 5,000 formulas: its time
per formula does not depend on how many there are. Both sides end with the same (n, 86) array of float64.
"""

from __future__ import annotations

import os
import time

import numpy as np
from pymatgen.core import Composition

from common.composition import encode
from common.datasets import DataUnavailableError, load
from common.elements import ELEMENT_INDEX, ELEMENTS

MIN_ROWS = 50_000
PEER_ROWS = 5_000
REPEATS = 5
TOLERANCE = 1e-12


def main() -> dict[str, str | int | float]:
    """Time both, check that they agree, print and return the figures.

    Returns:
        `task`, `rows`, `ours_rows_per_s`, `peer`, `peer_rows_per_s`, `ratio`, `max_abs_difference`.

    Raises:
        AssertionError: the two disagree by more than 1e-12.
    """
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None
    if allowed:
        os.sched_setaffinity(0, {max(allowed)})  # one core, for both
    try:
        result = _measure(_formulas())
    finally:
        if allowed:
            os.sched_setaffinity(0, allowed)
    for name, value in result.items():
        print(f"{name:20s} {value:,.4g}" if isinstance(value, float) else f"{name:20s} {value}")
    return result


def _measure(formulas: list[str]) -> dict[str, str | int | float]:
    ours_s = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        encoded = encode(formulas)
        ours_s.append(time.perf_counter() - start)
    assert encoded.ok.all(), "the benchmark wants formulas both sides can read"

    sample = formulas[:PEER_ROWS]
    peer_s = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        expected = _encode_with_pymatgen(sample)
        peer_s.append(time.perf_counter() - start)
    difference = float(np.abs(encoded.fractions[: len(sample)] - expected).max())
    assert difference <= TOLERANCE, f"expected agreement to {TOLERANCE}, received {difference}"

    ours, peer = len(formulas) / min(ours_s), len(sample) / min(peer_s)
    return {
        "task": "formula to 86 element fractions",
        "rows": len(formulas),
        "ours_rows_per_s": ours,
        "peer": "pymatgen Composition.fractional_composition",
        "peer_rows_per_s": peer,
        "ratio": ours / peer,
        "max_abs_difference": difference,
    }


def _encode_with_pymatgen(formulas: list[str]) -> np.ndarray:
    fractions = np.zeros((len(formulas), len(ELEMENTS)))
    for row, formula in zip(fractions, formulas, strict=True):
        for element, fraction in Composition(formula).fractional_composition.items():
            row[ELEMENT_INDEX[element.symbol]] = fraction
    return fractions


def _formulas() -> list[str]:
    """Formulas of the OQMD subset where it is at hand, else of the bundled sample, repeated."""
    try:
        formulas = load("oqmd_subset", allow_stand_in=False).frame["formula"]
    except DataUnavailableError:
        formulas = load("flla").frame["formula"]
    formulas = formulas[~formulas.isin(["He", "Ne"])].sample(frac=1, random_state=0).tolist()
    return formulas * -(-MIN_ROWS // len(formulas))


if __name__ == "__main__":
    main()
