"""Section 7.4.4, classical models on 1D patterns; and what the stored predictions of the released code show."""

import time

import pandas as pd

from common.fetch import DataUnavailableError
from common.files import write_csv_atomic
from common.results import DataUsed, ResultRow
from experiments.chapter import say
from experiments.chapter7_rows import accuracy_row, data_name, paired_row
from experiments.chapter7_runs import STORED, Chapter7
from experiments.chapter7_tasks import RANDOM, SPREADS, UNIT
from experiments.paper_values import paper_value
from padnet import stored_results as released
from padnet.baselines import FAMILIES
from padnet.evaluation import accuracy, paired_test
from padnet.stored_results import StoredResults

INPUT_SETS = {
    "1D pattern": (("patterns",), True),
    "1D pattern, background left in": (("patterns",), False),
    "1D pattern and composition": (("patterns", "composition"), True),
    "composition only": (("composition",), True),
    "position only": (("position",), True),
}


def section_7_4_4(chapter: Chapter7) -> None:
    """Classical models on 1D patterns, with and without composition, on the folds of the networks."""
    started, rows, table = time.monotonic(), [], []
    families = chapter.profile.families or tuple(FAMILIES)
    spreads = chapter.datasets(SPREADS)
    for spread, dataset in spreads.items():
        jobs = [
            chapter.baseline(f"{family}, {inputs}", family, spread, RANDOM, names, background=background)
            for family in families
            for inputs, (names, background) in INPUT_SETS.items()
        ]
        say(f"{len(jobs)} classical models on {spread.short}")
        for name, result in chapter.classical(jobs).items():
            family, inputs = name.split(", ", 1)
            row = accuracy_row(result, f"{spread.short}: {name}", data_name(dataset), headline=family == "AdaBoost")
            say(f"{row.name}: {row.ours:.1f} %")
            rows.append(row)
            table.append((spread.short, inputs, family, row.ours, row.interval_low, row.interval_high))
    chapter.draw_accuracies("section_7_4_4", "Classical models", table)
    theirs = paper_value("chapter7", "adaboost_1d_accuracy_percent")
    chapter.finish(
        "section_7_4_4",
        "Section 7.4.4: classical models on 1D patterns",
        rows,
        started,
        (
            "The paper's AdaBoost on the real patterns, for the record and not to compare: "
            + "; ".join(f"{name} {theirs[name][0]:.1f} %" for name in theirs if not name.startswith("_"))
            + ". Its points of the grid were chosen on the test folds; here validation rows choose.",
            'The released notebook gives the classifiers of "NIST+composition" the NIST patterns without the '
            "composition, so that figure of the paper is one of patterns alone.",
            "Classical models see no images: networks on images alone and on shuffled images, on the same folds, stand "
            "in controls (SLAC, Bi-Cu-V-O) and fig_7_7 (NIST).",
            *chapter.fold_caveats(spreads),
        ),
    )


def stored_results(chapter: Chapter7) -> None:
    """What the predictions that the authors stored with their code show, and what they do not."""
    started = time.monotonic()
    try:
        results = released.load()
    except DataUnavailableError as error:
        say(f"stored_results is left out: {error}")
        return
    note = "labels and predictions as the authors stored them"
    chapter.use(DataUsed(STORED, "public files", len(results.labels), results.file_hashes, note))
    by_configuration = released.by_configuration(results)
    write_csv_atomic(chapter.results / "stored_results_configurations.csv", by_configuration.round(6))
    rows = _configuration_rows(by_configuration)
    forest = released.position_forest(results, seed=chapter.options.seed)
    data = "real labels, places inferred from their map; predictions stored by the authors"
    forest_row = accuracy_row(forest, "random forest on position alone, released folds", data)
    rows.append(forest_row)
    matching = [run for run in results.runs if run.trained_on == run.tested_on]
    best = max(matching, key=lambda run: run.stored_accuracy)
    for run in matching:
        test = paired_test(run.result, forest)
        rows.append(paired_row(test, f"stored, trained on {run.trained_on}", data, headline=run is best))
    rows += _agreement_rows(results, data)
    _draw(chapter, results, forest_row)
    theirs = paper_value("chapter7", "stored_1d_accuracy_percent", "composition only")
    chapter.finish(
        "stored_results",
        "What the stored predictions of the released code show",
        rows,
        started,
        (
            "Rows of stored networks have the mean of the ten released folds, as the authors report; these folds give "
            "every stored mean and standard deviation exactly.",
            "Compositions are not public. The authors' own stored output has, on composition alone: "
            + ", ".join(f"{name} {value:.1f} %" for name, value in theirs.items())
            + ".",
            "What the stored results do not show: that a network has used an image. What they do show: that accuracies "
            "of this size need none.",
        ),
    )


def _configuration_rows(by_configuration: pd.DataFrame) -> list[ResultRow]:
    theirs = paper_value("chapter7", "stored_accuracy_percent")
    rows = []
    for row in by_configuration.itertuples():
        rows.append(
            ResultRow(
                f"stored: {row.name}",
                "mean accuracy of folds",
                100 * row.accuracy,
                UNIT,
                paper=theirs[f"{row.detector} {row.filters}"][row.trained_on][0],
                rows_test=released.NUM_SAMPLES,
                note=f"sd of folds {100 * row.sd:.1f}; {row.distinct_predictions} different sets of predictions over "
                f"four test backgrounds, {row.samples_changed} samples change",
                headline=False,
            )
        )
    for detector, configurations in by_configuration.groupby("detector", sort=False):
        rows.append(
            ResultRow(
                f"stored, {detector}: configurations that predict the same whatever the background of the test images",
                "share",
                100 * float((configurations["samples_changed"] == 0).mean()),
                UNIT,
                rows_test=len(configurations),
                note=f"at most {configurations['samples_changed'].max()} of {released.NUM_SAMPLES} samples change",
            )
        )
    return rows


def _agreement_rows(results: StoredResults, data: str) -> list[ResultRow]:
    """How often the best network of one detector says what the best of the other says."""
    best = {
        detector: max((run for run in results.runs if run.detector == detector), key=lambda run: run.stored_accuracy)
        for detector in released.DETECTORS.values()
    }
    first, second = (run.result for run in best.values())
    both_wrong = ~first.is_right & ~second.is_right
    same = accuracy(first.predicted[both_wrong], second.predicted[both_wrong])
    return [
        ResultRow(
            "stored: samples that the best networks of both detectors have wrong in the same way",
            "share of samples that both have wrong",
            100 * same,
            UNIT,
            rows_test=int(both_wrong.sum()),
            data=data,
            note="different images, the same composition",
            headline=False,
        )
    ]


def _draw(chapter: Chapter7, results: StoredResults, forest: ResultRow) -> None:
    table: list[tuple] = []
    for run in results.runs:
        if run.trained_on == run.tested_on:
            low, high = run.result.interval()
            method = f"{run.detector}, {run.filters} filters"
            table.append(("real wafer", method, run.trained_on, 100 * run.result.accuracy, 100 * low, 100 * high))
    table.append(
        (
            "real wafer",
            "position alone, random forest",
            "no image",
            forest.ours,
            forest.interval_low,
            forest.interval_high,
        )
    )
    chapter.draw_accuracies("stored_results", "Predictions stored with the released code", table)
