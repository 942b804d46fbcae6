"""Chapter 4's tasks, sizes, and what its tables share: rows with their attributes, and the models trained on them."""

import hashlib
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from common import backend, datasets
from common.executor import iterate_tasks
from common.readers import LoadedDataset
from common.results import DataUsed, ResultRow
from common.scored import Scored
from common.training import CollapsedTrainingError, DivergedTrainingError
from experiments.chapter import Chapter, Options, mae_row, say
from irnet import comparison, sipfenn
from irnet import data as irnet_data
from irnet.config import RECIPES, SIPFENN_VARIANTS, IRNetConfig, recipe_for
from irnet.train import IRNetResult, run

UNIT = "eV/atom"
ENERGY = "formation_energy_ev_per_atom"
NAMES = {"plain": "plain", "srnet": "SRNet", "irnet": "IRNet"}


@dataclass(frozen=True)
class Task:
    """A property of a data set that models are compared on.

    Attributes:
        name: As tables show it.
        data: Name in the registry.
        target: Column.
        unit: Of the target.
        inputs: As in ``IRNetConfig``.
        paper_4_4, paper_2021: Keys of the paper's rows in table 4.4 and in table 1 of the 2021 paper, where it has one.
    """

    name: str
    data: str
    target: str = ENERGY
    unit: str = UNIT
    inputs: str = "C"
    paper_4_4: tuple[str, str] | None = None
    paper_2021: str | None = None


@dataclass(frozen=True)
class Job:
    """A network, or classical models, to be trained for a task.

    Attributes:
        task: Data, target and inputs.
        variant: Of the network.
        epochs: ``None`` for the recipe's.
        max_train_rows: ``None`` for all.
        loaded: The table, where its splits are of the study's own making.
        label: What sets that table apart.
    """

    task: Task
    variant: str = "irnet_17"
    epochs: int | None = None
    max_train_rows: int | None = None
    loaded: LoadedDataset | None = None
    label: str = ""


OQMD = Task(
    "OQMD formation enthalpy",
    "oqmd_formation_enthalpy",
    paper_4_4=("OQMD-C", "formation_enthalpy"),
    paper_2021="OQMD formation enthalpy",
)
COMPOSITION_TASKS = (
    Task("OQMD band gap", "oqmd_band_gap", "band_gap_ev", "eV", "C", ("OQMD-C", "bandgap"), "OQMD bandgap"),
    Task(
        "OQMD volume per atom",
        "oqmd_volume",
        "volume_per_atom_a3",
        "A^3",
        "C",
        ("OQMD-C", "volume_per_atom"),
        "OQMD volume_pa",
    ),
    Task("MP band gap", "mp_gap", "band_gap_ev", "eV", "C", ("MP-C", "bandgap"), "MP bandgap"),
    Task(
        "MP energy above hull",
        "mp_e_hull",
        "energy_above_hull_ev_per_atom",
        UNIT,
        "C",
        ("MP-C", "energy_above_hull"),
    ),
    Task("MP formation energy", "mp_formation_energy", paper_2021="MP formation energy"),
    Task("JARVIS formation energy", "jarvis_formation_energy", paper_2021="JARVIS formation enthalpy"),
    Task("JARVIS band gap", "jarvis_gap", "band_gap_ev", "eV", paper_2021="JARVIS bandgap"),
)
# The design problem of the thesis has 271 attributes of 435,582 OQMD structures, which are not public in this form.
PEROV5 = Task("perov5", "perov5", "heat_ev_per_atom", inputs="S+C")
MP_STRUCTURES = Task("mp_structures", "mp_structures", inputs="S+C")
SMALL_TASK = Task("experimental band gap (Matbench)", "expt_gap", "band_gap_ev", "eV")
PROTOTYPES = ("B2", "L1_0", "perovskite")


@dataclass(frozen=True)
class Profile:
    """Sizes of a run; the code path is the same.

    Attributes:
        recipe: ``None`` takes ``fast``, or ``small`` below 20,000 training rows.
        grid: Of the classical models.
        oqmd_rows, oqmd_epochs: Of the comparison on OQMD formation enthalpies.
        task_rows, task_epochs: Of the other properties of compositions.
        task_models: Classical models of these tables; ``None`` for all ten.
        design_models: Classical models of the design problem; ``None`` for all ten.
        structure_rows: The most structures taken from a data set, all splits together; ``None`` for all.
        design_epochs: Of every network of the design problem.
        design_variants: Networks of the design problem on perov5.
        small_epochs: Of networks on a few thousand rows.
        sizes: Training rows of figure 2.
        size_epochs: Of its networks at 10,000 rows; smaller sets get more, up to as many steps.
        sipfenn_epochs: Of NN24.
        sipfenn_points: New points of its figure 3.9.
        sipfenn_rounds: Draws of them.
    """

    recipe: str | None
    grid: str
    oqmd_rows: int | None
    oqmd_epochs: int | None
    task_rows: int | None
    task_epochs: int | None
    task_models: tuple[str, ...] | None
    design_models: tuple[str, ...] | None
    structure_rows: int | None
    design_epochs: int | None
    design_variants: tuple[str, ...]
    small_epochs: int | None
    sizes: tuple[int, ...]
    size_epochs: int | None
    sipfenn_epochs: int | None
    sipfenn_points: tuple[int, ...]
    sipfenn_rounds: int


_ALL_DEPTHS = tuple(f"{kind}_{depth}" for depth in (17, 24, 48) for kind in NAMES)
PROFILES = {
    "smoke": Profile(
        recipe=None,
        grid="cpu",
        oqmd_rows=600,
        oqmd_epochs=2,
        task_rows=300,
        task_epochs=2,
        task_models=("Ridge",),
        design_models=("Ridge", "DecisionTree"),
        structure_rows=200,
        design_epochs=2,
        design_variants=("plain_10", "srnet_10", "irnet_10"),
        small_epochs=2,
        sizes=(100, 200),
        size_epochs=2,
        sipfenn_epochs=1,
        sipfenn_points=(0, 4),
        sipfenn_rounds=1,
    ),
    "cpu": Profile(
        recipe=None,
        grid="cpu",
        oqmd_rows=100_000,
        oqmd_epochs=8,
        task_rows=8_000,
        task_epochs=8,
        task_models=("Ridge", "KNeighbors", "Bagging", "RandomForest"),
        design_models=None,
        structure_rows=None,
        design_epochs=10,
        design_variants=_ALL_DEPTHS,
        small_epochs=25,
        sizes=(300, 1_000, 3_000, 10_000, 30_000),
        size_epochs=16,
        sipfenn_epochs=18,
        sipfenn_points=(0, 5, 20, 60),
        sipfenn_rounds=3,
    ),
    "paper": Profile(
        recipe="paper",
        grid="paper",
        oqmd_rows=None,
        oqmd_epochs=None,
        task_rows=None,
        task_epochs=None,
        task_models=None,
        design_models=None,
        structure_rows=None,
        design_epochs=None,
        design_variants=_ALL_DEPTHS,
        small_epochs=None,
        sizes=(500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000),
        size_epochs=None,
        sipfenn_epochs=None,
        sipfenn_points=(0, 5, 10, 20, 40, 80, 160),
        sipfenn_rounds=25,
    ),
}


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
        if len(tasks) < 2 or backend.start_devices() != "the CPU":
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
                "Profile cpu: fewer rows and epochs than the paper, and one split. Networks are trained side by side, one "
                "on each core, so their seconds are not those of a machine at rest."
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
    return f"{NAMES[kind]}, {depth} layers"
