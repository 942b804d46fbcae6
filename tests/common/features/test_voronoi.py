"""Structure attributes: matminer is the oracle, crystals of known order are another, and the choice of cell is free."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Molecule, Structure

from benchmarks.matminer_peer import STRUCTURE_LABELS, make_structure_featurizer
from common.datasets import load, structures
from common.features.voronoi import VORONOI_LABELS, featurize, featurize_with_reasons

RELATIVE, ABSOLUTE = 1e-8, 1e-9
COLUMN = {label: column for column, label in enumerate(VORONOI_LABELS)}


def perovskite(displacement=0.0):
    sites = [[0, 0, 0], [0.5, 0.5, 0.5 + displacement], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Structure(Lattice.cubic(3.9), ["Ba", "Ti", "O", "O", "O"], sites)


def low_symmetry():
    lattice = Lattice.from_parameters(4.1, 5.3, 6.7, 78, 95, 108)
    sites = [[0.02, 0.05, 0.1], [0.31, 0.55, 0.4], [0.7, 0.2, 0.66], [0.55, 0.83, 0.9], [0.15, 0.6, 0.75]]
    return Structure(lattice, ["Fe", "S", "O", "Ca", "O"], sites)


ROCK_SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
SKEWED = Structure(
    np.array([[1, 0, 0], [3, 1, 0], [-2, 4, 1]]) @ Lattice.hexagonal(3.2, 5.1).matrix,
    ["Ti", "B", "B"],
    [[0.9, 0.2, 0.1], [0.1, 0.5, 0.4], [0.4, 0.3, 0.8]],
)
CUBE = Lattice.cubic(3)
ORIGIN = [[0, 0, 0]]
STRUCTURES = {
    "simple cubic, one atom": Structure(Lattice.cubic(3.35), ["Po"], [[0, 0, 0]]),
    "fcc, one atom": Structure(Lattice([[0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]]), ["Cu"], [[0, 0, 0]]),
    "bcc": Structure(Lattice.cubic(2.87), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "hcp": Structure(Lattice.hexagonal(3.21, 5.21), ["Mg", "Mg"], [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]),
    "B2": Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "L1_2": Structure(
        Lattice.cubic(3.57), ["Al", "Ni", "Ni", "Ni"], [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    ),
    "rock salt, primitive": ROCK_SALT.get_primitive_structure(),
    "zinc blende": Structure.from_spacegroup(
        "F-43m", Lattice.cubic(5.41), ["Zn", "S"], [[0, 0, 0], [0.25, 0.25, 0.25]]
    ).get_primitive_structure(),
    "perovskite": perovskite(),
    "distorted perovskite": perovskite(0.03),
    "low symmetry": low_symmetry(),
    "skewed basis": SKEWED,
}


@pytest.fixture(scope="module")
def matminer():
    """The labels of matminer's five featurizers, and a function that gives their values."""
    labels, featurize_all = make_structure_featurizer()
    return labels, lambda structure: featurize_all([structure])[0]


def assert_same(received, expected):
    np.testing.assert_allclose(received, expected, rtol=RELATIVE, atol=ABSOLUTE)


# ------------------------------------------------------------------------------------------------------------- oracles


def test_labels_are_sipfenns():
    # sha256 of the first 126 lines of labels_Ward2017.csv in PhasesResearchLab/pySIPFENN, commit f7e0da19
    pinned = "418c315c94be959b31bfdfef8e4190eeb7b23681c409e3a816780bd88be9495a"
    assert len(set(VORONOI_LABELS)) == 126
    assert hashlib.sha256("\n".join(VORONOI_LABELS).encode()).hexdigest() == pinned
    assert VORONOI_LABELS[:5:4] == ("mean_EffectiveCoordination", "var_MeanBondLength")
    assert VORONOI_LABELS[-1] == "range_NeighDiff_shell1_SpaceGroupNumber"


def test_matminer_has_two_columns_more(matminer):
    labels, _ = matminer
    assert len(labels) == 128
    assert set(labels) - set(STRUCTURE_LABELS) == {"range CN_VoronoiNN", "range neighbor distance variation"}


@pytest.mark.parametrize("name", STRUCTURES)
def test_attributes_are_matminers(name, matminer):
    assert_same(featurize([STRUCTURES[name]])[0], matminer[1](STRUCTURES[name]))


def test_attributes_of_real_structures_are_matminers(matminer):
    frame = load("flla_structures").frame
    compact = frame["lattice"].map(lambda lattice: np.linalg.norm(lattice, axis=1).max() < 13)  # matminer's reach
    small = frame[frame["num_sites"].between(4, 8) & compact].sample(6, random_state=1)
    for structure in structures(small):
        inside = Structure(structure.lattice, structure.species, structure.frac_coords % 1)
        assert_same(featurize([structure])[0], matminer[1](inside))


