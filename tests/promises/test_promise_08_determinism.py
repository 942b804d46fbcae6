"""The same seed on the same machine gives bit-identical results on CPU.

Every command runs twice, in two fresh processes with another seed of Python's hashes, another working folder and at
another time. All files that they leave are compared byte by byte; only the times in `TIMES` may differ.
"""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.promises.small_inputs import write_crystals, write_formulas, write_known_phases, write_wafer

CHILD = Path(__file__).with_name("repeated_commands.py")
TIMES = {
    "date",  # of made_with in cards, of provenance in results
    "training_seconds",  # of cards
    "seconds",  # of learning curves, results and checkpoints
    "seconds_train",  # of rows of results
    "seconds_predict",
    "encode_s",  # of the stages of a screening
    "predict_s",
    "hull_s",
    "write_s",
}
SECONDS_TO_WAIT = 1_200


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two folders with what all commands leave."""
    inputs = tmp_path_factory.mktemp("inputs")
    write_formulas(inputs / "formulas.csv")
    (inputs / "names.csv").write_text("formula,note\nNaCl,1\nFe2O3,2\nXx,3\nMg3Cl2,4\n")
    write_known_phases(inputs / "known.csv")
    write_crystals(inputs / "crystals")
    write_wafer(inputs / "wafer", num_samples=12)
    folders = [tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("another") / "working" / "folder"]
    for folder, hash_seed in zip(folders, ("1", "4711"), strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(CHILD.parents[2])}
        environment["GIT_DIR"] = os.devnull  # the checkout may be worked on meanwhile; a commit is no part of a result
        done = subprocess.run(
            [sys.executable, str(CHILD), str(inputs)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS_TO_WAIT,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        print(done.stdout)
    return folders


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def without_times(value):
    """JSON without the keys of ``TIMES``, at any depth."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def content(path: Path, root: Path) -> object:
    """What has to be the same in two runs: the bytes, but for times and for the place of the working folder."""
    data = path.read_bytes()
    if path.suffix == ".json":
        return json.dumps(without_times(json.loads(data.decode().replace(str(root), "."))))  # keeps the order of keys
    if path.suffix == ".csv":
        lines = [line.split(b",") for line in data.split(b"\n")]
        timed = {number for number, name in enumerate(lines[0]) if name.decode("utf-8", "replace") in TIMES}
        return [[cell for number, cell in enumerate(line) if number not in timed] for line in lines] if timed else data
    if path.name == "report.md":
        return [line for line in data.decode().splitlines() if not line.startswith("- Date: ")]
    if path.name == "checkpoint.npz":
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist() if name != "header.npy"}
        with np.load(path, allow_pickle=False) as saved:
            return members, without_times(json.loads(saved["header"].tobytes()))
    return data


def test_every_command_leaves_the_same_bytes_twice(runs, faults):
    first, second = runs
    names = files_of(first)
    assert names == files_of(second)
    with faults.inject(len(names)):
        different = [name for name in names if content(first / name, first) != content(second / name, second)]
        assert different == []


def test_files_of_every_kind_were_compared(runs):
    suffixes = {Path(name).suffix for name in files_of(runs[0])}
    assert {".keras", ".json", ".csv", ".npz", ".png", ".parquet", ".ang"} <= suffixes, suffixes


def test_models_are_the_same_to_the_last_byte_of_the_archive(runs):
    first, second = runs
    models = [name for name in files_of(first) if name.endswith(".keras")]
    assert len(models) == 6
    for name in models:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
        hashes = [json.loads((folder / name).with_suffix(".json").read_text())["sha256"] for folder in runs]
        assert hashes[0] == hashes[1], name
