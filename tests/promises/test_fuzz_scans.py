"""Damaged scans and master patterns: read or refused in one sentence, soon, in little memory, and on their own."""

import io
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from omnet.ang import read_crystal
from omnet.master_pattern import load_master_pattern
from omnet.nordif import BACKGROUND, SETTINGS
from omnet.scans import read_scan
from tests.promises.harness import fuzz
from tests.promises.mutations import mutants

NUM_MUTANTS = 1_000
PC = (0.4, 0.2, 0.5)
SHAPE = (4, 6, 6)
KIKUCHIPY, EDAX, MASTER = "Scan 1/EBSD/Data/patterns", "Scan 1/EBSD/Data/Pattern", "EMData/EBSDmaster"
HEADER = "Scan 1/EBSD/Header"
SETTING_TEXT = (
    "[Microscope]\nTilt angle\t70\t°\n[Detector angles]\nElevation\t1\t°\nAzimuthal\t0\t°\n"
    "[Acquisition settings]\nResolution\t6x6\tpx\n[Area]\nNumber of samples\t2x2\t#\nStep size\t1.5\tµm\n"
)
READER = "tests.promises.test_fuzz_scans:read"


def read(path: Path):
    """A scan with all of its patterns, or a master pattern with its crystal, by the name of the file."""
    if path.name.startswith("master"):
        master = load_master_pattern(path)
        assert master.upper.ndim == 2 and np.isfinite(master.energy_kev)
        return read_crystal(path, master.phase)
    if path.suffix == ".h5":
        scan = read_scan(path)
    else:
        folder = path.parent / "nordif"
        folder.mkdir(exist_ok=True)
        for name, data in (
            (SETTINGS, SETTING_TEXT.encode("latin-1")),
            (BACKGROUND, picture()),
            ("Pattern.dat", bytes(144)),
        ):
            (folder / name).write_bytes(path.read_bytes() if name == path.name else data)
        scan = read_scan(folder / "Pattern.dat", pc=PC)
    assert len(scan) == np.prod(scan.grid) == len(scan.x_um) == len(scan.y_um)
    assert np.isfinite(scan.x_um).all() and np.isfinite(scan.y_um).all()
    assert scan.read(0, len(scan)).shape == scan.patterns.shape
    assert scan.detector.shape == scan.patterns.shape[1:]
    assert scan.static_background is None or np.isfinite(scan.static_background).all()
    return scan


def hdf5(items: dict) -> bytes:
    """An HDF5 file; an item is an array, a link, or a function of the file and the name that makes it."""
    with io.BytesIO() as stream:
        with h5py.File(stream, "w") as file:
            for name, item in items.items():
                if callable(item):
                    item(file, name)
                elif item is not None:
                    file[name] = item
        return stream.getvalue()


def kikuchipy(**changes) -> dict:
    rng = np.random.default_rng(0)
    names = {"patterns": KIKUCHIPY, "header": HEADER}
    header = {"n_rows": 2, "n_columns": 2, "step_x": 1.5, "step_y": 1.5, "sample_tilt": 70.0, "elevation_angle": 0.0}
    header |= {"azimuth_angle": 0.0, "static_background": rng.integers(0, 255, SHAPE[1:], np.uint8)}
    header |= {axis: np.full(4, place) for axis, place in zip(("pcx", "pcy", "pcz"), PC, strict=True)}
    items = {KIKUCHIPY: rng.integers(0, 255, SHAPE, np.uint8)} | {f"{HEADER}/{key}": header[key] for key in header}
    for number, angle in enumerate(("phi1", "Phi", "phi2", "phase_id")):
        items[f"Scan 1/EBSD/CrystalMap/crystal_map/data/{angle}"] = np.full(4, 0.1 * number)
    if "header" in changes:
        items = {key: item for key, item in items.items() if not key.startswith(HEADER)}
    return items | {names.get(name, f"{HEADER}/{name}"): item for name, item in changes.items()}


def edax(**changes) -> dict:
    rng = np.random.default_rng(1)
    header = {"nRows": 2, "nColumns": 2, "Step X": 0.5, "Step Y": 0.25, "Sample Tilt": 65.0, "Grid Type": [b"SqrGrid"]}
    header |= {"Camera Elevation Angle": 8.0, "Camera Azimuthal Angle": 0.0} | changes
    header |= {f"Pattern Center Calibration/{axis}-star": [place] for axis, place in zip("xyz", PC, strict=True)}
    items = {EDAX: rng.integers(0, 60_000, SHAPE, np.uint16)} | {f"{HEADER}/{key}": header[key] for key in header}
    return items | {f"Scan 1/EBSD/Data/{name}": np.full(4, 0.1) for name in ("Phi1", "Phi", "Phi2", "CI")}


