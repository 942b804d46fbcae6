"""The network that fine-tuning starts with, and what training then moves."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from common import artifacts, networks
from common.activations import activations
from common.backend import make_predictor
from common.training import fit
from irnet import config as irnet_config
from irnet import sipfenn
from transfer.config import FineTuneConfig
from transfer.model import check_architecture, freeze, start_network

KEYS = {"elemnet": "16x2D-8x1-1", "srnet": "16BAx2R-8Bx2R-1", "irnet": "16BARx2-8BARx1D-1"}


def trained_looking(key: str, **options) -> keras.Model:
    """A network of six inputs whose every weight, also of the norms, is away from where it starts."""
    scaling = networks.InputScaling(np.linspace(-1, 1, 6), np.linspace(0.5, 2, 6))
    rates = (0.3,) * networks.parse_architecture(key).num_dropouts
    model = networks.build(key, 6, dropout_rates=rates, input_scaling=scaling, seed=5, **options)
    rng = np.random.default_rng(2)
    for weight in model.weights:
        if len(weight.shape) == 1:
            moved = weight.numpy() + rng.normal(0, 0.3, weight.shape)
            weight.assign(np.abs(moved) if weight.name == "moving_variance" else moved)
    return model


@pytest.fixture(params=KEYS)
def source(request) -> keras.Model:
    return trained_looking(KEYS[request.param])


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.dirichlet(np.ones(6), 48).astype(np.float32)
    return x, (4 * x[:, 0] - 3 * x[:, 1] + 2).astype(np.float32)


@pytest.fixture
def config(quick) -> FineTuneConfig:
    return quick


def weights(model: keras.Model) -> list[np.ndarray]:
    return [w.copy() for w in model.get_weights()]


def are_equal(first: list[np.ndarray], second: list[np.ndarray]) -> list[bool]:
    return [np.array_equal(a, b) for a, b in zip(first, second, strict=True)]


def train(model: keras.Model, rows, config: FineTuneConfig) -> None:
    fit(model, rows, rows, config.training, progress=False)


def names_of(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers]


# ---------------------------------------------------------------------------------------------------------- starts


def test_fine_tuning_starts_from_what_the_source_says(source, rows, config):
    start = start_network(source, config)
    assert names_of(start) == names_of(source)
    np.testing.assert_array_equal(make_predictor(start)(rows[0]), make_predictor(source)(rows[0]))
    for batch_norms in (True, False):  # in training, the batch norms of both see the batch
        theirs = keras.models.clone_model(source)
        theirs.set_weights(source.get_weights())
        networks.set_dropout_rate(theirs, [0.0] * len(networks.dropout_layers(theirs)))
        quiet = replace(config, dropout_rates=0.0)
        ours = start_network(source, quiet)
        np.testing.assert_array_equal(ours(rows[0], training=batch_norms), theirs(rows[0], training=batch_norms))


def test_fresh_weights_depend_on_the_seed_alone(source, rows, config):
    scratch = replace(config, start="scratch")
    first, again = weights(start_network(source, scratch)), weights(start_network(source, scratch))
    of_another = weights(start_network(keras.models.clone_model(source), scratch))
    assert all(are_equal(first, again)) and all(are_equal(first, of_another))
    for other in (weights(source), weights(start_network(source, scratch.with_training(seed=1)))):
        kernels = [not same for same, w in zip(are_equal(first, other), first, strict=True) if w.ndim == 2]
        assert kernels and all(kernels)
    assert names_of(start_network(source, scratch)) == names_of(source)
    assert not np.allclose(make_predictor(start_network(source, scratch))(rows[0]), make_predictor(source)(rows[0]))


def test_fresh_norms_have_seen_nothing(config):
    scratch = start_network(trained_looking(KEYS["irnet"]), replace(config, start="scratch"))
    norms = [layer for layer in scratch.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(norms) == 3
    for norm in norms:
        gamma, beta, mean, variance = norm.get_weights()
        assert (gamma == 1).all() and (beta == 0).all() and (mean == 0).all() and (variance == 1).all()


def test_dropout_is_that_of_the_source_or_of_the_settings(config):
    source = trained_looking("8x1D-8x1D-1")
    for given, expected in ((None, [0.3, 0.3]), ((0.1, 0.0), [0.1, 0.0]), (0.2, [0.2, 0.2]), (0.0, [0.0, 0.0])):
        start = start_network(source, replace(config, dropout_rates=given))
        assert [layer.rate for layer in networks.dropout_layers(start)] == expected
    assert [layer.rate for layer in networks.dropout_layers(source)] == [0.3, 0.3]
    with pytest.raises(ValueError, match="Expected 2 dropout rates.*received 3"):
        start_network(source, replace(config, dropout_rates=(0.1, 0.1, 0.1)))


def test_the_source_stays_as_it_is(source, rows, config):
    before, flags = weights(source), [layer.trainable for layer in source.layers]
    rates = [layer.rate for layer in networks.dropout_layers(source)]
    changes = {"frozen_up_to": "stack1_block2_dense", "freeze_batch_norm": True, "num_classes": 3}
    start = start_network(source, replace(config, dropout_rates=(0.0,) * len(rates), **changes))
    model = start_network(source, replace(config, frozen_up_to="stack1_block1_activation"))
    train(model, rows, config)
    assert all(are_equal(before, weights(source)))
    assert [layer.trainable for layer in source.layers] == flags
    assert [layer.rate for layer in networks.dropout_layers(source)] == rates
    assert not all(are_equal(before, weights(model))) and start.output_shape == (None, 3)
    assert source.output_shape == (None, 1)


# ---------------------------------------------------------------------------------------------------------- frozen


@pytest.mark.parametrize(
    ("kind", "last"),
    [
        ("elemnet", "stack1_block1_dense"),
        ("elemnet", "stack1_dropout"),
        ("srnet", "stack1_shortcut"),
        ("irnet", "stack1_block2_shortcut"),
        ("irnet", "stack2_block1_norm"),
    ],
)
def test_frozen_layers_stay_bit_for_bit_and_the_others_move(kind, last, rows, config):
    source = trained_looking(KEYS[kind])
    model = start_network(source, replace(config, frozen_up_to=last))
    train(model, rows, config)
    number = names_of(model).index(last)
    for place, (layer, original) in enumerate(zip(model.layers, source.layers, strict=True)):
        same = are_equal(original.get_weights(), layer.get_weights())
        if place <= number or not layer.trainable_weights:
            assert all(same), layer.name
        elif isinstance(layer, keras.layers.BatchNormalization):
            assert not any(same), layer.name
        else:  # a norm behind it takes its bias away, which then has no gradient
            assert not same[0], layer.name
    np.testing.assert_array_equal(activations(model, rows[0], last), activations(source, rows[0], last))


def test_batch_norms_alone_can_be_frozen(rows, config):
    source = trained_looking(KEYS["irnet"])
    model = start_network(source, replace(config, freeze_batch_norm=True))
    train(model, rows, config)
    for layer, original in zip(model.layers, source.layers, strict=True):
        same = are_equal(original.get_weights(), layer.get_weights())
        if isinstance(layer, keras.layers.BatchNormalization):
            assert len(same) == 4 and all(same)
        elif isinstance(layer, keras.layers.Dense):
            assert not any(same), layer.name


def test_layers_are_named_as_in_the_source(source, config):
    with pytest.raises(ValueError, match="received 'stack1_block9_dense'; closest: stack1_block") as refusal:
        start_network(source, replace(config, frozen_up_to="stack1_block9_dense"))
    assert "\n" not in str(refusal.value)


def test_something_has_to_be_left_to_train(config):
    source = trained_looking(KEYS["irnet"])
    start = start_network(source, replace(config, frozen_up_to=source.layers[-2].name))
    assert [variable.path for variable in start.trainable_variables] == ["output/kernel", "output/bias"]
    with pytest.raises(ValueError, match="'output' freezes the whole network"):
        start_network(source, replace(config, frozen_up_to="output"))
    with pytest.raises(ValueError, match="'probability' freezes the whole network"):
        start_network(source, replace(config, frozen_up_to="probability", num_classes=2))
    model = networks.build("1", 3)
    freeze(model)
    assert len(model.trainable_variables) == 2


def test_what_was_frozen_in_the_source_moves_unless_it_is_frozen_again(rows, config):
    once = start_network(trained_looking("16x1-8x1-1"), replace(config, frozen_up_to="stack1_block1_dense"))
    for start in ("source", "scratch"):
        assert len(start_network(once, replace(config, start=start)).trainable_variables) == 6


# ----------------------------------------------------------------------------------------------------------- heads


@pytest.mark.parametrize(
    ("num_classes", "width", "activation"), [(0, 1, None), (2, 1, "sigmoid"), (3, 3, "softmax"), (5, 5, "softmax")]
)
def test_a_new_head_on_the_other_layers_of_the_source(source, rows, config, num_classes, width, activation):
    model = start_network(source, replace(config, new_head=True, num_classes=num_classes))
    assert model.output_shape == (None, width)
    answers = make_predictor(model)(rows[0])
    if activation is None:
        assert model.output_names == ["output"]
    else:
        assert model.layers[-1].name == "probability" and model.layers[-1].get_config()["activation"] == activation
        assert ((answers > 0) & (answers < 1)).all()
    if activation == "softmax":
        np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)
    for layer in source.layers[:-1]:
        assert all(are_equal(layer.get_weights(), model.get_layer(layer.name).get_weights()))
    fresh = start_network(source, replace(config, new_head=True, num_classes=num_classes))
    other = start_network(source, replace(config, new_head=True, num_classes=num_classes).with_training(seed=1))
    kernels = [one.get_layer("output").get_weights()[0] for one in (model, fresh, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def test_a_classifier_gives_its_layers_to_a_regression(config, rows):
    source = trained_looking("8x2-4", output_activation="softmax")
    model = start_network(source, replace(config, new_head=True))
    assert model.output_shape == (None, 1) and names_of(model) == names_of(source)[:-1]
    assert np.ptp(make_predictor(model)(rows[0])) > 0


# ---------------------------------------------------------------------------------------------------- architectures


@pytest.mark.parametrize("key", ["16BARx2-8BARx1D-1", "16BARx2D-8BARx1-1", "16BARx2-8BARx1-1", "16BARx2-8BARx1-3"])
def test_the_right_architecture_is_taken_with_and_without_dropout(key, tmp_path, config):
    source = trained_looking(KEYS["irnet"])
    check_architecture(source, key)
    card = {key: key for key in artifacts.REQUIRED_CARD_KEYS}
    loaded = artifacts.load(artifacts.save(tmp_path / "m.keras", source, card)).model
    check_architecture(loaded, key)
    start_network(loaded, replace(config, architecture=key))


def test_variants_go_by_name(monkeypatch):
    monkeypatch.setitem(irnet_config.ARCHITECTURES, "irnet_10", "16BARx2-8BARx1-1")
    monkeypatch.setitem(irnet_config.ARCHITECTURES, "plain_10", "16BAx2-8BAx1-1")
    source = trained_looking(KEYS["irnet"])
    check_architecture(source, "irnet_10")
    with pytest.raises(networks.ArchitectureError, match="The source is not plain_10"):
        check_architecture(source, "plain_10")


@pytest.mark.parametrize(
    ("key", "expected", "received"),
    [
        ("16x2-4x1-1", "stack2_block1_dense of 16 to 4 units", "stack2_block1_dense of 16 to 8 units"),
        ("32x2-8x1-1", "stack1_block1_dense of 6 to 32 units", "stack1_block1_dense of 6 to 16 units"),
        ("16x3-8x1-1", "stack1_block3_dense of 16 to 16 units", "stack2_block1_dense of 16 to 8 units"),
        ("16x2-8x2-1", "stack2_block2_dense of 8 to 8 units", "received no further layer"),
        ("16x2-1", "expected no further layer", "stack2_block1_dense of 16 to 8 units"),
    ],
)
def test_another_architecture_is_refused_by_its_first_layer(key, expected, received, config):
    source = trained_looking(KEYS["elemnet"])
    with pytest.raises(networks.ArchitectureError) as refusal:
        start_network(source, replace(config, architecture=key))
    sentence = str(refusal.value)
    assert f"The source is not {key}" in sentence and expected in sentence and received in sentence
    assert "leave the architecture out" in sentence and "\n" not in sentence


def test_a_key_that_cannot_be_read_is_named(config):
    with pytest.raises(networks.ArchitectureError, match="received '16z2-1'"):
        start_network(trained_looking("8x1-1"), replace(config, architecture="16z2-1"))


@pytest.mark.parametrize("key", ["16BAx2-8BAx1-1", "16Bx2-8x1-1", "16x2R-8x1-1"])
def test_norms_and_shortcuts_belong_to_an_architecture(key):
    with pytest.raises(networks.ArchitectureError, match=f"The source is not {key}"):
        check_architecture(networks.build("16x2D-8x1-1", 16, dropout_rates=(0.2,)), key)


def test_networks_of_sipfenn_go_by_name(monkeypatch):
    monkeypatch.setitem(sipfenn.LAYERS, "sipfenn_nn24", (sipfenn.Layer(8, "softsign", dropout=True),))
    source = sipfenn.build("sipfenn_nn24", 6)
    check_architecture(source, "sipfenn_nn24")
    with pytest.raises(networks.ArchitectureError, match="The source is not sipfenn_nn24"):
        check_architecture(trained_looking("8x1-1"), "sipfenn_nn24")
