"""Users' structure files: pymatgen writes them and is the oracle; broken ones are records, never exceptions."""

import gzip
import json
import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Element, Lattice, Species, Structure
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar

from common import structure_formats
from common.structure_formats import StructureFormatError
from common.structures import StructuresError, find_structure_files, read_structures

SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.69), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
OXIDE = Structure(
    Lattice.from_parameters(4.1, 5.3, 6.7, 81, 97, 104),
    ["Li", "Fe", "O", "O"],  # the order CifWriter puts them in
    [[0.01, 0.02, 0.03], [0.31, 0.42, 0.13], [0.7, 0.55, 0.81], [0.48, 0.9, 0.37]],
)
CIF, POSCAR = str(CifWriter(OXIDE)), Poscar(OXIDE).get_str()
COMPACT = {
    "species": [site.specie.symbol for site in OXIDE],
    "lattice": OXIDE.lattice.matrix.tolist(),
    "frac": OXIDE.frac_coords.tolist(),
}


def put(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def only_record(folder: Path, name: str, content: str | bytes, **options):
    """The record of one file beside a good one, so that the folder has something to read."""
    put(folder, {name: content, "zz_good.vasp": POSCAR})
    *records, good = read_structures(folder, **options)
    assert good.name == "zz_good.vasp" and good.reason == ""
    assert len(records) == 1
    return records[0]


def assert_same(found: Structure, expected: Structure, tolerance: float = 1e-5):
    assert [site.specie.symbol for site in found] == [site.specie.symbol for site in expected]
    np.testing.assert_allclose(found.lattice.parameters, expected.lattice.parameters, atol=tolerance)
    np.testing.assert_allclose(found.distance_matrix, expected.distance_matrix, atol=tolerance)


# ---------------------------------------------------------------------------------------------- what pymatgen writes


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.cif", CIF),
        ("A.CIF", CIF),
        ("POSCAR", POSCAR),
        ("CONTCAR_relaxed", POSCAR),
        ("a.vasp", POSCAR),
        ("a.poscar", POSCAR),
        ("a.json", json.dumps(OXIDE.as_dict())),
        ("b.json", json.dumps(COMPACT)),
        ("windows.cif", "\ufeff" + CIF.replace("\n", "\r\n")),
    ],
)
def test_file_agrees_with_pymatgen(tmp_path, name, content, zipped):
    content = content.encode()
    name, content = (f"{name}.gz", gzip.compress(content)) if zipped else (name, content)
    (record,) = read_structures(put(tmp_path, {name: content}))
    assert (record.name, record.reason) == (name, "")
    assert_same(record.structure, OXIDE)


def test_symmetry_of_a_cif_is_expanded(tmp_path):
    (record,) = read_structures(put(tmp_path, {"salt.cif": str(CifWriter(SALT, symprec=0.01))}))
    assert len(record.structure) == 8
    assert record.structure.matches(SALT)


def test_single_file_and_json_lines(tmp_path):
    lines = [json.dumps(COMPACT), "", json.dumps(SALT.as_dict()), "{broken"]
    path = put(tmp_path, {"many.jsonl.gz": gzip.compress("\n".join(lines).encode())}) / "many.jsonl.gz"
    records = list(read_structures(path))
    assert [record.name for record in records] == ["many.jsonl.gz#1", "many.jsonl.gz#3", "many.jsonl.gz#4"]
    assert_same(records[0].structure, OXIDE)
    assert_same(records[1].structure, SALT)
    assert records[2].structure is None and "JSON cannot be read" in records[2].reason


def test_cif_with_several_blocks(tmp_path):
    salt = str(CifWriter(SALT)).replace("data_NaCl", "data_same")
    oxide = CIF.replace("data_LiFeO2", "data_same")
    broken = oxide.replace("_cell_length_a", "_cell_length_q")
    text = f"data_global\n_publ_author_name 'A'\n\n{salt}\n{broken}\n{oxide}"
    records = list(read_structures(put(tmp_path, {"both.cif": text})))
    assert [record.name for record in records] == ["both.cif#1", "both.cif#2", "both.cif#3"]
    assert_same(records[0].structure, SALT)
    assert records[1].structure is None and records[1].reason
    assert_same(records[2].structure, OXIDE)


