"""Damaged tables and formulas: an answer or one sentence, in bounded time and memory, and never a lost cell.

The inputs are made and read in a process of its own, which the operating system ends if one of them takes too much
time or memory: this file run as a script.
"""

import csv
import gzip
import io
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

NUM_INPUTS = 1_000
CPU_SECONDS = 5.0  # for one input; the slowest takes a hundredth of it
MEMORY_BYTES = 3 * 2**30  # of addresses, libraries included
ROOT = Path(__file__).parents[2]

TABLES = [
    b"formula,formation_energy_ev_per_atom\nNaCl,-2.1\nFe2O3,-1.7\nNaN,0.1\n\nXx,\n",
    b'\xef\xbb\xbfid,formula,formation_energy_ev_per_atom,note\r\n1,NaCl,-2,"a ""b"",\r\n c"\r\n2,MgO,-3,\xc3\xa9\r\n',
    b"formula,formation_energy_ev_per_atom\rNaCl,1\rKCl,2",
    b'"formula","formation_energy_ev_per_atom","split"\n"NaCl","-2","train"\n"MgO","-3","test"\n',
    b",formula,,formation_energy_ev_per_atom\n" + b"".join(b"%d,Na%dCl,x,-1\n" % (n, n) for n in range(400)),
]
PIECES = [b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xe2\x80\xa8",
          b";", b"\t", b"\x1a", b"'", b"1e999", b"nan", b"#", b"formula", b'\n"', b'",', b" "]  # fmt: skip
FORMULAS = ["NaCl", "Fe2O3", "Ca(OH)2", "K4[Fe(CN)6]", "Mg3((AlO2)2(SiO2)3)0.5", "Li0.5CoO2", "CuSO4(H2O)5", "H2O"]
LETTERS = list("()[]{}0123456789.-+ \n\t·₂NaClFeOHx,eE\0é鈉") + ["Na", "Cl2", ".5", "H2O", "(", ")2", "9" * 20]
MONSTERS = [
    "(" * 10**6 + "Na" + ")" * 10**6,
    "(" * 10**6,
    ")" * 10**6,
    "(Na" * 10**5 + ")2" * 10**5,
    "Na" * 10**6,
    "(" * 4_900 + "NaMgAlSiPSClKCaTiVCrMnFeCoNiCuZnGaGeAsSeBr" + ")" * 4_900,  # just below the limit of characters
    " " * 10**6,
    "Na" + " " * 10**6 + "!",
    "Na" + " " * 9_000 + "!",
    "." + " " * 9_000 + "!",
    ". " * 4_000 + "H2O",
    "9" * 10**6,
    "Na" + "9" * 9_000,
    "Na0." + "0" * 9_000 + "1",
    "A" + "a" * 10**6,
    "A" + "a" * 9_000,
    "₂" * 10**6,
    "\ud800" * 10**6,
]


def mutated(whole: bytes, rng, pieces=PIECES) -> bytes:
    """One to four damages: bits, cuts, what is put in, what is taken from elsewhere, what comes again and again."""
    data = bytearray(whole)
    for _ in range(rng.integers(1, 5)):
        start, end = sorted(rng.integers(0, len(data) + 1, 2).tolist())
        kind = rng.integers(6)
        if kind == 0 and data:
            data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del data[end:]
        elif kind == 2:
            data[start:start] = pieces[rng.integers(len(pieces))] * int(rng.choice([1, 1, 2, 50]))
        elif kind == 3:
            data[start:start] = data[start:end]
        elif kind == 4:
            data[start:end] = data[start:end] * int(rng.choice([0, 2, 300]))
        else:
            data[start:start] = rng.bytes(int(rng.integers(1, 9)))
        del data[100_000:]
    return bytes(data)


def tables(num: int, seed: int):
    """Damaged tables, some of them as .gz that was damaged afterwards or before."""
    rng = np.random.default_rng(seed)
    for number in range(num):
        whole = TABLES[number % len(TABLES)]
        way = rng.integers(6)
        if way == 0:
            yield "in.csv.gz", mutated(gzip.compress(whole, mtime=0), rng)
        elif way == 1:
            yield "in.csv.gz", gzip.compress(mutated(whole, rng), mtime=0)
        else:
            yield "in.csv", mutated(whole, rng)


def cells_of(content: bytes) -> list[list[str]]:
    """By the standard library; rows shorter than the first are filled."""
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    return [row + [""] * (len(rows[0]) - len(row)) for row in rows]


@pytest.fixture(scope="module")
def child(tmp_path_factory):
    """What the other process counted, by kind of input."""
    folder = tmp_path_factory.mktemp("fuzz")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 0, f"{done.returncode} at {folder}: {done.stderr[-3000:]}"
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("kind", "num", "least"), [("tables", NUM_INPUTS, 100), ("data", NUM_INPUTS, 100), ("descriptors", 200, 1)]
)
def test_damaged_tables_are_read_whole_or_refused_in_one_sentence(child, kind, num, least, faults):
    read, refused = child[kind]
    with faults.inject(num):
        assert read + refused == num and min(read, refused) >= least  # else the damage is too great or too small


def test_damaged_formulas_are_read_or_refused_in_one_sentence(child, faults):
    read, refused = child["formulas"]
    with faults.inject(NUM_INPUTS):
        assert read + refused == NUM_INPUTS and min(read, refused) > NUM_INPUTS / 20


