"""What all of chapter 7 works on: frames with compositions, places and labels; and the public files behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from common.fetch import DataFile

MEASURED, REPROJECTED, SIMULATED = "measured", "re-projected from measured 1D patterns", "simulated"
ORIGINS = (MEASURED, REPROJECTED, SIMULATED)

_BICUVO_HASHES = {
    "composition.npy": "998496185c94f97de4af23622b0ab0c8d2f666656b77d530a9ed422aeb610f9b",
    "Q.npy": "7a76cf1b289618875c95484b60da327c8c9eb04f0c4125760760eb07b6fbb11d",
    "XRD.npy": "1e79678ce12ad1bd84c0894badf5ae62f49dda46bf62b84d69b58a29c13e3f9a",
    "raw_XRD.npy": "9494a5abe54951d5fe703215a3d43f12fd7d29a57ffd8b9277911409850e4990",
    "bases_name.npy": "d51c2850171375d0dba09baa56525d14d91f95ed51e393d6b1763e45c58b6151",
    "refined_sample_indicator.npy": "bcf39f13b8f0295b73929c2af9249ff7c70768f7b84252687085b024c5926381",
    "weights_sol.npy": "51c050172849716e66a503e45776e35b18c0418a8854a471c0dad97c0b79f2f6",
    "Bi-Cu-V307_inst_Q300.txt": "de6e55001dffbec739ae51939e0cea9abb6a30f6453349f60bbcbd4878362e6f",
}
_BICUVO_URL = (
    "https://raw.githubusercontent.com/gomes-lab/DRNets-Nature-Machine-Intelligence/"
    "7a0d5646d80ed2eae4e69113ddf7cf0bc57a7813/Crystal-Structure-Phase-Mapping/"
)
_BICUVO_FOLDERS = {  # of those that do not lie with the others
    "refined_sample_indicator.npy": "Bi-Cu-V-lib-100-I-compressed-new-307--solu",
    "Bi-Cu-V307_inst_Q300.txt": "solutions",
}
BICUVO_FILES = {
    name: DataFile(
        path=f"xrd/bicuvo_drnets/{name}",
        url=f"{_BICUVO_URL}{_BICUVO_FOLDERS.get(name, 'data/Bi-Cu-V-307')}/{name}",
        sha256=sha256,
    )
    for name, sha256 in _BICUVO_HASHES.items()
}
WAFER_LABELS = DataFile(
    path="xrd/padnet_wafer_labels.csv", sha256="de4bb2c56533316be3bf7200dcabf891c8d1669d0e4e589560e76f443b7e7c8d"
)
STORED_RESULTS = DataFile(
    path="xrd/padnet_stored_results.csv", sha256="9156ecd1c04120c4d25ac5b5966e2eb649304f362741549fb0b7a5c3f6c214e9"
)


@dataclass(frozen=True, eq=False)
class XrdDataset:
    """Samples of one composition spread.

    Attributes:
        name: For results and pictures.
        origin: One of ``ORIGINS``; said wherever a result of these frames is.
        frames: ``(n, num_frames, rows, columns)`` counts, in the dtype they were recorded in.
        composition: ``(n, num_components)`` fractions.
        components: What the columns of `composition` are.
        position_mm: ``(n, 2)`` places on the wafer.
        labels: ``(n,)`` number of the phase region, from 0.
        class_names: Name of each phase region.
        samples: ``(n,)`` identifiers.
        patterns: ``(n, num_points)`` integrated intensities, where there are any.
        two_theta_deg: ``(num_points,)`` of `patterns`.
    """

    name: str
    origin: str
    frames: np.ndarray
    composition: np.ndarray
    components: tuple[str, ...]
    position_mm: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    samples: tuple[str, ...]
    patterns: np.ndarray | None = None
    two_theta_deg: np.ndarray | None = None

    def __post_init__(self):
        if self.origin not in ORIGINS:
            raise ValueError(f"Expected an origin of {', '.join(ORIGINS)}; received {self.origin!r}.")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> XrdDataset:
        """The samples of some rows, in their order."""
        return replace(
            self,
            frames=self.frames[rows],
            composition=self.composition[rows],
            position_mm=self.position_mm[rows],
            labels=self.labels[rows],
            samples=tuple(self.samples[row] for row in np.arange(len(self))[rows]),
            patterns=None if self.patterns is None else self.patterns[rows],
        )

    def with_frames(self, frames: np.ndarray) -> XrdDataset:
        """The same samples with other frames, ``(n, num_frames, rows, columns)``."""
        return replace(self, frames=frames)
