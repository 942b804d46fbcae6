"""The Sn-Ti-Zn-O wafer of chapter 7: its places and phase regions, which are real, and compositions, which are assumed.

The authors published the label of each of the 177 places, not its composition or image. Compositions here are those of
three sputter guns; so results from them are those of a simulation.

Reference: section 7.2 of the thesis; the labels are those of the authors' repository NU-CUCIS/PADNet-XRD.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common.fetch import DataUnavailableError, fetch
from padnet.data import WAFER_LABELS
from padnet.phases import PHASES

COMPONENTS = ("Sn", "Ti", "Zn")
NUM_REGIONS = 8
# Assumed: a wafer of 3 inches with a place every 4.5 mm.
PITCH_MM = 4.5
_GRID_RADIUS_SQUARED = 53  # of the places in pitches: the outline of the real 177
# Assumed: guns at 120 degrees around the wafer. Sn lies towards the upper left and Zn towards the bottom, because the
# real regions then fall where their phases can form; the directions are of no other consequence.
_GUN_AZIMUTHS_DEG = (130.0, 10.0, 250.0)
_GUN_RADIUS_MM = 60.0
_PLUME_WIDTH_MM = 45.0
# Middles of the regions, in pitches, for a map that only resembles the real one.
_STAND_IN_MIDDLES = ((1, 5), (4, 3), (4, 1), (1, -4), (0, 0), (-4, 1), (6, -2), (-2, -7))


@dataclass(frozen=True, eq=False)
class Wafer:
    """Places of a wafer and the phase region each is in.

    Attributes:
        samples: Their numbers, row by row from the top.
        position_mm: ``(n, 2)`` right and up from the middle.
        labels: ``(n,)`` 0 to 7.
        source: Where the labels are from.
    """

    samples: tuple[str, ...]
    position_mm: np.ndarray
    labels: np.ndarray
    source: str


def load_wafer(data_dir: str | Path | None = None) -> Wafer:
    """The 177 places with their real labels; those of a stand-in, as `source` says, where their file cannot be had."""
    try:
        path = fetch(WAFER_LABELS, data_dir=data_dir)
    except DataUnavailableError:
        return stand_in_wafer()
    table = pd.read_csv(path, dtype={"sample": str})
    return Wafer(
        samples=tuple(table["sample"]),
        position_mm=table[["x", "y"]].to_numpy(np.float64) * PITCH_MM,
        labels=table["label0to7"].to_numpy(np.int64),
        source="real label map",
    )


def stand_in_wafer() -> Wafer:
    """The same places with regions that only resemble the real ones: a place is of the region whose middle is next."""
    along = np.arange(-7, 8)
    y, x = np.meshgrid(along[::-1], along, indexing="ij")
    inside = x**2 + y**2 <= _GRID_RADIUS_SQUARED
    grid = np.stack([x[inside], y[inside]], axis=1).astype(np.float64)
    distances = np.linalg.norm(grid[:, None] - np.asarray(_STAND_IN_MIDDLES), axis=-1)  # (177, 8)
    return Wafer(
        samples=tuple(str(number) for number in range(1, len(grid) + 1)),
        position_mm=grid * PITCH_MM,
        labels=distances.argmin(axis=1),
        source="stand-in label map",
    )


def compositions(position_mm: np.ndarray) -> np.ndarray:
    """What three guns deposit: the plume of each falls off as a Gaussian with the distance from below its gun.

    Args:
        position_mm: ``(n, 2)``.

    Returns:
        ``(n, 3)`` fractions of the cations in the order of `COMPONENTS`.
    """
    azimuths = np.deg2rad(_GUN_AZIMUTHS_DEG)
    guns_mm = _GUN_RADIUS_MM * np.stack([np.cos(azimuths), np.sin(azimuths)], axis=1)
    squared_mm2 = ((position_mm[:, None] - guns_mm) ** 2).sum(axis=-1)  # (n, 3)
    flux = np.exp(-squared_mm2 / (2 * _PLUME_WIDTH_MM**2))
    return flux / flux.sum(axis=1, keepdims=True)


# Assumed phases of the regions: those whose zinc fraction is near that of the region, at most three as the phase rule
# has it at one temperature. Which the real ones are was not published with the labels.
REGION_PHASES = (
    ("rutile",),
    ("rutile", "anatase"),
    ("rutile", "ilmenite"),
    ("ilmenite", "spinel"),
    ("rutile", "ilmenite", "spinel"),
    ("rutile", "spinel"),
    ("anatase", "ilmenite"),
    ("spinel", "wurtzite"),
)
_MIN_FRACTION = 0.1  # a phase that is in the label is there to be seen
_AFFINITY_WIDTH = 0.25


@dataclass(frozen=True, eq=False)
class Films:
    """What is where on a simulated wafer; all but the composition are assumptions.

    Attributes:
        fractions: ``(n, num_phases)`` volume fractions in the order of ``phases.PHASES``; 0 for those not in the label.
        titanium_share: ``(n,)`` of titanium in tin and titanium, in all phases alike.
        strain: ``(n,)`` relative change of all lattice parameters.
        grain_nm: ``(n,)`` grain size, which broadens lines.
        texture: ``(n, num_phases)`` sharpness, see ``phases.pole_density``.
        spots: ``(n,)`` independent grains in a patch of ring: few make it spotty.
        thickness: ``(n,)`` relative.
    """

    fractions: np.ndarray
    titanium_share: np.ndarray
    strain: np.ndarray
    grain_nm: np.ndarray
    texture: np.ndarray
    spots: np.ndarray
    thickness: np.ndarray


def films(wafer: Wafer, seed: int) -> Films:
    """Draw a film for each place; all properties vary smoothly over the wafer, with a little scatter.

    A phase's fraction grows as the zinc fraction nears its own, among the phases of the label, with smooth variations
    of about a third. So the label decides which phases there are, and composition and chance how much of each.
    """
    rng = np.random.default_rng((seed, 0))
    composition = compositions(wafer.position_mm)
    zinc = np.array([phase.zinc_fraction for phase in PHASES.values()])
    present = np.array([[name in REGION_PHASES[label] for name in PHASES] for label in wafer.labels])

    def varied(middle: float, sd: float, columns: int = 1) -> np.ndarray:
        """(n, columns) around a middle; `sd` of the logarithm."""
        return middle * np.exp(sd * smooth_fields(wafer.position_mm, columns, rng))

    affinity = np.exp(-((composition[:, 2:] - zinc) ** 2) / (2 * _AFFINITY_WIDTH**2)) * varied(1, 0.3, len(zinc))
    shares = np.where(present, affinity, 0)
    shares /= shares.sum(axis=1, keepdims=True)
    shares = np.where(present, np.maximum(shares, _MIN_FRACTION), 0)
    return Films(
        fractions=shares / shares.sum(axis=1, keepdims=True),
        titanium_share=composition[:, 1] / composition[:, :2].sum(axis=1),
        strain=0.002 * smooth_fields(wafer.position_mm, 1, rng)[:, 0],
        grain_nm=varied(15, 0.3)[:, 0],
        texture=varied(2, 0.5, len(zinc)),
        spots=varied(30, 0.6)[:, 0],
        thickness=varied(1, 0.1)[:, 0],
    )


def smooth_fields(position_mm: np.ndarray, num_fields: int, rng: np.random.Generator) -> np.ndarray:
    """``(n, num_fields)`` random fields of deviation 1: nine tenths of the variance are waves of 60 mm and more."""
    num_waves = 8
    wavenumbers = rng.normal(scale=2 * np.pi / 120, size=(num_fields, num_waves, 2))
    phase_rad = rng.uniform(0, 2 * np.pi, (num_fields, num_waves))
    waves = np.cos(np.einsum("nd,fwd->nfw", position_mm, wavenumbers) + phase_rad).sum(axis=-1)
    smooth = waves * np.sqrt(2 / num_waves)
    return np.sqrt(0.9) * smooth + np.sqrt(0.1) * rng.normal(size=smooth.shape)
