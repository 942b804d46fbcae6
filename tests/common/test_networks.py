"""The architecture grammar and the networks built from it, against a forward pass written in NumPy."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import networks
from common.networks import Architecture, ArchitectureError, InputScaling, Stack, build, parse_architecture
from experiments.paper_values import paper_value

ELEMNET = "1024x4D-512x3D-256x3D-128x3D-64x2-32x1-1"
TABLE_4_1 = {k: v for k, v in paper_value("chapter4", "table_4_1_architectures").items() if not k.startswith("_")}


def key_of(stacks: list[Stack], output_width: int) -> str:
    groups = [
        f"{s.width}{'B' * s.batch_norm}{'A' * s.activation_after_norm}{'R' * s.layer_shortcut}"
        f"x{s.repeat}{'D' * s.dropout}{'R' * s.stack_shortcut}"
        for s in stacks
    ]
    return "-".join([*groups, str(output_width)])


@st.composite
def stacks(draw):
    batch_norm = draw(st.booleans())
    return Stack(
        width=draw(st.integers(1, 4096)),
        repeat=draw(st.integers(1, 30)),
        batch_norm=batch_norm,
        activation_after_norm=batch_norm and draw(st.booleans()),
        layer_shortcut=draw(st.booleans()),
        stack_shortcut=draw(st.booleans()),
        dropout=draw(st.booleans()),
    )


# ----------------------------------------------------------------------------------------------- the grammar


@given(st.lists(stacks(), max_size=8), st.integers(1, 9))
def test_a_key_parses_back_to_what_it_was_written_from(groups, output_width):
    key = key_of(groups, output_width)
    parsed = parse_architecture(key)
    assert parsed == Architecture(key, tuple(groups), output_width)
    assert parsed.depth == sum(group.repeat for group in groups) + 1
    assert parsed.num_dropouts == sum(group.dropout for group in groups)


def test_elemnet_of_table_3_1():
    assert paper_value("chapter3", "table_3_1_architecture") == ELEMNET
    parsed = parse_architecture(ELEMNET)
    assert parsed.depth == 17
    assert [s.width for s in parsed.stacks] == [1024, 512, 256, 128, 64, 32]
    assert [s.dropout for s in parsed.stacks] == [True, True, True, True, False, False]


@pytest.mark.parametrize("name", TABLE_4_1)
def test_every_key_of_table_4_1(name):
    parsed = parse_architecture(TABLE_4_1[name])
    kind, depth = name.split("_")
    assert parsed.depth == int(depth)
    assert all(s.batch_norm and s.activation_after_norm for s in parsed.stacks)
    assert all(s.layer_shortcut == (kind == "irnet") for s in parsed.stacks)
    assert all(s.stack_shortcut == (kind == "srnet") for s in parsed.stacks)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("16x2-8y1-1", "8y1"),
        ("16x2-8Ax1-1", "8Ax1"),
        ("16ABx2-1", "16ABx2"),
        ("16x2RD-1", "16x2RD"),
        ("0x2-1", "0x2"),
        ("16x0-1", "16x0"),
        ("16x-1", "16x"),
        ("16x2--1", "''"),
        ("16 x2-1", "16 x2"),
        ("16x2", "16x2"),
        ("16x2-0", "0"),
        ("16x2-", "''"),
        ("16x2-²", "²"),
        ("", "''"),
        ("16bx2-1", "16bx2"),
    ],
)
def test_a_malformed_key_names_the_group(key, named):
    with pytest.raises(ArchitectureError) as caught:
        parse_architecture(key)
    assert named in str(caught.value) and "\n" not in str(caught.value)


# ---------------------------------------------------------------------------------------------- the networks


def test_elemnet_has_the_published_number_of_parameters():
    model = build(ELEMNET, 86, dropout_rates=(0.2, 0.1, 0.3, 0.2))
    assert model.count_params() == 4_631_361
    assert [layer.rate for layer in networks.dropout_layers(model)] == [0.2, 0.1, 0.3, 0.2]
    names = [layer.name for layer in model.layers]
    assert names[names.index("stack1_dropout") - 1] == "stack1_block4_activation"
    assert names[names.index("stack4_dropout") + 1] == "stack5_block1_dense"
    assert sum(isinstance(layer, keras.layers.Dense) for layer in model.layers) == 17


def test_the_ten_layer_irnet_builds():
    model = build(TABLE_4_1["irnet_10"], 145)
    dense = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert len([name for name in dense if not name.endswith("projection")]) == 10
    # 145 -> 1024 -> 512 -> 256 -> 128 -> 64 -> 32: the first block of each stack changes the width
    assert [n for n in dense if n.endswith("projection")] == [f"stack{i}_block1_projection" for i in range(1, 7)]
    assert not any(model.get_layer(n).use_bias for n in dense if n.endswith("projection"))


def test_batch_norm_comes_before_the_activation_with_a_and_after_it_without():
    def order(key):
        return [layer.name.rsplit("_", 1)[-1] for layer in build(key, 3).layers]

    assert order("4BAx1-1") == ["inputs", "dense", "norm", "activation", "output"]
    assert order("4Bx1-1") == ["inputs", "dense", "activation", "norm", "output"]


def numpy_forward(model, architecture: str, x: np.ndarray) -> np.ndarray:
    """The network at prediction, from its weights alone."""
    weights = {layer.name: layer.get_weights() for layer in model.layers}

    def dense(name, value):
        kernel, *bias = weights[name]
        return value @ kernel + (bias[0] if bias else 0)

    def norm(name, value):
        gamma, beta, mean, variance = weights[name]
        return gamma * (value - mean) / np.sqrt(variance + 1e-3) + beta

    def add(name, value, source):
        return value + (source if source.shape == value.shape else dense(f"{name}_projection", source))

    for i, stack in enumerate(parse_architecture(architecture).stacks, start=1):
        before_stack = x
        for j in range(1, stack.repeat + 1):
            place, before = f"stack{i}_block{j}", x
            x = dense(f"{place}_dense", x)
            if stack.batch_norm and stack.activation_after_norm:
                x = np.maximum(norm(f"{place}_norm", x), 0)
            elif stack.batch_norm:
                x = norm(f"{place}_norm", np.maximum(x, 0))
            else:
                x = np.maximum(x, 0)
            if stack.layer_shortcut:
                x = add(place, x, before)
        if stack.stack_shortcut:
            x = add(f"stack{i}", x, before_stack)
    return dense("output", x)


@pytest.mark.parametrize(
    "key",
    ["6BARx2-4BARx1-4BARx1-1", "6BAx2R-6BAx1R-4BAx2R-1", "5BARx2-5BARx1-2", "7Bx2D-3x1-1", "5x2R-4BRx1DR-1", "3"],
)
def test_the_forward_pass_equals_numpy(key):
    num_dropouts = parse_architecture(key).num_dropouts
    model = build(key, 5, dropout_rates=[0.5] * num_dropouts, seed=3)
    rng = np.random.default_rng(0)
    for layer in model.layers:  # norms start as the identity and biases at zero, which would hide mistakes
        if not isinstance(layer, (keras.layers.Dropout, keras.layers.InputLayer)):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) * rng.choice([1, 1, -1]) if w.ndim == 2
                               else rng.uniform(0.2, 1.5, w.shape) for w in layer.get_weights()])  # fmt: skip
    x = rng.normal(size=(9, 5)).astype(np.float32)
    expected = numpy_forward(model, key, x.astype(np.float64))
    np.testing.assert_allclose(np.asarray(model(x)), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_a_shortcut_is_the_identity_where_widths_match():
    names = [layer.name for layer in build("5BARx2-1", 5).layers]
    assert "stack1_block1_shortcut" in names and "stack1_block2_shortcut" in names
    assert not any("projection" in name for name in names)


def test_layers_do_not_share_initial_values_and_a_seed_repeats_them():
    first, again, other = (build("8x3-1", 8, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    kernels = [w for w in first + other if w.shape == (8, 8)]
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels)


@pytest.mark.parametrize("rates", [(), (0.1, 0.2)])
def test_dropout_rates_have_to_fit_the_key(rates):
    with pytest.raises(ArchitectureError, match="1 dropout groups"):
        build("8x1D-1", 3, dropout_rates=rates)


def test_set_dropout_rate_returns_the_former_ones():
    model = build("8x1D-4x1D-1", 3, dropout_rates=(0.1, 0.2))
    assert networks.set_dropout_rate(model, [0, 0]) == [0.1, 0.2]
    assert networks.set_dropout_rate(model, [0.1, 0.2]) == [0, 0]
    with pytest.raises(ValueError, match="2 dropout rates"):
        networks.set_dropout_rate(model, [0.1])


# ------------------------------------------------------------------------------- scaled inputs, heads and momentum


def test_standard_scaling_is_that_of_scikit_learn():
    from sklearn.preprocessing import StandardScaler

    x = np.random.default_rng(0).normal([0, 5, -300], [1, 10, 1e-2], (500, 3))
    scaling, theirs = InputScaling.fit("standard", x), StandardScaler().fit(x)
    np.testing.assert_allclose(scaling.center, theirs.mean_, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(scaling.scale, theirs.scale_, rtol=1e-12)


def test_scaling_by_the_maximum_is_that_of_scikit_learn():
    from sklearn.preprocessing import MaxAbsScaler

    x = np.random.default_rng(0).normal([0, 5, -300], [1, 10, 1e-2], (500, 3))
    scaling = InputScaling.fit("maximum", x)
    np.testing.assert_allclose((x - scaling.center) / scaling.scale, MaxAbsScaler().fit_transform(x), rtol=1e-12)


@pytest.mark.parametrize("kind", ["standard", "maximum"])
@pytest.mark.parametrize("value", [0.0, 7.0, 1e-9, 68_059_520.0])
def test_an_input_that_is_constant_but_for_rounding_is_not_blown_up(kind, value):
    x = np.full((1_000, 1), value, np.float32)
    x[::2] = np.nextafter(x[::2], np.float32(np.inf))
    scaling = InputScaling.fit(kind, x)
    assert np.abs((x + 0.1 - scaling.center) / scaling.scale).max() < 10 + abs(value)


def test_an_input_that_never_varied_in_training_cannot_sway_an_answer():
    x = np.column_stack([np.linspace(0, 1, 50), np.full(50, 3.0)]).astype(np.float32)
    model = build("8x1R-1", 2, input_scaling=InputScaling.fit("standard", x), seed=0)
    usual, strange = np.asarray(model(np.array([[0.5, 3.0], [0.5, 3_000.0]], np.float32)))
    np.testing.assert_allclose(strange, usual, atol=1e-6)


def test_without_scaling_there_is_none_and_an_unknown_kind_is_named():
    assert InputScaling.fit("none", np.ones((3, 2))) is None
    with pytest.raises(ValueError, match="'standard', 'maximum' or 'none'; received 'minmax'"):
        InputScaling.fit("minmax", np.ones((3, 2)))


def test_scaling_is_kept_in_the_network_and_in_its_file(tmp_path):
    scaling = InputScaling(np.array([1.0, -200.0]), np.array([0.5, 1_000.0]))
    scaled, plain = build("4x1-1", 2, input_scaling=scaling, seed=1), build("4x1-1", 2, seed=1)
    x = np.array([[1.5, 800.0], [0.0, -200.0]], np.float32)
    expected = np.asarray(plain(((x - scaling.center) / scaling.scale).astype(np.float32)))
    np.testing.assert_allclose(np.asarray(scaled(x)), expected, rtol=1e-5)
    assert scaled.count_params() == plain.count_params()
    scaled.save(tmp_path / "scaled.keras")
    loaded = keras.saving.load_model(tmp_path / "scaled.keras", safe_mode=True)
    np.testing.assert_array_equal(np.asarray(loaded(x)), np.asarray(scaled(x)))


@pytest.mark.parametrize(("activation", "width"), [("sigmoid", 1), ("softmax", 3)])
def test_probabilities_are_those_of_the_linear_output(activation, width):
    classifier, linear = (
        build(f"4x1-{width}", 2, output_activation=activation, seed=1),
        build(f"4x1-{width}", 2, seed=1),
    )
    x = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    logits = np.asarray(linear(x), np.float64)
    exponent = np.exp(logits)
    expected = 1 / (1 + 1 / exponent) if activation == "sigmoid" else exponent / exponent.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.asarray(classifier(x)), expected, rtol=1e-5)
    assert classifier.layers[-1].name == "probability" and classifier.get_layer("output").units == width


def test_momentum_is_the_share_of_the_moving_average_that_a_step_keeps():
    model = build("4BAx1-1", 2, batch_norm_momentum=0.75)
    norm = model.get_layer("stack1_block1_norm")
    x = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    before_norm = np.asarray(model.get_layer("stack1_block1_dense")(x))
    model(x, training=True)
    np.testing.assert_allclose(np.asarray(norm.moving_mean), 0.25 * before_norm.mean(axis=0), rtol=1e-4, atol=1e-7)
