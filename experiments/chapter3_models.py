"""Chapter 3, ElemNet and its peers on the same rows: tables 3.1 and 3.2, figures 3.2 and 3.4, ways with dropout."""

import time

import pandas as pd

from common import datasets, metrics, networks
from common.files import write_csv_atomic
from common.results import ResultRow
from common.training import CollapsedTrainingError, DivergedTrainingError
from elemnet import comparison, figures
from elemnet.config import ARCHITECTURE, PAPER_DROPOUT_RATES, RECIPES
from elemnet.model import build_elemnet, depth_family, dropout_rates_for
from experiments.chapter import say
from experiments.chapter3_runs import UNIT, Chapter3, point_row, scored_row
from experiments.paper_values import paper_value


def published_rows(chapter: Chapter3) -> list[ResultRow]:
    """The shipped weights beside the published predictions, in a run on OQMD and where those can be had."""
    if chapter.data.loaded.name not in comparison.SHIPPED_SPLITS:
        return []
    try:
        ours, theirs = comparison.on_published_rows()
    except datasets.DataUnavailableError as error:
        say(f"no published predictions beside ours: {error}")
        return []
    return [scored_row(chapter, ours, theirs.mae, data=comparison.PUBLISHED)]


def table_3_1(chapter: Chapter3) -> None:
    """The architecture as built, with its number of parameters."""
    started = time.monotonic()
    model = build_elemnet(RECIPES["paper"])
    layers = [
        {
            "layer": layer.name,
            "kind": type(layer).__name__,
            "units": layer.output.shape[-1],
            "parameters": layer.count_params(),
        }
        for layer in model.layers
        if layer.count_params() or layer in networks.dropout_layers(model)
    ]
    write_csv_atomic(chapter.results / "table_3_1_layers.csv", pd.DataFrame(layers))
    rows = [
        ResultRow("ElemNet, trainable parameters", "count", model.count_params(), "", note=ARCHITECTURE),
        ResultRow(
            "ElemNet, layers", "count", networks.parse_architecture(ARCHITECTURE).depth, "", paper=17, headline=False
        ),
    ]
    chapter.finish("table_3_1", "Table 3.1: the architecture as built", rows, started, layers=layers)


def table_3_2(chapter: Chapter3) -> None:
    """ElemNet beside random forests: error, training and prediction time."""
    started = time.monotonic()
    data, profile = chapter.data, chapter.profile
    shipped = comparison.shipped_weights(data)  # first: a missing file is said before the long work
    paper = paper_value("chapter3", "table_3_2")
    say("random forest on element fractions")
    forest = comparison.forest_on_fractions(data, num_trees=profile.num_trees, seed=chapter.options.seed)
    say(f"random forest on 145 attributes of {profile.attribute_rows[0]:,} compositions")
    physical, physical_fractions = comparison.forests_on_subsample(
        data,
        num_train=profile.attribute_rows[0],
        num_test=profile.attribute_rows[1],
        num_trees=profile.num_trees,
        seed=chapter.options.seed,
    )
    trained, settings = chapter.trained, chapter.config.training
    here = comparison.network(
        f"ElemNet, recipe {chapter.config.recipe}, trained in this run",
        trained.predictor,
        data.test,
        rows_train=len(trained.data.train),
        seconds_train=trained.training.seconds,
        note=f"{settings.max_epochs} epochs at most, best {trained.training.best_epoch}; batch {settings.batch_size}",
    )
    fractions_mae, elemnet_mae = (paper[f"{model}, element fractions"]["mae"] for model in ("RandomForest", "ElemNet"))
    rows = [
        scored_row(chapter, physical, paper["RandomForest, 145 physical attributes"]["mae"]),
        scored_row(chapter, physical_fractions, fractions_mae, headline=False),
        scored_row(chapter, forest, fractions_mae),
        scored_row(chapter, here, elemnet_mae),
        *(scored_row(chapter, model, elemnet_mae, headline=model is shipped[0]) for model in shipped),
        *published_rows(chapter),
    ]
    predictions = {"ElemNet, shipped": shipped[0], "ElemNet, this run": here, "RandomForest, fractions": forest}
    write_csv_atomic(
        chapter.results / "fig_3_4_predictions.csv.gz", comparison.predictions_table(data.test, predictions)
    )
    write_csv_atomic(chapter.results / "table_3_2_history.csv", trained.training.history)
    figures.learning_curve(chapter.results)
    chapter.finish("table_3_2", "Table 3.2: formation energy from composition", rows, started, left_out=data.counts)


