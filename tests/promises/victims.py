"""What is killed and started again: one small run of each kind; each call runs in a process of its own, see nursery."""

import errno
import os
import resource
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.core import Lattice, Structure

from common import artifacts, fetch, networks, training
from common.elements import ELEMENTS
from common.executor import run_tasks
from common.features import ward2017
from common.structures import StructureRecord
from common.training_config import TrainingConfig
from elemnet import screening_run
from elemnet.composition_space import CompositionSpace
from elemnet.config import ElemNetConfig
from elemnet.hulls import KnownPhases
from elemnet.screening import Settings
from elemnet.train import run as run_elemnet
from irnet.descriptors import describe_file
from omnet import index_run, pattern_file, simulator
from omnet.detector import Detector
from omnet.indexing import DICTIONARY, Answers, IndexingSettings
from omnet.master_pattern import load_master_pattern
from omnet.pattern_file import PatternFile
from omnet.rotations import random_quaternions
from omnet.scans import read_scan
from tests.promises.nursery import note_and_wait
from transfer.config import FineTuneConfig
from transfer.fine_tune import run as run_fine_tuning

ENERGY = "formation_energy_ev_per_atom"
CARD = {key: key for key in artifacts.REQUIRED_CARD_KEYS} | {
    "elements": list(ELEMENTS),
    "target": ENERGY,
    "training": asdict(TrainingConfig()),
    "metrics": {},
}
TRAINING = TrainingConfig(learning_rate=3e-3, batch_size=64, max_epochs=14, patience_epochs=6, checkpoint_seconds=0.0)


def save_model(path: str, version: int = 0, rounds: int = 1) -> None:
    """A tiny ElemNet, not trained, whose weights and card are of the version; saved again and again."""
    model = networks.build("16x2D-8x1-1", len(ELEMENTS), dropout_rates=(0.2,), seed=version)
    kernel, bias = model.get_layer("output").get_weights()
    model.get_layer("output").set_weights([3 * kernel, bias - 1])  # answers that vary, as those of a trained network do
    for _ in range(rounds):
        artifacts.save(path, model, CARD | {"architecture": "16x2D-8x1-1", "name": f"version {version}"})


