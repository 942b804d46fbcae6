"""Validation never equals test (row hashes); the authors' way is `--protocol paper`, labelled.

Here: what is made under protocol paper says so, in print, on cards, in results, in reports and in the README.
"""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from common import artifacts, report, results
from common.results import DataUsed, Result, ResultRow
from tests.promises.small_inputs import write_formulas, write_wafer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """By package and protocol: what a training printed, and its folder."""
    from elemnet.__main__ import app as elemnet
    from irnet.__main__ import app as irnet
    from omnet.__main__ import app as omnet
    from padnet.__main__ import app as padnet
    from transfer.__main__ import app as transfer

    root = tmp_path_factory.mktemp("labels")
    formulas, wafer = write_formulas(root / "formulas.csv"), write_wafer(root / "wafer")
    columns = ("--inputs", "composition", "--image-px", "128", "--folds", "4", "--epochs", "20")
    short, source = ("--epochs", "1"), root / "elemnet-paper" / "model.keras"
    commands = {
        "elemnet": (elemnet, ("train", "--data", formulas, "--architecture", "8x1-1", *short)),
        "irnet": (irnet, ("train", "--data", formulas, "--variant", "8x1-1", "--inputs", "EF", *short)),
        "transfer": (transfer, ("fine-tune", "--data", formulas, "--source", source, *short)),
        "omnet": (omnet, ("train", "--orientations", "256", "--hidden-units", "8", "--shape", "20,20", *short)),
        "padnet": (padnet, ("train", wafer, *columns)),
    }
    found = {}
    for protocol in ("paper", "honest"):
        for name, (app, arguments) in commands.items():
            folder = root / f"{name}-{protocol}"
            chosen = [*map(str, arguments), "--protocol", protocol, "--output", str(folder)]
            result = CliRunner().invoke(app, chosen)
            assert result.exit_code == 0, result.output
            found[name, protocol] = result.stdout, folder
    return found


@pytest.mark.parametrize("name", ["elemnet", "irnet", "transfer", "omnet", "padnet"])
def test_a_training_says_that_the_test_rows_chose_its_weights(trained, faults, name):
    for protocol in ("paper", "honest"):
        printed, folder = trained[name, protocol]
        with faults.inject():
            is_said = "protocol paper" in printed and "also chose the weights" in printed
            assert is_said == (protocol == "paper"), printed
            assert artifacts.load(folder / "model.keras").card["protocol"] == protocol


def test_what_goes_on_from_such_a_network_says_so(trained, tmp_path, faults):
    from omnet.__main__ import app

    with faults.inject(2):
        tuned = artifacts.load(trained["transfer", "honest"][1] / "model.keras").card
        assert (tuned["protocol"], tuned["fine_tuned_from"]["protocol"]) == ("honest", "paper")
        weights = trained["omnet", "paper"][1] / "model.keras"
        arguments = ("--weights", weights, "--pc", "0.5,0.3,0.6", "--orientations", 256, "--output", tmp_path / "run")
        assert CliRunner().invoke(app, ["fine-tune", *map(str, arguments)]).exit_code == 0
        card = artifacts.load(tmp_path / "run" / "model.keras").card
        assert (card["protocol"], card["started_from"]["protocol"]) == ("honest", "paper")


def test_a_chapter_under_protocol_paper_says_so_wherever_its_results_are(tmp_path, capsys, monkeypatch, faults):
    from experiments import chapter3

    monkeypatch.chdir(tmp_path)
    with faults.inject():
        arguments = ["table_3_1", "--data", "flla", "--profile", "cpu", "--protocol", "paper"]
        assert chapter3.main(arguments) == 0
        folder = tmp_path / "results" / "chapter3-bundled-paper-protocol"  # not among those that back the README
        assert json.loads((folder / "table_3_1.json").read_text())["protocol"] == "paper"
        text = (folder / "report.md").read_text(encoding="utf-8")
        assert "Protocol: paper" in text and "the test rows also chose the weights" in text
        assert "Protocol paper: the test rows also chose the weights" in capsys.readouterr().out


def test_a_row_of_the_readme_says_so(tmp_path, faults):
    row = ResultRow("ElemNet", "MAE", 0.05, "eV/atom")
    data = (DataUsed("oqmd", "public", 10),)
    for protocol in ("honest", "paper"):
        result = Result(f"table_{protocol}", "A table", (row,), protocol, "cpu", data, 0, "command")
        results.write(result, tmp_path / "chapter3")
    lines = [line for line in report.readme_rows(tmp_path).splitlines() if "ElemNet" in line]
    with faults.inject():
        assert ["(the paper's protocol)" in line for line in lines] == [False, True]


def test_shipped_networks_and_committed_results_are_honest_or_labelled():
    cards = sorted(ROOT.glob("*/weights/*.json"))
    assert len(cards) >= 4
    assert {json.loads(card.read_text())["protocol"] for card in cards} == {"honest"}
    backing = [result for folder in ROOT.glob("results/chapter?") for result in results.read_folder(folder)]
    num_rows = sum(row.headline for result in backing if result.protocol == "paper" for row in result.rows)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(backing) > 30 and readme.count("(the paper's protocol)") == num_rows
