import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from transfer.config import RECIPES, SMALL_ROWS, FineTuneConfig, from_scratch, recipe_for


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"start": "fresh"}, "start source or scratch; received 'fresh'"),
        ({"protocol": "hopeful"}, "protocol honest or paper; received 'hopeful'"),
        ({"unknown_elements": "keep"}, "unknown_elements error or drop; received 'keep'"),
        ({"start": "scratch", "frozen_up_to": "stack1_block1_dense"}, "no frozen layers"),
        ({"num_classes": 1}, "at least 2; received 1"),
        ({"num_classes": -2}, "received -2"),
    ],
)
def test_settings_that_do_not_exist_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        FineTuneConfig(recipe="mine", **settings)


def test_the_paper_trains_both_starts_alike():
    """Section 5.2: Adam, 1e-4, minibatches of 32, patience of 200; dropout of table 3.1."""
    paper = RECIPES["paper"]
    training = paper.training
    assert (training.optimizer, training.learning_rate, training.batch_size) == ("adam", 1e-4, 32)
    assert (training.patience_epochs, training.loss, training.schedule) == (200, "mae", "constant")
    assert paper.dropout_rates == (0.2, 0.1, 0.3, 0.2)
    assert from_scratch(paper).training == training and from_scratch(paper).start == "scratch"


@pytest.mark.parametrize("name", ["small", "fast"])
def test_fresh_weights_get_a_rate_and_a_length_of_their_own(name):
    recipe = RECIPES[name]
    scratch = from_scratch(recipe)
    assert scratch.start == "scratch" and scratch.training.max_epochs == 2 * recipe.training.max_epochs
    assert scratch.training.learning_rate > recipe.training.learning_rate
    assert scratch.training.batch_size == recipe.training.batch_size


def test_from_scratch_nothing_is_frozen_and_the_rest_stays():
    frozen = FineTuneConfig(
        recipe="mine", frozen_up_to="stack1_block1_dense", freeze_batch_norm=True, num_classes=3, protocol="paper"
    )
    scratch = from_scratch(frozen.with_training(seed=5, batch_size=7))
    assert scratch.frozen_up_to is None and not scratch.freeze_batch_norm
    assert (scratch.num_classes, scratch.protocol) == (3, "paper")
    assert (scratch.training.seed, scratch.training.batch_size) == (5, 7)
    assert frozen.start == "source"


def test_recipes_by_the_number_of_rows():
    assert recipe_for(SMALL_ROWS - 1).recipe == "small" and recipe_for(SMALL_ROWS).recipe == "fast"
    assert {recipe.recipe for recipe in RECIPES.values()} == set(RECIPES)
    for recipe in RECIPES.values():
        assert recipe.start == "source" and recipe.protocol == "honest" and recipe.frozen_up_to is None


def test_settings_can_be_written_as_json():
    assert json.loads(json.dumps(asdict(RECIPES["paper"])))["training"]["batch_size"] == 32


def test_settings_and_the_package_load_no_framework():
    code = (
        "import sys; import transfer; from transfer.config import RECIPES; transfer.FineTuneConfig; "
        "assert not {'keras', 'tensorflow', 'pandas', 'sklearn'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
