"""Chapter 3, where the errors lie: figure 3.4 (distribution) and section 3.3.6 (elements, classes, worst rows)."""

import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from common import metrics
from common.composition import encode
from common.files import write_csv_atomic
from common.results import ResultRow
from elemnet import error_analysis as analysis
from elemnet import error_figures, figures
from elemnet.config import TARGET
from experiments.chapter3_runs import UNIT, Chapter3
from experiments.paper_values import paper_value

NETWORK = "ElemNet"


def fig_3_4(chapter: Chapter3) -> None:
    """Parity and distribution of the test errors, from the predictions that table 3.2 saved."""
    started = time.monotonic()
    table = saved_predictions(chapter)
    figures.parity_and_cdf(chapter.results)
    true = table[TARGET].to_numpy(float)
    rows = []
    for name in table.columns[2:]:
        predicted = table[name].to_numpy(float)
        paper = paper_value("chapter3", "fig_3_4", "abs_error_90th_percentile") if name.startswith("ElemNet") else None
        rows.append(
            ResultRow(
                f"{name}, 90th percentile of absolute error",
                "p90",
                metrics.absolute_error_quantile(true, predicted, 0.9),
                UNIT,
                paper=paper,
                rows_test=len(true),
                headline=name == table.columns[2],
            )
        )
    rows.append(
        ResultRow(
            "Share of positive energies in the test rows",
            "share",
            float((true > 0).mean()),
            "",
            paper=paper_value("chapter3", "fig_3_4", "share_positive_in_test"),
            rows_test=len(true),
            headline=False,
        )
    )
    chapter.finish("fig_3_4", "Figure 3.4: parity and distribution of errors", rows, started)


def error_analysis(chapter: Chapter3) -> None:
    """Where ElemNet errs: by element, by sign, by class, and the worst rows."""
    started = time.monotonic()
    table = saved_predictions(chapter)
    formulas, true = table["formula"], table[TARGET].to_numpy(float)
    fractions = encode(formulas).fractions
    models = {name: table[name].to_numpy(float) for name in table.columns[2:] if name.startswith(NETWORK)}
    by_element = {
        name: analysis.rank_correlation_by_element(fractions, true, predicted) for name, predicted in models.items()
    }
    worst = {name: analysis.worst_table(formulas, fractions, true, predicted) for name, predicted in models.items()}
    by_class = {name: analysis.errors_by_class(fractions, true, predicted) for name, predicted in models.items()}
    for what, tables in (("elements", by_element), ("worst", worst), ("classes", by_class)):
        write_csv_atomic(
            chapter.results / f"error_analysis_{what}.csv",
            pd.concat([part.round(5).assign(model=name) for name, part in tables.items()]),
        )
    error_figures.element_map(chapter.results)
    error_figures.class_bars(chapter.results)
    rows = []
    for name, predicted in models.items():
        rows.append(worst_share_row(name, true, predicted))
        rows += element_rows(name, by_element[name], fractions, true, predicted)
        rows.append(worst_25_row(name, worst[name]))
    first = next(iter(models))
    rows += class_rows(first, by_class[first])
    caveats = (
        f"Rank correlations are of elements with at least {analysis.MIN_ROWS} test rows.",
        "The thesis names the classes of table 3.3 without a definition, and none of the kinds: they are ours "
        "(elemnet/categories.py).",
    )
    chapter.finish("error_analysis", "Section 3.3.6: where the errors lie", rows, started, caveats)


def saved_predictions(chapter: Chapter3) -> pd.DataFrame:
    """The predictions for the test rows that table 3.2 saved: ``formula``, the true energy, a column for each model.

    Raises:
        FileNotFoundError: Table 3.2 was not made.
        ValueError: The predictions are of another run's rows.
    """
    path = chapter.results / "fig_3_4_predictions.csv.gz"
    if not path.exists():
        raise FileNotFoundError(f"Expected the predictions of table 3.2 in {path}; found none. Run table_3_2 first.")
    table = pd.read_csv(path, keep_default_na=False)
    if table["formula"].tolist() != chapter.data.test.frame["formula"].tolist():
        raise ValueError(f"{chapter.results} holds the predictions of another run; run table_3_2 first.")
    return table


def worst_share_row(name: str, true: np.ndarray, predicted: np.ndarray) -> ResultRow:
    """Share of positive energies among the worst 1 %, with Wilson's interval."""
    is_positive = true[analysis.worst_rows(true, predicted)] > 0
    interval = stats.binomtest(int(is_positive.sum()), len(is_positive)).proportion_ci(method="wilson")
    return ResultRow(
        f"{name}, positive energies among the worst 1 %",
        "share",
        float(is_positive.mean()),
        "",
        interval_low=interval.low,
        interval_high=interval.high,
        paper=paper_value("chapter3", "fig_3_4", "share_positive_in_worst_1pct"),
        rows_test=len(is_positive),
        note=f"{(true > 0).mean():.2f} of all {len(true):,} test rows",
    )


def element_rows(
    name: str, table: pd.DataFrame, fractions: np.ndarray, true: np.ndarray, predicted: np.ndarray
) -> list[ResultRow]:
    """Rank correlation of the elements that the thesis names, and of those that are as low here."""
    paper = paper_value("chapter3", "fig_3_4", "lowest_spearman_by_element")
    ranks = {symbol: rank for rank, symbol in enumerate(table["element"], start=1)}
    lowest = table["element"].iloc[: len(paper)]
    rows = []
    for symbol in dict.fromkeys((*(symbol for symbol in paper if symbol in ranks), *lowest)):
        has_element = fractions[:, analysis.ELEMENTS.index(symbol)] > 0
        part = true[has_element], predicted[has_element]
        interval = metrics.bootstrap_interval(analysis.rank_correlation, *part) if symbol in paper else (None, None)
        rows.append(
            ResultRow(
                f"{name}, compounds of {symbol}",
                "Spearman's rank correlation",
                float(table["spearman"].iloc[ranks[symbol] - 1]),
                "",
                interval_low=interval[0],
                interval_high=interval[1],
                paper=paper.get(symbol),
                rows_test=int(has_element.sum()),
                note=f"number {ranks[symbol]} from below of {len(table)} elements",
                headline=symbol == next(iter(paper)),
            )
        )
    return rows


def worst_25_row(name: str, worst: pd.DataFrame) -> ResultRow:
    """Kinds of the worst rows, and on which side they err."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in worst["kind"].value_counts().items())
    return ResultRow(
        f"{name}, predicted too low among the {len(worst)} worst rows",
        "count",
        int((worst["error"] < 0).sum()),
        "",
        rows_test=len(worst),
        note=kinds,
        headline=False,
    )


def class_rows(name: str, by_class: pd.DataFrame) -> Sequence[ResultRow]:
    """Mean absolute error of each kind and class."""
    return [
        ResultRow(
            f"{name}, {row.name} ({row.grouping})",
            "MAE",
            row.mae,
            UNIT,
            rows_test=row.rows,
            note=f"{row.rows_in_worst} of them among the worst 1 %",
            headline=False,
        )
        for row in by_class.itertuples(index=False)
    ]
