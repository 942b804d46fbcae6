"""Training ElemNet on two cores: `common.training.fit` against Keras `Model.fit`.

    python -m benchmarks.bench_training

Both train the network of table 3.1 with dropout by Adam 1e-4 on the mean absolute error, same rows, same batch size.
What is timed are epochs in the steady state: the first ones, in which either side compiles, are left out. Ours
validates after every epoch, on one row; the peer is spared validation.

The second peer is Keras with the one option of its own that also runs several steps without coming back to Python.
"""

from __future__ import annotations

import time

import keras
import numpy as np

from benchmarks import Measurement, measure_in_turn, run_as_script, use_cores
from benchmarks.inputs import Rows, draw_rows
from common import networks
from common.training import TrainingConfig, fit
from elemnet.config import ARCHITECTURE, PAPER_DROPOUT_RATES

LEARNING_RATE = 1e-4
FLOORS = {32: 1.3, 256: 1.0}  # batch size -> least ratio
ROWS, QUICK_ROWS = 4_096, 512
WARM_EPOCHS = 2  # ours compiles the training steps in the first and the prediction for validation in the second
TIMED_EPOCHS = {32: 2, 256: 8}  # some seconds each, since ours keeps its time to 0.1 s
ROUNDS = 3
AGREEMENT_BATCH, AGREEMENT_STEPS = 32, 16
TOLERANCE = 1e-4
STEPS_PER_EXECUTION = 16  # an epoch of the largest batch
PEER = "Keras Model.fit"
FUSED_PEER = f"Keras Model.fit, steps_per_execution={STEPS_PER_EXECUTION}"


def main(quick: bool = False) -> list[Measurement]:
    """Training of the 17-layer network beside Keras Model.fit, on two cores."""
    use_cores(2)
    rows = draw_rows(QUICK_ROWS if quick else ROWS, quick=quick)
    difference, moved = _compare_weights(rows)
    # Weights that had hardly moved would agree whatever the two sides did.
    agreed = difference <= TOLERANCE < moved
    agreement = (
        f"weights within {difference:.1e} after {AGREEMENT_STEPS} steps without dropout, in which they moved by "
        f"{moved:.1e}; {TOLERANCE:.0e} allowed"
    )
    measurements = []
    for batch_size, floor in FLOORS.items():
        figures = _time(rows, batch_size, quick=quick)
        for peer, peer_floor in ((PEER, floor), (FUSED_PEER, None)):
            measurements.append(
                Measurement(
                    task=f"training, 17 layers, batch {batch_size}, 2 cores",
                    rows=len(rows.formulas),
                    unit="rows/s",
                    ours_rounds=figures["ours"],
                    agreement=agreement,
                    agreed=agreed,
                    peer=peer,
                    peer_rounds=figures[peer],
                    floor=peer_floor,
                    floor_on=None if peer_floor is None else "ratio",
                    data=rows.data,
                )
            )
    return measurements


def _build(dropout_rates: tuple[float, ...] = PAPER_DROPOUT_RATES) -> keras.Model:
    return networks.build(ARCHITECTURE, 86, dropout_rates=dropout_rates)  # the same seed, hence the same weights


def _compile(model: keras.Model, steps_per_execution: int = 1) -> keras.Model:
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    model.compile(optimizer=optimizer, loss="mae", steps_per_execution=steps_per_execution)
    return model


def _fit_ours(model: keras.Model, rows: Rows, batch_size: int, num_epochs: int, *, shuffle: bool = True):
    config = TrainingConfig(
        optimizer="adam",
        learning_rate=LEARNING_RATE,
        batch_size=batch_size,
        max_epochs=num_epochs,
        patience_epochs=None,
        restore_best=False,
        shuffle=shuffle,
    )
    one_row = rows.fractions[:1], rows.energies[:1]
    return fit(model, (rows.fractions, rows.energies), one_row, config, progress=False)


# ---------------------------------------------------------------------------------------------------- speed


class _Clock(keras.callbacks.Callback):
    """The time at the end of every epoch."""

    def __init__(self):
        super().__init__()
        self.epoch_ends: list[float] = []

    def on_epoch_end(self, epoch, logs=None):
        self.epoch_ends.append(time.perf_counter())


def _time(rows: Rows, batch_size: int, *, quick: bool) -> dict[str, tuple[float, ...]]:
    """Rows per second of ours and of the two peers in every round."""
    timed_epochs = 1 if quick else TIMED_EPOCHS[batch_size]
    num_epochs = WARM_EPOCHS + timed_epochs
    ours = _build()
    peers = {PEER: _compile(_build()), FUSED_PEER: _compile(_build(), STEPS_PER_EXECUTION)}

    def rate(epoch_ends: list[float]) -> float:
        # Tiny sizes may round to 0 s.
        return timed_epochs * len(rows.formulas) / max(epoch_ends[-1] - epoch_ends[WARM_EPOCHS - 1], 0.1)

    def time_ours() -> float:
        return rate(_fit_ours(ours, rows, batch_size, num_epochs).history["seconds"].tolist())

    def time_keras(model: keras.Model) -> float:
        clock = _Clock()
        x, y = rows.fractions, rows.energies[:, None]
        model.fit(x, y, batch_size=batch_size, epochs=num_epochs, verbose=0, callbacks=[clock])
        return rate(clock.epoch_ends)

    sides = {"ours": time_ours} | {name: lambda model=model: time_keras(model) for name, model in peers.items()}
    return measure_in_turn(sides, rounds=1 if quick else ROUNDS)


# ------------------------------------------------------------------------------------------------ agreement


def _compare_weights(rows: Rows) -> tuple[float, float]:
    """Largest difference between the weights of the two sides, and the largest move that training made."""
    num_rows = AGREEMENT_BATCH * AGREEMENT_STEPS
    few = Rows(rows.formulas[:num_rows], rows.fractions[:num_rows], rows.energies[:num_rows], rows.data)
    ours, peer = _build((0.0,) * 4), _compile(_build((0.0,) * 4))
    start = ours.get_weights()
    _fit_ours(ours, few, AGREEMENT_BATCH, 1, shuffle=False)
    peer.fit(few.fractions, few.energies[:, None], batch_size=AGREEMENT_BATCH, epochs=1, shuffle=False, verbose=0)
    return _largest_difference(ours.get_weights(), peer.get_weights()), _largest_difference(ours.get_weights(), start)


def _largest_difference(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(some, others, strict=True))


if __name__ == "__main__":
    run_as_script(main)
