"""Compiled functions of tensors."""

import keras
import numpy as np
import pytest
from keras import ops

from common import backend

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


@pytest.mark.parametrize("jit", [False, True])
def test_compiling_changes_no_result(jit):
    def function(x, shift):
        return ops.exp(x) + shift, ops.sum(x, axis=1)

    for compiled, plain in zip(backend.compiled(function, jit=jit)(X, 2.0), function(X, 2.0), strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(compiled), ops.convert_to_numpy(plain), rtol=1e-5)


def test_a_shape_is_traced_once():
    traced = []

    def function(x):
        traced.append(x.shape)
        return x * 2

    compiled = backend.compiled(function)
    for rows in (X, X + 1, X[:2], X):
        np.testing.assert_allclose(ops.convert_to_numpy(compiled(ops.array(rows))), 2 * rows)
    if backend.is_tensorflow():
        assert len(traced) == 2


def test_where_nothing_compiles_the_function_comes_back(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    assert backend.compiled(len) is len
