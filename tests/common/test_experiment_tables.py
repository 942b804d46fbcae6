"""Measured enthalpies: SSUB and its corrections, the leaderboard's split, the CRC table, zipped files."""

import json
import os
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Composition

from common.composition import composition_keys, encode
from common.datasets import DATASETS, load
from common.experiment_tables import (
    EV_PER_ATOM_IN_J_PER_MOL,
    LEADERBOARD_SPLIT,
    read_crc,
    read_ssub,
    read_ssub_leaderboard,
    read_zipped,
)

MIRROR = os.environ.get("MATERIALS_DL_MIRROR")  # before conftest.py takes it away
TARGET = "formation_energy_ev_per_atom"
SSUB = "NaN -0.1\nLiNbO3 -5.66\nFe2O3 -1.7\nO3Fe2 -1.71\nNbLiO3 -5.60\nCm 1.8e-09\nCm 0.03\nMgO -3.1\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def zipped(path: Path, **members: str | bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def by_formula(frame) -> dict[str, float]:
    return dict(zip(frame["formula"], frame[TARGET], strict=True))


# ---------------------------------------------------------------------------------------------------------------- SSUB


def test_lowest_of_each_composition(tmp_path):
    frame, notes = read_ssub([write(tmp_path / "ssub.dat", SSUB)])
    assert by_formula(frame) == {"NaN": -0.1, "LiNbO3": -5.66, "Fe2O3": -1.71, "Cm": 0.03, "MgO": -3.1}
    assert len(frame) == 6 and frame["split"].isin(["train", "val", "test"]).all()  # curium is for cleaning to report
    assert notes == ["2 compositions with several rows (4 rows): the lowest value of each kept."]


def test_literature_value_replaces_all_of_a_composition_and_adds_none(tmp_path):
    text = "O3LiNb -2.774 Pozdnyakova\\cite{Pozdnyakova2002}\nPtZr -0.99 Kubaschewski\nEs -9 nobody\n"
    paths = [write(tmp_path / "ssub.dat", SSUB), write(tmp_path / "corrections.dat", text)]
    frame, notes = read_ssub(paths)
    assert by_formula(frame) == {"NaN": -0.1, "LiNbO3": -2.774, "Fe2O3": -1.71, "Cm": 0.03, "MgO": -3.1}
    assert notes[0] == (
        "1 compositions have the literature value of corrections.dat in place of SSUB's (eV/atom): "
        "LiNbO3 -5.660 to -2.774."
    )
    published, _ = read_ssub(paths[:1])
    assert published["split"].tolist() == frame["split"].tolist()


@pytest.mark.skipif(MIRROR is None, reason="needs the public files in a mirror folder")
def test_real_corrections(monkeypatch):
    monkeypatch.setenv("MATERIALS_DL_MIRROR", MIRROR)
    corrected = load("ssub", allow_stand_in=False)
    values, published = by_formula(corrected.frame), by_formula(load("ssub_as_published", allow_stand_in=False).frame)
    assert values.keys() == published.keys()
    # corrections.dat by eye
    assert [values[name] for name in ("LiNbO3", "AlB2", "PtZr", "InN")] == [-2.774, -0.055, -0.99, -0.716]
    change = {name: values[name] - published[name] for name in values if values[name] != published[name]}
    assert len(change) == 13 and corrected.notes[0].startswith("ssub: 13 compositions have the literature value")
    large = {name: round(value, 2) for name, value in change.items() if abs(value) > 0.05}
    assert large == {"LiNbO3": 2.89, "PtZr": 0.57, "AlB2": 0.47, "InN": -0.22, "EuF3": -0.09, "MnSe": 0.08}


# --------------------------------------------------------------------------------------------------------- leaderboard


def split_file(tmp_path, parts) -> list[Path]:
    text = parts if isinstance(parts, str) else json.dumps(parts)
    archive = zipped(tmp_path / "split.zip", **{LEADERBOARD_SPLIT: text})
    return [write(tmp_path / "ssub.dat", SSUB), archive]


