"""Hulls against pymatgen's phase diagrams and against linear programs, which know nothing of facets."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition, Element
from scipy.optimize import linprog

from common.composition import encode
from common.datasets import load
from common.elements import ALL_SYMBOLS, ELEMENTS
from elemnet.hulls import MAX_ELEMENTS, KnownPhases, load_known

ENERGY = "formation_energy_ev_per_atom"
SYSTEM = ("Na", "Fe", "Mn", "O")
NA_CL = (["NaCl", "NaCl3", "Na3Cl"], [-2.0, -0.5, -0.6])


def pymatgen_diagram(formulas, energies, elements) -> PhaseDiagram:
    entries = [PDEntry(Composition(symbol), 0.0) for symbol in elements]
    for formula, energy in zip(formulas, energies, strict=True):
        composition = Composition(formula)
        entries.append(PDEntry(composition, energy * composition.num_atoms))
    return PhaseDiagram(entries, [Element(symbol) for symbol in elements])


def hull_energy_by_linear_program(x, fractions, energies) -> float:
    """The lowest energy of any mixture of the phases that has the composition x."""
    return linprog(energies, A_eq=fractions.T, b_eq=x, bounds=(0, None), method="highs").fun


def draw_fractions(num, num_elements, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(num_elements), num)


@st.composite
def tables(draw):
    """Phases on a coarse grid with coarse energies, so that many are degenerate: on one line, on one plane, twice."""
    elements = SYSTEM[: draw(st.integers(2, 4))]
    amounts = st.tuples(*[st.integers(0, 3)] * len(elements)).filter(lambda row: np.count_nonzero(row) > 1)
    rows = draw(st.lists(st.tuples(amounts, st.integers(-6, 1)), max_size=12))
    formulas = ["".join(f"{s}{n}" for s, n in zip(elements, row, strict=True)) for row, _ in rows]
    return elements, formulas, [0.25 * energy for _, energy in rows]


@settings(deadline=None, max_examples=40)
@given(tables(), st.integers(0, 2**32 - 1))
def test_hull_energies_are_those_of_the_linear_program(table, seed):
    elements, formulas, energies = table
    phases = np.vstack([np.eye(len(elements)), encode(formulas, elements).fractions])
    phase_energies = np.array([0.0] * len(elements) + energies)
    fractions = np.vstack([draw_fractions(4, len(elements), seed), phases])
    expected = [hull_energy_by_linear_program(x, phases, phase_energies) for x in fractions]
    hull = KnownPhases.from_table(formulas, energies).hull(elements)
    np.testing.assert_allclose(hull.energies(fractions), expected, atol=1e-7)


@settings(deadline=None, max_examples=40)
@given(tables())
def test_facets_join_stable_phases_and_no_phase_lies_below_them(table):
    elements, formulas, energies = table
    hull = KnownPhases.from_table(formulas, energies).hull(elements)
    stable = hull.stable
    assert tuple(stable.formulas[: len(elements)]) == elements
    assert set(hull.facets.ravel()) == set(range(len(stable.formulas)))
    above = (
        stable.energies_ev_per_atom[:, None] - stable.fractions @ hull.chemical_potentials.T
    )  # (num_stable, num_facets)
    assert above.min() > -1e-9
    np.testing.assert_allclose(np.take_along_axis(above.T, hull.facets, axis=1), 0, atol=1e-9)
    fractions = encode(formulas, elements).fractions
    assert (hull.energy_above(fractions, energies) > -1e-9).all()


def test_real_phases_give_the_diagrams_of_pymatgen():
    known, frame = load_known(["flla"]), load("flla").frame
    formulas, energies = frame["formula"].to_numpy(), frame[ENERGY].to_numpy()
    contains = encode(formulas, ALL_SYMBOLS).fractions > 0
    often = np.argsort(-contains.sum(axis=0), kind="stable")[:15]
    rng = np.random.default_rng(1)
    num_stable = 0
    for _ in range(25):
        columns = rng.permutation(often)[: rng.integers(2, 6)]
        elements = [ALL_SYMBOLS[column] for column in columns]
        within = ~np.delete(contains, columns, axis=1).any(axis=1)
        diagram, hull = pymatgen_diagram(formulas[within], energies[within], elements), known.hull(elements)
        fractions = draw_fractions(8, len(elements), seed=2)
        compositions = [Composition(dict(zip(elements, x, strict=True))) for x in fractions]
        expected = [diagram.get_hull_energy_per_atom(composition) for composition in compositions]
        np.testing.assert_allclose(hull.energies(fractions), expected, atol=1e-6)
        stable = {Composition(formula).reduced_formula for formula in hull.stable.formulas}
        assert stable == {entry.composition.reduced_formula for entry in diagram.stable_entries}
        num_stable += len(stable) - len(elements)
    assert num_stable > 25  # else nothing but elements was compared


def test_phases_of_subsystems_are_all_that_a_larger_system_needs():
    """Phases that are not stable in their own system are left out on the way up: the linear program has them all."""
    rng = np.random.default_rng(3)
    elements = (*SYSTEM, "Cl")
    amounts = rng.integers(0, 4, (150, 5)) * (rng.random((150, 5)) < 0.5)
    amounts = amounts[(amounts > 0).sum(axis=1) > 1]
    formulas = ["".join(f"{s}{n}" for s, n in zip(elements, row, strict=True)) for row in amounts]
    fractions = amounts / amounts.sum(axis=1, keepdims=True)
    energies = -1.5 + ((fractions - 0.3) ** 2).sum(axis=1) + 0.2 * rng.random(len(fractions))
    hull = KnownPhases.from_table(formulas, energies).hull(elements)
    x = draw_fractions(30, 5)
    phases, phase_energies = np.vstack([np.eye(5), fractions]), np.concatenate([np.zeros(5), energies])
    expected = [hull_energy_by_linear_program(row, phases, phase_energies) for row in x]
    np.testing.assert_allclose(hull.energies(x), expected, atol=1e-7)


def test_a_binary_by_hand():
    hull = KnownPhases.from_table(*NA_CL).hull(["Na", "Cl"])
    assert list(hull.stable.formulas) == ["Na", "Cl", "NaCl"]  # the two others lie above the lines to it
    assert {frozenset(facet) for facet in hull.facets.tolist()} == {frozenset({0, 2}), frozenset({1, 2})}
    np.testing.assert_allclose(sorted(hull.chemical_potentials.tolist()), [[-4, 0], [0, -4]], atol=1e-12)
    np.testing.assert_allclose(hull.energies([[1, 0], [0.75, 0.25], [0.5, 0.5], [0.2, 0.8]]), [0, -1, -2, -0.8])
    np.testing.assert_allclose(hull.energy_above([[0.75, 0.25], [0.5, 0.5]], [-0.6, -2.3]), [0.4, -0.3])


def test_fractions_follow_the_order_of_the_elements():
    known = KnownPhases.from_table([*NA_CL[0], "NaFeO2", "Fe2O3"], [*NA_CL[1], -1.9, -1.7])
    order = [2, 0, 3, 1]
    elements = ("Cl", "Na", "O", "Fe")
    x = draw_fractions(20, 4)
    one, other = known.hull(elements), known.hull([elements[i] for i in order])
    np.testing.assert_allclose(one.energies(x), other.energies(x[:, order]), atol=1e-12)
    assert other.elements == ("O", "Cl", "Fe", "Na")


@pytest.mark.parametrize("elements", [["Na", "Cl"], ["Na", "K", "Rb"], ["He", "Og", "Na", "Fe"]])
def test_without_a_phase_below_its_elements_the_hull_is_zero(elements):
    known = KnownPhases.from_table(["NaCl", "NaK"], [0.0, 0.1])
    hull = known.hull(elements)
    assert np.array_equal(hull.chemical_potentials, np.zeros((1, len(elements))))
    assert list(hull.stable.formulas) == elements and hull.facets.tolist() == [list(range(len(elements)))]
    assert known.counts["not below the elements"] == 2 and len(known) == 2


def test_phases_on_a_common_plane_do_not_tilt_it():
    """All mixtures of two stable phases, as a cell of both would have; the planes are those of the two alone."""
    formulas = ["Fe2O3", "MnO", *(f"Fe{2 * i}Mn{j}O{3 * i + j}" for i in range(1, 6) for j in range(1, 6))]
    atoms = [5, 2, *(5 * i + 2 * j for i in range(1, 6) for j in range(1, 6))]
    totals = [-8.0, -4.0, *(-8.0 * i - 4.0 * j for i in range(1, 6) for j in range(1, 6))]
    elements, x = ("Mn", "Fe", "O"), draw_fractions(50, 3)
    with_mixtures = KnownPhases.from_table(formulas, np.divide(totals, atoms)).hull(elements)
    alone = KnownPhases.from_table(formulas[:2], np.divide(totals, atoms)[:2]).hull(elements)
    np.testing.assert_allclose(with_mixtures.energies(x), alone.energies(x), atol=1e-10)


@pytest.mark.parametrize("scale", [1e-10, 1e-3, 1e6])
def test_hulls_do_not_depend_on_the_unit_of_energy(scale):
    formulas, energies = ["NaFeO2", "Na2O", "Fe2O3", "FeO", "NaO3"], np.array([-1.9, -1.4, -1.7, -1.3, -0.8])
    elements, x = ("Na", "Fe", "O"), draw_fractions(30, 3)
    expected = KnownPhases.from_table(formulas, energies).hull(elements).energies(x)
    scaled = KnownPhases.from_table(formulas, scale * energies).hull(elements).energies(x)
    np.testing.assert_allclose(scaled / scale, expected, rtol=1e-9, atol=1e-12)


def test_formulas_of_many_atoms_beside_simple_ones():
    formulas, energies = ["NaCl", "Na101Cl100", "Na1000Cl999"], [-2.0, -2.05, -2.06]
    hull = KnownPhases.from_table(formulas, energies).hull(["Na", "Cl"])
    fractions = encode(formulas, ["Na", "Cl"]).fractions
    diagram = pymatgen_diagram(formulas, energies, ["Na", "Cl"])
    expected = [diagram.get_hull_energy_per_atom(Composition(formula)) for formula in formulas]
    np.testing.assert_allclose(hull.energies(fractions), expected, atol=1e-9)


def test_unusable_rows_are_counted_and_the_lowest_of_a_composition_stays():
    formulas = ["NaCl", "Cl2Na2", "Xyz", None, "Na", "NaCl3", "Fe2O3", "PuXe2", "HeNa2"]
    energies = [-1.8, -2.0, -1.0, -1.0, -0.3, np.nan, np.inf, -0.5, -0.1]
    known = KnownPhases.from_table(formulas, energies)
    assert known.counts == {
        "unreadable formula": 2,
        "missing target": 2,
        "single element": 1,
        "duplicate composition": 1,
        "not below the elements": 0,
    }
    assert len(known) == 3
    assert known.hull(["Cl", "Na"]).energies([[0.5, 0.5]]) == pytest.approx(-2.0)
    assert list(known.hull(["Pu", "Xe"]).stable.formulas) == ["Pu", "Xe", "PuXe2"]  # Xe is outside the 86 elements
    assert known.hull(["Na", "He"]).energies([[2 / 3, 1 / 3]]) == pytest.approx(-0.1)


def test_no_rows_at_all():
    known = KnownPhases.from_table([], [])
    assert len(known) == 0 and known.hull(["Na", "Cl"]).energies([[0.5, 0.5]]) == 0


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        (["Na"], "Expected 2 to 8 different elements, received Na"),
        (["Na", "Na"], "different elements, received Na, Na"),
        (list(ELEMENTS[: MAX_ELEMENTS + 1]), "Expected 2 to 8"),
        ([], "received none"),
        ("NaCl", "received 'a'"),
        (["Na", "Xx"], "symbols of elements, received 'Xx'"),
    ],
)
def test_what_is_no_system_is_refused(elements, message):
    with pytest.raises(ValueError, match=message):
        KnownPhases.from_table(*NA_CL).hull(elements)


@pytest.mark.parametrize("fractions", [[0.5, 0.5], [[0.2, 0.3, 0.5]]])
def test_fractions_of_another_width_are_refused(fractions):
    with pytest.raises(ValueError, match=r"shape \(m, 2\) for Na-Cl"):
        KnownPhases.from_table(*NA_CL).hull(["Na", "Cl"]).energies(fractions)


def test_hulls_are_the_same_bits_whatever_was_asked_before_and_in_another_process():
    known = load_known(["flla"])
    fresh = pickle.loads(pickle.dumps(known))  # as a worker receives it
    for system in (("Li", "O"), ("Li", "Fe", "O"), ("P", "Li", "O", "Fe")):
        known.hull(system)
    elements = ("Li", "Fe", "P", "O")
    assert np.array_equal(known.hull(elements).chemical_potentials, fresh.hull(elements).chemical_potentials)


def test_one_stand_in_for_two_sources_is_one_source():
    known = load_known(["oqmd", "mp_formation_energy"])  # offline: the bundled sample in place of both
    assert known.name == "flla" and len(known) == len(load_known(["flla"]))
    assert len(set(known.notes)) == len(known.notes)
    for missing in ("OQMD", "Materials Project formation energies"):
        assert any(missing in note for note in known.notes)


def test_known_phases_say_where_they_come_from(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(f"formula,{ENERGY}\nNaCl,-9.0\nNaXx,-1\n")
    own, both = load_known([str(path)]), load_known(["flla", str(path)])
    assert (own.name, both.name) == ("own.csv", "flla + own.csv")
    assert set(own.files) < set(both.files) and own.files["own.csv"].startswith("sha256:")
    assert own.counts["unreadable formula"] == 1 and len(own) == 1
    assert any("different settings and references" in note for note in both.notes)
    assert not any("different settings and references" in note for note in own.notes)
    assert both.hull(["Na", "Cl"]).energies([[0.5, 0.5]]) == pytest.approx(-9.0)
    assert load_known(["flla"]).hull(["Na", "Cl"]).energies([[0.5, 0.5]])[0] > -3


def test_other_properties_and_empty_lists_are_refused():
    with pytest.raises(ValueError, match="at least one data set"):
        load_known([])
    with pytest.raises(ValueError, match="received 'flla'"):
        load_known("flla")
    with pytest.raises(ValueError, match="neither a file nor a registered"):
        load_known(["nonsense"])