def test_monstrous_formulas_are_answered_at_once(child, faults):
    with faults.inject(len(MONSTERS)):
        assert sum(child["monsters"]) == len(MONSTERS)
    assert child["slowest_monster_seconds"] < 10  # of a hang: a quadratic search takes minutes


def test_damaged_tables_through_the_whole_command(tmp_path, refused):
    from typer.testing import CliRunner

    from common import artifacts, networks
    from common.elements import ELEMENTS
    from elemnet.__main__ import app

    card = dict.fromkeys(artifacts.REQUIRED_CARD_KEYS, "") | {"elements": list(ELEMENTS), "training": {}}
    model = artifacts.save(tmp_path / "tiny.keras", networks.build("8x1-1", len(ELEMENTS)), card)
    codes = []
    for name, content in tables(40, seed=2):
        source, output = tmp_path / name, tmp_path / "out.csv"
        source.write_bytes(content)
        output.write_text("old")
        files = ["--input", str(source), "--output", str(output)]
        result = CliRunner().invoke(app, ["predict", *files, "--model", str(model)])
        codes.append(result.exit_code)
        if result.exit_code:
            refused(result, str(source))
            assert output.read_text() == "old"
            continue
        rows = cells_of(gzip.decompress(content) if name.endswith(".gz") else content)
        with output.open(encoding="utf-8", newline="") as stream:
            written = list(csv.reader(stream))
        assert [row[: len(rows[0])] for row in written] == rows
        assert all(row[-2] in ("ok", "error") and (row[-2] == "ok") == (row[-1] == "") for row in written[1:])
    assert set(codes) == {0, 2} and min(codes.count(0), codes.count(2)) >= 5


# -------------------------------------------------------------------------------------------- the other process


def main(folder: Path) -> dict:
    """Read all inputs; whatever is raised but the errors of ours ends the process."""
    from common.composition import FormulaError, encode, parse_formula
    from common.elements import ALL_SYMBOLS
    from common.features import ward2017
    from common.readers import load_user_file
    from common.tables import TableError, read_text_csv, write_text_csv
    from irnet.descriptors import read_descriptors

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    counts = {kind: [0, 0] for kind in ("tables", "data", "descriptors", "formulas", "monsters")}

    def attempt(kind, function, errors, *arguments, check=lambda answer: None):
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # its signal ends the process, also within a C library
        try:
            check(function(*arguments))
        except errors as error:
            counts[kind][1] += 1
            message = str(error)
            assert len(message) < 1_000 and "\n" not in message and message.endswith("."), message[:2_000]
        else:
            counts[kind][0] += 1
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def check_table(table):
        rows = [table.columns.tolist(), *table.to_numpy(object).tolist()]
        assert rows == cells_of(gzip.decompress(content) if name.endswith(".gz") else content)
        encoded = encode(table["formula"])
        assert len(encoded.reasons) == len(table) and (encoded.ok == np.isfinite(encoded.fractions).all(axis=1)).all()
        write_text_csv(folder / "out.csv", table)
        with (folder / "out.csv").open(encoding="utf-8", newline="") as stream:
            assert list(csv.reader(stream)) == rows or rows[0][0].startswith("\ufeff")

    def read_formulas(path):
        return read_text_csv(path, needs=["formula"])

    for name, content in tables(NUM_INPUTS, seed=0):
        (folder / name).write_bytes(content)
        attempt("tables", read_formulas, TableError, folder / name, check=check_table)
        attempt("data", load_user_file, ValueError, folder / name)

    rng = np.random.default_rng(1)
    lines = [",".join(["name", "formula", *(f'"{label}"' for label in ward2017.LABELS), "status", "reason"])]
    lines += [f"s{number},NaCl,{'1.5,' * len(ward2017.LABELS)}ok," for number in range(3)]
    for _ in range(200):
        (folder / "in.csv").write_bytes(mutated("\n".join(lines).encode(), rng))
        attempt("descriptors", read_descriptors, TableError, folder / "in.csv")

    def check_formula(amounts):
        assert amounts and all(0 < amount <= 1e9 for amount in amounts.values())
        row = encode([formula], ALL_SYMBOLS).fractions[0]
        total = sum(amounts.values())
        np.testing.assert_allclose(row, [amounts.get(s, 0) / total for s in ALL_SYMBOLS], atol=1e-12)

    def check_refusal(formula):
        """The fast way gives the reason that the slow one gives."""
        try:
            return parse_formula(formula)
        except FormulaError as error:
            assert encode([formula, "NaCl"], ALL_SYMBOLS).reasons.tolist() == [str(error), None]
            raise

    for number in range(NUM_INPUTS):
        characters = list(FORMULAS[number % len(FORMULAS)])
        for _ in range(rng.integers(1, 5)):
            place = int(rng.integers(len(characters) + 1))
            if rng.random() < 0.3:
                del characters[place : place + int(rng.integers(1, 3))]
            else:
                again = int(rng.choice([1, 1, 1, 2, 300, 20_000]))
                characters[place:place] = [LETTERS[rng.integers(len(LETTERS))]] * again
        formula = "".join(characters)
        attempt("formulas", check_refusal, FormulaError, formula, check=check_formula)
    slowest = 0.0
    for formula in MONSTERS:
        started = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        attempt("monsters", check_refusal, FormulaError, formula, check=check_formula)
        slowest = max(slowest, resource.getrusage(resource.RUSAGE_SELF).ru_utime - started)
    return counts | {"slowest_monster_seconds": slowest}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
