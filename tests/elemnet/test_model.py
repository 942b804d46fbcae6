"""ElemNet's network and the depth family of figure 3.2."""

from dataclasses import replace

import pytest

from common import networks
from common.networks import parse_architecture
from elemnet.config import ARCHITECTURE, PAPER_DROPOUT_RATES, RECIPES
from elemnet.model import build_elemnet, depth_family, dropout_rates_for
from experiments.paper_values import paper_value


def test_the_settings_are_those_of_the_thesis():
    paper = RECIPES["paper"]
    assert paper.architecture == paper_value("chapter3", "table_3_1_architecture")
    kept = paper_value("chapter3", "settings", "dropout_keep")
    assert paper.dropout_rates == pytest.approx([1 - share for share in kept])
    assert (paper.training.optimizer, paper.training.learning_rate, paper.training.batch_size) == ("adam", 1e-4, 32)
    assert paper.training.patience_epochs == 200 and paper.training.loss == "mae"


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_seventeen_layers(name):
    model = build_elemnet(RECIPES[name])
    assert model.count_params() == 4_631_361 and model.name == "elemnet"
    assert [layer.rate for layer in networks.dropout_layers(model)] == list(RECIPES[name].dropout_rates)
    assert RECIPES[name].recipe == name


@pytest.mark.parametrize(("depth", "key"), depth_family().items())
def test_the_depth_family_has_the_depths_it_says(depth, key):
    architecture = parse_architecture(key)
    assert architecture.depth == depth
    widths = [stack.width for stack in architecture.stacks]
    assert widths == sorted(widths, reverse=True)
    assert architecture.num_dropouts == len(dropout_rates_for(key))


def test_the_depth_family_spans_the_thesis():
    family = depth_family()
    low, high = paper_value("chapter3", "fig_3_2", "depths_explored")
    assert (min(family), max(family)) == (low, high)
    assert family[paper_value("chapter3", "fig_3_2", "best_depth")] == ARCHITECTURE
    family.clear()
    assert depth_family()  # a copy was handed out


def test_dropout_rates_follow_the_groups():
    assert dropout_rates_for("8x1-1") == ()
    assert dropout_rates_for("8x1D-8x1D-1") == PAPER_DROPOUT_RATES[:2]
    assert dropout_rates_for("8x1D-1", (0.5, 0.4)) == (0.5,)


def test_the_seed_of_the_training_is_that_of_the_weights():
    config = replace(RECIPES["fast"], architecture="8x1-1", dropout_rates=())
    first, again, other = (build_elemnet(config.with_training(seed=s), 4).get_weights()[0] for s in (1, 1, 2))
    assert (first == again).all() and not (first == other).all()
