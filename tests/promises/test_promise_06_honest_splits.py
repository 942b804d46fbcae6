"""Validation never equals test (row hashes); the authors' way is `--protocol paper`, labelled.

Whether two rows are the same is decided here by exact fractions of the amounts, not by the hashes of the project.
"""

import os
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from common.readers import LoadedDataset
from common.splits import LeakageError
from tests.promises.small_inputs import ANIONS, ENERGY, METALS, save_network, write_wafer

ROOT = Path(__file__).parents[2]
MANY = settings(max_examples=15, derandomize=True, deadline=None)
SPLITS = ("train", "val", "test")
SPELLINGS = (
    lambda a, i, b, j: f"{a}{i}{b}{j}",
    lambda a, i, b, j: f"{b}{j}{a}{i}",
    lambda a, i, b, j: f"{a}{2 * i}{b}{2 * j}",
    lambda a, i, b, j: f"({a}{i}{b}{j})3",
    lambda a, i, b, j: f"{a}{i / 4}{b}{j / 4}",
    lambda a, i, b, j: "".join([a] * i + [b] * j),
)
AMOUNTS = range(1, 4)
FIELDS = (METALS, ANIONS, AMOUNTS, AMOUNTS, SPELLINGS, SPLITS)
NUM_ROWS = int(np.prod([len(field) for field in FIELDS]))
tables = st.lists(st.integers(0, NUM_ROWS - 1), min_size=30, max_size=80)  # a number is a row, see `table_of`


def table_of(numbers: list[int]) -> tuple[pd.DataFrame, dict[str, tuple]]:
    """Rows of 56 compositions, each spelled in some of many ways; and which composition each spelling is."""
    rows, composition_of = [], {}
    for number in numbers:
        chosen = []
        for field in FIELDS:
            number, place = divmod(number, len(field))
            chosen.append(field[place])
        metal, anion, i, j, spell, split = chosen
        formula = spell(metal, i, anion, j)
        composition_of[formula] = (metal, anion, Fraction(i, j))
        rows.append((formula, split))
    frame = pd.DataFrame(rows, columns=["formula", "split"])
    frame.insert(1, ENERGY, np.random.default_rng(len(numbers)).normal(-1, 0.5, len(frame)))
    return frame, composition_of


def num_duplicates(frame: pd.DataFrame, composition_of: dict) -> int:
    return len(frame) - len({composition_of[formula] for formula in frame["formula"]})


def check_apart(parts, composition_of: dict, protocol: str) -> None:
    """No composition twice in a part or in two parts; under protocol paper validation is test."""
    keys = {name: [composition_of[text] for text in getattr(parts, name).frame["formula"]] for name in PARTS}
    for name, found in keys.items():
        assert len(set(found)) == len(found) > 0, name
    train, validation, test = (set(keys[name]) for name in PARTS)
    assert not train & test
    if protocol == "paper":
        assert keys["validation"] == keys["test"]
    else:
        assert not validation & test and not validation & train


PARTS = ("train", "validation", "test")


def loaded_from(frame: pd.DataFrame) -> LoadedDataset:
    return LoadedDataset(frame, "made up", "user", len(frame), {}, [])


TOO_FEW = ("Give more rows", "training row", "to vary", "as folds")


def or_too_few(load, *arguments, **options):
    """What a loader says, passing over tables that leave one of the parts empty."""
    try:
        return load(*arguments, **options)
    except LeakageError:
        raise
    except ValueError as error:
        assume(not any(words in str(error) for words in TOO_FEW))
        raise


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A network of element fractions, not trained."""
    from transfer.network import load_network

    return load_network(save_network(tmp_path_factory.mktemp("source") / "model.keras"))


# ----------------------------------------------------------------------------- compositions, however they are spelled


@pytest.mark.parametrize("protocol", ["honest", "paper"])
@pytest.mark.parametrize("has_split", [True, False], ids=["split given", "split by hash"])
def test_elemnet_has_no_composition_in_two_parts(tmp_path, faults, protocol, has_split):
    from elemnet import data
    from elemnet.config import ElemNetConfig

    config = ElemNetConfig("test", data=str(tmp_path / "table.csv"), protocol=protocol)

    @MANY
    @given(tables)
    def check(numbers):
        frame, composition_of = table_of(numbers)
        (frame if has_split else frame.drop(columns="split")).to_csv(config.data, index=False)
        with faults.inject(num_duplicates(frame, composition_of)):
            check_apart(or_too_few(data.load, config), composition_of, protocol)

    check()


@pytest.mark.parametrize("protocol", ["honest", "paper"])
def test_irnet_has_no_composition_in_two_parts(faults, protocol):
    from irnet import data
    from irnet.config import IRNetConfig

    @MANY
    @given(tables, st.booleans())
    def check(numbers, has_validation):
        frame, composition_of = table_of(numbers)
        if not has_validation:  # then it is cut from training
            frame["split"] = frame["split"].replace("val", "train")
        config = IRNetConfig(inputs="EF", protocol=protocol, validation_fraction=0.2)
        with faults.inject(num_duplicates(frame, composition_of)):
            check_apart(or_too_few(data.load, config, loaded=loaded_from(frame)), composition_of, protocol)

    check()


@pytest.mark.parametrize("protocol", ["honest", "paper"])
def test_transfer_has_no_composition_in_two_parts(source, faults, protocol):
    from transfer.config import FineTuneConfig
    from transfer.data import cut, folds, load

    config = FineTuneConfig("test", protocol=protocol)

    @MANY
    @given(tables)
    def check(numbers):
        frame, composition_of = table_of(numbers)
        with faults.inject(num_duplicates(frame, composition_of)):
            data = or_too_few(load, source, "made up", loaded=loaded_from(frame))
            for split in (data.split, *or_too_few(folds, len(data), 3, 0)):
                check_apart(or_too_few(cut, data, split, config), composition_of, protocol)

    check()


def structures_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows as if each were a crystal: polymorphs are then no duplicates and stay."""
    return frame.assign(species=[("Na",)] * len(frame), lattice=None, frac=None)


