"""Chapter 3, whole chemistries withheld from training: errors on Ti-O and Na-Fe-Mn-O, and their phase diagrams."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from common import metrics, plotting
from common.composition import encode
from common.features import magpie
from common.files import write_csv_atomic
from common.results import ResultRow
from common.rows import Rows
from common.scored import Scored
from elemnet import comparison
from elemnet.config import TARGET
from elemnet.data import ElemNetData
from elemnet.holdout import HOLD_OUTS, joined, withhold
from elemnet.hull_figures import draw_phase_diagram
from elemnet.phase_diagram import compare_stability, phase_table
from elemnet.train import ElemNetResult
from experiments.chapter import mae_row, say
from experiments.chapter3_runs import UNIT, Chapter3
from experiments.paper_values import paper_value

FRACTIONS = "RandomForest, element fractions"
ATTRIBUTES = "RandomForest, 145 physical attributes"
ELEMNET = "ElemNet, element fractions"
PAPER_NAMES = {FRACTIONS: "RF_fractions", ATTRIBUTES: "RF_physical", ELEMNET: "ElemNet"}
PREDICTIONS, HOLD_OUT = "holdouts_predictions.csv", "hold_out"
PHASES, SYSTEM, DFT = "fig_3_5_phases.csv", "system", "DFT"
DIAGRAMS = {
    "Ti-O": (("Ti", "O"),),
    "Na-Fe-Mn-O": (("Na", "Fe", "O"), ("Na", "Mn", "O"), ("Fe", "Mn", "O"), ("Na", "Fe", "Mn")),
}
CAVEATS = (
    "Both hold-outs are withheld together, in one training of each model, where the paper withholds one at a time: "
    "each model here knows less. All three have the same training rows.",
    "The withheld rows come from the training, validation and test part alike, so they are as the data hold them, not "
    "a uniform draw of the OQMD. Intervals are of the choice of these rows, not of the seed of a training.",
)


def holdouts(chapter: Chapter3) -> None:
    """Ti-O and Na-Fe-Mn-O withheld: errors on them of ElemNet and random forests trained without them."""
    started = time.monotonic()
    data, withheld = withhold(chapter.data)
    data = replace(data, train=data.train.draw(chapter.config.max_train_rows, chapter.options.seed))
    missing = tuple(f"The data hold no compound of {name}." for name, rows in withheld.items() if not len(rows))
    withheld = {name: rows for name, rows in withheld.items() if len(rows)}
    if not withheld:
        say(f"the hold-outs are left out: {' '.join(missing)}")
        return
    test = joined(list(withheld.values()))
    hold_out_of = np.repeat(list(withheld), [len(rows) for rows in withheld.values()])
    say(", ".join(f"{name}: {len(rows):,} rows withheld" for name, rows in withheld.items()))
    trained = chapter.train("holdouts", chapter.config, data)
    models = {model.name: model for model in (*forests(chapter, data, test), network(trained, test))}
    table = comparison.predictions_table(test, models)
    table.insert(1, HOLD_OUT, hold_out_of)
    write_csv_atomic(chapter.results / PREDICTIONS, table)
    rows: list[ResultRow] = []
    caveats = [*CAVEATS, *missing]
    for name in withheld:
        here = hold_out_of == name
        scored = [replace(model, y_true=model.y_true[here], y_pred=model.y_pred[here]) for model in models.values()]
        rows += hold_out_rows(name, scored)
        caveats += where_behind(name, scored)
    ordinary = mae_row(
        f"Ordinary test rows: {ELEMNET}",
        data.test.y,
        trained.test_predictions,
        UNIT,
        rows_train=len(data.train),
        note="the same network on the test rows outside the hold-outs",
        headline=False,
    )
    title = "Hold-outs: Ti-O and Na-Fe-Mn-O, withheld from training"
    chapter.finish("holdouts", title, [*rows, ordinary], started, tuple(caveats), left_out=data.counts)
    errors_beside_paper(chapter.results)


def forests(chapter: Chapter3, data: ElemNetData, test: Rows) -> list[Scored]:
    """Random forests on element fractions and on the 145 attributes, each fitted once."""
    num_trees, seed = chapter.profile.num_trees, chapter.options.seed
    say("random forest on element fractions")
    inputs = (data.train.x, test.x)
    on_fractions = comparison.forest(FRACTIONS, data.train, test, inputs, num_trees, seed)
    train = data.train.draw(chapter.profile.forest_rows, seed)
    say(f"random forest on 145 attributes of {len(train):,} compositions")
    inputs = (magpie.featurize(train.frame["formula"]), magpie.featurize(test.frame["formula"]))
    return [on_fractions, comparison.forest(ATTRIBUTES, train, test, inputs, num_trees, seed)]


def network(trained: ElemNetResult, test: Rows) -> Scored:
    """The trained ElemNet on the withheld rows."""
    training = trained.training
    return comparison.network(
        ELEMNET,
        trained.predictor,
        test,
        rows_train=len(trained.data.train),
        seconds_train=training.seconds,
        note=f"recipe {trained.card['recipe']}, epoch {training.best_epoch} by validation",
    )


def hold_out_rows(name: str, models: list[Scored]) -> list[ResultRow]:
    """The deviation of one hold-out's energies, each model's error on them, and how far ElemNet is ahead."""
    paper, true = paper_value("chapter3", "holdout", name), models[0].y_true
    entries = f"{len(true):,} entries withheld, {paper['entries']:,} in the paper"
    rows = [
        ResultRow(
            f"{name}: mean absolute deviation of the energies",
            "MAD",
            metrics.mean_absolute_deviation(true),
            UNIT,
            paper=paper["mad"],
            rows_test=len(true),
            note=entries,
            headline=False,
        )
    ]
    rows += [
        mae_row(
            f"{name}: {model.name}",
            true,
            model.y_pred,
            UNIT,
            paper=paper[PAPER_NAMES[model.name]],
            rows_train=model.rows_train,
            seconds_train=None if model.seconds_train is None else round(model.seconds_train, 1),
            note="; ".join(note for note in (entries, model.note) if note),
        )
        for model in models
    ]
    elemnet = next(model for model in models if model.name == ELEMNET)
    for forest in models:
        if forest is elemnet:
            continue
        low, high = metrics.bootstrap_difference(metrics.mean_absolute_error, true, elemnet.y_pred, forest.y_pred)
        rows.append(
            ResultRow(
                f"{name}: ElemNet less {forest.name}",
                "difference of MAE, paired",
                elemnet.mae - forest.mae,
                UNIT,
                interval_low=low,
                interval_high=high,
                paper=round(paper[PAPER_NAMES[ELEMNET]] - paper[PAPER_NAMES[forest.name]], 3),
                rows_test=len(true),
                note="below 0: ElemNet's error is the smaller",
                headline=False,
            )
        )
    return rows


def where_behind(name: str, models: list[Scored]) -> list[str]:
    """A sentence for each forest that ElemNet is not ahead of: how much of the error is one shift of all energies."""
    elemnet = next(model for model in models if model.name == ELEMNET)

    def shift_and_scatter(model: Scored) -> str:
        errors = model.y_pred - model.y_true
        scatter = metrics.mean_absolute_deviation(errors)
        return f"{errors.mean():+.3f} {UNIT} off on average, with a mean deviation of {scatter:.3f} about that"

    return [
        f"On {name} the error of ElemNet is not below that of {forest.name}: its energies are "
        f"{shift_and_scatter(elemnet)}; those of the forest are {shift_and_scatter(forest)}."
        for forest in models
        if forest is not elemnet and elemnet.mae >= forest.mae
    ]


def errors_beside_paper(folder: Path) -> Path:
    """Errors on the withheld rows beside the paper's, from ``holdouts.csv``."""
    table = pd.read_csv(folder / "holdouts.csv")
    table = table[(table["metric"] == "MAE") & table["paper"].notna()]
    return plotting.bars_beside_paper(
        table["name"].tolist(),
        table["ours"],
        table["paper"].tolist(),
        folder / "holdouts.png",
        f"MAE ({UNIT})",
        intervals=(table["interval_low"], table["interval_high"]),
        title="Chemistries never seen in training",
    )


