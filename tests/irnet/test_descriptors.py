"""Descriptor tables: computed in chunks, saved, read back and used again."""

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from common.features import ward2017
from common.structures import StructureRecord, read_structures
from common.tables import TableError
from irnet import descriptors
from irnet.descriptors import describe, describe_file, read_descriptors, structure_hash


def joined(chunks) -> pd.DataFrame:
    return pd.concat([chunk.to_frame() for chunk in chunks], ignore_index=True)


def records(crystals) -> list[StructureRecord]:
    good = [StructureRecord(name, crystal, "") for name, crystal in crystals.items()]
    return [good[0], StructureRecord("bad.cif", None, "It is empty."), *good[1:]]


@pytest.fixture
def featurized_names(monkeypatch):
    """Formulas of the structures whose attributes are really computed."""
    seen = []
    featurize = ward2017.featurize

    def spy(structures, **kwargs):
        structures = list(structures)
        seen.extend(structure.composition.reduced_formula for structure in structures)
        return featurize(structures, **kwargs)

    monkeypatch.setattr(ward2017, "featurize", spy)
    return seen


def test_every_record_has_its_row_in_order_whatever_the_chunks(crystals, monkeypatch):
    whole = joined(describe(records(crystals)))
    monkeypatch.setattr(descriptors, "STRUCTURES_PER_CHUNK", 2)
    chunks = list(describe(iter(records(crystals))))
    assert [len(chunk.names) for chunk in chunks] == [2, 2, 2]
    pd.testing.assert_frame_equal(joined(chunks), whole)
    assert whole["name"].tolist() == ["MgO.cif", "bad.cif", "NaCl.cif", "KCl.cif", "Fe.cif", "TiO.cif"]
    assert whole["status"].tolist() == ["ok", "error", *["ok"] * 4]
    assert whole["reason"][1] == "It is empty." and whole["formula"][1] == ""
    expected = ward2017.featurize(crystals.values()).attributes
    np.testing.assert_array_equal(whole.loc[whole["status"] == "ok", list(ward2017.LABELS)], expected)


def test_no_more_than_a_chunk_of_structures_is_read_ahead(crystals, monkeypatch):
    monkeypatch.setattr(descriptors, "STRUCTURES_PER_CHUNK", 2)
    taken = []

    def endless():
        while True:
            for name, crystal in crystals.items():
                taken.append(name)
                yield StructureRecord(name, crystal, "")

    chunks = describe(endless())
    next(chunks)
    assert len(taken) == 2


def test_a_table_read_back_is_the_table_written(crystals, tmp_path):
    for name in ("table.csv", "table.csv.gz"):
        (written,) = describe_file(records(crystals), tmp_path / name)
        read = read_descriptors(tmp_path / name)
        pd.testing.assert_frame_equal(read.to_frame(), written.to_frame(), check_exact=True)


def test_chunks_make_one_table(crystals, tmp_path, monkeypatch):
    list(describe_file(records(crystals), tmp_path / "whole.csv"))
    monkeypatch.setattr(descriptors, "STRUCTURES_PER_CHUNK", 2)
    list(describe_file(records(crystals), tmp_path / "chunks.csv"))
    assert (tmp_path / "chunks.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_rows_of_the_same_structures_are_used_again(crystals, tmp_path, featurized_names):
    path = tmp_path / "table.csv"
    list(describe_file(records(crystals)[:3], path))
    assert featurized_names == ["MgO", "NaCl"]
    featurized_names.clear()
    (again,) = describe_file(list(reversed(records(crystals))), path)
    assert again.num_reused == 2 and featurized_names == ["TiO", "Fe", "KCl"]
    assert again.names.tolist()[-1] == "MgO.cif" and len(read_descriptors(path).names) == 6
    featurized_names.clear()
    crystals = dict(crystals) | {"MgO.cif": crystals["MgO.cif"].copy().scale_lattice(80)}
    (moved,) = describe_file(records(crystals), path)  # the same name, another structure
    assert moved.num_reused == 4 and featurized_names == ["MgO"]


def test_rows_of_older_attributes_are_computed_anew(crystals, tmp_path, featurized_names, monkeypatch):
    list(describe_file(records(crystals), tmp_path / "table.csv"))
    monkeypatch.setattr(ward2017, "ATTRIBUTES_VERSION", -1)
    (again,) = describe_file(records(crystals), tmp_path / "table.csv")
    assert again.num_reused == 0 and len(featurized_names) == 10


def test_the_hash_tells_structures_apart(crystals):
    crystal = crystals["MgO.cif"]
    others = [crystal.copy(), crystal.copy(), crystal.copy().scale_lattice(80), crystal.copy()]
    others[0].replace(0, "Ca")
    others[1].translate_sites([0], [1e-12, 0, 0])
    others[3].reverse()
    assert structure_hash(crystal.copy()) == structure_hash(crystal)
    assert len({structure_hash(structure) for structure in [crystal, *others]}) == 5


def test_a_kill_in_the_middle_leaves_the_old_table_and_what_was_finished(crystals, tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    list(describe_file(records(crystals)[:2], path))
    before = path.read_bytes()
    monkeypatch.setattr(descriptors, "STRUCTURES_PER_CHUNK", 2)
    chunks = describe_file(records(crystals), path)
    next(chunks)  # MgO from the table, and the bad one
    next(chunks)  # NaCl, KCl
    chunks.close()
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"table.csv", "table.csv.parts"}
    (kept,) = (tmp_path / "table.csv.parts").iterdir()
    with np.load(kept) as part:
        reasons = part["reasons"]
    np.savez(kept, attributes=np.full((2, 271), 42.0), reasons=reasons)  # to see that they are not computed again
    list(describe_file(records(crystals), path))
    is_kept = (read_descriptors(path).featurized.attributes == 42.0).all(axis=1)
    assert is_kept.tolist() == [False, False, True, True, False, False]
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]  # whole: nothing needs to be kept


