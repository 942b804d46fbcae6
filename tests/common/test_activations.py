import keras
import numpy as np
import pytest
import sklearn.decomposition
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import pdist

from common import networks
from common.activations import activations, hidden_layers, principal_components, resolve_layer

FIRST = "stack1_block1_activation"


@pytest.fixture(scope="module")
def model():
    return networks.build("24x2D-8BARx1D-1", 6, dropout_rates=(0.5, 0.5), seed=3)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).dirichlet(np.ones(6), 70).astype(np.float32)


# ------------------------------------------------------------------------------------------------------------ layers


@pytest.fixture(scope="module")
def classifier():
    return networks.build("8x2D-4BARx1-1", 5, dropout_rates=(0.1,), output_activation="sigmoid", name="small")


def test_a_layer_by_name(classifier):
    assert resolve_layer(classifier, "stack1_block2_dense") is classifier.get_layer("stack1_block2_dense")


def test_an_unknown_name_is_refused_with_names_to_take(classifier):
    with pytest.raises(ValueError) as refusal:
        resolve_layer(classifier, "stack1_block3_dense")
    sentence = str(refusal.value)
    for words in ("'small'", "'inputs' to 'probability'", "'stack1_block3_dense'", "closest: ", "stack1_block2_dense"):
        assert words in sentence
    assert "\n" not in sentence
    with pytest.raises(ValueError, match="received 'ABC'.$"):  # nothing is close
        resolve_layer(classifier, "ABC")


def test_hidden_layers_are_in_order_and_leave_the_output_out(classifier):
    names = ["stack1_block1_activation", "stack1_block2_activation", "stack2_block1_activation"]
    assert hidden_layers(classifier) == names
    assert hidden_layers(networks.build("1", 5)) == []


# ------------------------------------------------------------------------------------------------------- activations


@pytest.mark.parametrize("batch_size", [1, 16, 70, 4096])
def test_first_layer_by_hand(model, x, batch_size):
    kernel, bias = model.get_layer("stack1_block1_dense").get_weights()
    linear = x @ kernel + bias
    assert activations(model, x, "stack1_block1_dense", batch_size=batch_size) == pytest.approx(linear, abs=1e-6)
    received = activations(model, x, FIRST, batch_size=batch_size)
    assert received == pytest.approx(np.maximum(linear, 0), abs=1e-6)
    assert received.dtype == np.float32 and received.shape == (70, 24)


def test_any_layer_as_a_model_by_hand(model, x):
    for layer in model.layers:
        theirs = keras.Model(model.inputs, layer.output).predict(x, verbose=0)
        np.testing.assert_allclose(activations(model, x, layer.name), theirs, atol=1e-6)


def test_dropout_is_off_and_the_model_stays_as_it_is(model, x):
    before = [weights.copy() for weights in model.get_weights()]
    behind, ahead = (activations(model, x, f"stack1_{place}") for place in ("dropout", "block2_activation"))
    np.testing.assert_array_equal(behind, ahead)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_no_rows_give_no_rows(model):
    assert activations(model, np.zeros((0, 6)), FIRST).shape == (0, 24)


def test_what_activations_refuse(model, x):
    with pytest.raises(ValueError, match="closest: stack1_block1_activation"):
        activations(model, x, "stack1_block1_relu_activation")
    for wrong in (x[:, :5], x[0]):
        with pytest.raises(ValueError, match=r"Expected inputs of shape \(n, 6\); received"):
            activations(model, wrong, FIRST)


# -------------------------------------------------------------------------------------------------------- components


def test_components_against_scikit_learn():
    values = np.random.default_rng(1).gamma(2.0, size=(200, 12)).astype(np.float32) * np.arange(1, 13)
    ours = principal_components(values, 3)
    theirs = sklearn.decomposition.PCA(3, svd_solver="full").fit(values)
    coordinates = theirs.transform(values)
    for column in range(3):
        scaled = (coordinates[:, column] - coordinates[:, column].min()) / np.ptp(coordinates[:, column])
        flipped = 1 - scaled  # the sign of a component is free
        distances = [np.abs(ours.coordinates[:, column] - expected).max() for expected in (scaled, flipped)]
        assert min(distances) < 1e-5
    assert ours.explained_variance_ratio == pytest.approx(theirs.explained_variance_ratio_, rel=1e-5)
    unscaled = pdist(ours.coordinates * ours.spread)
    np.testing.assert_allclose(unscaled, pdist(coordinates), rtol=1e-4)


def test_a_large_common_offset_does_not_hide_the_components():
    values = np.random.default_rng(2).normal(size=(100, 4)) * [4, 3, 2, 1]
    plain, shifted = principal_components(values), principal_components((values + 1000).astype(np.float32))
    np.testing.assert_allclose(shifted.explained_variance_ratio, plain.explained_variance_ratio, rtol=1e-3)
    np.testing.assert_allclose(shifted.coordinates, plain.coordinates, atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(2, 12), st.integers(2, 5)), elements=st.floats(-100, 100, width=32)))
def test_components_lie_between_0_and_1(values):
    result = principal_components(values)
    assert result.coordinates.shape == (len(values), 2)
    for column in result.coordinates.T:
        assert column.min() == 0 and column.max() in (0, 1)
    assert (result.explained_variance_ratio >= 0).all() and result.explained_variance_ratio.sum() <= 1 + 1e-9


def test_directions_without_variance_are_0():
    line = np.arange(5, dtype=np.float32)[:, None] * np.float32([0.1, 0.7, 0.3])
    result = principal_components(line)
    assert sorted(result.coordinates[:, 0]) == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert (result.coordinates[:, 1] == 0).all()
    assert result.spread[0] > 0 and result.spread[1] == 0
    constant = principal_components(np.full((40, 30), 0.1, np.float32))
    assert (constant.coordinates == 0).all() and (constant.spread == 0).all()
    assert (constant.explained_variance_ratio == 0).all()


def test_what_components_refuse():
    with pytest.raises(ValueError, match="Expected from 1 to 2 components for 2 rows of 9 units; received 3."):
        principal_components(np.ones((2, 9)), 3)
    with pytest.raises(ValueError, match="from 1 to 1 components for 9 rows of 1 units; received 2"):
        principal_components(np.ones((9, 1)))
    with pytest.raises(ValueError, match=r"shape \(n, units\) with rows; received \(0, 3\)"):
        principal_components(np.ones((0, 3)))


def test_activations_that_are_not_finite_are_refused():
    values = np.zeros((600, 3), np.float32)
    values[[7, 9], 2] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"NaN or infinite in 2 of 600 rows \(the first is row 7\)"):
        principal_components(values)
