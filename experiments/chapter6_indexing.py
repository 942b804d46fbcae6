"""Table 6.1: dictionaries, networks and refinement on the same patterns, clean, noisy, and with a wrong geometry."""

import time
from typing import Literal

import numpy as np
import pandas as pd

from common.files import write_csv_atomic
from common.results import ResultRow
from experiments.chapter6_runs import FOR_MEASURED, OURS, SHIPPED, Chapter6, Indexer, Scored, mde_row
from experiments.chapter6_tasks import CLEAN, CONDITIONS, SHIFTED, UNIT, Condition
from experiments.paper_values import paper_value
from omnet import figures
from omnet.config import LOSSES
from omnet.dictionary import Dictionary
from omnet.disorientation import disorientation_deg, mseae_deg
from omnet.indexing import Indexer as Indexing
from omnet.indexing import IndexingSettings
from omnet.predict import Predictor
from omnet.rotations import CUBIC_QUATERNIONS, multiply
from omnet.sampling import cubochoric_grid

EXPERIMENTAL = 1  # column of the paper's table
ANGLES = ("phi1", "Phi", "phi2")


def table_6_1(chapter: Chapter6) -> None:
    """Disorientations of all methods on the same 1,000 orientations, under five conditions."""
    started = time.monotonic()
    networks = chapter.networks()
    scored = _floors(chapter)
    patterns = {condition: chapter.test_patterns(condition) for condition in CONDITIONS}
    for steps in (chapter.profile.coarse_steps, chapter.profile.fine_steps):
        scored += _by_dictionary(chapter, steps, patterns)
    for name, predictor in networks.items():
        scored += _by_network(chapter, name, predictor, patterns)
    scored += _by_default(chapter, patterns)
    table = pd.DataFrame({f"{one.method}, {one.condition.name}": one.errors_deg for one in scored})
    write_csv_atomic(chapter.results / "table_6_1_disorientations.csv.gz", table.round(5))
    _write_means(chapter, scored)
    figures.disorientations(chapter.results)
    rows = [mde_row(one, **_beside(chapter, one)) for one in scored] + _euler_rows(chapter, scored)
    chapter.finish(
        "table_6_1",
        "Table 6.1: mean disorientation",
        rows,
        started,
        (
            "The paper's figures are those of its table's experimental column. Its simulation column, 0.064 to 0.292, "
            "is of a split of a dictionary that holds 41,625 patterns twice, and has no counterpart here.",
            f"Shifted centre: the patterns are made with a projection centre {SHIFTED.pc_shift[0]:g} of the width away "
            "from the one that all methods are told.",
        ),
    )


def _floors(chapter: Chapter6) -> list[Scored]:
    """How far the nearest orientation of each grid is: no dictionary can do better."""
    found = []
    for steps in (chapter.profile.coarse_steps, chapter.profile.fine_steps):
        grid = cubochoric_grid(steps)
        nearest = [_nearest(one, grid) for one in chapter.test_quaternions]
        errors = disorientation_deg(chapter.test_quaternions, grid[nearest])
        found.append(Scored(f"nearest of grid N = {steps}", CLEAN, grid[nearest], errors, 0.0))
    return found


def _nearest(quaternion: np.ndarray, grid: np.ndarray) -> int:
    """Row of the smallest disorientation, which has the largest cosine of the half angle among all equivalents."""
    equivalents = multiply(CUBIC_QUATERNIONS, quaternion)  # (24, 4)
    return int(np.abs(equivalents @ grid.T).max(axis=0).argmax())


def _by_dictionary(chapter: Chapter6, steps: int, patterns: dict[Condition, np.ndarray]) -> list[Scored]:
    dictionary, found = chapter.dictionary(steps), []
    for condition, measured in patterns.items():
        by_dictionary = chapter.score(f"dictionary N = {steps}", condition, measured, _indexer(dictionary, "ncc"))
        found.append(by_dictionary)
        if steps == chapter.profile.coarse_steps:
            found.append(chapter.refined(by_dictionary, measured))
            if condition is SHIFTED:
                found.append(chapter.refined(by_dictionary, measured, refine_pc=True))
        elif condition is CLEAN:
            of_dots = f"dictionary N = {steps}, dot product"
            found.append(chapter.score(of_dots, condition, measured, _indexer(dictionary, "dot")))
    return found


