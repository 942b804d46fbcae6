"""What a user chooses and what the recipes decide."""

from dataclasses import replace

import pytest

from common.networks import ArchitectureError
from irnet import sipfenn
from irnet.choices import configure
from irnet.config import FAST_RECIPE, PAPER_RECIPE, RECIPES, SIPFENN_VARIANTS, SMALL_RECIPE, SMALL_ROWS


@pytest.mark.parametrize(
    ("recipe", "num_train_rows", "expected"),
    [
        (None, None, FAST_RECIPE),
        (None, SMALL_ROWS, FAST_RECIPE),
        (None, SMALL_ROWS - 1, SMALL_RECIPE),
        ("fast", 100, FAST_RECIPE),
        ("paper", 100, PAPER_RECIPE),
    ],
)
def test_nothing_chosen_is_the_recipe(recipe, num_train_rows, expected):
    assert configure("irnet_17", recipe, num_train_rows=num_train_rows) == expected


@pytest.mark.parametrize("variant", SIPFENN_VARIANTS)
@pytest.mark.parametrize("recipe", [None, "paper"])
def test_sipfenn_takes_its_papers_recipe_whatever_the_rows(variant, recipe):
    config = configure(variant, recipe, num_train_rows=100)
    assert config == replace(sipfenn.PAPER_RECIPE, variant=variant)
    assert (config.data, config.inputs, config.input_scaling) == ("mp_structures", "S+C", "maximum")


def test_sipfenn_with_a_recipe_of_ours_keeps_data_and_inputs():
    config = configure("sipfenn_nn24", "fast")
    assert config.training == RECIPES["fast"].training
    assert (config.data, config.inputs, config.input_scaling) == ("mp_structures", "S+C", "maximum")


def test_what_is_chosen_goes_before_the_recipe_and_none_does_not():
    chosen = {"data": "perov5", "targets": ("heat_ev_per_atom",), "inputs": None, "max_train_rows": 10}
    config = configure("sipfenn_nn24", None, chosen, {"max_epochs": 3, "batch_size": None})
    paper = sipfenn.PAPER_RECIPE
    expected = replace(
        paper, data="perov5", targets=("heat_ev_per_atom",), max_train_rows=10, allow_stand_in=False
    ).with_training(max_epochs=3)
    assert config == expected


def test_what_cannot_be_chosen_is_named():
    with pytest.raises(ValueError, match="paper or fast or small; received 'quick'"):
        configure("irnet_17", "quick")
    with pytest.raises(ArchitectureError, match="'irnet_99'"):
        configure("irnet_99")
    with pytest.raises(ValueError, match="'hopeful'"):
        configure("irnet_17", None, {"protocol": "hopeful"})