def test_oxidation_states_are_left_out(tmp_path):
    charged = Structure(Lattice.cubic(4.2), [Species("Mg", 2), Species("O", -2)], [[0, 0, 0], [0.5, 0.5, 0.5]])
    folder = put(tmp_path, {"a.cif": str(CifWriter(charged)), "b.json": json.dumps(charged.as_dict())})
    for record in read_structures(folder):
        assert {type(site.specie) for site in record.structure} == {Element}
        assert record.structure.composition.reduced_formula == "MgO"


# ------------------------------------------------------------------------------------------------------------ folders


def test_folder_is_read_in_order_and_other_kinds_are_counted(tmp_path):
    put(tmp_path, {"b/2.cif": CIF, "b/10.cif": CIF, "a.vasp": POSCAR, "c.json": json.dumps(COMPACT)})
    put(tmp_path, {"water.xyz": "3\n", "notes.txt": "", ".hidden.cif": "", "b/OUTCAR": ""})
    assert find_structure_files(tmp_path).num_skipped == 4
    names = [record.name for record in read_structures(tmp_path)]
    assert names == ["a.vasp", "b/10.cif", "b/2.cif", "c.json"]


def test_files_are_read_one_at_a_time(tmp_path):
    records = read_structures(put(tmp_path, {"1.vasp": POSCAR, "2.vasp": POSCAR}))
    assert next(records).reason == ""
    (tmp_path / "2.vasp").unlink()
    assert "cannot be read" in next(records).reason


