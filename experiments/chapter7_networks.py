"""Figures 7.6 and 7.7, the controls, and the wafer map: everything that trains networks."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd

from common.files import write_csv_atomic
from common.results import ResultRow
from experiments.chapter7_runs import FOREST_CONTROLS, PADNET, Chapter7, accuracy_row, data_name, paired_row
from experiments.chapter7_tasks import (
    BICUVO,
    BLOCKS,
    FOLD_KINDS,
    RANDOM,
    UNIT,
    WAFER_NIST,
    WAFER_SLAC,
    Spread,
)
from padnet import figures
from padnet.evaluation import CONTROLS, SHUFFLED, CrossValidated, paired_test

COMPOSITION, POSITION = "composition only", "position only"
FIXED, TRAINED, OURS = "fixed filters", "trained filters", "fixed filters, robust"
MAIN_TESTS = ((PADNET, COMPOSITION), (PADNET, POSITION), (SHUFFLED, COMPOSITION))
TESTS = (
    *MAIN_TESTS,
    (PADNET, "image only"),
    (PADNET, SHUFFLED),
    *((PADNET, forest) for forest in FOREST_CONTROLS),
)


def fig_7_6(chapter: Chapter7) -> None:
    """SLAC: accuracy by background of training and of test images; the text's filters fixed and trained, and ours."""
    _backgrounds(chapter, "fig_7_6", "Figure 7.6: SLAC", WAFER_SLAC)


def fig_7_7(chapter: Chapter7) -> None:
    """NIST: accuracy by background of training and of test images; the text's filters fixed and trained, and ours."""
    _backgrounds(chapter, "fig_7_7", "Figure 7.7: NIST", WAFER_NIST)


def _backgrounds(chapter: Chapter7, name: str, title: str, spread: Spread) -> None:
    """Each network is trained once a fold, on one background, and scored on the test images of all four."""
    started = time.monotonic()
    backgrounds = chapter.profile.backgrounds
    tests = {background: chapter.treated(spread, background) for background in backgrounds}
    of_folds, config = chapter.folds(spread, RANDOM), chapter.config(chapter.profile.text, spread)
    configs = {FIXED: config, TRAINED: replace(config, trainable_filters=True)}
    configs[OURS] = chapter.config(chapter.profile.ours, spread)
    found: dict[tuple[str, str, str], CrossValidated] = {}
    for filters, of_filters in configs.items():
        for background, dataset in tests.items():
            method = f"{filters}, trained on {background}"
            jobs = chapter.jobs(method, of_filters, dataset, of_folds, tests)
            for (_, tested_on), result in chapter.train(jobs).items():
                found[filters, background, tested_on] = replace(result, name=f"{method}, tested on {tested_on}")
    control_config = replace(configs[OURS], inputs=("composition",))
    control = chapter.train(chapter.jobs(COMPOSITION, control_config, tests["raw"], of_folds))[COMPOSITION, ""]
    trained = [filters for filters in configs if all((filters, one, one) in found for one in backgrounds)]

    table = pd.DataFrame(
        [
            {
                "filters": filters,
                "trained_on": trained_on,
                "tested_on": tested_on,
                "accuracy": 100 * result.fold_accuracies.mean(),
                "sd": 100 * result.fold_accuracies.std(),
            }
            for (filters, trained_on, tested_on), result in found.items()
        ]
    )
    write_csv_atomic(chapter.results / f"{name}_accuracies.csv", table.round(3))
    figures.background_matrix(chapter.results, name, f"{title}, simulated wafer")

    data = data_name(tests["raw"])
    rows = [
        accuracy_row(
            result,
            f"{spread.short}, {result.name}",
            data,
            headline=trained_on == tested_on == "raw",
            note=_changed(result, found[filters, trained_on, trained_on]),
        )
        for (filters, trained_on, tested_on), result in found.items()
    ]
    rows.append(accuracy_row(control, f"{spread.short}, {COMPOSITION}", data))
    for filters in trained:
        raw = found[filters, "raw", "raw"]
        rows.append(paired_row(paired_test(raw, control), spread.short, data))
        for background in backgrounds[1:]:
            removed = found[filters, background, background]
            rows.append(paired_row(paired_test(raw, removed), spread.short, data, headline=False))
    chapter.finish(
        name, f"{title}: backgrounds of training and test images", rows, started, chapter.fold_caveats([spread])
    )


