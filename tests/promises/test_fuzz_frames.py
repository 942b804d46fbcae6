"""Damaged frames, geometries and tables of frames: read or refused in one sentence, soon and in little memory."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from fabio.bruker100image import Bruker100Image
from fabio.brukerimage import BrukerImage
from typer.testing import CliRunner

from padnet.frame_formats import READERS, FrameError
from padnet.integration import integrate, load_integrator
from padnet.readers import read_frame, read_samples
from tests.promises.harness import fuzz
from tests.promises.mutations import mutants

SHAPE = (20, 24)
READER = "tests.promises.test_fuzz_frames:read"
PONI = (
    '# A geometry\nponi_version: 2.1\nDetector: Detector\nDetector_config: {"pixel1": 0.0002, "pixel2": 0.0002, '
    '"max_shape": null, "orientation": 3}\nDistance: 0.2\nPoni1: 0.01\nPoni2: 0.02\nRot1: 0.05\nRot2: -0.1\nRot3: 0.0\n'
    "Wavelength: 4.066e-11\n"
)
TABLE = 'file,x,y,label,Sn,Zn\na.tif,1,2,a,1,2\nb.tif,2,2,b,2,1\n"c.tif",3,2.5,a + b,0.5,.5\n'


def counts(seed: int = 0, dtype: str = "u2", mean: int = 90) -> np.ndarray:
    return np.random.default_rng(seed).poisson(mean, SHAPE).astype(dtype)


def read(path: Path):
    """A frame, a pattern integrated with a geometry, or the samples of a table, by the suffix of the file."""
    if path.suffix == ".poni":
        integrator = load_integrator(path)
        with np.errstate(all="ignore"):
            return integrate(counts(), integrator, 50)
    if path.suffix == ".csv":
        for number, name in enumerate("abc"):
            if not (path.parent / f"{name}.tif").exists():
                tifffile.imwrite(path.parent / f"{name}.tif", counts(number))
        dataset, shape = read_samples(path)
        assert dataset.frames.shape[2:] == shape == SHAPE
        assert np.allclose(dataset.composition.sum(axis=1), 1) and np.isfinite(dataset.position_mm).all()
        return dataset
    try:
        frame = read_frame(path)
    except ValueError as error:
        assert isinstance(error, FrameError)
        raise
    assert frame.ndim == 2 and frame.dtype.kind in "uif" and np.isfinite(frame).all()
    return frame


def tif_of(frame: np.ndarray, **options) -> bytes:
    with io.BytesIO() as stream:
        tifffile.imwrite(stream, frame, photometric="minisblack", metadata=None, **options)
        return stream.getvalue()


def gfrm_of(frame: np.ndarray, folder: Path, writer=BrukerImage) -> bytes:
    path = folder / "frame.gfrm"
    image = writer(data=frame)
    image.header["NOVERFL"] = str(int((frame >= 255).sum()))
    image.write(str(path))
    data = path.read_bytes()
    for key in ("FILENAM", "CREATED", "USER   "):  # else each run would have frames of its own
        data = with_value(data, key, "") if key.encode() in data else data
    return data


def npy_of(frame: np.ndarray, version=(1, 0)) -> bytes:
    with io.BytesIO() as stream:
        np.lib.format.write_array(stream, frame, version)
        return stream.getvalue()


def seeds(suffix: str, folder: Path) -> list[bytes]:
    """Small whole files of a kind."""
    if suffix == ".tif":
        return [
            tif_of(counts()),
            tif_of(counts(dtype="f4"), byteorder=">", rowsperstrip=4),
            tif_of(counts(dtype="i4"), compression="zlib", predictor=False),
            tif_of(counts(), tile=(16, 16)),
            tif_of(counts(), bigtiff=True),
        ]
    if suffix == ".gfrm":
        frame = counts(1, "u4")
        frame[3, 4:7] = [255, 300, 70_000]
        return [
            gfrm_of(counts(1, "u4"), folder),
            gfrm_of(frame, folder),
            gfrm_of(counts(1, "i4"), folder, Bruker100Image),
        ]
    if suffix == ".npy":
        return [npy_of(counts()), npy_of(counts(dtype=">f8"), (2, 0)), npy_of(np.asfortranarray(counts(dtype="i4")))]
    return [PONI.encode()] if suffix == ".poni" else [TABLE.encode()]


@pytest.mark.parametrize(
    ("suffix", "num", "head"),
    [(".tif", 1_000, 300), (".gfrm", 1_000, 2_560), (".npy", 1_000, 128), (".poni", 250, 400), (".csv", 1_000, 200)],
)
def test_damaged_files_are_read_or_refused(suffix, num, head, tmp_path, faults):
    inputs = [(f"a{suffix}", data) for data in mutants(seeds(suffix, tmp_path), num, seed=4, head=head)]
    report = fuzz(READER, inputs, expects=(ValueError, OSError))
    with faults.inject(report.num_inputs):
        assert report.problems == []
    assert report.num_inputs == num and 0.02 * num < report.num_read < 0.95 * num


# --------------------------------------------------------------------------------------------- what no accident makes


def tif(pages: list[dict], data: bytes = b"", *, is_big: bool = False, next_page: int | None = None) -> bytes:
    """A TIF of some tags a page, all of one number; "at" stands for the place of the data, which follow the header.

    Args:
        pages: Tag -> value; 2 x 2 pixels of 16 bits at the start of the data where nothing else is said.
        data: Pixels.
        is_big: As BigTIFF.
        next_page: Number of the page that the last one says comes next.
    """
    head = 16 if is_big else 8
    start = head + len(data) + len(data) % 2
    tag_format, count_format, place_format = ("<HHQQ", "<Q", "<Q") if is_big else ("<HHII", "<H", "<I")
    written, places = [], []
    place = start
    for tags in pages:
        tags = {256: 2, 257: 2, 258: 16, 259: 1, 262: 1, 273: head, 277: 1, 278: 2, 279: 8} | tags
        tags = {tag: value for tag, value in tags.items() if value is not None}
        content = struct.pack(count_format, len(tags))
        for tag, value in sorted(tags.items()):
            count, value = value if isinstance(value, tuple) else (1, value)
            content += struct.pack(tag_format, tag, 16 if is_big else 4, count, value)
        written.append(content)
        places.append(place)
        place += len(content) + struct.calcsize(place_format)
    after = [*places[1:], 0 if next_page is None else places[next_page]]
    body = b"".join(content + struct.pack(place_format, value) for content, value in zip(written, after, strict=True))
    header = struct.pack("<2sHHHQ", b"II", 43, 8, 0, start) if is_big else struct.pack("<2sHI", b"II", 42, start)
    return header + data + b"\0" * (len(data) % 2) + body


PIXELS = bytes(range(1, 9))
NO_STRIPS = {273: None, 278: None, 279: None}


def monsters(folder: Path) -> dict[str, bytes]:
    square = {256: 512, 257: 512, 278: 512}
    inflated, swollen = zlib.compress(bytes(10**8)), zlib.compress(bytes(10**6))
    frame = gfrm_of(counts(1, "u4"), folder)
    frame_100 = gfrm_of(counts(1, "i4"), folder, Bruker100Image)
    array = npy_of(counts())
    told = {  # of the header of a GFRM: key -> what it says
        "NROWS  ": ("1000000000", "-20", "nan", "", "1e9", "9" * 60),
        "NCOLS  ": ("1000000000",),
        "HDRBLKS": ("1000000000", "4000000", "-5", "0", "9" * 60),
        "NOVERFL": ("1000000000", "-1", "many"),
        "NPIXELB": ("3", "0", "-2", "1000000000"),
        "LINEAR ": ("nan 0", "1e300 1e300", "inf inf"),
    }
    found = {
        "a billion pixels.tif": tif([{256: 31_623, 257: 31_623}], PIXELS),
        "ten billion.tif": tif([{256: 10**5, 257: 10**5, 278: 10**5}], PIXELS),
        "ten billion, compressed.tif": tif([{256: 10**5, 257: 10**5, 259: 8}], PIXELS),
        "the most.tif": tif([{256: 2**32 - 1, 257: 2**32 - 1}], PIXELS),
        "the most.big.tif": tif([{256: 2**63, 257: 2**63}], PIXELS, is_big=True),
        "a billion.big.tif": tif([{256: 10**9, 257: 1, 279: 2 * 10**9}], PIXELS, is_big=True),
        "no pixels.tif": tif([{256: 0}], PIXELS),
        "sixty thousand pages.tif": tif([{}] * 60_000, PIXELS),
        "a ring of pages.tif": tif([{}] * 3, PIXELS, next_page=0),
        "a late ring of pages.tif": tif([{}] * 150, PIXELS, next_page=120),
        "a page that is its own next.tif": tif([{}], PIXELS, next_page=0),
        "many strips.tif": tif([{273: (2**31, 8), 279: (2**31, 8)}], PIXELS),
        "strips beyond the end.tif": tif([{273: 10**9}], PIXELS),
        "many samples.tif": tif([{277: 10**6}], PIXELS),
        "odd bits.tif": tif([{258: 2**31}], PIXELS),
        "a huge tile.tif": tif([NO_STRIPS | {322: 60_000, 323: 60_000, 324: 8, 325: 8}], PIXELS),
        "a huge compressed tile.tif": tif(
            [NO_STRIPS | {259: 8, 322: 60_000, 323: 60_000, 324: 8, 325: len(swollen)}], swollen
        ),
        "a bomb.tif": tif([square | {259: 8, 279: len(inflated)}], inflated),
        "a small bomb.tif": tif([{259: 8, 279: len(swollen)}], swollen),
        "a directory of nothing.tif": b"II*\0\x08\0\0\0\xff\xff",
        "a directory beyond the end.tif": b"II*\0\xff\xff\xff\xff",
        **{f"compression {code}.tif": tif([{259: code}], PIXELS) for code in (2, 5, 7, 34712, 34925, 50000, 65535)},
        **{
            f"{key.strip()} {text[:12]}.gfrm": with_value(frame, key, text)
            for key, texts in told.items()
            for text in texts
        },
        "many counts of 100.gfrm": with_value(frame_100, "NOVERFL", "0 1000000000000 1000000000000"),
        "a huge header.npy": array[:6] + b"\x02\0\xff\xff\xff\xff" + array[10:],
        "a long shape.npy": array.replace(b"(20, 24), }", b"(20, 1e9), "),
        "a call.npy": array.replace(b"(20, 24), }", b"exit(1) }  "),
        "a minus.npy": array.replace(b"(20, 24)", b"(-2, 24)"),
        "objects.npy": array.replace(b"'<u2'", b"'|O' "),
    }
    for name in ("Distance: 0.2", "Poni1: 0.01", "Rot1: 0.05", '"pixel1": 0.0002'):
        for value in ("nan", "inf", "-inf") + (("0", "-1") if "Rot" not in name and "Poni" not in name else ()):
            value = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(value, value) if '"' in name else value
            text = PONI.replace(name, f"{name.split(':')[0]}: {value}").encode()
            found[f"{name.split(':')[0].strip(chr(34))} {value}.poni"] = text
    return found | {
        "another shape.poni": PONI.replace("null", "[1000000000, 1000000000]").encode(),
        "a detector that is a file.poni": PONI.replace("Detector: Detector", "Detector: /etc/passwd").encode(),
        "a detector that is a function.poni": PONI.replace("Detector: Detector", "Detector: os.system").encode(),
        "UTF-16.poni": PONI.encode("utf-16"),
        "no frame.csv": TABLE.replace("a.tif", "../../../etc/passwd").encode(),
        "a folder.csv": TABLE.replace("a.tif", ".").encode(),
        "a long name.csv": TABLE.replace("a.tif", "a" * 5_000 + ".tif").encode(),
        "NUL.csv": TABLE.replace("a.tif", "a\0.tif").encode(),
        "infinite amounts.csv": TABLE.replace(",1,2\n", ",1e308,1e308\n").encode(),
        "UTF-16.csv": TABLE.encode("utf-16"),
    }


def with_value(frame: bytes, key: str, text: str) -> bytes:
    """A GFRM whose header says something else of a key."""
    place = frame.find(f"{key}:".encode())
    place = 160 if place < 0 else place  # the third line, on the type of the detector
    return frame[:place] + f"{key}:{text}".encode().ljust(80) + frame[place + 80 :]


def test_monsters_are_refused(tmp_path, faults):
    inputs = monsters(tmp_path)
    report = fuzz(READER, inputs.items(), expects=(ValueError, OSError), seconds=5)
    with faults.inject(report.num_inputs):
        assert report.problems == []
    read_as_whole = {name for number, name in enumerate(inputs) if number not in report.messages}
    assert read_as_whole <= {"a page that is its own next.tif", "many counts of 100.gfrm", "NOVERFL -1.gfrm"}
    assert report.peak_bytes < 2**30


def test_what_frames_may_be_is_read(tmp_path):
    path = tmp_path / "frame.tif"
    for data in (tif([{}], PIXELS), tif([{}], PIXELS, is_big=True)):
        path.write_bytes(data)
        np.testing.assert_array_equal(read_frame(path), np.frombuffer(PIXELS, "<u2").reshape(2, 2))
    large = np.random.default_rng(0).integers(0, 999, (600, 500), np.uint16)
    path.write_bytes(tif_of(large, compression="zlib"))  # one strip that is looked into before it is decoded
    np.testing.assert_array_equal(read_frame(path), large)


# ------------------------------------------------------------------------------------------------------ the commands


def test_each_frame_has_a_row_with_a_reason(tmp_path):
    from padnet.__main__ import app

    folder = tmp_path / "in"
    folder.mkdir()
    bad = {name: data for name, data in monsters(tmp_path).items() if Path(name).suffix in READERS}
    for name, data in (bad | {"good.tif": tif_of(counts())}).items():
        (folder / name).write_bytes(data)
    poni = tmp_path / "detector.poni"
    poni.write_text(PONI)
    for number, command in enumerate((["background"], ["integrate", "--poni", str(poni)])):
        out = tmp_path / f"out{number}"
        result = CliRunner().invoke(app, [*command, str(folder), "-o", str(out)])
        assert result.exit_code == 0 and "Traceback" not in result.output + result.stderr, result.output
        table = pd.read_csv(out / f"{command[0]}.csv", keep_default_na=False)
        assert len(table) == len(bad) + 1
        assert (table["reason"] != "").eq(table["status"] == "error").all()
        status = dict(zip([Path(name).name for name in table["file"]], table["status"], strict=True))
        assert status["good.tif"] == "ok"
        assert sum(value == "ok" for value in status.values()) <= 4


@pytest.mark.parametrize("words", ["Distance nan", "a detector that is a function", "UTF-16"])
def test_a_geometry_that_is_none_is_one_sentence(words, tmp_path, refused):
    from padnet.__main__ import app

    inputs = monsters(tmp_path)
    (tmp_path / "bad.poni").write_bytes(inputs[f"{words}.poni"])
    (tmp_path / "frame.tif").write_bytes(tif_of(counts()))
    arguments = ["integrate", str(tmp_path / "frame.tif"), "--poni", str(tmp_path / "bad.poni")]
    refused(CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "out")]), "bad.poni")


@pytest.mark.parametrize(
    "name", ["no frame.csv", "a long name.csv", "NUL.csv", "infinite amounts.csv", "a billion pixels.tif"]
)
def test_a_table_that_cannot_be_trained_on_is_one_sentence(name, tmp_path, refused):
    from padnet.__main__ import app

    inputs = monsters(tmp_path)
    for number, letter in enumerate("abc"):
        (tmp_path / f"{letter}.tif").write_bytes(tif_of(counts(number)))
    is_table = name.endswith(".csv")
    (tmp_path / "samples.csv").write_bytes(inputs[name] if is_table else TABLE.encode())
    if not is_table:
        (tmp_path / "b.tif").write_bytes(inputs[name])
    refused(CliRunner().invoke(app, ["train", str(tmp_path / "samples.csv"), "--output", str(tmp_path / "run")]))
