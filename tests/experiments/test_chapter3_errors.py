"""Section 3.3.6 on the bundled sample with made-up predictions: files and rows by hand."""

import numpy as np
import pandas as pd
import pytest

from common import results
from common.composition import encode
from common.elements import ELEMENTS
from elemnet.error_analysis import rank_correlation_by_element
from experiments import chapter3_errors
from experiments.paper_values import paper_value

TARGET = "formation_energy_ev_per_atom"
SHIPPED, THIS_RUN = "ElemNet, shipped", "ElemNet, this run"


@pytest.fixture(scope="module")
def predictions(small_chapter3) -> pd.DataFrame:
    """Made up: the first network is 1 eV/atom too low for compounds of oxygen, the second nearly right."""
    test = small_chapter3.data.test
    true = test.y.astype(float)
    has_oxygen = encode(test.frame["formula"]).fractions[:, ELEMENTS.index("O")] > 0
    small = 1e-3 * np.random.default_rng(0).normal(size=len(true))
    table = pd.DataFrame({"formula": test.frame["formula"].to_numpy(), TARGET: true})
    table[SHIPPED], table[THIS_RUN] = true + small - has_oxygen, true + small
    table["RandomForest, fractions"] = true
    small_chapter3.results.mkdir(parents=True, exist_ok=True)
    table.to_csv(small_chapter3.results / "fig_3_4_predictions.csv.gz", index=False)
    return table


@pytest.fixture(scope="module")
def analysis(small_chapter3, predictions) -> dict[str, results.ResultRow]:
    chapter3_errors.error_analysis(small_chapter3)
    return {row.name: row for row in results.read(small_chapter3.results / "error_analysis.json").rows}


def test_shares_and_worst_rows_are_those_of_the_predictions(small_chapter3, predictions, analysis):
    error = predictions[SHIPPED] - predictions[TARGET]
    worst = predictions.loc[error.abs().sort_values(ascending=False).index]
    num_worst = round(0.01 * len(error))
    row = analysis[f"{SHIPPED}, positive energies among the worst 1 %"]
    assert row.ours == pytest.approx((worst[TARGET][:num_worst] > 0).mean()) and row.rows_test == num_worst
    assert row.interval_low <= row.ours <= row.interval_high
    assert row.paper == paper_value("chapter3", "fig_3_4", "share_positive_in_worst_1pct")
    saved = pd.read_csv(small_chapter3.results / "error_analysis_worst.csv", keep_default_na=False)
    assert saved[saved["model"] == SHIPPED]["formula"].tolist() == worst["formula"][:25].tolist()
    assert analysis[f"{SHIPPED}, predicted too low among the 25 worst rows"].ours == 25
    assert f"{THIS_RUN}, predicted too low among the 25 worst rows" in analysis


def test_rank_correlations_are_pandas(small_chapter3, predictions, analysis):
    saved = pd.read_csv(small_chapter3.results / "error_analysis_elements.csv", keep_default_na=False)
    assert set(saved["model"]) == {SHIPPED, THIS_RUN} and saved["rows"].min() >= 30
    oxygen = predictions[encode(predictions["formula"]).fractions[:, ELEMENTS.index("O")] > 0]
    row = saved[(saved["model"] == SHIPPED) & (saved["element"] == "O")].iloc[0]
    assert row["rows"] == len(oxygen)
    assert row["spearman"] == pytest.approx(oxygen[[TARGET, SHIPPED]].corr("spearman").iloc[0, 1], abs=1e-4)


def test_elements_that_the_thesis_names_and_the_lowest_have_rows(predictions):
    paper = paper_value("chapter3", "fig_3_4", "lowest_spearman_by_element")
    given = (encode(predictions["formula"]).fractions, predictions[TARGET], predictions[SHIPPED])
    table = rank_correlation_by_element(*given, min_rows=5)
    rows = {row.name: row for row in chapter3_errors.element_rows(SHIPPED, table, *given)}
    known = [symbol for symbol in paper if symbol in set(table["element"])]
    assert "N" in known
    assert not any(f"{SHIPPED}, compounds of {symbol}" in rows for symbol in set(paper) - set(known))
    for symbol in known:
        row = rows[f"{SHIPPED}, compounds of {symbol}"]
        assert row.paper == paper[symbol] and row.interval_low <= row.ours <= row.interval_high
    for rank, symbol in enumerate(table["element"][:4], start=1):
        assert rows[f"{SHIPPED}, compounds of {symbol}"].note.startswith(f"number {rank} from below")


def test_errors_by_kind_show_where_the_first_network_is_wrong(analysis):
    assert analysis[f"{SHIPPED}, oxides (kind)"].ours == pytest.approx(1, abs=0.01)
    assert analysis[f"{SHIPPED}, halides (kind)"].ours < 0.01
    assert analysis[f"{SHIPPED}, metal oxides (class of table 3.3)"].ours == pytest.approx(1, abs=0.01)


def test_pictures_are_named_for_the_result(small_chapter3, analysis):
    for name in ("error_analysis.elements.png", "error_analysis.classes.png"):
        assert (small_chapter3.results / name).read_bytes().startswith(b"\x89PNG")


def test_predictions_of_other_rows_or_none_are_refused(small_chapter3, predictions, tmp_path, monkeypatch):
    monkeypatch.setattr(small_chapter3, "results", tmp_path)
    with pytest.raises(FileNotFoundError, match="Run table_3_2 first"):
        chapter3_errors.saved_predictions(small_chapter3)
    predictions.iloc[1:].to_csv(tmp_path / "fig_3_4_predictions.csv.gz", index=False)
    with pytest.raises(ValueError, match="another run"):
        chapter3_errors.saved_predictions(small_chapter3)
