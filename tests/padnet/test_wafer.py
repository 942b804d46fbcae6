"""The wafer: its places, assumed compositions and films."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from common.fetch import CorruptDataError
from experiments.paper_values import paper_value
from padnet import wafer as wafer_module
from padnet.data import WAFER_LABELS
from padnet.phases import PHASES
from padnet.wafer import (
    NUM_REGIONS,
    PITCH_MM,
    REGION_PHASES,
    compositions,
    films,
    load_wafer,
    smooth_fields,
    stand_in_wafer,
)


def test_without_the_file_the_labels_are_a_stand_in_and_say_so():
    wafer = load_wafer()
    assert wafer.source == "stand-in label map"
    assert len(wafer.labels) == len(wafer.samples) == paper_value("chapter7", "data", "samples") == 177
    sizes = np.bincount(wafer.labels)
    assert len(sizes) == NUM_REGIONS == paper_value("chapter7", "data", "classes") and sizes.min() >= 7


def test_places_are_a_square_grid_read_from_the_top():
    position_mm = stand_in_wafer().position_mm
    assert cKDTree(position_mm).query(position_mm, k=2)[0][:, 1] == pytest.approx(PITCH_MM)
    np.testing.assert_array_equal(np.lexsort((position_mm[:, 0], -position_mm[:, 1])), np.arange(177))
    _, rows = np.unique(position_mm[:, 1], return_counts=True)
    assert rows.tolist() == [5, 9, 11, 13, 13, 15, 15, 15, 15, 15, 13, 13, 11, 9, 5]  # as in the authors' file


def test_the_real_labels_are_read_from_their_file(tmp_path, monkeypatch):
    content = "sample,row,x,y,label0to7\n1,0,-2.0,7,0\n7,1,3.0,-6,5\n"
    path = tmp_path / WAFER_LABELS.path
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(CorruptDataError):
        load_wafer(tmp_path)
    from dataclasses import replace

    known = replace(WAFER_LABELS, sha256=hashlib.sha256(content.encode()).hexdigest())
    monkeypatch.setattr(wafer_module, "WAFER_LABELS", known)
    wafer = load_wafer(tmp_path)
    assert wafer.source == "real label map" and wafer.samples == ("1", "7") and wafer.labels.tolist() == [0, 5]
    np.testing.assert_allclose(wafer.position_mm, [[-9, 31.5], [13.5, -27]])


@settings(deadline=None, max_examples=30)
@given(st.floats(-35, 35), st.floats(-35, 35))
def test_compositions_are_smooth_fractions(x, y):
    here, near = compositions(np.array([[x, y], [x + 0.1, y]]))
    assert here.sum() == pytest.approx(1) and (here > 0).all()
    assert np.abs(here - near).max() < 0.003


def test_each_metal_is_richest_below_its_gun():
    guns_mm = 60 * np.array([[np.cos(angle), np.sin(angle)] for angle in np.deg2rad([130, 10, 250])])
    assert compositions(guns_mm).argmax(axis=1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(compositions(np.zeros((1, 2))), 1 / 3)


def test_films_hold_the_phases_of_their_label_and_no_others():
    wafer = stand_in_wafer()
    film = films(wafer, seed=3)
    np.testing.assert_allclose(film.fractions.sum(axis=1), 1)
    for label, fractions in zip(wafer.labels, film.fractions, strict=True):
        assert {name for name, fraction in zip(PHASES, fractions, strict=True) if fraction} == set(REGION_PHASES[label])
        assert fractions[fractions > 0].min() > 0.08
    assert ((film.titanium_share > 0) & (film.titanium_share < 1)).all()


def test_labels_differ_in_phases_and_vary_within():
    assert len(set(REGION_PHASES)) == NUM_REGIONS and max(map(len, REGION_PHASES)) <= 3
    wafer = stand_in_wafer()
    film = films(wafer, seed=0)
    for label, names in enumerate(REGION_PHASES):
        if len(names) > 1:
            assert film.fractions[wafer.labels == label].std(axis=0).max() > 0.03


def test_films_repeat_with_their_seed():
    wafer = stand_in_wafer()
    first, again, other = (films(wafer, seed) for seed in (1, 1, 2))
    for name in vars(first):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.texture, other.texture)


def test_neighbours_are_alike():
    position_mm = stand_in_wafer().position_mm
    fields = smooth_fields(position_mm, 400, np.random.default_rng(0))
    assert fields.std() == pytest.approx(1, abs=0.05)
    pairs = np.array(sorted(cKDTree(position_mm).query_pairs(PITCH_MM * 1.01)))
    neighbours = np.mean(fields[pairs[:, 0]] * fields[pairs[:, 1]])
    assert 0.8 < neighbours < 0.92  # nine tenths are smooth
    far = np.linalg.norm(position_mm[:, None] - position_mm[None], axis=-1) > 60
    assert abs((fields @ fields.T / 400)[far].mean()) < 0.2
