"""Structure attributes: this project against matminer, same structures, same process, one core; and our memory.

    python -m benchmarks.bench_voronoi

Both sides are given real crystals of 5 to 20 sites, all inside the unit cell, where pymatgen's neighbours are right.
matminer's five featurizers are called as they are, on structures whose cells it can close.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from benchmarks import Measurement, measure_in_turn, rate, run_as_script, use_cores
from benchmarks.matminer_peer import make_structure_featurizer
from common.datasets import load, structures
from common.features.voronoi import featurize, featurize_with_reasons
from common.readers import LoadedDataset

ROWS, QUICK_ROWS = 30, 2
ROUNDS = 3
MIN_SITES, MAX_SITES = 5, 20
MAX_LATTICE_ANGSTROM = 13.0  # matminer looks no farther for neighbours, and fails on many a longer cell
TOLERANCE = 1e-6
FLOOR_RATIO = 5
MEMORY_ROWS, QUICK_MEMORY_ROWS = 10_000, 200
WARM_UP_ROWS = 500
CEILING_MB = 100


def main(quick: bool = False) -> list[Measurement]:
    """126 structure attributes beside matminer, on one core, and the growth of memory over 10,000 structures."""
    use_cores(1)
    loaded = load("flla_structures")
    return [_memory(loaded, quick=quick), _speed(loaded, quick=quick)]


def _speed(loaded: LoadedDataset, *, quick: bool) -> Measurement:
    frame = loaded.frame[loaded.frame["num_sites"].between(MIN_SITES, MAX_SITES)]
    frame = frame[[np.linalg.norm(lattice, axis=1).max() < MAX_LATTICE_ANGSTROM for lattice in frame["lattice"]]]
    drawn = frame.sample(QUICK_ROWS if quick else ROWS, random_state=0)
    crystals = [Structure(s.lattice, s.species, s.frac_coords % 1) for s in structures(drawn)]
    _, theirs = make_structure_featurizer()

    received, expected = featurize(crystals), theirs(crystals)
    # relative, but to 1e-3 at least: an attribute that vanishes by symmetry is zero to round-off on either side
    difference = float((np.abs(received - expected) / np.maximum(np.abs(expected), 1e-3)).max())
    sides = {
        "ours": lambda: rate(len(crystals), lambda: featurize(crystals)),
        "peer": lambda: rate(len(crystals), lambda: theirs(crystals)),
    }
    figures = measure_in_turn(sides, rounds=1 if quick else ROUNDS)
    return Measurement(
        task=f"structure to 126 attributes, {MIN_SITES} to {MAX_SITES} sites, 1 core",
        rows=len(crystals),
        unit="structures/s",
        ours_rounds=figures["ours"],
        agreement=f"attributes within {difference:.1e} relative, {TOLERANCE:.0e} allowed",
        agreed=difference <= TOLERANCE,
        peer="matminer's ward-prb-2017 featurizers",
        peer_rounds=figures["peer"],
        floor=FLOOR_RATIO,
        floor_on="ratio",
        data=loaded.name,
    )


def _memory(loaded: LoadedDataset, *, quick: bool) -> Measurement:
    """How far the process grows while a generator feeds it structures, after a few to load what is loaded once."""
    num_rows = QUICK_MEMORY_ROWS if quick else MEMORY_ROWS
    small = loaded.frame[loaded.frame["num_sites"] <= MAX_SITES]

    largest = 0

    def feed(num_structures: int) -> Iterator[Structure]:
        nonlocal largest
        again = itertools.chain.from_iterable(structures(small) for _ in itertools.count())
        for number, structure in enumerate(itertools.islice(again, num_structures)):
            if number % 100 == 0:
                largest = max(largest, _resident_bytes())
            yield structure

    featurize_with_reasons(feed(WARM_UP_ROWS))
    largest = before = _resident_bytes()
    found = featurize_with_reasons(feed(num_rows))
    growth_mb = (max(largest, _resident_bytes()) - before) / 1e6
    num_found = int(found.ok.sum())
    return Measurement(
        task="growth of memory over the run: structures from a generator to 126 attributes, result included",
        rows=num_rows,
        unit="MB",
        ours_rounds=(growth_mb,),
        agreement=f"{len(found.attributes):,} rows out for {num_rows:,} in, {num_rows - num_found:,} with a reason",
        agreed=len(found.attributes) == num_rows and num_found >= 0.99 * num_rows,
        floor=CEILING_MB,
        floor_on="ours_at_most",
        data=loaded.name,
    )


def _resident_bytes() -> int:
    """Memory that this process holds now; where only its peak can be asked for, the peak."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:  # not Linux
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    run_as_script(main)
