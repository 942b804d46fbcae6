"""Chapter 3, figure 3.3: error against training size, and from which size on ElemNet is ahead of the forests."""

import hashlib
import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd

from common.features import magpie
from common.files import write_csv_atomic, write_json_atomic
from common.results import ResultRow
from common.rows import Rows
from common.training import CollapsedTrainingError, DivergedTrainingError
from elemnet import comparison, data_size, error_figures
from experiments.chapter import say
from experiments.chapter3_runs import Chapter3, point_row
from experiments.paper_values import paper_value

NETWORK = "ElemNet"
ON_FRACTIONS, ON_ATTRIBUTES = "RandomForest, element fractions", "RandomForest, 145 physical attributes"
PAPER_CROSSINGS = {ON_FRACTIONS: "beats_RF_fractions_above", ON_ATTRIBUTES: "beats_RF_physical_above"}


def fig_3_3(chapter: Chapter3) -> None:
    """Error against training size."""
    started = time.monotonic()
    smallest = paper_value("chapter3", "fig_3_3", "train_sizes", 0)
    pool = chapter.data.train.draw(chapter.config.max_train_rows, chapter.options.seed)
    if len(pool) <= smallest:
        say(f"figure 3.3 is left out: it starts at {smallest} training rows, and there are {len(pool)}")
        return
    forests = forest_inputs(chapter)
    table: list[dict] = []
    failures: list[str] = []
    for size in data_size.log_spaced_sizes(smallest, len(pool), chapter.profile.num_sizes):
        say(f"{size:,} training rows")
        try:
            table.append(network_point(chapter, size, is_largest=size == len(pool)))
        except (CollapsedTrainingError, DivergedTrainingError) as error:  # a finding of the study, not the end of it
            failures.append(f"ElemNet on {size:,} rows: {error}")
            say(failures[-1])
        table += [forest_point(chapter, name, *parts, size) for name, parts in forests.items()]
        write_csv_atomic(chapter.results / "fig_3_3_sizes.csv", pd.DataFrame(table))
    paper = {name: paper_value("chapter3", "fig_3_3", key) for name, key in PAPER_CROSSINGS.items()}
    error_figures.size_curves(chapter.results, paper)
    points = pd.DataFrame(table)
    crossings = [crossing_row(points, name, paper[name]) for name in PAPER_CROSSINGS]
    caveats = (
        "One seed and one draw of training rows, each smaller size inside the larger. The networks of all "
        f"sizes choose their weights on the same {len(chapter.data.validation):,} validation rows.",
        *failures,
    )
    rows = [row for row in crossings if row]
    for point in table:
        rows.append(point_row(chapter, f"{point['model']}, {point['rows_train']:,} rows", point, note=point["note"]))
    chapter.finish("fig_3_3", "Figure 3.3: error against training size", rows, started, caveats)


def network_point(chapter: Chapter3, size: int, *, is_largest: bool) -> dict:
    """ElemNet on so many training rows; the largest is the one of table 3.2."""
    if is_largest:
        config, result = chapter.config, chapter.trained
    else:
        config = data_size.network_config(chapter.config, size)
        drawn = replace(chapter.data, train=chapter.data.train.draw(size, chapter.options.seed))
        result = chapter.train(f"size_{size}", config, drawn)
    settings = config.training
    return {
        "model": NETWORK,
        "rows_train": len(result.data.train),
        "test_mae": result.test_report["mae"],
        "validation_mae": result.training.best_validation,
        "seconds_train": round(result.training.seconds, 1),
        "note": f"{settings.max_epochs} epochs at most, best {result.training.best_epoch}; batch {settings.batch_size}",
    }


def forest_inputs(chapter: Chapter3) -> dict[str, tuple[Rows, Rows]]:
    """Training and test rows of both forests; all attributes are computed once."""
    data = chapter.data
    parts = (data.train, data.test)
    say(f"145 attributes of {sum(map(len, parts)):,} compositions")
    physical = tuple(
        Rows(part.frame, magpie.featurize(part.frame["formula"]).astype(np.float32), part.y) for part in parts
    )
    return {ON_FRACTIONS: parts, ON_ATTRIBUTES: (physical[0], physical[1])}


def forest_point(chapter: Chapter3, name: str, train: Rows, test: Rows, size: int) -> dict:
    """A forest on so many training rows, or what a killed run has kept of it."""
    seed, num_trees = chapter.options.seed, chapter.profile.num_trees
    train = train.draw(size, seed)
    digest = hashlib.sha256(repr((name, num_trees, seed)).encode())
    for array in (train.x, train.y, test.x, test.y):
        digest.update(array.tobytes())
    path = chapter.options.runs / f"forest_{size}-{digest.hexdigest()[:8]}.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    scored = comparison.forest(name, train, test, (train.x, test.x), num_trees, seed)
    point = {
        "model": name,
        "rows_train": len(train),
        "test_mae": scored.mae,
        "seconds_train": round(scored.seconds_train or 0.0, 1),
        "note": scored.note,
    }
    write_json_atomic(path, point)
    return point


def crossing_row(points: pd.DataFrame, forest: str, paper: float) -> ResultRow | None:
    """Above which training size ElemNet is ahead of a forest; ``None`` without a network to compare."""
    curves = points.pivot(index="rows_train", columns="model", values="test_mae")
    if NETWORK not in curves:
        return None
    found = data_size.crossing(curves.index, curves[NETWORK], curves[forest])
    tried = curves[NETWORK].dropna().index
    if found.size is not None:
        metric, size, note = "training rows, above", round(found.size), "interpolated on logarithms"
    elif found.ahead_from_start:
        metric, size, note = "training rows, above at most", tried[0], "ahead at every size: the crossing is below"
    else:
        metric, size, note = "training rows, above at least", tried[-1], "behind at the largest size"
    if found.num_changes > 1:
        note += f"; the order changes {found.num_changes} times, the last counts"
    return ResultRow(f"ElemNet is ahead of {forest}", metric, int(size), "", paper=paper, note=note)