def test_pymatgen_mistakes_images_of_sites_outside_the_cell():
    # why matminer is asked about sites inside only; when this fails, pymatgen has mended it
    from pymatgen.analysis.local_env import VoronoiNN

    inside = low_symmetry()
    outside = Structure(inside.lattice, inside.species, inside.frac_coords - [[1, 0, 0]] + np.eye(5, 3))
    try:
        polyhedra = VoronoiNN().get_all_voronoi_polyhedra(outside)
        volume = sum(facet["volume"] for cell in polyhedra for facet in cell.values())
    except (ValueError, RuntimeError):
        volume = np.inf
    assert volume > 1.001 * outside.volume
    assert_same(featurize([outside]), featurize([inside]))


def test_ordering_of_rock_salt_alternates():
    # shells of one kind alone: |1 - 1/0.5| and |1 - 0/0.5| are both 1
    shells = [COLUMN[f"mean_WCMagnitude_Shell{shell}"] for shell in (1, 2, 3)]
    assert_same(featurize([ROCK_SALT])[0, shells], [1, 1, 1])


def test_attributes_of_b2_follow_from_the_truncated_octahedron():
    row = featurize([STRUCTURES["B2"]])[0]
    hexagon, square = 1.5 * np.sqrt(3), 1.0
    total = 8 * hexagon + 6 * square
    assert_same(row[COLUMN["mean_EffectiveCoordination"]], total**2 / (8 * hexagon**2 + 6 * square**2))
    unlike = 8 * hexagon / total
    assert_same(row[COLUMN["mean_WCMagnitude_Shell1"]], 2 * unlike - 1)
    assert_same(row[COLUMN["MaxPackingEfficiency"]], np.pi * np.sqrt(3) / 8)
    assert_same(row[COLUMN["max_NeighDiff_shell1_Number"]], unlike * (55 - 17))


# ----------------------------------------------------------------------------------------------------------- invariance


