"""Finding, verifying and reading data, with a registry of tiny files: no network, nobody's cache."""

import dataclasses
import gzip
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from common import datasets, fetch
from common.datasets import DATASETS, CorruptDataError, DataFile, DataUnavailableError, load

CONTENT = {
    "train": b"formula,target\nNaCl,-2.1\nNaN,-0.5\n",
    "val": b"formula,target\nFe2O3,-1.7\n",
    "test": b"formula,target\nTiO2,\n",
}
SUBSET = b"composition,delta_e_ev_per_atom,split_v2021_03\nClNa,-2.1,test\nNNa,-0.5,val\nFe2O3,-1.7,\n"
OQMD = "oqmd/OQMD_Formation_Enthalpy"


def git_blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Server:
    """Stands in for the downloader: serves `pages` by URL and counts the requests."""

    def __init__(self):
        self.pages: dict[str, bytes] = {}
        self.requests: list[str] = []

    def __call__(self, url, output_file, pooch):
        self.requests.append(url)
        with Path(output_file).open("wb") as stream:
            stream.write(self.pages.get(url, b"")[:10])  # a broken connection leaves a part
            if url not in self.pages:
                raise ConnectionError("no route to host")
            stream.write(self.pages[url][10:])


@pytest.fixture
def server(monkeypatch):
    server = Server()
    options = {}
    monkeypatch.setattr(fetch.pooch, "HTTPDownloader", lambda **kwargs: options.update(kwargs) or server)
    server.options = options
    return server


@pytest.fixture
def folders(monkeypatch, tmp_path):
    for name in ("cache", "mirror"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"MATERIALS_DL_{name.upper()}", str(tmp_path / name))
    monkeypatch.delenv("MATERIALS_DL_OFFLINE", raising=False)
    return tmp_path


@pytest.fixture
def registry(monkeypatch, folders, server):
    """`DATASETS` with the hashes of the tiny files above."""
    oqmd = dataclasses.replace(
        DATASETS["oqmd"],
        files=tuple(
            DataFile(f"{OQMD}/{split}.csv", url=f"https://example.org/{split}.csv", git_blob=git_blob_id(content))
            for split, content in CONTENT.items()
        ),
    )
    zipped = gzip.compress(SUBSET, mtime=0)
    subset = dataclasses.replace(
        DATASETS["oqmd_subset"],
        files=(DataFile("oqmd/oqmd_subset.csv.gz", sha256=hashlib.sha256(zipped).hexdigest()),),
    )
    monkeypatch.setitem(datasets.DATASETS, "oqmd", oqmd)
    monkeypatch.setitem(datasets.DATASETS, "oqmd_subset", subset)
    return folders


def put(folder, path, content):
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def put_oqmd(folder):
    for split, content in CONTENT.items():
        put(folder, f"{OQMD}/{split}.csv", content)


def all_files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


# ------------------------------------------------------------------------------------------- where files are found


def test_mirror_is_used_in_place(registry, server):
    put_oqmd(registry / "mirror")
    for path in all_files(registry / "mirror"):
        path.chmod(0o444)
    loaded = load("oqmd")
    assert (loaded.tier, loaded.rows, loaded.notes) == ("public", 4, [])
    assert loaded.frame["formula"].tolist() == ["NaCl", "NaN", "Fe2O3", "TiO2"]
    assert loaded.frame["split"].tolist() == ["train", "train", "val", "test"]
    np.testing.assert_array_equal(loaded.frame["formation_energy_ev_per_atom"], [-2.1, -0.5, -1.7, np.nan])
    assert loaded.files[f"{OQMD}/val.csv"] == f"git:{git_blob_id(CONTENT['val'])}"
    assert server.requests == [] and all_files(registry / "cache") == []


def test_data_dir_comes_first(registry, server):
    put_oqmd(registry / "mine")
    put(registry / "cache", f"{OQMD}/train.csv", b"corrupt, but never looked at")
    assert load("oqmd", data_dir=registry / "mine").tier == "public"


def test_download_once_then_cache(registry, server):
    server.pages = {f"https://example.org/{split}.csv": content for split, content in CONTENT.items()}
    first = load("oqmd")
    assert first.tier == "public" and len(server.requests) == 3
    assert server.options["timeout"] == 10
    assert [path.name for path in all_files(registry / "cache")] == ["test.csv", "train.csv", "val.csv"]
    server.pages = {}
    assert load("oqmd").frame.equals(first.frame) and len(server.requests) == 3


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git as the oracle")
def test_git_blob_id_is_that_of_git(tmp_path):
    content = os.urandom(3_000_000)
    path = put(tmp_path, "file", content)
    expected = subprocess.run(["git", "hash-object", "--no-filters", str(path)], capture_output=True, text=True)
    assert fetch.hash_file(path, "git") == expected.stdout.strip() == git_blob_id(content)


# ----------------------------------------------------------------------------------------------------- stand-ins


