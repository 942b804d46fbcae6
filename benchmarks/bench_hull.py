"""Distances to the convex hull of known phases: this project against pymatgen, same process, one core.

    python -m benchmarks.bench_hull

The work is that of a screening: the hull energies of all compositions of up to 10 atoms of whole chemical systems, in
systems that follow each other and in a draw from everywhere, with as many of two, three and four elements as the full
space has. Every round starts with nothing but the phases indexed by system, so all planes are made in the time
measured; the index, made once in a screening, is timed apart.

pymatgen does some whole systems of the draw, and has their phases and compositions ready as its own objects. Both
sides also answer for random compositions, which agree or not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from math import comb

import numpy as np

from benchmarks import Measurement, measure_in_turn, rate, run_as_script, use_cores
from common.composition import encode
from common.elements import ALL_SYMBOLS
from common.readers import TARGET
from elemnet.composition_space import CompositionSpace
from elemnet.hulls import KnownPhases, load_known

SYSTEMS, QUICK_SYSTEMS = 40_000, 60  # 2 % of the space, so that what is made once weighs more than in all of it
PEER_SYSTEMS, QUICK_PEER_SYSTEMS = 40, 3
CHECKED_SYSTEMS, QUICK_CHECKED_SYSTEMS = 200, 10
CHECKED_PER_SYSTEM = 10
ROUNDS = 3
TOLERANCE_EV_PER_ATOM = 1e-6
FLOOR_COMPOSITIONS_PER_S = 500_000

SPACE = CompositionSpace()
System = tuple[str, ...]


def main(quick: bool = False) -> list[Measurement]:
    """Hull energies of all compositions of whole systems beside pymatgen, on one core."""
    use_cores(1)
    known = load_known(["flla" if quick else "oqmd"])
    num_systems = QUICK_SYSTEMS if quick else SYSTEMS
    drawn = _draw_systems(num_systems)
    tasks = {"systems that follow each other": _successive_systems(num_systems), "systems drawn at random": drawn}

    checked = drawn[: QUICK_CHECKED_SYSTEMS if quick else CHECKED_SYSTEMS]
    rng = np.random.default_rng(0)
    random = [rng.dirichlet(np.ones(len(system)), CHECKED_PER_SYSTEM) for system in checked]
    ours = np.concatenate([known.hull(system).energies(x) for system, x in zip(checked, random, strict=True)])
    difference = float(np.abs(ours - _pymatgen_energies(*_pymatgen_objects(known, checked, random))).max())

    for_peer = drawn[: QUICK_PEER_SYSTEMS if quick else PEER_SYSTEMS]
    objects = _pymatgen_objects(known, for_peer, [_fractions(system) for system in for_peer])
    index_times: list[float] = []
    sides = {name: partial(_rate, known, systems, index_times) for name, systems in tasks.items()}
    sides["pymatgen"] = partial(rate, _num_compositions(for_peer), partial(_pymatgen_energies, *objects))
    figures = measure_in_turn(sides, rounds=1 if quick else ROUNDS)
    return [
        Measurement(
            task=f"hull energies, {name}, planes included, 1 core (index of {len(known):,} known phases, once: "
            f"{np.median(index_times):.1f} s)",
            rows=_num_compositions(systems),
            unit="compositions/s",
            ours_rounds=figures[name],
            agreement=f"{len(ours):,} random compositions in {len(checked)} systems within {difference:.1e} eV/atom, "
            f"{TOLERANCE_EV_PER_ATOM:.0e} allowed",
            agreed=bool(difference <= TOLERANCE_EV_PER_ATOM),  # False for NaN
            peer="pymatgen PhaseDiagram.get_hull_energy_per_atom",
            peer_rounds=figures["pymatgen"],
            floor=FLOOR_COMPOSITIONS_PER_S,
            floor_on="ours",
            data=known.name,
        )
        for name, systems in tasks.items()
    ]


def _numbers_by_size(num_systems: int) -> dict[int, tuple[int, int]]:
    """For each number of elements: systems to take of so many, in the shares of the space, and those there are."""
    there = {size: comb(len(SPACE.elements), size) for size in SPACE.system_sizes}
    return {size: (max(1, round(num_systems * num / sum(there.values()))), num) for size, num in there.items()}


def _successive_systems(num_systems: int) -> list[System]:
    """Systems that follow each other in the middle of those of each size."""
    ranges = {size: num_there // 2 + np.arange(num) for size, (num, num_there) in _numbers_by_size(num_systems).items()}
    return [system for size, numbers in ranges.items() for system in _symbols(size, numbers)]


def _draw_systems(num_systems: int) -> list[System]:
    """Systems from everywhere, in random order."""
    rng = np.random.default_rng(0)
    systems = []
    for size, (num, num_there) in _numbers_by_size(num_systems).items():
        systems += _symbols(size, rng.choice(num_there, num, replace=False))
    return [systems[i] for i in rng.permutation(len(systems))]


def _symbols(size: int, numbers: np.ndarray) -> list[System]:
    return [tuple(SPACE.elements[place] for place in places) for places in SPACE.systems(size, numbers)]


def _fractions(system: System) -> np.ndarray:
    """(num_ratios, num_elements) of all compositions of a system."""
    ratios = SPACE.ratios(len(system))
    return ratios / ratios.sum(axis=1, keepdims=True)


def _num_compositions(systems: Sequence[System]) -> int:
    return sum(len(SPACE.ratios(len(system))) for system in systems)


def _rate(known: KnownPhases, systems: Sequence[System], index_times: list[float]) -> float:
    """Compositions per second with no plane at the start; adds the seconds of the index."""
    started = time.perf_counter()
    fresh = KnownPhases.from_table(known.table["formula"], known.table[TARGET])
    index_times.append(time.perf_counter() - started)
    fractions = {size: _fractions(("",) * size) for size in SPACE.system_sizes}

    def work() -> None:
        for system in systems:
            fresh.hull(system).energies(fractions[len(system)])

    return rate(_num_compositions(systems), work)


def _pymatgen_objects(known: KnownPhases, systems: Sequence[System], fractions: Sequence[np.ndarray]):
    """Of each system its entries, elements and compositions, as pymatgen takes them."""
    from pymatgen.analysis.phase_diagram import PDEntry
    from pymatgen.core import Composition, Element

    contains = encode(known.table["formula"], ALL_SYMBOLS).fractions > 0
    num_elements = contains.sum(axis=1)
    entries, elements, compositions = [], [], []
    for system, x in zip(systems, fractions, strict=True):
        within = contains[:, [ALL_SYMBOLS.index(symbol) for symbol in system]].sum(axis=1) == num_elements
        phases = known.table[within]
        found = [PDEntry(Composition(symbol), 0.0) for symbol in system]
        for formula, energy in zip(phases["formula"], phases[TARGET], strict=True):
            composition = Composition(formula)
            found.append(PDEntry(composition, energy * composition.num_atoms))
        entries.append(found)
        elements.append([Element(symbol) for symbol in system])
        compositions.append([Composition(dict(zip(system, row, strict=True))) for row in x.tolist()])
    return entries, elements, compositions


def _pymatgen_energies(entries, elements, compositions) -> np.ndarray:
    """(n,) eV/atom, a phase diagram for each system."""
    from pymatgen.analysis.phase_diagram import PhaseDiagram

    energies = []
    for phases, system, wanted in zip(entries, elements, compositions, strict=True):
        diagram = PhaseDiagram(phases, system)
        energies += [diagram.get_hull_energy_per_atom(composition) for composition in wanted]
    return np.array(energies)


if __name__ == "__main__":
    run_as_script(main)
