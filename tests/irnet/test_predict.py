"""One answer for each formula, structure or row, in order, with a status."""

import numpy as np
import pandas as pd
import pytest

import irnet
from common import artifacts
from common.features import magpie
from common.structures import StructuresError, read_structures
from common.tables import TableError
from irnet import inputs
from irnet.descriptors import describe_file
from irnet.predict import Predictor, installed_path, load_pretrained, predict_file

ENERGY = "formation_energy_ev_per_atom"


@pytest.fixture
def of_compositions(composition_model) -> Predictor:
    return load_pretrained(composition_model)


@pytest.fixture
def of_structures(structure_model) -> Predictor:
    return load_pretrained(structure_model)


# ------------------------------------------------------------------------------------------------------- formulas


def test_formulas_are_answered_in_order(of_compositions):
    formulas = ["NaCl", "Xx2O3", "Fe2O3", None, "", "O3Fe2", "He"]
    table = of_compositions.predict_formulas(formulas)
    assert list(table) == ["formula", ENERGY, "status", "reason"] and table["formula"].tolist() == formulas
    assert table["status"].tolist() == ["ok", "error", "ok", "error", "error", "ok", "error"]
    assert (table["reason"] == "").tolist() == (table["status"] == "ok").tolist()
    assert table[ENERGY].isna().tolist() == (table["status"] == "error").tolist()
    direct = of_compositions.predict_attributes(magpie.featurize(["NaCl", "Fe2O3"]).astype(np.float32))[:, 0]
    np.testing.assert_allclose(table[ENERGY][[0, 2]], direct, rtol=1e-6)
    assert table[ENERGY][2] == pytest.approx(table[ENERGY][5], rel=1e-6)


def test_attributes_beyond_the_training_range_count_as_its_end(of_compositions):
    x = magpie.featurize(["NaCl", "Fe2O3"]).astype(np.float32)
    ranges = {"input_range": [x.min(axis=0).tolist(), x.max(axis=0).tolist()]}
    limited = Predictor(of_compositions.model, of_compositions.card | ranges)
    np.testing.assert_array_equal(limited.predict_attributes(x), of_compositions.predict_attributes(x))
    far = limited.predict_attributes(x.max(axis=0, keepdims=True) + 1e6)
    np.testing.assert_array_equal(far, of_compositions.predict_attributes(x.max(axis=0, keepdims=True)))


def test_a_lone_formula_is_not_read_letter_by_letter(of_compositions, composition_model):
    assert of_compositions.predict_formulas("NaCl")["formula"].tolist() == ["NaCl"]
    assert irnet.predict("NaCl", model=composition_model)["status"].tolist() == ["ok"]


def test_no_formulas_no_rows(of_compositions, of_structures):
    assert list(of_compositions.predict_formulas([])) == ["formula", ENERGY, "status", "reason"]
    empty = of_structures.predict_structures([])
    assert len(empty) == 0 and list(empty) == ["name", "formula", ENERGY, "status", "reason"]


def test_a_formula_is_not_enough_for_a_model_of_structures(of_structures):
    with pytest.raises(ValueError, match=r"inputs S\+C.*folder or file of structures"):
        of_structures.predict_formulas(["NaCl"])


# ----------------------------------------------------------------------------------------------------- structures


def test_structures_are_answered_in_order(of_structures, crystals):
    table = of_structures.predict_structures(crystals.values())
    assert table["name"].tolist() == ["0", "1", "2", "3", "4"] and (table["status"] == "ok").all()
    assert table["formula"].tolist() == ["MgO", "NaCl", "KCl", "Fe", "TiO"]
    x = inputs.of_structures("S+C", list(crystals.values())).attributes.astype(np.float32)
    np.testing.assert_allclose(table[ENERGY], of_structures.predict_attributes(x)[:, 0], rtol=1e-6)


def test_bad_structures_and_unseen_elements_cost_their_own_row(of_structures, folder_with_bad_files):
    table = of_structures.predict_structures(read_structures(folder_with_bad_files)).set_index("name")
    assert table.index[table["status"] == "ok"].tolist() == ["good_KCl.cif", "good_MgO.cif"]
    assert len(table) == 7 and (table["reason"][table["status"] == "error"] != "").all()
    assert "La is a known element but outside the 7 elements" in table["reason"]["unseen.cif"]
    assert np.isfinite(table[ENERGY][["good_KCl.cif", "good_MgO.cif"]]).all()


def test_what_is_no_structure_costs_its_own_row(of_structures, composition_model, crystals):
    kcl = crystals["KCl.cif"]
    for table in (of_structures.predict_structures([None, kcl]), irnet.predict(["KCl", kcl], model=composition_model)):
        assert table["status"].tolist() == ["error", "ok"] and table[ENERGY].isna().tolist() == [True, False]
        assert table["reason"][0].startswith("Expected a pymatgen Structure")


def test_a_model_of_compositions_needs_no_tessellation(of_compositions, composition_model, crystals, monkeypatch):
    monkeypatch.setattr("common.features.ward2017.featurize", None)
    table = of_compositions.predict_structures(crystals.values())
    expected = of_compositions.predict_formulas(table["formula"])
    np.testing.assert_array_equal(table[ENERGY], expected[ENERGY])
    assert irnet.predict(crystals.values(), model=composition_model).equals(table)


# ---------------------------------------------------------------------------------------------------------- files


