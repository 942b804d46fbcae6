"""The weights in the package: whole, described, small enough, and about right."""

import pytest

from common import artifacts
from elemnet.config import RECIPES
from elemnet.predict import ENERGY, PRETRAINED, load_pretrained


@pytest.fixture(scope="module")
def shipped():
    return load_pretrained()


def test_the_network_is_elemnet(shipped):
    assert shipped.model.count_params() == 4_631_361
    assert shipped.model.input_shape == (None, 86) and len(shipped.elements) == 86
    assert shipped.card["architecture"] == RECIPES["fast"].architecture


def test_the_card_is_whole(shipped):
    assert set(artifacts.REQUIRED_CARD_KEYS) <= set(shipped.card)
    assert shipped.card["protocol"] == "honest" and shipped.card["unit"] == "eV/atom"
    assert shipped.card["data"]["tier"] in ("public", "stand-in")
    assert len(shipped.card["learning_curve"]["epoch"]) == len(shipped.card["learning_curve"]["validation_mae"]) > 0


def test_the_error_on_the_test_rows(shipped):
    assert 0 < shipped.card["metrics"]["test"]["mae"] <= 0.060


def test_the_file_is_small_enough_to_ship():
    assert PRETRAINED.stat().st_size <= 20 * 2**20


@pytest.mark.parametrize(("formula", "ev_per_atom", "within"), [("NaCl", -2.1, 0.2), ("MgO", -3.0, 0.3)])
def test_salts_are_about_as_stable_as_they_are(shipped, formula, ev_per_atom, within):
    assert shipped.predict([formula])[ENERGY][0] == pytest.approx(ev_per_atom, abs=within)


def test_the_order_and_scale_of_a_formula_do_not_matter(shipped):
    energies = shipped.predict(["NaCl", "ClNa", "Na2Cl2"])[ENERGY]
    assert energies.tolist() == pytest.approx([energies[0]] * 3, abs=1e-6)
