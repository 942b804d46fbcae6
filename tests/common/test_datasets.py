"""The registry of data sets, the public files it names where they are there, and the user's own table."""

import gzip
import hashlib
import importlib.resources
import os

import numpy as np
import pytest

from common import datasets
from common.composition import composition_keys, encode
from common.composition_tables import TableReader
from common.datasets import DATASETS, DataUnavailableError, load, load_user_file, structures
from common.splits import check_disjoint
from common.structure_tables import StructureReader

MIRROR = os.environ.get("MATERIALS_DL_MIRROR")  # before conftest.py takes it away


# --------------------------------------------------------------------------------------------------- the registry


def test_every_entry_is_complete():
    for name, dataset in DATASETS.items():
        assert name == dataset.name
        assert dataset.unit and dataset.licence and dataset.citation and dataset.rows > 0
        assert dataset.stand_in is None or dataset.stand_in in DATASETS
        for file in dataset.files:
            assert (file.sha256 and len(file.sha256) == 64) or (file.git_blob and len(file.git_blob) == 40)
            assert file.url is None or file.url.startswith("https://")


UNITS = {
    "formation_energy_ev_per_atom": "eV/atom",
    "heat_ev_per_atom": "eV/atom",
    "energy_above_hull_ev_per_atom": "eV/atom",
    "band_gap_ev": "eV",
    "volume_per_atom_a3": "angstrom^3/atom",
    "is_metal": "0 or 1",
    "is_magnetic": "0 or 1",
}


def test_targets_carry_their_units():
    for dataset in DATASETS.values():
        assert dataset.unit == UNITS[dataset.target], dataset.name


def test_a_stand_in_has_the_same_target_and_kind():
    for dataset in DATASETS.values():
        if dataset.stand_in:
            stand_in = DATASETS[dataset.stand_in]
            assert (stand_in.target, stand_in.unit) == (dataset.target, dataset.unit)
            is_structures = [isinstance(entry.reader, StructureReader) for entry in (dataset, stand_in)]
            assert is_structures[0] == is_structures[1], dataset.name


def test_one_path_has_one_hash():
    hashes = {}
    for dataset in DATASETS.values():
        for file in dataset.files:
            assert hashes.setdefault(file.path, file.expected_hash) == file.expected_hash


@pytest.mark.skipif(MIRROR is None, reason="needs the public files in a mirror folder")
@pytest.mark.parametrize("name", [name for name in DATASETS if name not in ("oqmd",)])
def test_real_files(monkeypatch, name):
    monkeypatch.setenv("MATERIALS_DL_MIRROR", MIRROR)
    dataset = DATASETS[name]
    try:
        loaded = load(name, allow_stand_in=False)
    except DataUnavailableError:
        pytest.skip(f"the mirror has no {name}")
    frame = loaded.frame
    assert loaded.rows == len(frame) == dataset.rows
    assert frame[dataset.target].dtype == np.float64 and np.isfinite(frame[dataset.target]).all()
    encoded = encode(frame["formula"])
    assert (~encoded.ok).sum() <= 7  # He and Ne; in SSUB Po, Fr, Ra, Es, Fm, and Cm twice
    parts = {
        part: composition_keys(encoded.fractions[encoded.ok & (frame["split"] == part).to_numpy()])
        for part in ("train", "val", "test")
    }
    check_disjoint(**parts)
    assert sum(map(len, parts.values())) == encoded.ok.sum() and len(parts["test"]) > 0
    if isinstance(dataset.reader, TableReader):
        assert len(np.unique(np.concatenate(list(parts.values())))) == encoded.ok.sum()  # one row of each
        assert len(parts["val"]) > 0
    if dataset.unit == "0 or 1":
        assert set(frame[dataset.target]) == {0.0, 1.0}
    if isinstance(dataset.reader, StructureReader):
        rows = frame.sample(50, random_state=0)
        for formula, structure in zip(rows["formula"], structures(rows), strict=True):
            assert encode([formula]).fractions[0] == pytest.approx(
                encode([structure.composition.formula.replace(" ", "")]).fractions[0]
            )


