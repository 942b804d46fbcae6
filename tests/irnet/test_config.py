"""Settings of chapter 4: the papers' and what is refused."""

from dataclasses import replace

import pytest

from experiments.paper_values import paper_value
from irnet.config import (
    ARCHITECTURES,
    RECIPES,
    SIPFENN_VARIANTS,
    SMALL_ROWS,
    VARIANTS,
    IRNetConfig,
    recipe_for,
)

PAPER_ARCHITECTURES = {
    name: key for name, key in paper_value("chapter4", "table_4_1_architectures").items() if not name.startswith("_")
}


def test_the_published_variants_have_the_published_keys():
    assert {name: ARCHITECTURES[name] for name in PAPER_ARCHITECTURES} == PAPER_ARCHITECTURES
    assert len(PAPER_ARCHITECTURES) + len(SIPFENN_VARIANTS) == 13
    assert set(VARIANTS) - set(PAPER_ARCHITECTURES) - set(SIPFENN_VARIANTS) == {"plain_10", "srnet_10"}


def test_the_settings_are_those_of_the_thesis():
    settings = paper_value("chapter4", "settings")
    training = RECIPES["paper"].training
    assert training.optimizer == settings["optimizer"].lower() and training.loss == settings["loss"].lower()
    assert training.learning_rate == settings["learning_rate"]
    assert training.batch_size == settings["batch_size_thesis"]
    assert training.patience_epochs == settings["patience_epochs"]


def test_recipes_are_named_and_chosen_by_the_number_of_rows():
    assert all(recipe.recipe == name for name, recipe in RECIPES.items())
    assert recipe_for(SMALL_ROWS - 1).recipe == "small" and recipe_for(SMALL_ROWS).recipe == "fast"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"protocol": "hopeful"}, "'hopeful'"),
        ({"targets": ()}, "at least one target"),
        ({"num_classes": 1}, "received 1"),
        ({"num_classes": -2}, "received -2"),
        ({"num_classes": 3, "targets": ("a", "b")}, "single target"),
        ({"inputs": "C+X"}, "'C\\+X'"),
        ({"inputs": "C+C"}, "'C\\+C'"),
        ({"inputs": ""}, "EF, C, S"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        IRNetConfig(**changes)


@pytest.mark.parametrize(
    ("inputs", "needs"), [("C", False), ("EF", False), ("C+EF", False), ("S", True), ("S+C", True)]
)
def test_structures_are_needed_for_their_attributes_alone(inputs, needs):
    assert IRNetConfig(inputs=inputs).needs_structure == needs


def test_training_settings_change_in_a_copy():
    config = RECIPES["fast"]
    changed = config.with_training(max_epochs=3)
    assert changed.training.max_epochs == 3 and config.training.max_epochs != 3
    assert replace(changed, training=config.training) == config
