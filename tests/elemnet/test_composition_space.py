"""The composition space against itertools, pymatgen and the project's own encoder."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Composition

from common.composition import encode
from common.elements import ELEMENTS
from elemnet.composition_space import CompositionSpace, atom_ratios


def all_formulas(space, compositions_per_part=1000):
    formulas = []
    for part in space.parts(compositions_per_part):
        systems = space.systems(part.num_elements, space.system_numbers(part))
        num_ratios = len(space.ratios(part.num_elements))
        formulas += space.formulas(np.repeat(systems, num_ratios, axis=0), np.tile(np.arange(num_ratios), len(systems)))
    return formulas


def test_the_full_space_is_counted_by_walking_through_it():
    space, found = CompositionSpace(), {2: 0, 3: 0, 4: 0}
    for part in space.parts(5_000_000):
        systems = space.systems(part.num_elements, space.system_numbers(part))
        assert (np.diff(systems, axis=1) > 0).all() and systems.min() >= 0 and systems.max() < 86
        found[part.num_elements] += len(systems) * len(space.ratios(part.num_elements))
    assert found == {2: 113_305, 3: 11_155_060, 4: 435_328_775}
    assert sum(found.values()) == 446_597_140 == space.num_compositions == space.num_drawn


@pytest.mark.parametrize("size", [2, 3, 4])
def test_systems_come_in_the_order_of_itertools(size):
    space = CompositionSpace(ELEMENTS[:12], max_elements=4)
    expected = np.array(list(combinations(range(12), size)))
    np.testing.assert_array_equal(space.systems(size, np.arange(space.num_systems(size))), expected)


def test_every_system_of_four_of_the_86_comes_once():
    space = CompositionSpace()
    systems = space.systems(4, np.arange(space.num_systems(4)))
    keys = systems @ 86 ** np.arange(3, -1, -1)
    assert len(keys) == 2_123_555 and (np.diff(keys) > 0).all()


@given(num_elements=st.integers(2, 4), max_atoms=st.integers(4, 14))
def test_ratios_are_those_that_pymatgen_cannot_reduce(num_elements, max_atoms):
    ratios = atom_ratios(num_elements, max_atoms)
    symbols = ELEMENTS[10 : 10 + num_elements]
    for row in ratios[:: max(1, len(ratios) // 20)]:
        composition = Composition(dict(zip(symbols, row.tolist(), strict=True)))
        assert composition.get_integer_formula_and_factor()[1] == 1 and composition.num_atoms <= max_atoms
    # every composition of the box, reduced, is among them
    rng = np.random.default_rng(0)
    draws = rng.integers(1, max_atoms, (50, num_elements))
    for row in draws[draws.sum(axis=1) <= max_atoms]:
        assert (ratios == row // np.gcd.reduce(row)).all(axis=1).any()


def test_no_composition_comes_twice():
    formulas = all_formulas(CompositionSpace(("Li", "Na", "K", "F", "O"), max_atoms=10))
    assert len(formulas) == 10 * 31 + 10 * 109 + 5 * 205
    assert len({Composition(formula).reduced_formula for formula in formulas}) == len(formulas)


def test_fractions_are_those_of_the_formulas():
    elements = ("O", "Fe", "Na", "Ti")
    space = CompositionSpace(elements, max_atoms=7)
    columns = np.array([ELEMENTS.index(symbol) for symbol in elements])
    parts = [
        space.fractions(space.systems(size, np.arange(space.num_systems(size))), columns, len(ELEMENTS))
        for size in space.system_sizes
    ]
    encoded = encode(all_formulas(space), ELEMENTS, dtype=np.float32)
    assert encoded.ok.all()
    np.testing.assert_array_equal(np.concatenate(parts), encoded.fractions)


@given(per_part=st.integers(1, 5000))
def test_parts_cover_the_space_once_whatever_their_size(per_part):
    space = CompositionSpace(ELEMENTS[:9], max_atoms=6, shares=(1.0, 0.5, 0.25), seed=3)
    whole = {size: [] for size in space.system_sizes}
    for number, part in enumerate(space.parts(per_part)):
        assert part.number == number
        whole[part.num_elements] += space.system_numbers(part).tolist()
    reference = {size: [] for size in space.system_sizes}
    for part in space.parts(10**9):
        reference[part.num_elements] += space.system_numbers(part).tolist()
    assert whole == reference
    assert whole[2] == list(range(36))


def test_a_share_draws_about_as_many_systems_and_another_seed_draws_others():
    draws = []
    for seed in (0, 1):
        space = CompositionSpace(shares=(0.0, 0.05, 0.0), seed=seed)
        (part,) = space.parts(10**9)
        draws.append(space.system_numbers(part))
    for draw in draws:
        expected = 0.05 * 102_340
        assert abs(len(draw) - expected) < 5 * expected**0.5
        # spread evenly: the middle of the draw is near the middle of the space
        assert abs(np.median(draw) / 102_340 - 0.5) < 0.05
    assert len(np.intersect1d(*draws)) < 0.1 * len(draws[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"elements": ("Li", "Xx")}, "Xx"),
        ({"elements": ("Li", "Li")}, "each once"),
        ({"elements": ("Li",)}, "at least two"),
        ({"max_elements": 1}, "at least 2 elements"),
        ({"max_atoms": 1}, "max_atoms 1"),
        ({"shares": (1.0,)}, "2, 3, 4"),
        ({"shares": (1.0, 2.0, 0.1)}, "from 0 to 1"),
    ],
)
def test_a_space_that_cannot_be_says_why(changes, message):
    with pytest.raises(ValueError, match=message):
        CompositionSpace(**changes)
