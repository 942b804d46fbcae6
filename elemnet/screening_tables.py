"""Tables of a finished screening: candidates by category, the best of them, and known compounds near them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from sklearn.metrics import pairwise_distances_argmin_min

from common.composition import encode
from common.elements import ALL_SYMBOLS
from elemnet.categories import CATEGORIES, categories_of
from elemnet.composition_space import Part
from elemnet.hulls import KnownPhases
from elemnet.predict import ENERGY
from elemnet.screening import DISTANCE, SCHEMA, Settings
from elemnet.screening_run import ScreeningError, part_path, read_settings

ALL_CANDIDATES = "all"
MATCH_DISTANCES = {"within_1_percent": 0.01, "within_10_percent": 0.1}


def iterate_candidates(folder: Path) -> Iterator[tuple[Part, pd.DataFrame]]:
    """Each part of a screening with its candidates.

    Raises:
        ScreeningError: If a part is missing.
    """
    settings = read_settings(folder)
    for part in settings.space.parts(settings.compositions_per_part):
        path = part_path(folder, part)
        if not path.exists():
            raise ScreeningError(f"{folder} lacks part {part.number}: run the screening again, it goes on.")
        yield part, pq.read_table(path).to_pandas()


def summarise(folder: Path, known: KnownPhases | None = None) -> pd.DataFrame:
    """Table 3.3: candidates by category and number of elements.

    Args:
        folder: Of a finished screening.
        known: Further known phases; candidates then are those that lie as far below their hull too.

    Returns:
        Columns ``category`` (``"all"`` first, then those of table 3.3; a composition may be of several),
        ``num_elements``, ``share_screened`` (of all systems of so many elements), ``systems_screened``,
        ``compositions_screened``, and with candidates in them ``candidate_systems`` and ``candidate_compositions``.
    """
    settings = read_settings(folder)
    space = settings.space
    screened: Counter[int] = Counter()
    compositions: Counter[tuple[str, int]] = Counter()
    systems: Counter[tuple[str, int]] = Counter()
    for part, candidates in iterate_candidates(folder):
        if known is not None:
            candidates = candidates[_is_below(settings, part, candidates, known)]
        size = part.num_elements
        screened[size] += len(space.system_numbers(part))
        within = candidates["composition_number"].to_numpy() - space.first_number(size)
        numbers, counts = np.unique(within // len(space.ratios(size)), return_counts=True)
        is_there = np.zeros((len(numbers), len(space.elements)), bool)
        np.put_along_axis(is_there, space.systems(size, numbers), True, axis=1)
        categories = {ALL_CANDIDATES: np.ones(len(numbers), bool)} | categories_of(is_there, space.elements)
        for name, is_member in categories.items():
            systems[name, size] += int(is_member.sum())  # a system lies in one part only
            compositions[name, size] += int(counts[is_member].sum())
    return pd.DataFrame(
        [
            {
                "category": name,
                "num_elements": size,
                "share_screened": screened[size] / space.num_systems(size),
                "systems_screened": screened[size],
                "compositions_screened": screened[size] * len(space.ratios(size)),
                "candidate_systems": systems[name, size],
                "candidate_compositions": compositions[name, size],
            }
            for name in (ALL_CANDIDATES, *CATEGORIES)
            for size in space.system_sizes
        ]
    )


def _is_below(settings: Settings, part: Part, candidates: pd.DataFrame, known: KnownPhases) -> np.ndarray:
    """Which candidates of a part lie far enough below the hull of other known phases too."""
    space, size = settings.space, part.num_elements
    ratios = space.ratios(size)
    fractions = ratios / ratios.sum(axis=1, keepdims=True)  # (num_ratios, num_elements)
    numbers, ratio_of = np.divmod(candidates["composition_number"].to_numpy() - space.first_number(size), len(ratios))
    energies, is_below = candidates[ENERGY].to_numpy(), np.zeros(len(candidates), bool)
    found, starts = np.unique(numbers, return_index=True)  # ascending, as the candidates are
    for places, rows in zip(space.systems(size, found), np.split(np.arange(len(numbers)), starts[1:]), strict=False):
        hull = known.hull([space.elements[place] for place in places])
        above = hull.energy_above(fractions[ratio_of[rows]], energies[rows])
        is_below[rows] = above <= -settings.below_hull_ev_per_atom
    return is_below


def best_candidates(folder: Path, num_rows: int = 1000) -> pd.DataFrame:
    """The candidates farthest below the hull, farthest first; equal ones in the order of their numbers."""
    order = [DISTANCE, "composition_number"]
    best = None
    for _, candidates in iterate_candidates(folder):
        if len(candidates):
            best = pd.concat([best, candidates]).sort_values(order).head(num_rows)
    return pd.DataFrame(columns=SCHEMA.names) if best is None else best.reset_index(drop=True)


def candidates_of(folder: Path, system: Sequence[str]) -> pd.DataFrame:
    """The candidates made of elements of one system, in the order of their numbers."""
    outside = [symbol not in system for symbol in ALL_SYMBOLS]
    found = []
    for part, candidates in iterate_candidates(folder):
        if part.num_elements <= len(system) and len(candidates):
            fractions = encode(candidates["formula"], ALL_SYMBOLS).fractions
            found.append(candidates[~(fractions[:, outside] > 0).any(axis=1)])
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=SCHEMA.names)


def match_compounds(folder: Path, formulas: Iterable[object]) -> pd.DataFrame:
    """The candidate next to each of a user's known compounds, by L2 distance of element fractions.

    Args:
        folder: Of a finished screening.
        formulas: n formulas of compounds known to exist.

    Returns:
        n rows in the order given: ``formula``, ``nearest_candidate``, ``l2_distance``, ``within_1_percent`` (distance
        up to 0.01), ``within_10_percent`` (up to 0.1), ``status`` and ``reason``.
    """
    formulas = list(formulas)
    compounds = encode(formulas, ALL_SYMBOLS)
    rows = np.flatnonzero(compounds.ok)
    distance = np.full(len(formulas), np.nan)
    nearest = np.full(len(formulas), "", object)
    distance[rows] = np.inf
    for _, candidates in iterate_candidates(folder):
        if candidates.empty or not len(rows):
            continue
        # float64: the distance of equal fractions would otherwise be rounding, near 1e-3
        fractions = encode(candidates["formula"], ALL_SYMBOLS).fractions
        found, apart = pairwise_distances_argmin_min(compounds.fractions[rows], fractions)
        is_nearer = apart < distance[rows]
        distance[rows[is_nearer]] = apart[is_nearer]
        nearest[rows[is_nearer]] = candidates["formula"].to_numpy()[found[is_nearer]]
    distance[~np.isfinite(distance)] = np.nan  # no candidate at all
    table = pd.DataFrame({"formula": formulas, "nearest_candidate": nearest, "l2_distance": distance})
    for name, limit in MATCH_DISTANCES.items():
        table[name] = distance <= limit
    reasons = np.where(compounds.ok, "", compounds.reasons)
    return table.assign(status=np.where(compounds.ok, "ok", "error"), reason=reasons)
