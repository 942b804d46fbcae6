"""Chapter 4: Plain, SRNet, IRNet and SIPFENN on attributes. Tables 4.1 to 4.5, figures 4.2 to 4.5, and what the 2021
paper and SIPFENN add, each as JSON, CSV and picture."""

import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd

from common import metrics
from common.files import write_csv_atomic
from common.networks import parse_architecture
from common.results import ResultRow
from common.structure_tables import structures
from common.training import CollapsedTrainingError
from experiments.chapter import main as run_chapter
from experiments.chapter import say
from experiments.chapter4_tasks import (
    COMPOSITION_TASKS,
    MP_STRUCTURES,
    OQMD,
    PEROV5,
    PROTOTYPES,
    SMALL_TASK,
    UNIT,
    Chapter4,
    Job,
    Task,
    describe,
)
from experiments.paper_values import paper_value
from irnet import comparison, figures, fine_tuning, inputs
from irnet.config import ARCHITECTURES, SIPFENN_VARIANTS
from irnet.model import num_parameters
from irnet.train import run

MIN_HELD_OUT = 5  # fewer structures of a prototype say nothing


def table_4_1(chapter: Chapter4) -> None:
    """The thirteen networks as named, with their numbers of layers and parameters."""
    started = time.monotonic()
    rows = []
    for variant, key in ARCHITECTURES.items():
        rows.append(
            ResultRow(
                f"{describe(variant)}, 145 attributes",
                "parameters",
                num_parameters(variant, 145),
                "",
                note=f"{key}; {parse_architecture(key).depth} layers",
                headline=False,
            )
        )
    for variant in SIPFENN_VARIANTS:
        count = num_parameters(variant, 271)
        rows.append(ResultRow(f"{describe(variant)}, 271 attributes", "parameters", count, "", headline=False))
    chapter.finish("table_4_1", "Table 4.1: the networks", rows, started)


def design_jobs(chapter: Chapter4) -> list[Job]:
    """Networks of the design problem: all depths on the larger set of structures, one on the smaller."""
    profile = chapter.profile
    if not chapter.has(PEROV5):
        return [Job(MP_STRUCTURES, variant, profile.small_epochs) for variant in profile.design_variants]
    return [
        *(Job(PEROV5, variant, profile.design_epochs) for variant in profile.design_variants),
        *(Job(MP_STRUCTURES, variant, profile.small_epochs) for variant in profile.design_variants[:3]),
    ]


def table_4_2(chapter: Chapter4) -> None:
    """The design problem: plain, SRNet and IRNet of 17, 24 and 48 layers on structures; figures 4.2 and 4.3."""
    started = time.monotonic()
    rows: list[ResultRow] = []
    curves, table = [], []
    paper = paper_value("chapter4", "table_4_2_design_problem")
    jobs = design_jobs(chapter)
    chapter.train_side_by_side(jobs)
    for job in jobs:
        found = chapter.network(job)
        if found is None:
            continue
        scored, result = found
        data, (kind, depth) = chapter.table(job.task.data).name, job.variant.split("_")
        row = chapter.row(scored, job.task, paper.get(depth, {}).get(kind), headline=depth != "24")
        rows.append(row)
        curves.append(result.training.history.assign(data=data, variant=describe(job.variant)))
        table.append(
            {
                "data": data,
                "kind": kind,
                "layers": int(depth),
                "validation_mae": scored.validation_mae,
                "test_mae": row.ours,
                "interval_low": row.interval_low,
                "interval_high": row.interval_high,
                "train_mae_last_epoch": float(result.training.history["train_loss"].iloc[-1]),
                "rows_train": scored.rows_train,
                "seconds_train": round(scored.seconds_train or 0, 1),
            }
        )
    if not table:
        raise CollapsedTrainingError(f"No network of the design problem could be trained: {' '.join(chapter.failures)}")
    write_csv_atomic(chapter.results / "fig_4_2_curves.csv", pd.concat(curves, ignore_index=True))
    write_csv_atomic(chapter.results / "table_4_2_networks.csv", pd.DataFrame(table))
    figures.validation_curves(chapter.results, UNIT)
    figures.error_against_depth(chapter.results, UNIT, paper)
    caveat = (
        "The paper's design problem is 435,582 OQMD structures; ours are those named in each row, so compare the order "
        "of the networks and not the errors. perov5 is heats of formation of perovskites, mp_structures is formation "
        "energies of the Materials Project."
    )
    chapter.finish("table_4_2", "Table 4.2: the design problem, networks", rows, started, (caveat,))


