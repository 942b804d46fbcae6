"""Figure 3.6 with the shipped weights: what is written is what was measured, and says what it is."""

import pandas as pd
import pytest

from common import results
from experiments.chapter import Options
from experiments.chapter3_activations import fig_3_6
from experiments.chapter3_runs import Chapter3
from experiments.paper_values import paper_value

LAYERS = paper_value("chapter3", "fig_3_6", "layers")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("chapter3_activations")
    fig_3_6(Chapter3(Options("smoke", "flla", False, "honest", 0, root / "results", root / "runs", "command")))
    return root / "results"


@pytest.fixture(scope="module")
def silhouettes(finished):
    return pd.read_csv(finished / "fig_3_6_silhouettes.csv").set_index(["set", "grouping", "layer", "space"])


def test_rows_are_those_of_the_saved_silhouettes(finished, silhouettes):
    rows = {row.name: row for row in results.read(finished / "fig_3_6.json").rows}
    assert len(rows) == 5 * len(LAYERS)
    for layer in LAYERS:
        row = rows[f"Elements by group, layer {layer}"]
        expected = silhouettes.loc["elements", "group", layer, "all units"]
        assert row.ours == pytest.approx(expected["silhouette"], abs=1e-6) and row.rows_test == 35
        assert f"random weights {expected['random_mean']:.3f}" in row.note
        assert row.paper is None and not row.headline and row.rows_train > 100_000


def test_the_shipped_network_knows_groups_that_random_weights_do_not(silhouettes):
    for one in (("elements", "group"), ("compounds", "metal group and anion"), ("compounds", "metal group")):
        known = silhouettes.loc[(*one, 1, "all units")]
        assert known["p_value"] < 0.05 and known["silhouette"] > known["random_mean"] + 3 * known["random_sd"]


def test_the_result_says_what_the_network_has_not_seen(finished):
    result = results.read(finished / "fig_3_6.json")
    words = " ".join(result.caveats)
    assert "never seen an element alone" in words and "not of this run" in words and "bundled sample" in words
    assert result.extra["alone_in_their_group"] == []


def test_both_sets_are_drawn(finished):
    table = pd.read_csv(finished / "fig_3_6_components.csv", keep_default_na=False)
    assert sorted(table["layer"].unique()) == LAYERS
    for name in table["set"].unique():
        assert (finished / f"fig_3_6.{name}.png").read_bytes().startswith(b"\x89PNG")