@st.composite
def random_structures(draw):
    """One to five atoms, no two of them close, and the generator that placed them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_sites = draw(st.integers(1, 5))
    lattice = Lattice.from_parameters(*rng.uniform(4, 7, 3), *rng.uniform(70, 110, 3))
    sites = np.empty((0, 3))
    while len(sites) < num_sites:
        trial = np.vstack([sites, rng.random(3)])
        distances = lattice.get_all_distances(trial, trial)
        if (distances + 9 * np.eye(len(trial)) > 1.2).all():
            sites = trial
    return Structure(lattice, rng.choice(["Li", "O", "Fe", "U"], len(sites)), sites), rng


@settings(max_examples=25, deadline=None)
@given(random_structures(), st.permutations(range(3)))
def test_attributes_belong_to_the_crystal_alone(drawn, factors):
    structure, rng = drawn
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotated = Structure(Lattice(structure.lattice.matrix @ rotation), structure.species, structure.frac_coords)
    shifted = Structure(structure.lattice, structure.species, structure.frac_coords + rng.normal(size=3))
    order = rng.permutation(len(structure))
    permuted = Structure(structure.lattice, np.array(structure.species)[order], structure.frac_coords[order])
    enlarged = structure * [1 + (factor == 0) for factor in factors]
    shear = np.array([[1, 0, 0], [2, 1, 0], [-3, 5, 1]])
    skewed = Structure(
        shear @ structure.lattice.matrix, structure.species, structure.cart_coords, coords_are_cartesian=True
    )
    rows = featurize([structure, rotated, shifted, permuted, enlarged, skewed])
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(rows[1:], np.broadcast_to(rows[0], rows[1:].shape), rtol=1e-6, atol=1e-7)


@settings(max_examples=15, deadline=None)
@given(random_structures(), st.floats(0.7, 1.5))
def test_attributes_have_no_length_scale(drawn, factor):
    structure, _ = drawn
    scaled = Structure(Lattice(structure.lattice.matrix * factor), structure.species, structure.frac_coords)
    rows = featurize([structure, scaled])
    np.testing.assert_allclose(rows[1], rows[0], rtol=1e-6, atol=1e-7)


# ----------------------------------------------------------------------------------------------- awkward and bad input


def test_large_and_sparse_cells_work():
    rng = np.random.default_rng(0)
    cubic = Structure(Lattice.cubic(3.35), ["Po"], [[0, 0, 0]])
    large = cubic * (10, 10, 5)
    large.replace(7, "Bi")
    large.translate_sites(list(range(500)), rng.normal(size=3))
    # slab and molecule leave most of the cell empty
    slab = Structure(Lattice.tetragonal(3, 40), ["Cu", "Cu", "Zn"], [[0, 0, 0], [0.5, 0.5, 0.04], [0, 0, 0.08]])
    molecule = Structure(Lattice.cubic(25), ["O", "H", "H"], [[0, 0, 0], [0.03, 0.02, 0], [-0.03, 0.02, 0]])
    found = featurize_with_reasons([large, slab, molecule])
    assert found.ok.all() and np.isfinite(found.attributes).all()
    # of 1000 facets within the crystal of Po, six reach the one Bi and six leave it
    mean_difference = found.attributes[0, COLUMN["mean_NeighDiff_shell1_Number"]]
    assert mean_difference == pytest.approx((1 + 6 / 6) / 500, rel=1e-6)
    assert found.attributes[0, COLUMN["MaxPackingEfficiency"]] == pytest.approx(np.pi / 6)


def test_matminer_fails_on_a_layer_in_vacuum(matminer):
    layer = Structure(Lattice.tetragonal(3, 20), ["Cu", "Zn"], [[0, 0, 0], [0.5, 0.5, 0.1]])
    with pytest.raises(RuntimeError, match="infinite vertex"):
        matminer[1](layer)
    assert featurize_with_reasons([layer]).ok.all()


def test_deuterium_is_hydrogen():
    rows = featurize([Structure(CUBE, [symbol, "Li"], [[0, 0, 0], [0.5, 0.5, 0.5]]) for symbol in ("D", "H")])
    np.testing.assert_array_equal(*rows)


def test_oxidation_states_do_not_matter():
    decorated = perovskite()
    decorated.add_oxidation_state_by_element({"Ba": 2, "Ti": 4, "O": -2})
    np.testing.assert_array_equal(featurize([decorated]), featurize([perovskite()]))


BAD = {
    "disordered": (Structure(CUBE, [{"Fe": 0.5, "Ni": 0.5}], ORIGIN), r"Site 0 is disordered \(Fe:0.5"),
    "vacancy": (Structure(CUBE, [{"Fe": 0.5}], ORIGIN), "Site 0 is disordered"),
    "overlap": (Structure(CUBE, ["Fe", "Ni"], [[0, 0, 0], [0, 0, 0.99]]), "overlap: they are 0.03 angstrom apart"),
    "same place": (Structure(CUBE, ["Fe", "Ni"], [[0, 0, 0], [0, 0, 1]]), "overlap: they are 0 angstrom apart"),
    "no Magpie data": (Structure(CUBE, ["Og"], ORIGIN), "lack any property of Og"),
    "some Magpie data": (Structure(CUBE, ["Ne"], ORIGIN), "lack Electronegativity of Ne"),
    "dummy": (Structure(CUBE, ["X0+"], ORIGIN), "'X' is not a chemical element"),
    "flat": (Structure(Lattice(np.diag([3, 3, 1e-9])), ["Fe"], ORIGIN), "cubic angstrom a site"),
    "huge": (Structure(Lattice.cubic(1e4), ["Fe"], ORIGIN), "cubic angstrom a site"),
    "not a number": (Structure(Lattice(np.diag([3, 3, np.nan])), ["Fe"], ORIGIN), "not a finite number"),
    "empty": (Structure(CUBE, [], []), "no sites"),
    "slab": (Structure(Lattice(3 * np.eye(3), pbc=(True, True, False)), ["Fe"], ORIGIN), "not periodic in all three"),
    "molecule": (Molecule(["O"], ORIGIN), "Expected a pymatgen Structure, received Molecule"),
    "nothing": (None, "Expected a pymatgen Structure, received NoneType"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_structure_costs_its_own_row_and_says_why(name):
    structure, reason = BAD[name]
    found = featurize_with_reasons([perovskite(), structure, ROCK_SALT])
    assert found.ok.tolist() == [True, False, True]
    assert np.isnan(found.attributes[1]).all()
    with pytest.raises(ValueError, match=reason):
        raise ValueError(found.reasons[1])
    assert "\n" not in found.reasons[1] and found.reasons[1].endswith(".")
    np.testing.assert_array_equal(found.attributes[[0, 2]], featurize([perovskite(), ROCK_SALT]))


def test_none_generator_and_single():
    assert featurize([]).shape == (0, 126)
    rows = featurize(structure for structure in (ROCK_SALT, SKEWED))
    assert rows.shape == (2, 126) and rows.dtype == np.float64
    with pytest.raises(TypeError, match=r"write \[structure\]"):
        featurize(ROCK_SALT)
