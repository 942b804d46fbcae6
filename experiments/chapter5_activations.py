"""Chapter 5 on what the activations know: figure 5.9, and what sections 8.2.1 and 8.2.5 propose."""

import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd

from common import classical_search, metrics
from common.activations import activations, hidden_layers, principal_components
from common.composition import encode
from common.executor import run_tasks
from common.features import magpie
from common.files import write_csv_atomic
from common.results import ResultRow
from experiments.chapter import mae_row, say
from experiments.chapter5_runs import Chapter5
from experiments.chapter5_tasks import (
    BUNDLED_LABELS,
    BUNDLED_PROPERTIES,
    EXPERIMENT,
    LABELS,
    MAGNETIC,
    NEW_PROPERTIES,
    SCRATCH,
    TRANSFER,
    UNIT,
    Label,
    NewProperty,
)
from experiments.paper_values import paper_value
from irnet.predict import Predictor
from transfer import figures
from transfer.comparison import Job, Trained, predictions
from transfer.config import from_scratch
from transfer.data import cut, folds, load
from transfer.model import start_network
from transfer.network import load_network
from transfer.representation import Separation, auc_difference, separate
from transfer.seen import keys_of

INPUTS, UNTRAINED = "element fractions", "random weights"
PAPER_FIGURES = {"JARVIS-SC": "auc_scratch", "JARVIS-TL": "auc_transfer"}


def fig_5_9(chapter: Chapter5) -> None:
    """What the activations know: principal components, and logistic regression on all of them."""
    started = time.monotonic()
    paper, rows = paper_value("chapter5", "fig_5_9"), []
    scatter, curves = [], []
    for label in BUNDLED_LABELS if chapter.is_bundled else LABELS:
        if chapter.table(label.data) is None or label.target not in chapter.targets():
            continue
        formulas, classes = labelled_rows(chapter, label)
        networks = networks_of(chapter, label)
        inputs = {name: network_inputs(network, formulas) for name, network in networks.items()}
        first = hidden_layers(chapter.source.model)[0]
        read = {name: activations(network.model, inputs[name], first) for name, network in networks.items()}
        read[INPUTS] = inputs[chapter.source_name]
        say(f"{label.name}: {len(classes):,} compositions, {int(classes.sum()):,} of class 1")
        found = separations(chapter, read, classes)
        for name, separation in found.items():
            figure = PAPER_FIGURES.get(name) if label is MAGNETIC else None
            rows.append(
                ResultRow(
                    f"{label.name}: {name}",
                    "ROC AUC",
                    separation.auc,
                    "",
                    interval_low=separation.auc_interval[0],
                    interval_high=separation.auc_interval[1],
                    paper=chapter.paper(paper[figure]) if figure else None,
                    rows_train=separation.num_train,
                    rows_test=separation.num_test,
                    data=label.data,
                    note=f"accuracy {separation.accuracy:.3f}, the larger class alone {separation.majority_share:.3f}",
                    headline=figure is not None,
                )
            )
            curves.append(
                pd.DataFrame(
                    {
                        "property": label.short,
                        "network": name,
                        "false_positive_rate": separation.false_positive_rate,
                        "true_positive_rate": separation.true_positive_rate,
                        "auc": separation.auc,
                        "auc_low": separation.auc_interval[0],
                        "auc_high": separation.auc_interval[1],
                    }
                )
            )
            components = principal_components(read[name]).coordinates
            names = np.asarray(label.name.split(",")[0].split(" vs "), object)
            scatter.append(
                pd.DataFrame(
                    {
                        "property": label.short,
                        "network": name,
                        "component_1": components[:, 0].round(4),
                        "component_2": components[:, 1].round(4),
                        "label": names[1 - classes],
                    }
                )
            )
        rows += difference_rows(label, found)
    if not rows:
        say("figure 5.9 is left out: none of its data sets can be had")
        return
    write_csv_atomic(chapter.results / "fig_5_9_components.csv.gz", pd.concat(scatter))
    write_csv_atomic(chapter.results / "fig_5_9_roc.csv", pd.concat(curves))
    figures.activation_pictures(chapter.results)
    chapter.finish(
        "fig_5_9",
        "Figure 5.9: what the first layer's activations know",
        rows,
        started,
        (
            "Logistic regression on all activations of the first hidden layer, split 9:1 with the shares of the "
            "classes kept; intervals are of the choice of test rows. The networks are those of the first fold of table "
            f"5.2, trained on energies alone; {INPUTS} alone, and the layer with {UNTRAINED}, stand beside them.",
        ),
    )