def test_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="oqmd_subset.*received 'oqdm'"):
        load("oqdm")


def test_bundled_sample_ships_its_licence():
    folder = importlib.resources.files("common") / "bundled"
    assert "Lawrence Berkeley" in (folder / "LICENSE.matminer").read_text(encoding="utf-8")
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for part in ("10.1002/qua.24917", "flla.csv.gz", "flla_structures.jsonl.gz"):
        assert part in readme


# ---------------------------------------------------------------------------------------------------- user's file


def test_user_file_with_own_names(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("\ufeffID, Composition ,Delta_E\n1,NaN,-0.5\n2,NaCl,n/a\n3,oops(,0\n", encoding="utf-8")
    loaded = load_user_file(path)
    assert (loaded.tier, loaded.name, loaded.rows) == ("user", "mine.csv", 3)
    assert loaded.frame["formula"].tolist() == ["NaN", "NaCl", "oops("]
    np.testing.assert_array_equal(loaded.frame["formation_energy_ev_per_atom"], [-0.5, np.nan, 0.0])
    assert loaded.frame["split"].isin(["train", "val", "test"]).all()
    assert loaded.files == {"mine.csv": f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"}
    notes = " ".join(loaded.notes)
    assert "'Delta_E' is read as formation energy in eV/atom" in notes and "1 of 3 rows have no number" in notes


def test_user_file_with_other_targets(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("Formula,Band_gap_eV,note\nNaCl,5.1,a\nNaN,,b\n", encoding="utf-8")
    loaded = datasets.load_user_file(path, ["band_gap_ev"])
    assert loaded.frame["formula"].tolist() == ["NaCl", "NaN"]
    assert loaded.frame["band_gap_ev"].isna().tolist() == [False, True]
    with pytest.raises(ValueError, match="'volume'"):
        datasets.load_user_file(path, ["volume"])


def test_damaged_user_file_is_one_sentence(tmp_path):
    content = bytearray(gzip.compress(b"formula,formation_energy_ev_per_atom\n" + b"NaCl,-2.1\n" * 50, mtime=0))
    path = tmp_path / "mine.csv.gz"
    for place in range(12, len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        with pytest.raises(ValueError, match="cannot be read"):
            datasets.load_user_file(path)


def test_user_file_gzipped_with_split(tmp_path):
    path = tmp_path / "mine.csv.gz"
    path.write_bytes(gzip.compress(b"formula,formation_energy_ev_per_atom,split\nNaCl,-2.1,Test\nFe,0,train\n"))
    assert load_user_file(str(path)).frame["split"].tolist() == ["test", "train"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"formula,energy\nNaCl,1\n", "'formation_energy_ev_per_atom'.*received the columns formula, energy"),
        (b"name,target\nNaCl,1\n", "Expected a column 'formula'.*received the columns name, target"),
        (b"formula;target\nNaCl;1\n", "received the columns formula;target"),
        (b"formula,target\n", "at least one row"),
        (b"", "cannot be read"),
        (b"formula,target\n\xff\xfe,1\n", "cannot be read"),
        (b"formula,target,split\nNaCl,1,holdout\n", "train, val, test.*holdout"),
    ],
)
def test_user_file_with_a_mistake(tmp_path, content, message):
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_user_file(path)


def test_user_file_that_is_no_gzip_or_not_there(tmp_path):
    path = tmp_path / "mine.csv.gz"
    path.write_bytes(b"formula,target\nNaCl,1\n")
    with pytest.raises(ValueError, match="cannot be read"):
        load_user_file(path)
    with pytest.raises(FileNotFoundError, match="nothing.csv"):
        load_user_file(tmp_path / "nothing.csv")
