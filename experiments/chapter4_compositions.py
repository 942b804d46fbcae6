"""Chapter 4 on compositions: table 4.4, and table 3 and figure 2 of the 2021 paper."""

import time

import numpy as np
import pandas as pd

from common.files import write_csv_atomic
from common.results import ResultRow
from common.scored import Scored
from experiments.chapter4_runs import Chapter4, describe
from experiments.chapter4_tasks import COMPOSITION_TASKS, OQMD, SMALL_TASK, UNIT, Job, Task
from experiments.paper_values import paper_value
from irnet import comparison, figures


def table_4_4(chapter: Chapter4) -> None:
    """Properties of compositions: best classical model, plain and IRNet, 17 layers; also table 1 of the 2021 paper."""
    started = time.monotonic()
    profile, rows = chapter.profile, []
    variants = (f"plain_{profile.layers}", profile.irnet, *(("irnet_48",) if profile.grid == "paper" else ()))
    seen: set[str] = set()  # one table may stand in for two
    for task in (OQMD, *COMPOSITION_TASKS):
        if not chapter.has(task) or chapter.table(task.data).name in seen:
            continue
        seen.add(chapter.table(task.data).name)
        is_main = task is OQMD
        size = (profile.oqmd_epochs, profile.oqmd_rows) if is_main else (profile.task_epochs, profile.task_rows)
        jobs = [Job(task, variant, *size) for variant in variants]
        chapter.train_side_by_side(jobs)
        names = ("RandomForest",) if is_main and profile.task_models else profile.task_models
        paper = paper_errors(task)
        best = chapter.classical(jobs[0], names)[0]
        rows.append(chapter.row(best, task, paper[0], headline=is_main))
        rows.append(chapter.row(comparison.always_the_median(chapter.data(jobs[0])), task, headline=False))
        models = {"classical": best}
        for job, theirs in zip(jobs, paper[1:], strict=False):
            if found := chapter.network(job):
                rows.append(chapter.row(found[0], task, theirs, headline=is_main))
                models[job.variant] = found[0]
        if irnet := models.pop(profile.irnet, None):
            rows += [gain_row(task, irnet, other, headline=is_main) for other in models.values()]
    chapter.finish(
        "table_4_4",
        "Table 4.4 and table 1 of the 2021 paper: properties of compositions, 145 attributes",
        rows,
        started,
        ("The paper's first column is the best of ten classical models; the models tried here stand in its place.",),
    )


def gain_row(task: Task, irnet: Scored, other: Scored, *, headline: bool) -> ResultRow:
    """How much lower the error of IRNet is than another model's, on the same test rows."""
    gain, low, high = comparison.paired_difference(irnet, other)
    return ResultRow(
        f"{task.name}: gain of IRNet over {other.name.removeprefix(f'{task.name}: ')}",
        "difference of MAE, paired",
        gain,
        task.unit,
        interval_low=low,
        interval_high=high,
        rows_test=len(other.y_true),
        headline=headline,
    )


def paper_errors(task: Task) -> list[float | None]:
    """The paper's errors of the best classical model, plain 17, IRNet 17 and IRNet 48 layers; ``None`` if not given."""
    if task.paper_4_4:
        return paper_value("chapter4", "table_4_4", *task.paper_4_4)
    if task.paper_2021:
        return paper_value("chapter4", "srep2021_table_1", task.paper_2021)[1:]
    return [None] * 4


def srep2021_fig_2(chapter: Chapter4) -> None:
    """Error against the number of training rows: IRNet and the random forest."""
    started = time.monotonic()
    profile, table, rows = chapter.profile, [], []
    num_rows = int((chapter.table(OQMD.data).frame["split"] == "train").sum())
    sizes = [size for size in profile.sizes if size <= num_rows]
    # As many steps for small sets as for 10,000 rows, but no set is passed over more than 40 times.
    epochs = [profile.size_epochs and max(2, min(40, profile.size_epochs * 10_000 // size)) for size in sizes]
    jobs = [Job(OQMD, profile.irnet, *numbers) for numbers in zip(epochs, sizes, strict=True)]
    chapter.train_side_by_side(jobs)
    for job, size in zip(jobs, sizes, strict=True):
        models = chapter.classical(job, ("RandomForest",))
        found = chapter.network(job)
        for scored in [*models, *([found[0]] if found else [])]:
            model = scored.name.removeprefix(f"{OQMD.name}: ")
            row = chapter.row(scored, OQMD, headline=False, name=f"{model}, {size:,} training rows")
            rows.append(row)
            table.append(
                {
                    "model": model,
                    "rows_train": size,
                    "test_mae": row.ours,
                    "interval_low": row.interval_low,
                    "interval_high": row.interval_high,
                }
            )
    frame = pd.DataFrame(table)
    write_csv_atomic(chapter.results / "srep2021_fig_2_sizes.csv", frame)
    figures.error_against_size(chapter.results, UNIT)
    errors = frame.pivot(index="rows_train", columns="model", values="test_mae")
    nothing = pd.Series(np.nan, errors.index)  # where every network failed
    forest, irnet = (errors.get(name, nothing) for name in ("RandomForest", describe(profile.irnet)))
    ahead = errors.index[(irnet < forest).to_numpy()]
    insight = paper_value("chapter4", "insight")
    caveat = f"IRNet is ahead at {', '.join(f'{n:,}' for n in ahead) or 'no'} training rows. The paper: {insight}."
    chapter.finish("srep2021_fig_2", "Figure 2 of the 2021 paper: gain against size", rows, started, (caveat,))


def srep2021_table_3(chapter: Chapter4) -> None:
    """Small data: experimental band gaps, classical models beside IRNet of 10 and 17 layers."""
    started = time.monotonic()
    profile, task, rows = chapter.profile, SMALL_TASK, []
    paper = paper_value("chapter4", "srep2021_table_3_small_data", "Matbench exp bandgap (comp)")
    if not chapter.has(task):
        return
    jobs = [Job(task, variant, profile.small_epochs) for variant in ("irnet_10", profile.irnet)]
    chapter.train_side_by_side(jobs)
    best = chapter.classical(jobs[0], profile.design_models)[0]
    rows.append(chapter.row(best, task, paper[1]))
    rows.append(chapter.row(comparison.always_the_median(chapter.data(jobs[0])), task, headline=False))
    for job, theirs in zip(jobs, paper[2:], strict=True):
        if found := chapter.network(job):
            rows.append(chapter.row(found[0], task, theirs))
    caveat = "One split by composition; the paper's is another draw of the same data."
    chapter.finish("srep2021_table_3", "Table 3 of the 2021 paper: small data", rows, started, (caveat,))
