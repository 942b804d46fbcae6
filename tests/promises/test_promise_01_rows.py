"""Rows in = rows out, same order, with `status` and `reason`; `--strict` exits non-zero on any bad row.

Tables of good and bad rows, with any Unicode and any line ends in the other columns, go through every command that
takes some. They are written and read here by the standard library's csv, which knows nothing of ours.
"""

import csv
import json

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from common import artifacts, networks
from common.elements import ELEMENTS
from common.tables import TableError, read_text_csv, write_text_csv
from elemnet.__main__ import app as elemnet
from irnet import inputs as irnet_inputs
from irnet.__main__ import app as irnet
from omnet.__main__ import app as omnet
from padnet.__main__ import app as padnet
from transfer.__main__ import app as transfer

ENERGY = "formation_energy_ev_per_atom"
GOOD = ["NaCl", "Fe2O3", "NaN", "Ca(OH)2", "O3Fe2", " MgO ", "K4[Fe(CN)6]", "Fe₂O₃", "NaCl", "Li0.5CoO2"]
BAD = ["Xx2O3", "NaCl)", "", "  ", "Na0", "nan", "He", "Fe3+", "CuSO4.5H2O", "nacl", "a,b", 'Na"Cl', "Na\nCl!", "鈉"]
ANY_TEXT = ["", " ", "007", "1e5", "NaN", "é", "“”", "\u2028", "\x85", "\x1c", "\ufeff", "😀", "ﬀ", "а́", "\x7f",
            "'", '"', '""', ",", ";", "\t", "\n", "\r", "\r\n", "a\rb", "\n\n", "=1+1", "\\", "\\n",
            "#", "\x01"]  # fmt: skip
LINE_ENDS = {"Unix": ["\n"], "Windows": ["\r\n"], "old Mac": ["\r"], "mixed": ["\n", "\r\n", "\r"]}


def as_csv(rows, line_ends, seed=0, last="\n", mark="") -> bytes:
    """Quotes where they are needed and, by chance, where they are not."""
    rng = np.random.default_rng(seed)

    def quoted(cell):
        needed = not cell or any(character in cell for character in ',"\r\n')
        return '"' + cell.replace('"', '""') + '"' if needed or rng.random() < 0.2 else cell

    lines = [",".join(map(quoted, row)) for row in rows]
    ends = [*rng.choice(line_ends, len(lines) - 1), last]
    return (mark + "".join(line + end for line, end in zip(lines, ends, strict=True))).encode()


def cells_of(path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream, strict=True))


def draw_rows(num, seed=0) -> tuple[list[list[str]], np.ndarray]:
    """Header and rows, with a column of numbers that tells the order; and which of the rows are good."""
    rng = np.random.default_rng(seed)
    is_good = rng.random(num) < 0.5
    rows = [["", "formula", "text", "number", "text", "é\n,"]]
    for number, good in enumerate(is_good):
        texts = rng.choice(np.array(ANY_TEXT, object), 4)
        rows.append([texts[0], str(rng.choice(GOOD if good else BAD)), texts[1], str(number), *texts[2:]])
    return rows, is_good


