"""Files of EMsoft: the bundled one, small ones in its format, and what is none of them."""

import hashlib
import shutil

import h5py
import numpy as np
import pytest

from omnet.master_pattern import BUNDLED, MasterPattern, load_master_pattern

GROUP = "EMData/EBSDmaster"


@pytest.fixture
def write(tmp_path):
    """Writes a small file in EMsoft's format: two sites, three energies."""

    def write(leave_out=(), **changed):
        rng = np.random.default_rng(0)
        content = {
            f"{GROUP}/mLPNH": rng.random((2, 3, 5, 5), np.float32),
            f"{GROUP}/mLPSH": rng.random((2, 3, 5, 5), np.float32),
            f"{GROUP}/masterSPNH": rng.random((3, 5, 5), np.float32),
            f"{GROUP}/EkeVs": np.array([10, 15, 20], np.float32),
            f"{GROUP}/xtalname": np.array([b"folder/fe.xtal"]),
            "CrystalData/SpaceGroupNumber": np.array([229], np.int32),
        }
        content |= {next(name for name in content if name.endswith(key)): value for key, value in changed.items()}
        path = tmp_path / "master.h5"
        with h5py.File(path, "w") as file:
            for name, value in content.items():
                if name.rpartition("/")[2] not in leave_out:
                    file[name] = value
        return path, content

    return write


def test_the_bundled_file_is_the_published_one():
    assert hashlib.md5(BUNDLED.read_bytes()).hexdigest() == "807c8306a0d02b46effbcb12bd44cd02"
    master = load_master_pattern()
    assert master.upper.shape == (401, 401) and master.upper.dtype == np.float32
    assert master.lower is master.upper  # they do not differ
    assert (master.upper.min(), master.upper.max()) == (0, 255)
    assert (master.energy_kev, master.phase, master.source) == (20, "ni2", str(BUNDLED))


def test_the_bundled_pattern_has_the_symmetry_of_the_cube():
    upper = load_master_pattern().upper
    for symmetric in (upper.T, upper[::-1], upper[:, ::-1]):
        assert np.abs(symmetric - upper).mean() < 0.5


def test_it_is_read_as_by_kikuchipy():
    kikuchipy = pytest.importorskip("kikuchipy")
    signal = kikuchipy.load(str(BUNDLED), projection="lambert", hemisphere="both")
    master = load_master_pattern()
    np.testing.assert_array_equal(np.squeeze(signal.data), [master.upper, master.lower])


@pytest.mark.parametrize(("energy_kev", "place"), [(None, 2), (10, 0), (15.0, 1)])
def test_sites_are_summed_and_the_energy_is_chosen(write, energy_kev, place):
    path, content = write()
    master = load_master_pattern(path, energy_kev)
    np.testing.assert_allclose(master.upper, content[f"{GROUP}/mLPNH"][:, place].sum(axis=0), rtol=1e-6)
    np.testing.assert_allclose(master.lower, content[f"{GROUP}/mLPSH"][:, place].sum(axis=0), rtol=1e-6)
    assert master.lower is not master.upper
    assert (master.energy_kev, master.phase) == (content[f"{GROUP}/EkeVs"][place], "fe")


@pytest.mark.parametrize(
    ("leave_out", "changed", "words"),
    [
        (["mLPNH"], {}, "found one in stereographic projection only"),
        (["mLPNH", "masterSPNH"], {}, "found none"),
        (["mLPSH"], {}, "mLPSH"),
        (["EkeVs"], {}, "EkeVs"),
        ([], {"EkeVs": np.array([20.0])}, r"\(sites, 1, m, m\)"),
        ([], {"mLPNH": np.zeros((5, 5))}, r"received \(5, 5\)"),
        ([], {"mLPNH": np.zeros((2, 3, 5, 4))}, "square"),
        ([], {"mLPNH": np.full((2, 3, 5, 5), np.nan)}, "finite"),
        ([], {"SpaceGroupNumber": np.array([194])}, "space group 194"),
    ],
)
def test_what_is_no_master_pattern_is_refused_in_one_sentence(write, leave_out, changed, words):
    path, _ = write(leave_out, **changed)
    with pytest.raises(ValueError, match=words) as error:
        load_master_pattern(path)
    assert "\n" not in str(error.value)


def test_an_energy_that_is_not_there_is_refused_with_those_that_are(write):
    with pytest.raises(ValueError, match="10, 15, 20 keV"):
        load_master_pattern(write()[0], 17)


@pytest.mark.parametrize("num_bytes", [0, 100, 40_000, 900_000])
def test_a_file_cut_short_is_refused_in_one_sentence(tmp_path, num_bytes):
    path = tmp_path / "cut.h5"
    path.write_bytes(BUNDLED.read_bytes()[:num_bytes])
    with pytest.raises(ValueError, match="whole HDF5 file") as error:
        load_master_pattern(path)
    assert "\n" not in str(error.value)


def test_a_damaged_block_is_refused(tmp_path):
    path = tmp_path / "damaged.h5"
    shutil.copy(BUNDLED, path)
    with h5py.File(path) as file:
        place = file[f"{GROUP}/mLPNH"].id.get_chunk_info(0).byte_offset
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(b"\xff" * 1000)
    with pytest.raises(ValueError, match="whole HDF5 file"):
        load_master_pattern(path)


def test_garbage_and_nothing_are_refused(tmp_path):
    garbage = tmp_path / "garbage.h5"
    garbage.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(ValueError, match="whole HDF5 file"):
        load_master_pattern(garbage)
    with pytest.raises(FileNotFoundError, match="found no file there"):
        load_master_pattern(tmp_path / "none.h5")
    with pytest.raises(FileNotFoundError, match="found no file there"):
        load_master_pattern(tmp_path)


def test_hemispheres_without_a_middle_are_refused():
    with pytest.raises(ValueError, match="odd"):
        MasterPattern(np.zeros((4, 4)), np.zeros((4, 4)), 20, "ni", "here")
