"""What the tables and figures of chapter 3 share: profiles, the rows, and ElemNet trained on them."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

from common.results import DataUsed, ResultRow
from elemnet import comparison
from elemnet import data as elemnet_data
from elemnet.config import RECIPES, ElemNetConfig, recipe_for
from elemnet.model import depth_family
from elemnet.train import ElemNetResult, run
from experiments.chapter import Chapter, Options, mae_row, say

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
        attribute_rows: Training and test rows of table 3.2's forest on 145 attributes.
        num_sizes: Training sizes of figure 3.3.
        forest_rows: Most training rows of the hold-outs' forest on 145 attributes; ``None`` for all.
        screening_shares: Share of the binary, ternary and quaternary systems that table 3.3 screens.
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
    num_sizes: int
    forest_rows: int | None
    screening_shares: tuple[float, float, float]


PROFILES = {
    "smoke": Profile(
        recipe=None,
        epochs=4,
        dropout_free_epochs=1,
        max_train_rows=1_500,
        depths=(2, 6),
        depth_rows=500,
        depth_epochs=2,
        num_trees=10,
        attribute_rows=(150, 50),
        num_sizes=3,
        forest_rows=300,
        screening_shares=(0.01, 0.0005, 0.00001),
    ),
    "cpu": Profile(
        recipe=None,
        epochs=14,
        dropout_free_epochs=4,
        max_train_rows=None,
        depths=(2, 6, 10, 17, 24),
        depth_rows=30_000,
        depth_epochs=12,
        num_trees=50,
        attribute_rows=(8_000, 2_000),
        num_sizes=7,
        forest_rows=None,
        screening_shares=(1.0, 0.05, 0.002),
    ),
    "paper": Profile(
        recipe="paper",
        epochs=None,
        dropout_free_epochs=0,
        max_train_rows=None,
        depths=tuple(depth_family()),
        depth_rows=10**9,
        depth_epochs=200,
        num_trees=150,
        attribute_rows=(20_000, 5_000),
        num_sizes=16,
        forest_rows=None,
        screening_shares=(1.0, 1.0, 1.0),
    ),
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

    def train(self, name: str, config: ElemNetConfig, data: elemnet_data.ElemNetData | None = None) -> ElemNetResult:
        """Train in a folder of its own for these settings and data, so that a killed run goes on and no other does.

        Args:
            name: Of the folder.
            config: Recipe and size.
            data: Rows in place of the chapter's, all of which are trained on.
        """
        digest = hashlib.sha256(repr((config, self.data.loaded.files)).encode())
        if data is not None:
            digest.update("\n".join(data.train.frame["formula"]).encode())
        elif config.max_train_rows is None:
            data = self.data
        return run(config, self.options.runs / f"{name}-{digest.hexdigest()[:8]}", data=data)

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
        if tier not in ("bundled", "user"):
            return super().variant()
        return f"{tier}-paper-protocol" if self.options.protocol == "paper" else tier

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


def point_row(chapter: Chapter3, name: str, point: dict, note: str) -> ResultRow:
    """One point of a curve of test errors: ``test_mae``, ``rows_train`` and ``seconds_train`` of ``point``."""
    return ResultRow(
        name,
        "MAE",
        point["test_mae"],
        UNIT,
        rows_train=point["rows_train"],
        rows_test=len(chapter.data.test),
        seconds_train=point["seconds_train"],
        note=note,
        headline=False,
    )
