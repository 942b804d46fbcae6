"""Answers for formulas: one for each row, in order, or a reason."""

import gzip
import os
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import artifacts, networks
from common.artifacts import ArtifactError
from common.elements import ELEMENTS
from common.tables import TableError
from elemnet.predict import ENERGY, ENERGY_SD, Predictor, load_pretrained, predict_file

GOOD = ["NaCl", "Fe2O3", "NaN", "Ca(OH)2", "BaTiO3", "Li0.5CoO2", " MgO ", "H2O", "K4[Fe(CN)6]", "Fe₂O₃"]
BAD = {
    "Xx2O3": "not an element",
    "NaCl)": "unbalanced",
    "": "empty",
    "   ": "empty",
    "Na0": "zero",
    "NaCl2.5.1": "malformed number",
    "He": "outside the 86",
    "Og2": "outside the 86",
    "Fe3+": "ions",
    "CuSO4.5H2O": "hydrate",
    "nacl": "capital",
    None: "empty",
    float("nan"): "empty",
    pd.NA: "empty",
    5: "int",
    b"NaCl": "bytes",
}


@pytest.fixture(scope="module")
def predictor(tiny_model):
    return load_pretrained(tiny_model)


# ------------------------------------------------------------------------------------------------------- formulas


def test_good_formulas_are_answered(predictor):
    table = predictor.predict(GOOD)
    assert table.columns.tolist() == ["formula", ENERGY, "status", "reason"]
    assert table["formula"].tolist() == GOOD
    assert (table["status"] == "ok").all() and (table["reason"] == "").all() and np.isfinite(table[ENERGY]).all()


@pytest.mark.parametrize(("formula", "reason"), BAD.items(), ids=repr)
def test_a_bad_formula_has_a_reason_and_costs_its_own_row_only(predictor, formula, reason):
    table = predictor.predict(["NaCl", formula, "MgO"])
    assert table["status"].tolist() == ["ok", "error", "ok"]
    assert reason in table["reason"][1] and "\n" not in table["reason"][1]
    assert np.isnan(table[ENERGY][1]) and table["reason"][0] == table["reason"][2] == ""
    alone = predictor.predict(["NaCl", "MgO"])[ENERGY]
    np.testing.assert_allclose(table[ENERGY][[0, 2]], alone, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.one_of(st.sampled_from(GOOD), st.sampled_from(list(BAD)), st.text(max_size=6)), max_size=12))
def test_rows_in_are_rows_out(predictor, rows):
    table = predictor.predict(rows)
    assert len(table) == len(rows) and table.index.tolist() == list(range(len(rows)))
    assert all(a is b or a == b for a, b in zip(table["formula"], rows, strict=True))
    assert (np.isfinite(table[ENERGY].to_numpy()) == (table["status"] == "ok")).all()
    assert ((table["reason"] == "") == (table["status"] == "ok")).all()
    for row, status in zip(rows, table["status"], strict=True):
        if isinstance(row, str) and row in GOOD:
            assert status == "ok"
        elif not isinstance(row, str) or row in BAD:
            assert status == "error"


def test_neighbours_and_batches_change_nothing(predictor, monkeypatch):
    formulas = [f"Na{i}Cl{j}O{k}" for i in range(1, 6) for j in range(1, 6) for k in range(4)] + ["Xx"] + GOOD
    whole = predictor.predict(formulas)
    monkeypatch.setattr(sys.modules["elemnet.predict"], "ROWS_PER_BATCH", 7)  # the function has that name too
    parts = predictor.predict(formulas)
    np.testing.assert_allclose(whole[ENERGY], parts[ENERGY], atol=1e-6)
    assert whole["reason"].equals(parts["reason"])
    backwards = predictor.predict(formulas[::-1])[ENERGY].to_numpy()[::-1]
    np.testing.assert_allclose(whole[ENERGY], backwards, atol=1e-6)


def test_one_composition_has_one_answer(predictor):
    energies = predictor.predict(["NaCl", "ClNa", "Na2Cl2", "(NaCl)3", "Na0.5Cl0.5"])[ENERGY]
    np.testing.assert_allclose(energies, energies[0], atol=1e-6)


