"""Damaged CIF, POSCAR and JSON files: each is a structure or a record with a reason, soon and in little memory."""

import gzip
import json
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar
from typer.testing import CliRunner

from common.structure_formats import MAX_SITES
from common.structures import StructuresError, read_structures
from tests.promises.harness import fuzz
from tests.promises.mutations import mutants

NUM_MUTANTS = 1_000
HEAD_BYTES = 700  # of these small files, all but the coordinates
PIG = Structure(
    Lattice.from_parameters(4.1, 5.3, 6.7, 81, 97, 104), ["Li", "Fe"], [[0.01, 0.02, 0.03], [0.3, 0.4, 0.1]]
)
SALT = Structure.from_spacegroup("Pm-3m", Lattice.cubic(4.1), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
CELL = "".join(f"_cell_length_{axis} 4\n" for axis in "abc") + "".join(
    f"_cell_angle_{angle} 90\n" for angle in ("alpha", "beta", "gamma")
)
ATOM = "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\nFe1 0.1 0.2 0.3\n"
OPERATION = "_symmetry_equiv_pos_as_xyz"
POSCAR = "x\n1\n4 0 0\n0 4 0\n0 0 4\nFe\n1\nDirect\n0 0 0\n"
COMPACT = {"species": ["Fe"], "lattice": [[4, 0, 0], [0, 4, 0], [0, 0, 4]], "frac": [[0.1, 0.2, 0.3]]}


def read(path: Path):
    """The records of a file, which have to be structures that can be worked on, or reasons that can be printed."""
    for record in read_structures(path):
        assert (record.structure is None) == bool(record.reason)
        assert record.reason.isprintable() and len(record.reason) < 400, record.reason
        if record.structure is not None:
            assert 1 <= len(record.structure) <= MAX_SITES
            assert np.isfinite(record.structure.frac_coords).all() and 0 < record.structure.volume < np.inf


def cif(*parts: str, head: str = CELL, atom: str = ATOM) -> bytes:
    return "".join(["data_x\n", head, *parts, atom]).encode()


def with_operation(text: str) -> bytes:
    return cif(f'loop_\n{OPERATION}\n"{text}"\n')


def poscar(old: str = "", new: str = "") -> bytes:
    assert old in POSCAR
    return POSCAR.replace(old, new, 1).encode()


def compact(**changes) -> bytes:
    return json.dumps(COMPACT | changes).encode()


def seeds(suffix: str) -> list[bytes]:
    """Small whole files of a kind."""
    if suffix == ".cif":
        few = CifWriter(SALT, symprec=0.01, refine_struct=False)
        with_operations = cif(f"loop_\n{OPERATION}\n'x, y, z'\n'-x+1/2, y, -z'\n")
        return [str(CifWriter(PIG)).encode(), str(CifWriter(SALT)).encode(), with_operations, str(few).encode()[:900]]
    if suffix == ".vasp":
        return [Poscar(PIG).get_str().encode(), Poscar(SALT).get_str().encode(), POSCAR.encode()]
    return [compact(), json.dumps(PIG.as_dict()).encode(), b"\n".join([compact(), compact(species=["O"])])]


@pytest.mark.parametrize(("suffix", "num"), [(".cif", NUM_MUTANTS), (".vasp", NUM_MUTANTS), (".json", NUM_MUTANTS)])
def test_damaged_files_are_structures_or_reasons(suffix, num, faults):
    plain = ((f"a{suffix}", data) for data in mutants(seeds(suffix), num - num // 20, seed=1, head=HEAD_BYTES))
    packed = [gzip.compress(data, mtime=0) for data in seeds(suffix)]
    zipped = ((f"a{suffix}.gz", data) for data in mutants(packed, num // 20, seed=2))
    report = fuzz("tests.promises.test_fuzz_structures:read", chain(plain, zipped), expects=(StructuresError,))
    with faults.inject(report.num_inputs):
        assert report.problems == []
    assert report.num_inputs == num and 0.02 * num < report.num_read < 0.9 * num


HUGE = 1_000_000
MONSTERS = {
    "a million atoms.cif": cif(atom=ATOM + "Fe1 0 0 0\n" * (HUGE - 1)),
    "a hundred thousand columns.cif": cif(
        atom=ATOM.replace("Fe1", "".join(f"_atom_site_q{i}\n" for i in range(HUGE // 10)) + "Fe1")
    ),
    "loops of nothing.cif": cif(atom=ATOM + "loop_\n_a\n" * (HUGE // 10)),
    "quotes never closed.cif": cif(atom=ATOM + "_x '" * (HUGE // 10)),
    "texts never closed.cif": cif(atom=ATOM + "_x\n;\n" + "aaaa\n" * (HUGE // 10)),
    "a long line.cif": cif(atom=ATOM + "_x '" + "a" * HUGE + "'\n"),
    "a long number.cif": cif(atom=ATOM.replace("0.3", "0." + "3" * HUGE)),
    "many operations.cif": cif(f"loop_\n{OPERATION}\n" + "'x,y,z'\n" * 20_000),
    "many operations, other name.cif": cif(f"loop_\n{OPERATION}_\n" + "'x,y,z'\n" * 20_000),
    "many operations, two cases.cif": cif(
        f"loop_\n{OPERATION}\n" + "'x,y,z'\n" * 20_000, f"loop_\n{OPERATION.title()}\n'x,y,z'\n"
    ),
    "many operations, two blocks.cif": cif(f"loop_\n{OPERATION}\n" + "'x,y,z'\n" * 20_000)
    + b"\x0b"
    + cif(f"loop_\n{OPERATION}\n'x,y,z'\n").replace(b"_x", b"_y", 1),
    "magnetic operations.cif": cif(
        "loop_\n_space_group_symop_magn_operation.xyz\n" + "'x,y,z,+1'\n" * 3_000,
        "loop_\n_space_group_symop_magn_centering.xyz\n" + "'x,y,z,+1'\n" * 3_000,
    ),
    "a sum that calls.cif": with_operation("__import__('os').system('touch pwned'),y,z"),
    "powers.cif": with_operation("9**9**9**9,y,z"),
    "a division by zero.cif": with_operation("x+1/0,y,z"),
    "an infinite shift.cif": with_operation("x+" + "1" * 400 + ",y,z"),
    "half an operation.cif": with_operation("x,y"),
    "magnetic powers.cif": cif(
        "_space_group_magn.transform_BNS_Pp_abc '9**9**9**9*a,b,c;0,0,0'\n", "_space_group_magn.number_BNS 62.448\n"
    ),
    "a magnetic origin.cif": cif(
        "_space_group_magn.transform_BNS_Pp_abc 'a,b,c;1e999999999,0,0'\n", "_space_group_magn.number_BNS 62.448\n"
    ),
    "no volume.cif": cif(head=CELL.replace("alpha 90", "alpha 180")),
    "a tiny cell.cif": cif(head=CELL.replace(" 4", " 1e-9")),
    "NUL.cif": cif(atom=ATOM.replace("0.1", "0.1\0\x1b[31m")),
    "UTF-16.cif": cif().decode().encode("utf-16"),
    **{f"place {value}.cif": cif(atom=ATOM.replace("0.1", value)) for value in ("nan", "inf", "-inf", "?", "1e400")},
    **{f"length {value}.cif": cif(head=CELL.replace("_a 4", f"_a {value}")) for value in ("nan", "inf")},
    "a billion atoms.vasp": poscar("\n1\nD", "\n1000000000\nD"),
    "a billion atoms, hidden.vasp": b"x" + b"\x0b" * 40 + poscar("\n1\nD", "\n1000000000\nD"),
    "a million atoms.vasp": poscar("\n1\nD", f"\n{HUGE}\nD") + b"0 0 0\n" * HUGE,
    "counts that add up.vasp": poscar("\n1\nD", "\n" + "900 " * 10_000 + "\nD") + b"0 0 0\n" * 1_000,
    "fewer than no atoms.vasp": poscar("\n1\nD", "\n-5\nD"),
    "a long name.vasp": poscar("Fe", "Fe" * HUGE),
    "a long line.vasp": poscar("0 0 0\n", "0 0 0" + " 0" * HUGE),
    "nothing but lines.vasp": b"\n" * HUGE,
    "no scale.vasp": poscar("x\n1\n", "x\n0\n"),
    "no volume.vasp": poscar("0 4 0", "8 0 0"),
    "NUL.vasp": poscar("\n1\nD", "\n1\0\nD"),
    "UTF-16.vasp": POSCAR.encode("utf-16"),
    **{f"place {value}.vasp": poscar("t\n0 0 0", f"t\n0 {value} 0") for value in ("nan", "inf", "1e400", "1e30")},
    "deep.json": b'{"species":' + b"[" * 90_000 + b"]" * 90_000 + b"}",
    "a number of many digits.json": compact().replace(b"4", b"9" * 5_000, 1),
    "a lattice of a million rows.json": compact(lattice=[[0, 0, 0]] * HUGE),
    "escapes.json": compact(species=["F\0e\n\x1b[31m"]),
    "UTF-16.json": compact().decode().encode("utf-16"),
    "lines.jsonl": b"{}\n" * 2_000,
}  # fmt: skip
WILD = {  # structures by the letter, which the work on them has to refuse or do
    "a length below zero.cif": cif(head=CELL.replace("_a 4", "_a -4")),
    "a length beyond everything.cif": cif(head=CELL.replace("_a 4", "_a 1e200")),
    "a huge volume.vasp": poscar("x\n1\n", "x\n-1e300\n"),
    "a huge cell.cif": cif(head=CELL.replace(" 4", " 1e9")),
    "a needle.cif": cif(head=CELL.replace("_a 4", "_a 1e8")),
    "flat.cif": cif(head=CELL.replace("gamma 90", "gamma 1e-5").replace("_c 4", "_c 1e9")),
    "an angle of many turns.cif": cif(head=CELL.replace("alpha 90", "alpha 1e308")),
    "two at one place.vasp": poscar("\n1\nD", "\n2\nD") + b"0 0 0\n",
    "far away.vasp": poscar("t\n0 0 0", "t\n0 999999 0"),
    "skew.json": compact(lattice=[[1, 0, 0], [1e9, 1, 0], [1e18, 1e9, 9]]),
}


def test_monsters_are_refused(faults):
    report = fuzz("tests.promises.test_fuzz_structures:read", MONSTERS.items(), expects=(StructuresError,))
    with faults.inject(report.num_inputs):
        assert report.problems == []
    names = list(MONSTERS)
    read_as_whole = {name for number, name in enumerate(names) if number not in report.messages}
    assert read_as_whole <= {
        "quotes never closed.cif", "texts never closed.cif", "a long line.cif", "a long number.cif", "a long line.vasp"
    }  # fmt: skip
    assert report.peak_bytes < 2**30


def test_the_command_has_a_row_with_a_reason_for_each(tmp_path):
    """The worst in one folder, beside a good one."""
    from irnet.__main__ import app

    folder = tmp_path / "in"
    folder.mkdir()
    worst = [name for name in MONSTERS if "many" not in name and "million" not in name and not name.endswith("jsonl")]
    for name, data in ({name: MONSTERS[name] for name in worst} | WILD | {"good.vasp": POSCAR.encode()}).items():
        (folder / name).write_bytes(data)
    result = CliRunner().invoke(
        app, ["describe", str(folder), "--output", str(tmp_path / "out.csv"), "--processes", "1"]
    )
    assert result.exit_code == 0, result.output
    assert "Traceback" not in result.output + result.stderr
    import pandas as pd

    table = pd.read_csv(tmp_path / "out.csv", usecols=["name", "status", "reason"], keep_default_na=False)
    assert len(table) == len(worst) + len(WILD) + 1
    assert (table["reason"] != "").eq(table["status"] == "error").all()
    assert table.set_index("name").loc["good.vasp", "status"] == "ok"


@pytest.mark.parametrize(
    "name", ["a billion atoms.vasp", "powers.cif", "magnetic powers.cif", "UTF-16.cif", "deep.json"]
)
def test_one_bad_file_is_one_sentence(name, tmp_path, refused):
    from irnet.__main__ import app

    (tmp_path / name).write_bytes(MONSTERS[name])
    refused(CliRunner().invoke(app, ["describe", str(tmp_path / name), "--output", str(tmp_path / "out.csv")]), name)
    assert not Path("pwned").exists()
