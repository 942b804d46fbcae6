"""Chapter 5 on the JARVIS-Leaderboard's split of SSUB: ensembles, transferred and from scratch, beside those posted."""

import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd

from common import metrics, splits
from common.executor import run_tasks
from common.files import write_csv_atomic
from common.readers import TARGET, LoadedDataset
from common.results import ResultRow
from experiments.chapter import mae_row, say
from experiments.chapter5_runs import Chapter5
from experiments.chapter5_tasks import SCRATCH, TRANSFER, UNIT
from irnet import data as irnet_data
from irnet.config import SMALL_RECIPE as IRNET_RECIPE
from irnet.train import run as train_irnet
from transfer import leaderboard
from transfer.comparison import Job, networks_at_a_time
from transfer.data import TargetData, load
from transfer.seen import is_seen

IRNET = "IRNet, 17 layers, 145 attributes and fractions, scratch"
NAMES = {TRANSFER: "ElemNet, transfer", SCRATCH: "ElemNet, scratch"}
POSTED = {NAMES[TRANSFER]: "ElemNet2_TL", NAMES[SCRATCH]: "ElemNet2_SC", IRNET: "IRNet_EF"}


def ssub_leaderboard(chapter: Chapter5) -> None:
    """Ensembles on the leaderboard's split: the submission, and its error beside those of the posted models."""
    started = time.monotonic()
    if chapter.options.protocol == "paper":
        raise ValueError("Expected --protocol honest for the leaderboard; the test rows must not choose the weights.")
    loaded = chapter.table(leaderboard.DATA)
    if loaded is None:
        raise ValueError("the leaderboard's split cannot be had; see above")
    test = loaded.frame[loaded.frame["split"] == "test"]
    answers = elemnet_members(chapter, loaded) | {IRNET: irnet_members(chapter, loaded)}
    unseen = None if chapter.seen_by_source is None else ~is_seen(test["formula"], chapter.seen_by_source)
    rows, tables = [], {}
    for name, members in answers.items():
        columns = [answers_to(test, member) for member in members]
        table = test[["id", "formula"]].assign(target=test[TARGET], prediction=np.mean(columns, axis=0))
        tables[name] = table
        single = np.mean([metrics.mean_absolute_error(table["target"], column) for column in columns])
        ranked = leaderboard.score(table.set_index("id")["prediction"], name)
        posted = ranked.set_index("model")["mae_ev_per_atom"][POSTED[name]]
        place = ranked.index[ranked["model"] == name][0] + 1
        say(f"{name}: {metrics.mean_absolute_error(table['target'], table['prediction']):.4f}")
        rows.append(
            mae_row(
                f"leaderboard ssub_formula_energy: {name}",
                table["target"],
                table["prediction"],
                UNIT,
                paper=posted,
                note=f"mean of {len(members)} networks, alone {single:.4f}; place {place} of {len(ranked)} with those "
                f"posted; the paper's column is {POSTED[name]} as posted",
            )
        )
        if unseen is not None:
            part, name = table[unseen], f"leaderboard ssub_formula_energy: {name}, compositions unseen by the source"
            rows.append(mae_row(name, part["target"], part["prediction"], UNIT, headline=False))
    ours = tables[NAMES[TRANSFER]]
    folder = chapter.results / "leaderboard"
    say(f"wrote {leaderboard.write_submission(folder, ours['id'], ours['target'], ours['prediction'])}")
    saved = pd.concat([table.assign(model=name) for name, table in tables.items()])
    write_csv_atomic(chapter.results / "leaderboard_predictions.csv.gz", saved.round(6))
    ranking = leaderboard.score(ours.set_index("id")["prediction"], f"{NAMES[TRANSFER]} (ours)")
    write_csv_atomic(chapter.results / "leaderboard_ranking.csv", ranking.round(4))
    rows += [
        ResultRow(
            f"posted: {row.model}",
            "MAE",
            row.mae_ev_per_atom,
            UNIT,
            interval_low=row.interval_low,
            interval_high=row.interval_high,
            rows_test=len(test),
            headline=False,
        )
        for row in ranking.itertuples()
        if row.model in leaderboard.POSTED
    ]
    chapter.finish(
        "leaderboard",
        "JARVIS-Leaderboard, ssub_formula_energy",
        rows,
        started,
        (
            "All test rows are scored. Pure elements are answered by 0, the definition of their formation enthalpy, "
            "and are not trained on; one of them, Po, is beyond the 86 elements. Each network of an ensemble leaves "
            "another part of the 1,381 training rows for validation.",
        ),
    )