@pytest.mark.parametrize("kind", [list, tuple, iter, np.array, lambda f: pd.Series(f, index=[7, 7, 3]), dict.fromkeys])
def test_formulas_come_in_any_kind_of_sequence(predictor, kind):
    expected = predictor.predict(["NaCl", "Xx", "MgO"])
    table = predictor.predict(kind(["NaCl", "Xx", "MgO"]))
    pd.testing.assert_frame_equal(table, expected)


def test_a_lone_formula_is_one_row(predictor):
    assert predictor.predict("NaCl")["formula"].tolist() == ["NaCl"]


@pytest.mark.parametrize("mc_samples", [0, 3])
def test_no_formulas_and_no_good_formula(predictor, mc_samples):
    empty = predictor.predict([], mc_samples=mc_samples)
    assert len(empty) == 0 and ENERGY in empty and (ENERGY_SD in empty) == (mc_samples > 0)
    bad = predictor.predict(["Xx", ""], mc_samples=mc_samples)
    assert bad["status"].tolist() == ["error", "error"] and bad[ENERGY].isna().all()


def test_fractions_give_the_same_as_formulas(predictor):
    fractions = np.zeros((2, 86))
    fractions[:, ELEMENTS.index("Na")] = fractions[:, ELEMENTS.index("Cl")] = 0.5
    energies = predictor.predict_fractions(fractions)
    np.testing.assert_allclose(energies, predictor.predict(["NaCl"])[ENERGY][0], atol=1e-6)
    assert predictor.predict_fractions(np.empty((0, 86))).shape == (0,)


# -------------------------------------------------------------------------------------------- Monte-Carlo dropout


def test_monte_carlo_dropout_has_a_spread_that_repeats(predictor):
    first = predictor.predict(["NaCl", "Xx", "MgO"], mc_samples=5, seed=1)
    again = predictor.predict(["NaCl", "Xx", "MgO"], mc_samples=5, seed=1)
    other = predictor.predict(["NaCl", "Xx", "MgO"], mc_samples=5, seed=2)
    assert first.columns.tolist() == ["formula", ENERGY, ENERGY_SD, "status", "reason"]
    assert (first[ENERGY_SD][[0, 2]] > 0).all() and np.isnan(first[ENERGY_SD][1])
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not np.array_equal(first[ENERGY][[0, 2]], other[ENERGY][[0, 2]])


def test_monte_carlo_passes_leave_the_plain_answer_alone(predictor):
    before = predictor.predict(["NaCl"])[ENERGY][0]
    predictor.predict(["NaCl"], mc_samples=4)
    assert predictor.predict(["NaCl"])[ENERGY][0] == before


@pytest.mark.parametrize("method", ["predict", "predict_fractions"])
def test_monte_carlo_needs_dropout(tiny_model_without_dropout, predictor, method):
    rows = ["NaCl"] if method == "predict" else np.eye(86)[:2]
    plain = load_pretrained(tiny_model_without_dropout)
    assert not plain.has_dropout
    with pytest.raises(ValueError, match="no dropout"):
        getattr(plain, method)(rows, mc_samples=3)
    with pytest.raises(ValueError, match="0 or more"):
        getattr(predictor, method)(rows, mc_samples=-1)


# --------------------------------------------------------------------------------------------------------- models


def test_a_model_is_read_once_and_again_when_it_changed(tmp_path, tiny_model):
    path = tmp_path / "mine.keras"
    card = artifacts.load(tiny_model).card

    def save(seed):
        artifacts.save(path, networks.build("8x1-1", 86, seed=seed), card)

    save(1)
    first = load_pretrained(path)
    assert load_pretrained(str(path)) is first
    save(2)
    os.utime(path, ns=(1, 1))  # whatever the clock of the file system
    second = load_pretrained(path)
    assert second.predict(["NaCl"])[ENERGY][0] != first.predict(["NaCl"])[ENERGY][0]


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(ArtifactError, match="does not exist"):
        load_pretrained(tmp_path / "none.keras")


