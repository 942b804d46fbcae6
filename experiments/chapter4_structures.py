"""Chapter 4 on structures: the design problem, hold-outs by prototype, inputs, and SIPFENN."""

import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd

from common import metrics
from common.files import write_csv_atomic
from common.results import ResultRow
from common.structure_tables import structures
from common.training import CollapsedTrainingError
from experiments.chapter import say
from experiments.chapter4_runs import Chapter4, describe
from experiments.chapter4_tasks import MP_STRUCTURES, PEROV5, PROTOTYPES, UNIT, Job
from experiments.paper_values import paper_value
from irnet import comparison, figures, fine_tuning, inputs
from irnet.train import run

MIN_HELD_OUT = 5  # fewer structures of a prototype say nothing


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
        jobs.append(Job(task, profile.irnet, profile.small_epochs, loaded=held_out, label=prototype))
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
    jobs = [
        Job(replace(MP_STRUCTURES, inputs=kind), chapter.profile.irnet, chapter.profile.small_epochs) for kind in kinds
    ]
    chapter.train_side_by_side(jobs)
    for job in jobs:
        best = chapter.classical(job, ("RandomForest",))[0]
        found = chapter.network(job)
        for scored in [best, *([found[0]] if found else [])]:
            name = f"{job.task.inputs}: {scored.name.removeprefix(f'{job.task.name}: ')}"
            rows.append(chapter.row(scored, job.task, headline=False, name=name))
    caveat = "Inputs C on structures: rows of one composition have the same inputs, so polymorphs set a floor."
    chapter.finish("srep2021_table_2", "Table 2 of the 2021 paper: inputs", rows, started, (caveat,))


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
        epochs=profile.tuning_epochs,
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
        f"The paper's NN24 learned from OQMD and has {paper_value('sipfenn', 'oqmd_test_rows'):,} of its structures "
        "for the test alone; its system is another; the network's rate and number of epochs are ours."
    )
    chapter.finish("sipfenn_fig_3_9", "SIPFENN: NN24, and its fine-tuning to a small system", rows, started, (caveat,))