def fig_3_2(chapter: Chapter3) -> None:
    """Error against depth."""
    started = time.monotonic()
    profile, table = chapter.profile, []
    collapsed: list[str] = []
    for depth in profile.depths:
        say(f"depth {depth}")
        key = depth_family()[depth]
        rates = dropout_rates_for(key, chapter.config.dropout_rates)
        try:
            result = chapter.train(f"depth_{depth}", chapter.study_config(key, rates))
        except (CollapsedTrainingError, DivergedTrainingError) as error:  # a finding of the study, not the end of it
            collapsed.append(f"{depth} layers: {error}")
            say(collapsed[-1])
            continue
        table.append(
            {
                "depth": depth,
                "architecture": key,
                "parameters": result.predictor.model.count_params(),
                "train_mae": float(result.training.history["train_loss"].iloc[-1]),
                "validation_mae": result.training.best_validation,
                "test_mae": result.test_report["mae"],
                "seconds_train": round(result.training.seconds, 1),
                "rows_train": len(result.data.train),
            }
        )
        write_csv_atomic(chapter.results / "fig_3_2_depths.csv", pd.DataFrame(table))
    figures.depth(chapter.results, paper_value("chapter3", "table_3_2", "RandomForest, 145 physical attributes", "mae"))
    best = min(table, key=lambda row: row["validation_mae"])  # chosen on validation rows, never on test rows
    rows = [
        ResultRow(
            "Best depth by validation error",
            "layers",
            best["depth"],
            "",
            paper=paper_value("chapter3", "fig_3_2", "best_depth"),
            rows_train=best["rows_train"],
            note=f"of {', '.join(str(depth) for depth in profile.depths)} layers",
        )
    ]
    rows += [point_row(chapter, f"{row['depth']} layers", row, note=row["architecture"]) for row in table]
    caveat = (
        f"Each network is trained on {table[0]['rows_train']:,} rows for {profile.depth_epochs} epochs; the thesis "
        "gives only the 17-layer architecture, the other depths are ours."
    )
    chapter.finish("fig_3_2", "Figure 3.2: error against depth", rows, started, caveats=(caveat, *collapsed))


def dropout_study(chapter: Chapter3) -> None:
    """Ways with dropout, on validation rows, at a small size (ours, not in the thesis)."""
    started = time.monotonic()
    profile, rows = chapter.profile, []
    curves: list[pd.DataFrame] = []
    halved = tuple(rate / 2 for rate in PAPER_DROPOUT_RATES)
    last_quarter = profile.depth_epochs // 4
    variants = {
        "no dropout": ((0.0,) * 4, 0),
        "thesis dropout": (PAPER_DROPOUT_RATES, 0),
        "thesis dropout, last quarter without": (PAPER_DROPOUT_RATES, last_quarter),
        "half the dropout, last quarter without": (halved, last_quarter),
    }
    for name, (rates, dropout_free_epochs) in variants.items():
        say(name)
        config = chapter.study_config(ARCHITECTURE, rates).with_training(dropout_free_epochs=dropout_free_epochs)
        result = chapter.train(f"dropout_{len(curves)}", config)
        curves.append(result.training.history.assign(variant=name))
        scores = {name: result.training.best_validation}
        if rates == PAPER_DROPOUT_RATES and not dropout_free_epochs:
            validation = result.data.validation
            averaged = result.predictor.predict_fractions(validation.x, mc_samples=10)
            scores[f"{name}, on at prediction, mean of 10"] = metrics.mean_absolute_error(validation.y, averaged)
        rows += [
            ResultRow(
                label,
                "validation MAE",
                score,
                UNIT,
                rows_train=len(result.data.train),
                rows_test=len(result.data.validation),
                seconds_train=round(result.training.seconds, 1),
                headline=False,
            )
            for label, score in scores.items()
        ]
    write_csv_atomic(chapter.results / "dropout_study_curves.csv", pd.concat(curves))
    figures.dropout_curves(chapter.results)
    caveat = f"Validation rows, not test rows; {rows[0].rows_train:,} training rows, {profile.depth_epochs} epochs."
    chapter.finish("dropout_study", "Dropout on, off, and off at the end", rows, started, caveats=(caveat,))