def test_leaderboard_rows_keep_ids_elements_and_duplicates(tmp_path):
    parts = {"train": {"3": -1.71, "0": -0.1, "5": 1.8e-9}, "test": {"2": -1.7, "7": -3.1}}
    frame, notes = read_ssub_leaderboard(split_file(tmp_path, parts))
    assert frame.columns.tolist() == ["id", "formula", TARGET, "split"] and notes == []
    assert frame["id"].tolist() == ["3", "0", "5", "2", "7"]
    assert frame["formula"].tolist() == ["O3Fe2", "NaN", "Cm", "Fe2O3", "MgO"]
    assert frame[TARGET].tolist() == [-1.71, -0.1, 1.8e-9, -1.7, -3.1]
    assert frame["split"].tolist() == ["train"] * 3 + ["test"] * 2


@pytest.mark.parametrize(
    "parts",
    [
        "not JSON",
        "[]",
        {"train": {"0": -0.1}},
        {"train": [1], "test": {}},
        {"train": {"8": -3.1}, "test": {}},
        {"train": {"JVASP-1": -3.1}, "test": {}},
        {"train": {"0": None}, "test": {}},
    ],
)
def test_split_of_another_form_is_one_sentence(tmp_path, parts):
    with pytest.raises(ValueError, match=r'Expected \{"train": \{row of ssub.dat: eV/atom.*received something else'):
        read_ssub_leaderboard(split_file(tmp_path, parts))


def test_split_of_another_table_is_refused(tmp_path):
    with pytest.raises(ValueError, match="received others in 1 rows, the first of them 7; .* do not belong together"):
        read_ssub_leaderboard(split_file(tmp_path, {"train": {"0": -0.1}, "test": {"7": -3.2}}))


@pytest.mark.skipif(MIRROR is None, reason="needs the public files in a mirror folder")
def test_real_leaderboard(monkeypatch):
    monkeypatch.setenv("MATERIALS_DL_MIRROR", MIRROR)
    frame = load("ssub_leaderboard", allow_stand_in=False).frame
    assert frame["split"].value_counts().to_dict() == {"train": 1381, "test": 345}
    assert frame["id"].is_unique and frame["id"].iloc[1381] == "1228"  # first row of every posted file


# ----------------------------------------------------------------------------------------------------------------- CRC

HEADER = "CAS\tChemical\tHfs\tGfs\n"
SUBSTANCES = {  # CAS number: name, J/mol, formula
    "1": ("Aluminum oxide", "-1675700.0", "Al2O3"),
    "2": ("Water", "", "H2O"),
    "3": ("Silver", "0.0", "Ag"),
    "4": ("Calcium carbonate", "-1207600.0", "CCaO3"),
    "5": ("Urea", "-333100.0", "CH4N2O"),
    "6": ("Lithium oxide", "-597900.0", "HLi2O+"),
    "7": ("Radium chloride", "-976000.0", "Cl2Ra"),
    "8": ("Titanium(III,IV) oxide", "-2459400.0", "OTi"),
    "9": ("Titanium(II) oxide", "-519700.0", "OTi"),
    "10": ("Sodium chloride", "-411200.0", "ClNa"),
    "11": ("Sodium azide", "21700.0", None),
}


def test_inorganic_solids_of_the_table(tmp_path):
    table = HEADER + "".join(f"{cas}\t{name}\t{value}\t\n" for cas, (name, value, _) in SUBSTANCES.items())
    identifiers = "".join(f"-1\t{cas}\t{formula}\t1.0\tx\n" for cas, (*_, formula) in SUBSTANCES.items() if formula)
    paths = [
        write(tmp_path / "crc.tsv", table),
        write(tmp_path / "first.tsv", identifiers),
        write(tmp_path / "second.tsv", "5\t10\tClNa2\t1.0\tx\n6\t99\tNaF\t1.0\tx\n"),  # the first file decides
    ]
    frame, notes = read_crc(paths)
    assert frame["formula"].tolist() == ["Al2O3", "CCaO3", "ClNa"]
    assert frame["cas"].tolist() == ["1", "4", "10"] and frame["name"].iloc[2] == "Sodium chloride"
    # 1 eV/atom is 96.485 kJ/mol (CODATA 2018)
    expected = [-1675.7 / 96.48533212 / 5, -1207.6 / 96.48533212 / 5, -411.2 / 96.48533212 / 2]
    assert frame[TARGET].to_numpy() == pytest.approx(np.array(expected), rel=1e-9)
    for note in (
        "1 substances without an enthalpy of the solid: left out.",
        "1 substances whose formula is not known: left out.",
        "1 substances with the formula of an ion: left out.",
        "1 substances of carbon and hydrogen: left out.",
        "1 pure elements: left out.",
        "1 substances with elements beyond the 86: left out.",
        "1 compositions with contradictory rows (2 rows): left out.",
    ):
        assert note in notes
    assert len(notes) == 7


