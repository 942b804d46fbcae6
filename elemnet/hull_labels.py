"""Names beside the points of a picture: formulas with subscripts, each where it hides as little as possible."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox, BboxBase

from common.formula import parse_formula

# From below round the point, near ones first, in points; names are wider than high.
_LABEL_OFFSETS = [
    (1.4 * r * math.cos(a), r * math.sin(a)) for r in (10, 17, 25) for a in np.deg2rad(np.arange(-90, 270, 45))
]
_LEADER = {"arrowstyle": "-", "color": "#A6A6A6", "linewidth": 0.7, "shrinkA": 0, "shrinkB": 2}


def typeset(formula: str, elements: Sequence[str]) -> str:
    """A formula with subscripts, in smallest whole numbers and in the order of these elements."""
    amounts = parse_formula(formula)
    if all(amount.is_integer() for amount in amounts.values()):
        divisor = math.gcd(*(int(amount) for amount in amounts.values()))
        amounts = {symbol: amount / divisor for symbol, amount in amounts.items()}
    ordered = {symbol: amounts[symbol] for symbol in elements if symbol in amounts}
    return "".join(symbol + (f"$_{{{amount:g}}}$" if amount != 1 else "") for symbol, amount in ordered.items())


def name_points(figure: Figure, to_name: Sequence[tuple[Axes, np.ndarray, list[str]]], others: np.ndarray) -> None:
    """Write a name beside each point, at the nearest of some places where it hides no other name or point.

    Args:
        figure: all else has been drawn.
        to_name: axes, (n, 2) points and their n names.
        others: (m, 2) points without a name.
    """
    figure.draw_without_rendering()  # settles the layout, so that places on the page are final
    for axes, places, names in to_name:
        points = axes.transData.transform(np.concatenate([places, others]))  # (n + m, 2) pixels
        taken = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in points]
        for place, name in zip(places, names, strict=True):
            taken.append(_name_point(axes, tuple(place), name, taken, figure.bbox))


def _name_point(axes: Axes, place: tuple[float, float], name: str, taken: Sequence[Bbox], page: BboxBase) -> Bbox:
    text = axes.annotate(
        name,
        place,
        xytext=(0, 0),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=8,
        zorder=6,
        path_effects=[withStroke(linewidth=2, foreground="white")],
    )
    best, fewest = _LABEL_OFFSETS[0], math.inf
    for x, y in _LABEL_OFFSETS:
        text.set_position((x, y))
        box = text.get_window_extent()
        overlaps = box.count_overlaps(taken) + 10 * (not page.containsx(box.x0) or not page.containsx(box.x1))
        if overlaps < fewest:
            best, fewest = (x, y), overlaps
        if overlaps == 0:
            break
    text.set_position(best)
    box = text.get_window_extent()
    if best not in _LABEL_OFFSETS[:8]:  # too far to tell without a line
        axes.annotate("", place, xytext=best, textcoords="offset points", arrowprops=_LEADER, zorder=3)
    return box.padded(2)  # pixels between names
