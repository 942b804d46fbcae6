"""Formulas to 145 composition attributes: this project against matminer, same process, one core.

    python -m benchmarks.bench_magpie

Answers are compared on all rows that matminer does, `PEER_ROWS` drawn at random. It is timed on those; ours, whose
time would be too short there, on `ROWS` of which they are the first. matminer's time for a composition does not depend
on how many there are.
"""

from __future__ import annotations

import numpy as np

from benchmarks import Measurement, measure_in_turn, rate, run_as_script, use_cores
from benchmarks.inputs import draw_rows
from benchmarks.matminer_peer import featurize_with_matminer, make_featurizer
from common.features.magpie import MAGPIE_LABELS, featurize

ROWS, QUICK_ROWS = 200_000, 60
PEER_ROWS = 10_000
ROUNDS = 3
TOLERANCE = 1e-9
FLOOR_RATIO = 100


def main(quick: bool = False) -> list[Measurement]:
    """Formulas to 145 composition attributes beside matminer, on one core."""
    use_cores(1)
    rows = draw_rows(QUICK_ROWS if quick else ROWS, quick=quick)
    formulas, sample = rows.formulas, rows.formulas[:PEER_ROWS]
    featurizer = make_featurizer()
    answers = []
    sides = {
        "ours": lambda: rate(len(formulas), lambda: featurize(formulas)),
        "peer": lambda: rate(len(sample), lambda: answers.append(featurize_with_matminer(sample, featurizer))),
    }
    figures = measure_in_turn(sides, rounds=1 if quick else ROUNDS)
    difference = np.abs(featurize(sample) - answers[0]).max(axis=0)  # NaN, if there were any, would not be within
    worst = int(difference.argmax())
    return [
        Measurement(
            task="formula to 145 composition attributes, 1 core",
            rows=len(formulas),
            unit="rows/s",
            ours_rounds=figures["ours"],
            agreement=f"{len(sample):,} rows within {difference[worst]:.1e} ({MAGPIE_LABELS[worst]}), "
            f"{TOLERANCE:.0e} allowed",
            agreed=bool(difference[worst] <= TOLERANCE),
            peer="matminer MultipleFeaturizer",
            peer_rounds=figures["peer"],
            floor=FLOOR_RATIO,
            floor_on="ratio",
            data=rows.data,
        )
    ]


if __name__ == "__main__":
    run_as_script(main)
