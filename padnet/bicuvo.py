"""The measured Bi-Cu-V-O composition spread: 1D patterns, compositions and places, labelled by phase sets.

The labels are those of a solver (deep reasoning networks) that was run on the same patterns, so they are no independent
truth: how well patterns predict them says how well that solver can be imitated.

Reference: D. Chen, Y. Bai, S. Ament, W. Zhao et al., Nat. Mach. Intell. 3, 812 (2021), doi:10.1038/s42256-021-00384-1;
files of the authors under the MIT licence.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.fetch import fetch
from padnet.data import BICUVO_FILES, MEASURED, XrdDataset
from padnet.geometry import SLAC

MIN_CLASS_SIZE = 16
# The files give scattering vectors. The wavelength of the source is not in them; this one only names the axis, and
# re-projection to a detector at the same wavelength gives the scattering vectors back.
WAVELENGTH_A = SLAC.wavelength_a
# Where the first point of the background-subtracted patterns lies among those of the raw ones, whose axis is not
# published: the shift at which their peaks agree best. The lines of the SnO2 substrate then lie where they must.
RAW_OFFSET = 127


def load_bicuvo(
    *, subtracted: bool = False, min_class_size: int = MIN_CLASS_SIZE, data_dir: str | Path | None = None
) -> XrdDataset:
    """Samples of the phase sets that are common enough to learn; no frames, see ``reprojection.reprojected``.

    Args:
        subtracted: The authors' patterns with background and substrate subtracted, scaled to a maximum of 1 (1,197
            points), not the raw counts (2,032 points).
        min_class_size: A phase set needs this many samples; the rest of the 307 are left out.
        data_dir: Folder to look in first.

    Returns:
        240 samples of 9 phase sets at the default size. A phase is in a set where the solver gave it any weight.

    Raises:
        common.fetch.DataUnavailableError: If a file is not here and cannot be downloaded.
        ValueError: If no phase set is that common.
    """

    def array(name: str) -> np.ndarray:
        return np.load(fetch(BICUVO_FILES[name], data_dir=data_dir), allow_pickle=False)

    q_per_nm, composition = array("Q.npy"), array("composition.npy")
    patterns = array("XRD.npy" if subtracted else "raw_XRD.npy").astype(np.float32)
    if not subtracted:
        step = (q_per_nm[-1] - q_per_nm[0]) / (len(q_per_nm) - 1)
        q_per_nm = q_per_nm[0] + step * (np.arange(patterns.shape[1]) - RAW_OFFSET)
    instance = _instance(fetch(BICUVO_FILES["Bi-Cu-V307_inst_Q300.txt"], data_dir=data_dir))
    position_mm = np.array([instance["X"].split(","), instance["Y"].split(",")], np.float64).T

    present = array("weights_sol.npy") > 0  # (307, 100)
    phase_sets, numbers, sizes = np.unique(present, axis=0, return_inverse=True, return_counts=True)
    common = np.flatnonzero(sizes >= min_class_size)
    if not len(common):
        raise ValueError(
            f"Expected a class size that some phase set has; received {min_class_size}, and the largest has "
            f"{sizes.max()}: ask for fewer."
        )
    rows = np.flatnonzero(np.isin(numbers, common))
    phases = np.array([name.split("+", 1)[1].split("_")[0] for name in array("bases_name.npy")])
    return XrdDataset(
        name="Bi-Cu-V-O" + (", background subtracted" if subtracted else ""),
        origin=MEASURED,
        frames=np.zeros((len(rows), 0, 0, 0), np.int32),
        composition=composition[rows],
        components=tuple(instance["Elements"].split(",")),
        position_mm=position_mm[rows],
        labels=np.searchsorted(common, numbers[rows]),
        class_names=tuple(" + ".join(phases[phase_sets[number]]) for number in common),
        samples=tuple(np.array(instance["sample_no"].split(","))[rows].tolist()),
        patterns=patterns[rows],
        two_theta_deg=np.rad2deg(2 * np.arcsin(q_per_nm / 10 * WAVELENGTH_A / (4 * np.pi))),
    )


def _instance(path: Path) -> dict[str, str]:
    """Values by key of the authors' text file."""
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("//"))
