"""What a finished screening leaves beside its parts: tables for people, and the hull of one system as a picture."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from common.files import write_csv_atomic
from common.formula import parse_formula
from elemnet import hull_figures, screening_tables
from elemnet.screening import CAVEAT, DISTANCE
from elemnet.screening_run import read_known

MAX_DRAWN_ELEMENTS = 3
WARNING = "predicted from compositions: see Bartel et al. 2020"  # in the picture, which has no room for the caveat


def write_report(
    folder: Path, *, compounds: Iterable[object] | None = None, system: tuple[str, ...] | None = None
) -> list[str]:
    """Write ``summary.csv``, ``candidates.csv`` (the best thousand), ``matches.csv`` and a picture of one system.

    Args:
        folder: Of a finished screening.
        compounds: Formulas of compounds known to exist; ``None`` for no ``matches.csv``.
        system: Elements of the system to draw; ``None`` takes that of the best candidate of up to three elements.

    Returns:
        Lines that say what came out.

    Raises:
        ScreeningError: If a part is missing.
        ValueError: If the system cannot be drawn.
    """
    summary, best = screening_tables.summarise(folder), screening_tables.best_candidates(folder)
    write_csv_atomic(folder / "summary.csv", summary.assign(caveat=CAVEAT))
    write_csv_atomic(folder / "candidates.csv", best.assign(caveat=CAVEAT))
    total = summary[summary["category"] == screening_tables.ALL_CANDIDATES]
    lines = [
        f"{row.num_elements} elements: {row.compositions_screened:,} compositions in {row.systems_screened:,} systems, "
        f"{row.candidate_compositions:,} candidates in {row.candidate_systems:,} systems"
        for row in total.itertuples()
    ]
    lines += [
        f"  {row.formula}: {row.formation_energy_ev_per_atom:.3f} eV/atom, {-getattr(row, DISTANCE):.3f} below the hull"
        + (", a known composition" if row.is_known_composition else "")
        for row in best.head(10).itertuples()
    ]
    if compounds is not None:
        matches = screening_tables.match_compounds(folder, compounds)
        write_csv_atomic(folder / "matches.csv", matches.assign(caveat=CAVEAT))
        counts = ", ".join(
            f"{int(matches[name].sum()):,} {name.replace('_', ' ')}" for name in screening_tables.MATCH_DISTANCES
        )
        lines.append(f"of {len(matches):,} known compounds with a candidate near by: {counts}")
    lines.append(_draw(folder, best, system))
    return [line for line in lines if line]


def check_system(system: Sequence[str], elements: Sequence[str]) -> None:
    """Raise a ``ValueError`` if a system cannot be drawn from a screening of these elements."""
    if not 2 <= len(set(system)) == len(system) <= MAX_DRAWN_ELEMENTS or not set(system) <= set(elements):
        raise ValueError(
            f"Expected a system of 2 or 3 elements of the screening, such as {'-'.join(elements[:2])}; received "
            f"{'-'.join(system)}."
        )


def _draw(folder: Path, best: pd.DataFrame, system: tuple[str, ...] | None) -> str:
    """Draw a system with its candidates; returns a line that says so."""
    if system is None:
        systems = (tuple(parse_formula(formula)) for formula in best["formula"])
        system = next((found for found in systems if len(found) <= MAX_DRAWN_ELEMENTS), None)
    if system is None:
        return "" if best.empty else "nothing drawn: no candidate of 2 or 3 elements is among the best; see --plot"
    candidates = screening_tables.candidates_of(folder, system)
    if not (candidates[DISTANCE] < 0).any():
        return f"nothing drawn: no candidate below the hull in {'-'.join(system)}"
    path = folder / f"hull_{'-'.join(system)}.png"
    hull_figures.draw_candidates(read_known(folder), candidates, system, path, title=f"{'-'.join(system)} ({WARNING})")
    return f"{path}: hull of the known phases of {'-'.join(system)} with {len(candidates):,} candidates"
