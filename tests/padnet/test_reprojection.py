"""1D patterns as frames, against the way back by pyFAI."""

import numpy as np
import pytest

from padnet.data import MEASURED, XrdDataset
from padnet.geometry import NIST_45, SLAC
from padnet.integration import integrate_samples
from padnet.reprojection import reprojected


@pytest.fixture
def dataset():
    """Three patterns of peaks on a background, on an axis that is not even."""
    two_theta_deg = np.linspace(3.2, 7.8, 2000) ** 2
    rng = np.random.default_rng(0)
    patterns = np.stack([
        brightness * (500 + 20 * two_theta_deg + sum(
            height * np.exp(-(((two_theta_deg - middle) / 0.25) ** 2))
            for middle, height in zip(rng.uniform(12, 56, 15), rng.uniform(200, 3000, 15), strict=True)
        ))
        for brightness in (1.0, 1.5, 0.5)
    ])  # fmt: skip
    return XrdDataset(
        name="three", origin=MEASURED, frames=np.zeros((3, 0, 0, 0)), composition=np.eye(3), components=("A", "B", "C"),
        position_mm=np.zeros((3, 2)), labels=np.arange(3), class_names=("a", "b", "c"), samples=("1", "2", "3"),
        patterns=patterns, two_theta_deg=two_theta_deg,
    )  # fmt: skip


def test_the_way_back_gives_the_patterns(dataset):
    made = reprojected(dataset, SLAC, image_px=512)
    two_theta_deg, patterns = integrate_samples(made.frames, [SLAC.resized(512)], 931, (5.365, 58.566))
    inside = (two_theta_deg > dataset.two_theta_deg[0] + 0.3) & (two_theta_deg < 58)
    for pattern, measured in zip(patterns, dataset.patterns, strict=True):
        expected = np.interp(two_theta_deg, dataset.two_theta_deg, measured)
        assert np.corrcoef(pattern[inside], expected[inside])[0, 1] > 0.99
    totals = patterns[:, inside].sum(axis=1)
    np.testing.assert_allclose(totals / totals[0], dataset.patterns.sum(axis=1) / dataset.patterns[0].sum(), rtol=0.02)


def test_counts_are_those_asked_for_with_their_noise(dataset):
    many = reprojected(dataset.take(np.zeros(200, int)), SLAC, image_px=32, counts=4)
    assert many.frames.shape == (200, 1, 32, 32) and many.frames.dtype == np.int32
    lit = many.frames.mean(axis=(0, 1)) > 0
    assert np.median(many.frames[:, 0][:, lit]) == pytest.approx(4 * 64**2, rel=0.01)
    fano = many.frames.var(axis=0)[0][lit] / many.frames.mean(axis=0)[0][lit]
    assert fano.mean() == pytest.approx(1, abs=0.03)  # Poisson


def test_nothing_is_made_up_where_nothing_was_measured(dataset):
    made = reprojected(dataset, SLAC, image_px=128)
    outside = SLAC.resized(128).two_theta_deg() < dataset.two_theta_deg[0] - 0.5
    assert outside.any() and (made.frames[:, 0][:, outside] == 0).all()


def test_the_result_says_what_it_is_and_repeats(dataset):
    made, again, other = (reprojected(dataset, SLAC, image_px=32, seed=seed) for seed in (0, 0, 1))
    assert made.origin == "re-projected from measured 1D patterns" and "re-projected" in made.name
    np.testing.assert_array_equal(made.frames, again.frames)
    assert not np.array_equal(made.frames, other.frames)
    np.testing.assert_array_equal(made.labels, dataset.labels)


def test_what_cannot_be_projected_is_refused(dataset):
    from dataclasses import replace

    with pytest.raises(ValueError, match="Expected patterns"):
        reprojected(replace(dataset, patterns=None))
    low = replace(dataset, two_theta_deg=dataset.two_theta_deg / 10)
    with pytest.raises(ValueError, match="Expected a detector that sees"):
        reprojected(low, NIST_45, image_px=32)
