"""Hulls against pymatgen, rotations as a group that acts, filters against direct convolution: for whatever is drawn.

Laws that one module's tests hold already (tests/elemnet/test_hulls.py, tests/omnet/test_rotations.py and
test_disorientation.py, tests/padnet/test_slope_filters.py and test_background.py) are not repeated here.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition, Element
from scipy.ndimage import maximum_filter
from scipy.signal import convolve2d

from common.composition import encode
from elemnet.hulls import KnownPhases
from omnet.rotations import (
    CUBIC_QUATERNIONS,
    conjugate,
    cubic_representatives,
    matrices_from_quaternions,
    multiply,
    random_quaternions,
)
from padnet.slope_filters import PAPER, RELEASED, ROBUST, maximum_window, peak_areas, scaled_images, slope_filters

SYSTEM = ("Li", "Fe", "P", "O")
seeds = st.integers(0, 2**32 - 1)


@st.composite
def phases(draw):
    """Formulas of two to four elements and energies on no common plane: there pymatgen and qhull may differ."""
    elements = SYSTEM[: draw(st.integers(2, 4))]
    rows = st.tuples(*[st.integers(0, 6)] * len(elements)).filter(lambda row: np.count_nonzero(row) > 1)
    drawn = draw(st.lists(rows, min_size=1, max_size=10))
    rng = np.random.default_rng(draw(seeds))
    formulas = ["".join(f"{s}{n}" for s, n in zip(elements, row, strict=True) if n) for row in drawn]
    return elements, formulas, rng.uniform(-3, 0.5, len(formulas))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(phases())
def test_hulls_are_those_of_pymatgen(table):
    elements, formulas, energies = table
    entries = [PDEntry(Composition(symbol), 0.0) for symbol in elements]
    compositions = [Composition(formula) for formula in formulas]
    entries += [PDEntry(c, energy * c.num_atoms) for c, energy in zip(compositions, energies, strict=True)]
    diagram = PhaseDiagram(entries, [Element(symbol) for symbol in elements])
    hull = KnownPhases.from_table(formulas, energies).hull(elements)
    above = hull.energy_above(encode(formulas, elements).fractions, energies)
    expected = [diagram.get_e_above_hull(entry) for entry in entries[len(elements) :]]
    np.testing.assert_allclose(above, expected, atol=1e-8)
    stable = {Composition(formula).reduced_formula for formula in hull.stable.formulas}
    assert stable == {entry.composition.reduced_formula for entry in diagram.stable_entries}


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seeds)
def test_rotations_act_on_vectors_as_a_group_does(seed):
    rng = np.random.default_rng(seed)
    a, b = random_quaternions(2, rng)
    v, w = rng.normal(size=(2, 3))
    first, second = matrices_from_quaternions(np.stack([a, b]))
    np.testing.assert_allclose(matrices_from_quaternions(multiply(a, b)) @ v, first @ (second @ v), atol=1e-13)
    np.testing.assert_allclose(matrices_from_quaternions(conjugate(a)) @ (first @ v), v, atol=1e-13)
    np.testing.assert_allclose(matrices_from_quaternions(-a), first, atol=0)
    np.testing.assert_allclose([(first @ v) @ (first @ w), np.linalg.det(first)], [v @ w, 1], atol=1e-12)
    np.testing.assert_allclose(np.cross(first @ v, first @ w), first @ np.cross(v, w), atol=1e-12)  # no mirror


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seeds, st.integers(0, 23), st.integers(0, 23))
def test_equivalent_orientations_are_the_cosets_of_the_cubic_group(seed, i, j):
    quaternion = random_quaternions(1, np.random.default_rng(seed))
    operators = CUBIC_QUATERNIONS[i], CUBIC_QUATERNIONS[j]
    one_after_the_other = multiply(operators[0], multiply(operators[1], quaternion))
    np.testing.assert_allclose(one_after_the_other, multiply(multiply(*operators), quaternion), atol=1e-14)
    representative = cubic_representatives(quaternion)
    np.testing.assert_allclose(cubic_representatives(one_after_the_other), representative, atol=1e-12)
    np.testing.assert_allclose(cubic_representatives(representative), representative, atol=1e-14)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    size_px=st.integers(3, 12),
    more=st.tuples(st.integers(0, 8), st.integers(0, 8)),
    mode=st.sampled_from([PAPER, RELEASED, ROBUST]),
    seed=seeds,
)
def test_areas_of_all_modes_are_those_of_convolution(size_px, more, mode, seed):
    """By scipy.signal on an image padded by hand, where the module's own tests correlate by scipy.ndimage."""
    image = np.random.default_rng(seed).poisson(40, np.add(size_px, more)).astype(np.float32)
    scaled = scaled_images(image[None], mode)[0] if mode == ROBUST else image
    before = (size_px - 1) // 2
    beyond = "symmetric" if mode == ROBUST else "constant"
    padded = np.pad(scaled.astype(np.float64), (before, size_px - 1 - before), beyond)
    filters = slope_filters(size_px, mode).astype(np.float64) / (size_px if mode == ROBUST else 1)
    areas = np.stack([np.abs(convolve2d(padded, one[::-1, ::-1], mode="valid")) for one in filters], axis=-1)
    window = maximum_window(size_px, mode, 1)
    shift = -1 if window % 2 == 0 else 0
    expected = maximum_filter(areas, (window, window, 1), mode="constant", origin=(shift, shift, 0))
    np.testing.assert_allclose(peak_areas(image[None], size_px, mode)[0], expected, rtol=1e-5, atol=1e-5)