def test_a_model_of_fewer_elements_says_which_it_lacks():
    card = {"elements": ["Na", "Cl"]}
    table = Predictor(networks.build("4x1-1", 2), card).predict(["NaCl", "MgO"])
    assert table["status"].tolist() == ["ok", "error"] and "outside the 2 elements" in table["reason"][1]


def test_the_package_function(tiny_model):
    import elemnet

    assert elemnet.predict(["NaCl"], model=tiny_model)["status"].tolist() == ["ok"]


# ---------------------------------------------------------------------------------------------------------- files


@pytest.fixture
def csv(tmp_path):
    def write(text: str, name: str = "in.csv"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


def cells(path) -> list[list[str]]:
    return pd.read_csv(path, header=None, dtype=str, keep_default_na=False).values.tolist()


def test_a_file_keeps_its_rows_columns_and_cells(csv, tmp_path, tiny_model, predictor):
    source = csv(',id,formula,x\n0,007,NaN,1.50\n1,NA,,\n\n2,é,Xx,"a,b"\n3,1e5,NaCl,null\n')
    table = predict_file(source, tmp_path / "out.csv", model=tiny_model)
    written = cells(tmp_path / "out.csv")
    assert written[0] == ["", "id", "formula", "x", ENERGY, "status", "reason"]
    assert [row[:4] for row in written[1:]] == [
        ["0", "007", "NaN", "1.50"],
        ["1", "NA", "", ""],
        ["", "", "", ""],
        ["2", "é", "Xx", "a,b"],
        ["3", "1e5", "NaCl", "null"],
    ]
    assert [row[5] for row in written[1:]] == ["ok", "error", "error", "error", "ok"] == table["status"].tolist()
    assert float(written[5][4]) == predictor.predict(["NaCl"])[ENERGY][0]
    assert [row[4] for row in written[2:5]] == ["", "", ""]
    assert "is empty" in written[2][6] and "not an element" in written[4][6]


def test_files_of_other_forms(csv, tmp_path, tiny_model):
    predict_file(csv("\ufeffFormel;ignored\r\n".replace(";", ",") + "NaCl,1\r\n", "in.csv.gz"), tmp_path / "out.csv.gz",
                 model=tiny_model, column="Formel", mc_samples=3)  # fmt: skip
    table = pd.read_csv(tmp_path / "out.csv.gz")
    assert table.columns.tolist() == ["Formel", "ignored", ENERGY, ENERGY_SD, "status", "reason"]
    assert table["status"].tolist() == ["ok"] and table[ENERGY_SD][0] > 0


def test_a_header_alone_gives_a_header_alone(csv, tmp_path, tiny_model):
    assert len(predict_file(csv("id,formula\n"), tmp_path / "out.csv", model=tiny_model)) == 0
    assert cells(tmp_path / "out.csv") == [["id", "formula", ENERGY, "status", "reason"]]


def test_a_file_may_be_written_over_itself(csv, tiny_model):
    source = csv("formula\nNaCl\n")
    predict_file(source, source, model=tiny_model)
    assert len(cells(source)) == 2
    with pytest.raises(TableError, match=ENERGY):  # the second time the columns are there already
        predict_file(source, source, model=tiny_model)


@pytest.mark.parametrize("text", ["composition\nNaCl\n", f"formula,{ENERGY}\nNaCl,1\n", "formula,status\nNaCl,x\n", ""])
def test_a_file_that_does_not_fit_leaves_no_output(csv, tmp_path, tiny_model, text):
    with pytest.raises(TableError):
        predict_file(csv(text), tmp_path / "out.csv", model=tiny_model)
    assert [p.name for p in tmp_path.iterdir()] == ["in.csv"]


def test_a_model_that_does_not_fit_leaves_no_output(csv, tmp_path, tiny_model_without_dropout):
    with pytest.raises(ValueError, match="no dropout"):
        predict_file(csv("formula\nNaCl\n"), tmp_path / "out.csv", model=tiny_model_without_dropout, mc_samples=2)
    assert not (tmp_path / "out.csv").exists()
