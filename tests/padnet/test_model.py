"""The networks: parameters and layers of the thesis's, faults of the released ones, components of ours."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn.decomposition import PCA

from common.networks import InputScaling
from padnet.config import PAPER_RECIPE, RECIPES, RELEASED_RECIPE, ROBUST_RECIPE, PADNetConfig
from padnet.model import LogAreas, build_padnet, fit_components, log_areas, with_probabilities

NIST = {"variant": "nist", "num_frames": 2}
RNG = np.random.default_rng(0)


def parameters(config: PADNetConfig) -> int:
    """Trainable ones, but for the peak areas' own."""
    layers = build_padnet(config, 3, 8).layers
    return sum(
        int(np.prod(weight.shape))
        for layer in layers
        if not layer.name.endswith("peak_area")
        for weight in layer.trainable_weights
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 4_701_448),
        (NIST, 2_490_440),
        ({"inputs": ("composition",)}, 136_200),
        ({"trainable_filters": True}, 4_701_448),
    ],
    ids=["slac", "nist", "composition", "trained filters"],
)
@pytest.mark.parametrize("recipe", [PAPER_RECIPE, RELEASED_RECIPE], ids=lambda recipe: recipe.recipe)
def test_the_papers_networks_have_their_parameters(recipe, changes, expected):
    """At 2048 x 2048, of a rebuild of NU-CUCIS/PADNet-XRD in Keras."""
    assert parameters(replace(recipe, **changes)) == expected


def test_the_peak_areas_have_8_parameters_and_trained_filters_10000_more():
    def of_peak_areas(**changes):
        layer = build_padnet(replace(PAPER_RECIPE, **changes), 3, 8).get_layer("tower1_peak_area")
        return sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)

    assert of_peak_areas() == 8
    assert of_peak_areas(trainable_filters=True) == 8 + 4 * 50 * 50


def test_the_papers_tower_is_that_of_the_text():
    network = build_padnet(PAPER_RECIPE, 3, 8)
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [(layer.filters, layer.kernel_size, layer.strides) for layer in convolutions] == [
        (64, (5, 5), (4, 4)),
        (96, (5, 5), (2, 2)),
        (32, (5, 5), (2, 2)),
    ]
    assert network.get_layer("tower1_flatten").output.shape == (None, 8192)
    dense = {layer.name: layer.units for layer in network.layers if isinstance(layer, keras.layers.Dense)}
    assert dense == {
        "tower1_dense1": 512,
        "composition_dense1": 256,
        "composition_dense2": 256,
        "classifier_dense1": 256,
        "logits": 8,
    }


@pytest.mark.parametrize(("image_px", "filter_px"), [(2048, 50), (1024, 25), (512, 12), (256, 6), (128, 3)])
def test_the_filters_scale_with_the_image(image_px, filter_px):
    config = replace(PAPER_RECIPE, image_px=image_px, trainable_filters=True)
    assert config.slope_filter_px == filter_px
    assert build_padnet(config, 3, 8).get_layer("tower1_peak_area").filter_px == filter_px
    assert replace(config, filter_px=9).slope_filter_px == 9


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("inputs", [("image",), ("position",), ("position", "image", "composition")], ids="+".join)
def test_inputs_come_in_one_order_and_answers_are_probabilities(recipe, inputs):
    config = replace(RECIPES[recipe], image_px=128, num_frames=2, inputs=inputs)
    network = with_probabilities(build_padnet(config, 4, 5))
    wanted = [name for name in ("image", "composition", "position") if name in inputs]
    assert [tensor.name for tensor in network.inputs] == wanted
    arrays = {
        "image": RNG.random((3, 2, config.area_px, config.area_px, 4)).astype(np.float32),
        "composition": RNG.dirichlet(np.ones(4), 3).astype(np.float32),
        "position": RNG.normal(size=(3, 2)).astype(np.float32),
    }
    answers = np.asarray(network([arrays[name] for name in wanted]))
    assert answers.shape == (3, 5) and (answers >= 0).all()
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_columns_are_standardised_within_the_network():
    places = RNG.normal(size=(50, 2)) * 20 + 300
    config = replace(PAPER_RECIPE, inputs=("position",))
    network = build_padnet(config, 3, 8, {"position": InputScaling.fit("standard", places)})
    scaled = keras.Model(network.input, network.get_layer("position_scaling").output)([places.astype(np.float32)])
    np.testing.assert_allclose(scaled, (places - places.mean(axis=0)) / places.std(axis=0), atol=1e-3)


