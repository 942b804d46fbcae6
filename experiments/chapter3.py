"""Chapter 3: ElemNet on OQMD. Tables 3.1 and 3.2, figures 3.2 and 3.4, each as JSON, CSV and picture."""

import hashlib
import sys
import time
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from common import datasets, metrics, networks
from common.files import write_csv_atomic
from common.results import DataUsed, ResultRow
from common.training import CollapsedTrainingError, DivergedTrainingError
from elemnet import comparison, figures
from elemnet import data as elemnet_data
from elemnet.config import ARCHITECTURE, PAPER_DROPOUT_RATES, RECIPES, TARGET, ElemNetConfig, recipe_for
from elemnet.model import build_elemnet, depth_family, dropout_rates_for
from elemnet.train import ElemNetResult, run
from experiments.chapter import Chapter, Options, mae_row, say
from experiments.chapter import main as run_chapter
from experiments.paper_values import paper_value

UNIT = "eV/atom"


@dataclass(frozen=True)
class Profile:
    """Sizes of a run; the code path is the same.

    Attributes:
        recipe: ElemNet's recipe; ``None`` takes ``fast``, or ``small`` for small tables.
        epochs: ElemNet's epochs; ``None`` keeps those of the recipe.
        dropout_free_epochs: How many of them, at the end, are without dropout.
        max_train_rows: A draw of so many training rows for ElemNet; ``None`` for all.
        depths: Numbers of layers of figure 3.2.
        depth_rows, depth_epochs: Training rows and epochs of each of its networks, and of the dropout study's.
        num_trees: Trees of every forest.
        attribute_rows: Training and test rows of the forest on 145 attributes.
    """

    recipe: str | None
    epochs: int | None
    dropout_free_epochs: int
    max_train_rows: int | None
    depths: tuple[int, ...]
    depth_rows: int
    depth_epochs: int
    num_trees: int
    attribute_rows: tuple[int, int]


PROFILES = {
    "smoke": Profile(None, 4, 1, 1_500, (2, 6), 500, 2, 10, (150, 50)),
    "cpu": Profile(None, 14, 4, None, (2, 6, 10, 17, 24), 30_000, 12, 50, (8_000, 2_000)),
    "paper": Profile("paper", None, 0, None, tuple(depth_family()), 10**9, 200, 150, (20_000, 5_000)),
}


