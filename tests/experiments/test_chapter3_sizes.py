"""Figure 3.3 on the bundled sample with a small network: points, crossings, and what is kept."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from common import results
from common.training import CollapsedTrainingError
from elemnet import comparison
from experiments import chapter3_sizes
from experiments.chapter3_sizes import NETWORK, ON_ATTRIBUTES, ON_FRACTIONS
from experiments.paper_values import paper_value


@pytest.fixture(scope="module")
def sizes(small_chapter3) -> pd.DataFrame:
    chapter3_sizes.fig_3_3(small_chapter3)
    return pd.read_csv(small_chapter3.results / "fig_3_3_sizes.csv")


def test_every_model_has_a_point_at_every_size(sizes):
    assert sizes.groupby("model").size().to_dict() == {NETWORK: 3, ON_FRACTIONS: 3, ON_ATTRIBUTES: 3}
    assert sorted(sizes["rows_train"].unique()) == [464, 681, 1000]
    assert (sizes["test_mae"] > 0).all()


def test_the_largest_network_is_that_of_table_3_2(small_chapter3, sizes):
    largest = sizes[(sizes["model"] == NETWORK) & (sizes["rows_train"] == 1000)].iloc[0]
    assert largest["test_mae"] == pytest.approx(small_chapter3.trained.test_report["mae"])


def test_a_forest_learns_from_the_rows_that_the_network_learns_from(small_chapter3, sizes):
    train, test = small_chapter3.trained.data.train, small_chapter3.data.test
    scored = comparison.forest("again", train, test, (train.x, test.x), 5, 0)
    ours = sizes[(sizes["model"] == ON_FRACTIONS) & (sizes["rows_train"] == 1000)]["test_mae"]
    assert ours.item() == pytest.approx(scored.mae)


def test_crossings_stand_beside_the_papers(small_chapter3, sizes):
    result = results.read(small_chapter3.results / "fig_3_3.json")
    crossings = [row for row in result.rows if row.headline]
    assert [row.paper for row in crossings] == [
        paper_value("chapter3", "fig_3_3", "beats_RF_fractions_above"),
        paper_value("chapter3", "fig_3_3", "beats_RF_physical_above"),
    ]
    assert len(result.rows) == 2 + len(sizes)
    assert (small_chapter3.results / "fig_3_3.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("network", "metric", "size", "words"),
    [
        ([0.4, 0.2], "training rows, above", 1000, "interpolated"),
        ([0.1, 0.1], "training rows, above at most", 100, "crossing is below"),
        ([0.9, 0.9], "training rows, above at least", 10_000, "behind"),
        ([0.9, np.nan], "training rows, above at least", 100, "behind"),
    ],
)
def test_a_crossing_that_is_not_within_the_sizes_is_said_so(network, metric, size, words):
    points = pd.DataFrame(
        {
            "model": [NETWORK] * 2 + [ON_FRACTIONS] * 2,
            "rows_train": [100, 10_000] * 2,
            "test_mae": [*network, 0.2 * 2**0.5, 0.2 * 2**0.5],
        }
    )
    row = chapter3_sizes.crossing_row(points, ON_FRACTIONS, 550)
    assert (row.metric, row.ours, row.paper) == (metric, size, 550) and words in row.note


def test_a_killed_run_goes_on_without_fitting_a_forest_again(small_chapter3, sizes, monkeypatch):
    monkeypatch.setattr(comparison, "forest", None)
    chapter3_sizes.fig_3_3(small_chapter3)
    pd.testing.assert_frame_equal(pd.read_csv(small_chapter3.results / "fig_3_3_sizes.csv"), sizes)


def test_other_rows_are_not_taken_for_those_of_a_kept_forest(small_chapter3, sizes):
    train, test = chapter3_sizes.forest_inputs(small_chapter3)[ON_FRACTIONS]
    kept = set(small_chapter3.options.runs.glob("forest_464-*.json"))
    again = chapter3_sizes.forest_point(small_chapter3, ON_FRACTIONS, train, test, 464)
    assert set(small_chapter3.options.runs.glob("forest_464-*.json")) == kept
    other = chapter3_sizes.forest_point(small_chapter3, ON_FRACTIONS, replace(train, y=train.y + 1), test, 464)
    assert len(set(small_chapter3.options.runs.glob("forest_464-*.json")) - kept) == 1
    assert other["test_mae"] > again["test_mae"] + 0.5


def test_failed_trainings_are_a_finding(small_chapter3, sizes, tmp_path, monkeypatch):
    def collapse(*_):
        raise CollapsedTrainingError("The training collapsed: for a test.")

    monkeypatch.setattr(small_chapter3, "train", collapse)
    monkeypatch.setattr(small_chapter3, "trained", None)
    monkeypatch.setattr(small_chapter3, "results", tmp_path)
    monkeypatch.setattr(chapter3_sizes, "network_point", lambda *_, **__: collapse())
    chapter3_sizes.fig_3_3(small_chapter3)
    result = results.read(tmp_path / "fig_3_3.json")
    assert not any(row.headline for row in result.rows) and len(result.rows) == 6
    assert "collapsed: for a test" in " ".join(result.caveats)


def test_too_few_rows_leave_the_figure_out_and_say_so(small_chapter3, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(small_chapter3, "results", tmp_path)
    monkeypatch.setattr(small_chapter3, "config", replace(small_chapter3.config, max_train_rows=464))
    chapter3_sizes.fig_3_3(small_chapter3)
    assert "left out" in capsys.readouterr().out and not list(tmp_path.iterdir())
