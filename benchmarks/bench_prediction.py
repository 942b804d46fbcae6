"""Formulas to formation energies with the 17-layer ElemNet on two cores: `Predictor` against Keras `Model.predict`.

    python -m benchmarks.bench_prediction

Keras starts from element fractions, which one makes with pymatgen; both steps of the peer are timed on a smaller
sample, their time per row does not depend on how many there are. The last two measurements leave out the formulas:
the same ready fractions go into the network on both sides.
"""

from __future__ import annotations

import numpy as np

from benchmarks import Measurement, measure_in_turn, rate, run_as_script, use_cores
from benchmarks.inputs import draw_rows, encode_with_pymatgen, load_predictor
from elemnet.predict import ENERGY

ROWS, QUICK_ROWS = 200_000, 300
KERAS_ROWS = 20_000
PYMATGEN_ROWS = 5_000
ROUNDS = 3
TOLERANCE_EV_PER_ATOM = 1e-5
FLOOR_ROWS_PER_S = 6_000


def main(quick: bool = False) -> list[Measurement]:
    """Formulas to formation energies beside pymatgen and Keras Model.predict, on two cores."""
    use_cores(2)
    predictor, weights = load_predictor()
    model = predictor.model
    rows = draw_rows(QUICK_ROWS if quick else ROWS, quick=quick, elements=predictor.elements)
    formulas, fractions = rows.formulas, rows.fractions[:KERAS_ROWS]
    sample = formulas[:PYMATGEN_ROWS]

    ours = predictor.predict(formulas)[ENERGY].to_numpy()
    peer = model.predict(encode_with_pymatgen(sample, predictor.elements), batch_size=1024, verbose=0)[:, 0]
    difference = float(np.abs(ours[: len(sample)] - peer).max())
    ready = float(np.abs(predictor.predict_fractions(fractions) - model.predict(fractions, verbose=0)[:, 0]).max())

    sides = {
        "ours": lambda: rate(len(formulas), lambda: predictor.predict(formulas)),
        "ours, ready": lambda: rate(len(fractions), lambda: predictor.predict_fractions(fractions)),
        "pymatgen": lambda: rate(len(sample), lambda: encode_with_pymatgen(sample, predictor.elements)),
        "keras 1024": lambda: rate(len(fractions), lambda: model.predict(fractions, batch_size=1024, verbose=0)),
        "keras 32": lambda: rate(len(fractions), lambda: model.predict(fractions, verbose=0)),
    }
    figures = measure_in_turn(sides, rounds=1 if quick else ROUNDS)

    def measurement(task: str, side: str, peer: str, peer_rounds: tuple[float, ...], floor: float | None = None):
        apart = difference if side == "ours" else ready
        return Measurement(
            task=f"{task}, 17 layers, {weights}, 2 cores",
            rows=len(formulas) if side == "ours" else len(fractions),
            unit="rows/s",
            ours_rounds=figures[side],
            agreement=f"energies within {apart:.1e} eV/atom, {TOLERANCE_EV_PER_ATOM:.0e} allowed",
            agreed=bool(apart <= TOLERANCE_EV_PER_ATOM),  # False for NaN
            peer=peer,
            peer_rounds=peer_rounds,
            floor=floor,
            floor_on=None if floor is None else "ours",
            data=rows.data,
        )

    def after_pymatgen(keras: str) -> tuple[float, ...]:
        """Rows per second of the two steps one after the other."""
        return tuple(1 / (1 / a + 1 / b) for a, b in zip(figures["pymatgen"], figures[keras], strict=True))

    to_1024, to_32 = after_pymatgen("keras 1024"), after_pymatgen("keras 32")
    wide, default = "model.predict(batch_size=1024)", "model.predict, default batch 32"
    return [
        measurement("formula to energy", "ours", f"pymatgen, then Keras {wide}", to_1024, FLOOR_ROWS_PER_S),
        measurement("formula to energy", "ours", f"pymatgen, then Keras {default}", to_32),
        measurement("ready fractions to energy", "ours, ready", f"Keras {wide}", figures["keras 1024"]),
        measurement("ready fractions to energy", "ours, ready", f"Keras {default}", figures["keras 32"]),
    ]


if __name__ == "__main__":
    run_as_script(main)
