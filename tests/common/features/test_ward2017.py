"""The 271 attributes: SIPFENN's order, and runs that go on after a kill, in parallel, past whatever fails."""

import hashlib
import os

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from common.features import magpie, voronoi, ward2017
from common.features.elemental import PROPERTIES

ELEMENTS = ("Na", "K", "Fe", "Ni", "Cu", "Ti", "Al", "Zr")


def cells(number):
    """B2 structures, none like another."""
    for i in range(number):
        pair = [ELEMENTS[i % 8], ELEMENTS[(i // 8 + 1) % 8]]
        yield Structure(Lattice.cubic(3 + 0.001 * i), pair, [[0, 0, 0], [0.5, 0.5, 0.5]])


@pytest.fixture
def computed(monkeypatch):
    """Chunks of 4; returns the list to which each computed chunk adds its size."""
    sizes, compute = [], ward2017.featurize_with_reasons

    def counting(structures):
        sizes.append(len(structures))
        return compute(structures)

    monkeypatch.setattr(ward2017, "CHUNK_STRUCTURES", 4)
    monkeypatch.setattr(ward2017, "featurize_with_reasons", counting)
    return sizes


# -------------------------------------------------------------------------------------------------- names and order


def sipfenn_name(label):
    statistics = {"range": "maxdiff", "avg_dev": "dev", "maximum": "max", "minimum": "min", "mode": "most"}
    ionic = {"compound possible": "CanFormIonic", "max ionic char": "MaxIonicChar", "avg ionic char": "MeanIonicChar"}
    if label.endswith("-norm"):
        return "NComp" if label == "0-norm" else f"Comp_L{label.removesuffix('-norm')}Norm"
    if label.startswith("MagpieData "):
        _, statistic, name = label.split()
        return f"{statistics.get(statistic, statistic)}_{'NValance' if name == 'NValence' else name}"
    if label.startswith("frac "):
        return f"frac_{label.split()[1]}Valence"
    return ionic.get(label, label)


def test_order_is_sipfenns():
    # sha256 of labels_Ward2017.csv in PhasesResearchLab/pySIPFENN, commit f7e0da19
    pinned = "10e8452be406e30d3790137f3cc8f727796099f73bc471ded90c07e1c6a9ab2a"
    text = "".join(f"{sipfenn_name(label)}\n" for label in ward2017.LABELS)
    assert hashlib.sha256(text.encode()).hexdigest() == pinned


def test_columns_are_those_of_the_two_parts():
    structures = list(cells(3))
    attributes = ward2017.featurize(structures).attributes
    np.testing.assert_array_equal(attributes[:, :126], voronoi.featurize(structures))
    composition = magpie.featurize([structure.composition.formula for structure in structures])
    columns = [ward2017.LABELS.index(label) for label in magpie.MAGPIE_LABELS]
    assert sorted(columns) == list(range(126, 271))
    np.testing.assert_allclose(attributes[:, columns], composition, rtol=1e-12)


def test_mean_and_range_stand_where_their_labels_say():
    row = ward2017.featurize([next(cells(1))]).attributes[0]  # NaK
    first = 126 + 6 + 6 * PROPERTIES.index("Number")
    np.testing.assert_allclose(row[first : first + 6], [15, 8, 4, 19, 11, 11])  # mean, range, avg_dev, max, min, mode


# ---------------------------------------------------------------------------------------------------------- long runs


def test_a_run_cut_short_goes_on(tmp_path, computed):
    def cut_short():
        yield from cells(9)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ward2017.featurize(cut_short(), cache_dir=tmp_path)
    assert computed == [4, 4] and len(list(tmp_path.iterdir())) == 2

    found = ward2017.featurize(cells(11), cache_dir=tmp_path)
    assert computed == [4, 4, 3]
    np.testing.assert_array_equal(found.attributes, ward2017.featurize(cells(11)).attributes)
    assert found.ok.all() and found.reasons.dtype == object


def test_reasons_are_kept_in_the_cache(tmp_path, computed):
    structures = [*cells(3), None, *cells(2)]
    first = ward2017.featurize(structures, cache_dir=tmp_path)
    again = ward2017.featurize(iter(structures), cache_dir=tmp_path)
    assert computed == [4, 2]
    for found in (first, again):
        assert found.ok.tolist() == [True] * 3 + [False] + [True] * 2
        assert found.reasons[3] == "Expected a pymatgen Structure, received NoneType."
        assert np.isnan(found.attributes[3]).all() and np.isfinite(found.attributes[found.ok]).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.replace(0, "Sc"),
        lambda s: s.translate_sites([0], [1e-6, 0, 0]),
        lambda s: s.scale_lattice(s.volume * 1.0001),
        lambda s: s.replace(0, {"Na": 0.5, "K": 0.5}),
    ],
    ids=["species", "coordinates", "lattice", "disorder"],
)
def test_a_changed_structure_is_computed_anew(tmp_path, computed, change):
    structures = list(cells(4))
    ward2017.featurize(structures, cache_dir=tmp_path)
    change(structures[2])
    ward2017.featurize(structures, cache_dir=tmp_path)
    assert computed == [4, 4]


def test_other_attributes_are_computed_anew(tmp_path, computed, monkeypatch):
    ward2017.featurize(cells(4), cache_dir=tmp_path)
    monkeypatch.setattr(ward2017, "ATTRIBUTES_VERSION", ward2017.ATTRIBUTES_VERSION + 1)
    ward2017.featurize(cells(4), cache_dir=tmp_path)
    assert computed == [4, 4]


@pytest.mark.parametrize("damage", [b"", b"not a zip file", None], ids=["empty", "other", "truncated"])
def test_a_damaged_file_is_computed_anew(tmp_path, computed, damage):
    expected = ward2017.featurize(cells(4), cache_dir=tmp_path).attributes
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:500] if damage is None else damage)
    for _ in range(2):
        np.testing.assert_array_equal(ward2017.featurize(cells(4), cache_dir=tmp_path).attributes, expected)
    assert computed == [4, 4]


def test_files_are_whole_or_not_there(tmp_path, computed, monkeypatch):
    def full_disk(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        ward2017.featurize(cells(4), cache_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_takes_down_a_chunk_costs_one_structure(computed, monkeypatch):
    compute = ward2017.featurize_with_reasons

    def fragile(structures):
        if any(set(structure.symbol_set) == {"Ni", "Pt"} for structure in structures):
            raise MemoryError("no memory left")
        return compute(structures)

    monkeypatch.setattr(ward2017, "featurize_with_reasons", fragile)
    structures = list(cells(6))
    structures[2] = Structure(Lattice.cubic(3), ["Ni", "Pt"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    found = ward2017.featurize(structures)
    assert np.flatnonzero(~found.ok).tolist() == [2]
    assert found.reasons[2] == "MemoryError: no memory left"


def test_two_processes_give_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(ward2017, "CHUNK_STRUCTURES", 4)
    found = ward2017.featurize(cells(10), cache_dir=tmp_path, num_processes=2)
    assert len(list(tmp_path.iterdir())) == 3
    np.testing.assert_array_equal(found.attributes, ward2017.featurize(cells(10)).attributes)


def test_none_and_single():
    assert ward2017.featurize([]).attributes.shape == (0, 271)
    with pytest.raises(TypeError, match=r"write \[structure\]"):
        ward2017.featurize(next(cells(1)))
