"""Chapter 5: deep transfer learning from OQMD to JARVIS, the Materials Project and experiment. Tables 5.2 to 5.4 and
figures 5.1 and 5.3 to 5.9, and what sections 8.2.1 and 8.2.5 propose, each as JSON, CSV and picture."""

import time

import numpy as np
import pandas as pd

from common import metrics
from common.files import write_csv_atomic
from common.readers import TARGET
from common.results import ResultRow
from experiments.chapter import mae_row
from experiments.chapter import main as run_chapter
from experiments.chapter5_activations import fig_5_9, section_8_2_1, section_8_2_5
from experiments.chapter5_leaderboard import ssub_leaderboard
from experiments.chapter5_runs import SOURCE, Chapter5
from experiments.chapter5_tasks import BUNDLED_SOURCE, EXPERIMENT, JARVIS, MP, SCRATCH, TRANSFER, UNIT
from experiments.paper_values import paper_value
from transfer import figures
from transfer.agreement import on_common_compositions

DFT_SETS = {
    "OQMD": "oqmd_formation_enthalpy",
    "Materials Project": "mp_formation_energy",
    "JARVIS": JARVIS.data,
}
PERCENTILES = {"p50": 0.5, "p90": 0.9}


def fig_5_1(chapter: Chapter5) -> None:
    """DFT against experiment on the compositions that all data sets have."""
    started = time.monotonic()
    names = {BUNDLED_SOURCE: BUNDLED_SOURCE} if chapter.is_bundled else DFT_SETS
    tables = {name: chapter.table(data) for name, data in {EXPERIMENT.name: EXPERIMENT.data, **names}.items()}
    found = {name: loaded for name, loaded in tables.items() if loaded is not None}
    common = on_common_compositions({name: loaded.frame for name, loaded in found.items()}, TARGET)
    write_csv_atomic(chapter.results / "fig_5_1_energies.csv", common.round(6))
    figures.dft_against_experiment(chapter.results, EXPERIMENT.name)
    true, rows = common[EXPERIMENT.name], []
    paper = paper_value("chapter5", "fig_5_1_dft_vs_experiment")
    for name, loaded in list(found.items())[1:]:
        title = f"{name} against experiment"
        mae = paper["mae"].get(name)
        rows.append(mae_row(title, true, common[name], UNIT, paper=mae, data=loaded.name))
        rows += [
            ResultRow(
                title,
                percentile,
                metrics.absolute_error_quantile(true, common[name], share),
                UNIT,
                paper=paper[percentile].get(name),
                rows_test=len(common),
                data=loaded.name,
                headline=False,
            )
            for percentile, share in PERCENTILES.items()
        ]
    count = paper_value("chapter5", "fig_5_1_dft_vs_experiment", "common_compositions")
    chapter.finish(
        "fig_5_1",
        "Figure 5.1: DFT against experiment",
        rows,
        started,
        (
            f"On the {len(common):,} compositions that all these sets have; the paper's {count} are others. A "
            "measurement of our own, beside the paper's.",
        ),
    )


def table_5_2(chapter: Chapter5) -> None:
    """Cross-validated errors of scratch, of the source as it came, and of transfer."""
    started = time.monotonic()
    paper = paper_value("chapter5", "table_5_2_cv")
    columns = dict(zip((SCRATCH, SOURCE, TRANSFER), (0, 2, 3), strict=True))
    test = chapter.source.card["metrics"]["test"]
    rows = [
        ResultRow(
            f"OQMD: {chapter.source_name}",
            "MAE",
            test["mae"],
            UNIT,
            paper=chapter.paper(paper["OQMD"][0]),
            rows_train=chapter.source.card["data"]["rows_train"],
            rows_test=test["n"],
            data=chapter.source.card["data"]["name"],
            note="on the test rows of its own training, one split",
        )
    ]
    for target in chapter.targets():
        trained = chapter.cross_validated[target.short]
        table = chapter.predictions(target, trained)
        write_csv_atomic(chapter.results / f"{predictions_name(target.short)}.csv.gz", table.round(4))
        names = {SCRATCH: SCRATCH, SOURCE: f"{chapter.source_name} as it came", TRANSFER: TRANSFER}
        for column, name in names.items():
            figure = paper[target.name][columns[column]]
            rows += chapter.error_rows(target, table, name, column, figure, trained, headline=column != SOURCE)
        rows.append(chapter.ratio_row(target, table))
    chapter.finish("table_5_2", "Table 5.2: cross-validation", rows, started)


def predictions_name(short: str) -> str:
    """File of the cross-validated predictions of a target, which the figures are drawn from."""
    return f"table_5_2_predictions_{short}"


