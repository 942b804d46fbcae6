"""Matbench: its folds, and a run on a small table in place of its own."""

import numpy as np
import pandas as pd
import pytest

from common import results
from experiments import matbench

# The first and last test ids of the first fold in the package matbench 0.6 (matbench_v0.1_validation.json), from 1.
OFFICIAL = {
    "expt_gap": (4_604, 921, [8, 10, 19], [4_600, 4_602]),
    "mp_e_form": (132_752, 26_551, [4, 8, 11], [132_749, 132_750]),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_the_folds_are_those_of_matbench(name):
    num_rows, num_test, first, last = OFFICIAL[name]
    folds = matbench.folds_of(matbench.TASKS[name], np.arange(num_rows) / 7)
    ids = folds[0][1] + 1
    assert len(ids) == num_test and ids[:3].tolist() == first and ids[-2:].tolist() == last
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(num_rows))


@pytest.fixture
def small_table(tmp_path, monkeypatch):
    """60 compounds in place of every task's; helium has no attributes."""
    formulas = [f"{metal}{i}{anion}{j}" for metal in ("Na", "Fe", "Ti") for anion in ("O", "S") for i in (1, 2, 3)
                for j in (1, 3, 4)] + ["HeO", "HeS", "Na5O", "Fe5O", "Ti5O", "Na5S"]  # fmt: skip
    is_oxide = np.array(["O" in formula for formula in formulas]) * 1
    path = tmp_path / "table.csv"
    pd.DataFrame({"formula": formulas, "target": is_oxide}).to_csv(path, index=False)
    monkeypatch.setattr(matbench, "fetch", lambda file: path)
    return tmp_path


def test_a_run_is_scored_beside_what_was_posted_and_goes_on_where_it_stopped(small_table, monkeypatch):
    arguments = ["expt_is_metal", "--profile", "smoke"]
    arguments += ["--results", str(small_table / "results"), "--runs", str(small_table / "runs")]
    assert matbench.main(arguments) == 0
    (result,) = results.read_folder(small_table / "results")
    elemnet, irnet, posted = result.rows
    assert (elemnet.metric, elemnet.paper, elemnet.rows_test) == ("ROC AUC", 0.921, 24)
    assert 0 <= irnet.ours <= 1 and posted.ours == 0.921 and not posted.headline
    assert "2 rows have no attributes" in irnet.note and "no attributes" not in elemnet.note
    assert "only the first 2 folds" in result.caveats[0] and result.data[0].rows == 60
    assert "Matbench v0.1, expt_is_metal" in (small_table / "results" / "report.md").read_text()

    for estimator in (matbench.ElemNetRegressor, matbench.IRNetClassifier):
        monkeypatch.setattr(estimator, "fit", None)  # nothing is trained again
    assert matbench.main(arguments) == 0
    (again,) = results.read_folder(small_table / "results")
    assert [row.ours for row in again.rows] == [row.ours for row in result.rows]


def test_mistakes_are_said_in_one_sentence(capsys):
    with pytest.raises(SystemExit):
        matbench.main(["steels"])
    assert "unknown task 'steels'; expected of expt_gap" in capsys.readouterr().err
    assert matbench.main(["expt_gap"]) == 2  # offline, without a mirror
    assert capsys.readouterr().err.startswith("error: mp/expt_gap.csv.gz is not in the cache or mirror")