def master(**changes) -> dict:
    rng = np.random.default_rng(2)
    items = {f"{MASTER}/{name}": rng.random((2, 3, 5, 5), np.float32) for name in ("mLPNH", "mLPSH")}
    items |= {f"{MASTER}/EkeVs": np.array([10, 15, 20], np.float32), f"{MASTER}/xtalname": np.array([b"a/ni.xtal"])}
    items |= {"CrystalData/SpaceGroupNumber": np.array([225], np.int32), "CrystalData/Atomtypes": np.array([28])}
    items |= {"CrystalData/LatticeParameters": np.array([0.35, 0.35, 0.35, 90, 90, 90])}
    places = {name.rpartition("/")[2]: name for name in items}
    return items | {places[name]: item for name, item in changes.items()}


def packed(file, name):
    file.create_dataset(name, data=np.arange(144, dtype=np.uint8).reshape(SHAPE), chunks=(1, 6, 6), compression="gzip")


def picture() -> bytes:
    from PIL import Image

    with io.BytesIO() as stream:
        Image.fromarray(np.arange(36, dtype=np.uint8).reshape(6, 6)).save(stream, "bmp")
        return stream.getvalue()


SEEDS = {
    "scan.h5": [hdf5(kikuchipy()), hdf5(edax()), hdf5(kikuchipy(patterns=packed))],
    "master.h5": [hdf5(master())],
    SETTINGS: [SETTING_TEXT.encode("latin-1")],
    BACKGROUND: [picture()],
}


@pytest.mark.parametrize("name", SEEDS)
def test_damaged_files_are_read_or_refused(name, faults):
    num = NUM_MUTANTS if name.endswith(".h5") else NUM_MUTANTS // 4
    inputs = [(name, data) for data in mutants(SEEDS[name], num, seed=3, head=4096)]
    report = fuzz(READER, inputs, expects=(ValueError, FileNotFoundError))
    with faults.inject(report.num_inputs):
        assert report.problems == []
    assert report.num_inputs == num and 0.01 * num < report.num_read < 0.95 * num


# --------------------------------------------------------------------------------------------- what no accident makes


def empty(*shape, dtype="u1", chunks=True, **options):
    """A data set of which nothing was ever written."""

    def make(file, name):
        file.create_dataset(name, shape, dtype, chunks=chunks, **options)

    return make


def of_huge_chunks(file, name):
    """A few bytes that stand for a chunk of a gigabyte."""
    dataset = file.create_dataset(
        name, SHAPE, "u1", chunks=(4, 16_384, 16_384), maxshape=(None, None, None), compression="gzip"
    )
    dataset.id.write_direct_chunk((0, 0, 0), b"x\x9c" + bytes(200))


def ring_of_links(file, name):
    file[name], file["other"] = h5py.SoftLink("/other"), h5py.SoftLink(f"/{name}")


def ring_of_groups(file, name):
    file.create_group(name)["again"] = file["/"]


def of_other_files(other: Path) -> dict[str, dict]:
    """Files whose parts lie in another file, where they are just as they should be."""

    def virtual(file, name):
        layout = h5py.VirtualLayout(SHAPE, "u1")
        layout[:] = h5py.VirtualSource(str(other), KIKUCHIPY, SHAPE)
        file.create_virtual_dataset(name, layout)

    def raw(file, name):
        file.create_dataset(name, SHAPE, "u1", external=[(str(other), 0, 144)])

    return {
        "scan, header elsewhere": kikuchipy(header=h5py.ExternalLink(str(other), HEADER)),
        "scan, a number elsewhere": kikuchipy(n_rows=h5py.ExternalLink(str(other), f"{HEADER}/n_rows")),
        "scan, by way of a link": kikuchipy(header=h5py.SoftLink("/away"))
        | {"away": h5py.ExternalLink(str(other), HEADER)},
        "scan, patterns elsewhere": kikuchipy(patterns=h5py.ExternalLink(str(other), KIKUCHIPY)),
        "scan, virtual patterns": kikuchipy(patterns=virtual),
        "scan, raw patterns": kikuchipy(patterns=raw),
        "scan, raw background": kikuchipy(
            static_background=lambda file, name: file.create_dataset(name, (6, 6), "u1", external=[(str(other), 0, 36)])
        ),
        "master, elsewhere": master(mLPNH=h5py.ExternalLink(str(other), f"/{MASTER}/mLPNH")),
        "master, energies elsewhere": master(EkeVs=h5py.ExternalLink(str(other), f"/{MASTER}/EkeVs")),
    }