def labelled_rows(chapter: Chapter5, label: Label) -> tuple[pd.Series, np.ndarray]:
    """Formulas that the source knows, one for each composition, with their classes 0 and 1."""
    loaded = chapter.table(label.data)
    assert loaded is not None
    frame = loaded.frame
    values = frame[label.column].to_numpy(float)
    known = np.flatnonzero(encode(frame["formula"], chapter.source.elements).ok & np.isfinite(values))
    numbers = known[~pd.Series(keys_of(frame["formula"].iloc[known])).duplicated().to_numpy()]
    if chapter.profile.label_rows is not None:
        numbers = np.random.default_rng(chapter.options.seed).permutation(numbers)[: chapter.profile.label_rows]
    values = values[numbers]
    classes = values if label.at_most is None else values <= label.at_most
    return frame["formula"].iloc[numbers], classes.astype(int)


def networks_of(chapter: Chapter5, label: Label) -> dict[str, Predictor]:
    """The source; scratch and transfer of the label's target and of experiment (first fold), by the thesis's names; and
    fresh weights."""
    found = {chapter.source_name: chapter.source}
    for target in dict.fromkeys((label.target, EXPERIMENT)):
        for one in chapter.cross_validated[target.short]:
            if one.label.startswith("1 of"):
                kind = "SC" if one.name == SCRATCH else "TL"
                found[f"{target.prefix}-{kind}"] = load_network(one.folder / "model.keras")
    fresh = from_scratch(chapter.config(len(chapter.rows(label.target)), TRANSFER))
    found[UNTRAINED] = Predictor(start_network(chapter.source.model, fresh), chapter.source.card)
    return found


def network_inputs(network: Predictor, formulas: pd.Series) -> np.ndarray:
    """Element fractions as a network of ElemNet's kind takes them."""
    return encode(formulas, network.input_elements, dtype=np.float32).fractions


def separations(chapter: Chapter5, read: dict[str, np.ndarray], classes: np.ndarray) -> dict[str, Separation]:
    """A logistic regression on each of the activations, all with the same test rows."""
    tasks = [(values, classes, chapter.options.seed) for values in read.values()]
    outcomes = run_tasks(_separate, tasks, num_processes=chapter.profile.num_processes)
    for name, outcome in zip(read, outcomes, strict=True):
        if not outcome.ok:
            raise ValueError(f"{name}: {outcome.reason}")
    return {name: outcome.value for name, outcome in zip(read, outcomes, strict=True)}


def _separate(task: tuple[np.ndarray, np.ndarray, int]) -> Separation:
    values, classes, seed = task
    return separate(values, classes, seed=seed)


def difference_rows(label: Label, found: dict[str, Separation]) -> list[ResultRow]:
    """How far transfer is ahead of scratch, on the same test rows."""
    rows = []
    for target in dict.fromkeys((label.target, EXPERIMENT)):
        scratch, transfer = f"{target.prefix}-SC", f"{target.prefix}-TL"
        if not {scratch, transfer} <= set(found):
            continue
        ahead, low, high = auc_difference(found[transfer], found[scratch])
        rows.append(
            ResultRow(
                f"{label.name}: {transfer} ahead of {scratch}",
                "difference of ROC AUC, paired",
                ahead,
                "",
                interval_low=low,
                interval_high=high,
                rows_test=found[transfer].num_test,
                data=label.data,
                headline=label is MAGNETIC and target is label.target,
            )
        )
    return rows