def test_links_out_of_the_folder_are_refused(tmp_path):
    inside = put(tmp_path / "inside", {"good.vasp": POSCAR})
    put(tmp_path / "outside", {"secret.vasp": POSCAR})
    (inside / "a_link.vasp").symlink_to(tmp_path / "outside/secret.vasp")
    (inside / "b_link.vasp").symlink_to(inside / "good.vasp")
    (inside / "c_link.vasp").symlink_to(inside / "nowhere")
    (inside / "d_loop.vasp").symlink_to(inside / "d_loop.vasp")
    (inside / "folder").symlink_to(tmp_path / "outside")
    assert find_structure_files(inside).num_skipped == 1
    reasons = {record.name: record.reason for record in read_structures(inside)}
    assert list(reasons) == ["a_link.vasp", "b_link.vasp", "c_link.vasp", "d_loop.vasp", "good.vasp"]
    assert "outside the folder" in reasons["a_link.vasp"]
    assert reasons["b_link.vasp"] == reasons["good.vasp"] == ""
    assert "cannot be read" in reasons["c_link.vasp"] and "cannot be read" in reasons["d_loop.vasp"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_block(tmp_path):
    put(tmp_path, {"good.vasp": POSCAR})
    os.mkfifo(tmp_path / "a.cif")
    assert "not a regular file" in next(read_structures(tmp_path)).reason


def test_nothing_to_read(tmp_path):
    with pytest.raises(StructuresError, match="there is none"):
        read_structures(tmp_path / "missing")
    put(tmp_path, {"notes.txt": "", "a.xyz": ""})
    with pytest.raises(StructuresError, match="received 2 files of other kinds"):
        read_structures(tmp_path)
    with pytest.raises(StructuresError, match="CIF, POSCAR, JSON"):
        read_structures(tmp_path / "notes.txt")


def test_nothing_usable_is_said_after_the_records(tmp_path):
    records = read_structures(put(tmp_path, {"a.cif": "", "b.vasp": "x"}))
    assert next(records).name == "a.cif" and next(records).name == "b.vasp"
    with pytest.raises(StructuresError, match="received 2 that are not.*b.vasp"):
        next(records)


# ------------------------------------------------------------------------------------------------------- broken files


def replaced(old: str, new: str, text: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


def compact(**changes) -> str:
    return json.dumps(COMPACT | changes)


DISORDERED = Structure(Lattice.cubic(3.6), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
VACANT = Structure(Lattice.cubic(3.6), [{"Cu": 0.5}], [[0, 0, 0]])
NO_CELL = {"lattice": [[4, 0, 0], [8, 0, 0], [0, 0, 4]]}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.cif", "", "empty"),
        ("a.vasp", "  \n", "empty"),
        ("a.json", "", "empty"),
        ("a.jsonl", "\n\n", "empty"),
        ("a.cif", "not a CIF at all", "data block"),
        ("a.cif", "data_x\n_cell_length_a 4\n", "atom sites"),
        ("a.cif", replaced("_cell_length_a", "_cell_length_q", CIF), "CIF cannot be read"),
        ("a.cif", CIF.encode() + b"\xff\xfe", "UTF-8"),
        ("a.cif", CIF.encode("utf-16"), "UTF-8"),
        ("a.cif", str(CifWriter(DISORDERED)), "disordered"),
        ("a.cif", str(CifWriter(VACANT)), "disordered"),
        ("a.vasp", "one line", "POSCAR cannot be read"),
        ("a.vasp", replaced("Li Fe O", "", POSCAR), "cannot be read"),
        ("a.vasp", "x\n1\n4 0 0\n0 4 0\n0 0 4\n1\nDirect\n0 0 0\n", "element symbols"),
        ("a.vasp", "x\n1\n4 0 0\n0 4 0\n0 0 4\nFe\n999999999999\nDirect\n0 0 0\n", "as many lines as atoms"),
        ("a.vasp", "x\n1\n4 0 0\n8 0 0\n0 0 4\nFe\n1\nDirect\n0 0 0\n", "cubic angstrom a site, received 0 "),
        ("a.vasp", "x\n1\n4 0 0\n0 4 0\n0 0 4\nFe\n1\nDirect\nnan 0 0\n", "finite"),
        ("a.vasp", "x\n1\ninf 0 0\n0 4 0\n0 0 4\nFe\n1\nDirect\n0 0 0\n", ""),
        ("a.json", "[1, 2]", "received a list"),
        ("a.json", "{}", "this is neither"),
        ("a.json", '{"@module": "os", "@class": "system", "command": "true"}', "this is neither"),
        ("a.json", "[" * 100_000, "JSON cannot be read"),
        ("a.json", json.dumps(DISORDERED.as_dict()), "disordered"),
        ("a.json", json.dumps(VACANT.as_dict()), "disordered"),
        ("a.json", compact(**NO_CELL), "cubic angstrom a site, received 0 "),
        ("a.json", compact(species=["Fe", "O", "O", "Xx"]), "'Xx'"),
        ("a.json", compact(species=["Fe", "O", "O", 3]), "symbols of elements"),
        ("a.json", compact(species="FeOO"), "no list of species"),
        ("a.json", compact(species=["Fe"]), "1 species"),
        ("a.json", compact(species=[], frac=[]), "coordinates"),
        ("a.json", compact(frac=[[0, 0, float("nan")]] * 4), "finite"),
        ("a.json", compact(frac=[[0, 0, 1e30]] * 4), "near 0 to 1"),
        ("a.json", compact(frac=[[0, 0, 10**400]] * 4), "this is neither"),
        ("a.json", compact(frac=[[0, 0]] * 4), r"\(4, 2\)"),
        ("a.json", compact(lattice=[[1e200, 0, 0], [0, 1e200, 0], [0, 0, 1e200]]), "received inf"),
        ("a.cif.gz", b"no gzip", "cannot be read"),
        ("a.cif.gz", gzip.compress(CIF.encode())[:-20], "cannot be read"),
        ("a.jsonl", json.dumps(COMPACT).encode() + b"\xff", "UTF-8"),
    ],
)
def test_broken_file_is_a_record_with_a_reason(tmp_path, name, content, reason):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the user gets the reason, not pymatgen's remarks
        record = only_record(tmp_path, name, content)
    assert record.structure is None
    assert record.reason.endswith(".") and "\n" not in record.reason and len(record.reason) < 400
    assert re.search(reason, record.reason), record.reason


def test_file_beyond_the_limit(tmp_path):
    assert "larger than the limit" in only_record(tmp_path, "a.cif", CIF * 9, max_file_bytes=2_000).reason
    bomb = gzip.compress(b" " * 3_000_000)
    assert "larger than the limit" in only_record(tmp_path, "a.cif", CIF * 9, max_file_bytes=2_000).reason
    (tmp_path / "a.cif").unlink()
    assert "larger than the limit" in only_record(tmp_path, "a.jsonl.gz", bomb, max_file_bytes=2_000).reason


def test_too_many_sites_are_refused_before_they_are_made(tmp_path):
    atoms = "".join(f"Fe Fe{i} 1 {i / 3000:.5f} 0.1 0.2 1\n" for i in range(3_000))
    head = CIF[: CIF.index("loop_")]
    head = "\n".join(line for line in head.splitlines() if "space_group" not in line and "symmetry" not in line)
    columns = ["type_symbol", "label", "symmetry_multiplicity", "fract_x", "fract_y", "fract_z", "occupancy"]
    loop = "\nloop_\n" + "".join(f"_atom_site_{column}\n" for column in columns)
    text = f"{head}\n_symmetry_space_group_name_H-M 'F m -3 m'\n{loop}{atoms}"
    assert "received 576,000" in only_record(tmp_path, "a.cif", text).reason
    (tmp_path / "a.cif").unlink()
    num_sites = structure_formats.MAX_SITES + 1
    many = compact(species=["Fe"] * num_sites, frac=[[0, 0, 0]] * num_sites)
    assert "5,001" in only_record(tmp_path, "a.json", many).reason


def test_five_hundred_sites_are_read(tmp_path):
    large = SALT.copy()
    large.make_supercell([4, 4, 4])
    assert len(large) == 512
    folder = put(tmp_path, {"a.cif": str(CifWriter(large)), "b.vasp": Poscar(large).get_str()})
    assert [len(record.structure) for record in read_structures(folder)] == [512, 512]


def test_no_class_named_in_a_file_is_made(tmp_path):
    item = OXIDE.as_dict()
    for site in item["sites"]:
        site["properties"] = {"spin": {"@module": "pathlib", "@class": "Path", "x": 1}}
    item["@module"], item["@class"] = "subprocess", "Popen"
    (record,) = read_structures(put(tmp_path, {"a.json": json.dumps(item)}))
    assert_same(record.structure, OXIDE)
    assert record.structure.site_properties == {}


# ----------------------------------------------------------------------------------------------- any change of a byte

changes = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 2), st.binary(min_size=1, max_size=3)), max_size=6)


def mutated(content: bytes, edits) -> bytes:
    for position, how, new in edits:
        position %= len(content) + 1
        length = (0, len(new), 40)[how]  # insert, overwrite, cut a piece out
        content = content[:position] + (new if how < 2 else b"") + content[position + length :]
    return content


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([("x.cif", CIF), ("x.vasp", POSCAR), ("x.json", compact())]), changes)
def test_mutated_file_never_raises(tmp_path_factory, file, edits):
    name, content = file
    folder = tmp_path_factory.mktemp("mutated")
    put(folder, {name: mutated(content.encode(), edits), "zz.vasp": POSCAR})
    *records, good = read_structures(folder)
    assert good.reason == "" and records
    for record in records:
        assert (record.structure is None) == bool(record.reason)
        if record.structure is not None:
            assert np.isfinite(record.structure.frac_coords).all() and record.structure.volume > 0


@settings(max_examples=150, deadline=None)
@given(st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["species", "lattice", "frac", "sites", "matrix", "abc", "element"]), inner),
    max_leaves=12,
))  # fmt: skip
def test_any_json_is_a_structure_or_a_reason(item):
    try:
        structure_formats.from_json(json.dumps(item))
    except StructureFormatError as error:
        assert str(error).endswith(".")
