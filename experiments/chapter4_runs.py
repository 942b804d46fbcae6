"""What chapter 4's tables share: rows with their attributes, and the models trained on them."""

import hashlib
import sys
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from common import backend, datasets
from common.executor import iterate_tasks, num_usable_cores
from common.readers import LoadedDataset
from common.results import DataUsed, ResultRow
from common.scored import Scored
from common.training import CollapsedTrainingError, DivergedTrainingError
from experiments.chapter import Chapter, Options, mae_row, say
from experiments.chapter4_tasks import MP_STRUCTURES, PROFILES, Job, Task
from irnet import comparison, sipfenn
from irnet import data as irnet_data
from irnet.config import KINDS, RECIPES, SIPFENN_VARIANTS, IRNetConfig, recipe_for
from irnet.train import IRNetResult, run


def train_in_process(job: tuple[IRNetConfig, Path, irnet_data.IRNetData]) -> None:
    """Train one network into its folder."""
    config, folder, data = job
    run(config, folder, data=data, progress=False)


class Chapter4(Chapter):
    """What the tables share: rows with their attributes, and networks trained on them."""

    number = 4

    def __init__(self, options: Options):
        super().__init__(options)
        self.profile = PROFILES[options.profile]
        self.used: dict[str, DataUsed] = {}
        self.failures: list[str] = []
        self._tables: dict[str, LoadedDataset] = {}
        self._missing: set[str] = set()
        self._rows: dict[tuple, irnet_data.IRNetData] = {}

    # -- data --------------------------------------------------------------------------------------------------

    def has(self, task: Task) -> bool:
        """Whether the data of a task can be had; if not, that is said once."""
        if task.data not in self._missing:
            try:
                self.table(task.data)
            except datasets.DataUnavailableError as error:
                say(f"{task.name} is left out: {error}")
                self._missing.add(task.data)
        return task.data not in self._missing

    def table(self, name: str) -> LoadedDataset:
        """A data set or what stands in for it; its notes are said once.

        Raises:
            DataUnavailableError: If neither can be had.
        """
        if name not in self._tables:
            loaded = datasets.load(name)
            for note in loaded.notes:
                say(note)
            limit = self.profile.structure_rows
            if limit is not None and "lattice" in loaded.frame:
                frame = loaded.frame.sample(min(limit, len(loaded.frame)), random_state=0)
                loaded = replace(loaded, frame=frame, rows=len(frame))
            self._tables[name] = loaded
        return self._tables[name]

    def config(self, task: Task, variant: str, *, epochs: int | None, max_train_rows: int | None) -> IRNetConfig:
        """The recipe for a task at this profile; ``None`` epochs are the recipe's."""
        num_rows = int((self.table(task.data).frame["split"] == "train").sum())
        if max_train_rows is not None:
            num_rows = min(num_rows, max_train_rows)
        recipe = RECIPES[self.profile.recipe] if self.profile.recipe else recipe_for(num_rows)
        config = replace(
            recipe,
            variant=variant,
            data=task.data,
            targets=(task.target,),
            inputs=task.inputs,
            protocol=self.options.protocol,
            max_train_rows=max_train_rows,
            max_validation_rows=self.profile.validation_rows,
        ).with_training(seed=self.options.seed)
        return config if epochs is None else config.with_training(max_epochs=epochs)

    def sipfenn_config(self, task: Task) -> IRNetConfig:
        """NN24 as published, at this profile's length; a small table gets small batches for the sake of steps."""
        config = replace(
            sipfenn.PAPER_RECIPE, data=task.data, targets=(task.target,), protocol=self.options.protocol
        ).with_training(seed=self.options.seed)
        epochs = self.profile.sipfenn_epochs
        return config if epochs is None else config.with_training(max_epochs=epochs, batch_size=128)

    def rows(self, config: IRNetConfig, loaded: LoadedDataset | None = None, label: str = "") -> irnet_data.IRNetData:
        """The rows of a config; attributes are computed once."""
        loaded = loaded or self.table(config.data)
        key = (loaded.name, label, config.inputs, config.targets, config.max_train_rows)
        if key not in self._rows:
            data = irnet_data.load(
                config,
                loaded=loaded,
                cache_dir=self.options.runs / "attributes",
                progress=sys.stderr.isatty(),
            )
            parts = {"training": data.train, "validation": data.validation, "test": data.test}
            sizes = ", ".join(f"{len(part):,} {name}" for name, part in parts.items())
            left_out = ", ".join(f"{count:,} {reason}" for reason, count in data.counts.items() if count)
            note = f"{config.inputs}{', ' + label if label else ''}: {sizes} rows; left out: {left_out or 'none'}"
            say(f"{loaded.name} ({loaded.tier}), {note}")
            self._rows[key] = data
            self.used[f"{loaded.name}/{label}/{config.inputs}/{config.max_train_rows}"] = DataUsed(
                loaded.name, loaded.tier, sum(map(len, parts.values())), loaded.files, " ".join([note, *loaded.notes])
            )
        return self._rows[key]

    # -- models ------------------------------------------------------------------------------------------------

    def folder(self, config: IRNetConfig, data: irnet_data.IRNetData, label: str) -> Path:
        """A folder of its own for these settings and data, so that a killed run goes on and no other does."""
        settings = repr((config, data.loaded.files, label, len(data.train), len(data.test)))
        digest = hashlib.sha256(settings.encode()).hexdigest()[:8]
        return self.options.runs / f"{config.data}-{config.variant}-{digest}"

    def train_side_by_side(self, jobs: list[Job]) -> None:
        """Train networks in processes of their own, one on each core, so that ``network`` finds them finished.

        Small minibatches keep one core busy and not two. On a GPU nothing is done: there one network is trained at a
        time.
        """
        tasks = []
        for job in jobs:
            config = self.config(job.task, job.variant, epochs=job.epochs, max_train_rows=job.max_train_rows)
            data = self.rows(config, job.loaded, job.label)
            folder = self.folder(config, data, job.label)
            if not (folder / "model.keras").is_file():
                tasks.append((config, folder, data))
        num_processes = self.profile.num_processes or num_usable_cores()
        if len(tasks) < 2 or num_processes < 2 or backend.start_devices() != "the CPU":
            return
        names = [f"{config.data} {describe(config.variant)}" for config, _, _ in tasks]
        for outcome in iterate_tasks(train_in_process, tasks, progress=sys.stderr.isatty(), description="networks"):
            say(f"trained {names[outcome.index]}" + ("" if outcome.ok else f", without success: {outcome.reason}"))

    def network(self, job: Job) -> tuple[Scored, IRNetResult] | None:
        """A network trained for a task; ``None``, said on screen, where training collapsed or diverged."""
        config = self.config(job.task, job.variant, epochs=job.epochs, max_train_rows=job.max_train_rows)
        data = self.rows(config, job.loaded, job.label)
        name = f"{job.task.name}: {describe(job.variant)}"
        say(name)
        try:
            result = run(config, self.folder(config, data, job.label), data=data)
        except (CollapsedTrainingError, DivergedTrainingError) as error:  # a finding of the study, not the end of it
            self.failures.append(f"{name}: {error}")
            say(self.failures[-1])
            return None
        settings = config.training
        return comparison.network(name, result, f"recipe {config.recipe}, batch {settings.batch_size}"), result

    def data(self, job: Job) -> irnet_data.IRNetData:
        """The rows of a job."""
        config = self.config(job.task, job.variant, epochs=job.epochs, max_train_rows=job.max_train_rows)
        return self.rows(config, job.loaded, job.label)

    def classical(self, job: Job, names: tuple[str, ...] | None) -> list[Scored]:
        """Classical models on the rows of a job, best validation error first."""
        data = self.data(job)
        say(f"{job.task.name}: {'the ten classical models' if names is None else ', '.join(names)}")
        return comparison.classical_models(
            data, names, grid=self.profile.grid, seed=self.options.seed, progress=sys.stderr.isatty()
        )

    # -- what results say --------------------------------------------------------------------------------------

    @cached_property
    def _tier(self) -> str:
        return self.table(MP_STRUCTURES.data).tier

    def variant(self) -> str:
        parts = ["bundled" if self._tier == "bundled" and self.options.profile != "smoke" else "", super().variant()]
        return "-".join(filter(None, parts))

    def data_used(self) -> tuple[DataUsed, ...]:
        return tuple(self.used.values()) or (DataUsed("none", "none", 0),)

    def caveats(self) -> tuple[str, ...]:
        caveats = []
        if self._tier == "bundled":
            caveats.append("Made on the bundled structures: not comparable with the paper.")
        if self.options.protocol == "paper":
            caveats.append("Protocol paper: the test rows also chose the weights, so errors are too low.")
        if self.options.profile == "cpu":
            caveats.append(
                "Profile cpu: fewer rows and epochs than the paper, and one split. Networks are trained side by side, "
                "one on each core, so their seconds are not those of a machine at rest."
            )
        return tuple(caveats)

    def finish(self, result_id, title, rows, started, caveats=(), **extra) -> None:
        super().finish(result_id, title, rows, started, (*caveats, *self.failures), **extra)
        self.used.clear()  # the next result names its own
        self.failures.clear()
        self._rows.clear()

    def row(
        self, scored: Scored, task: Task, paper: float | None = None, *, headline: bool = True, name: str | None = None
    ) -> ResultRow:
        """One scored model as a row of a table, with the data it was really made on.

        Args:
            scored: The model.
            task: What it was scored on.
            paper: The paper's figure; left out for the bundled sample, which has nothing in common with it.
            headline: Whether the row belongs into the README's table.
            name: In place of task and model.
        """
        loaded = self.table(task.data)
        return mae_row(
            name or (scored.name if scored.name.startswith(task.name) else f"{task.name}: {scored.name}"),
            scored.y_true,
            scored.y_pred,
            task.unit,
            paper=None if loaded.tier == "bundled" else paper,
            rows_train=scored.rows_train,
            seconds_train=None if scored.seconds_train is None else round(scored.seconds_train, 1),
            seconds_predict=None if scored.seconds_predict is None else round(scored.seconds_predict, 3),
            data=loaded.name,
            note=scored.note,
            headline=headline,
        )


def describe(variant: str) -> str:
    """``irnet_17`` as a table shows it: ``IRNet, 17 layers``."""
    if variant in SIPFENN_VARIANTS:
        return f"SIPFENN {variant.removeprefix('sipfenn_').upper()}"
    kind, depth = variant.split("_")
    return f"{KINDS[kind]}, {depth} layers"
