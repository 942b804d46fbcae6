"""Chapter 5 from end to end on the bundled samples: the same code path as the real run, at its smallest size."""

import re

import numpy as np
import pandas as pd
import pytest

from common import results
from experiments import chapter5
from experiments.chapter import Options
from experiments.chapter5_runs import Chapter5
from experiments.chapter5_tasks import EXPERIMENT, LABELS, NEW_PROPERTIES, PROFILES, TARGETS
from experiments.paper_values import paper_value

RESULTS = {
    *("fig_5_1", "table_5_2", "table_5_3", "table_5_4", "fig_5_3", "fig_5_6", "fig_5_7", "fig_5_9"),
    *("section_8_2_1", "section_8_2_5"),
}
PICTURES = {
    *("fig_5_1.png", "fig_5_3.png", "fig_5_6.cdf.png", "fig_5_7.cdf.png", "fig_5_7.parity_1.png"),
    *(f"fig_5_6.parity_{number}.png" for number in (1, 2, 3)),
    *("fig_5_9.components_stable_flla.png", "fig_5_9.roc_stable_flla.png"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("chapter5")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MATERIALS_DL_MIRROR", raising=False)
        patch.setenv("MATERIALS_DL_CACHE", str(root / "cache"))
        patch.setenv("MATERIALS_DL_OFFLINE", "1")
        code = chapter5.main(["--profile", "smoke", "--results", str(root / "results"), "--runs", str(root / "runs")])
    assert code == 0
    return root / "results"


FIGURE_NAMES = {"scratch": "EXP-SC", "source": "flla-SC", "transfer": "EXP-TL"}


@pytest.fixture(scope="module")
def rows(finished) -> dict[str, dict[tuple[str, str], results.ResultRow]]:
    """Of each result, by name and metric."""
    return {result.id: {(row.name, row.metric): row for row in result.rows} for result in results.read_folder(finished)}


def read(folder, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / name, keep_default_na=False)


def test_every_entry_leaves_a_result_its_table_and_the_report(finished):
    assert {result.id for result in results.read_folder(finished)} == RESULTS
    report = (finished / "report.md").read_text(encoding="utf-8")
    for name in RESULTS:
        assert len(pd.read_csv(finished / f"{name}.csv")) > 0
        assert results.read(finished / f"{name}.json").title in report


def test_every_figure_leaves_a_picture(finished):
    assert {path.name for path in finished.glob("*.png")} == PICTURES
    assert all((finished / name).read_bytes().startswith(b"\x89PNG") for name in PICTURES)


def test_nothing_of_the_papers_stands_beside_the_bundled_samples(finished):
    for result in results.read_folder(finished):
        assert all(row.paper is None for row in result.rows), result.id
        assert {used.tier for used in result.data} == {"bundled"}
        assert "bundled samples" in " ".join(result.caveats) and "not comparable" in " ".join(result.caveats)
        assert result.profile == "smoke" and result.protocol == "honest"


def test_errors_are_those_of_the_saved_predictions(finished, rows):
    table = read(finished, "table_5_2_predictions_experiment.csv.gz")
    assert table["split"].unique().tolist() == ["1 of 10", "2 of 10"] and not table["formula"].duplicated().any()
    is_unseen = table["seen_by_source"].astype(str) == "False"
    assert 0 < is_unseen.sum() < len(table)
    for column, name in (("scratch", "scratch"), ("source", "flla-SC as it came"), ("transfer", "transfer")):
        error = (table["true"] - table[column]).abs()
        of_all = rows["table_5_2"][f"Experimental: {name}", "MAE"]
        of_unseen = rows["table_5_2"][f"Experimental: {name}, compositions unseen by the source", "MAE"]
        assert of_all.ours == pytest.approx(error.mean(), abs=1e-4) and of_all.rows_test == len(table)
        assert of_unseen.ours == pytest.approx(error[is_unseen].mean(), abs=1e-4)
        assert of_unseen.rows_test == is_unseen.sum()
        assert of_all.interval_low < of_all.ours < of_all.interval_high
        p90 = rows["fig_5_6"][f"Experimental: {FIGURE_NAMES[column]}", "p90"]
        assert p90.ours == pytest.approx(error.quantile(0.9), abs=1e-4) and p90.rows_test == len(table)
    errors = [(table["true"] - table[column]).abs().mean() for column in ("transfer", "scratch")]
    ratio = rows["table_5_2"]["Experimental: error of transfer over that of scratch", "ratio of MAE"]
    assert ratio.ours == pytest.approx(errors[0] / errors[1], rel=1e-3)


def test_the_first_fold_of_ten_is_the_hold_out_of_9_to_1(finished, rows):
    table = read(finished, "table_5_2_predictions_experiment.csv.gz")
    first = table[table["split"] == "1 of 10"]
    for column in ("scratch", "transfer"):
        row = rows["table_5_3"][f"Experimental: {column}, 9:1", "MAE"]
        assert row.ours == pytest.approx((first["true"] - first[column]).abs().mean(), abs=1e-4)
        fifth = rows["table_5_3"][f"Experimental: {column}, 8:2", "MAE"]
        assert fifth.rows_test == pytest.approx(2 * row.rows_test, abs=2) and fifth.rows_train < row.rows_train


def test_shares_of_training_rows_grow_and_are_scored_alike(finished):
    table = pd.read_csv(finished / "fig_5_3_shares.csv")
    assert set(table["share"]) == {0.5, 1.0} and set(table["network"]) == {"scratch", "transfer"}
    by_share = table.groupby("share")["rows_train"].first()
    assert by_share[0.5] == pytest.approx(by_share[1.0] / 2, abs=1) and (table["mae"] > 0).all()


def test_dft_is_set_against_experiment_on_common_compounds(finished, rows):
    table = read(finished, "fig_5_1_energies.csv")
    assert list(table) == ["formula", "Experimental", "flla"]
    row = rows["fig_5_1"]["flla against experiment", "MAE"]
    assert row.ours == pytest.approx((table["Experimental"] - table["flla"]).abs().mean(), abs=1e-4)
    assert row.rows_test == len(table) > 50


def test_activations_are_compared_on_the_same_rows(finished, rows):
    found = {name: row for (name, metric), row in rows["fig_5_9"].items() if metric == "ROC AUC"}
    names = {"flla-SC", "EXP-SC", "EXP-TL", "random weights", "element fractions"}
    assert {name.split(": ")[1] for name in found} == names
    assert {row.rows_test for row in found.values()} == {30} and {row.rows_train for row in found.values()} == {270}
    assert all(0 < row.interval_low <= row.ours <= row.interval_high <= 1 for row in found.values())
    components = pd.read_csv(finished / "fig_5_9_components.csv.gz")
    assert set(components["network"]) == names and set(components["label"]) == {"stable", "unstable"}
    assert (components.groupby("network").size() == 300).all()


def test_a_new_head_answers_in_units(finished, rows):
    table = read(finished, "section_8_2_5_predictions_e_above_hull.csv.gz")
    for name in ("scratch", "transfer"):
        row = rows["section_8_2_5"][f"energy above hull, FLLA: {name}", "MAE"]
        assert row.ours == pytest.approx((table["true"] - table[name]).abs().mean(), abs=1e-4)
        assert row.unit == "eV/atom" and abs(table[name].mean() - table["true"].mean()) < 1


def test_a_finished_chapter_is_read_again(finished, capsys, monkeypatch):
    monkeypatch.setattr("transfer.comparison.fine_tune", None)  # whatever would be trained fails
    before = (finished / "table_5_3.csv").read_text()
    runs = finished.parent / "runs"
    code = chapter5.main(
        ["table_5_3", "--profile", "smoke", "--results", str(finished.parent / "again"), "--runs", str(runs)]
    )
    assert code == 0, capsys.readouterr().err
    assert (finished.parent / "again" / "table_5_3.csv").read_text() == before


# ------------------------------------------------------------------------------------------------------ names and data


def chapter(**changes) -> Chapter5:
    given = {
        "profile": "smoke", "data": "", "allow_stand_in": True, "protocol": "honest", "seed": 0, "results": None,
        "runs": None, "command": "",
    }  # fmt: skip
    return Chapter5(Options(**given | changes))


def test_bundled_samples_do_not_take_the_place_of_public_results():
    assert str(chapter().results) == "results/chapter5-smoke"
    assert str(chapter(profile="cpu").results) == "results/chapter5-bundled"
    assert str(chapter(profile="cpu", protocol="paper").results) == "results/chapter5-bundled-paper-protocol"


def test_without_public_data_the_experiment_is_the_only_target():
    assert chapter().is_bundled and chapter().targets() == [EXPERIMENT]


def test_targets_name_figures_that_the_paper_has():
    columns = {
        "table_5_2_cv": ["scratch", "scratch sd", "OQMD-SC", "transfer", "transfer sd"],
        "table_5_3_holdout": ["split", "scratch", "transfer"],
        "table_5_4_on_experiment": ["scratch", "sd", "transfer", "sd"],
    }
    for table, expected in columns.items():
        values = paper_value("chapter5", table)
        assert values["_columns"] == expected and {target.name for target in TARGETS} <= set(values)
    for target in TARGETS:
        assert [row[0] for row in paper_value("chapter5", "table_5_3_holdout")[target.name]] == ["8:2", "9:1"]
    for figure in ("mae", "p50", "p90"):
        assert set(paper_value("chapter5", "fig_5_1_dft_vs_experiment")[figure]) == set(chapter5.DFT_SETS)
    assert set(paper_value("chapter5", "fig_5_3")) >= {"EXP-SC", "EXP-TL"}


def test_files_of_labels_and_properties_have_names_of_their_own():
    assert len({label.short for label in LABELS}) == len(LABELS)
    assert len({new.column for new in NEW_PROPERTIES}) == len(NEW_PROPERTIES)
    assert all(re.fullmatch(r"\w+", label.short) for label in LABELS)


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_go_over_the_whole_of_the_training_rows(name):
    profile = PROFILES[name]
    assert set(profile.folds) == {target.short for target in TARGETS} and profile.fractions[-1] == 1.0
    assert np.all(np.diff(profile.fractions) > 0)


def test_the_leaderboard_needs_its_own_split(tmp_path, capsys):
    code = chapter5.main(["leaderboard", "--profile", "smoke", "--results", str(tmp_path), "--runs", str(tmp_path)])
    error = capsys.readouterr().err
    assert code == 2 and "leaderboard" in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_unknown_entry_is_named(capsys):
    with pytest.raises(SystemExit):
        chapter5.main(["table_9_9"])
    assert "table_9_9" in capsys.readouterr().err