def _changed(result: CrossValidated, on_own: CrossValidated) -> str:
    changed = int((result.predicted != on_own.predicted).sum())
    return f"{changed} predictions differ from those on the background trained on"


def controls(chapter: Chapter7) -> None:
    """Robust PADNet beside what composition, place and image alone tell, on random folds and on blocks."""
    started, rows, table = time.monotonic(), [], []
    spreads = chapter.datasets((BICUVO, WAFER_SLAC))
    for spread, dataset in spreads.items():
        data = data_name(dataset)
        for kind in FOLD_KINDS:
            where, found = f"{spread.short}, {kind}", chapter.controlled(spread, kind)
            for name in (PADNET, *CONTROLS, *FOREST_CONTROLS):
                if name not in found:
                    continue
                result = found[name]
                row = accuracy_row(result, f"{where}: {name}", data, headline=name in (PADNET, *CONTROLS))
                rows.append(row)
                table.append((spread.short, name, kind, row.ours, row.interval_low, row.interval_high))
            for first, second in TESTS:
                if first in found and second in found:
                    headline = kind == RANDOM and (first, second) in MAIN_TESTS
                    rows.append(paired_row(paired_test(found[first], found[second]), where, data, headline=headline))
    columns = ["data", "method", "series", "accuracy", "low", "high"]
    write_csv_atomic(chapter.results / "controls_accuracies.csv", pd.DataFrame(table, columns=columns).round(3))
    figures.accuracies(chapter.results, "controls", "PADNet and its controls")
    chapter.finish(
        "controls",
        "PADNet beside its controls, by paired tests",
        rows,
        started,
        (
            "The exact McNemar test decides whether two methods differ; the interval of the difference is a bootstrap "
            "over samples. Several tests stand side by side, each at 5 %.",
            "The robust networks choose nothing, so they also train on the validation rows, a tenth, by which the "
            "forests choose a point of their grid.",
            *chapter.fold_caveats(spreads, FOLD_KINDS),
        ),
    )


def wafer_map(chapter: Chapter7) -> None:
    """Labels, predictions and errors of robust PADNet on the wafer."""
    started = time.monotonic()
    dataset = chapter.dataset(WAFER_SLAC)
    assert dataset is not None
    found = {kind: chapter.controlled(WAFER_SLAC, kind)[PADNET] for kind in FOLD_KINDS}
    table = pd.DataFrame(
        {
            "sample": dataset.samples,
            "x_mm": dataset.position_mm[:, 0],
            "y_mm": dataset.position_mm[:, 1],
            "label": dataset.labels,
            **{f"predicted, {kind}": result.predicted for kind, result in found.items()},
        }
    )
    write_csv_atomic(chapter.results / "wafer_map_samples.csv", table)
    figures.wafer_map(chapter.results, "wafer_map", "Simulated wafer")
    at_border, rows = _at_border(dataset.position_mm, dataset.labels), []
    for kind, result in found.items():
        rows.append(accuracy_row(result, f"{WAFER_SLAC.short}, {kind}: {PADNET}", data_name(dataset)))
        wrong = result.tested & ~result.is_right
        if wrong.any():
            rows.append(
                ResultRow(
                    f"{WAFER_SLAC.short}, {kind}: errors next to another phase region",
                    "share of errors",
                    100 * float(at_border[wrong].mean()),
                    UNIT,
                    rows_test=int(wrong.sum()),
                    data=data_name(dataset),
                    note=f"{at_border.mean():.0%} of all samples lie there",
                    headline=False,
                )
            )
    chapter.finish(
        "wafer_map",
        "Wafer map of labels, predictions and errors",
        rows,
        started,
        chapter.fold_caveats([WAFER_SLAC], [BLOCKS]),
    )


def _at_border(position_mm: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """``(n,)`` bool: whether one of the next places, of four on the grid, has another label."""
    distance = np.linalg.norm(position_mm[:, None] - position_mm[None], axis=-1)
    pitch = distance[distance > 0].min()
    return ((distance < 1.1 * pitch) & (labels[:, None] != labels[None])).any(axis=1)