def member_splits(split: pd.Series, num_members: int, seed: int) -> list[np.ndarray]:
    """The split with another part of the training rows for validation, once for each member of an ensemble."""
    train = np.flatnonzero(split.to_numpy() == "train")
    found = []
    for _, held_out in splits.k_fold(len(train), num_members, seed):
        member = split.to_numpy(object).copy()
        member[train[held_out]] = "val"
        found.append(member)
    return found


def elemnet_members(chapter: Chapter5, loaded: LoadedDataset) -> dict[str, list[pd.Series]]:
    """What each member of the two ensembles of ElemNet says of the test formulas."""
    data: TargetData = load(
        chapter.source, leaderboard.DATA, loaded=loaded, unknown_elements="drop", seen=chapter.seen_by_source
    )
    jobs: list[Job] = []
    for number, split in enumerate(member_splits(pd.Series(data.split), chapter.profile.members, chapter.options.seed)):
        for start in (TRANSFER, SCRATCH):
            config = chapter.config(int((split == "train").sum()), start).with_training(seed=number)
            jobs.append(Job(start, config, chapter.source_path, data, split, f"member {number + 1}", {}))
    trained = chapter.train(jobs)
    formulas = data.rows.frame["formula"].to_numpy()
    return {
        NAMES[start]: [pd.Series(one.predicted, formulas[one.test_rows]) for one in trained if one.name == start]
        for start in (TRANSFER, SCRATCH)
    }


def irnet_members(chapter: Chapter5, loaded: LoadedDataset) -> list[pd.Series]:
    """What each member of an ensemble of IRNet from scratch says of the test formulas."""
    tasks = []
    split = loaded.frame["split"]
    for number, member in enumerate(member_splits(split, chapter.profile.members, chapter.options.seed)):
        config = replace(
            IRNET_RECIPE, variant="irnet_17", data=leaderboard.DATA, inputs="C+EF", protocol=chapter.options.protocol
        ).with_training(seed=number)
        if chapter.profile.epochs is not None:
            config = config.with_training(max_epochs=chapter.profile.epochs)
        own = replace(loaded, frame=loaded.frame.assign(split=member))
        tasks.append((config, chapter.folder(f"leaderboard-irnet-{number}", config, loaded.files), own))
    say(f"{len(tasks)} networks of chapter 4 on {loaded.name}")
    num_processes = chapter.profile.num_processes or networks_at_a_time()
    outcomes = run_tasks(_train_irnet, tasks, num_processes=num_processes, progress=sys.stderr.isatty())
    if failed := [outcome.reason for outcome in outcomes if not outcome.ok]:
        raise ValueError(f"{IRNET}: {failed[0]}")
    return [outcome.value for outcome in outcomes]


def _train_irnet(task: tuple) -> pd.Series:
    config, folder, loaded = task
    data = irnet_data.load(config, loaded=loaded)
    result = train_irnet(config, folder, data=data, progress=False)
    return pd.Series(result.test_predictions, data.test.frame["formula"].to_numpy())


def answers_to(test: pd.DataFrame, member: pd.Series) -> np.ndarray:
    """What a network says of all test rows ``(n,)``; of pure elements 0, by definition.

    Raises:
        ValueError: If a compound has no answer.
    """
    is_element = test["formula"].str.fullmatch(r"[A-Z][a-z]?\d*")
    answers = test["formula"].map(member).mask(is_element, 0.0)
    if answers.isna().any():
        raise ValueError(f"Expected an answer to all compounds; {test['formula'][answers.isna()].iloc[0]} has none.")
    return answers.to_numpy(float)