MONSTERS = {
    "scan, a billion patterns": kikuchipy(patterns=empty(10**9, 480, 640), n_rows=10**5, n_columns=10**4),
    "scan, a huge pattern": kikuchipy(patterns=empty(4, 10**6, 10**6)),
    "scan, huge chunks": kikuchipy(patterns=of_huge_chunks),
    "scan, no patterns": kikuchipy(patterns=h5py.Empty("u1")),
    "scan, patterns of records": kikuchipy(patterns=np.zeros(SHAPE, [("a", "u1"), ("b", "f4")])),
    "scan, patterns of texts": kikuchipy(patterns=np.full(SHAPE, b"1")),
    "scan, rows of rows": kikuchipy(n_rows=empty(10**12)),
    "scan, a huge background": kikuchipy(static_background=empty(10**6, 10**6)),
    "scan, a background of NaN": kikuchipy(static_background=np.full((6, 6), np.nan)),
    "scan, huge centres": kikuchipy(pcx=empty(10**10, dtype="f8")),
    "scan, centres of NaN": kikuchipy(pcx=np.full(4, np.nan)),
    "scan, a header that is none": kikuchipy(header=np.arange(3)),
    "scan, links in a ring": kikuchipy(header=ring_of_links),
    "scan, a link to nothing": kikuchipy(header=h5py.SoftLink("/nothing")),
    "scan, a number that is a group": kikuchipy(n_rows=lambda file, name: file.create_group(name)),
    "scan, a grid type that is a number": edax(**{"Grid Type": 3}),
    "scan, a grid type of no letters": edax(**{"Grid Type": [b"\xff\x1b"]}),
    **{f"scan, {value} rows": kikuchipy(n_rows=value) for value in (np.nan, np.inf, -2.0, 0, 2**63, 1e300, 1.5)},
    "scan, minus 2 x minus 2": kikuchipy(n_rows=-2, n_columns=-2),
    "scan, an infinite step": kikuchipy(step_x=np.inf),
    "scan, many scans": {f"{'x' * 200}{number}/EBSD/Data/patterns": np.zeros((1, 2, 2), "u1") for number in range(300)},
    "master, huge": master(mLPNH=empty(10**6, 3, 1001, 1001, dtype="f4")),
    "master, huge energies": master(EkeVs=empty(10**12, dtype="f4")),
    "master, no energies": master(EkeVs=np.zeros(0)),
    "master, energies of NaN": master(EkeVs=np.full(3, np.nan)),
    "master, a group": master(mLPNH=lambda file, name: file.create_group(name)),
    "master, of texts": master(mLPNH=np.full((2, 3, 5, 5), b"1")),
    "master, a name that is a number": master(xtalname=np.array([7])),
    "master, a name of no letters": master(xtalname=np.array([b"\xff\xfe"])),
    "master, no space group": master(SpaceGroupNumber=np.zeros(0, int)),
    "master, no such atom": master(Atomtypes=np.array([200])),
    "master, an atom of no number": master(Atomtypes=np.array([0])),
    "master, links in a ring": master(EkeVs=ring_of_links),
}


def test_monsters_are_refused(faults):
    inputs = [(f"{name}.h5", hdf5(items)) for name, items in MONSTERS.items()]
    tiny = SETTING_TEXT.encode("latin-1")
    for old, new in (
        (b"2x2", b"-2x-2"),
        (b"2x2", b"9" * 4000 + b"x2"),
        (b"6x6", b"1e9x6"),
        (b"70", b"nan"),
        (b"1.5", b"inf"),
    ):
        assert old in tiny
        inputs.append((SETTINGS, tiny.replace(old, new)))
    bmp = bytearray(picture())
    bmp[18:26] = np.array([32_000, 32_000], "<i4").tobytes()  # a billion pixels
    inputs.append((BACKGROUND, bytes(bmp)))
    report = fuzz(READER, inputs, expects=(ValueError,), seconds=5)
    with faults.inject(report.num_inputs):
        assert report.problems == []
    assert report.num_read == 0 and report.peak_bytes < 2**30


def test_what_a_file_may_hold_is_read(tmp_path):
    (tmp_path / "ring.h5").write_bytes(hdf5(kikuchipy() | {"ring": ring_of_groups}))
    moved = {name.replace(HEADER, "elsewhere"): item for name, item in kikuchipy().items()}
    (tmp_path / "link.h5").write_bytes(hdf5(moved | {HEADER: h5py.SoftLink("/elsewhere")}))
    for name in ("ring.h5", "link.h5"):
        np.testing.assert_array_equal(read(tmp_path / name).read(0, 4), kikuchipy()[KIKUCHIPY])


def test_no_other_file_is_read(tmp_path, faults):
    other = tmp_path / "other.h5"
    other.write_bytes(hdf5(kikuchipy() | master()))
    inputs = [(f"{name}.h5", hdf5(items)) for name, items in of_other_files(other).items()]
    report = fuzz(READER, inputs)
    assert report.problems == [] and report.num_read == 0
    said = [message for message in report.messages.values() if "other file" in message or "found none" in message]
    assert len(said) == len(inputs), report.messages


WORST = [
    "a billion patterns",
    "rows of rows",
    "links in a ring",
    "a grid type that is a number",
    "inf rows",
    "huge chunks",
]


@pytest.mark.parametrize("name", [*(f"scan, {words}" for words in WORST), "master, huge", "master, a group"])
def test_the_command_ends_with_one_sentence(name, tmp_path, refused):
    from omnet.__main__ import app

    bad, good = tmp_path / "bad.h5", tmp_path / "good.h5"
    bad.write_bytes(hdf5(MONSTERS[name]))
    good.write_bytes(SEEDS["scan.h5"][0])
    options = ["--output", str(tmp_path / "out.csv"), "--method", "dictionary", "--grid-steps", "10"]
    scan = [str(good), "--master", str(bad)] if name.startswith("master") else [str(bad)]
    refused(CliRunner().invoke(app, ["index", *scan, *options]), "bad.h5")
    shutil.rmtree(tmp_path)
