"""Sets of compositions against pymatgen, silhouettes against scikit-learn, p-values against all labellings."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition, Element
from sklearn.metrics import silhouette_score

from common import networks
from common.elements import ELEMENTS
from elemnet import activation_figures
from elemnet.activation_figures import _places
from elemnet.activations import (
    ALL_UNITS,
    COMPONENTS,
    components_table,
    main_group_elements,
    metal_compounds,
    read,
    silhouette_and_p_value,
    silhouettes,
    silhouettes_table,
    untrained,
)

ARCHITECTURE = "24x2D-12x1-8x1-1"
LAYERS = (1, 2, 4)


@pytest.fixture(scope="module")
def model():
    return networks.build(ARCHITECTURE, len(ELEMENTS), dropout_rates=(0.2,), seed=5)


@pytest.fixture(scope="module")
def predictor(model):
    card = {"recipe": "fast", "architecture": ARCHITECTURE, "dropout_rates": [0.2]}
    return SimpleNamespace(model=model, card=card, elements=ELEMENTS)


@pytest.fixture(scope="module", params=[main_group_elements, metal_compounds])
def compositions(request):
    return request.param(ELEMENTS)


# ---------------------------------------------------------------------------------------------------------------- sets


def test_main_group_elements_against_pymatgen():
    found = main_group_elements(ELEMENTS)
    groups = {symbol: Element(symbol).group for symbol in ELEMENTS if symbol != "H"}
    assert dict(zip(found.formulas, found.labels["group"], strict=True)) == {
        symbol: f"group {group}" for symbol, group in groups.items() if group in (1, 2, *range(13, 19))
    }
    assert found.left_out == ()


def test_metal_compounds_against_pymatgen():
    found = metal_compounds(ELEMENTS)
    metals = [symbol for symbol in ELEMENTS if Element(symbol).is_alkali or Element(symbol).is_alkaline]
    assert sorted(found.formulas) == sorted(metal + anion for metal in metals for anion in ("S", "Cl"))
    for i, formula in enumerate(found.formulas):
        metal, anion = Composition(formula).elements
        group = f"group {metal.group}"
        assert found.labels["metal group"][i] == group and found.labels["anion"][i] == anion.symbol
        assert found.labels["metal group and anion"][i] == f"{group} + {anion.symbol}"
        is_balanced = max(metal.common_oxidation_states) + min(anion.common_oxidation_states) == 0
        assert (found.labels["balance of charges"][i] == "balanced") == is_balanced
        assert i % 2 == 0 or formula.startswith(found.formulas[i - 1][:-1])  # a metal's two, one after the other


def test_fractions_are_in_the_order_of_the_network(compositions):
    for formula, fractions in zip(compositions.formulas, compositions.fractions, strict=True):
        amounts = Composition(formula).fractional_composition.get_el_amt_dict()
        assert {ELEMENTS[i]: fractions[i] for i in np.flatnonzero(fractions)} == pytest.approx(amounts)
    order = tuple(reversed(ELEMENTS))
    other = metal_compounds(order)
    np.testing.assert_array_equal(other.fractions[:, ::-1], metal_compounds(ELEMENTS).fractions)


def test_the_only_one_of_a_group_is_left_out_and_named():
    found = main_group_elements(("H", "O", "S", "Li", "Na", "Xe", "Fe"))
    assert found.formulas == ("Li", "O", "Na", "S") and found.left_out == ("Xe",)
    with pytest.raises(ValueError, match="two of the groups 1, 2, 13.*received Li, Na"):
        main_group_elements(("H", "Li", "Na", "O"))
    with pytest.raises(ValueError, match="reads S and Cl; received one without Cl"):
        metal_compounds(("Li", "Na", "Mg", "Ca", "S"))


# ---------------------------------------------------------------------------------------------------------- silhouettes


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(2, 6), min_size=2, max_size=5), st.integers(1, 9), st.integers(0, 2**32 - 1), st.floats(0, 5)
)
def test_silhouettes_against_scikit_learn(sizes, num_units, seed, distance):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    values = rng.normal(size=(len(labels), num_units)) + distance * labels[:, None]
    labellings = np.stack([labels, *(rng.permutation(labels) for _ in range(3))])
    expected = [silhouette_score(values, one) for one in labellings]
    np.testing.assert_allclose(silhouettes(values, labellings), expected, atol=1e-9)


def test_elements_alone_overlap_as_fractions(predictor):
    labels = main_group_elements(ELEMENTS).labels["group"]
    codes = np.unique(labels, return_inverse=True)[1]
    assert silhouettes(main_group_elements(ELEMENTS).fractions, codes[None])[0] == pytest.approx(0, abs=1e-9)
    assert (silhouettes(np.ones((len(codes), 3)), codes[None]) == 0).all()  # all rows coincide


def test_p_value_against_all_labellings():
    rng = np.random.default_rng(3)
    labels = np.repeat(["b", "a"], 4)
    values = rng.normal(size=(8, 3)) + 0.6 * (labels == "a")[:, None]
    choices = [np.isin(np.arange(8), chosen) for chosen in combinations(range(8), 4)]
    scores = np.array([silhouette_score(values, choice) for choice in choices])
    observed = silhouette_score(values, labels)
    silhouette, p_value = silhouette_and_p_value(values, labels, num_shuffles=20_000)
    exact = np.mean(scores >= observed - 1e-9)
    assert silhouette == pytest.approx(observed) and p_value == pytest.approx(exact, abs=0.02)
    assert 0.01 < exact < 0.9


def test_a_block_is_one_witness():
    """Twins that repeat each other make no difference to what shuffled blocks can say."""
    values = np.repeat(np.random.default_rng(0).normal(size=(8, 2)), 2, axis=0) + [[0, 0], [1e-3, 0]] * 8
    labels = np.repeat([0, 1], 8)
    values[:, 0] += 4 * labels
    whole = silhouette_and_p_value(values, labels, block_size=2)[1]
    assert whole == pytest.approx(2 / 70, abs=0.01)  # of the 70 ways to choose 4 of 8 blocks, this and its mirror
    assert silhouette_and_p_value(values, labels)[1] < 0.005


def test_labels_within_blocks_are_shuffled():
    """Ten metals that all go the same way: by chance one labelling in 2**10, and its mirror."""
    values = np.arange(20.0)[:, None] * 0.01 + np.tile([0, 5], 10)[:, None]
    labels = np.tile(["S", "Cl"], 10)
    assert silhouette_and_p_value(values, labels, block_size=2)[1] == pytest.approx(2 / 2**10, abs=0.002)


# --------------------------------------------------------------------------------------------------------------- tables


def test_layers_are_counted_from_the_inputs(model, compositions):
    readings = read(model, compositions, LAYERS)
    assert [one.values.shape[1] for one in readings.values()] == [24, 24, 8]
    for wrong in (0, 5):
        with pytest.raises(ValueError, match=f"hidden layers from 1 to 4; received {wrong}"):
            read(model, compositions, [wrong])


def test_untrained_networks_differ_and_are_repeated(predictor):
    first, second = untrained(predictor, 2)
    again = next(untrained(predictor, 1))
    assert first.count_params() == predictor.model.count_params()
    kernels = [one.get_layer("stack1_block1_dense").get_weights()[0] for one in (first, second, again)]
    np.testing.assert_array_equal(kernels[0], kernels[2])
    assert not np.array_equal(kernels[0], kernels[1])


def test_silhouettes_of_a_table_are_those_of_the_activations(model, predictor, compositions):
    readings = read(model, compositions, LAYERS)
    random = [read(one, compositions, LAYERS) for one in untrained(predictor, 3)]
    table = silhouettes_table(compositions, readings, random, num_shuffles=50)
    assert len(table) == len(compositions.labels) * (1 + 2 * len(LAYERS))
    for row in table.itertuples():
        labels = compositions.labels[row.grouping]
        assert row.rows == len(labels) and row.groups == len(set(labels)) and 0 < row.p_value <= 1
        if row.layer == 0:
            assert row.silhouette == pytest.approx(silhouette_score(compositions.fractions, labels), abs=1e-6)
            assert row.space == ALL_UNITS and np.isnan(row.random_mean)
            continue
        values = readings[row.layer].values
        if row.space == COMPONENTS:  # the components at their true scale
            centred = values - values.mean(axis=0, dtype=float)
            values = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
        else:
            of_random = [silhouette_score(one[row.layer].values, labels) for one in random]
            assert row.random_mean == pytest.approx(np.mean(of_random), abs=1e-4)
            assert row.random_sd == pytest.approx(np.std(of_random, ddof=1), abs=1e-4)
        assert row.silhouette == pytest.approx(silhouette_score(values, labels), abs=1e-4)


def test_groups_that_are_apart_are_seen_to_be(compositions):
    """A first layer that gives every member of a group the same activations."""
    labels = next(iter(compositions.labels.values()))
    apart = np.eye(len(set(labels)))[np.unique(labels, return_inverse=True)[1]]
    silhouette, p_value = silhouette_and_p_value(apart, labels, block_size=compositions.block_size)
    assert silhouette == 1 and p_value < 0.02


# -------------------------------------------------------------------------------------------------------------- picture


def test_pictures_are_drawn_from_the_table(model, tmp_path):
    sets = [main_group_elements(ELEMENTS), metal_compounds(ELEMENTS)]
    table = pd.concat([components_table(one, read(model, one, LAYERS)) for one in sets])
    assert table.groupby(["set", "layer"]).size().tolist() == [20] * 3 + [35] * 3
    assert table["component_1"].between(0, 1).all() and table["component_2"].between(0, 1).all()
    table.to_csv(tmp_path / "fig_3_6_components.csv", index=False)
    paths = activation_figures.principal_components(tmp_path)
    assert [path.name for path in paths] == ["fig_3_6.elements.png", "fig_3_6.compounds.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_labels_hide_neither_points_nor_each_other():
    panel = np.array([300.0, 300.0])
    points = np.random.default_rng(0).uniform(0, 300, (30, 2))
    sizes = np.tile([16.0, 10.0], (30, 1))
    places = _places(points, sizes, points, panel)
    assert ((places >= sizes / 2) & (places <= panel - sizes / 2)).all()
    between = np.abs(places[:, None] - places)[np.triu_indices(30, 1)]
    assert (between >= [16, 10]).any(axis=1).all()
    assert (np.abs(places[:, None] - points) >= [8, 5]).any(axis=2).all()
