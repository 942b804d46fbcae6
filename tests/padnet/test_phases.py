"""Phases against powder diffraction cards, pymatgen and direct sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.diffraction.xrd import XRDCalculator

from padnet.phases import PHASES, lines, pole_density, structure

CU_K_ALPHA_A = 1.5406
MEMBERS = [(name, number) for name, phase in PHASES.items() for number in range(len(phase.members))]
# hkl, distance in Angstrom and relative intensity of strong lines; powder diffraction file 41-1445, 21-1276, 21-1272,
# 26-1500, 24-1470, 25-1164 and 36-1451.
CARDS = [
    ("rutile", 0, {(1, 1, 0): (3.347, 100), (1, 0, 1): (2.643, 75), (2, 1, 1): (1.764, 57)}),
    ("rutile", 1, {(1, 1, 0): (3.247, 100), (1, 0, 1): (2.487, 50), (2, 1, 1): (1.687, 60)}),
    ("anatase", 0, {(1, 0, 1): (3.520, 100), (0, 0, 4): (2.378, 20), (2, 0, 0): (1.892, 35)}),
    ("ilmenite", 1, {(1, 0, 4): (2.730, 100), (1, 1, 0): (2.540, 75)}),
    ("spinel", 0, {(3, 1, 1): (2.610, 100), (4, 4, 0): (1.530, 45)}),
    ("spinel", 1, {(3, 1, 1): (2.551, 100), (4, 4, 0): (1.496, 45)}),
    ("wurtzite", 0, {(1, 0, 0): (2.814, 57), (0, 0, 2): (2.603, 44), (1, 0, 1): (2.476, 100)}),
]


def of_member(name: str, number: int):
    """hkl without order and sign -> distance and strength."""
    found = lines(name, CU_K_ALPHA_A, 90.0)
    spacings, strengths = found.spacings_a(number), found.strengths(number)
    sorted_planes = [(*sorted(np.abs(planes[:2]), reverse=True), abs(planes[2])) for planes in found.hkl.tolist()]
    return found, spacings, strengths, sorted_planes


@pytest.mark.parametrize(("name", "number"), MEMBERS)
def test_structures_have_their_formula(name, number):
    phase = PHASES[name]
    composition = structure(phase, phase.members[number]).composition
    cations = {element.symbol: amount for element, amount in composition.items() if element.symbol != "O"}
    from pymatgen.core import Composition

    assert composition.reduced_composition == Composition(phase.members[number].formula).reduced_composition
    assert cations.get("Zn", 0) / sum(cations.values()) == pytest.approx(phase.zinc_fraction)


@pytest.mark.parametrize(("name", "number", "card"), CARDS)
def test_lines_are_those_of_powder_diffraction_cards(name, number, card):
    _, spacings, strengths, _ = of_member(name, number)
    relative = 100 * strengths / strengths.max()
    for planes, (spacing_a, intensity) in card.items():
        at = np.abs(spacings - spacing_a).argmin()
        assert spacings[at] == pytest.approx(spacing_a, abs=0.012), planes
        assert relative[at] == pytest.approx(intensity, abs=16), planes


@pytest.mark.parametrize(("name", "number"), MEMBERS)
def test_end_members_are_those_of_pymatgen(name, number):
    crystal = structure(PHASES[name], PHASES[name].members[number])
    expected = XRDCalculator(CU_K_ALPHA_A).get_pattern(crystal, scaled=False, two_theta_range=(0, 90))
    found = lines(name, CU_K_ALPHA_A, 90.0)
    there = found.strengths(number) > 0
    order = np.argsort(-found.spacings_a(number)[there])
    np.testing.assert_allclose(found.spacings_a(number)[there][order], expected.d_hkls, rtol=1e-6)
    np.testing.assert_allclose(
        found.strengths(number)[there][order], np.array(expected.y) / crystal.volume**2, rtol=1e-6
    )


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 1))
def test_a_solid_solution_lies_between_its_end_members(share):
    found = lines("rutile", CU_K_ALPHA_A, 90.0)
    tin, titanium, mixed = (found.spacings_a(value) for value in (0, 1, share))
    assert (mixed <= np.maximum(tin, titanium) + 1e-9).all() and (mixed >= np.minimum(tin, titanium) - 1e-9).all()
    at = found.hkl.tolist().index([1, 1, 0])
    assert mixed[at] == pytest.approx((4.737 + share * (4.594 - 4.737)) / np.sqrt(2))


def test_a_single_member_does_not_change():
    found = lines("wurtzite", CU_K_ALPHA_A, 90.0)
    np.testing.assert_array_equal(found.spacings_a(0), found.spacings_a(1))


@settings(deadline=None, max_examples=20)
@given(st.floats(0.05, 30), st.floats(-1, 1))
def test_texture_moves_intensity_and_makes_none(sharpness, cosine):
    tilt_rad = np.linspace(0, np.pi, 4001)
    density = pole_density(np.array([[cosine]]), tilt_rad, sharpness)[0]
    mean = np.trapezoid(density * np.sin(tilt_rad), tilt_rad) / 2  # over the sphere
    assert mean == pytest.approx(1, rel=1e-4)


def test_texture_is_that_of_grains_drawn_at_random():
    sharpness, cosine = 3.0, np.cos(np.deg2rad(50))
    rng = np.random.default_rng(0)
    # Axes of a von Mises-Fisher distribution, and poles on their cones.
    axis_cos = 1 + np.log(rng.uniform(np.exp(-2 * sharpness), 1, 400_000)) / sharpness
    turn = rng.uniform(0, 2 * np.pi, axis_cos.size)
    pole_cos = axis_cos * cosine + np.sqrt((1 - axis_cos**2) * (1 - cosine**2)) * np.cos(turn)
    counts, edges = np.histogram(pole_cos, bins=20, range=(-1, 1))
    middles = np.arccos((edges[:-1] + edges[1:]) / 2)
    expected = counts / counts.mean()
    np.testing.assert_allclose(
        pole_density(np.array([[cosine]]), middles, sharpness)[0], expected, rtol=0.05, atol=0.05
    )


def test_planes_of_the_fibre_axis_lie_along_it():
    for name, phase in PHASES.items():
        found = lines(name, CU_K_ALPHA_A, 90.0)
        parallel = [number for number, planes in enumerate(found.hkl) if not np.cross(planes, phase.fibre_axis).any()]
        if parallel:
            np.testing.assert_allclose(np.abs(found.cos_to_axis[parallel]).max(axis=1), 1, err_msg=name)
        np.testing.assert_allclose(found.cos_to_axis.mean(axis=1), 0, atol=1e-12)  # Friedel's law
        assert (np.abs(found.cos_to_axis) < 1 + 1e-12).all()