def _indexer(dictionary: Dictionary, metric: Literal["ncc", "dot"]) -> Indexer:
    def index(patterns: np.ndarray) -> np.ndarray:
        rows, _ = dictionary.index(patterns, metric=metric)
        return dictionary.quaternions[rows[:, 0]]

    return index


def _by_network(
    chapter: Chapter6, name: str, predictor: Predictor, patterns: dict[Condition, np.ndarray]
) -> list[Scored]:
    found = []
    for condition, measured in patterns.items():
        by_network = chapter.score(name, condition, measured, lambda patterns: predictor.predict(patterns)[0])
        found.append(by_network)
        if name in (OURS, SHIPPED, FOR_MEASURED):
            found.append(chapter.refined(by_network, measured))
    return found


def _by_default(chapter: Chapter6, patterns: dict[Condition, np.ndarray]) -> list[Scored]:
    """What ``omnet index`` does: network and refinement, and the dictionary again where the score is low."""
    settings = IndexingSettings(remove_dynamic=False, grid_steps=chapter.profile.coarse_steps)
    indexer = Indexing(settings, chapter.simulator.detector, chapter.simulator.master)
    return [
        chapter.score("omnet index", condition, measured, lambda patterns: indexer.index(patterns).quaternions)
        for condition, measured in patterns.items()
    ]


def _beside(chapter: Chapter6, scored: Scored) -> dict:
    """The paper's figure and the cost of training for a row."""
    paper = paper_value("chapter6", "table_6_1_degrees")
    known = {f"OMNet {loss.upper()}": f"OMNet {loss.upper()}" for loss in LOSSES}
    known[f"dictionary N = {chapter.profile.fine_steps}"] = "dictionary indexing"
    is_clean, trained = scored.condition is CLEAN, chapter.trained.get(scored.method)
    return {
        "paper": paper[known[scored.method]][EXPERIMENTAL] if is_clean and scored.method in known else None,
        "rows_train": trained.card["data"]["rows_train"] if trained else None,
        "seconds_train": round(trained.training.seconds, 1) if trained else None,
    }


def _euler_rows(chapter: Chapter6, scored: list[Scored]) -> list[ResultRow]:
    """MSEAE: errors of the three Euler angles (equations 6.6 to 6.8)."""
    paper = paper_value("chapter6", "mseae_degrees")
    names = {f"dictionary N = {chapter.profile.fine_steps}": "dictionary indexing", "OMNet MAE+MDE": "OMNet MAE+MDE"}
    rows = []
    for one in scored:
        if one.condition is CLEAN and one.method in names:
            errors = mseae_deg(chapter.test_quaternions, one.quaternions)
            for angle, error, figure in zip(ANGLES, errors, paper[names[one.method]], strict=True):
                rows.append(
                    ResultRow(
                        f"{one.method}, {angle}",
                        "MSEAE",
                        float(error),
                        UNIT,
                        paper=figure,
                        rows_test=len(one.errors_deg),
                        headline=False,
                    )
                )
    return rows


def _write_means(chapter: Chapter6, scored: list[Scored]) -> None:
    """Means and medians of all methods under all conditions, as the figures need them."""
    table = pd.DataFrame(
        [
            {
                "method": one.method,
                "condition": one.condition.name,
                "snr": one.condition.snr,
                "mean_deg": one.errors_deg.mean(),
                "median_deg": np.median(one.errors_deg),
                "p95_deg": np.quantile(one.errors_deg, 0.95),
                "share_below_half_deg": (one.errors_deg < 0.5).mean(),
                "patterns_per_second": len(one.errors_deg) / one.seconds if one.seconds else np.nan,
            }
            for one in scored
        ]
    )
    write_csv_atomic(chapter.results / "table_6_1_methods.csv", table.round(5))