def table_5_3(chapter: Chapter5) -> None:
    """Hold-outs of 8:2 and 9:1, the latter the first of the ten folds."""
    started = time.monotonic()
    paper, rows = paper_value("chapter5", "table_5_3_holdout"), []
    splits = {target: chapter.splits(target, num_folds=5, take=1) for target in chapter.targets()}
    trained = chapter.train([job for target, split in splits.items() for job in chapter.jobs(target, split)])
    for target in chapter.targets():
        name = chapter.rows(target).loaded.name
        of_fifths = [one for one in trained if one.data == name]
        of_tenths = [one for one in chapter.cross_validated[target.short] if one.label.startswith("1 of")]
        for ratio, networks in (("8:2", of_fifths), ("9:1", of_tenths)):
            table = chapter.predictions(target, networks)
            figures_of_split = next(row for row in paper[target.name] if row[0] == ratio)
            for column, figure in zip((SCRATCH, TRANSFER), figures_of_split[1:], strict=True):
                rows += chapter.error_rows(
                    target, table, f"{column}, {ratio}", column, figure, networks, headline=False
                )
    caveat = "The source has no hold-out of 9:1 of its own; its error on its test rows is in table 5.2."
    chapter.finish("table_5_3", "Table 5.3: hold-outs of 8:2 and 9:1", rows, started, (caveat,))


def table_5_4(chapter: Chapter5) -> None:
    """Networks trained on each data set, on the experimental enthalpies."""
    started = time.monotonic()
    paper, rows = paper_value("chapter5", "table_5_4_on_experiment"), []
    data = chapter.rows(EXPERIMENT)
    true = data.rows.y
    table = pd.DataFrame({"formula": data.rows.frame["formula"], "true": true})
    table[chapter.source_name] = chapter.source.predict_attributes(data.rows.x)[:, 0]
    source, card = table[chapter.source_name], chapter.source.card["data"]
    more = {"data": data.loaded.name, "headline": False}
    rows.append(
        mae_row(
            f"{chapter.source_name} on experiment",
            true,
            source,
            UNIT,
            paper=chapter.paper(paper["OQMD"][0]),
            rows_train=card["rows_train"],
            data=data.loaded.name,
        )
    )
    if data.seen is not None and 0 < data.seen.sum() < len(data):
        name = f"{chapter.source_name} on experiment, compositions unseen by the source"
        rows.append(mae_row(name, true[~data.seen], source[~data.seen], UNIT, **more))
    for target in chapter.targets():
        trained = chapter.cross_validated[target.short]
        if target is EXPERIMENT:
            continue
        for column, place in ((SCRATCH, 0), (TRANSFER, 2)):
            ones = [one for one in trained if one.name == column]
            if not ones:
                continue
            errors = [metrics.mean_absolute_error(true, one.elsewhere[EXPERIMENT.short]) for one in ones]
            name = f"{target.prefix}-{'SC' if column == SCRATCH else 'TL'}"
            table[name] = ones[0].elsewhere[EXPERIMENT.short]
            rows.append(
                mae_row(
                    name,
                    true,
                    table[name],
                    UNIT,
                    paper=chapter.paper(paper[target.name][place]),
                    rows_train=ones[0].rows_train,
                    note=f"the network of fold {ones[0].label}; mean of {len(errors)} networks {np.mean(errors):.4f}, "
                    f"sd {np.std(errors):.4f}",
                    **more,
                )
            )
    cross_validated = chapter.predictions(EXPERIMENT, chapter.cross_validated[EXPERIMENT.short])
    for column, place in ((SCRATCH, 0), (TRANSFER, 2)):
        paper_figure = paper[EXPERIMENT.name][place]
        rows.append(
            mae_row(
                f"{EXPERIMENT.name}, {column}",
                cross_validated["true"],
                cross_validated[column],
                UNIT,
                paper=chapter.paper(paper_figure),
                note="cross-validated, as in table 5.2: on the test rows of the folds, within 5 sigma",
                **more,
            )
        )
    write_csv_atomic(chapter.results / "table_5_4_predictions.csv.gz", table.round(4))
    caveat = (
        "Networks trained on DFT data answer for 0 K and the terms of DFT; compositions of their training rows are "
        "among the experimental ones."
    )
    chapter.finish("table_5_4", "Table 5.4: on the experimental enthalpies", rows, started, (caveat,))


