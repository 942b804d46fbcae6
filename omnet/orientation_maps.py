"""Pictures of a table of orientations: map in inverse-pole-figure colours, and pole figures.

Everything is drawn from the saved CSV of ``omnet index``; nothing here touches patterns or a model.

Reference:
    G. Nolze, R. Hielscher, Orientations - perfectly colored, J. Appl. Cryst. 49, 1786 (2016),
    doi:10.1107/S1600576716012942, for colour keys of Laue group m-3m and what each of them hides.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from common.canvas import new_axes, new_panels, save_png
from omnet.rotations import CUBIC_MATRICES, matrices_from_quaternions, quaternions_from_euler

EULER_COLUMNS = ["phi1_rad", "Phi_rad", "phi2_rad"]
SAMPLE_DIRECTIONS = {"X": (1.0, 0.0, 0.0), "Y": (0.0, 1.0, 0.0), "Z": (0.0, 0.0, 1.0)}
POLES = {"<001>": (0, 0, 1), "<011>": (0, 1, 1), "<111>": (1, 1, 1)}
NO_ORIENTATION = (0.0, 0.0, 0.0)  # black, which the key has nowhere
_WHITE = 1.0


def ipf_colours(quaternions: np.ndarray, sample_direction: tuple[float, float, float] = (0, 0, 1)) -> np.ndarray:
    """Colours of orientations by the crystal direction that lies along a sample direction, Laue group m-3m.

    The direction is brought into the standard triangle [001]-[011]-[111] and written as a sum of its corners; the three
    shares are red, green and blue. As in the key of EDAX TSL the largest is scaled to full intensity, which leaves the
    corners pure and the centre white.

    Args:
        quaternions: ``(n, 4)`` orientations, sample to crystal.
        sample_direction: Not zero, of any length.

    Returns:
        ``(n, 3)`` red, green and blue from 0 to 1.
    """
    direction = np.asarray(sample_direction, np.float64)
    crystal = matrices_from_quaternions(quaternions) @ (direction / np.linalg.norm(direction))  # (n, 3)
    return direction_colours(crystal)


def direction_colours(crystal: np.ndarray) -> np.ndarray:
    """``(n, 3)`` colours of crystal directions ``(n, 3)``, see `ipf_colours`."""
    low, middle, high = np.moveaxis(np.sort(np.abs(crystal), axis=-1), -1, 0)  # the standard triangle of m-3m
    # (low, middle, high) = red [001] + green [011] / sqrt 2 + blue [111] / sqrt 3
    shares = np.stack([high - middle, (middle - low) * np.sqrt(2), low * np.sqrt(3)], axis=-1)
    # The square root widens the pale centre, so that the eye does not take hues half-way for corners.
    return np.sqrt(shares / shares.max(axis=-1, keepdims=True))


def check_direction(name: str) -> None:
    """Raise a ``ValueError`` if this is no sample direction."""
    if name not in SAMPLE_DIRECTIONS:
        raise ValueError(f"Expected a sample direction {', '.join(SAMPLE_DIRECTIONS)}; received {name!r}.")


def draw_orientation_map(table: pd.DataFrame, path: str | os.PathLike[str], sample_direction: str = "Z") -> Path:
    """Draw a map in inverse-pole-figure colours with its key; points without an orientation are black.

    Args:
        table: Columns ``x_um``, ``y_um``, ``phi1_rad``, ``Phi_rad``, ``phi2_rad`` and ``status``.
        path: PNG to write.
        sample_direction: ``X``, ``Y`` or ``Z``, the direction whose crystal direction is shown.

    Raises:
        ValueError: If the direction is another, a column is missing or no point has an orientation.
    """
    check_direction(sample_direction)
    found, quaternions = _found(table)
    columns, column = np.unique(table["x_um"], return_inverse=True)
    rows, row = np.unique(table["y_um"], return_inverse=True)
    colours = np.full((len(table), 3), NO_ORIENTATION)
    colours[found] = ipf_colours(quaternions, SAMPLE_DIRECTIONS[sample_direction])
    image = np.full((len(rows), len(columns), 3), NO_ORIENTATION)
    image[row, column] = colours
    height = float(np.clip(5.0 * len(rows) / len(columns), 2.5, 10.0))
    figure, axes = new_axes(f"Crystal directions along {sample_direction}", (7.0, height))
    dx, dy = _step(columns), _step(rows)
    extent = (columns[0] - dx / 2, columns[-1] + dx / 2, rows[-1] + dy / 2, rows[0] - dy / 2)
    axes.imshow(image, extent=extent, interpolation="nearest")
    axes.grid(visible=False)
    axes.set_xlabel("x (µm)")
    axes.set_ylabel("y (µm)")
    _draw_key(axes.inset_axes((1.06, 0.4, 0.3, 0.6)))
    return save_png(figure, path)


def draw_pole_figures(table: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Draw pole figures of <001>, <011> and <111>: stereographic, upper hemisphere, sample X right and Y up.

    Points have the colour of their crystal direction along Z, as in the map.

    Args:
        table: As of `draw_orientation_map`.
        path: PNG to write.

    Raises:
        ValueError: If a column is missing or no point has an orientation.
    """
    _, quaternions = _found(table)
    colours = ipf_colours(quaternions)
    figure, panels = new_panels(list(POLES), (9.0, 3.2))
    for axes, pole in zip(panels, POLES.values(), strict=True):
        places = pole_places(quaternions, np.array(pole, np.float64))  # (n, k, 2)
        size = np.clip(2000.0 / places[..., 0].size, 0.2, 20.0)
        shades = np.repeat(colours, places.shape[1], axis=0)
        x, y = places.reshape(-1, 2).T
        axes.scatter(x, y, c=shades, s=size, linewidths=0.2 * (size > 2), edgecolors="#4D4D4D")
        _draw_circle(axes)
    return save_png(figure, path)


