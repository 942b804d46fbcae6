"""The process that `bench_memory` looks at: one CSV file in, one out, and what that took, as JSON on stdout.

python -m benchmarks.predict_csv FORMULAS.csv ENERGIES.csv
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import use_cores
from benchmarks.inputs import load_predictor
from common import artifacts
from elemnet.predict import PRETRAINED, predict_file


def main(source: str, destination: str) -> None:
    """Predict, then print weights used, seconds of the prediction and the peak of this process."""
    use_cores(2)
    with tempfile.TemporaryDirectory() as folder:
        model, weights = None, "shipped weights"
        if not PRETRAINED.is_file():
            predictor, weights = load_predictor()
            card = dict.fromkeys(artifacts.REQUIRED_CARD_KEYS, "") | predictor.card
            model = artifacts.save(Path(folder) / "random.keras", predictor.model, card)
        start = time.perf_counter()
        predict_file(source, destination, model=model)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_bytes = peak if sys.platform == "darwin" else 1024 * peak  # Linux counts KiB
    print(json.dumps({"weights": weights, "seconds": seconds, "peak_bytes": peak_bytes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