def test_stand_in_is_said(registry, server):
    put(registry / "mirror", "oqmd/oqmd_subset.csv.gz", gzip.compress(SUBSET, mtime=0))
    loaded = load("oqmd")
    assert (loaded.tier, loaded.name, loaded.rows) == ("stand-in", "oqmd_subset", 3)
    assert loaded.frame["split"].tolist() == ["test", "train", "train"]
    assert "could not be had" in loaded.notes[0] and "no route to host" in loaded.notes[0]
    assert "MATERIALS_DL_MIRROR" in loaded.notes[0]
    assert "is used in place of OQMD formation enthalpies" in loaded.notes[1]
    assert "score" in loaded.notes[2]
    assert server.requests == ["https://example.org/train.csv"]  # one refusal is enough
    assert all_files(registry / "cache") == []


def test_bundled_sample(folders):
    loaded = load("flla")
    assert (loaded.tier, loaded.name) == ("bundled", "flla")
    assert loaded.rows == len(loaded.frame) == DATASETS["flla"].rows
    assert loaded.frame.columns[:3].tolist() == ["formula", "formation_energy_ev_per_atom", "split"]
    assert loaded.frame["formation_energy_ev_per_atom"].dtype == np.float64
    assert loaded.frame["formation_energy_ev_per_atom"].between(-5, 3).all()
    shares = loaded.frame["split"].value_counts(normalize=True)
    assert shares.to_dict() == pytest.approx({"train": 0.8, "val": 0.1, "test": 0.1}, abs=0.02)
    assert loaded.frame.groupby("formula")["split"].nunique().max() == 1  # polymorphs stay together
    assert all_files(folders) == []


def test_without_anything_the_bundled_sample_is_used(registry, server, monkeypatch):
    monkeypatch.setenv("MATERIALS_DL_OFFLINE", "1")
    loaded = load("oqmd")
    assert (loaded.tier, loaded.name) == ("bundled", "flla")
    assert len(loaded.notes) == 5 and "MATERIALS_DL_OFFLINE=1" in loaded.notes[0]
    assert server.requests == []


def test_pinned_choice_has_no_stand_in(registry, server):
    with pytest.raises(DataUnavailableError, match="no route to host.*MATERIALS_DL_MIRROR"):
        load("oqmd", allow_stand_in=False)


def test_structures_fall_back_on_the_bundled_ones(registry):
    loaded = load("mp_structures")
    assert (loaded.tier, loaded.name, loaded.rows) == ("bundled", "flla_structures", 3_938)
    assert "could not be had" in loaded.notes[0] and "the bundled structures" in loaded.notes[1]


def test_tasks_name_a_column_of_the_same_file(registry, monkeypatch):
    text = (
        b"composition,delta_e_ev_per_atom,volume_per_atom_a3,split_v2021_03\n"
        b"ClNa,-2.1,22.5,test\nNNa,-0.5,,val\nFe2O3,-1.7,10.1,\nFe4O6,-1.9,10.3,\n"
    )
    zipped = gzip.compress(text, mtime=0)
    put(registry / "mirror", "oqmd/oqmd_subset.csv.gz", zipped)
    file = DataFile("oqmd/oqmd_subset.csv.gz", sha256=hashlib.sha256(zipped).hexdigest())
    for name in ("oqmd_formation_enthalpy", "oqmd_volume"):
        monkeypatch.setitem(datasets.DATASETS, name, dataclasses.replace(DATASETS[name], files=(file,)))
    enthalpy, volume = load("oqmd_formation_enthalpy"), load("oqmd_volume")
    assert enthalpy.frame["formula"].tolist() == ["ClNa", "NNa", "Fe2O3"]
    assert enthalpy.frame["formation_energy_ev_per_atom"].tolist() == [-2.1, -0.5, -1.9]
    assert enthalpy.frame["split"].tolist() == ["test", "val", "train"]
    assert volume.frame["formula"].tolist() == ["ClNa", "Fe2O3"]
    assert volume.frame["volume_per_atom_a3"].tolist() == pytest.approx([22.5, 10.2])
    assert "oqmd_volume: 1 rows without volume_per_atom_a3: left out." in volume.notes


def test_data_without_stand_in(registry):
    with pytest.raises(DataUnavailableError, match="not published; put it at oqmd/published"):
        load("oqmd_published_elemnet")


# -------------------------------------------------------------------------------------------------- corrupt files


@pytest.mark.parametrize("place", ["mirror", "cache", "mine"])
def test_corrupt_file_stops_the_run_and_stays(registry, server, place):
    put_oqmd(registry / place)
    content = b"formula,target\nFe2O3,-9.9\n"
    corrupt = put(registry / place, f"{OQMD}/val.csv", content)
    with pytest.raises(CorruptDataError) as caught:
        load("oqmd", data_dir=registry / "mine")
    for part in (str(corrupt), git_blob_id(content), git_blob_id(CONTENT["val"]), "replace it by a good copy"):
        assert part in str(caught.value)
    assert corrupt.read_bytes() == content
    assert server.requests == []


def test_corrupt_stand_in_stops_the_run(registry):
    put(registry / "mirror", "oqmd/oqmd_subset.csv.gz", b"not gzip")
    with pytest.raises(CorruptDataError, match="sha256"):
        load("oqmd")


def test_wrong_download_is_refused_and_leaves_nothing(registry, server):
    server.pages = {"https://example.org/train.csv": b"<html>Please log in to the network</html>"}
    with pytest.raises(CorruptDataError, match="https://example.org/train.csv.*MATERIALS_DL_OFFLINE=1"):
        load("oqmd")
    assert all_files(registry / "cache") == []
