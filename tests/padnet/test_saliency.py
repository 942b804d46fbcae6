"""What an answer rests on, seen on a network whose answer rests on one place by construction."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from padnet import saliency
from padnet.config import ROBUST_RECIPE
from padnet.saliency import is_drawn, occlusion_maps, write_saliency


class Corner:
    """Probability 0.9 of class 1 while the upper left of frame 2 is brighter than the rest of it, else 0.4."""

    config = replace(ROBUST_RECIPE, image_px=128, num_frames=2, mode="paper", trainable_filters=True)

    def forward(self, arrays):
        images = arrays[0][:, 1]
        bright = images[:, :16, :16].mean(axis=(1, 2)) > 2 * np.median(images, axis=(1, 2))
        share = np.where(bright, 0.9, 0.4)
        assert len(arrays[1]) == len(images)
        return np.stack([1 - share, share], axis=1)


@pytest.fixture
def frames():
    frames = np.full((2, 128, 128), 10.0)
    frames[:, :16, :16] = 100
    return frames


def test_the_place_that_decides_is_found_in_its_frame(frames):
    lost = occlusion_maps(Corner(), frames, [np.zeros(3, np.float32)], grid=8)
    assert lost.shape == (2, 8, 8)
    assert lost[1, 0, 0] == pytest.approx(0.5) and np.count_nonzero(lost) == 1


def test_no_more_copies_of_large_frames_are_held_than_fit_a_batch(frames, monkeypatch):
    held = []

    class Watched(Corner):
        def forward(self, arrays):
            held.append(arrays[0].size)
            return super().forward(arrays)

    expected = occlusion_maps(Corner(), frames, [np.zeros(3, np.float32)], grid=5)
    monkeypatch.setattr(saliency, "VALUES_PER_BATCH", 3 * frames.size)
    np.testing.assert_array_equal(occlusion_maps(Watched(), frames, [np.zeros(3, np.float32)], grid=5), expected)
    assert max(held) == 3 * frames.size and sum(held) == (2 * 25 + 1) * frames.size


@pytest.mark.parametrize("sample", [0, 1, 8])  # one of each phase region
def test_a_trained_network_rests_on_rings(trained, spread, sample):
    columns = [spread.composition[sample].astype(np.float32)]
    lost = occlusion_maps(trained[0].predictor, spread.frames[sample], columns, grid=8)[0]
    of_region = spread.labels == spread.labels[sample]
    on_ring = (spread.frames[of_region].mean(axis=0) - spread.frames.mean(axis=0))[0] > 10
    crossed = on_ring.reshape(8, 16, 8, 16).any(axis=(1, 3))
    assert 0.3 < crossed.mean() < 0.6
    assert crossed.ravel()[lost.argmax()] and lost[crossed].mean() > lost[~crossed].max()


def test_a_network_without_images_has_nothing_to_show(frames):
    blind = Corner()
    blind.config = replace(Corner.config, inputs=("composition",))
    with pytest.raises(ValueError, match="one that takes composition"):
        occlusion_maps(blind, frames, [])


def test_numbers_and_picture_are_written(frames, tmp_path):
    lost = np.random.default_rng(0).normal(size=(2, 8, 8)).astype(np.float32)
    write_saliency(tmp_path / "a.tif.png", frames, lost, "a.tif, ZnO", model="m1", sha256="f1")
    table = pd.read_csv(tmp_path / "a.tif.csv")
    assert table.columns.tolist() == ["frame", "row", "column", "probability_lost", "model", "sha256"]
    of_place = table.set_index(["frame", "row", "column"])["probability_lost"]
    assert of_place[1, 3, 5] == pytest.approx(lost[1, 3, 5], rel=1e-6) and len(table) == 128
    assert is_drawn(tmp_path / "a.tif.png", model="m1", sha256="f1")
    assert not is_drawn(tmp_path / "a.tif.png", model="m1", sha256="f2")
    assert not is_drawn(tmp_path / "a.tif.png", model="m2", sha256="f1")
    assert min(Image.open(tmp_path / "a.tif.png").size) > 100
