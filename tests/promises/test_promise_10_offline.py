"""After the first run everything works offline; what cannot be had is said in one clear sentence.

Here: files in the cache and in mirrors, and commands without a network. `test_promise_10_downloads.py` has downloads.
"""

import dataclasses
import errno
import shutil
import socket
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from common import datasets, fetch
from common.datasets import CorruptDataError, DataUnavailableError, load
from tests.promises.small_inputs import write_crystals
from tests.promises.troubled_server import (  # noqa: F401 - fixtures among them
    CONTENT,
    HALF,
    PLACE,
    check_sentence,
    folders_fixture,
    not_found,
    put,
    server_fixture,
    subset_fixture,
    whole,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def no_network(folders, monkeypatch):
    """Every attempt to leave the machine fails and is listed."""
    attempts = []
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            attempts.append(address)
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return connect(self, address)

    def no_names(host, *_, **__):
        attempts.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr(socket, "getaddrinfo", no_names)
    return attempts


# ----------------------------------------------------------------------------------------------------- files on disk


@pytest.mark.parametrize("place", ["cache", "mirror", "mine"])
def test_a_damaged_file_is_never_used_and_stays(server, folders, faults, place):
    """Also one that was whole when it was downloaded."""
    rng = np.random.default_rng(0)
    for _ in range(25):
        damaged = bytearray(CONTENT)
        kind = rng.integers(4)
        if kind == 0:
            damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del damaged[rng.integers(len(damaged)) :]
        elif kind == 2:
            damaged += rng.bytes(int(rng.integers(1, 9)))
        else:
            start = int(rng.integers(HALF))
            damaged[start : start + 64] = bytes(64)
        path = put(folders / place, bytes(damaged))
        with faults.inject():
            with pytest.raises(CorruptDataError) as caught:
                fetch.fetch(server.file, data_dir=folders / "mine")
            check_sentence(caught.value, str(path), "move it away, or replace it by a good copy")
            assert path.read_bytes() == bytes(damaged) and server.num_requests == 0


def test_a_folder_in_place_of_a_file_is_one_sentence(server, folders, faults):
    (folders / "mirror" / PLACE).mkdir(parents=True)
    with faults.inject(), pytest.raises(DataUnavailableError) as caught:
        fetch.fetch(server.file)
    check_sentence(caught.value, str(folders / "mirror" / PLACE), "cannot be read")


def test_a_mirror_that_vanishes_between_two_calls_is_one_sentence(subset, server, folders, monkeypatch, faults):
    put(folders / "mirror")
    first = load("oqmd_subset").frame
    shutil.rmtree(folders / "mirror")
    server.behaviour = not_found
    with faults.inject(2):
        with pytest.raises(DataUnavailableError) as caught:
            load("oqmd_subset")
        check_sentence(caught.value, "404", "MATERIALS_DL_MIRROR")
        server.behaviour = whole  # what a mirror had can be downloaded
        pd.testing.assert_frame_equal(load("oqmd_subset").frame, first)


@pytest.mark.parametrize("how", ["removed", "torn"])
def test_a_mirror_that_vanishes_after_the_check_is_one_sentence(subset, folders, monkeypatch, faults, how):
    def read(paths):
        if how == "removed":
            shutil.rmtree(folders / "mirror")
        else:
            put(folders / "mirror", CONTENT[:HALF])
        return subset.reader(paths)

    put(folders / "mirror")
    monkeypatch.setitem(datasets.DATASETS, "oqmd_subset", dataclasses.replace(subset, reader=read))
    with faults.inject(), pytest.raises(DataUnavailableError) as caught:
        load("oqmd_subset")
    check_sentence(caught.value, "oqmd_subset", "run again")


def test_a_mirror_that_comes_and_goes_is_never_anything_else(server, folders, monkeypatch, faults):
    """Whenever it goes: before the file is looked for, before it is opened, while it is read."""
    monkeypatch.setenv("MATERIALS_DL_OFFLINE", "1")
    path, ends, outcomes = folders / "mirror" / PLACE, threading.Event(), []

    def come_and_go():
        while not ends.is_set():
            put(folders / "other").replace(path) if path.parent.exists() else path.parent.mkdir(parents=True)
            path.unlink(missing_ok=True)

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        with faults.inject(2_000):
            for _ in range(2_000):
                try:
                    outcomes.append(fetch.fetch(server.file) == path)
                except DataUnavailableError as error:
                    check_sentence(error, "MATERIALS_DL_OFFLINE=1")
    finally:
        ends.set()
        thread.join()
    assert 0 < sum(outcomes) < 2_000


# ------------------------------------------------------------------------------------------------------------- offline


def test_after_the_first_run_no_network_is_needed(subset, server, folders, request, faults):
    first = load("oqmd_subset").frame
    assert server.num_requests == 1
    server.stop()
    attempts = request.getfixturevalue("no_network")
    with faults.inject():
        pd.testing.assert_frame_equal(load("oqmd_subset").frame, first)
        assert attempts == [] and server.num_requests == 1


def test_every_public_file_that_is_out_of_reach_is_one_sentence(no_network, faults):
    from padnet.data import BICUVO_FILES, STORED_RESULTS, WAFER_LABELS

    registered = {file.path: file for entry in datasets.DATASETS.values() for file in entry.files if not file.package}
    files = [*registered.values(), *BICUVO_FILES.values(), STORED_RESULTS, WAFER_LABELS]
    for file in files:
        with faults.inject(), pytest.raises(DataUnavailableError) as caught:
            fetch.fetch(file)
        check_sentence(caught.value, file.path, "MATERIALS_DL_MIRROR")
    assert len(no_network) == sum(file.url is not None for file in files) > 0


def commands(folder: Path) -> dict[str, tuple]:
    from elemnet.__main__ import app as elemnet
    from irnet.__main__ import app as irnet
    from omnet.__main__ import app as omnet
    from transfer.__main__ import app as transfer

    crystals = write_crystals(folder / "crystals")
    scan = ROOT / "omnet" / "bundled" / "nickel_ebsd_small_patterns.h5"
    return {
        "elemnet predict": (elemnet, "predict", "NaCl", "--strict"),
        "irnet predict": (irnet, "predict", crystals, "--model", "irnet_10", "--output", folder / "energies.csv"),
        "transfer predict": (transfer, "predict", "NaCl", "--strict"),
        "omnet index": (omnet, "index", scan, "--scan", "Scan 1", "--no-refine", "--output", folder / "angles.csv"),
    }


@pytest.mark.parametrize("name", ["elemnet predict", "irnet predict", "transfer predict", "omnet index"])
def test_what_ships_answers_without_a_network(no_network, tmp_path, faults, name):
    app, *arguments = commands(tmp_path)[name]
    with faults.inject():
        result = CliRunner().invoke(app, [*map(str, arguments)])
        assert result.exit_code == 0, result.output
        assert no_network == []


def test_training_without_a_network_says_what_it_uses_instead(no_network, tmp_path, refused, faults):
    from elemnet.__main__ import app

    short = ("--architecture", "8x1-1", "--epochs", "1", "--max-train-rows", "200", "--output", str(tmp_path / "run"))
    with faults.inject(2):
        result = CliRunner().invoke(app, ["train", *short])
        assert result.exit_code == 0, result.output
        assert "could not be had" in result.stdout and "is used in place of OQMD" in result.stdout
        assert "bundled sample" in result.stdout and no_network
        refused(CliRunner().invoke(app, ["train", "--data", "oqmd", *short[:-1], str(tmp_path / "2")]), "MIRROR")