def table_4_3(chapter: Chapter4) -> None:
    """The ten classical models on the design problem, and figures 4.4 and 4.5: IRNet beside the best."""
    started = time.monotonic()
    profile, rows, predictions = chapter.profile, [], []
    paper = paper_value("chapter4", "table_4_3_design_problem_ml")
    jobs = design_jobs(chapter)
    for task in dict.fromkeys(job.task for job in jobs):
        shown = [job for job in jobs if job.task is task and job.variant in ("irnet_10", "irnet_17", "irnet_48")]
        models, data = chapter.classical(shown[0], profile.design_models), chapter.table(task.data).name
        best = models[0]
        rows += [chapter.row(model, task, paper.get(model.name), headline=model is best) for model in models]
        networks = [found[0] for job in shown if (found := chapter.network(job))]
        for model in [*networks, best]:
            name = model.name.removeprefix(f"{task.name}: ")
            predictions.append(
                pd.DataFrame({"data": data, "model": name, "true": model.y_true, "predicted": model.y_pred})
            )
            p90 = metrics.absolute_error_quantile(model.y_true, model.y_pred, 0.9)
            theirs = {"IRNet, 17 layers": "p90_irnet", "RandomForest": "p90_random_forest"}.get(name)
            rows.append(
                ResultRow(
                    f"{task.name}: {name}, error of nine in ten rows below (figure 4.5)",
                    "90th percentile of the absolute error",
                    p90,
                    UNIT,
                    paper=paper_value("chapter4", "fig_4_5", theirs) if theirs else None,
                    rows_test=len(model.y_true),
                    data=chapter.table(task.data).name,
                    headline=False,
                )
            )
    write_csv_atomic(chapter.results / "fig_4_5_predictions.csv.gz", pd.concat(predictions, ignore_index=True))
    figures.parity_and_cdf(chapter.results, UNIT)
    chapter.finish("table_4_3", "Table 4.3: the design problem, classical models", rows, started)


def table_4_4(chapter: Chapter4) -> None:
    """Properties of compositions: best classical model, plain and IRNet, 17 layers; also table 1 of the 2021 paper."""
    started = time.monotonic()
    profile, rows = chapter.profile, []
    variants = ("plain_17", "irnet_17", *(("irnet_48",) if profile.grid == "paper" else ()))
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
        for job, theirs in zip(jobs, paper[1:], strict=False):
            if found := chapter.network(job):
                rows.append(chapter.row(found[0], task, theirs, headline=is_main))
    chapter.finish(
        "table_4_4",
        "Table 4.4 and table 1 of the 2021 paper: properties of compositions, 145 attributes",
        rows,
        started,
        ("The paper's first column is the best of ten classical models; the models tried here stand in its place.",),
    )


def paper_errors(task: Task) -> list[float | None]:
    """The paper's errors of the best classical model, plain 17, IRNet 17 and IRNet 48 layers; ``None`` if not given."""
    if task.paper_4_4:
        return paper_value("chapter4", "table_4_4", *task.paper_4_4)
    if task.paper_2021:
        return paper_value("chapter4", "srep2021_table_1", task.paper_2021)[1:]
    return [None] * 4