# kJ/mol, CRC Handbook of Chemistry and Physics, Standard Thermodynamic Properties of Chemical Substances
HANDBOOK = {
    "NaCl": -411.2,
    "MgO": -601.6,
    "Al2O3": -1675.7,
    "CaCO3": -1207.6,
    "K2SO4": -1437.8,
    "ZnS": -206.0,
    "AgBr": -100.4,
}


def test_bundled_enthalpies_are_the_handbooks():
    loaded = load("crc_enthalpies")
    assert (loaded.tier, loaded.rows) == ("bundled", DATASETS["crc_enthalpies"].rows)
    frame = loaded.frame
    assert np.isfinite(frame[TARGET]).all() and (frame["split"].value_counts() > 30).all()
    encoded = encode(frame["formula"])
    assert encoded.ok.all() and ((encoded.fractions > 0).sum(axis=1) >= 2).all()
    row_of = {int(key): row for row, key in enumerate(composition_keys(encoded.fractions))}
    assert len(row_of) == len(frame)
    for formula, kj_per_mol in HANDBOOK.items():
        row = row_of[int(composition_keys(encode([formula]).fractions)[0])]
        expected = 1000 * kj_per_mol / EV_PER_ATOM_IN_J_PER_MOL / Composition(formula).num_atoms
        assert frame[TARGET].iloc[row] == pytest.approx(expected, abs=1e-6), formula


@pytest.mark.skipif(MIRROR is None, reason="needs the public files in a mirror folder")
def test_bundled_enthalpies_agree_with_ssub(monkeypatch):
    monkeypatch.setenv("MATERIALS_DL_MIRROR", MIRROR)
    crc, ssub = load("crc_enthalpies").frame, load("ssub", allow_stand_in=False).frame
    values = []
    for frame in (crc, ssub):
        encoded = encode(frame["formula"])
        keys = composition_keys(encoded.fractions[encoded.ok])
        values.append(dict(zip(keys, frame[TARGET][encoded.ok], strict=True)))
    errors = np.array([abs(values[0][key] - values[1][key]) for key in values[0].keys() & values[1].keys()])
    assert len(errors) > 430
    assert np.median(errors) < 0.005 and (errors > 0.2).sum() <= 4  # wrong formulas, and one wrong sign (GeTe)


# ------------------------------------------------------------------------------------------------------- zipped files


def test_zipped_file_is_read_in_memory(tmp_path):
    path = zipped(tmp_path / "a.zip", **{"a.csv": "id\n1\n", "../../b.csv": "x"})
    assert read_zipped(path, "a.csv") == b"id\n1\n"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.zip"]


def test_zipped_file_has_a_size_limit(tmp_path):
    path = zipped(tmp_path / "a.zip", **{"a.csv": b"\0" * 5_000_000})
    assert path.stat().st_size < 10_000
    with pytest.raises(ValueError, match="Expected at most 4,999,999 bytes of a.csv in .*a.zip, received more"):
        read_zipped(path, "a.csv", max_bytes=4_999_999)
    assert len(read_zipped(path, "a.csv", max_bytes=5_000_000)) == 5_000_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="Expected at most 1,000 bytes"):
        read_zipped(path, "a.csv", max_bytes=1000)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1_000_000  # it does not first unpack the whole


def test_zip_without_the_file_or_damaged_is_one_sentence(tmp_path):
    path = zipped(tmp_path / "a.zip", **{"a.csv": "id,prediction\n" + "1,0.5\n" * 100})
    with pytest.raises(ValueError, match=r"Expected the file b.csv in .*a.zip, received \['a.csv'\]"):
        read_zipped(path, "b.csv")
    content = bytearray(path.read_bytes())
    content[45] ^= 0xFF  # in the compressed data
    path.write_bytes(content)
    for damaged in (path, write(tmp_path / "b.zip", "id,prediction\n")):
        with pytest.raises(ValueError, match="Expected a zip archive with a.csv in .*cannot be read"):
            read_zipped(damaged, "a.csv")
