"""ElemNet's rows: who decides what, and that no test row decides anything under the honest protocol."""

from dataclasses import replace

import numpy as np
import pytest

from common.composition import composition_keys, encode
from elemnet import data
from elemnet.config import ElemNetConfig

FLLA = ElemNetConfig(recipe="test", data="flla")


@pytest.fixture(scope="module")
def honest():
    return data.load(FLLA)


def keys(rows) -> set[int]:
    return set(composition_keys(encode(rows.frame["formula"]).fractions).tolist())


def user_table(path, rows: list[tuple[str, float, str]]) -> ElemNetConfig:
    lines = [f"{formula},{energy},{split}" for formula, energy, split in rows]
    path.write_text("\n".join(["formula,formation_energy_ev_per_atom,split", *lines]) + "\n")
    return replace(FLLA, data=str(path))


# A spread of ordinary training rows, so that one odd row does not move the 5-sigma limits past itself.
ORDINARY = [(f"Na{i}Cl{j}", -1 + 0.1 * ((i + j) % 3), "train") for i in range(1, 10) for j in range(1, 10) if i != j]
OTHERS = [("Na11Cl13", -1, "val"), ("Na13Cl11", -1, "test")]


def test_honest_parts_share_no_composition(honest):
    train, validation, test = keys(honest.train), keys(honest.validation), keys(honest.test)
    assert train and validation and test
    assert not train & validation and not train & test and not validation & test


def test_the_paper_protocol_validates_on_the_test_rows(honest):
    paper = data.load(replace(FLLA, protocol="paper"))
    assert paper.validation is paper.test
    assert keys(paper.test) == keys(honest.test)
    assert keys(paper.train) == keys(honest.train) | keys(honest.validation)


def test_an_unknown_protocol_is_refused():
    with pytest.raises(ValueError, match="'honest' or 'paper'"):
        replace(FLLA, protocol="hopeful")


def test_rows_are_fractions_of_the_elements_named(honest):
    for rows in (honest.train, honest.validation, honest.test):
        assert rows.x.dtype == rows.y.dtype == np.float32
        assert rows.x.shape == (len(rows), len(honest.elements)) and rows.y.shape == (len(rows),)
        np.testing.assert_allclose(rows.x.sum(axis=1), 1, atol=1e-6)
        expected = encode(rows.frame["formula"], honest.elements).fractions.astype(np.float32)
        assert np.array_equal(rows.x, expected)
        assert np.array_equal(rows.y, rows.frame["formation_energy_ev_per_atom"].to_numpy(np.float32))
    assert (honest.train.x > 0).any(axis=0).all()  # every input column has training rows


def test_training_rows_alone_decide_the_elements(tmp_path):
    config = user_table(tmp_path / "t.csv", [*ORDINARY, *OTHERS, ("NaBr", -1, "test"), ("KCl", -1, "val")])
    loaded = data.load(config)
    assert loaded.elements == ("Na", "Cl")
    assert loaded.counts["element absent from training rows"] == 2
    assert loaded.test.frame["formula"].tolist() == ["Na13Cl11"]


def test_training_rows_alone_decide_the_outlier_limits(tmp_path):
    far = [(f"Na{100 + i}Cl103", 50, "test") for i in range(4, 14)]  # so many that they would widen the limits
    loaded = data.load(user_table(tmp_path / "t.csv", [*ORDINARY, *OTHERS, *far, ("Na31Cl", 50, "val")]))
    assert loaded.counts["beyond 5 sigma"] == 11
    assert loaded.test.frame["formula"].tolist() == ["Na13Cl11"]
    assert len(loaded.test_with_outliers) == 11


def test_an_element_seen_only_in_an_outlier_is_not_an_input(tmp_path):
    rows = [*ORDINARY, *OTHERS, ("NaF", 500, "train"), ("NaF3", -1, "test"), ("Na3F", 500, "test")]
    loaded = data.load(user_table(tmp_path / "t.csv", rows))
    assert loaded.elements == ("Na", "Cl")
    assert loaded.counts["beyond 5 sigma"] == 2 and loaded.counts["element absent from training rows"] == 1
    assert loaded.test_with_outliers.frame["formula"].tolist() == ["Na13Cl11"]


def test_every_row_read_is_kept_or_counted(honest):
    kept = sum(len(rows) for rows in (honest.train, honest.validation, honest.test))
    assert kept + sum(honest.counts.values()) == len(honest.loaded.frame)


def test_draws_of_training_rows_are_nested_and_seeded(honest):
    def formulas(num_rows, seed=0):
        config = replace(FLLA, max_train_rows=num_rows).with_training(seed=seed)
        return data.load(config).train.frame["formula"].tolist()

    small, large = formulas(20), formulas(50)
    assert len(small) == 20 and len(large) == 50
    assert large[:20] == small and len(set(large)) == 50
    assert formulas(20, seed=1) != small
    assert formulas(10**9) == honest.train.frame["formula"].tolist()


def test_a_draw_leaves_the_other_rows_and_the_inputs_alone(honest):
    drawn = data.load(replace(FLLA, max_train_rows=20))
    assert keys(drawn.test) == keys(honest.test) and keys(drawn.validation) == keys(honest.validation)
    assert drawn.elements == honest.elements


@pytest.mark.parametrize(
    ("rows", "missing"), [(ORDINARY, "test"), ([("Na11Cl13", -1, "val"), ("NaCl", -1, "test")], "training")]
)
def test_a_table_without_a_part_is_refused(tmp_path, rows, missing):
    with pytest.raises(ValueError, match=f"no {missing} row"):
        data.load(user_table(tmp_path / "t.csv", rows))


def test_validation_rows_are_cut_from_training_where_there_are_none(tmp_path):
    loaded = data.load(user_table(tmp_path / "t.csv", [*ORDINARY, ("Na13Cl11", -1, "test")]))
    assert len(loaded.validation) == round(0.05 * (len(loaded.train) + len(loaded.validation)))
    assert len(loaded.test) == 1
