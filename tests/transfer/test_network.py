"""Trained networks of all chapters by name or file."""

import numpy as np
import pandas as pd
import pytest

from common import artifacts, networks
from common.composition import encode
from common.features import magpie
from elemnet.predict import ENERGY, PRETRAINED
from elemnet.predict import load_pretrained as load_elemnet
from irnet import config as irnet_config
from irnet.predict import SHIPPED, installed_path
from transfer.network import featurize, load_network, path_of, with_inputs_named

FORMULAS = ["NaCl", "Fe2O3", "Ca(OH)2", "Xx2O3", "PoO", ""]


def test_the_shipped_elemnet_answers_as_elemnet_does():
    network = load_network()
    assert network.inputs == "EF" and network.targets == (ENERGY,) and not network.needs_structure
    assert network.input_elements == network.elements and len(network.elements) == 86 and network.num_classes == 0
    ours, theirs = network.predict_formulas(FORMULAS), load_elemnet().predict(FORMULAS)
    np.testing.assert_allclose(ours[ENERGY], theirs[ENERGY], atol=1e-6)
    assert ours["status"].tolist() == theirs["status"].tolist() == ["ok"] * 3 + ["error"] * 3
    assert ours["reason"].tolist()[:5] == theirs["reason"].tolist()[:5]


def test_names_and_paths(monkeypatch, tmp_path):
    assert path_of("elemnet") == PRETRAINED
    assert path_of("irnet_10") == SHIPPED / "irnet_10.keras"
    assert path_of(tmp_path / "mine.keras") == tmp_path / "mine.keras"
    assert path_of("./elemnet.keras").name == "elemnet.keras"
    monkeypatch.setenv("MATERIALS_DL_CACHE", str(tmp_path))
    installed_path("irnet_17").parent.mkdir(parents=True)
    installed_path("irnet_17").touch()
    assert path_of("irnet_17") == installed_path("irnet_17")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet", ["elemnet", "irnet_17", ".keras", "'resnet'"]),
        ("runs/mine", [".keras", "'runs/mine'"]),
        ("no/such/model.keras", ["no/such/model.keras does not exist"]),
        ("irnet_48", ["no weights for irnet_48", "irnet train"]),
    ],
)
def test_what_is_no_network_is_one_sentence(name, words):
    with pytest.raises(artifacts.ArtifactError) as refusal:
        load_network(name)
    assert "\n" not in str(refusal.value)
    for word in words:
        assert word in str(refusal.value)


def test_every_variant_has_a_path_or_a_remedy():
    for variant in irnet_config.VARIANTS:
        try:
            assert path_of(variant).suffix == ".keras"
        except artifacts.ArtifactError as error:
            assert f"irnet train --variant {variant}" in str(error)


def test_only_cards_of_elemnet_are_filled_in(elemnet_source, irnet_source):
    card = artifacts.load(elemnet_source).card
    assert "inputs" not in card
    named = with_inputs_named(card)
    assert (named["inputs"], named["input_elements"], named["targets"]) == ("EF", card["elements"], [card["target"]])
    assert "inputs" not in card
    of_irnet = artifacts.load(irnet_source).card
    assert with_inputs_named(of_irnet) == of_irnet == load_network(irnet_source).card


def test_a_file_is_read_once_and_again_when_it_changes(save_elemnet):
    path = save_elemnet()
    network = load_network(path)
    assert load_network(path) is network
    artifacts.save(path, networks.build("8x1-1", 7, seed=9), network.card)
    assert load_network(path) is not network


def test_inputs_are_those_that_the_network_takes(elemnet_source, irnet_source):
    frame = pd.DataFrame({"formula": ["NaCl", "KBr", "FeO"], "other": 1})
    network = load_network(elemnet_source)
    found = featurize(network, frame)
    assert found.ok.tolist() == [True, False, True] and "Br" in found.reasons[1]
    np.testing.assert_array_equal(found.attributes[0], encode(["NaCl"], network.elements).fractions[0])
    attributes = featurize(load_network(irnet_source), frame).attributes
    np.testing.assert_array_equal(attributes, magpie.featurize_with_reasons(["NaCl", "KBr", "FeO"]).attributes)
    with pytest.raises(ValueError, match="Expected structures"):
        featurize(load_network("irnet_10"), frame)


def test_structures_are_featurised_for_networks_of_structures():
    from common import datasets

    network = load_network("irnet_10")
    frame = datasets.load("flla_structures").frame
    few = frame[frame["num_sites"] < 4].head(3).reset_index(drop=True)
    found = featurize(network, few)
    assert found.ok.all() and found.attributes.shape == (3, 271)
    answers = network.predict_attributes(found.attributes.astype(np.float32))[:, 0]
    theirs = network.predict_structures(datasets.structures(few), num_processes=1)
    np.testing.assert_allclose(answers, theirs[ENERGY], atol=1e-5)
