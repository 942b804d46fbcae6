"""Disorientations: the closed cubic form against the thesis's tensor graph, and against orix; same process, one core.

    python -m benchmarks.bench_disorientation

The first task is what a training step asks of a loss: values and gradients of 1,024 pairs in float32, compiled. The
pairs' predicted orientations are themselves the weights, moved by plain gradient descent inside one compiled loop, so
that nothing but the loss takes time. Each form is compiled as is faster for it: the closed one by XLA, the others not.

The second is values alone, for arrays: our NumPy function beside orix, both in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import keras
import numpy as np

from benchmarks import Measurement, measure_in_turn, rate, run_as_script, use_cores
from common import backend
from omnet.disorientation import disorientation_deg, tensor_disorientation_deg
from omnet.rotations import random_quaternions

BATCH_SIZE = 1_024
STEPS = {"closed": 400, "exact": 100, "tensor_graph": 5}  # some tenths of a second each
PAIRS, QUICK_PAIRS = 100_000, 1_000
ROUNDS = 5
LEARNING_RATE = 2.0**-20  # so small that the pairs stay what they are
FLOOR_CLOSED, FLOOR_ORIX = 100.0, 1.0
VALUE_TOLERANCE_DEG, GRADIENT_TOLERANCE_DEG, PEER_TOLERANCE_DEG = 1e-3, 0.5, 1e-7
DATA = "random orientations"
THESIS = "the thesis's tensor graph, 1,152 evaluations a pair"


def main(quick: bool = False) -> list[Measurement]:
    """Disorientations beside the thesis's tensor graph and orix, on one core."""
    use_cores(1)
    return [*_measure_losses(quick=quick), _measure_values(quick=quick)]


class Orientations(keras.Model):
    """Predicts its weights, whatever the input."""

    def __init__(self, quaternions: np.ndarray):
        super().__init__()
        self.quaternions = self.add_weight(shape=quaternions.shape)
        self.quaternions.assign(quaternions)
        self.built = True

    def call(self, x, training=False):
        return keras.ops.convert_to_tensor(self.quaternions)


class _Descent:
    """Gradient descent on the disorientations of a batch of pairs, as a compiled loop."""

    def __init__(self, true: np.ndarray, predicted: np.ndarray, method: str, num_steps: int):
        self.num_steps = num_steps
        self._start = predicted
        self._model = Orientations(predicted)
        optimizer = keras.optimizers.SGD(LEARNING_RATE)
        optimizer.build(self._model.trainable_variables)
        self._run = backend.make_chunk_runner(
            self._model,
            optimizer,
            lambda a, b: keras.ops.sum(tensor_disorientation_deg(a, b, method)),
            np.zeros((len(true), 1), np.float32),
            true,
            steps_per_chunk=num_steps,
            jit_compile=method == "closed",
        )

    def gradients(self) -> np.ndarray:
        """(n, 4) degrees, from a single step, less the part that changes only the length, which is no rotation."""
        self._model.quaternions.assign(self._start)
        self._steps(1)
        found = (self._start - keras.ops.convert_to_numpy(self._model.quaternions)) / LEARNING_RATE
        return found - self._start * np.sum(found * self._start, axis=1, keepdims=True)

    def rate(self) -> float:
        """Pairs per second."""
        return rate(self.num_steps * len(self._start), partial(self._steps, self.num_steps))

    def _steps(self, num_steps: int) -> None:
        self._run(np.tile(np.arange(len(self._start), dtype=np.int32), (num_steps, 1)))


def _measure_losses(*, quick: bool) -> list[Measurement]:
    rng = np.random.default_rng(0)
    true, predicted = (random_quaternions(BATCH_SIZE, rng).astype(np.float32) for _ in range(2))
    descents = {
        method: _Descent(true, predicted, method, 1 if quick else num_steps) for method, num_steps in STEPS.items()
    }
    figures = measure_in_turn({name: one.rate for name, one in descents.items()}, rounds=1 if quick else ROUNDS)
    values = {method: _float32_values(true, predicted, method) for method in STEPS}
    gradients = {method: descent.gradients() for method, descent in descents.items()}

    def measurement(method: str, floor: float | None) -> Measurement:
        apart = float(np.abs(values[method] - values["tensor_graph"]).max())
        # The few pairs on a border between two operators have two right gradients.
        slopes_apart = float(np.quantile(np.abs(gradients[method] - gradients["tensor_graph"]), 0.99))
        return Measurement(
            task=f"disorientation, {method}: values and gradients, batch {BATCH_SIZE:,}, float32, compiled, 1 core",
            rows=BATCH_SIZE,
            unit="pairs/s",
            ours_rounds=figures[method],
            agreement=f"values within {apart:.1e} degrees, {VALUE_TOLERANCE_DEG:.0e} allowed; 99 % of gradients within "
            f"{slopes_apart:.1e} degrees, {GRADIENT_TOLERANCE_DEG} allowed",
            agreed=bool(apart <= VALUE_TOLERANCE_DEG and slopes_apart <= GRADIENT_TOLERANCE_DEG),
            peer=THESIS,
            peer_rounds=figures["tensor_graph"],
            floor=floor,
            floor_on=None if floor is None else "ratio",
            data=DATA,
        )

    return [measurement("closed", FLOOR_CLOSED), measurement("exact", None)]


def _float32_values(a: np.ndarray, b: np.ndarray, method: str) -> np.ndarray:
    function: Callable = backend.compiled(partial(tensor_disorientation_deg, method=method))
    return keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(a), keras.ops.convert_to_tensor(b)))


def _measure_values(*, quick: bool) -> Measurement:
    from orix.quaternion import Orientation
    from orix.quaternion.symmetry import O

    rng = np.random.default_rng(1)
    num = QUICK_PAIRS if quick else PAIRS
    a, b = random_quaternions(num, rng), random_quaternions(num, rng)
    first, second = Orientation(a, symmetry=O), Orientation(b, symmetry=O)
    apart = float(np.abs(disorientation_deg(a, b) - first.angle_with(second, degrees=True)).max())
    figures = measure_in_turn(
        {
            "ours": lambda: rate(num, lambda: disorientation_deg(a, b)),
            "orix": lambda: rate(num, lambda: first.angle_with(second, degrees=True)),
        },
        rounds=1 if quick else ROUNDS,
    )
    return Measurement(
        task="disorientation, closed form, values of arrays, float64, 1 core",
        rows=num,
        unit="pairs/s",
        ours_rounds=figures["ours"],
        agreement=f"all within {apart:.1e} degrees, {PEER_TOLERANCE_DEG:.0e} allowed",
        agreed=bool(apart <= PEER_TOLERANCE_DEG),
        peer="orix Orientation.angle_with",
        peer_rounds=figures["orix"],
        floor=FLOOR_ORIX,
        floor_on="ratio",
        data=DATA,
    )


if __name__ == "__main__":
    run_as_script(main)
