"""Chapter 3 from end to end on the bundled sample: the same code path as the real run, at its smallest size."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from common import results
from experiments import chapter3
from experiments.paper_values import paper_value


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("chapter3")
    code = chapter3.main(
        ["--profile", "smoke", "--results", str(root / "results"), "--runs", str(root / "runs")],
    )
    assert code == 0
    return root / "results"


def test_every_entry_leaves_a_result_and_its_table(finished):
    assert {result.id for result in results.read_folder(finished)} == set(chapter3.ENTRIES)
    for entry in chapter3.ENTRIES:
        assert len(pd.read_csv(finished / f"{entry}.csv")) > 0


def test_every_figure_leaves_a_picture(finished):
    for name in (
        "fig_3_2.png",
        "fig_3_3.png",
        "fig_3_4.parity.png",
        "fig_3_4.cdf.png",
        "fig_3_6.elements.png",
        "fig_3_6.compounds.png",
        "error_analysis.elements.png",
        "error_analysis.classes.png",
        "table_3_3.png",
        "dropout_study.png",
    ):
        assert (finished / name).read_bytes().startswith(b"\x89PNG")


def test_results_say_that_the_bundled_sample_was_used(finished):
    for result in results.read_folder(finished):
        assert result.data[0].tier == "bundled"
        assert "bundled sample" in " ".join(result.caveats)
    assert "bundled sample" in (finished / "report.md").read_text(encoding="utf-8")


def test_table_3_1_is_the_thesis_network(finished):
    rows = {row.name: row.ours for row in results.read(finished / "table_3_1.json").rows}
    assert rows["ElemNet, trainable parameters"] == 4_631_361
    assert rows["ElemNet, layers"] == 17


def test_table_3_2_sets_ours_beside_the_paper(finished):
    rows = {row.name: row for row in results.read(finished / "table_3_2.json").rows}
    forest = rows["RandomForest, element fractions"]
    assert forest.paper == paper_value("chapter3", "table_3_2", "RandomForest, element fractions", "mae")
    assert forest.interval_low < forest.ours < forest.interval_high
    assert forest.seconds_train > 0 and forest.seconds_predict > 0


def test_fig_3_4_rests_on_the_saved_predictions(finished):
    table = pd.read_csv(finished / "fig_3_4_predictions.csv.gz", keep_default_na=False)
    saved = json.loads((finished / "fig_3_4.json").read_text(encoding="utf-8"))["rows"]
    errors = (table["formation_energy_ev_per_atom"] - table["ElemNet, this run"]).abs()
    row = next(row for row in saved if row["name"].startswith("ElemNet, this run"))
    assert row["ours"] == pytest.approx(errors.quantile(0.9), rel=1e-6)


def test_depth_study_chooses_on_validation_rows(finished):
    table = pd.read_csv(finished / "fig_3_2_depths.csv")
    best = results.read(finished / "fig_3_2.json").rows[0].ours
    assert best == table.loc[table["validation_mae"].idxmin(), "depth"]


def test_a_chapter_starts_without_the_greetings_of_native_libraries():
    done = subprocess.run([sys.executable, "-m", "experiments.chapter3", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""


def test_an_unknown_entry_is_named(capsys):
    with pytest.raises(SystemExit):
        chapter3.main(["table_9_9"])
    assert "table_9_9" in capsys.readouterr().err


def test_missing_own_data_is_one_sentence(tmp_path, capsys):
    code = chapter3.main(["--data", str(tmp_path / "none.csv"), "--results", str(tmp_path / "results"), "table_3_1"])
    assert code == 2
    assert "none.csv" in capsys.readouterr().err
