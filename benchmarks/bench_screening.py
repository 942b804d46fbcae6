"""Screening on two cores: where the time goes, and how near the network comes to the speed of bare matrix products.

    python -m benchmarks.bench_screening

The peak is that of the best of two libraries (NumPy's BLAS and Keras's backend) on square matrices of several sizes,
timed in the same rounds as the network.
"""

from __future__ import annotations

import numpy as np

from benchmarks import Measurement, measure_in_turn, rate, run_as_script, use_cores
from benchmarks.inputs import load_predictor
from elemnet.composition_space import CompositionSpace
from elemnet.hulls import load_known
from elemnet.predict import ENERGY, ROWS_PER_BATCH
from elemnet.screening import STAGES, Screener, Settings

ROWS = 16 * ROWS_PER_BATCH
SQUARES = (1024, 2048, 4096)
SHARES, QUICK_SHARES = (0.01, 0.005, 0.0004), (0.001, 0.0001, 0.000005)  # some 230,000 compositions
ROUNDS = 3
TOLERANCE_EV_PER_ATOM = 1e-5
SMALLEST_SHARE_OF_PEAK = 0.8
LARGEST_SHARE_OF_ENCODING = 0.1


def main(quick: bool = False) -> list[Measurement]:
    """The network against the peak of matrix products, and the share of enumeration and encoding in a screening."""
    use_cores(2)
    return [_share_of_peak(quick), *_stages(quick)]


def _share_of_peak(quick: bool) -> Measurement:
    predictor, weights = load_predictor()
    kernels = [w for w in predictor.model.get_weights() if w.ndim == 2]
    operations = 2 * sum(kernel.size for kernel in kernels)  # a row
    num_rows = ROWS_PER_BATCH if quick else ROWS
    x = np.random.default_rng(0).dirichlet(np.ones(len(predictor.elements)), num_rows).astype(np.float32)
    sides = {
        f"{name} {n}": _product(n, name) for n in (SQUARES[:1] if quick else SQUARES) for name in ("numpy", "keras")
    }
    sides["network"] = lambda: rate(operations * num_rows, lambda: predictor.predict_fractions(x))
    figures = measure_in_turn(sides, rounds=1 if quick else ROUNDS)
    network = figures.pop("network")
    peak = tuple(max(values) for values in zip(*figures.values(), strict=True))
    apart = float(np.abs(predictor.predict_fractions(x[:1000]) - _by_hand(predictor.model, x[:1000])).max())
    return Measurement(
        task=f"forward pass, 17 layers, {weights}, 2 cores",
        rows=num_rows,
        unit="GFLOP/s",
        ours_rounds=tuple(value / 1e9 for value in network),
        agreement=f"within {apart:.1e} eV/atom of products in float64, {TOLERANCE_EV_PER_ATOM:.0e} allowed",
        agreed=bool(apart <= TOLERANCE_EV_PER_ATOM),
        peer="bare matrix products, the best of " + ", ".join(figures),
        peer_rounds=tuple(value / 1e9 for value in peak),
        floor=SMALLEST_SHARE_OF_PEAK,
        floor_on="ratio",
        data="random compositions",
    )


def _product(n: int, library: str):
    """A function that gives the operations a second of one product of square matrices."""
    a = np.random.default_rng(n).random((n, n), np.float32)
    if library == "numpy":
        out = np.empty_like(a)
        return lambda: rate(2 * n**3, lambda: np.matmul(a, a, out=out))
    from keras import ops

    tensor = ops.convert_to_tensor(a)
    return lambda: rate(2 * n**3, lambda: ops.convert_to_numpy(ops.matmul(tensor, tensor)))


def _by_hand(model, x: np.ndarray) -> np.ndarray:
    """The 17 layers in NumPy, float64."""
    weights = [w.astype(np.float64) for w in model.get_weights()]
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        x = x @ kernel + bias
        if kernel.shape[1] > 1:
            x = np.maximum(x, 0)
    return x[:, 0]


def _stages(quick: bool) -> list[Measurement]:
    predictor, weights = load_predictor()
    known = load_known(["flla" if quick else "oqmd"])
    space = CompositionSpace(predictor.elements, shares=QUICK_SHARES if quick else SHARES)
    screener = Screener(Settings(space), predictor, known)
    parts = list(space.parts(250_000))
    rounds = []
    for _ in range(2 if quick else 1 + ROUNDS):  # the first warms up
        tables, reports = zip(*(screener.screen(part) for part in parts), strict=True)
        rounds.append({stage: sum(report.seconds[stage] for report in reports) for stage in STAGES})
    num_rows = sum(report.num_compositions for report in reports)
    formulas = [formula for table in tables for formula in table["formula"].to_pylist()]
    energies = np.concatenate([table[ENERGY].to_numpy() for table in tables])
    apart = float(np.abs(predictor.predict(formulas)[ENERGY].to_numpy() - energies).max()) if formulas else np.nan

    def measurement(task: str, unit: str, ours, **more) -> Measurement:
        return Measurement(
            task=f"{task}, {weights}, 2 cores",
            rows=num_rows,
            unit=unit,
            ours_rounds=tuple(ours(seconds) for seconds in rounds[1:]),
            agreement=f"{len(formulas):,} candidates within {apart:.1e} eV/atom of the prediction from their formulas",
            agreed=bool(apart <= TOLERANCE_EV_PER_ATOM),
            data=known.name,
            **more,
        )

    return [
        measurement("screening against the hull", "compositions/s", lambda s: num_rows / sum(s.values())),
        measurement(
            "enumeration and encoding in a screening",
            "of the time",
            lambda s: s["encode"] / sum(s.values()),
            floor=LARGEST_SHARE_OF_ENCODING,
            floor_on="ours_at_most",
        ),
    ]


if __name__ == "__main__":
    run_as_script(main)
