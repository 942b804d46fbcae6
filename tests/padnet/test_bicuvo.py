"""The reader of the Bi-Cu-V-O files, on files of the same layout."""

import numpy as np
import pytest

from common.fetch import DataFile, DataUnavailableError, hash_file
from padnet import bicuvo
from padnet.bicuvo import RAW_OFFSET, WAVELENGTH_A, load_bicuvo
from padnet.data import BICUVO_FILES

NUM_SAMPLES = 40
Q_PER_NM = 14.0066 + 0.0276 * np.arange(300)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Forty samples: 20 of phases 0 and 2, 17 of phase 1, 3 of all."""
    rng = np.random.default_rng(0)
    present = np.zeros((NUM_SAMPLES, 3))
    present[:20, [0, 2]] = [0.3, 0.7]
    present[20:37, 1] = 1
    present[37:] = 0.2
    order = rng.permutation(NUM_SAMPLES)
    composition = rng.dirichlet(np.ones(3), NUM_SAMPLES)
    raw = rng.uniform(0, 10, (NUM_SAMPLES, 700)).astype(np.float32)
    raw[:, RAW_OFFSET + 100] = 1000  # a line at the 101st scattering vector
    arrays = {
        "Q.npy": Q_PER_NM,
        "XRD.npy": raw[:, RAW_OFFSET : RAW_OFFSET + 300].astype(np.float64) / 1000,
        "raw_XRD.npy": raw,
        "composition.npy": composition,
        "weights_sol.npy": present[order],
        "bases_name.npy": np.array(["0+CuO_00-1_Cubic.txt", "1+Bi(VO4)_04-0_Tetragonal.txt", "2+V2O5_1_x.txt"]),
    }
    place = tmp_path / "xrd" / "bicuvo_drnets"
    place.mkdir(parents=True)
    for name, array in arrays.items():
        np.save(place / name, array)
    numbers = ",".join(str(number) for number in range(NUM_SAMPLES))
    instance = f"// Metadata\nM=3\nElements=Bi,Cu,V\n\n// Data\nX={numbers}\nY={numbers}\nsample_no={numbers}\n"
    (place / "Bi-Cu-V307_inst_Q300.txt").write_text(instance)
    files = {
        path.name: DataFile(f"xrd/bicuvo_drnets/{path.name}", sha256=hash_file(path, "sha256"))
        for path in place.iterdir()
    }
    monkeypatch.setattr(bicuvo, "BICUVO_FILES", files)
    return tmp_path, order, composition


def test_samples_of_common_phase_sets_are_read(folder):
    path, order, composition = folder
    dataset = load_bicuvo(data_dir=path)
    rows = np.flatnonzero(order < 37)
    assert len(dataset) == 37 and dataset.origin == "measured" and dataset.components == ("Bi", "Cu", "V")
    expected = np.where(order[rows] < 20, "CuO + V2O5", "Bi(VO4)")
    assert [dataset.class_names[label] for label in dataset.labels] == expected.tolist()
    np.testing.assert_array_equal(dataset.composition, composition[rows])
    np.testing.assert_array_equal(dataset.position_mm, np.stack([rows, rows], axis=1))
    assert dataset.samples == tuple(str(row) for row in rows)
    assert dataset.frames.shape == (37, 0, 0, 0)


@pytest.mark.parametrize("subtracted", [False, True])
def test_both_kinds_of_patterns_share_their_axis(folder, subtracted):
    dataset = load_bicuvo(subtracted=subtracted, data_dir=folder[0])
    assert dataset.patterns.shape == (37, 300 if subtracted else 700)
    line_deg = dataset.two_theta_deg[dataset.patterns[0].argmax()]
    d_a = WAVELENGTH_A / (2 * np.sin(np.deg2rad(line_deg / 2)))  # Bragg
    assert 2 * np.pi / d_a * 10 == pytest.approx(Q_PER_NM[100], rel=1e-6)
    assert (np.diff(dataset.two_theta_deg) > 0).all()


def test_the_class_size_decides_what_is_left_out(folder):
    assert len(load_bicuvo(min_class_size=3, data_dir=folder[0])) == NUM_SAMPLES
    assert len(load_bicuvo(min_class_size=18, data_dir=folder[0])) == 20
    with pytest.raises(ValueError, match="the largest has 20"):
        load_bicuvo(min_class_size=21, data_dir=folder[0])


def test_without_the_files_it_says_how_to_provide_them():
    with pytest.raises(DataUnavailableError, match="MATERIALS_DL_MIRROR"):
        load_bicuvo()


def test_the_public_files_are_pinned():
    for file in BICUVO_FILES.values():
        assert file.url.startswith("https://raw.githubusercontent.com/gomes-lab/") and len(file.sha256) == 64
