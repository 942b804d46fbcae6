"""Layer graphs and parameter counts of table 4.1, against arithmetic on widths typed in from the table."""

from dataclasses import replace
from itertools import pairwise

import keras
import numpy as np
import pytest

from common.networks import ArchitectureError, InputScaling
from irnet import sipfenn
from irnet.config import ARCHITECTURES, IRNetConfig
from irnet.model import build_irnet, fold_target_scaling, num_outputs, num_parameters

TINY = "8BARx2-4BARx1-1"

# (width, number of layers) of each group, from table 4.1 and, at 10 layers, table 4 of the 2021 paper
GROUPS = {
    "10": ((1024, 2), (512, 2), (256, 2), (128, 1), (64, 1), (32, 1)),
    "17": ((1024, 4), (512, 3), (256, 3), (128, 3), (64, 2), (32, 1)),
    "24": ((1024, 4), (512, 4), (256, 4), (128, 4), (64, 3), (32, 2), (16, 2)),
    "48": (
        *((1024, 4), (1024, 4), (512, 4), (512, 4), (256, 4), (256, 4)),
        *((128, 4), (128, 4), (64, 4), (64, 4), (32, 4), (16, 3)),
    ),
}
# The same sums done once with pencil for 145 inputs, so that a slip in the formula below shows.
PLAIN_17 = (
    (145 * 1024 + 1024 + 3 * (1024 * 1024 + 1024))
    + (1024 * 512 + 512 + 2 * (512 * 512 + 512))
    + (512 * 256 + 256 + 2 * (256 * 256 + 256))
    + (256 * 128 + 128 + 2 * (128 * 128 + 128))
    + (128 * 64 + 64 + 64 * 64 + 64)
    + (64 * 32 + 32)
    + (32 + 1)
    + 4 * (4 * 1024 + 3 * 512 + 3 * 256 + 3 * 128 + 2 * 64 + 32)  # gamma, beta, moving mean and variance
)
PROJECTIONS_17 = 145 * 1024 + 1024 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 32


def counted_by_hand(kind: str, depth: str, num_inputs: int) -> int:
    layers = [width for width, repeat in GROUPS[depth] for _ in range(repeat)]
    dense = sum(before * after + after for before, after in pairwise((num_inputs, *layers, 1)))
    norms = sum(4 * width for width in layers)
    # Where a shortcut changes the width: from layer to layer, or from group to group. Groups are wider than what
    # follows them, so both are the same places.
    ends = [num_inputs, *(width for width, _ in GROUPS[depth])]
    projections = sum(before * after for before, after in pairwise(ends) if before != after)
    return dense + norms + (0 if kind == "plain" else projections)


def sources(model: keras.Model, name: str) -> list[str]:
    """Names of the layers whose outputs a layer takes."""
    return [t._keras_history.operation.name for t in model.get_layer(name)._inbound_nodes[0].input_tensors]


def build(variant: str, num_inputs: int = 145, **changes) -> keras.Model:
    return build_irnet(IRNetConfig(variant=variant, **changes), num_inputs)


def test_the_count_by_hand_is_that_of_a_second_hand():
    assert counted_by_hand("plain", "17", 145) == PLAIN_17
    assert counted_by_hand("irnet", "17", 145) == PLAIN_17 + PROJECTIONS_17


@pytest.mark.parametrize("variant", ARCHITECTURES)
def test_every_variant_has_the_parameters_and_the_layers_of_the_table(variant):
    kind, depth = variant.split("_")
    model = build(variant, 271)
    assert model.count_params() == counted_by_hand(kind, depth, 271) == num_parameters(variant, 271)
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    hidden = [layer for layer in layers if not layer.name.endswith("_projection")][:-1]
    assert [layer.units for layer in hidden] == [width for width, repeat in GROUPS[depth] for _ in range(repeat)]
    assert len(hidden) + 1 == int(depth)
    for layer in hidden:
        place = layer.name.removesuffix("_dense")
        assert sources(model, f"{place}_norm") == [layer.name]
        assert sources(model, f"{place}_activation") == [f"{place}_norm"]
        assert model.get_layer(f"{place}_activation").activation is keras.activations.relu
    assert layers[-1].name == "output" and layers[-1].activation is keras.activations.linear
    check_shortcuts(kind, depth, model, hidden)