def section_8_2_1(chapter: Chapter5) -> None:
    """Activations of the source as input to classical models, on the experimental enthalpies."""
    started = time.monotonic()
    data = chapter.rows(EXPERIMENT)
    config = chapter.config(len(data), TRANSFER)
    parts = cut(data, chapter.splits(EXPERIMENT, take=1)["1 of 10"], config)
    formulas = data.rows.frame["formula"]
    layers = hidden_layers(chapter.source.model)
    read = {INPUTS: data.rows.x, "145 attributes": magpie.featurize_with_reasons(formulas.tolist()).attributes}
    for layer in (layers[0], layers[len(layers) // 2], layers[-1]):
        read[f"activations of {layer}"] = activations(chapter.source.model, data.rows.x, layer)
    numbers = [part.frame.index.to_numpy() for part in (parts.train, parts.validation, parts.test)]
    rows = []
    for name, values in read.items():
        say(f"{name}: {', '.join(chapter.profile.other_models)}")
        train, validation, test = (values[part] for part in numbers)
        results = classical_search.search_all(
            train,
            parts.train.y,
            validation,
            parts.validation.y,
            test,
            names=chapter.profile.other_models,
            grid="paper" if chapter.options.profile == "paper" else "cpu",
            seed=chapter.options.seed,
            num_processes=chapter.profile.num_processes,
            progress=sys.stderr.isatty(),
        )
        rows += [
            mae_row(
                f"{result.name} on {name}",
                parts.test.y,
                result.test_predictions,
                UNIT,
                rows_train=result.rows_train,
                data=data.loaded.name,
                note=result.note,
                headline=False,
            )
            for result in results
            if result.ok
        ]
    caveat = "One hold-out, the first of ten folds; the source is not fine-tuned here."
    title = "Section 8.2.1: activations of the source as input to other models"
    chapter.finish("section_8_2_1", title, rows, started, (caveat,))


def section_8_2_5(chapter: Chapter5) -> None:
    """A new head: from formation energies to band gaps and to metals, from the source and from scratch."""
    started = time.monotonic()
    rows = []
    for new in BUNDLED_PROPERTIES if chapter.is_bundled else NEW_PROPERTIES:
        loaded = chapter.table(new.data)
        if loaded is None:
            continue
        if chapter.profile.max_rows is not None:
            frame = loaded.frame.iloc[: chapter.profile.max_rows]
            loaded = replace(loaded, frame=frame)
        data = load(
            chapter.source,
            new.data,
            target=new.column,
            num_classes=new.num_classes,
            unknown_elements="drop",
            seen=chapter.seen_by_source,
            loaded=loaded,
        )
        split = folds(len(data), 10, chapter.options.seed, take=1)[0]
        jobs = []
        for start in (SCRATCH, TRANSFER):
            config = chapter.config(int((split == "train").sum()), start)
            config = replace(config, new_head=True, num_classes=new.num_classes)
            jobs.append(Job(start, config, chapter.source_path, data, split, "1 of 10", {}))
        trained = chapter.train(jobs)
        if not trained:
            continue
        table = predictions(data, None, trained)
        write_csv_atomic(chapter.results / f"section_8_2_5_predictions_{new.column}.csv.gz", table.round(4))
        rows += [new_property_row(new, table, one) for one in trained]
    if rows:
        chapter.finish("section_8_2_5", "Section 8.2.5: a new head for another property", rows, started)


def new_property_row(new: NewProperty, table: pd.DataFrame, one: Trained) -> ResultRow:
    """The error of a network with a new head, or how well it tells the classes apart."""
    true, predicted, name = table["true"], table[one.name], f"{new.name}: {one.name}"
    if new.num_classes:
        low, high = metrics.bootstrap_interval(metrics.roc_auc_score, true, predicted, strata=true)
        auc = metrics.roc_auc_score(true, predicted)
        row = ResultRow(name, "ROC AUC", auc, "", interval_low=low, interval_high=high, rows_test=len(true))
    else:
        row = mae_row(name, true, predicted, new.unit)
    return replace(row, rows_train=one.rows_train, seconds_train=round(one.seconds, 1), data=new.data, headline=False)
