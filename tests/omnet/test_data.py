"""Orientations of training, validation and test, and the targets of each head."""

from dataclasses import replace

import numpy as np
import pytest

from omnet import data, rotations
from omnet.config import HEADS, PAPER_RECIPE, Augmentation
from omnet.disorientation import disorientation_deg
from omnet.sampling import cubochoric_grid

RANDOM = rotations.random_quaternions(300, np.random.default_rng(0))


@pytest.mark.parametrize("head", HEADS)
def test_targets_have_the_size_of_the_head_and_no_symmetric_equivalents(head):
    expected = data.targets(RANDOM, head)
    assert expected.shape == (300, HEADS[head])
    for operator in rotations.CUBIC_QUATERNIONS[[1, 5, 20]]:
        np.testing.assert_allclose(data.targets(rotations.multiply(operator, RANDOM), head), expected, atol=1e-9)


@pytest.mark.parametrize("head", HEADS)
def test_targets_lead_back_to_their_orientations(head):
    quaternions, confidences = data.orientations(data.targets(RANDOM, head), head)
    assert disorientation_deg(quaternions, RANDOM).max() < 1e-5
    assert (quaternions[:, 0] > 0.856).all()
    assert (np.abs(confidences - 1) < 1e-9).all() if head == "harmonics" else np.isnan(confidences).all()


def test_quaternions_of_a_network_need_not_have_unit_length():
    quaternions, _ = data.orientations(7 * data.targets(RANDOM, "quaternion"), "quaternion")
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1)


def test_the_dictionary_of_the_thesis_stays_below_its_largest_phi():
    grid = cubochoric_grid(100)
    euler_rad = rotations.euler_from_quaternions(grid)
    assert len(grid) == 333_227
    assert np.rad2deg(euler_rad[:, 1].max()) == pytest.approx(60.589, abs=1e-3)
    np.testing.assert_allclose(data.targets(grid[::997], "euler"), euler_rad[::997], atol=1e-9)  # already in the zone


def test_training_on_a_dictionary_takes_each_of_its_orientations_once():
    rows = data.training_rows(replace(PAPER_RECIPE, grid_steps=12))
    np.testing.assert_allclose(rows.x[:, :4], cubochoric_grid(12), atol=1e-7)
    assert rows.x.dtype == rows.y.dtype == np.float32 and rows.y.shape == (len(rows), 3)
    assert (rows.x[:, 4:] == np.float32(PAPER_RECIPE.detector.pc)).all()


def test_the_parts_have_no_orientation_in_common(tiny_config):
    tiny_config = replace(tiny_config, num_train=8_192)
    parts = [data.training_rows(tiny_config).x[:, :4], data.validation_rows(tiny_config).x[:, :4]]
    parts.append(data.test_quaternions().astype(np.float32))
    assert [len(part) for part in parts] == [8_192, 200, 1_000]
    together = np.concatenate(parts)
    assert len(np.unique(together, axis=0)) == len(together)


def test_the_seed_changes_training_and_validation_but_never_the_test(tiny_config):
    other = tiny_config.with_training(seed=99)
    for rows in (data.training_rows, data.validation_rows):
        assert np.array_equal(rows(tiny_config).x, rows(tiny_config).x)
        assert not np.array_equal(rows(tiny_config).x, rows(other).x)
    assert np.array_equal(data.test_quaternions(), data.test_quaternions())


def test_the_paper_protocol_validates_on_the_test(tiny_config):
    rows = data.validation_rows(replace(tiny_config, protocol="paper"))
    assert np.array_equal(rows.x[:, :4], data.test_quaternions().astype(np.float32))


def test_projection_centres_scatter_in_training_only(tiny_config):
    config = replace(tiny_config, augmentation=Augmentation(pc_sd=0.02))
    scatter = data.training_rows(config).x[:, 4:] - np.float32(config.detector.pc)
    np.testing.assert_allclose(scatter.std(axis=0), 0.02, rtol=0.05)
    assert np.abs(scatter.mean(axis=0)).max() < 1e-3
    assert (data.validation_rows(config).x[:, 4:] == np.float32(config.detector.pc)).all()
