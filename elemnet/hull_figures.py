"""Pictures of hulls from saved tables: binary systems as energy over composition, ternary ones as triangles.

Nothing here touches a model: tables have a formula and a formation energy in each row, as
`elemnet.phase_diagram.phase_table` writes them, and the hulls are made from these.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from common.canvas import PALETTE, PAPER_COLOUR, new_panels, save_png
from common.composition import encode
from common.readers import TARGET
from elemnet.hull_labels import name_points, typeset
from elemnet.hulls import Hull, KnownPhases
from elemnet.phase_diagram import ON_HULL_EV_PER_ATOM

MAX_LABELS = 12

_CORNERS = np.array([[0, 0], [1, 0], [0.5, math.sqrt(3) / 2]])  # of the triangle: left, right, top


class _Mark(NamedTuple):
    label: str
    marker: str
    face: str
    edge: str
    size: float  # points


_STABLE = _Mark("stable", "o", PALETTE[0], PALETTE[0], 5.5)
_SPURIOUS = _Mark("spurious: not stable in {reference}", "s", PALETTE[1], PALETTE[1], 5.5)
_MISSED = _Mark("missed: stable in {reference} only", "o", "white", PALETTE[1], 5.5)
_ABOVE = _Mark("above the hull", "o", "#A6A6A6", "#A6A6A6", 2.5)
_KNOWN = _Mark("stable known phase", "o", PAPER_COLOUR, PAPER_COLOUR, 5)
_MARKS = (_STABLE, _SPURIOUS, _MISSED, _ABOVE)


def draw_phase_diagram(
    table: pd.DataFrame,
    elements: Sequence[str],
    path: str | os.PathLike[str],
    *,
    reference: str = "DFT",
    title: str = "",
) -> Path:
    """Draw the phase diagram of a binary or ternary system, one panel for each source of energies.

    Stable phases are named. Where `reference` is among the sources, the panels of the others mark what is stable there
    alone, and what is stable in the reference alone. Phases with other elements are left out, so one table of a large
    system serves all systems within it: what is stable there does not depend on the other elements.

    Args:
        table: columns `formula`, `source`, `formation_energy_ev_per_atom` and `is_stable`.
        elements: two symbols, from left to right, or three: left, right, top.
        path: PNG to write.
        reference: the source that the others are held against.
        title: heading of the whole; none by default.

    Raises:
        ValueError: neither two nor three elements, a column is missing, or no phase of the system in the table.

    Reference:
        Thesis Fig. 3.5.
    """
    table, fractions = _phases_within(table, elements, ("formula", "source", TARGET, "is_stable"))
    is_stable = table["is_stable"].to_numpy(bool)
    in_reference = set(table["formula"][is_stable & (table["source"] == reference).to_numpy()])
    sources = list(dict.fromkeys(table["source"]))
    figure, panels = _new_diagrams(sources, elements)
    seen: set[_Mark] = set()
    to_name = []
    for axes, source in zip(panels, sources, strict=True):
        here = (table["source"] == source).to_numpy()
        formulas, energies = table["formula"][here].tolist(), table[TARGET].to_numpy()[here]
        _draw_hull(axes, KnownPhases.from_table(formulas, energies).hull(elements), PAPER_COLOUR)
        judged = in_reference if reference in sources else set(table["formula"][here & is_stable])
        marks = [_mark(stable, name in judged) for name, stable in zip(formulas, is_stable[here], strict=True)]
        places = _places(fractions[here], energies)
        for mark in _MARKS:
            _draw_marks(axes, places[[m is mark for m in marks]], mark)
        seen |= set(marks)
        named = [i for i, mark in enumerate(marks) if mark is not _ABOVE]
        to_name.append((axes, places[named], [typeset(formulas[i], elements) for i in named]))
    _add_legend(figure, [mark for mark in _MARKS if mark in seen], reference)
    if title:
        figure.suptitle(title, fontsize=12)
    name_points(figure, to_name, np.empty((0, 2)))
    return save_png(figure, path)


def draw_candidates(
    known_table: pd.DataFrame,
    candidate_table: pd.DataFrame,
    elements: Sequence[str],
    path: str | os.PathLike[str],
    *,
    title: str = "",
) -> Path:
    """Draw new candidates on the hull of the known phases of a binary or ternary system.

    Candidates are coloured by how far they lie below the hull of known phases. Of those that would be stable beside
    all other candidates too, the `MAX_LABELS` deepest are named. Rows with other elements, and candidates that are not
    below the hull, are left out.

    Args:
        known_table: columns `formula` and `formation_energy_ev_per_atom`.
        candidate_table: the same, predicted.
        elements: two symbols, from left to right, or three: left, right, top.
        path: PNG to write.
        title: heading; the system by default.

    Raises:
        ValueError: neither two nor three elements, a column is missing, or no candidate of the system below the hull.
    """
    known = KnownPhases.from_table(known_table["formula"], known_table[TARGET])
    candidates, fractions = _phases_within(candidate_table, elements, ("formula", TARGET))
    hull = known.hull(elements)
    formulas, energies = candidates["formula"].to_numpy(object), candidates[TARGET].to_numpy()
    below = -hull.energy_above(fractions, energies)  # (n,) eV/atom
    is_new = below > ON_HULL_EV_PER_ATOM
    if not is_new.any():
        raise ValueError(f"Expected a candidate below the hull of {'-'.join(elements)}, received none of {len(below)}.")
    formulas, fractions, energies, below = formulas[is_new], fractions[is_new], energies[is_new], below[is_new]
    all_phases = [*known_table["formula"], *formulas], [*known_table[TARGET], *energies]
    new_hull = KnownPhases.from_table(*all_phases).hull(elements)

    figure, (axes,) = _new_diagrams([title or "-".join(elements)], elements, width=6.4 if len(elements) == 2 else 5.8)
    _draw_hull(axes, hull, PAPER_COLOUR)
    if len(elements) == 2:
        _draw_hull(axes, new_hull, PALETTE[0], "--")
    stable = hull.stable
    known_places = _places(stable.fractions, stable.energies_ev_per_atom)[len(elements) :]
    _draw_marks(axes, known_places, _KNOWN)
    places = _places(fractions, energies)
    depth = Normalize(0, below.max())
    order = np.argsort(below)  # the deepest on top
    x, y = places[order].T
    axes.scatter(x, y, c=below[order], cmap="viridis_r", norm=depth, marker="D", s=26, zorder=4)
    figure.colorbar(
        ScalarMappable(depth, "viridis_r"), ax=axes, label="Below the hull of known phases (eV/atom)", shrink=0.8
    )
    lines = [_handle(_KNOWN, ""), Line2D([], [], marker="D", linestyle="", color=PALETTE[2], label="new candidate")]
    if len(elements) == 2:
        lines.append(Line2D([], [], color=PALETTE[0], linestyle="--", label="hull with the candidates"))
    figure.legend(handles=lines, loc="outside lower center", ncols=len(lines), frameon=False, fontsize=9)
    on_new_hull = new_hull.energy_above(fractions, energies) <= ON_HULL_EV_PER_ATOM
    named = [i for i in order[::-1] if on_new_hull[i]][:MAX_LABELS]
    names = [typeset(name, elements) for name in (*stable.formulas[len(elements) :], *formulas[named])]
    name_points(figure, [(axes, np.concatenate([known_places, places[named]]), names)], places)
    return save_png(figure, path)


def _phases_within(
    table: pd.DataFrame, elements: Sequence[str], columns: Sequence[str]
) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows made of two or more of these elements alone, and their fractions (n, num_elements)."""
    if len(elements) not in (2, 3):
        raise ValueError(
            f"Expected two elements for a binary diagram or three for a triangle, received {len(elements)}: "
            f"{', '.join(elements)}; draw the ternary systems within it one by one."
        )
    if missing := [name for name in columns if name not in table]:
        raise ValueError(
            f"Expected columns {', '.join(columns)}, received {', '.join(table)}; {missing[0]} is missing."
        )
    encoded = encode(table["formula"], elements)
    rows = encoded.ok & ((encoded.fractions > 0).sum(axis=1) > 1)
    if not rows.any():
        raise ValueError(f"Expected phases of {'-'.join(elements)}, received {len(table)} rows with none among them.")
    return table[rows].reset_index(drop=True), encoded.fractions[rows]


