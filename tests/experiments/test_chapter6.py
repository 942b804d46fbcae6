"""Chapter 6 from end to end at its smallest size, from the bundled master pattern."""

import numpy as np
import pandas as pd
import pytest

from common import results
from experiments import chapter6, chapter6_indexing
from experiments.chapter6_tasks import CLEAN, SHIFTED
from experiments.paper_values import paper_value
from omnet.config import LOSSES

CONDITIONS = (CLEAN, SHIFTED)  # two of five: noise changes the patterns and not what is done with them


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("chapter6")
    arguments = ["--profile", "smoke", "--results", str(root / "results"), "--runs", str(root / "runs")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chapter6_indexing, "CONDITIONS", CONDITIONS)
        assert chapter6.main(arguments) == 0
    return root / "results"


def test_every_entry_leaves_a_result_and_its_table(finished):
    assert {result.id for result in results.read_folder(finished)} == set(chapter6.ENTRIES)
    for entry in chapter6.ENTRIES:
        assert len(pd.read_csv(finished / f"{entry}.csv")) > 0


def test_every_figure_leaves_a_picture(finished):
    for name in ("fig_6_4.loss.png", "fig_6_4.mde.png", "table_6_1.cdf.png", "table_6_1.noise.png", "real_scan.png"):
        assert (finished / name).read_bytes().startswith(b"\x89PNG")


def test_table_6_1_has_every_method_under_every_condition(finished):
    methods = pd.read_csv(finished / "table_6_1_methods.csv")
    for loss in LOSSES:
        rows = methods[methods["method"] == f"OMNet {loss.upper()}"]
        assert set(rows["condition"]) == {condition.name for condition in CONDITIONS}
    rows = {row.name: row for row in results.read(finished / "table_6_1.json").rows}
    for loss in LOSSES:
        paper = paper_value("chapter6", "table_6_1_degrees", f"OMNet {loss.upper()}")[1]
        assert rows[f"OMNet {loss.upper()}, clean"].paper == paper


def test_table_6_1_rests_on_the_saved_disorientations(finished):
    errors = pd.read_csv(finished / "table_6_1_disorientations.csv.gz")
    for row in results.read(finished / "table_6_1.json").rows:
        if row.metric == "MDE":
            assert row.ours == pytest.approx(errors[row.name].mean(), abs=1e-4)


def test_no_dictionary_is_nearer_than_its_grid(finished):
    errors = pd.read_csv(finished / "table_6_1_disorientations.csv.gz")
    for floor in [name for name in errors if name.startswith("nearest of grid")]:
        steps = floor.removeprefix("nearest of grid ").removesuffix(", clean")
        assert np.all(errors[f"dictionary {steps}, clean"] >= errors[floor] - 1e-4)


def test_refinement_makes_dictionary_answers_better(finished):
    errors = pd.read_csv(finished / "table_6_1_disorientations.csv.gz")
    coarse = next(name for name in errors if name.startswith("dictionary") and name.endswith("+ refinement, clean"))
    assert errors[coarse].median() < 0.1 * errors[coarse.replace(" + refinement", "")].median()