def save(folder, name, model, **card):
    return str(artifacts.save(folder / name, model, dict.fromkeys(artifacts.REQUIRED_CARD_KEYS, "") | card))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Tiny networks, not trained, by their inputs."""
    folder, paths = tmp_path_factory.mktemp("models"), {}
    for kind in ("EF", "C", "S+C"):
        num = len(irnet_inputs.labels(kind))
        scaling = networks.InputScaling(np.zeros(num), np.full(num, 50.0))
        model = networks.build("8x1-1", num, input_scaling=scaling, seed=1)
        card = {"inputs": kind, "targets": [ENERGY], "num_classes": 0, "elements": list(ELEMENTS)}
        paths[kind] = save(folder, f"{kind}.keras", model, **card)
    return paths


@pytest.fixture(scope="module", params=["elemnet", "transfer", "irnet", "transfer activations"])
def command(request, models):
    """Answers a table, and the columns it adds before status and reason."""
    layer = "stack1_block1_activation"
    app, name, options, added = {
        "elemnet": (elemnet, "predict", [], [ENERGY]),  # the weights that ship with the package
        "transfer": (transfer, "predict", ["--model", models["EF"]], [ENERGY]),
        "irnet": (irnet, "predict", ["--model", models["C"]], [ENERGY]),
        "transfer activations": (
            transfer, "activations", ["--model", models["EF"], "--layer", layer], [f"{layer}_{n}" for n in range(1, 9)],
        ),
    }[request.param]  # fmt: skip

    def run(source, output, *more):
        files = [str(source)] if app is irnet else ["--input", str(source)]
        return CliRunner().invoke(app, [name, *files, "--output", str(output), *options, *more])

    return run, added


def test_every_row_of_a_table_comes_back_in_order_with_a_status_and_a_reason(command, tmp_path, faults):
    run, added = command
    rows, is_good = draw_rows(3_000)
    (tmp_path / "in.csv").write_bytes(as_csv(rows, LINE_ENDS["mixed"], mark="\ufeff"))
    with faults.inject(int((~is_good).sum())):
        result = run(tmp_path / "in.csv", tmp_path / "out.csv")
        assert result.exit_code == 0, result.output
        written = cells_of(tmp_path / "out.csv")
        width = len(rows[0])
        assert [row[:width] for row in written] == rows
        assert written[0][width:] == [*added, "status", "reason"]
        for row, good in zip(written[1:], is_good, strict=True):
            *answers, status, reason = row[width:]
            assert (status, bool(reason)) == (("ok", False) if good else ("error", True)), row
            assert np.isfinite([float(cell) for cell in answers]).all() if good else set(answers) == {""}


def test_strict_tells_by_the_exit_code_after_all_is_written(command, tmp_path, faults):
    rows, is_good = draw_rows(200)
    (tmp_path / "in.csv").write_bytes(as_csv(rows, ["\n"]))
    (tmp_path / "good.csv").write_bytes(as_csv([rows[0], *(rows[1 + n] for n in np.flatnonzero(is_good))], ["\n"]))
    with faults.inject(int((~is_good).sum())):
        assert command[0](tmp_path / "in.csv", tmp_path / "out.csv").exit_code == 0
        assert command[0](tmp_path / "in.csv", tmp_path / "strict.csv", "--strict").exit_code == 1
        assert command[0](tmp_path / "good.csv", tmp_path / "good_out.csv", "--strict").exit_code == 0
    assert (tmp_path / "strict.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


@pytest.mark.parametrize("name", LINE_ENDS)
def test_line_ends_and_marks_change_no_byte_of_the_answers(command, tmp_path, name):
    rows, _ = draw_rows(60, seed=1)
    outputs = set()
    for number, (last, mark) in enumerate([("\n", ""), ("", "\ufeff"), (LINE_ENDS[name][0], "")]):
        (tmp_path / "in.csv").write_bytes(as_csv(rows, LINE_ENDS[name], seed=number, last=last, mark=mark))
        assert command[0](tmp_path / "in.csv", tmp_path / "out.csv").exit_code == 0
        outputs.add((tmp_path / "out.csv").read_bytes())
    (tmp_path / "in.csv").write_bytes(as_csv(rows, ["\n"]))
    command[0](tmp_path / "in.csv", tmp_path / "out.csv")
    assert outputs == {(tmp_path / "out.csv").read_bytes()}


def test_formulas_on_the_command_line_are_rows_too(models, monkeypatch):
    """Also those of a million brackets, of bytes that are no text, and where the terminal cannot show them."""
    formulas = ["NaCl", "Xx2O3", "Fe₂O₃", "(" * 50_000, "Na\udcff", "NaCl"]
    for charset in ("utf-8", "ascii"):
        for app, options in ((elemnet, []), (irnet, ["--model", models["C"]]), (transfer, ["--model", models["EF"]])):
            result = CliRunner(charset=charset).invoke(app, ["predict", *formulas, *options, "--strict"])
            assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
            words = result.stdout.replace("│", " ").replace("|", " ").split()
            assert [word for word in words if word in ("ok", "error")] == ["ok", "error", "ok", "error", "error", "ok"]


any_cell = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6) | st.sampled_from(ANY_TEXT)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    rows=st.integers(1, 5).flatmap(
        lambda width: st.lists(st.lists(any_cell, min_size=width, max_size=width), min_size=1, max_size=6)
    ),
    line_ends=st.sampled_from(list(LINE_ENDS.values())),
    last=st.sampled_from(["", "\n", "\r\n", "\r"]),
    mark=st.sampled_from(["", "\ufeff"]),
    seed=st.integers(0, 99),
)
def test_any_text_with_any_line_ends_comes_back_to_the_letter(tmp_path_factory, rows, line_ends, last, mark, seed):
    assume(not rows[0][0].startswith("\ufeff"))  # at the start of a file it is a mark, never text
    folder = tmp_path_factory.getbasetemp()
    (folder / "in.csv").write_bytes(as_csv(rows, line_ends, seed, last, mark))
    table = read_text_csv(folder / "in.csv")
    assert [table.columns.tolist(), *table.to_numpy(object).tolist()] == rows
    write_text_csv(folder / "out.csv", table)
    assert cells_of(folder / "out.csv") == rows
    again = read_text_csv(folder / "out.csv")
    assert again.columns.equals(table.columns) and again.equals(table)


def test_what_would_lose_text_is_refused(tmp_path):
    """pandas ends a cell at a NUL, and takes cells beyond the header for an index."""
    for content in (b"formula,x\nNaCl,a\0b\n", b"formula,x\nNaCl,1,2\n", b"formula,x\nNaCl,1\nMgO,1,2\n"):
        (tmp_path / "in.csv").write_bytes(content)
        with pytest.raises(TableError, match="cannot be read"):
            read_text_csv(tmp_path / "in.csv")


# ------------------------------------------------------------------------------------- structures, frames, patterns


def test_every_structure_of_a_file_has_a_row_in_order(models, tmp_path, faults):
    salt = {"species": ["Na", "Cl"], "lattice": [[3, 0, 0], [0, 3, 0], [0, 0, 3]], "frac": [[0, 0, 0], [0.5, 0.5, 0.5]]}
    flat = salt | {"lattice": [[3, 0, 0], [0, 3, 0], [0, 0, 0]]}
    lines = [salt, {}, salt | {"species": ["K", "Br"]}, flat, salt | {"species": ["Xx", "Cl"]}, [], salt]
    texts = [*map(json.dumps, lines), "{", '{"species": [NaN]}']
    expected = ["ok", "error", "ok", "error", "error", "error", "ok", "error", "error"]
    (tmp_path / "a.jsonl").write_text("\n".join(texts))
    output = tmp_path / "out.csv"
    commands = [("describe",), ("predict", "--model", models["S+C"])]
    with faults.inject(len(commands) * expected.count("error")):
        for name, *options in commands:
            arguments = [name, str(tmp_path / "a.jsonl"), "--output", str(output), "--processes", "1", *options]
            assert CliRunner().invoke(irnet, arguments).exit_code == 0
            header, *rows = cells_of(output)
            assert [row[0] for row in rows] == [f"a.jsonl#{number}" for number in range(1, 10)]
            assert [row[header.index("status")] for row in rows] == expected
            assert [not row[header.index("reason")] for row in rows] == [status == "ok" for status in expected]
            assert CliRunner().invoke(irnet, [*arguments, "--strict"]).exit_code == 1
            output.unlink()


def test_every_frame_of_a_table_has_a_row_in_order(tmp_path, faults):
    from dataclasses import replace

    from padnet.config import ROBUST_RECIPE
    from padnet.data import SIMULATED, XrdDataset
    from padnet.train import run

    rng = np.random.default_rng(0)
    frames, shares = rng.poisson(40, (12, 1, 128, 128)).astype(np.uint16), rng.dirichlet((2, 2), 12)
    labels = (shares[:, 0] > np.median(shares[:, 0])).astype(int)
    samples, nowhere = tuple("abcdefghijkl"), np.zeros((12, 2))
    spread = XrdDataset("a", SIMULATED, frames, shares, ("Sn", "Zn"), nowhere, labels, ("a", "b"), samples)
    config = replace(ROBUST_RECIPE, image_px=128, inputs=("composition",)).with_training(max_epochs=30)
    run(spread, np.arange(8), np.arange(8, 12), config, tmp_path / "run", progress=False)

    folder, names = tmp_path / "frames", ["a.tif", "é ,.tif", "b.tif"]
    folder.mkdir()
    for name, frame in zip(names, frames, strict=False):
        tifffile.imwrite(folder / name, frame[0])
    (folder / "cut.tif").write_bytes((folder / "a.tif").read_bytes()[:5_000])
    rows, is_good = [["Sn", "file", "note", "Zn"]], []
    for number in range(60):
        bad = [("much", names[0], "1"), ("0", names[1], "0"), ("-1", names[2], "2"), ("nan", names[0], "1"),
               ("", names[0], "1"), ("1", "gone.tif", "1"), ("1", "cut.tif", "1"), ("1", "", "1")]  # fmt: skip
        good = [(f"{rng.random():.3f}", name, "0.5") for name in names]
        is_good.append(rng.random() < 0.5)
        tin, name, zinc = (good if is_good[-1] else bad)[rng.integers(3 if is_good[-1] else 8)]
        rows.append([tin, name, f"{number} {rng.choice(np.array(ANY_TEXT, object))}", zinc])
    (tmp_path / "table.csv").write_bytes(as_csv(rows, LINE_ENDS["mixed"], mark="\ufeff"))
    arguments = ["classify", str(folder), "--model", str(tmp_path / "run" / "model.keras"), "--output",
                 str(tmp_path / "out.csv"), "--composition", str(tmp_path / "table.csv")]  # fmt: skip
    with faults.inject(is_good.count(False)):
        assert CliRunner().invoke(padnet, arguments).exit_code == 0
        header, *written = cells_of(tmp_path / "out.csv")
        assert header[:4] == ["file", "Sn", "note", "Zn"] and header[-2:] == ["status", "reason"]
        assert [[row[1], row[0], *row[2:4]] for row in written] == rows[1:]
        expected = [("ok", False) if good else ("error", True) for good in is_good]
        assert [(row[-2], bool(row[-1])) for row in written] == expected
        assert CliRunner().invoke(padnet, [*arguments, "--strict"]).exit_code == 1


def test_every_pattern_of_a_scan_has_a_row_in_order(tmp_path, faults):
    patterns = np.random.default_rng(0).normal(100, 20, (24, 24, 24)).astype(np.float32)
    bad = [0, 7, 8, 23]
    patterns[bad[:2]], patterns[8, 3, 3], patterns[23, 0, 0] = 5, np.nan, np.inf
    header = {"n_rows": 4, "n_columns": 6, "step_x": 0.5, "step_y": 0.25, "sample_tilt": 70.0, "elevation_angle": 0.0}
    header |= {"pcx": 0.42, "pcy": 0.22, "pcz": 0.5, "static_background": -1}
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["Scan 1/EBSD/Data/patterns"] = patterns
        for name, value in header.items():
            file[f"Scan 1/EBSD/Header/{name}"] = value
    arguments = ["index", str(tmp_path / "scan.h5"), "--output", str(tmp_path / "out.csv"), "--method", "dictionary",
                 "--grid-steps", "10", "--no-refine", "--strict"]  # fmt: skip
    with faults.inject(len(bad)):
        assert CliRunner().invoke(omnet, arguments).exit_code == 1
        header, *rows = cells_of(tmp_path / "out.csv")
        places = [(float(row[0]), float(row[1])) for row in rows]
        assert places == [(0.5 * column, 0.25 * row) for row in range(4) for column in range(6)]
        statuses = [(row[header.index("status")], bool(row[header.index("reason")])) for row in rows]
        assert statuses == [("error", True) if number in bad else ("ok", False) for number in range(24)]
