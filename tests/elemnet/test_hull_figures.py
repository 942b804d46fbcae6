"""Pictures of hulls: what is drawn, that each is written whole, and what cannot be drawn."""

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from elemnet import hull_figures
from elemnet.hull_figures import draw_candidates, draw_phase_diagram
from elemnet.hull_labels import typeset
from elemnet.phase_diagram import phase_table

ENERGY = "formation_energy_ev_per_atom"
FORMULAS = ["Na2O", "NaO2", "Fe2O3", "FeO", "NaFeO2", "Na3FeO3", "Na2Fe"]
ENERGIES = np.array([-1.45, -0.9, -1.7, -1.4, -1.65, -1.3, 0.2])
ELEMENTS = ["Na", "Fe", "O"]


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    figures: list[Figure] = []

    def save(figure, path, save_png=hull_figures.save_png):
        figures.append(figure)
        return save_png(figure, path)

    monkeypatch.setattr(hull_figures, "save_png", save)
    return figures


@pytest.fixture
def table():
    predicted = ENERGIES.copy()
    predicted[4], predicted[5] = -1.2, -1.6  # NaFeO2 is missed, Na3FeO3 spurious
    return phase_table(FORMULAS, {"DFT": ENERGIES, "ElemNet": predicted}, ELEMENTS)


@pytest.mark.parametrize("elements", [["Fe", "O"], ["O", "Na"], ELEMENTS, ["O", "Na", "Fe"]])
def test_a_panel_for_each_source_from_the_saved_table(table, elements, tmp_path, drawn):
    table.to_csv(tmp_path / "phases.csv", index=False)
    saved = pd.read_csv(tmp_path / "phases.csv", keep_default_na=False)
    path = draw_phase_diagram(saved, elements, tmp_path / "diagram.png", title="A title")
    assert matplotlib.image.imread(path).std() > 0.01
    (figure,) = drawn
    assert [axes.get_title() for axes in figure.axes] == ["DFT", "ElemNet"]


def names(axes) -> set[str]:
    return {text.get_text() for text in axes.texts} - {"", *ELEMENTS}


def legend(figure) -> set[str]:
    return {text.get_text().split(":")[0] for text in figure.legends[0].get_texts()}


def test_stable_spurious_and_missed_phases_are_named(table, tmp_path, drawn):
    draw_phase_diagram(table, ELEMENTS, tmp_path / "diagram.png")
    (figure,) = drawn
    dft, model = figure.axes
    stable = {source: set(rows.loc[rows["is_stable"], "formula"]) for source, rows in table.groupby("source")}
    assert "NaFeO2" in stable["DFT"] - stable["ElemNet"] and "Na3FeO3" in stable["ElemNet"] - stable["DFT"]
    assert names(dft) == {typeset(formula, ELEMENTS) for formula in stable["DFT"]}
    assert names(model) == {typeset(formula, ELEMENTS) for formula in stable["DFT"] | stable["ElemNet"]}
    assert legend(figure) == {"stable", "spurious", "missed", "above the hull"}


def test_without_the_reference_nothing_is_spurious(table, tmp_path, drawn):
    draw_phase_diagram(table[table["source"] == "ElemNet"], ELEMENTS, tmp_path / "diagram.png")
    assert legend(drawn[0]) == {"stable", "above the hull"}


@pytest.mark.parametrize("elements", [["Fe", "O"], ELEMENTS])
def test_the_deepest_candidates_are_named_beside_the_known_phases(elements, tmp_path, drawn):
    known = pd.DataFrame({"formula": FORMULAS, ENERGY: ENERGIES})
    formulas = ["Fe3O4", "FeO2", "Fe3O", "Na5FeO4", "NaFe", "MgO"]
    candidates = pd.DataFrame({"formula": formulas, ENERGY: [-2.1, -1.0, -1.0, -2.0, 0.5, -9.0]})
    path = draw_candidates(known, candidates, elements, tmp_path / "candidates.png")
    assert matplotlib.image.imread(path).std() > 0.01
    found = names(drawn[0].axes[0])
    assert {"Fe$_{2}$O$_{3}$", "Fe$_{3}$O$_{4}$"} <= found
    assert not {"MgO", "NaFe"} & found
    assert ("Na$_{5}$FeO$_{4}$" in found) == (len(elements) == 3)


def test_the_same_table_gives_the_same_bytes(table, tmp_path):
    one, other = (draw_phase_diagram(table, ELEMENTS, tmp_path / name) for name in ("a.png", "b.png"))
    assert one.read_bytes() == other.read_bytes()


def test_names_do_not_hide_each_other_where_there_is_room(table, tmp_path, drawn):
    draw_phase_diagram(table, ELEMENTS, tmp_path / "diagram.png")
    for axes in drawn[0].axes:
        boxes = [text.get_window_extent() for text in axes.texts if text.get_text() not in ("", *ELEMENTS)]
        assert len(boxes) > 3
        assert not any(box.overlaps(other) for i, box in enumerate(boxes) for other in boxes[:i])


@pytest.mark.parametrize(
    ("formula", "expected"),
    [("O2Ti", "TiO$_{2}$"), ("Ti4O8", "TiO$_{2}$"), ("Ti0.5O", "Ti$_{0.5}$O"), ("O12Ti10", "Ti$_{5}$O$_{6}$")],
)
def test_formulas_are_typeset_in_the_order_of_the_elements(formula, expected):
    assert typeset(formula, ["Ti", "O"]) == expected


@pytest.mark.parametrize("elements", [["O"], ["Na", "Fe", "Mn", "O"]])
def test_only_binary_and_ternary_systems_are_drawn(table, elements, tmp_path):
    with pytest.raises(ValueError, match="two elements for a binary diagram or three for a triangle"):
        draw_phase_diagram(table, elements, tmp_path / "no.png")
    assert not (tmp_path / "no.png").exists()


def test_what_cannot_be_drawn_is_refused(table, tmp_path):
    with pytest.raises(ValueError, match="Expected phases of Mg-Cl"):
        draw_phase_diagram(table, ["Mg", "Cl"], tmp_path / "no.png")
    with pytest.raises(ValueError, match="is_stable is missing"):
        draw_phase_diagram(table.drop(columns="is_stable"), ELEMENTS, tmp_path / "no.png")
    high = pd.DataFrame({"formula": ["Fe3O4"], ENERGY: [1.0]})
    with pytest.raises(ValueError, match="a candidate below the hull of Na-Fe-O"):
        draw_candidates(table, high, ELEMENTS, tmp_path / "no.png")
