"""The models of table 3.2 on the same rows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from common.readers import LoadedDataset
from common.rows import Rows
from common.scored import Scored
from elemnet import comparison, data
from elemnet.config import TARGET, ElemNetConfig
from elemnet.predict import ENERGY, load_pretrained


@pytest.fixture(scope="module")
def flla():
    return data.load(ElemNetConfig(recipe="test", data="flla"))


def test_forests_share_a_subsample_of_each_split(flla):
    physical, fractions = comparison.forests_on_subsample(flla, num_train=80, num_test=30, num_trees=5, seed=3)
    assert physical.rows_train == fractions.rows_train == 80
    np.testing.assert_array_equal(physical.y_true, flla.test.draw(30, 3).y)
    np.testing.assert_array_equal(physical.y_true, fractions.y_true)
    assert len(physical.y_pred) == 30 and not np.array_equal(physical.y_pred, fractions.y_pred)


def test_shipped_weights_are_fair_on_the_split_that_they_were_trained_with_only(flla):
    few = replace(flla, test=flla.test.draw(20, 0), test_with_outliers=flla.test_with_outliers.draw(25, 0))
    default, with_outliers, with_dropout = comparison.shipped_weights(few)
    assert "not a fair score" in default.note
    assert [len(model.y_pred) for model in (default, with_outliers, with_dropout)] == [20, 25, 20]
    assert not np.array_equal(default.y_pred, with_dropout.y_pred)
    as_oqmd = replace(few, loaded=replace(flla.loaded, name="oqmd"))
    assert "not a fair score" not in comparison.shipped_weights(as_oqmd)[0].note


def test_published_rows_without_an_answer_are_left_out_of_both(monkeypatch):
    frame = pd.DataFrame({"formula": ["NaCl", "He", "MgO"], TARGET: [-2.0, 0.0, -3.0], "predicted": [-2.1, 5.0, -2.8]})
    published = LoadedDataset(frame, comparison.PUBLISHED, "public", 3, {})
    monkeypatch.setattr(comparison.datasets, "load", lambda name, allow_stand_in: published)
    ours, theirs = comparison.on_published_rows()
    for model in (ours, theirs):
        assert model.y_true.tolist() == [-2.0, -3.0]
    assert theirs.y_pred.tolist() == [-2.1, -2.8] and theirs.mae == pytest.approx(0.15)
    np.testing.assert_array_equal(ours.y_pred, load_pretrained().predict(["NaCl", "MgO"])[ENERGY])


def test_a_model_that_skipped_a_row_is_not_in_the_table_of_predictions():
    rows = Rows(pd.DataFrame({"formula": ["NaCl", "MgO"]}), np.zeros((2, 1)), np.array([-2.0, -3.0], np.float32))
    whole = Scored("whole", rows.y, np.array([-2.12341, -3.0]), 1, None)
    part = Scored("part", rows.y[:1], np.array([-2.0]), 1, None)
    table = comparison.predictions_table(rows, {"a": whole, "b": part})
    assert table.to_dict("list") == {"formula": ["NaCl", "MgO"], TARGET: [-2.0, -3.0], "a": [-2.1234, -3.0]}
