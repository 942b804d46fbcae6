"""What chapter 5's tables share: the source, the targets' rows, and the networks trained on them."""

import hashlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from common import datasets
from common.readers import LoadedDataset
from common.results import DataUsed, ResultRow
from elemnet import data as elemnet_data
from elemnet.config import RECIPES as ELEMNET_RECIPES
from elemnet.config import recipe_for as elemnet_recipe_for
from elemnet.model import dropout_rates_for
from elemnet.train import run as train_elemnet
from experiments.chapter import Chapter, Options, mae_row, say
from experiments.chapter5_tasks import (
    BUNDLED_SOURCE,
    EXPERIMENT,
    PROFILES,
    SCRATCH,
    SOURCE_DATA,
    TARGETS,
    TRANSFER,
    UNIT,
    Target,
)
from irnet.predict import Predictor
from transfer import comparison
from transfer.comparison import Job, Trained
from transfer.config import RECIPES, FineTuneConfig, from_scratch, recipe_for
from transfer.data import TargetData, folds, load
from transfer.network import ELEMNET, load_network
from transfer.seen import seen_by

NUM_FOLDS = 10
SOURCE = comparison.SOURCE


class Chapter5(Chapter):
    """What the tables share: a source trained on OQMD, the rows of the targets, and networks trained on them."""

    number = 5

    def __init__(self, options: Options):
        super().__init__(options)
        self.profile = PROFILES[options.profile]
        self.failures: list[str] = []
        self.failed_folds: list[str] = []  # of networks that several results rest on
        self._tables: dict[str, LoadedDataset | None] = {}
        self._targets: dict[str, TargetData] = {}
        self._used: dict[str, DataUsed] = {}

    # -- data --------------------------------------------------------------------------------------------------

    def table(self, name: str) -> LoadedDataset | None:
        """A data set or what stands in for it, ``None`` where neither can be had; what there is to say is said once."""
        if name not in self._tables:
            try:
                loaded = datasets.load(name)
                for note in loaded.notes:
                    say(note)
                self._tables[name] = loaded
            except datasets.DataUnavailableError as error:
                say(f"{name} is left out: {error}")
                self._tables[name] = None
        found = self._tables[name]
        if found is not None:
            self._used[name] = DataUsed(found.name, found.tier, found.rows, found.files, " ".join(found.notes))
        return found

    @cached_property
    def is_bundled(self) -> bool:
        """Whether the public sets are out of reach, so that the samples in the package take their places."""
        experiment = self.table(EXPERIMENT.data)
        return experiment is None or experiment.tier == "bundled"

    def targets(self) -> list[Target]:
        """The targets whose data can be had; the bundled sample stands in for the experiment alone."""
        found = {target: self.table(target.data) for target in TARGETS}
        return [
            target
            for target, loaded in found.items()
            if loaded is not None and (target is EXPERIMENT or loaded.tier != "bundled")
        ]

    def rows(self, target: Target) -> TargetData:
        """The rows of a target in the inputs of the source."""
        loaded = self.table(target.data)  # each time, so that each result names it
        assert loaded is not None
        if target.data not in self._targets:
            if self.profile.max_rows is not None and len(loaded.frame) > self.profile.max_rows:
                frame = loaded.frame.sample(self.profile.max_rows, random_state=0).reset_index(drop=True)
                loaded = replace(loaded, frame=frame)
            data = load(self.source, target.data, loaded=loaded, unknown_elements="drop", seen=self.seen_by_source)
            left_out = ", ".join(f"{count:,} {reason}" for reason, count in data.counts.items() if count) or "none"
            seen = "unknown" if data.seen is None else f"{int(data.seen.sum()):,}"
            say(f"{loaded.name}: {len(data):,} rows, {seen} of them seen by the source; left out: {left_out}")
            self._targets[target.data] = data
        return self._targets[target.data]

    # -- source ------------------------------------------------------------------------------------------------

    @cached_property
    def source_path(self) -> str:
        """The source: the shipped ElemNet, or one trained here on OQMD or on the bundled compositions."""
        if self.profile.ship and not self.is_bundled:
            return ELEMNET
        data = BUNDLED_SOURCE if self.is_bundled or self.options.profile == "smoke" else SOURCE_DATA
        config = replace(ELEMNET_RECIPES["paper"], data=data, protocol=self.options.protocol)
        rows = elemnet_data.load(config)
        if self.options.profile != "paper":
            config = replace(elemnet_recipe_for(len(rows.train)), data=data, protocol=self.options.protocol)
            if self.profile.source_epochs is not None:
                config = config.with_training(max_epochs=self.profile.source_epochs, dropout_free_epochs=0)
        if (architecture := self.profile.architecture) is not None:
            rates = dropout_rates_for(architecture, config.dropout_rates)
            config = replace(config, architecture=architecture, dropout_rates=rates)
        config = config.with_training(seed=self.options.seed)
        say(f"source: ElemNet on {rows.loaded.name}, {len(rows.train):,} training rows")
        folder = self.folder(f"source-{rows.loaded.name}", config, rows.loaded.files)
        train_elemnet(config, folder, data=rows)
        return str(folder / "model.keras")

    def folder(self, name: str, *settings: object) -> Path:
        """A folder of its own for a training with these settings, so that a killed run goes on and no other does."""
        return self.options.runs / f"{name}-{hashlib.sha256(repr(settings).encode()).hexdigest()[:8]}"

    @cached_property
    def source(self) -> Predictor:
        """The trained source."""
        return load_network(self.source_path)

    @cached_property
    def seen_by_source(self) -> np.ndarray | None:
        """Keys of the compositions that the source has seen."""
        return seen_by(self.source_path)

    @property
    def source_name(self) -> str:
        """What the source is called in tables: after its data, as in the thesis."""
        return f"{'OQMD' if 'oqmd' in self.source.card['data']['name'] else self.source.card['data']['name']}-SC"

    # -- networks ----------------------------------------------------------------------------------------------

    def config(self, num_train_rows: int, start: str, *, as_many_steps_as: int | None = None) -> FineTuneConfig:
        """The recipe of a training.

        Args:
            num_train_rows: Decide on the recipe.
            start: ``SCRATCH`` or ``TRANSFER``.
            as_many_steps_as: Fewer rows are passed over more often, up to five times, to come to the steps of so many.
        """
        recipe = RECIPES[self.profile.recipe] if self.profile.recipe else recipe_for(num_train_rows)
        config = replace(recipe, protocol=self.options.protocol).with_training(seed=self.options.seed)
        if start == SCRATCH:
            config = from_scratch(config)
        epochs = config.training.max_epochs if self.profile.epochs is None else self.profile.epochs
        if as_many_steps_as is not None and config.recipe != "paper":  # which stops by its patience
            epochs = round(epochs * min(5.0, max(1.0, as_many_steps_as / num_train_rows)))
        return config.with_training(max_epochs=epochs)

    def splits(self, target: Target, num_folds: int = NUM_FOLDS, take: int | None = None) -> dict[str, np.ndarray]:
        """The first folds of a target by label; ``take`` of them, by default as many as the profile has."""
        take = self.profile.folds[target.short] if take is None else take
        found = folds(len(self.rows(target)), num_folds, self.options.seed, take=take)
        return {f"{number} of {num_folds}": split for number, split in enumerate(found, start=1)}

    def jobs(self, target: Target, splits: dict[str, np.ndarray], *, as_many_steps_as: int | None = None) -> list[Job]:
        """Scratch and transfer on the same splits; networks of the other targets also predict the experiments."""
        data = self.rows(target)
        elsewhere = {} if target is EXPERIMENT else {EXPERIMENT.short: self.rows(EXPERIMENT).rows.x}
        return [
            Job(
                start,
                self.config(int((split == "train").sum()), start, as_many_steps_as=as_many_steps_as),
                self.source_path,
                data,
                split,
                label,
                elsewhere,
                keep_model=label == f"1 of {NUM_FOLDS}",
            )
            for label, split in splits.items()
            for start in (SCRATCH, TRANSFER)
        ]

    def train(self, jobs: Sequence[Job]) -> list[Trained]:
        """Train networks side by side; a failure is said and kept for the result."""
        say(f"{len(jobs)} networks on {', '.join(dict.fromkeys(job.data.loaded.name for job in jobs))}")
        trained, failures = comparison.train_all(
            jobs,
            self.options.runs,
            num_processes=self.profile.num_processes,
            progress=sys.stderr.isatty(),
            report=say,
        )
        self.failures += failures
        return trained

    @cached_property
    def cross_validated(self) -> dict[str, list[Trained]]:
        """Scratch and transfer on the folds of every target, by its short name."""
        jobs = [job for target in self.targets() for job in self.jobs(target, self.splits(target))]
        trained = self.train(jobs)
        self.failed_folds, self.failures = self.failures, []
        by_data = {self.rows(target).loaded.name: target.short for target in self.targets()}
        found: dict[str, list[Trained]] = {target.short: [] for target in self.targets()}
        for one in trained:
            found[by_data[one.data]].append(one)
        return found

    def predictions(self, target: Target, trained: Sequence[Trained]) -> pd.DataFrame:
        """The test rows of all splits with what each network and the source say of them."""
        return comparison.predictions(self.rows(target), self.source, trained)

    # -- what results say --------------------------------------------------------------------------------------

    def variant(self) -> str:
        parts = ["bundled" if self.is_bundled and self.options.profile != "smoke" else "", super().variant()]
        return "-".join(filter(None, parts))

    def data_used(self) -> tuple[DataUsed, ...]:
        card = self.source.card["data"]
        source = DataUsed(
            card["name"], card["tier"], card["rows_train"] + card["rows_validation"], card["files"], "of the source"
        )
        return (source, *self._used.values())

    def caveats(self) -> tuple[str, ...]:
        caveats = []
        if self.is_bundled:
            caveats.append(
                "Made on the bundled samples (FLLA structures' compositions as source, the CRC table as experiment): "
                "not comparable with the paper."
            )
        elif self.profile.ship:
            card = self.source.card["data"]
            caveats.append(
                f"The source is the shipped ElemNet, trained on {card['rows_train']:,} compositions of OQMD; the "
                "paper's on 341,000. The targets' sets are not the paper's either: see the data."
            )
        if self.options.profile == "smoke":
            caveats.append(
                "Profile smoke: a source of two epochs on the bundled compositions, a few rows of each target."
            )
        if self.options.protocol == "paper":
            caveats.append("Protocol paper: the test rows also chose the weights, so errors are too low.")
        if self.options.profile == "cpu":
            taken = ", ".join(f"{target.name} {self.profile.folds[target.short]}" for target in self.targets())
            caveats.append(
                f"Profile cpu: of ten folds these are trained: {taken}; 12 or 30 epochs from the source, twice as many "
                "from scratch. Networks are trained side by side, so their seconds are not those of a machine at rest."
            )
        if self.options.profile == "cpu" and not self.is_bundled:
            caveats.append(
                "Rates and lengths of our recipes were chosen by cross-validation on rows of SSUB (the training rows "
                "of the leaderboard's split), which are test rows of the experimental folds; the leaderboard's test "
                "rows took no part."
            )
        return tuple(caveats)

    def finish(self, result_id, title, rows, started, caveats=(), **extra) -> None:
        super().finish(result_id, title, rows, started, (*caveats, *self.failed_folds, *self.failures), **extra)
        self._used.clear()  # the next result names its own
        self.failures.clear()

    def paper(self, value: float | None) -> float | None:
        """A paper's figure; left out beside runs that have nothing in common with its data or its training."""
        return None if self.is_bundled or self.options.profile == "smoke" else value

    def error_rows(
        self,
        target: Target,
        table: pd.DataFrame,
        name: str,
        column: str,
        paper: float | None,
        trained: Iterable[Trained] = (),
        *,
        headline: bool = True,
    ) -> list[ResultRow]:
        """The error of a network on all test rows, and on those that the source has not seen.

        Args:
            target: Data.
            table: Predictions.
            name: Of the network in the table.
            column: Of its predictions.
            paper: The paper's figure.
            trained: Networks behind the predictions, for their cost.
            headline: Whether the first row belongs into the README's table.
        """
        one = [network for network in trained if network.name == column]
        per_fold = comparison.fold_errors(table, [column])[column]
        note = ""
        if len(per_fold) > 1:
            note = f"mean of {len(per_fold)} folds {per_fold.mean():.4f}, sd {per_fold.std(ddof=0):.4f}"
        rows = [
            mae_row(
                f"{target.name}: {name}",
                table["true"],
                table[column],
                UNIT,
                paper=self.paper(paper),
                rows_train=one[0].rows_train if one else None,
                seconds_train=round(float(np.mean([network.seconds for network in one])), 1) if one else None,
                data=self.rows(target).loaded.name,
                note=note,
                headline=headline,
            )
        ]
        unseen = table[table["seen_by_source"].eq(False)]
        if 0 < len(unseen) < len(table):
            rows.append(
                mae_row(
                    f"{target.name}: {name}, compositions unseen by the source",
                    unseen["true"],
                    unseen[column],
                    UNIT,
                    data=self.rows(target).loaded.name,
                    headline=False,
                )
            )
        return rows

    def ratio_row(self, target: Target, table: pd.DataFrame) -> ResultRow:
        """The error of transfer as a share of that of scratch, on the same rows."""
        ratio, low, high = comparison.error_ratio(table, TRANSFER, SCRATCH)
        return ResultRow(
            f"{target.name}: error of transfer over that of scratch",
            "ratio of MAE",
            ratio,
            "",
            interval_low=low,
            interval_high=high,
            rows_test=len(table),
            data=self.rows(target).loaded.name,
            headline=target is EXPERIMENT,
        )
