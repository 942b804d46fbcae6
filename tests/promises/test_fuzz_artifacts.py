"""Damaged models, cards, checkpoints, dictionaries and caches are read, or refused in one sentence; nothing else."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from common import artifacts, checkpoint
from common.artifacts import ArtifactError
from common.checkpoint import CheckpointMismatchError
from common.features import Featurized, ward2017
from elemnet.predict import Predictor
from omnet.pattern_file import PatternFile
from tests.promises import attacks
from tests.promises.harness import fuzz
from tests.promises.mutations import mutants

NUM_INPUTS = 1000
SHAPE = (3, 4, 5)
ODD_VALUES = (None, True, -1, 1e308, 2**70, "", "\x1b[2J", "x" * 5000, [], [[]], [None, 1], {}, {"": {}}, [[0.5] * 9])


def read(path: Path) -> None:
    """What the child does with each input, by its name."""
    READERS[path.name](path)


def read_model(path: Path) -> None:
    attacks.write_artifact(path, path.read_bytes())  # with a card that agrees: damage is noticed all the same
    artifacts.load(path)


def read_card(path: Path) -> None:
    loaded = artifacts.load(path.with_suffix(".keras"))
    with artifacts.reading_card(path):
        Predictor(loaded.model, loaded.card)


def read_patterns(path: Path) -> None:
    if path.name.startswith("part"):
        (path.parent / "part.npy.partial").write_bytes((path.parent / "whole.npy").read_bytes())
    stored = PatternFile(path.parent / path.name.removesuffix(".json"), SHAPE, "hash")
    patterns = stored.complete(lambda rows: np.zeros((rows.stop - rows.start, *SHAPE[1:]), np.uint8))
    assert patterns.shape == SHAPE and patterns.dtype == np.uint8
    (path.parent / "part.npy").unlink(missing_ok=True)


READERS = {
    "model.keras": read_model,
    "card.json": read_card,
    "checkpoint.npz": partial(checkpoint.load, fingerprint="f"),
    "dictionary.npy": read_patterns,  # a whole one, with a note of what it is
    "whole.npy.json": read_patterns,  # the note of a whole one
    "part.npy.json": read_patterns,  # the note of one that goes on
    "attributes.npz": lambda path: ward2017._read(path, 2),
}


def models(good: dict[str, bytes], whole: bytes):
    """Damage to the archive, and to what is in it; the latter in an archive that is whole."""
    yield from mutants([whole], 400, seed=1)
    for name, seed in (("config.json", 2), ("model.weights.h5", 3)):
        for content in mutants([good[name]], 300, seed=seed):
            yield attacks.archived(good | {name: content})


def cards(good: bytes):
    """Damage to the text, and values of other kinds in a text that is whole."""
    yield from mutants([good], 700, seed=4)
    random = np.random.default_rng(5)
    card = json.loads(good)
    for _ in range(300):
        key = sorted(card)[random.integers(len(card))]
        yield json.dumps(card | {key: ODD_VALUES[random.integers(len(ODD_VALUES))]}).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Whole files of each kind, and what the readers need beside the damaged ones."""
    folder = tmp_path_factory.mktemp("artifacts")
    card = attacks.CARD | {"elements": ["Na", "Cl", "O"], "metrics": {"mae": 0.1}, "training": {"epochs": 3}}
    artifacts.save(folder / "card.keras", attacks.tiny_model(), card)
    weights = [np.arange(6.0).reshape(2, 3), np.ones(3)]
    checkpoint.save(
        folder / "checkpoint.npz", fingerprint="f", state={"epoch": 1, "history": []}, arrays={"model": weights}
    )
    for name in ("dictionary", "whole"):
        PatternFile(folder / f"{name}.npy", SHAPE, "hash").complete(lambda rows: np.ones(SHAPE, np.uint8))
    ward2017._write(
        folder / "attributes.npz", Featurized(np.zeros((2, len(ward2017.LABELS))), np.array(["", "a reason"], object))
    )
    return folder


def inputs_of(folder: Path) -> list[tuple[str, bytes]]:
    whole = (folder / "card.keras").read_bytes()
    good = attacks.members(folder / "card.keras")
    files = {
        "model.keras": models(good, whole),
        "card.json": cards((folder / "card.json").read_bytes()),
        "checkpoint.npz": mutants([(folder / "checkpoint.npz").read_bytes()], NUM_INPUTS, seed=6),
        "dictionary.npy": mutants([(folder / "dictionary.npy").read_bytes()], NUM_INPUTS // 2, seed=7, head=128),
        "whole.npy.json": mutants([(folder / "whole.npy.json").read_bytes()], NUM_INPUTS // 4, seed=8),
        "part.npy.json": mutants([(folder / "whole.npy.json").read_bytes()], NUM_INPUTS // 4, seed=9),
        "attributes.npz": mutants([(folder / "attributes.npz").read_bytes()], NUM_INPUTS, seed=10),
    }
    return [(name, content) for name, contents in files.items() for content in contents]


def test_damaged_artifacts_are_read_or_refused(folder, faults):
    inputs = inputs_of(folder)
    assert len(inputs) == 5 * NUM_INPUTS
    with faults.inject(len(inputs)):
        report = fuzz(
            "tests.promises.test_fuzz_artifacts:read",
            inputs,
            expects=(ValueError, ArtifactError, CheckpointMismatchError),
            folder=folder,
        )
        assert report.problems == []
    assert report.num_inputs == len(inputs)
    assert report.num_read > 100 and report.refused.total() > 2000  # both ends are met
    refused = {inputs[number][0] for number in report.messages}
    assert refused == set(READERS) - {"attributes.npz"}  # a damaged cache is no cache: it is computed again
