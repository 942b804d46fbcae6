"""Hold-outs of chapter 3 on the bundled sample, and their rows against outside oracles."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition
from sklearn.metrics import mean_absolute_error

from common import results, splits
from common.scored import Scored
from elemnet.config import TARGET
from experiments import chapter3_holdouts
from experiments.chapter import Options
from experiments.chapter3_holdouts import ATTRIBUTES, ELEMNET, FRACTIONS
from experiments.chapter3_runs import Chapter3
from experiments.paper_values import paper_value

MODELS = [FRACTIONS, ATTRIBUTES, ELEMNET]


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    root: Path = tmp_path_factory.mktemp("holdouts")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MATERIALS_DL_MIRROR", raising=False)
        patch.setenv("MATERIALS_DL_CACHE", str(root / "cache"))
        patch.setenv("MATERIALS_DL_OFFLINE", "1")
        chapter = Chapter3(Options("smoke", "oqmd", True, "honest", 0, root / "results", root / "runs", "test"))
        chapter3_holdouts.holdouts(chapter)
        chapter3_holdouts.fig_3_5(chapter)
        yield chapter


@pytest.fixture(scope="module")
def predictions(chapter) -> pd.DataFrame:
    return pd.read_csv(chapter.results / "holdouts_predictions.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def result(chapter) -> results.Result:
    return results.read(chapter.results / "holdouts.json")


def test_the_rows_predicted_are_all_those_of_the_two_chemistries(chapter, predictions):
    """Against pymatgen's reading of every formula of the data."""
    expected = {"Ti-O": [], "Na-Fe-Mn-O": []}
    for part in (chapter.data.train, chapter.data.validation, chapter.data.test):
        for formula in part.frame["formula"]:
            symbols = set(Composition(formula).as_dict())
            if symbols >= {"Ti", "O"}:
                expected["Ti-O"].append(formula)
            if symbols <= {"Na", "Fe", "Mn", "O"}:
                expected["Na-Fe-Mn-O"].append(formula)
    assert list(predictions) == ["formula", "hold_out", TARGET, *MODELS]
    assert predictions.groupby("hold_out", sort=False)["formula"].agg(list).to_dict() == expected


def test_the_network_was_trained_on_none_of_them(chapter, predictions):
    (folder,) = chapter.options.runs.glob("holdouts-*")
    used = splits.load_ids(folder / "split.json")
    assert len(used["train"]) == chapter.profile.max_train_rows
    assert not {Composition(f).reduced_formula for part in used.values() for f in part} & {
        Composition(f).reduced_formula for f in predictions["formula"]
    }


def test_errors_are_those_of_the_saved_predictions(predictions, result):
    rows = {(row.name, row.metric): row for row in result.rows}
    for name, table in predictions.groupby("hold_out"):
        paper = paper_value("chapter3", "holdout", name)
        for model, key in zip(MODELS, ("RF_fractions", "RF_physical", "ElemNet"), strict=True):
            row = rows[f"{name}: {model}", "MAE"]
            assert row.ours == pytest.approx(mean_absolute_error(table[TARGET], table[model]), abs=1e-4)
            assert row.interval_low <= row.ours <= row.interval_high
            assert row.paper == paper[key] and row.rows_test == len(table)
            assert f"{len(table)} entries withheld, {paper['entries']} in the paper" in row.note
        deviation = rows[f"{name}: mean absolute deviation of the energies", "MAD"]
        assert deviation.paper == paper["mad"]
        assert deviation.ours == pytest.approx((table[TARGET] - table[TARGET].mean()).abs().mean(), abs=1e-5)


def test_the_result_says_how_it_differs_from_the_papers(result):
    caveats = " ".join(result.caveats)
    assert "Both hold-outs are withheld together" in caveats and "bundled sample" in caveats
    assert result.extra["left_out"]["withheld: Ti-O"] > 0


def test_the_errors_leave_a_picture(chapter):
    assert (chapter.results / "holdouts.png").read_bytes().startswith(b"\x89PNG")


def test_the_difference_is_paired():
    true = np.linspace(-3, 0, 40)
    hard = np.where(np.arange(40) % 2, 1.0, 0.01)  # rows that are hard for all alike
    scored = {FRACTIONS: true + 1.2 * hard, ATTRIBUTES: true + 1.1 * hard, ELEMNET: true + hard}
    models = [Scored(name, true, predicted, 10, 1.0) for name, predicted in scored.items()]
    rows = {row.name: row for row in chapter3_holdouts.hold_out_rows("Ti-O", models)}
    row = rows[f"Ti-O: ElemNet less {ATTRIBUTES}"]
    assert row.ours == pytest.approx(-0.1 * hard.mean())
    assert row.interval_low < row.ours < row.interval_high < 0
    assert row.paper == pytest.approx(0.138 - 0.198)
    assert rows[f"Ti-O: {ELEMNET}"].interval_high > rows[f"Ti-O: {ATTRIBUTES}"].interval_low