def save_model_without_room_for_its_card(path: str) -> None:
    save_model(path)
    model = networks.build("16x2D-8x1-1", len(ELEMENTS), dropout_rates=(0.2,), seed=1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        artifacts.save(path, model, CARD | {"name": "x" * 2**21})
    except OSError as error:
        assert error.errno == errno.EFBIG
    else:
        raise AssertionError("written where there was no room")


# -------------------------------------------------------------------------------------------- killed, and started again


def train(folder: str) -> None:
    """ElemNet on the bundled sample: chunks of two of the ten steps of an epoch, a checkpoint after each."""
    training.ROWS_PER_CHUNK = 128
    config = ElemNetConfig(
        recipe="test", data="flla", architecture="16x1D-8x1-1", dropout_rates=(0.2,), max_train_rows=600,
        training=TRAINING,
    )  # fmt: skip
    run_elemnet(config, Path(folder), progress=False)


def fine_tune(folder: str) -> None:
    """Moves the tiny ElemNet beside the folder to a small table there: a checkpoint after each step."""
    training.ROWS_PER_CHUNK = 16
    config = FineTuneConfig(recipe="test", training=replace(TRAINING, batch_size=16, max_epochs=20))
    source, table = (str(Path(folder).parent / name) for name in ("source.keras", "table.csv"))
    run_fine_tuning(config, table, folder, source=source, progress=False)


def prepare_fine_tuning(folder: str) -> None:
    save_model(f"{folder}/source.keras")
    rng = np.random.default_rng(0)
    formulas = [f"{metal}{i}{other}{j}" for i in (1, 2, 3) for j in (1, 4, 5) for metal in ("Na", "Mg", "K", "Fe")
                for other in ("O", "Cl")]  # fmt: skip
    parts = rng.permutation(["train"] * 48 + ["val"] * 12 + ["test"] * 12)
    table = pd.DataFrame({"formula": formulas, ENERGY: rng.normal(-1, 0.5, len(formulas)), "split": parts})
    table.to_csv(f"{folder}/table.csv", index=False)


def describe(folder: str, seconds_between: float = 0.0) -> None:
    """The attributes of 120 crystals, two to a part."""
    ward2017.CHUNK_STRUCTURES = 2
    rng = np.random.default_rng(0)

    def records():
        for number in range(120):
            time.sleep(seconds_between)
            places = np.array([[0, 0, 0], [0.5, 0.5, 0.5]]) + rng.normal(0, 0.02, (2, 3))
            lattice = Lattice.orthorhombic(*rng.uniform(2.8, 4.2, 3))
            yield StructureRecord(
                f"{number}.cif", Structure(lattice, rng.choice(ELEMENTS[10:40], 2).tolist(), places), ""
            )

    list(describe_file(records(), Path(folder) / "table.csv", num_processes=1))


def screen(folder: str) -> None:
    """Some hundred parts of a space of twelve elements, by the tiny ElemNet beside the folder."""
    settings = Settings(_space(7), below_hull_ev_per_atom=-0.1, compositions_per_part=200)
    space, rng = _space(6), np.random.default_rng(0)
    formulas: list[str] = []
    for size in space.system_sizes:
        systems = space.systems(size, rng.integers(space.num_systems(size), size=60))
        formulas += space.formulas(systems, rng.integers(len(space.ratios(size)), size=60))
    known = KnownPhases.from_table(formulas, rng.normal(-0.15, 0.15, len(formulas)))
    screening_run.screen(Path(folder), settings, known, model=Path(folder).parent / "source.keras")


def _space(max_atoms: int) -> CompositionSpace:
    return CompositionSpace(("Li", "Na", "K", "F", "O", *ELEMENTS[20:27]), max_atoms=max_atoms)


def make_dictionary(folder: str) -> None:
    """400 patterns of 20 x 20, ten to a part."""
    simulator.PIXELS_AT_ONCE, pattern_file.PART_BYTES = 4_000, 4_000
    simulated = simulator.Simulator(load_master_pattern(), Detector(shape=(20, 20)))
    simulated.dictionary(random_quaternions(400, np.random.default_rng(0)), Path(folder) / "dictionary.npy")


# ------------------------------------------------------------------------------------------------- two at the same time


def complete_patterns(folder: str, rounds: int, settings: int = 0) -> int:
    """Files of random patterns, each made in parts of which none takes long; how many were of other settings."""
    pattern_file.PART_BYTES = 200
    num_refused = 0
    for number in range(rounds):
        patterns = patterns_of(number, settings)
        rng = np.random.default_rng(os.getpid() + number)

        def make(rows: slice, patterns=patterns, rng=rng) -> np.ndarray:
            time.sleep(rng.uniform(0, 0.001))
            return patterns[rows]

        try:
            found = PatternFile(Path(folder) / f"{number}.npy", patterns.shape, str(settings)).complete(make)
            assert np.array_equal(found, patterns)
        except ValueError as error:
            assert "other" in str(error)
            num_refused += 1
    return num_refused


def patterns_of(number: int, settings: int) -> np.ndarray:
    """``(60, 4, 5)``."""
    return np.random.default_rng((number, settings)).integers(0, 256, (60, 4, 5), np.uint8)


def index(folder: str, rounds: int) -> None:
    """The bundled scan, a pattern to a part, by an indexer that answers at once."""
    rng = np.random.default_rng(os.getpid())

    class Indexer:
        def __init__(self, *args, **kwargs):
            pass

        def index(self, patterns, pc):
            time.sleep(rng.uniform(0, 0.002))
            answers = Answers.none(len(patterns))
            answers.quaternions[:], answers.score[:] = np.eye(4)[0], patterns.mean(axis=(1, 2))
            return answers

    index_run.Indexer, index_run.PATTERNS_PER_PART = Indexer, 1
    scan = read_scan(Path(simulator.__file__).parent / "bundled" / "nickel_ebsd_small_patterns.h5", "Scan 1")
    for number in range(rounds):
        index_run.index_scan(scan, Path(folder) / f"{number}.csv", IndexingSettings(DICTIONARY))


def download(cache: str, url: str, names: list[str], sha256: list[str]) -> None:
    """Files of a server into a cache."""
    os.environ["MATERIALS_DL_CACHE"] = cache
    del os.environ["MATERIALS_DL_OFFLINE"]
    for name, digest in zip(names, sha256, strict=True):
        fetch.fetch(fetch.DataFile(name, url=f"{url}/{name}", sha256=digest))


def run_workers_for_ever(folder: str) -> None:
    run_tasks(note_and_wait, [folder] * 2, num_processes=2)