def fig_5_3(chapter: Chapter5) -> None:
    """Error against the share of the experimental training rows."""
    started = time.monotonic()
    profile, data = chapter.profile, chapter.rows(EXPERIMENT)
    fold = chapter.splits(EXPERIMENT, take=1)["1 of 10"]
    splits = {}
    for draw in range(profile.rounds):
        order = np.random.default_rng((chapter.options.seed, draw)).permutation(np.flatnonzero(fold == "train"))
        for share in profile.fractions:
            if share == 1 and draw:  # there is but one way to draw all
                continue
            split = fold.copy()
            split[order[max(2, round(share * len(order))) :]] = "unused"
            splits[f"{share:.0%}, draw {draw + 1}"] = split
    num_train_rows = int((fold == "train").sum())
    trained = chapter.train(chapter.jobs(EXPERIMENT, splits, as_many_steps_as=num_train_rows))
    table = []
    for one in trained:
        share = float(one.label.split("%")[0]) / 100
        mae = metrics.mean_absolute_error(data.rows.y[one.test_rows], one.predicted)
        table.append({"share": share, "draw": one.label, "network": one.name, "rows_train": one.rows_train, "mae": mae})
    frame = pd.DataFrame(table)
    write_csv_atomic(chapter.results / "fig_5_3_shares.csv", frame)
    paper = paper_value("chapter5", "fig_5_3")
    paper_names = {SCRATCH: "EXP-SC", TRANSFER: "EXP-TL"}
    figures.error_against_share(chapter.results)
    rows = [
        ResultRow(
            f"{network}, {share:.0%} of the training rows",
            "MAE",
            float(group["mae"].mean()),
            UNIT,
            paper=chapter.paper(paper[paper_names[network]].get(f"{share:.0%}")),
            rows_train=int(group["rows_train"].iloc[0]),
            rows_test=int((fold == "test").sum()),
            data=data.loaded.name,
            note=f"mean of {len(group)} draws, sd {group['mae'].std(ddof=0):.4f}" if len(group) > 1 else "",
            headline=False,
        )
        for (network, share), group in frame.groupby(["network", "share"])
    ]
    caveats = [f"{profile.rounds} draw(s) of each share, all scored on the first of ten folds."]
    if profile.recipe != "paper":
        caveats.append("Fewer rows are passed over more often, up to five times; below a fifth that is fewer steps.")
    chapter.finish("fig_5_3", "Figure 5.3: error against the share of training rows", rows, started, tuple(caveats))


def figs_5_4_to_5_8(chapter: Chapter5) -> None:
    """Parity and distribution of errors, from the predictions that tables 5.2 and 5.4 saved."""
    started = time.monotonic()
    rows = []
    numbered = dict(zip((JARVIS, MP, EXPERIMENT), ("fig_5_4", "fig_5_5", "fig_5_6"), strict=True))
    for target in chapter.targets():
        figure = numbered[target]
        table = pd.read_csv(chapter.results / f"{predictions_name(target.short)}.csv.gz", keep_default_na=False)
        names = {SCRATCH: f"{target.prefix}-SC", SOURCE: chapter.source_name, TRANSFER: f"{target.prefix}-TL"}
        figures.parity_and_cdf(chapter.results, figure, table, names, title=target.name)
        for column, name in names.items():
            rows.append(
                ResultRow(
                    f"{target.name}: {name}",
                    "p90",
                    metrics.absolute_error_quantile(table["true"], table[column], 0.9),
                    UNIT,
                    rows_test=len(table),
                    data=chapter.rows(target).loaded.name,
                    headline=False,
                )
            )
        chapter.finish(
            figure, f"Figure {figure[4:].replace('_', '.')}: parity and errors, {target.name}", rows, started
        )
        rows, started = [], time.monotonic()
    table = pd.read_csv(chapter.results / "table_5_4_predictions.csv.gz", keep_default_na=False)
    networks = list(table.columns[2:])
    figures.parity_and_cdf(chapter.results, "fig_5_7", table, {name: name for name in networks}, title="On experiment")
    rows = [
        ResultRow(
            f"{name}, on experiment",
            "p90",
            metrics.absolute_error_quantile(table["true"], table[name], 0.9),
            UNIT,
            rows_test=len(table),
            data=chapter.rows(EXPERIMENT).loaded.name,
            headline=False,
        )
        for name in networks
    ]
    chapter.finish(
        "fig_5_7", "Figures 5.7 and 5.8: networks of DFT data on experiment, parity and errors", rows, started
    )


ENTRIES = {
    "fig_5_1": fig_5_1,
    "table_5_2": table_5_2,
    "table_5_3": table_5_3,
    "table_5_4": table_5_4,
    "fig_5_3": fig_5_3,
    "figs_5_4_to_5_8": figs_5_4_to_5_8,
    "fig_5_9": fig_5_9,
    "section_8_2_1": section_8_2_1,
    "section_8_2_5": section_8_2_5,
}


ON_REQUEST = {"leaderboard": ssub_leaderboard}


def main(arguments: list[str] | None = None) -> int:
    """The command line; see ``experiments.chapter.main``."""
    return run_chapter(Chapter5, __doc__ or "", ENTRIES, on_request=ON_REQUEST, arguments=arguments)


if __name__ == "__main__":
    raise SystemExit(main())