def check_shortcuts(kind: str, depth: str, model: keras.Model, hidden: list) -> None:
    """Each Add joins what the kind says it joins; projections stand exactly where widths change."""
    adds = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Add)]
    projections = {layer.name for layer in model.layers if layer.name.endswith("_projection")}
    if kind == "plain":
        assert not adds and not projections
        return
    expected_projections = set()
    before, width = "inputs", 271
    for group, (group_width, repeat) in enumerate(GROUPS[depth], start=1):
        blocks = [f"stack{group}_block{block}" for block in range(1, repeat + 1)]
        places = blocks if kind == "irnet" else [f"stack{group}"]
        for place in places:
            last = place if kind == "irnet" else blocks[-1]
            if width == group_width:
                joined = before
            else:
                joined = f"{place}_projection"
                expected_projections.add(joined)
                assert sources(model, joined) == [before] and not model.get_layer(joined).use_bias
            assert sources(model, f"{place}_shortcut") == [f"{last}_activation", joined]
            before, width = f"{place}_shortcut", group_width
    assert sources(model, "output") == [before]
    assert len(adds) == (len(hidden) if kind == "irnet" else len(GROUPS[depth]))
    assert projections == expected_projections


def test_a_key_of_ones_own_is_a_variant_and_nonsense_is_not():
    assert build(TINY, 5).count_params() == num_parameters(TINY, 5)
    with pytest.raises(ArchitectureError, match="irnet_17.*'irnet_99'"):
        build("irnet_99")


@pytest.mark.parametrize(
    ("changes", "width", "last"),
    [
        ({}, 1, "output"),
        ({"targets": ("a", "b", "c")}, 3, "output"),
        ({"num_classes": 2}, 1, "probability"),
        ({"num_classes": 3}, 3, "probability"),
    ],
)
@pytest.mark.parametrize("variant", [TINY, "sipfenn_nn24"])
def test_heads(variant, changes, width, last, monkeypatch):
    narrow_sipfenn(monkeypatch)
    config = IRNetConfig(variant=variant, **changes)
    model = build_irnet(config, 5)
    assert num_outputs(config) == width and model.output_shape == (None, width)
    assert model.layers[-1].name == last
    x = 3 * np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    outputs = np.asarray(model(x))
    if width == 3 and last == "probability":
        np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)
    if last == "probability":
        assert (outputs > 0).all() and (outputs < 1).all()


def narrow_sipfenn(monkeypatch):
    narrow = {name: tuple(replace(layer, width=6) for layer in layers) for name, layers in sipfenn.LAYERS.items()}
    monkeypatch.setattr(sipfenn, "LAYERS", narrow)


@pytest.mark.parametrize("kind", ["standard", "maximum"])
def test_the_network_scales_its_inputs_itself(kind):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(200, 5)) * [1, 10, 1000, 1e-3, 1] + [0, 5, -300, 0, 7]).astype(np.float32)
    x[:, 4] = 7  # constant
    scaling = InputScaling.fit(kind, x)
    config = IRNetConfig(variant=TINY)
    with_scaling, without = build_irnet(config, 5, scaling), build_irnet(config, 5)
    without.set_weights(with_scaling.get_weights())  # the scaling itself is fixed, and no weight
    by_hand = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 1e-5, x.std(axis=0), 1)
    if kind == "maximum":
        by_hand = x / np.abs(x).max(axis=0)
    np.testing.assert_allclose(np.asarray(with_scaling(x)), np.asarray(without(by_hand)), atol=2e-4)


def test_the_seed_of_the_training_is_that_of_the_weights():
    def first_kernel(seed):
        return build_irnet(IRNetConfig(variant=TINY).with_training(seed=seed), 4).get_weights()[0]

    assert (first_kernel(1) == first_kernel(1)).all() and not (first_kernel(1) == first_kernel(2)).all()


def test_momentum_and_initialiser_reach_the_layers():
    model = build(TINY, 5, batch_norm_momentum=0.9, kernel_initializer="he_normal")
    assert model.get_layer("stack1_block1_norm").momentum == 0.9
    assert isinstance(model.get_layer("stack1_block1_dense").kernel_initializer, keras.initializers.HeNormal)


def test_folding_the_target_scaling_is_exact():
    model = build(TINY, 5, targets=("a", "b"))
    x = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    mean, deviation = np.array([-1.5, 20.0]), np.array([0.5, 8.0])
    expected = np.asarray(model(x), np.float64) * deviation + mean
    fold_target_scaling(model, mean, deviation)
    np.testing.assert_allclose(np.asarray(model(x)), expected, rtol=1e-5, atol=1e-5)