def test_polymorphs_that_look_alike_to_a_network_are_never_in_two_parts(source, faults):
    """Without their structures they are the same row: a split that parts them is refused, not trained on."""
    from irnet import data as irnet_data
    from irnet.config import IRNetConfig
    from transfer import data as transfer_data
    from transfer.config import FineTuneConfig

    refused = [0, 0]

    @MANY
    @given(tables)
    def check(numbers):
        frame, composition_of = table_of(numbers)
        frame["split"] = frame["split"].replace("val", "train").where(frame.index % 5 > 0, "val")
        loaded = loaded_from(structures_of(frame))
        target = or_too_few(transfer_data.load, source, "made up", loaded=loaded)
        ways = (
            lambda: irnet_data.load(IRNetConfig(inputs="EF"), loaded=loaded),
            lambda: transfer_data.cut(target, target.split, FineTuneConfig("test")),
        )
        with faults.inject(num_duplicates(frame, composition_of)):
            for number, way in enumerate(ways):
                try:
                    parts = or_too_few(way)
                except LeakageError:
                    refused[number] += 1
                    continue
                sets = [{composition_of[text] for text in getattr(parts, name).frame["formula"]} for name in PARTS]
                assert sum(map(len, sets)) == len(set.union(*sets))

    check()
    assert min(refused) > 0


def test_members_of_an_ensemble_leave_the_test_rows_alone(faults):
    from experiments.chapter5_leaderboard import member_splits

    for seed in range(20):
        split = pd.Series(np.random.default_rng(seed).choice(["train", "test"], 60, p=[0.8, 0.2]))
        members = member_splits(split, 4, seed)
        with faults.inject(len(members)):
            for member in members:
                np.testing.assert_array_equal(member == "test", split == "test")
                assert (member == "val").any() and (member == "train").any()
            held_out = np.sum([member == "val" for member in members], axis=0)
            np.testing.assert_array_equal(held_out, split == "train")  # each once


# ------------------------------------------------------------------------------------------ orientations and frames


def test_omnet_has_no_orientation_in_two_parts_nor_its_symmetric_equivalent(faults):
    from omnet import data
    from omnet.config import FAST_RECIPE
    from omnet.harmonics import harmonics_from_quaternions

    test = harmonics_from_quaternions(data.test_quaternions())  # equal for the 24 symmetric equivalents
    different = 1e-5  # of some 20 million pairs of random orientations the closest are hundreds of times as far apart

    @settings(MANY, max_examples=15)
    @given(st.integers(0, 2**32), st.sampled_from([None, 6]))
    def check(seed, grid_steps):
        config = replace(FAST_RECIPE, num_train=2_000, num_validation=500, grid_steps=grid_steps)
        config = config.with_training(seed=seed)
        train, validation = (rows(config).x for rows in (data.training_rows, data.validation_rows))
        with faults.inject():
            for rows in (train, validation):
                assert cKDTree(test).query(harmonics_from_quaternions(rows[:, :4]))[0].min() > different
            assert not set(map(bytes, train)) & set(map(bytes, validation))
        paper = data.validation_rows(replace(config, protocol="paper")).x
        np.testing.assert_array_equal(paper[:, :4], data.test_quaternions().astype(np.float32))

    check()


@pytest.mark.parametrize("copy", ["copied", "linked", "other format", "other folder"])
def test_padnet_refuses_the_same_frame_under_two_names(tmp_path, faults, copy):
    """It could else train in one sample and test in another."""
    import tifffile

    from padnet.readers import read_samples

    table = write_wafer(tmp_path / "wafer", num_samples=6)
    first, second = table.parent / "1.tif", table.parent / "4.tif"
    frame = pd.read_csv(table)
    if copy == "copied":
        shutil.copyfile(first, second)
    elif copy == "linked":
        second.unlink()
        os.link(first, second)
    elif copy == "other format":
        np.save(table.parent / "4.npy", tifffile.imread(first))
        frame.loc[4, "file"] = "4.npy"
    else:
        (table.parent / "again").mkdir()
        shutil.copyfile(first, table.parent / "again" / "1.tif")
        frame.loc[4, "file"] = "again/1.tif"
    frame.to_csv(table, index=False)
    with faults.inject(), pytest.raises(ValueError, match="line 6.*same counts as.*1.tif"):
        read_samples(table)