def test_a_folder_is_answered_in_a_file_and_its_descriptors_kept(structure_model, folder_with_bad_files, tmp_path):
    out, kept = tmp_path / "out.csv", tmp_path / "table.csv"
    first = predict_file(folder_with_bad_files, out, model=structure_model, descriptors=kept)
    assert len(first.table) == 7 and first.num_reused == 0
    written = pd.read_csv(out, keep_default_na=False, na_values={ENERGY: [""]})
    pd.testing.assert_frame_equal(written, first.table, check_dtype=False)
    again = predict_file(folder_with_bad_files, out, model=structure_model, descriptors=kept)
    assert again.num_reused == 3 and again.table.equals(first.table)  # two, and the one with an unseen element
    of_table = predict_file(kept, tmp_path / "of_table.csv", model=structure_model)
    assert of_table.table.equals(first.table)


def test_a_table_of_formulas_keeps_its_rows_and_columns(composition_model, of_compositions, tmp_path):
    (tmp_path / "in.csv").write_text("id,composition\n1,NaCl\n2,\n3,NaN\n2,NaCl\n")
    predict_file(tmp_path / "in.csv", tmp_path / "out.csv", model=composition_model, formula_column="composition")
    table = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert list(table) == ["id", "composition", ENERGY, "status", "reason"]
    assert table["id"].tolist() == [1, 2, 3, 2] and table["status"].tolist() == ["ok", "error", "ok", "ok"]
    expected = of_compositions.predict_formulas(["NaCl"])[ENERGY][0]
    assert float(table[ENERGY][0]) == pytest.approx(expected, rel=1e-6)


def test_a_classifier_gives_the_class_and_all_probabilities(classifier, tmp_path):
    (tmp_path / "in.csv").write_text("formula\nNaCl\nXx\nFe2O3\n")
    predict_file(tmp_path / "in.csv", tmp_path / "out.csv", model=classifier)
    table = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert list(table) == ["formula", "is_metal", "probability_0", "probability_1", "status", "reason"]
    assert set(table["is_metal"]) <= {"0", "1", ""} and table["is_metal"][1] == "" and table["is_metal"][0] != ""
    probability = table[["probability_0", "probability_1"]].iloc[[0, 2]].astype(float)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-6)
    assert (probability.to_numpy().argmax(axis=1) == table["is_metal"].iloc[[0, 2]].astype(int)).all()


def test_files_that_cannot_be_answered_leave_the_output_as_it_was(
    composition_model, structure_model, folder_of_crystals, tmp_path
):
    out = tmp_path / "out.csv"
    out.write_text("old")
    (tmp_path / "in.csv").write_text("composition\nNaCl\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.cif").write_text("nothing")
    with pytest.raises(TableError, match="no column 'formula'"):
        predict_file(tmp_path / "in.csv", out, model=composition_model)
    with pytest.raises(TableError, match="not a descriptor table"):
        predict_file(tmp_path / "in.csv", out, model=structure_model)
    with pytest.raises(TableError, match="a table already"):
        predict_file(tmp_path / "in.csv", out, model=structure_model, descriptors=tmp_path / "d.csv")
    for folder in ("empty", "bad"):
        with pytest.raises(StructuresError):
            predict_file(tmp_path / folder, out, model=structure_model, descriptors=tmp_path / "d.csv")
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "empty", "in.csv", "out.csv"]


def test_a_descriptor_table_without_formulas_is_answered(structure_model, folder_of_crystals, tmp_path):
    (chunk,) = describe_file(read_structures(folder_of_crystals), tmp_path / "table.csv")
    bare = chunk.to_frame().drop(columns=["name", "formula", "structure_hash", "status", "reason"])
    bare.to_csv(tmp_path / "bare.csv", index=False)
    answers = predict_file(tmp_path / "bare.csv", tmp_path / "out.csv", model=structure_model).table
    expected = load_pretrained(structure_model).predict_descriptors(chunk)
    np.testing.assert_array_equal(answers[ENERGY], expected[ENERGY])
    assert (answers["status"] == "ok").all()


# -------------------------------------------------------------------------------------------------------- weights


def test_a_name_finds_what_the_user_has_installed(composition_model, monkeypatch, tmp_path):
    monkeypatch.setenv("MATERIALS_DL_CACHE", str(tmp_path))
    with pytest.raises(artifacts.ArtifactError, match="irnet train --variant plain_48 --output FOLDER --install"):
        load_pretrained("plain_48")
    saved = artifacts.load(composition_model)
    artifacts.save(installed_path("plain_48"), saved.model, saved.card)
    assert load_pretrained("plain_48").inputs == "C"
    assert installed_path("plain_48").is_relative_to(tmp_path)


def test_a_file_written_anew_is_read_anew(composition_model, of_compositions, tmp_path):
    path = tmp_path / "mine.keras"
    saved = artifacts.load(composition_model)
    artifacts.save(path, saved.model, saved.card)
    first = load_pretrained(path)
    assert load_pretrained(path) is first
    saved.model.set_weights([2 * w for w in saved.model.get_weights()])
    artifacts.save(path, saved.model, saved.card)
    assert load_pretrained(path) is not first


def test_what_is_no_model_is_named(tmp_path, composition_model):
    with pytest.raises(artifacts.ArtifactError, match="irnet_17.*'resnet'"):
        load_pretrained("resnet")
    with pytest.raises(artifacts.ArtifactError, match="does not exist"):
        load_pretrained(tmp_path / "no.keras")
    saved = artifacts.load(composition_model)
    artifacts.save(tmp_path / "elemnet.keras", saved.model, {k: v for k, v in saved.card.items() if k != "inputs"})
    with pytest.raises(artifacts.ArtifactError, match="not a model of irnet"):
        load_pretrained(tmp_path / "elemnet.keras")


def test_public_names_are_functions_not_modules():
    assert callable(irnet.train) and callable(irnet.predict) and callable(irnet.fine_tune)
    assert set(irnet.__all__) <= set(dir(irnet))
    with pytest.raises(AttributeError, match="irnet.*'nonsense'"):
        irnet.nonsense  # noqa: B018
