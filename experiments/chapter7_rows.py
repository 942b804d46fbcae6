"""Rows of chapter 7's results: accuracies with their intervals, and paired tests."""

from common.results import ResultRow
from experiments.chapter7_tasks import UNIT
from padnet.data import XrdDataset
from padnet.evaluation import CrossValidated, PairedTest


def data_name(dataset: XrdDataset) -> str:
    """A data set and where its images come from, for a row."""
    return f"{dataset.name} ({dataset.origin})"


def accuracy_row(result: CrossValidated, name: str, data: str, *, headline: bool = True, note: str = "") -> ResultRow:
    """A result row with the accuracy over all test samples and its bootstrap interval; folds go into the note."""
    low, high = result.interval()
    per_fold = 100 * result.fold_accuracies
    of_folds = f"mean of {len(per_fold)} folds {per_fold.mean():.1f}, sd {per_fold.std():.1f}"
    return ResultRow(
        name,
        "accuracy",
        100 * result.accuracy,
        UNIT,
        interval_low=100 * low,
        interval_high=100 * high,
        rows_test=int(result.tested.sum()),
        seconds_train=round(result.seconds, 1),
        data=data,
        note="; ".join(filter(None, (of_folds, note))),
        headline=headline,
    )


def paired_row(test: PairedTest, where: str, data: str, *, headline: bool = True) -> ResultRow:
    """A result row with the difference of two accuracies; the exact McNemar test goes into the note."""
    return ResultRow(
        f"{where}: {test.name} less {test.against}",
        "difference of accuracy",
        100 * test.difference,
        UNIT,
        interval_low=100 * test.low,
        interval_high=100 * test.high,
        rows_test=test.num_samples,
        data=data,
        note=(
            f"{test.verdict}: exact McNemar p = {test.p_value:.2g}; {test.only_first} samples the first alone has "
            f"right, {test.only_second} the second"
        ),
        headline=headline,
    )