def _new_diagrams(titles: Sequence[str], elements: Sequence[str], width: float = 3.8) -> tuple[Figure, list[Axes]]:
    height = 4.4 if len(elements) == 2 else 4.2
    figure, panels = new_panels(titles, (max(width * len(titles), 5.5), height))
    for axes in panels:
        if len(elements) == 2:
            axes.set(xlim=(-0.03, 1.03), xlabel=f"Fraction of {elements[1]}")
            axes.margins(y=0.12)
        else:
            axes.set_axis_off()
            axes.set(aspect="equal", xlim=(-0.1, 1.1), ylim=(-0.12, 0.98))
            for symbol, (x, y), shift in zip(elements, _CORNERS, (-0.06, -0.06, 0.06), strict=True):
                axes.text(x, y + shift, symbol, ha="center", va="center", fontsize=11, fontweight="bold")
    if len(elements) == 2:
        panels[0].set_ylabel("Formation energy (eV/atom)")
    return figure, panels


def _places(fractions: np.ndarray, energies_ev_per_atom: np.ndarray) -> np.ndarray:
    """(n, 2) coordinates in the picture: (fraction of the second element, energy), or in the triangle."""
    if fractions.shape[1] == 2:
        return np.column_stack([fractions[:, 1], energies_ev_per_atom])
    return fractions @ _CORNERS


def _draw_hull(axes: Axes, hull: Hull, colour: str, style: str = "-") -> None:
    """The hull line of a binary system, or the tie lines of a ternary one."""
    stable = hull.stable
    places = _places(stable.fractions, stable.energies_ev_per_atom)
    ties = {tuple(sorted((a, b))) for facet in hull.facets.tolist() for a in facet for b in facet if a < b}
    axes.add_collection(
        LineCollection(list(places[sorted(ties)]), colors=colour, linewidths=1.0, linestyles=style, zorder=2)
    )
    axes.update_datalim(places)
    axes.autoscale_view()


def _mark(is_stable: bool, in_reference: bool) -> _Mark:
    if is_stable:
        return _STABLE if in_reference else _SPURIOUS
    return _MISSED if in_reference else _ABOVE


def _draw_marks(axes: Axes, places: np.ndarray, mark: _Mark) -> None:
    axes.plot(*places.T, linestyle="", zorder=3 if mark is _ABOVE else 4, **_marker(mark))


def _marker(mark: _Mark) -> dict:
    return {
        "marker": mark.marker,
        "markersize": mark.size,
        "markerfacecolor": mark.face,
        "markeredgecolor": mark.edge,
        "markeredgewidth": 1.3,
    }


def _handle(mark: _Mark, reference: str) -> Line2D:
    return Line2D([], [], linestyle="", label=mark.label.format(reference=reference), **_marker(mark))


def _add_legend(figure: Figure, marks: Sequence[_Mark], reference: str) -> None:
    handles = [_handle(mark, reference) for mark in marks]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4), frameon=False, fontsize=9)
