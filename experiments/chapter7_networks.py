"""Figures 7.6 and 7.7, the controls, and the wafer map: everything that trains networks."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd

from common.files import write_csv_atomic
from common.results import ResultRow
from experiments.chapter7_rows import accuracy_row, data_name, paired_row
from experiments.chapter7_runs import FOREST_CONTROLS, PADNET, Chapter7
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
from padnet.evaluation import SHUFFLED, CrossValidated, paired_test

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
    methods = {
        f"{filters}, trained on {background}": (filters, background) for filters in configs for background in tests
    }
    jobs = []
    for method, (filters, background) in methods.items():
        jobs += chapter.jobs(method, configs[filters], tests[background], of_folds, tests)
    found: dict[tuple[str, str, str], CrossValidated] = {
        (*methods[method], tested_on): replace(result, name=f"{method}, tested on {tested_on}")
        for (method, tested_on), result in chapter.train(jobs).items()
    }
    controlled = chapter.controlled(spread, RANDOM)
    if found:
        _draw(chapter, name, f"{title}, simulated wafer", found)
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
    first_here = spread is not WAFER_SLAC  # whose controls stand in an entry of their own
    rows += _controlled_rows(controlled, f"{spread.short}, ", data, headline=first_here)
    rows += _controlled_tests(controlled, spread.short, data, headline=first_here)
    for filters in configs:
        raw = found.get((filters, "raw", "raw"))
        removed = [found.get((filters, background, background)) for background in backgrounds[1:]]
        for against in (controlled.get(COMPOSITION), *removed):
            if raw and against:  # not where every fold failed
                test = paired_test(raw, against)
                rows.append(paired_row(test, spread.short, data, headline=against.name == COMPOSITION))
    chapter.finish(
        name, f"{title}: backgrounds of training and test images", rows, started, chapter.fold_caveats([spread])
    )


def _draw(chapter: Chapter7, name: str, title: str, found: dict[tuple[str, str, str], CrossValidated]) -> None:
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
    figures.background_matrix(chapter.results, name, title)


def _changed(result: CrossValidated, on_own: CrossValidated) -> str:
    changed = int((result.predicted != on_own.predicted).sum())
    return f"{changed} predictions differ from those on the background trained on"


def _controlled_rows(
    controlled: dict[str, CrossValidated], where: str, data: str, *, headline: bool = True
) -> list[ResultRow]:
    """Accuracies of PADNet and its controls, of which forests are no headline."""
    return [
        accuracy_row(result, f"{where}{name}", data, headline=headline and name not in FOREST_CONTROLS)
        for name, result in controlled.items()
    ]


def _controlled_tests(
    controlled: dict[str, CrossValidated], where: str, data: str, *, headline: bool = True
) -> list[ResultRow]:
    """``TESTS`` of those that there are."""
    return [
        paired_row(
            paired_test(controlled[first], controlled[second]),
            where,
            data,
            headline=headline and (first, second) in MAIN_TESTS,
        )
        for first, second in TESTS
        if first in controlled and second in controlled
    ]


def controls(chapter: Chapter7) -> None:
    """Robust PADNet beside what composition, place and image alone tell, on random folds and on blocks."""
    started, rows, table = time.monotonic(), [], []
    spreads = chapter.datasets((BICUVO, WAFER_SLAC))
    for spread, dataset in spreads.items():
        data = data_name(dataset)
        for kind in FOLD_KINDS:
            where, found = f"{spread.short}, {kind}", chapter.controlled(spread, kind)
            of_methods = _controlled_rows(found, f"{where}: ", data)
            table += [
                (spread.short, name, kind, row.ours, row.interval_low, row.interval_high)
                for name, row in zip(found, of_methods, strict=True)
            ]
            rows += of_methods + _controlled_tests(found, where, data, headline=kind == RANDOM)
    chapter.draw_accuracies("controls", "PADNet and its controls", table)
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
    by_kind = {kind: chapter.controlled(WAFER_SLAC, kind) for kind in FOLD_KINDS}
    found = {kind: methods[PADNET] for kind, methods in by_kind.items() if PADNET in methods}
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
        ("Controls on the same folds stand in controls.", *chapter.fold_caveats([WAFER_SLAC], [BLOCKS])),
    )


def _at_border(position_mm: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """``(n,)`` bool: whether one of the next places, of four on the grid, has another label."""
    distance = np.linalg.norm(position_mm[:, None] - position_mm[None], axis=-1)
    pitch = distance[distance > 0].min()
    return ((distance < 1.1 * pitch) & (labels[:, None] != labels[None])).any(axis=1)
