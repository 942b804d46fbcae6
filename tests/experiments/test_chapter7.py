"""Chapter 7 from end to end at its smallest size; without the public files the wafer's label map is a stand-in."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from common import results
from experiments import chapter7, chapter7_runs
from experiments.chapter import Options
from experiments.chapter7_runs import FOREST_CONTROLS, PADNET, Chapter7
from experiments.chapter7_tasks import BICUVO, BLOCKS, FOLD_KINDS, PROFILES, RANDOM, WAFER_SLAC
from experiments.paper_values import paper_value
from padnet import baselines, simulator
from padnet import stored_results as released
from padnet.data import MEASURED, XrdDataset
from padnet.evaluation import CONTROLS, SHUFFLED, gather
from padnet.folds import stratified_folds
from padnet.stored_results import StoredResults, StoredRun
from padnet.wafer import Wafer, stand_in_wafer

NEEDS_FILES = {"stored_results"}  # left out, with a sentence, where they cannot be had


def small_wafer(data_dir=None) -> Wafer:
    """A third of the places, as frames of all take longer than what is made of them."""
    full = stand_in_wafer()
    return Wafer(full.samples[::3], full.position_mm[::3], full.labels[::3], full.source)


def jobs_of_few_large_networks(chapter, name, config, *arguments, whole=Chapter7.jobs):
    """Of the text's networks, which take longest to build, those of SLAC trained on raw images alone see images."""
    if config.recipe == "paper" and not (config.variant == "slac" and name.endswith("trained on raw")):
        config = replace(config, inputs=("composition",))
    return whole(chapter, name, config, *arguments)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("chapter7")
    arguments = ["--profile", "smoke", "--results", str(root / "results"), "--runs", str(root / "runs")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulator, "load_wafer", small_wafer)
        patch.setattr(Chapter7, "jobs", jobs_of_few_large_networks)
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
    for name, short in (("fig_7_6", "wafer SLAC"), ("fig_7_7", "wafer NIST")):
        beside = {row.name for row in results.read(finished / f"{name}.json").rows}
        assert {f"{short}, {method}" for method in (PADNET, *CONTROLS, *FOREST_CONTROLS)} <= beside
        for control in ("composition only", "position only", SHUFFLED):
            assert f"{short}: {PADNET} less {control}" in beside
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


@pytest.mark.parametrize(
    ("source", "folder", "words"),
    [
        ("stand-in label map", "chapter7-stand-in", "a stand-in for"),
        ("real label map", "chapter7", "their real label map"),
    ],
)
def test_a_run_on_stand_in_labels_says_so_and_has_a_folder_of_its_own(source, folder, words, tmp_path, monkeypatch):
    monkeypatch.setattr(chapter7_runs, "load_wafer", lambda: replace(stand_in_wafer(), source=source))
    chapter = Chapter7(Options("cpu", "", True, "honest", 0, None, tmp_path, ""))
    assert chapter.results == Path("results") / folder
    assert f"simulated from {words}" in chapter.caveats()[0]
    paper = Chapter7(Options("cpu", "", True, "paper", 0, None, tmp_path, ""))
    assert paper.results == Path("results") / f"{folder}-paper-protocol"


def test_methods_that_fail_cost_their_rows_alone(tmp_path, monkeypatch):
    """All networks fail; forests remain, and entries of networks alone are left out."""

    def broken(jobs, folder, **options):
        return {}, [f"{job.label}: it broke" for job in jobs]

    monkeypatch.setattr(simulator, "load_wafer", small_wafer)
    monkeypatch.setattr(chapter7_runs, "cross_validate", broken)
    arguments = ["controls", "wafer_map", "fig_7_6", "--profile", "smoke"]
    assert chapter7.main([*arguments, "--results", str(tmp_path), "--runs", str(tmp_path / "runs")]) == 0
    assert not (tmp_path / "wafer_map.json").exists()
    for name in ("controls", "fig_7_6"):
        result = results.read(tmp_path / f"{name}.json")
        assert all("random forest" in row.name for row in result.rows)
    assert any("it broke" in caveat for caveat in result.caveats)


def test_bicuvo_and_what_the_authors_stored_are_named_with_their_files(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    measured = XrdDataset(
        "Bi-Cu-V-O",
        MEASURED,
        np.zeros((40, 0, 0, 0), np.int32),
        rng.dirichlet(np.ones(3), 40),
        ("Bi", "Cu", "V"),
        rng.uniform(0, 50, (40, 2)),
        labels,
        ("a", "b"),
        tuple(map(str, range(40))),
        rng.uniform(10, 20, (40, 300)) + 50 * (labels[:, None] == np.arange(300) % 2),
        np.linspace(10, 45, 300),
    )
    folds = stratified_folds(labels, 10)
    runs = []
    for detector, shares in (("SLAC", (0.3, 0.3)), ("NIST", (0.2, 0.4))):
        for background, share in zip(("raw", "mf"), shares, strict=True):
            predicted = np.where(np.arange(40) < 40 * share, 1 - labels, labels)
            parts = [(number, test, np.eye(2)[predicted[test]]) for number, test in enumerate(folds)]
            result = gather(f"stored {detector}, fixed filters", labels, 2, parts)
            accuracies = result.fold_accuracies
            runs.append(StoredRun("fixed", detector, "raw", background, accuracies.mean(), accuracies.std(), result))
    stored = StoredResults(measured.position_mm, labels, tuple(runs), {"made_up.csv": "sha256:0"})
    monkeypatch.setattr(simulator, "load_wafer", small_wafer)
    monkeypatch.setattr(chapter7_runs, "load_bicuvo", lambda: measured)
    monkeypatch.setattr(released, "load", lambda: stored)
    monkeypatch.setattr(released, "position_forest", partial(released.position_forest, num_trees=10))
    arguments = ["fig_7_2", "stored_results", "--profile", "smoke"]
    assert chapter7.main([*arguments, "--results", str(tmp_path), "--runs", str(tmp_path / "runs")]) == 0
    (share,) = (row for row in results.read(tmp_path / "fig_7_2.json").rows if row.name.startswith("Bi-Cu-V-O"))
    assert "(re-projected from measured 1D patterns)" in share.data and 0 < share.ours < 100
    (used,) = (data for data in results.read(tmp_path / "fig_7_2.json").data if data.name.startswith("Bi-Cu-V-O"))
    assert used.tier == "public files" and len(used.file_hashes) == 8
    result = results.read(tmp_path / "stored_results.json")
    rows = {row.name: row for row in result.rows}
    assert rows["stored: SLAC, fixed filters, trained on raw"].ours == pytest.approx(70)
    assert "not public" not in result.caveats[0]  # of the images, which are of no concern here
    assert rows[
        "stored, NIST: configurations that predict the same whatever the background of the test images"
    ].ours == pytest.approx(0)
    assert rows["stored: samples that the best networks of both detectors have wrong in the same way"].rows_test == 8


def test_protocol_paper_chooses_on_test_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(simulator, "load_wafer", small_wafer)
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