def test_a_file_that_is_no_descriptor_table_is_not_replaced(crystals, tmp_path):
    path = tmp_path / "thesis.csv"
    path.write_text("formula,energy\nNaCl,1\n")
    with pytest.raises(TableError, match="not a descriptor table.*271.*mean_EffectiveCoordination"):
        list(describe_file(records(crystals), path))
    assert path.read_text() == "formula,energy\nNaCl,1\n"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"mean_EffectiveCoordination\nmany\n"])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(TableError, match="t.csv cannot be read") as caught:
        read_descriptors(tmp_path / "t.csv")
    assert "\n" not in str(caught.value)
    with pytest.raises(TableError, match="cannot be read"):
        read_descriptors(tmp_path / "none.csv")


def test_a_damaged_archive_is_one_sentence(crystals, tmp_path):
    list(describe_file(records(crystals), tmp_path / "t.csv.gz"))
    content = bytearray((tmp_path / "t.csv.gz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "t.csv.gz").write_bytes(content)
    with pytest.raises(TableError, match="t.csv.gz cannot be read"):
        read_descriptors(tmp_path / "t.csv.gz")


def test_a_blank_line_keeps_its_row(crystals, tmp_path):
    path = tmp_path / "table.csv"
    list(describe_file(records(crystals), path))
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, lines[0], "", lines[2]]))
    read = read_descriptors(path)
    assert read.names.tolist() == ["MgO.cif", "", "NaCl.cif"] and read.featurized.ok.tolist() == [True, False, True]


def test_a_table_of_others_needs_no_names(crystals, tmp_path):
    table = joined(describe(records(crystals)))[list(ward2017.LABELS)]
    table.to_csv(tmp_path / "bare.csv", index=False)
    read = read_descriptors(tmp_path / "bare.csv")
    assert read.names.tolist() == ["0", "1", "2", "3", "4", "5"] and set(read.formulas) == {""}
    assert read.featurized.ok.tolist() == [True, False, True, True, True, True]
    assert "missing in the table" in read.featurized.reasons[1]


def test_bad_structures_cost_their_own_row(folder_with_bad_files):
    table = joined(describe(read_structures(folder_with_bad_files))).set_index("name")
    assert table["status"].to_dict() == {
        "broken.cif": "error",
        "disordered.cif": "error",
        "good_KCl.cif": "ok",
        "good_MgO.cif": "ok",
        "helium.cif": "error",
        "overlapping.vasp": "error",
        "unseen.cif": "ok",
    }
    assert "He" in table["reason"]["helium.cif"]
    bad = table[table["status"] == "error"]
    assert (bad["reason"] != "").all() and bad[list(ward2017.LABELS)].isna().all(axis=None)


def test_a_single_atom_and_a_large_cell_have_attributes():
    one = Structure(Lattice.cubic(3.0), ["Fe"], [[0, 0, 0]])
    large = Structure(Lattice.cubic(3.0), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]) * (4, 4, 4)
    table = joined(describe([StructureRecord("one", one, ""), StructureRecord("large", large, "")]))
    assert table["status"].tolist() == ["ok", "ok"]