def table_4_5(chapter: Chapter4) -> None:
    """Structure types held out of training: perovskites, B2 and L1_0."""
    started = time.monotonic()
    profile, rows = chapter.profile, []
    loaded = chapter.table(MP_STRUCTURES.data)
    jobs = []
    for prototype in PROTOTYPES:
        num_held_out = int((loaded.frame["prototype"] == prototype).sum())
        if num_held_out < MIN_HELD_OUT:
            say(f"{loaded.name} has {num_held_out} structures of {prototype}: left out")
            continue
        task = replace(MP_STRUCTURES, name=f"{prototype} withheld")
        held_out = comparison.hold_out_prototypes(loaded, (prototype,))
        jobs.append(Job(task, "irnet_17", profile.small_epochs, loaded=held_out, label=prototype))
    chapter.train_side_by_side(jobs)
    for job in jobs:
        paper = paper_value("chapter4", "table_4_5_combinatorial", job.label)
        for model in chapter.classical(job, ("RandomForest",)):
            rows.append(chapter.row(model, job.task, paper.get(model.name)))
        if found := chapter.network(job):
            rows.append(chapter.row(found[0], job.task, paper["irnet_17"]))
    chapter.finish("table_4_5", "Table 4.5: hold-out by prototype", rows, started)


def srep2021_table_2(chapter: Chapter4) -> None:
    """Which inputs: composition, structure, both, and both with element fractions."""
    started = time.monotonic()
    rows = []
    kinds = ("C", "S", "S+C", "S+C+EF")
    jobs = [Job(replace(MP_STRUCTURES, inputs=kind), "irnet_17", chapter.profile.small_epochs) for kind in kinds]
    chapter.train_side_by_side(jobs)
    for job in jobs:
        best = chapter.classical(job, ("RandomForest",))[0]
        found = chapter.network(job)
        for scored in [best, *([found[0]] if found else [])]:
            name = f"{job.task.inputs}: {scored.name.removeprefix(f'{job.task.name}: ')}"
            rows.append(chapter.row(scored, job.task, headline=False, name=name))
    caveat = "Inputs C on structures: rows of one composition have the same inputs, so polymorphs set a floor."
    chapter.finish("srep2021_table_2", "Table 2 of the 2021 paper: inputs", rows, started, (caveat,))


def srep2021_table_3(chapter: Chapter4) -> None:
    """Small data: experimental band gaps, classical models beside IRNet of 10 and 17 layers."""
    started = time.monotonic()
    profile, task, rows = chapter.profile, SMALL_TASK, []
    paper = paper_value("chapter4", "srep2021_table_3_small_data", "Matbench exp bandgap (comp)")
    if not chapter.has(task):
        return
    jobs = [Job(task, variant, profile.small_epochs) for variant in ("irnet_10", "irnet_17")]
    chapter.train_side_by_side(jobs)
    best = chapter.classical(jobs[0], profile.design_models)[0]
    rows.append(chapter.row(best, task, paper[1]))
    rows.append(chapter.row(comparison.always_the_median(chapter.data(jobs[0])), task, headline=False))
    for job, theirs in zip(jobs, paper[2:], strict=True):
        if found := chapter.network(job):
            rows.append(chapter.row(found[0], task, theirs))
    caveat = "One split by composition; the paper's is another draw of the same data."
    chapter.finish("srep2021_table_3", "Table 3 of the 2021 paper: small data", rows, started, (caveat,))


