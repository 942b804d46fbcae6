"""Formulas to element fractions: this project against pymatgen, same formulas, same process, one core.

    python -m benchmarks.bench_encoding

pymatgen is timed on the first 5,000 formulas: its time per formula does not depend on how many there are. Both
sides end with a (n, 86) array of float64.
"""

from __future__ import annotations

import numpy as np

from benchmarks import Measurement, measure_in_turn, rate, run_as_script, use_cores
from benchmarks.inputs import draw_rows, encode_with_pymatgen
from common.composition import encode

ROWS, QUICK_ROWS = 200_000, 300
PEER_ROWS = 5_000
ROUNDS = 5
TOLERANCE = 1e-12
FLOOR_ROWS_PER_S = 300_000


def main(quick: bool = False) -> list[Measurement]:
    """Formulas to element fractions beside pymatgen, on one core."""
    use_cores(1)
    rows = draw_rows(QUICK_ROWS if quick else ROWS, quick=quick)
    formulas, sample = rows.formulas, rows.formulas[:PEER_ROWS]
    difference = float(np.abs(encode(sample).fractions - encode_with_pymatgen(sample)).max())
    sides = {
        "ours": lambda: rate(len(formulas), lambda: encode(formulas)),
        "peer": lambda: rate(len(sample), lambda: encode_with_pymatgen(sample)),
    }
    figures = measure_in_turn(sides, rounds=1 if quick else ROUNDS)
    return [
        Measurement(
            task="formula to 86 element fractions, 1 core",
            rows=len(formulas),
            unit="rows/s",
            ours_rounds=figures["ours"],
            agreement=f"fractions within {difference:.1e}, {TOLERANCE:.0e} allowed",
            agreed=difference <= TOLERANCE,
            peer="pymatgen Composition.fractional_composition",
            peer_rounds=figures["peer"],
            floor=FLOOR_ROWS_PER_S,
            floor_on="ours",
            data=rows.data,
        )
    ]


if __name__ == "__main__":
    run_as_script(main)
