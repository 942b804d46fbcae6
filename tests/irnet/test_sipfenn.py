"""SIPFENN's networks as published, without allocating the gigabytes of the widest two."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from common.networks import InputScaling
from experiments.paper_values import paper_value
from irnet import sipfenn
from irnet.config import SIPFENN_VARIANTS
from irnet.model import num_parameters

# 271 inputs, one output: kernels and biases, layer by layer
PARAMETERS = {
    "sipfenn_nn9": 271 * 10_000 + 10_000 + 3 * (10_000 * 10_000 + 10_000) + 10_000 * 1_000 + 1_000 + 100_100 + 101,
    "sipfenn_nn20": 271 * 10_000 + 10_000 + 3 * (10_000 * 10_000 + 10_000) + 10_000 * 1_000 + 1_000 + 100_100 + 101,
    "sipfenn_nn24": 271 * 4_000 + 4_000 + 2 * (4_000 * 4_000 + 4_000) + 4_000 * 1_000 + 1_000 + 100_100 + 101,
}


def layers_of_the_paper(variant: str) -> tuple[sipfenn.Layer, ...]:
    """``"271-10000 softsign-D-...-100 elu-1"`` as layers."""
    text = paper_value("sipfenn", "architectures", variant.removeprefix("sipfenn_").upper())
    layers: list[sipfenn.Layer] = []
    for part in text.split("-")[1:-1]:
        if part == "D":
            layers[-1] = replace(layers[-1], dropout=True)
        else:
            width, activation = part.split()
            layers.append(sipfenn.Layer(int(width), activation))
    return tuple(layers)


@pytest.fixture
def narrow(monkeypatch):
    """The same layers, a thousandth as wide."""
    layers = {
        name: tuple(replace(layer, width=max(3, layer.width // 1_000)) for layer in of_variant)
        for name, of_variant in sipfenn.LAYERS.items()
    }
    monkeypatch.setattr(sipfenn, "LAYERS", layers)


@pytest.mark.parametrize("variant", SIPFENN_VARIANTS)
def test_the_layers_are_those_of_the_paper(variant):
    assert sipfenn.LAYERS[variant] == layers_of_the_paper(variant)
    assert num_parameters(variant, 271) == PARAMETERS[variant]


def test_nn24_built_in_full_has_the_parameters_counted():
    assert sipfenn.build("sipfenn_nn24").count_params() == PARAMETERS["sipfenn_nn24"] == 37_197_201


@pytest.mark.parametrize("variant", SIPFENN_VARIANTS)
def test_the_network_is_a_chain_of_dense_activation_and_dropout(variant, narrow):
    model = sipfenn.build(variant, 7)
    expected = ["inputs"]
    for number, layer in enumerate(layers_of_the_paper(variant), start=1):
        expected += [f"layer{number}_dense", f"layer{number}_activation"]
        expected += [f"layer{number}_dropout"] if layer.dropout else []
        activation = model.get_layer(f"layer{number}_activation").activation
        assert activation is getattr(keras.activations, layer.activation)
    assert [layer.name for layer in model.layers] == [*expected, "output"]
    for before, after in zip(model.layers, model.layers[1:], strict=False):
        assert after.input is before.output
    rates = {layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)}
    assert rates == (set() if variant == "sipfenn_nn9" else {sipfenn.DROPOUT_RATE})


def test_the_forward_pass_equals_numpy(narrow):
    x = np.random.default_rng(0).uniform(-5, 5, (9, 7)).astype(np.float32)
    scaling = InputScaling.fit("maximum", x)
    model = sipfenn.build("sipfenn_nn20", 7, input_scaling=scaling, seed=3)
    value = x / np.abs(x).max(axis=0)
    functions = {
        "softsign": lambda v: v / (1 + np.abs(v)),
        "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
        "elu": lambda v: np.where(v > 0, v, np.expm1(v)),
    }
    for number, layer in enumerate(sipfenn.LAYERS["sipfenn_nn20"], start=1):
        kernel, bias = model.get_layer(f"layer{number}_dense").get_weights()
        value = functions[layer.activation](value @ kernel + bias)
    kernel, bias = model.get_layer("output").get_weights()
    np.testing.assert_allclose(np.asarray(model(x)), value @ kernel + bias, atol=1e-5)


def test_a_seed_repeats_weights_and_dropout(narrow):
    x = np.ones((4, 7), np.float32)

    def outputs(seed):
        return np.asarray(sipfenn.build("sipfenn_nn24", 7, seed=seed)(x, training=True))

    assert (outputs(1) == outputs(1)).all() and not (outputs(1) == outputs(2)).all()


def test_the_recipe_is_the_papers():
    paper, recipe = paper_value("sipfenn", "training"), sipfenn.PAPER_RECIPE
    assert (recipe.training.batch_size, recipe.training.l2) == (paper["batch_size"], paper["l2"])
    assert recipe.training.loss == paper["loss"].lower() and recipe.training.schedule == "warmup"
    assert recipe.input_scaling == "maximum" and set(recipe.inputs.split("+")) == {"S", "C"}


def test_an_unknown_variant_is_named():
    with pytest.raises(KeyError, match="sipfenn_nn1"):
        sipfenn.build("sipfenn_nn1")