def srep2021_fig_2(chapter: Chapter4) -> None:
    """Error against the number of training rows: IRNet and the random forest."""
    started = time.monotonic()
    profile, table, rows = chapter.profile, [], []
    num_rows = int((chapter.table(OQMD.data).frame["split"] == "train").sum())
    sizes = [size for size in profile.sizes if size <= num_rows]
    # As many steps for small sets as for 10,000 rows, but no set is passed over more than 40 times.
    epochs = [profile.size_epochs and max(2, min(40, profile.size_epochs * 10_000 // size)) for size in sizes]
    jobs = [Job(OQMD, "irnet_17", *numbers) for numbers in zip(epochs, sizes, strict=True)]
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
    forest, irnet = (errors.get(name, nothing) for name in ("RandomForest", describe("irnet_17")))
    ahead = errors.index[(irnet < forest).to_numpy()]
    insight = paper_value("chapter4", "insight")
    caveat = f"IRNet is ahead at {', '.join(f'{n:,}' for n in ahead) or 'no'} training rows. The paper: {insight}."
    chapter.finish("srep2021_fig_2", "Figure 2 of the 2021 paper: gain against size", rows, started, (caveat,))


def sipfenn_nn24(chapter: Chapter4) -> None:
    """SIPFENN's NN24 trained on structures without perovskites, and its figure 3.9: fine-tuned to the perovskites."""
    started = time.monotonic()
    profile, task, system_name = chapter.profile, MP_STRUCTURES, "perovskite"
    loaded = comparison.set_aside_prototype(chapter.table(task.data), system_name)
    config = chapter.sipfenn_config(task)
    label = f"{system_name} set aside"
    data = chapter.rows(config, loaded, label)
    result = run(config, chapter.folder(config, data, label), data=data)
    name = f"{task.name} without {system_name}: {describe(config.variant)}"
    scored = comparison.network(name, result, f"batch {config.training.batch_size}")
    theirs = paper_value("sipfenn", "oqmd_test_mae_meV", "NN24") / 1000
    rows = [chapter.row(scored, task, theirs)]

    frame = loaded.frame[loaded.frame["prototype"] == system_name]
    attributes = inputs.of_structures(config.inputs, structures(frame), cache_dir=chapter.options.runs / "attributes")
    table = fine_tuning.new_points_study(
        result.predictor,
        attributes.attributes[attributes.ok].astype(np.float32),
        frame[task.target].to_numpy()[attributes.ok],
        numbers=profile.sipfenn_points,
        rounds=profile.sipfenn_rounds,
        seed=chapter.options.seed,
        progress=sys.stderr.isatty(),
    )
    write_csv_atomic(chapter.results / "sipfenn_fig_3_9_rounds.csv", table)
    figures.fine_tuning(chapter.results, UNIT)
    errors = table.groupby("num_points")["test_mae"].median()
    rows += [
        ResultRow(
            f"{system_name}, {number} new points",
            "median MAE of the draws",
            float(error),
            UNIT,
            rows_train=int(number),
            rows_test=int(table["num_test"].iloc[0]),
            data=loaded.name,
            headline=False,
        )
        for number, error in errors.items()
    ]
    for number in (20, int(errors.index.max())):
        if number in errors.index:
            rows.append(
                ResultRow(
                    f"{system_name}, {number} new points: share of the error that is left",
                    "ratio of MAE",
                    float(errors[number] / errors.iloc[0]),
                    "",
                    note=f"the paper: {paper_value('sipfenn', 'transfer', 'effect')}",
                    data=loaded.name,
                    headline=number == 20,
                )
            )
    caveat = (
        "The paper's NN24 learned from OQMD structures, some hundred times as many, and its system is another; the "
        "network's rate and number of epochs are ours."
    )
    chapter.finish("sipfenn_fig_3_9", "SIPFENN: NN24, and its fine-tuning to a small system", rows, started, (caveat,))


ENTRIES = {
    "table_4_1": table_4_1,
    # compositions
    "table_4_4": table_4_4,
    "srep2021_fig_2": srep2021_fig_2,
    "srep2021_table_3": srep2021_table_3,
    # structures
    "table_4_2": table_4_2,
    "table_4_3": table_4_3,
    "table_4_5": table_4_5,
    "srep2021_table_2": srep2021_table_2,
    "sipfenn_fig_3_9": sipfenn_nn24,
}


def main(arguments: list[str] | None = None) -> int:
    """The command line; see ``experiments.chapter.main``."""
    return run_chapter(Chapter4, __doc__ or "", ENTRIES, arguments=arguments)


if __name__ == "__main__":
    raise SystemExit(main())