def fig_3_5(chapter: Chapter3) -> None:
    """Phase diagrams of Ti-O and Na-Fe-Mn-O by DFT and by models that never saw them, with wrong stable compounds."""
    started = time.monotonic()
    withheld = withhold(chapter.data)[1]
    if not any(len(within(rows.frame, HOLD_OUTS[name].elements)) for name, rows in withheld.items()):
        say(f"figure 3.5 is left out: the data hold no compound made only of the elements of {' or '.join(HOLD_OUTS)}")
        return
    predictions = pd.read_csv(chapter.results / PREDICTIONS, keep_default_na=False)
    if predictions["formula"].tolist() != joined(list(withheld.values())).frame["formula"].tolist():
        raise ValueError(f"{chapter.results} holds the predictions of another run; run holdouts first.")
    tables, rows = [], []
    for name, rule in HOLD_OUTS.items():
        compounds = within(predictions[predictions[HOLD_OUT] == name], rule.elements)
        if len(compounds):
            energies = {DFT: compounds[TARGET], **{model: compounds[model] for model in PAPER_NAMES}}
            table = phase_table(compounds["formula"], energies, rule.elements)
            tables.append(table.assign(**{SYSTEM: name}))
            rows += stability_rows(name, compounds)
    write_csv_atomic(chapter.results / PHASES, pd.concat(tables).round(6))
    phase_diagrams(chapter.results)
    caveat = (
        "Every hull is that of the withheld compounds themselves, with the elements at 0: a compound that the data "
        "lack is on none of them, and stable by DFT means among those that they hold."
    )
    title = "Figure 3.5: phase diagrams of Ti-O and Na-Fe-Mn-O, withheld from training"
    chapter.finish("fig_3_5", title, rows, started, (caveat, CAVEATS[0]))