# ------------------------------------------------------------------------------------------------- faults released


def test_batch_norm_of_the_released_network_never_sees_a_batch():
    rows = RNG.random((6, 3)).astype(np.float32)
    for recipe, differs in ((RELEASED_RECIPE, False), (PAPER_RECIPE, True)):
        network = build_padnet(replace(recipe, inputs=("composition",)), 3, 8)
        in_training, after = (np.asarray(network([rows], training=on)) for on in (True, False))
        assert (np.abs(in_training - after).max() > 1e-3) == differs


def test_the_released_network_is_fed_the_second_frame_twice_in_training_alone():
    config = replace(RELEASED_RECIPE, image_px=128, inputs=("image",), **NIST)
    network = build_padnet(config, 3, 8)
    images = RNG.random((2, 2, 128, 128, 4)).astype(np.float32)
    others = images.copy()
    others[:, 0] = RNG.random(others[:, 0].shape)  # another first frame
    for training, sees_it in ((True, False), (False, True)):
        change = np.abs(
            np.asarray(network([images], training=training)) - np.asarray(network([others], training=training))
        )
        assert (change.max() > 1e-6) == sees_it


# ------------------------------------------------------------------------------------------------------------ ours


def test_components_are_those_of_a_principal_component_analysis():
    areas = RNG.gamma(2, size=(12, 1, 64, 64, 4)).astype(np.float32)
    areas[:, 0, 10:20] *= RNG.uniform(1, 9, (12, 1, 1, 1))
    config = replace(ROBUST_RECIPE, image_px=256, num_components=5)
    network = build_padnet(config, 3, 8)
    fit_components(network, areas[:9], config)
    ours = keras.Model(network.inputs[0], network.get_layer("tower1_components").output)(areas)
    logs = np.asarray(log_areas(areas)).reshape(12, -1).astype(float)
    analysis = PCA(5).fit(logs[:9])
    theirs = analysis.transform(logs)
    deviations = theirs[:9].std(axis=0)
    theirs /= np.sqrt(deviations * deviations[0])
    signs = np.sign((np.asarray(ours) * theirs).sum(axis=0))
    np.testing.assert_allclose(ours, theirs * signs, atol=2e-3)


def test_fewer_samples_than_components_leave_the_rest_at_zero():
    areas = RNG.gamma(2, size=(4, 1, 64, 64, 4)).astype(np.float32)
    config = replace(ROBUST_RECIPE, image_px=256, num_components=8)
    network = build_padnet(config, 3, 8)
    fit_components(network, areas, config)
    kernel, _ = network.get_layer("tower1_components").get_weights()
    assert np.isfinite(kernel).all() and (np.abs(kernel).max(axis=0) > 0).tolist() == [True] * 3 + [False] * 5


def test_no_area_has_a_logarithm():
    assert np.isfinite(np.asarray(LogAreas()(np.zeros((1, 2, 2, 4), np.float32)))).all()


# --------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mode": "bold"}, "mode of paper, released, robust; received 'bold'"),
        ({"variant": "esrf"}, "variant of slac, nist; received 'esrf'"),
        ({"protocol": "hopeful"}, "protocol of honest, paper; received 'hopeful'"),
        ({"inputs": ()}, "one or more inputs"),
        ({"inputs": ("image", "colour")}, "'colour'"),
        ({"inputs": ("image", "image")}, "one or more inputs"),
        ({"image_px": 64}, "at least 128 px"),
        ({"background": "none"}, "background of raw, mf, cs, crbg, poisson; received 'none'"),
        ({"filter_px": 0}, "slope filters of 3 px or more; received 0"),
        ({"filter_px": 2}, "slope filters of 3 px or more; received 2"),
        ({"mode": "robust", "trainable_filters": True}, "Take mode 'paper'"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(PAPER_RECIPE, **changes)


def test_only_a_recipe_that_chooses_needs_validation():
    assert {name: recipe.chooses_on_validation for name, recipe in RECIPES.items()} == {
        "paper": True,
        "released": True,
        "robust": False,
    }