class Chapter3(Chapter):
    """What the tables and figures share: the rows, and ElemNet trained on them."""

    number = 3

    def __init__(self, options: Options):
        super().__init__(options)
        self.profile = PROFILES[options.profile]

    @cached_property
    def data(self) -> elemnet_data.ElemNetData:
        options = self.options
        config = replace(
            RECIPES["fast"], data=options.data, allow_stand_in=options.allow_stand_in, protocol=options.protocol
        )
        loaded = elemnet_data.load(config.with_training(seed=self.options.seed))
        for note in loaded.loaded.notes:
            say(note)
        left_out = ", ".join(f"{count:,} {reason}" for reason, count in loaded.counts.items() if count)
        say(
            f"{loaded.loaded.name} ({loaded.loaded.tier}): {len(loaded.train):,} training, "
            f"{len(loaded.validation):,} validation, {len(loaded.test):,} test rows; left out: {left_out or 'none'}."
        )
        return loaded

    @cached_property
    def config(self) -> ElemNetConfig:
        """The recipe at this profile's size."""
        profile = self.profile
        config = RECIPES[profile.recipe] if profile.recipe else recipe_for(len(self.data.train))
        config = replace(
            config, data=self.options.data, protocol=self.options.protocol, max_train_rows=profile.max_train_rows
        ).with_training(seed=self.options.seed)
        if profile.epochs is not None and config.recipe == "fast" or self.options.profile == "smoke":
            config = config.with_training(max_epochs=profile.epochs, dropout_free_epochs=profile.dropout_free_epochs)
        return config

    @cached_property
    def trained(self) -> ElemNetResult:
        """ElemNet, trained by this run or going on from a killed one."""
        return self.train("elemnet", self.config)

    def train(self, name: str, config: ElemNetConfig) -> ElemNetResult:
        """Train in a folder of its own for these settings and data, so that a killed run goes on and no other does."""
        digest = hashlib.sha256(repr((config, self.data.loaded.files)).encode()).hexdigest()[:8]
        folder = self.options.runs / f"{name}-{digest}"
        return run(config, folder, data=self.data if config.max_train_rows is None else None)

    def study_config(self, architecture: str, dropout_rates: tuple[float, ...]) -> ElemNetConfig:
        """The recipe at the smaller size of the studies of depth and dropout."""
        training, epochs = self.config.training, self.profile.depth_epochs
        return replace(
            self.config,
            architecture=architecture,
            dropout_rates=dropout_rates,
            max_train_rows=self.profile.depth_rows,
        ).with_training(
            max_epochs=epochs,
            dropout_free_epochs=epochs // 4 if training.dropout_free_epochs else 0,
            batch_size=min(256, training.batch_size),
        )

    def variant(self) -> str:
        tier = self.data.loaded.tier
        return tier if tier in ("bundled", "user") else super().variant()

    def data_used(self) -> tuple[DataUsed, ...]:
        loaded = self.data.loaded
        parts = {"training": self.data.train, "validation": self.data.validation, "test": self.data.test}
        sizes = ", ".join(f"{len(part):,} {name}" for name, part in parts.items())
        return (
            DataUsed(
                loaded.name,
                loaded.tier,
                sum(map(len, parts.values())),
                loaded.files,
                f"{loaded.rows:,} rows read; after cleaning {sizes}",
            ),
        )

    def caveats(self) -> tuple[str, ...]:
        caveats, loaded = [], self.data.loaded
        if loaded.tier == "bundled":
            caveats.append(
                f"Made on the bundled sample of {loaded.rows:,} compositions: not comparable with the paper."
            )
        elif loaded.tier == "stand-in":
            caveats.append(
                f"{loaded.name} holds {loaded.rows:,} of the 341,700 OQMD compositions; its test rows are a uniform "
                "draw."
            )
        if self.options.protocol == "paper":
            caveats.append("Protocol paper: the test rows also chose the weights, so errors are too low.")
        if self.options.profile == "cpu":
            caveats.append("Profile cpu: one split instead of ten folds, and fewer epochs than the paper.")
        return tuple(caveats)


def scored_row(
    chapter: Chapter3, scored: comparison.Scored, paper: float, *, headline: bool = True, data: str | None = None
) -> ResultRow:
    """One scored model as a row of table 3.2; ``data`` where it is not the chapter's."""
    return mae_row(
        scored.name,
        scored.y_true,
        scored.y_pred,
        UNIT,
        paper=paper,
        rows_train=scored.rows_train,
        seconds_train=None if scored.seconds_train is None else round(scored.seconds_train, 1),
        seconds_predict=None if scored.seconds_predict is None else round(scored.seconds_predict, 2),
        data=data or chapter.data.loaded.name,
        note=scored.note,
        headline=headline,
    )


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
    rows += [
        ResultRow(
            f"{row['depth']} layers",
            "MAE",
            row["test_mae"],
            UNIT,
            rows_train=row["rows_train"],
            rows_test=len(chapter.data.test),
            seconds_train=row["seconds_train"],
            note=row["architecture"],
            headline=False,
        )
        for row in table
    ]
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


def fig_3_4(chapter: Chapter3) -> None:
    """Parity and distribution of the test errors, from the predictions that table 3.2 saved."""
    started = time.monotonic()
    table = pd.read_csv(chapter.results / "fig_3_4_predictions.csv.gz", keep_default_na=False)
    figures.parity_and_cdf(chapter.results)
    if table["formula"].tolist() != chapter.data.test.frame["formula"].tolist():
        raise ValueError(f"{chapter.results} holds the predictions of another run; run table_3_2 first.")
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


ENTRIES = {function.__name__: function for function in (table_3_1, table_3_2, fig_3_4, fig_3_2, dropout_study)}


def main(arguments: list[str] | None = None) -> int:
    """Run the chapter from the command line."""
    return run_chapter(Chapter3, __doc__ or "", ENTRIES, default_data="oqmd", arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