def within(table: pd.DataFrame, elements: Sequence[str]) -> pd.DataFrame:
    """The rows whose ``formula`` has no other element than these."""
    return table[encode(table["formula"], elements).ok]


def stability_rows(system: str, compounds: pd.DataFrame) -> list[ResultRow]:
    """How many compounds DFT holds stable, and how many each model makes stable wrongly, or misses."""
    found = {
        model: compare_stability(compounds["formula"], compounds[TARGET], compounds[model], HOLD_OUTS[system].elements)
        for model in PAPER_NAMES
    }
    kinds = {f"{system}: {DFT}": ("stable compounds", found[ELEMNET].stable_dft, False)}
    for model, one in found.items():
        kinds[f"{system}: {model}, spurious"] = ("spurious stable compounds", one.spurious, True)
        kinds[f"{system}: {model}, missed"] = ("missed stable compounds", one.missed, True)
    return [
        ResultRow(
            name, metric, len(formulas), "", rows_test=len(compounds), note=", ".join(formulas), headline=headline
        )
        for name, (metric, formulas, headline) in kinds.items()
    ]


def phase_diagrams(folder: Path) -> list[Path]:
    """The pictures of figure 3.5, from ``fig_3_5_phases.csv``; one for each diagram with a compound in it."""
    table = pd.read_csv(folder / PHASES, keep_default_na=False)
    pictures = []
    for system, phases in table.groupby(SYSTEM, sort=False):
        for elements in DIAGRAMS[system]:
            if not within(phases, elements).empty:
                path = folder / f"fig_3_5.{'-'.join(elements)}.png"
                pictures.append(draw_phase_diagram(phases, elements, path, reference=DFT))
    return pictures
