"""Which compositions a source has seen."""

import json
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition

from elemnet import data as elemnet_data
from elemnet.config import RECIPES
from transfer import seen
from transfer.network import load_network
from transfer.seen import is_seen, keys_of, seen_by

MIRROR = os.environ.get("MATERIALS_DL_MIRROR")  # before conftest.py takes it away


@st.composite
def formulas(draw):
    """A compound of few elements and small amounts, so that equal ones occur, in one of the ways to write it."""
    amounts = draw(
        st.dictionaries(st.sampled_from(["Na", "Cl", "N", "O", "Co", "C"]), st.integers(1, 4), min_size=1, max_size=3)
    )
    times = draw(st.integers(1, 3))
    order = draw(st.permutations(list(amounts)))
    way = draw(st.sampled_from(["multiplied", "in brackets", "twice", "nested"]))
    inside = "".join(f"{symbol}{amounts[symbol] if amounts[symbol] > 1 else ''}" for symbol in order)
    if way == "multiplied":
        return "".join(f"{symbol}{times * amounts[symbol]}" for symbol in order)
    if way == "in brackets":
        return f"({inside}){times}"
    return inside + inside if way == "twice" else f"[({inside}){times}]2"


def reduced(formula: str) -> Composition:
    return Composition(formula).reduced_composition


@settings(max_examples=120, deadline=None)
@given(st.lists(formulas(), max_size=8), st.lists(formulas(), min_size=1, max_size=8))
@example(["Na2Cl2"], ["NaCl", "ClNa", "(NaCl)3", "NaCl2", "NaClO", "Na", "N", "CO", "Co", "C2O2"])
@example(["PdP2O6"], ["ZnV2O6", "O6P2Pd"])
def test_seen_are_the_compositions_that_are_equal(known, asked):
    compositions = {reduced(formula) for formula in known}
    expected = [reduced(formula) in compositions for formula in asked]
    assert is_seen(asked, np.unique(keys_of(known))).tolist() == expected


@settings(max_examples=30, deadline=None)
@given(st.lists(formulas(), min_size=1, max_size=12))
def test_keys_tell_compositions_apart(several):
    keys = keys_of(several).tolist()
    for i, first in enumerate(several):
        for j, second in enumerate(several):
            assert (keys[i] == keys[j]) == (reduced(first) == reduced(second))


def test_formulas_that_cannot_be_read_are_not_seen():
    assert keys_of(["Na0.5Cl0.5"]) == keys_of(["NaCl"])
    assert keys_of(["NaXx", "", None, 7]).tolist() == [seen.UNREADABLE] * 4
    assert is_seen(["Xx", None, "NaCl"], keys_of(["NaCl"])).tolist() == [False, False, True]
    assert is_seen([], keys_of(["NaCl"])).shape == (0,)


def test_training_and_validation_rows_are_seen_and_test_rows_are_not(elemnet_source, seen_formulas):
    known = seen_by(elemnet_source)
    assert known.dtype == np.uint64 and (np.diff(known) > 0).all() and len(known) == 37
    assert is_seen([*seen_formulas["train"], *seen_formulas["validation"]], known).all()
    assert not is_seen(seen_formulas["test"], known).any()


def test_the_source_of_a_source_is_counted_in(save_elemnet):
    def split_of(*formulas: str) -> dict[str, list[str]]:
        return {"train": list(formulas), "validation": [], "test": ["FeO"]}

    def tuned(source: str, *formulas: str) -> str:
        split = split_of(*formulas)
        known = load_network(source).weights_hash() if Path(source).is_file() else "0"
        return save_elemnet(split=split, fine_tuned_from={"path": source, "name": "x", "weights_sha256": known})

    first = save_elemnet(split={"train": ["NaCl"], "validation": ["MgO"], "test": ["KCl"]})
    third = tuned(tuned(first, "Na2O"), "TiO2")
    assert is_seen(["Cl2Na2", "MgO", "Na2O", "TiO2", "FeO", "KCl"], seen_by(third)).tolist() == [True] * 4 + [False] * 2
    other = save_elemnet(split=split_of("NaCl"), fine_tuned_from={"path": first, "weights_sha256": "of another"})
    assert seen_by(other) is None  # the file at that path is not the one it came from
    Path(first).with_name("split.json").unlink()
    assert seen_by(third) is None  # what the first has seen is not known any more
    assert seen_by(tuned("no/such/model.keras", "Na2O")) is None


def test_what_is_not_known_is_not_guessed(save_elemnet):
    assert seen_by(save_elemnet()) is None
    for ids in (["mp-1234", "mp-7"], [12, 13], ["NaCl", "relaxed_17.cif"]):  # rows of structures go by their own names
        assert seen_by(save_elemnet(split={"train": ids, "validation": [], "test": []})) is None
    known = seen_by(save_elemnet(split={"train": ["NaCl", "ClNa"], "validation": [], "test": ["mp-1"]}))
    assert len(known) == 1


def test_rows_that_irnet_continued_on_are_not_forgotten(save_elemnet):
    split = {"train": ["NaCl"], "validation": ["MgO"], "test": []}
    assert seen_by(save_elemnet(split=split, fine_tuned={"from": "ElemNet", "rows": 12})) is None


def test_a_model_said_to_come_from_itself_is_not_asked_for_ever(save_elemnet):
    source = save_elemnet(split={"train": ["NaCl"], "validation": [], "test": []})
    card = json.loads(Path(source).with_suffix(".json").read_text())
    copy = shutil.copytree(Path(source).parent, Path(source).parent.with_name("copied")) / "model.keras"
    origin = {"path": source, "weights_sha256": load_network(copy).weights_hash()}
    Path(source).with_suffix(".json").write_text(json.dumps(card | {"fine_tuned_from": origin}))
    other = shutil.copytree(Path(source).parent, Path(source).parent.with_name("moved")) / "model.keras"
    assert seen_by(other) is None


# ----------------------------------------------------------------------------------------------------------- shipped


def test_the_shipped_source_needs_its_data():
    assert load_network("elemnet").card["name"] == "ElemNet"
    assert seen_by("elemnet") is None  # offline, without a mirror


def test_a_training_of_elemnet_is_loaded_again_by_its_card(save_elemnet):
    """As the shipped one is, here of the bundled sample."""
    rows = elemnet_data.load(replace(RECIPES["small"], data="flla"))
    data = {"name": "flla", "rows_train": len(rows.train), "rows_validation": len(rows.validation)}
    more = {"name": "ElemNet", "recipe": "small", "protocol": "honest", "training": asdict(RECIPES["small"].training)}
    known = seen_by(save_elemnet(data=data, **more))
    assert is_seen(rows.train.frame["formula"], known).all() and is_seen(rows.validation.frame["formula"], known).all()
    assert not is_seen(rows.test.frame["formula"], known).any()
    assert seen_by(save_elemnet(data=data | {"rows_train": 7}, **more)) is None  # the data are others by now
    assert seen_by(save_elemnet(data=data, **more | {"name": "ElemNet, from scratch"})) is None


@pytest.mark.skipif(MIRROR is None, reason="needs the data set of the shipped ElemNet in a mirror folder")
def test_the_shipped_source_has_seen_its_training_rows(monkeypatch):
    monkeypatch.setenv("MATERIALS_DL_MIRROR", MIRROR)
    card = load_network("elemnet").card
    known = seen_by("elemnet")
    if known is None:
        pytest.skip(f"the mirror has no {card['data']['name']}")
    assert len(known) == card["data"]["rows_train"] + card["data"]["rows_validation"]