def test_a_lost_comparison_is_said_with_its_shift():
    true, scatter = np.linspace(-3, 0, 40), np.where(np.arange(40) % 2, 0.02, -0.02)
    offsets = {FRACTIONS: 0.3, ATTRIBUTES: -0.1, ELEMNET: 0.2}
    models = [Scored(name, true, true + offset + scatter, 10, 1.0) for name, offset in offsets.items()]
    (sentence,) = chapter3_holdouts.where_behind("Ti-O", models)
    assert f"On Ti-O the error of ElemNet is not below that of {ATTRIBUTES}" in sentence
    assert "its energies are +0.200 eV/atom off on average, with a mean deviation of 0.020 about that" in sentence
    assert "those of the forest are -0.100 eV/atom off" in sentence


def stable_by_pymatgen(formulas, energies_ev_per_atom) -> set[str]:
    compounds = [
        PDEntry(Composition(formula), energy * Composition(formula).num_atoms, name=formula)
        for formula, energy in zip(formulas, energies_ev_per_atom, strict=True)
    ]
    symbols = {symbol for formula in formulas for symbol in Composition(formula).as_dict()}
    diagram = PhaseDiagram(compounds + [PDEntry(Composition(symbol), 0) for symbol in symbols])
    return {entry.name for entry in diagram.stable_entries if not entry.is_element}


def test_stable_compounds_are_those_of_pymatgen(chapter, predictions):
    elements_of = {"Ti-O": {"Ti", "O"}, "Na-Fe-Mn-O": {"Na", "Fe", "Mn", "O"}}
    rows = {row.name: row for row in results.read(chapter.results / "fig_3_5.json").rows}
    for name, elements in elements_of.items():
        is_inside = [set(Composition(formula).as_dict()) <= elements for formula in predictions["formula"]]
        inside = predictions[is_inside]
        by_dft = stable_by_pymatgen(inside["formula"], inside[TARGET])
        assert rows[f"{name}: DFT"].ours == len(by_dft) > 0
        for model in MODELS:
            by_model = stable_by_pymatgen(inside["formula"], inside[model])
            spurious, missed = rows[f"{name}: {model}, spurious"], rows[f"{name}: {model}, missed"]
            assert spurious.ours == len(by_model - by_dft) and missed.ours == len(by_dft - by_model)
            assert set(filter(None, spurious.note.split(", "))) == by_model - by_dft
            assert set(filter(None, missed.note.split(", "))) == by_dft - by_model


def test_each_diagram_with_a_compound_leaves_a_picture(chapter):
    pictures = {path.name for path in chapter.results.glob("fig_3_5.*.png")}
    assert pictures == {f"fig_3_5.{system}.png" for system in ("Ti-O", "Na-Fe-O", "Na-Mn-O", "Fe-Mn-O")}
    assert all((chapter.results / name).read_bytes().startswith(b"\x89PNG") for name in pictures)


def test_predictions_of_another_run_are_refused(chapter, predictions, tmp_path):
    predictions.iloc[1:].to_csv(tmp_path / "holdouts_predictions.csv", index=False)
    other = Chapter3(replace(chapter.options, results=tmp_path))
    other.data = chapter.data
    with pytest.raises(ValueError, match="predictions of another run; run holdouts first"):
        chapter3_holdouts.fig_3_5(other)


def test_data_without_these_chemistries_leave_no_result(chapter, tmp_path, capsys):
    def outside(part):
        formulas = part.frame["formula"].str
        return part.take(~(formulas.contains("Ti") | formulas.contains("Na|Fe|Mn")).to_numpy())

    other = Chapter3(replace(chapter.options, results=tmp_path))
    data = chapter.data
    names = ("train", "validation", "test", "test_with_outliers")
    kept = {name: outside(getattr(data, name)) for name in names}
    has_rows = (kept["train"].x > 0).any(axis=0)
    elements = tuple(np.asarray(data.elements)[has_rows])
    other.data = replace(
        data, **{name: replace(part, x=part.x[:, has_rows]) for name, part in kept.items()}, elements=elements
    )
    chapter3_holdouts.holdouts(other)
    chapter3_holdouts.fig_3_5(other)
    assert not list(tmp_path.iterdir())
    said = capsys.readouterr().out
    assert "The data hold no compound of Ti-O. The data hold no compound of Na-Fe-Mn-O." in said
    assert "figure 3.5 is left out" in said
