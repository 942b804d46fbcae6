"""The losses of table 6.1 against NumPy, orix and finite gradients where the angle is 0 or 180 degrees."""

import keras
import numpy as np
import pytest
from keras import ops

from common import backend
from omnet import rotations
from omnet.losses import LOSSES, make_loss

RNG = np.random.default_rng(0)
TRUE = rotations.euler_from_quaternions(rotations.random_quaternions(40, RNG)).astype(np.float32)
PREDICTED = (TRUE + RNG.normal(scale=0.5, size=TRUE.shape)).astype(np.float32)


def value(name: str, head: str = "euler", true=TRUE, predicted=PREDICTED, **weights) -> np.ndarray:
    return ops.convert_to_numpy(make_loss(name, head, **weights)(ops.array(true), ops.array(predicted)))


def test_the_errors_of_outputs_are_sums_over_outputs():
    difference = PREDICTED.astype(np.float64) - TRUE
    np.testing.assert_allclose(value("mae"), np.abs(difference).sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(value("mse"), (difference**2).sum(axis=1), rtol=1e-5)


def test_the_disorientation_is_that_of_orix_in_degrees():
    orix = pytest.importorskip("orix.quaternion")
    from orix.quaternion.symmetry import O

    true, predicted = (orix.Orientation.from_euler(angles, symmetry=O) for angles in (TRUE, PREDICTED))
    np.testing.assert_allclose(value("mde"), true.angle_with(predicted, degrees=True), atol=2e-3)


@pytest.mark.parametrize("part", ["mae", "mse"])
def test_a_sum_of_two_is_the_weighted_sum(part):
    both = value(f"{part}+mde", output_weight=2.0, disorientation_weight=0.25)
    np.testing.assert_allclose(both, 2 * value(part) + 0.25 * value("mde"), rtol=1e-5)


def test_equivalent_orientations_have_no_disorientation():
    quaternions = rotations.quaternions_from_euler(TRUE)
    equivalents = rotations.multiply(rotations.CUBIC_QUATERNIONS[7], quaternions).astype(np.float32)
    assert value("mde", "quaternion", quaternions.astype(np.float32), equivalents).max() < 1e-3
    assert value("mse", "quaternion", quaternions.astype(np.float32), equivalents).min() > 0.01


def test_harmonics_have_errors_of_outputs():
    true, predicted = RNG.normal(size=(2, 5, 9)).astype(np.float32)
    np.testing.assert_allclose(
        value("mse", "harmonics", true, predicted), ((true - predicted) ** 2).sum(axis=1), rtol=1e-5
    )


def test_gradients_are_finite_on_identical_and_on_opposite_pairs():
    """By one optimiser step of all losses together; each row of the kernel is the prediction for one pair."""
    turns = np.float32([[0, 0, 0], [np.pi, 0, 0], [np.pi / 4, 0, 0], [0, np.pi, 0]])
    predicted = np.concatenate([TRUE[:4] + turn for turn in turns])
    true = np.tile(TRUE[:4], (len(turns), 1))
    model = keras.Sequential([keras.Input((len(true),)), keras.layers.Dense(3, use_bias=False)])
    model.layers[0].kernel.assign(predicted)
    optimizer = keras.optimizers.SGD(1e-3)
    optimizer.build(model.trainable_variables)
    losses = [make_loss(name, "euler") for name in LOSSES]
    runner = backend.make_chunk_runner(
        model,
        optimizer,
        lambda true, predicted: sum(ops.mean(loss(true, predicted)) for loss in losses),
        np.eye(len(true), dtype=np.float32),
        true,
        steps_per_chunk=1,
    )
    assert np.isfinite(runner(np.arange(len(true))[None]))
    moved = model.get_weights()[0] - predicted
    assert np.isfinite(moved).all() and np.abs(moved[4:]).max() > 0


@pytest.mark.parametrize(("name", "head"), [("rmse", "euler"), ("mde", "harmonics"), ("mae+mde", "harmonics")])
def test_a_loss_that_is_not_known_or_not_for_the_head(name, head):
    with pytest.raises(
        ValueError, match=f"Expected a loss of mae, mse.* for head '{head}'; received '{name.replace('+', '[+]')}'"
    ):
        make_loss(name, head)
