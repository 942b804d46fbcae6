"""Classes of compositions against pymatgen's facts, and the two ways of asking against each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Composition, Element

from common.composition import encode
from common.elements import ALL_SYMBOLS, ELEMENTS
from elemnet.categories import (
    CATEGORIES,
    CHALCOGENS,
    HALOGENS,
    KINDS,
    METALLOIDS,
    METALS,
    METALS_3D,
    OTHER_KIND,
    categories_of,
    categories_of_system,
    kinds_of,
)
from experiments.paper_values import paper_value

SYSTEMS = st.lists(st.sampled_from(ELEMENTS), min_size=1, max_size=6, unique=True)


def fractions(*formulas: str) -> np.ndarray:
    return encode(list(formulas)).fractions


def test_classes_are_those_of_table_3_3():
    assert list(CATEGORIES) == list(paper_value("chapter3", "table_3_3_counts"))


def test_a_class_without_binaries_in_the_thesis_can_have_none():
    pairs = [(a, b) for i, a in enumerate(ELEMENTS) for b in ELEMENTS[:i]]
    found = {name for pair in pairs for name in categories_of_system(pair)}
    assert found == {name for name, counts in paper_value("chapter3", "table_3_3_counts").items() if "binary" in counts}


@pytest.mark.parametrize(
    ("ours", "is_member"),
    [(METALS, "is_metal"), (METALLOIDS, "is_metalloid"), (HALOGENS, "is_halogen"), (CHALCOGENS, "is_chalcogen")],
)
def test_groups_of_elements_are_pymatgens(ours, is_member):
    assert ours == {symbol for symbol in ALL_SYMBOLS[:112] if getattr(Element(symbol), is_member)}


def test_3d_metals_are_the_transition_metals_of_period_4():
    in_period_4 = [symbol for symbol in ALL_SYMBOLS if Element(symbol).row == 4]
    assert {symbol for symbol in in_period_4 if Element(symbol).is_transition_metal} == METALS_3D


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("LiCoO2", {"[Li,K,Na]-containing", "metal oxides"}),
        ("Fe2O3", {"metal oxides", "3d metal oxides"}),
        ("BaTiO3", {"metal oxides"}),
        ("BiOCl", {"chalco-/oxyhalides"}),
        ("SbSI", {"chalco-/oxyhalides"}),
        ("SeCl4", set()),  # nothing but halogen and chalcogen
        ("CoHClO", set()),  # a hydroxide chloride
        ("Ni3Al", {"intermetallics"}),
        ("NaTl", {"[Li,K,Na]-containing", "intermetallics"}),
        ("SiO2", set()),
        ("FePO4", set()),
        ("NiMnSb", set()),
        ("Fe", set()),
    ],
)
def test_known_compounds(formula, expected):
    assert {name for name, mask in categories_of(fractions(formula)).items() if mask[0]} == expected


@pytest.mark.parametrize(
    ("formula", "kind"),
    [
        ("BiOCl", "chalcogenide halides"),
        ("NaCl", "halides"),
        ("FePO4", "oxides"),
        ("ZnS", "chalcogenides"),
        ("GaN", "pnictides"),
        ("MgB2", "borides/carbides/silicides/germanides"),
        ("PdH", "hydrides"),
        ("Ni3Al", "intermetallics"),
        ("NaKr", OTHER_KIND),
        ("Fe", OTHER_KIND),
    ],
)
def test_each_kind_has_its_compound(formula, kind):
    assert kinds_of(fractions(formula)).tolist() == [kind]


@given(st.lists(SYSTEMS, min_size=1, max_size=8), st.integers(0, 85), st.floats(1e-6, 1e3))
def test_rows_and_systems_agree_whatever_the_order_of_columns_and_the_amounts(systems, shift, amount):
    columns = (*ELEMENTS[shift:], *ELEMENTS[:shift])
    amounts = np.array([[amount * (symbol in system) for symbol in columns] for system in systems])
    masks = categories_of(amounts, columns)
    for row, system in enumerate(systems):
        assert categories_of_system(system) == tuple(name for name in CATEGORIES if masks[name][row])


@given(SYSTEMS)
def test_classes_by_another_way(system):
    """The definitions once more, from pymatgen's composition and facts."""
    composition = Composition(dict.fromkeys(system, 1))
    others = {element for element in composition if element.symbol != "O"}
    has_metals_only = bool(others) and all(element.is_metal for element in others)
    found = categories_of_system(system)
    assert ("metal oxides" in found) == (has_metals_only and "O" in composition)
    assert ("intermetallics" in found) == (has_metals_only and "O" not in composition and len(composition) > 1)
    assert ("[Li,K,Na]-containing" in found) == bool({"Li", "Na", "K"} & set(system))
    if "3d metal oxides" in found:
        assert "metal oxides" in found
    if "chalco-/oxyhalides" in found:
        assert len(system) >= 3 and "intermetallics" not in found and "metal oxides" not in found


@given(SYSTEMS)
def test_every_compound_has_a_kind_that_fits_its_classes(system):
    row = np.array([[float(symbol in system) for symbol in ELEMENTS]])
    kind, classes = kinds_of(row)[0], categories_of_system(system)
    assert kind in KINDS or kind == OTHER_KIND
    assert ("intermetallics" in classes) == (kind == "intermetallics")
    if "metal oxides" in classes:
        assert kind == "oxides"
    if "chalco-/oxyhalides" in classes:
        assert kind == "chalcogenide halides"


def test_what_is_no_element_and_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="'Xx'"):
        categories_of_system(["Fe", "Xx"])
    with pytest.raises(ValueError, match=r"\(n, 86\).*\(2, 3\)"):
        categories_of(np.ones((2, 3)))
    with pytest.raises(ValueError, match="'D'"):
        kinds_of(np.ones((2, 1)), ["D"])
