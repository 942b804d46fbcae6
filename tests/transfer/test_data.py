"""The rows of a target: which stay, in whose inputs, and how they are cut."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from common.composition import encode
from common.features import magpie
from common.readers import LoadedDataset
from transfer import seen
from transfer.data import TargetData, check_targets, cut, folds, load
from transfer.network import load_network

ENERGY = "formation_energy_ev_per_atom"
ELEMENTS = ("O", "Na", "Mg", "Cl", "K", "Fe", "Ti")


@pytest.fixture(scope="module")
def source(elemnet_source):
    return load_network(elemnet_source)


def as_loaded(frame: pd.DataFrame) -> LoadedDataset:
    return LoadedDataset(frame, "made up", "user", len(frame), {}, [])


def with_values(frame: pd.DataFrame, column: str, **values) -> LoadedDataset:
    """The table with some values of a column changed, ``row_5=...``."""
    changed = frame.copy()
    for name, value in values.items():
        changed.loc[int(name.removeprefix("row_")), column] = value
    return as_loaded(changed)


def refusal(function, *arguments, **options) -> str:
    with pytest.raises(ValueError) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ------------------------------------------------------------------------------------------------------------ loading


def test_rows_come_in_the_inputs_of_the_source(source, irnet_source, frame, table):
    data = load(source, "my", loaded=table)
    assert len(data) == len(frame) and data.rows.x.dtype == np.float32
    assert data.rows.x == pytest.approx(encode(frame["formula"], ELEMENTS).fractions)
    np.testing.assert_array_equal(data.rows.y, frame[ENERGY])
    assert data.split.tolist() == frame["split"].tolist() and data.seen is None and data.target == ENERGY
    assert set(data.counts.values()) == {0}
    attributes = magpie.featurize_with_reasons(frame["formula"].tolist()).attributes
    assert load(load_network(irnet_source), "my", loaded=table).rows.x == pytest.approx(attributes, rel=1e-6)


def test_a_file_is_read(source, csv, frame):
    data = load(source, csv, target="bulk_modulus_gpa")
    np.testing.assert_allclose(data.rows.y, frame["bulk_modulus_gpa"], rtol=1e-15)
    assert data.loaded.tier == "user" and data.split.tolist() == frame["split"].tolist()


def test_rows_that_the_source_has_seen_are_marked(source, elemnet_source, table, seen_formulas):
    data = load(source, "my", loaded=table, seen=seen.seen_by(elemnet_source))
    known = encode([*seen_formulas["train"], *seen_formulas["validation"]], ELEMENTS).fractions.round(6).tolist()
    expected = [row in known for row in encode(data.rows.frame["formula"], ELEMENTS).fractions.round(6).tolist()]
    assert data.seen.tolist() == expected and sum(expected) == 36


def test_rows_left_out_are_counted(source, frame):
    more = pd.DataFrame(
        {"formula": ["Na2O2", "Fe", "Xx", "NaCl3"], ENERGY: [-9.0, 0.0, 1.0, np.nan], "split": ["train"] * 4}
    )
    loaded = as_loaded(pd.concat([frame, more], ignore_index=True))
    data = load(source, "my", loaded=loaded)
    assert len(data) == len(frame) and len(data) + sum(data.counts.values()) == len(loaded.frame)
    counts = {reason: count for reason, count in data.counts.items() if count}
    expected = {"missing target": 1, "unreadable formula": 1, "single element": 1, "duplicate composition": 1}
    assert counts == expected
    assert data.rows.y.min() == -9.0  # of a composition the lowest stays
    gaps = as_loaded(loaded.frame.assign(band_gap_ev=1.0 + loaded.frame.index))
    assert "Fe" in set(load(source, "my", target="band_gap_ev", loaded=gaps).rows.frame["formula"])


def test_rows_of_other_elements_stop_it_or_are_dropped(source, frame):
    formulas = frame["formula"].where(frame.index != 3, "NaBr").where(frame.index != 7, "AuBrO")
    loaded = as_loaded(frame.assign(formula=formulas))
    sentence = refusal(load, source, "my", loaded=loaded)
    assert "2 rows of made up" in sentence and "(Au, Br)" in sentence
    assert "unknown_elements='drop'" in sentence and "a source trained with these elements" in sentence
    data = load(source, "my", loaded=loaded, unknown_elements="drop")
    assert len(data) == 70 and data.counts["element unknown to the source"] == 2
    assert not {"NaBr", "AuBrO"} & set(data.rows.frame["formula"])
    assert np.isfinite(data.rows.x).all() and len(data.split) == 70
    everything = as_loaded(frame.assign(formula=[f"AuBr{i}" for i in range(1, 73)]))
    assert "no row to train on" in refusal(load, source, "my", loaded=everything, unknown_elements="drop")
    many = ["Li", "Be", "B", "C", "N", "F", "Al", "Si", "P", "S"]
    others = as_loaded(frame.assign(formula=[many[i % 10] + f[2:] for i, f in frame["formula"].items()]))
    assert "(Al, B, Be, C, F, Li, N, P, ...)" in refusal(load, source, "my", loaded=others)


def test_elements_that_no_source_knows_stop_it_too(source, frame):
    loaded = as_loaded(frame.assign(formula=frame["formula"].where(frame.index != 3, "NaPo")))
    assert "(Po)" in refusal(load, source, "my", loaded=loaded)


def test_a_source_of_structures_needs_structures(source, table):
    class OfStructures:
        needs_structure, inputs, elements = True, "S+C", source.elements

    assert "Expected structures" in refusal(load, OfStructures(), "my", loaded=table)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_targets_that_are_no_numbers_are_dropped_and_counted(source, frame, value):
    data = load(source, "my", loaded=with_values(frame, ENERGY, row_5=value, row_9=np.nan))
    assert data.counts["missing target"] == 2 and len(data) == 70 and np.isfinite(data.rows.y).all()


def test_targets_that_teach_nothing_are_refused(source, frame):
    nothing = refusal(load, source, "my", loaded=as_loaded(frame.assign(**{ENERGY: np.nan})))
    assert "made up has no row to train on: 72 rows read" in nothing and "'missing target': 72" in nothing
    constant = refusal(load, source, "my", loaded=as_loaded(frame.assign(**{ENERGY: 1.5})))
    assert f"Expected '{ENERGY}' of made up to vary; received 1.5 in all 72 rows." == constant
    column = refusal(load, source, "my", target="band_gap_ev", loaded=as_loaded(frame))
    assert "'band_gap_ev'" in column and "bulk_modulus_gpa" in column
    assert "received 2 NaN or infinite" in refusal(check_targets, np.array([1.0, np.nan, np.inf]), "gap", "mine")
    assert "neither a file nor a registered data set" in refusal(load, source, "nonsense")


def test_classes_are_those_asked_for(source, frame):
    loaded = as_loaded(frame)
    assert set(load(source, "my", target="phase", num_classes=3, loaded=loaded).rows.y) == {0, 1, 2}
    sentence = refusal(load, source, "my", target="phase", num_classes=2, loaded=loaded)
    assert "Expected the classes [0, 1] in column 'phase'" in sentence and "2.0" in sentence
    assert "classes" in refusal(load, source, "my", num_classes=2, loaded=loaded)
    one = as_loaded(frame.assign(is_metal=1.0))
    assert "to vary" in refusal(load, source, "my", target="is_metal", num_classes=2, loaded=one)


# -------------------------------------------------------------------------------------------------------------- folds


@pytest.mark.parametrize(("num_rows", "num_folds"), [(50, 10), (50, 5), (53, 10), (7, 7), (3, 2)])
def test_folds_test_each_row_once(num_rows, num_folds):
    found = folds(num_rows, num_folds, seed=3)
    tested = np.array([split == "test" for split in found])
    assert tested.shape == (num_folds, num_rows) and (tested.sum(axis=0) == 1).all()
    assert np.ptp(tested.sum(axis=1)) <= 1
    assert {name for split in found for name in split} == {"train", "test"}


def test_the_first_fold_is_also_a_hold_out():
    for num_folds, share in ((10, 0.1), (5, 0.2)):
        (first,) = folds(200, num_folds, seed=0, take=1)
        assert (first == "test").mean() == share
        np.testing.assert_array_equal(first, folds(200, num_folds, seed=0)[0])
    assert not (folds(200, 10, seed=0)[0] == folds(200, 10, seed=1)[0]).all()
    assert len(folds(200, 10, seed=0, take=3)) == 3


def test_fewer_rows_than_folds_are_refused():
    assert refusal(folds, 9, 10, 0) == "Expected at least as many rows as folds (10); received 9 rows."


# ---------------------------------------------------------------------------------------------------------------- cut


@pytest.fixture(scope="module")
def data(source, table) -> TargetData:
    return load(source, "my", loaded=table)


def formulas(rows) -> set[str]:
    return set(rows.frame["formula"])


def test_validation_rows_are_those_of_the_data_or_cut_from_training(data, quick):
    given = cut(data, data.split, quick)
    assert (len(given.train), len(given.validation), len(given.test)) == (48, 12, 12)
    assert formulas(given.validation) == set(data.rows.frame["formula"][data.split == "val"])
    split = folds(72, 6, seed=0)[0]
    made = cut(data, split, quick)
    assert (len(made.train), len(made.validation), len(made.test)) == (54, 6, 12)
    np.testing.assert_array_equal(made.test_rows, np.flatnonzero(split == "test"))
    np.testing.assert_array_equal(made.test.x, data.rows.x[made.test_rows])
    np.testing.assert_array_equal(made.test.y, data.rows.y[made.test_rows])
    everything = [formulas(made.train), formulas(made.validation), formulas(made.test)]
    assert sum(map(len, everything)) == len(set.union(*everything)) == 72
    again, other = cut(data, split, quick), cut(data, split, quick.with_training(seed=1))
    assert formulas(again.validation) == formulas(made.validation) != formulas(other.validation)
    assert formulas(other.test) == formulas(made.test)
    wider = cut(data, split, replace(quick, validation_fraction=0.5))
    assert len(wider.validation) == 30


def test_protocol_paper_validates_on_the_test_rows(data, quick):
    parts = cut(data, data.split, replace(quick, protocol="paper"))
    assert formulas(parts.validation) == formulas(parts.test) and len(parts.train) == 60
    np.testing.assert_array_equal(parts.validation.x, parts.test.x)


def test_rows_of_no_part_are_in_none(data, quick):
    split = data.split.copy()
    split[np.flatnonzero(split == "train")[:40]] = "unused"
    parts = cut(data, split, quick)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (8, 12, 12)


def outlying(source, frame, **values) -> TargetData:
    return load(source, "my", loaded=with_values(frame, ENERGY, **values))


def test_limits_come_from_training_rows_alone(source, frame, quick):
    split = folds(72, 6, seed=0)[0]
    test, train = np.flatnonzero(split == "test"), np.flatnonzero(split == "train")
    plain = outlying(source, frame)
    is_train = np.isin(plain.rows.frame["formula"], [*formulas(cut(plain, split, quick).train)])
    edge = plain.rows.y[is_train].mean() + 5 * plain.rows.y[is_train].std()
    # A test row just inside stays, however far out another lies; all three parts lose what is beyond.
    changed = outlying(source, frame, **{f"row_{test[0]}": edge - 1e-3, f"row_{test[1]}": 1e6})
    parts = cut(changed, split, quick)
    assert parts.counts == {"beyond 5 sigma": 1}
    assert test[0] in parts.test_rows and test[1] not in parts.test_rows and len(parts.test) == 11
    outside = outlying(source, frame, **{f"row_{test[0]}": edge + 1e-3})
    assert cut(outside, split, quick).counts == {"beyond 5 sigma": 1}
    far = cut(outlying(source, frame, **{f"row_{train[0]}": 1e3}), split, quick)
    assert far.counts == {"beyond 5 sigma": 1} and len(far.train) + len(far.validation) == 59


def test_other_properties_keep_their_tails(source, frame, quick):
    changed = load(source, "my", target="bulk_modulus_gpa", loaded=with_values(frame, "bulk_modulus_gpa", row_0=1e6))
    parts = cut(changed, changed.split, quick)
    assert parts.counts == {} and len(parts.train) + len(parts.validation) + len(parts.test) == 72


def test_a_rare_class_is_no_outlier(source, frame, quick):
    rare = frame.assign(has_low_formation_energy=1.0 * frame.index.isin([0, 1]))
    config = replace(quick, num_classes=2)
    data = load(source, "my", target="has_low_formation_energy", num_classes=2, loaded=as_loaded(rare))
    split = np.where(frame.index % 6 == 5, "test", "train").astype(object)
    parts = cut(data, split, config)
    assert len(parts.train) + len(parts.validation) + len(parts.test) == 72


def test_rows_of_no_part_are_not_counted_as_left_out(source, frame, quick):
    split = folds(72, 6, seed=0)[0]
    unused = int(np.flatnonzero(split == "train")[0])
    split[unused] = "unused"
    assert cut(outlying(source, frame, **{f"row_{unused}": 1e6}), split, quick).counts == {"beyond 5 sigma": 0}


def test_parts_without_rows_are_refused(data, quick):
    names = np.array(["train", "val", "test"], object)
    for missing, name in (("test", "test"), ("train", "training")):
        split = np.resize(names[names != missing], 72)
        assert f"made up leaves no {name} row of 72. Give more rows." == refusal(cut, data, split, quick)
    split = np.where(np.arange(72) == 0, "train", "test").astype(object)
    assert "to vary; received" in refusal(cut, data, split, quick)
    constant = replace(data, rows=replace(data.rows, y=np.where(data.split == "test", data.rows.y, -1.0)))
    same = refusal(cut, replace(constant, target="gap"), data.split, quick)
    assert "the training rows of made up to vary; received -1 in all 48 rows" in same
