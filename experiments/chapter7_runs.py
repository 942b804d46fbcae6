"""What chapter 7's tables share: data sets, folds, cross-validated networks and classical models, rows of a result."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd

from common.executor import num_usable_cores, run_tasks
from common.fetch import DataUnavailableError
from common.files import write_csv_atomic
from common.results import DataUsed
from experiments.chapter import Chapter, Options, say
from experiments.chapter7_tasks import BLOCKS, PROFILES, RANDOM, Spread
from padnet import baselines, figures, folds
from padnet.background import BACKGROUNDS
from padnet.baselines import BaselineJob
from padnet.bicuvo import load_bicuvo
from padnet.config import PADNetConfig
from padnet.cross_validation import Job, cross_validate
from padnet.data import BICUVO_FILES, SIMULATED, WAFER_LABELS, XrdDataset
from padnet.evaluation import CONTROLS, SHUFFLED, CrossValidated, shuffled_images
from padnet.folds import Fold
from padnet.reprojection import reprojected
from padnet.simulator import simulate_wafer
from padnet.wafer import load_wafer

# Films that nobody had seen when PADNet's settings were chosen, on Bi-Cu-V-O and on wafers of other seeds.
FILM_SEED = 200
PADNET = "PADNet"
STORED = "stored predictions of PADNet-XRD"  # the one data set without images
FOREST_CONTROLS = {
    "random forest, composition": ("composition",),
    "random forest, position": ("position",),
    "random forest, 1D pattern": ("patterns",),
    "random forest, 1D pattern and composition": ("patterns", "composition"),
}


class Chapter7(Chapter):
    """What the tables share; the images are simulated or re-projected, as the authors' are not public."""

    number = 7

    def __init__(self, options: Options):
        super().__init__(options)
        self.profile = PROFILES[options.profile]
        self.failures: list[str] = []
        self._datasets: dict[Spread, XrdDataset | None] = {}
        self._treated: dict[tuple[Spread, str], XrdDataset] = {}
        self._controls: dict[tuple[Spread, str], dict[str, CrossValidated]] = {}
        self._used: dict[str, DataUsed] = {}

    @cached_property
    def is_stand_in(self) -> bool:
        """Whether the wafer's labels only resemble the real ones, whose file cannot be had."""
        return "stand-in" in load_wafer().source

    def variant(self) -> str:
        parts = ["stand-in" if self.is_stand_in and self.options.profile != "smoke" else "", super().variant()]
        return "-".join(filter(None, parts))

    # -- data --------------------------------------------------------------------------------------------------

    def dataset(self, spread: Spread) -> XrdDataset | None:
        """A data set, ``None`` where its files cannot be had, which is said once."""
        if spread not in self._datasets:
            try:
                self._datasets[spread] = self._made(spread)
            except DataUnavailableError as error:
                say(f"{spread.short} is left out: {error}")
                self._datasets[spread] = None
        dataset = self._datasets[spread]
        if dataset is not None:
            files = [WAFER_LABELS] if spread.simulated else BICUVO_FILES.values()
            hashes = {} if "stand-in" in dataset.name else {file.path: file.expected_hash for file in files}
            tier = "simulation" if dataset.origin == SIMULATED else "public files"
            self.use(DataUsed(dataset.name, tier, len(dataset), hashes, dataset.origin))
        return dataset

    def use(self, data: DataUsed) -> None:
        """Name data for the next result."""
        self._used[data.name] = data

    def _made(self, spread: Spread) -> XrdDataset:
        say(f"making {self.profile.image_px} x {self.profile.image_px} frames of {spread.short}")
        if spread.simulated:
            if self.is_stand_in:
                say("its labels are a stand-in: the file of the real ones cannot be had")
            made = simulate_wafer(spread.geometries, self.profile.image_px, FILM_SEED + self.options.seed)
        else:
            (geometry,) = spread.geometries
            made = reprojected(load_bicuvo(), geometry, self.profile.image_px, self.options.seed)
        if self.profile.num_samples is None:
            return made
        by_class = np.argsort(made.labels, kind="stable")
        return made.take(np.sort(by_class[np.linspace(0, len(made) - 1, self.profile.num_samples).astype(int)]))

    def datasets(self, spreads: Iterable[Spread]) -> dict[Spread, XrdDataset]:
        """Those of the data sets that can be had."""
        found = {spread: self.dataset(spread) for spread in spreads}
        return {spread: dataset for spread, dataset in found.items() if dataset is not None}

    def treated(self, spread: Spread, background: str) -> XrdDataset:
        """A data set with one background taken from its frames, a key of ``padnet.background.BACKGROUNDS``."""
        if (spread, background) not in self._treated:
            dataset = self.dataset(spread)
            assert dataset is not None
            frames = BACKGROUNDS[background](dataset.frames, None)
            self._treated[spread, background] = dataset.with_frames(frames)
        return self._treated[spread, background]

    def folds(self, spread: Spread, kind: str) -> list[Fold]:
        """Folds as released on the whole wafer, stratified elsewhere; or blocks. Validation is cut from training."""
        dataset = self.dataset(spread)
        assert dataset is not None
        num_folds, seed = self.profile.num_folds, self.options.seed
        if kind == BLOCKS:
            tests = folds.spatial_folds(dataset.position_mm, num_folds)
        elif spread.simulated and self.profile.num_samples is None:
            tests = folds.released_folds(len(dataset), num_folds)
        else:
            tests = folds.stratified_folds(dataset.labels, num_folds, seed)
        found = folds.with_validation(tests, dataset.labels, seed)[: self.profile.take_folds]
        if self.options.protocol == "paper":
            return [Fold(np.union1d(fold.train, fold.validation), fold.test, fold.test) for fold in found]
        return found

    # -- methods -----------------------------------------------------------------------------------------------

    def config(self, base: PADNetConfig, spread: Spread, **changes) -> PADNetConfig:
        """A network's settings for the frames of a data set."""
        config = replace(base, variant=spread.variant, num_frames=len(spread.geometries), **changes)
        return replace(config, protocol=self.options.protocol).with_training(seed=self.options.seed)

    def jobs(
        self,
        name: str,
        config: PADNetConfig,
        dataset: XrdDataset,
        of_folds: Sequence[Fold],
        tests: Mapping[str, XrdDataset] | None = None,
    ) -> list[Job]:
        """One network on all folds; ``tests`` are other images of all samples, of which the test rows are scored."""
        return [Job(name, config, dataset, fold, number, tests or {}) for number, fold in enumerate(of_folds)]

    def train(self, jobs: Sequence[Job]) -> dict[tuple[str, str], CrossValidated]:
        """Train networks side by side, or take them from a run before; failures are said and kept for the result."""
        say(f"{len(jobs)} networks on {jobs[0].dataset.name}")
        found, failures = cross_validate(
            jobs, self.options.runs, num_processes=self.num_processes, progress=sys.stderr.isatty(), report=say
        )
        self.failures += failures
        return found

    @property
    def num_processes(self) -> int:
        """Networks at a time: one on each core, one on a GPU."""
        if self.profile.num_processes is not None:
            return self.profile.num_processes
        from common import backend  # loads Keras

        return num_usable_cores() if backend.start_devices() == "the CPU" else 1

    def classical(self, jobs: Sequence[BaselineJob]) -> dict[str, CrossValidated]:
        """Classical models side by side, by the name of the method."""
        outcomes = run_tasks(
            baselines.cross_validate,
            jobs,
            num_processes=self.profile.num_processes,
            progress=sys.stderr.isatty(),
            description="classical models",
        )
        failed = [f"{jobs[outcome.index].name}: {outcome.reason}" for outcome in outcomes if not outcome.ok]
        for sentence in failed:
            say(sentence)
        self.failures += failed
        return {outcome.value.name: outcome.value for outcome in outcomes if outcome.ok}

    def controlled(self, spread: Spread, kind: str) -> dict[str, CrossValidated]:
        """PADNet, its controls, and random forests as further controls, on the same folds; by name."""
        if (spread, kind) not in self._controls:
            dataset, of_folds = self.dataset(spread), self.folds(spread, kind)
            assert dataset is not None
            config = self.config(self.profile.ours, spread)
            networks = self.jobs(PADNET, config, dataset, of_folds)
            shuffled = shuffled_images(dataset, self.options.seed)
            for name, inputs in CONTROLS.items():
                seen = shuffled if name == SHUFFLED else dataset
                networks += self.jobs(name, replace(config, inputs=inputs), seen, of_folds)
            found = {name: result for (name, _), result in self.train(networks).items()}
            forests = [
                self.baseline(name, "RandomForest", spread, kind, inputs) for name, inputs in FOREST_CONTROLS.items()
            ]
            self._controls[spread, kind] = found | self.classical(forests)
        return self._controls[spread, kind]

    def baseline(
        self, name: str, family: str, spread: Spread, kind: str, inputs: tuple[str, ...], *, background: bool = True
    ) -> BaselineJob:
        """A classical model on the folds of a data set; ``background`` takes the envelope from 1D patterns."""
        dataset = self.dataset(spread)
        assert dataset is not None
        return BaselineJob(
            name,
            family,
            baselines.inputs(dataset, inputs, background=background),
            dataset.labels,
            self.folds(spread, kind),
            len(dataset.class_names),
            self.profile.grid,
            self.options.seed,
        )

    # -- what results say --------------------------------------------------------------------------------------

    def data_used(self) -> tuple[DataUsed, ...]:
        return tuple(self._used.values())

    def caveats(self) -> tuple[str, ...]:
        caveats = []
        if self._used.keys() != {STORED}:  # nothing is used any more when a run ends
            labels = "their real label map"
            if self.is_stand_in:
                labels = "a stand-in for their label map, which it only resembles, as the file cannot be had"
            caveats.append(
                f"The authors' 177 images are not public. The wafer here is simulated from {labels}: phases "
                "follow the labels by assumption, so an image tells its label, and accuracies on it say that a network "
                "can learn this task, not what it would reach on the real images. Bi-Cu-V-O has measured 1D patterns, "
                "re-projected to frames, and labels that a solver derived from the same patterns. No figure of the "
                "paper stands beside them. The design of robust PADNet (logarithm, grid, components) was chosen with a "
                "look at all samples of Bi-Cu-V-O and at wafers with other films than this one."
            )
        text = self.profile.text
        if self.options.profile == "cpu" and caveats:
            caveats.append(
                f"Profile cpu: frames of {self.profile.image_px} pixels and filters in proportion, not 2,048 and 50. "
                f"The text's networks see {text.image_px} pixels and train {text.training.max_epochs} epochs in "
                f"batches of {text.training.batch_size}: less than they need."
            )
        elif self.options.profile == "smoke":
            caveats.append("Profile smoke: one of two folds of a few samples, few epochs; proves that the code runs.")
        if self.options.protocol == "paper":
            caveats.append("Protocol paper: the test rows chose the weights, so accuracies are too high.")
        return tuple(caveats)

    def finish(self, result_id, title, rows, started, caveats=(), **extra) -> None:
        if rows:
            super().finish(result_id, title, rows, started, (*caveats, *self.failures), **extra)
        else:
            say(f"{result_id} is left out: all of it failed")
        self._used.clear()  # the next result names its own
        self.failures.clear()
        self._treated.clear()  # frames of 2,048 pixels fill the memory

    def draw_accuracies(self, result_id: str, title: str, table: Sequence[tuple]) -> None:
        """Save and draw rows of data, method, series, accuracy, low, high, if there are any."""
        if table:
            columns = ["data", "method", "series", "accuracy", "low", "high"]
            saved = pd.DataFrame(table, columns=columns).round(3)
            write_csv_atomic(self.results / f"{result_id}_accuracies.csv", saved)
            figures.accuracies(self.results, result_id, title)

    def fold_caveats(self, spreads: Iterable[Spread], kinds: Iterable[str] = (RANDOM,)) -> tuple[str, ...]:
        """What the folds of data sets have to say of themselves."""
        sentences = []
        for spread, dataset in self.datasets(spreads).items():
            small = folds.small_classes(dataset.labels, self.profile.num_folds, dataset.class_names)
            sentences += [f"{spread.short}: {sentence}" for sentence in small]
            for kind in kinds:
                if unseen := folds.unseen_test_rows(self.folds(spread, kind), dataset.labels):
                    sentences.append(
                        f"{spread.short}, {kind}: {unseen} of {len(dataset)} test samples are of a class that their "
                        "fold does not train on, and cannot be right."
                    )
        return tuple(sentences)
