"""A trained network moved to another detector and to measured patterns.

Measured patterns come without known orientations, so that the network goes on learning on simulated ones: in the new
geometry, with the noise, gain, background and uncertain projection centre of a camera. Those orientations that a scan
does have are for comparison alone.

Reference: section 8.2.6 of the thesis, which proposes the transfer from simulated to experimental patterns.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from omnet import data
from omnet.config import FINE_TUNE_RECIPE, Augmentation, OMNetConfig
from omnet.detector import Detector
from omnet.disorientation import disorientation_deg
from omnet.indexing import DICTIONARY, Indexer, IndexingSettings
from omnet.master_pattern import MasterPattern, load_master_pattern
from omnet.patterns import usable_patterns
from omnet.predict import Predictor
from omnet.reprojection import Reprojection
from omnet.rotations import quaternions_from_euler
from omnet.scans import Scan
from omnet.simulator import Simulator
from omnet.train import OMNetResult, run

POINTS_AT_ONCE = 1_024


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A network before and after.

    Attributes:
        result: The continued network, its card and its errors on simulated patterns of the new geometry.
        before_deg: ``(1000,)`` disorientations of the network as it came, on the same patterns reprojected for it.
        scan_before_deg: ``(m,)`` disorientations from the orientations that a scan has, of the network as it came;
            ``None`` without such a scan.
        scan_after_deg: The same of the continued network.
    """

    result: OMNetResult
    before_deg: np.ndarray
    scan_before_deg: np.ndarray | None = None
    scan_after_deg: np.ndarray | None = None


def fine_tune(
    start: Predictor,
    detector: Detector,
    folder: Path | str | None = None,
    *,
    scan: Scan | None = None,
    master: MasterPattern | None = None,
    recipe: OMNetConfig = FINE_TUNE_RECIPE,
    progress: bool = True,
) -> FineTuned:
    """Go on with the training of a network on simulated patterns of another geometry.

    Args:
        start: The trained network; stays as it is.
        detector: The new geometry. The network keeps its pattern size; patterns of others are reprojected to it, as
            `omnet index` does.
        folder: As in ``omnet.train.run``.
        scan: A real scan of that geometry, to score the network on before and after if it has orientations.
        master: The phase; the bundled nickel where none is given.
        recipe: Number of orientations, scatter of the projection centre and training; the design is that of the
            start, and so is what else patterns go through, if it was trained with any of that.
        progress: As in ``omnet.train.run``.

    Raises:
        CollapsedTrainingError, DivergedTrainingError, CheckpointMismatchError: See ``common.training``.
        ValueError: If the two geometries see no common directions.
    """
    master = load_master_pattern() if master is None else master
    config = config_for(start, detector, recipe)
    quaternions = data.test_quaternions()
    patterns = Simulator(master, config.detector).simulate(quaternions)
    before_deg = disorientation_deg(quaternions, _answers(start, config.detector, patterns))
    result = run(config, folder, master=master, start=start, progress=progress)
    if scan is None or scan.reference_euler_rad is None:
        return FineTuned(result, before_deg)
    on_scan = [scan_disorientations_deg(network, scan, master) for network in (start, result.predictor)]
    return FineTuned(result, before_deg, *on_scan)


def config_for(start: Predictor, detector: Detector, recipe: OMNetConfig = FINE_TUNE_RECIPE) -> OMNetConfig:
    """A recipe with the design and the degradations of a trained network, at its pattern size, in another geometry."""
    network, *widths = start.card["architecture"].split()
    known = Augmentation(**start.card["augmentation"])
    degradations = recipe.augmentation if known == Augmentation() else known
    return replace(
        recipe,
        network=network,
        head=start.head,
        loss=start.card["loss"],
        hidden_units=tuple(int(width) for width in widths[0].split("-")) if widths else recipe.hidden_units,
        local_mean_px=start.card.get("local_mean_px", 0),
        augmentation=replace(degradations, pc_sd=recipe.augmentation.pc_sd),
        detector=replace(detector, shape=start.detector.shape),
    )


def scan_disorientations_deg(predictor: Predictor, scan: Scan, master: MasterPattern) -> np.ndarray:
    """How far the answers of a network, not refined, are from the orientations that a scan has.

    Args:
        predictor: A network for any geometry that sees common directions.
        scan: With ``reference_euler_rad``.
        master: The phase.

    Returns:
        ``(m,)`` degrees, for the points that have an orientation and a usable pattern.

    Raises:
        ValueError: If the scan has no orientations.
    """
    if scan.reference_euler_rad is None:
        raise ValueError(f"Expected a scan with orientations; {str(scan.path)!r} has none.")
    settings = IndexingSettings(DICTIONARY, refine=False, remove_static=scan.static_background is not None)
    indexer = Indexer(settings, scan.detector, master, static_background=scan.static_background)
    parts = [np.empty(0)]
    for start in range(0, len(scan), POINTS_AT_ONCE):
        patterns = scan.read(start, min(start + POINTS_AT_ONCE, len(scan)))
        euler_rad = scan.reference_euler_rad[start : start + POINTS_AT_ONCE]
        known = usable_patterns(patterns)[0] & np.isfinite(euler_rad).all(axis=1)
        if known.any():
            answers = _answers(predictor, indexer.detector, indexer.prepare(patterns[known]))
            parts.append(disorientation_deg(quaternions_from_euler(euler_rad[known]), answers))
    return np.concatenate(parts)


def _answers(predictor: Predictor, detector: Detector, patterns: np.ndarray) -> np.ndarray:
    """``(n, 4)`` orientations of patterns of another detector than the network's."""
    if detector != predictor.detector:
        patterns = Reprojection(detector, predictor.detector)(patterns)
    return predictor.predict(patterns)[0]
