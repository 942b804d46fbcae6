"""Chapter 7 from end to end at its smallest size; without the public files the wafer's label map is a stand-in."""

import numpy as np
import pandas as pd
import pytest

from common import results
from experiments import chapter7
from experiments.chapter import Options
from experiments.chapter7_runs import FOREST_CONTROLS, PADNET, Chapter7
from experiments.chapter7_tasks import BICUVO, BLOCKS, FOLD_KINDS, PROFILES, RANDOM, WAFER_SLAC
from experiments.paper_values import paper_value
from padnet import baselines
from padnet.evaluation import CONTROLS

NEEDS_FILES = {"stored_results"}  # left out, with a sentence, where they cannot be had


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("chapter7")
    arguments = ["--profile", "smoke", "--results", str(root / "results"), "--runs", str(root / "runs")]
    assert chapter7.main(arguments) == 0
    return root / "results"


def test_every_entry_leaves_a_result_and_its_table(finished):
    assert {result.id for result in results.read_folder(finished)} == set(chapter7.ENTRIES) - NEEDS_FILES
    for entry in set(chapter7.ENTRIES) - NEEDS_FILES:
        assert len(pd.read_csv(finished / f"{entry}.csv")) > 0


def test_every_figure_leaves_a_picture(finished):
    names = ["fig_7_1", "fig_7_2_wafer_SLAC", "fig_7_4_filters_paper", "fig_7_4_areas_raw", "fig_7_6", "fig_7_7"]
    for name in (*names, "section_7_4_4", "controls", "wafer_map"):
        assert (finished / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_every_row_of_images_says_where_they_come_from(finished):
    for result in results.read_folder(finished):
        for row in result.rows:
            assert "(simulated)" in row.data
            assert row.paper is None  # no figure of the paper stands beside simulated images
        assert "not public" in result.caveats[0]


def test_backgrounds_of_training_and_test_images_make_a_full_matrix(finished):
    for name in ("fig_7_6", "fig_7_7"):
        table = pd.read_csv(finished / f"{name}_accuracies.csv")
        assert len(table) == 3 * len(PROFILES["smoke"].backgrounds) ** 2
        assert table["accuracy"].between(0, 100).all()


def test_the_table_of_controls_has_them_all_on_both_kinds_of_folds(finished):
    rows = {row.name: row for row in results.read(finished / "controls.json").rows}
    for kind in FOLD_KINDS:
        for name in (PADNET, *CONTROLS, *FOREST_CONTROLS):
            assert f"wafer SLAC, {kind}: {name}" in rows
        for control in ("composition only", "position only"):
            test = rows[f"wafer SLAC, {kind}: {PADNET} less {control}"]
            ours, theirs = (rows[f"wafer SLAC, {kind}: {name}"].ours for name in (PADNET, control))
            assert test.ours == pytest.approx(ours - theirs) and "McNemar p" in test.note


def test_the_wafer_map_has_every_sample_once(finished):
    table = pd.read_csv(finished / "wafer_map_samples.csv")
    rows = {row.name: row for row in results.read(finished / "wafer_map.json").rows}
    assert table["sample"].is_unique
    for kind in FOLD_KINDS:
        tested = table[table[f"predicted, {kind}"] >= 0]
        right = 100 * (tested["label"] == tested[f"predicted, {kind}"]).mean()
        assert rows[f"wafer SLAC, {kind}: {PADNET}"].ours == pytest.approx(right)


def test_grids_are_those_of_the_paper():
    grid = paper_value("chapter7", "adaboost_grid")
    assert {name: tuple(values) for name, values in grid.items()} == dict(baselines.FAMILIES["AdaBoost"].paper_grid)


def test_without_its_files_a_data_set_is_left_out_with_a_sentence(tmp_path, capsys):
    chapter = Chapter7(Options("smoke", "", True, "honest", 0, tmp_path, tmp_path, ""))
    assert chapter.dataset(BICUVO) is None
    assert "Bi-Cu-V-O is left out: xrd/bicuvo_drnets/" in capsys.readouterr().out


def test_protocol_paper_chooses_on_test_rows(tmp_path):
    honest, paper = (
        Chapter7(Options("smoke", "", True, protocol, 0, tmp_path, tmp_path, "")) for protocol in ("honest", "paper")
    )
    for kind in (RANDOM, BLOCKS):
        for fold in honest.folds(WAFER_SLAC, kind):
            assert not np.isin(fold.test, np.union1d(fold.train, fold.validation)).any()
        for fold in paper.folds(WAFER_SLAC, kind):
            np.testing.assert_array_equal(fold.validation, fold.test)
            assert not np.isin(fold.test, fold.train).any()
    assert any("Protocol paper" in caveat for caveat in paper.caveats())
