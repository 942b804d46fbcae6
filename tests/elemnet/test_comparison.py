"""The models of table 3.2 on the same rows."""

import numpy as np
import pytest

from elemnet import comparison, data
from elemnet.config import ElemNetConfig


@pytest.fixture(scope="module")
def flla():
    return data.load(ElemNetConfig(recipe="test", data="flla"))


def test_forests_share_a_subsample_of_each_split(flla):
    physical, fractions = comparison.forests_on_subsample(flla, num_train=80, num_test=30, num_trees=5, seed=3)
    assert physical.rows_train == fractions.rows_train == 80
    np.testing.assert_array_equal(physical.y_true, flla.test.draw(30, 3).y)
    np.testing.assert_array_equal(physical.y_true, fractions.y_true)
    assert len(physical.y_pred) == 30 and not np.array_equal(physical.y_pred, fractions.y_pred)