def pole_places(quaternions: np.ndarray, pole: np.ndarray) -> np.ndarray:
    """Places of all symmetric poles in the stereographic projection.

    Args:
        quaternions: ``(n, 4)`` orientations, sample to crystal.
        pole: ``(3,)`` crystal direction.

    Returns:
        ``(n, k, 2)`` places within the unit circle; k axes, each with its opposite, of which the upper one counts.
    """
    family = np.unique(CUBIC_MATRICES @ pole, axis=0)
    axes = family[np.array([tuple(vector) > tuple(-vector) for vector in family])]  # one of each pair of opposites
    sample = (axes / np.linalg.norm(pole)) @ matrices_from_quaternions(quaternions)  # (n, k, 3): g^T h
    sample = np.where(sample[..., 2:] < 0, -sample, sample)
    return sample[..., :2] / (1 + sample[..., 2:])


def _found(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Which rows have an orientation, and the quaternions of those."""
    needed = ["x_um", "y_um", *EULER_COLUMNS, "status"]
    if missing := [name for name in needed if name not in table]:
        raise ValueError(f"Expected columns {', '.join(needed)}; the table lacks {', '.join(missing)}.")
    found = (table["status"] == "ok").to_numpy()
    if not found.any():
        raise ValueError(f"Expected a table with orientations; none of its {len(table)} rows has one.")
    return found, quaternions_from_euler(table.loc[found, EULER_COLUMNS].to_numpy(np.float64))


def _step(values: np.ndarray) -> float:
    return float(np.diff(values).min()) if len(values) > 1 else 1.0


def _draw_key(axes: Axes) -> None:
    """The standard triangle in stereographic projection, coloured."""
    grid = 300
    x, y = np.meshgrid(np.linspace(0, 0.45, grid), np.linspace(0, 0.45, grid))
    square = x**2 + y**2
    directions = np.stack([2 * x, 2 * y, 1 - square], axis=-1) / (1 + square)[..., None]
    inside = (y <= x) & (directions[..., 0] <= directions[..., 2])
    image = np.where(inside[..., None], direction_colours(directions), _WHITE)
    axes.imshow(image, extent=(0, 0.45, 0, 0.45), origin="lower", interpolation="bilinear")
    axes.axis("off")
    corners = {"001": (0.0, 0.0), "011": (np.sqrt(2) - 1, 0.0), "111": ((np.sqrt(3) - 1) / 2,) * 2}
    for label, (right, up) in corners.items():
        axes.annotate(f"[{label}]", (right, up), xytext=(0, 3 if up else -3), textcoords="offset points",
                      va="bottom" if up else "top", ha="center", fontsize=8, annotation_clip=False)  # fmt: skip


def _draw_circle(axes: Axes) -> None:
    angle = np.linspace(0, 2 * np.pi, 361)
    axes.plot(np.cos(angle), np.sin(angle), color="#4D4D4D", linewidth=0.8)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.text(1.03, 0, "X", va="center", fontsize=9)
    axes.text(0, 1.03, "Y", ha="center", fontsize=9)
