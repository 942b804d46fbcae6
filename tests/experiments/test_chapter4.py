"""Chapter 4 from end to end on the bundled sets: the same code path as the real run, at its smallest size."""

import dataclasses

import pandas as pd
import pytest

from common import results
from experiments import chapter4
from experiments.chapter import Options
from experiments.chapter4_runs import Chapter4, describe
from experiments.chapter4_tasks import COMPOSITION_TASKS, MP_STRUCTURES, PROFILES, Job
from experiments.paper_values import paper_value
from irnet.config import ARCHITECTURES

# What the bundled sets have nothing for is left out and said.
NEEDS_MORE_DATA = {"srep2021_table_3"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("chapter4")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MATERIALS_DL_MIRROR", raising=False)
        patch.setenv("MATERIALS_DL_CACHE", str(root / "cache"))
        patch.setenv("MATERIALS_DL_OFFLINE", "1")
        code = chapter4.main(["--profile", "smoke", "--results", str(root / "results"), "--runs", str(root / "runs")])
    assert code == 0
    return root / "results"


def test_every_entry_leaves_a_result_and_its_table(finished):
    expected = set(chapter4.ENTRIES) - NEEDS_MORE_DATA
    assert {result.id for result in results.read_folder(finished)} == expected
    for entry in expected:
        assert len(pd.read_csv(finished / f"{entry}.csv")) > 0


def test_every_figure_leaves_a_picture(finished):
    for pattern in ("fig_4_2.*.png", "fig_4_3.*.png", "fig_4_4.*.png", "fig_4_5.*.png", "srep2021_fig_2.png"):
        pictures = list(finished.glob(pattern))
        assert pictures, pattern
        assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)


def test_results_name_the_bundled_data(finished):
    for result in results.read_folder(finished):
        if result.id != "table_4_1":  # needs no data
            assert {used.tier for used in result.data} == {"bundled"}
        assert "bundled" in " ".join(result.caveats)


def test_table_4_1_lists_every_network(finished):
    rows = {row.name for row in results.read(finished / "table_4_1.json").rows}
    assert len(rows) == len(ARCHITECTURES) + 3
    assert "IRNet, 48 layers, 145 attributes" in rows


def test_predictions_behind_the_figures_give_the_table_back(finished):
    table = pd.read_csv(finished / "fig_4_5_predictions.csv.gz")
    rows = results.read(finished / "table_4_3.json").rows
    best = next(row for row in rows if row.metric == "MAE" and row.headline)
    name = best.name.split(": ")[1]
    part = table[table["model"] == name]
    assert (part["true"] - part["predicted"]).abs().mean() == pytest.approx(best.ours, rel=1e-6)


def test_fine_tuning_uses_more_points_round_by_round(finished):
    table = pd.read_csv(finished / "sipfenn_fig_3_9_rounds.csv")
    assert set(table["num_points"]) == {0, 4}
    assert (table["test_mae"] > 0).all()


@pytest.mark.parametrize("task", COMPOSITION_TASKS, ids=lambda task: task.data)
def test_tasks_name_figures_that_the_papers_have(task):
    if task.paper_4_4:
        assert len(paper_value("chapter4", "table_4_4", *task.paper_4_4)) == 4
    if task.paper_2021:
        assert len(paper_value("chapter4", "srep2021_table_1", task.paper_2021)) == 5


def test_variants_read_as_the_tables_write_them():
    assert describe("irnet_17") == "IRNet, 17 layers"
    assert describe("sipfenn_nn24") == "SIPFENN NN24"


def test_an_unknown_entry_is_named(capsys):
    with pytest.raises(SystemExit):
        chapter4.main(["table_9_9"])
    assert "table_9_9" in capsys.readouterr().err


def test_networks_trained_side_by_side_are_found_finished(tmp_path, monkeypatch, capsys):
    profile = dataclasses.replace(PROFILES["smoke"], num_processes=2)
    monkeypatch.setitem(PROFILES, "smoke", profile)
    monkeypatch.delenv("MATERIALS_DL_MIRROR", raising=False)
    monkeypatch.setenv("MATERIALS_DL_OFFLINE", "1")
    options = Options("smoke", "", True, "honest", 0, tmp_path / "results", tmp_path / "runs", "")
    chapter = Chapter4(options)
    jobs = [Job(MP_STRUCTURES, key, epochs=2) for key in ("srnet_10", "irnet_10")]
    chapter.train_side_by_side(jobs)
    finished = sorted((tmp_path / "runs").glob("*/model.keras"))
    assert len(finished) == 2
    written = [path.with_name("history.csv").stat().st_mtime_ns for path in finished]
    assert all(chapter.network(job) is not None for job in jobs)
    assert [path.with_name("history.csv").stat().st_mtime_ns for path in finished] == written
