"""Frames and folders as users have them, good and bad; each refusal is one sentence."""

import struct

import numpy as np
import pandas as pd
import pytest
import tifffile
from fabio.brukerimage import BrukerImage

from common.tables import TableError
from padnet.data import MEASURED
from padnet.frame_formats import open_gfrm
from padnet.readers import FrameError, bin_frame, fill_flagged, flagged_pixels, read_folder, read_frame, read_samples
from padnet.writers import write_frame


def counts(seed=0, shape=(24, 30), dtype="uint16", mean=300):
    return np.random.default_rng(seed).poisson(mean, shape).astype(dtype)


def refusal(path, **options):
    with pytest.raises(FrameError) as caught:
        read_frame(path, **options)
    text = str(caught.value)
    assert text.endswith((".", "?")) and "\n" not in text and path.name in text
    return text


@pytest.mark.parametrize("suffix", [".tif", ".npy"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int16", "int32", "float32", "float64", ">u2", ">i4"])
def test_counts_keep_their_dtype(tmp_path, suffix, dtype):
    frame, path = counts(dtype=dtype, mean=90), tmp_path / f"frame{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, frame, byteorder=">" if dtype.startswith(">") else "<", photometric="minisblack")
    else:
        np.save(path, frame)
    found = read_frame(path)
    np.testing.assert_array_equal(found, frame)
    assert found.dtype == np.dtype(dtype).newbyteorder("=")


@pytest.mark.parametrize("mean", [4, 300, 70_000])
def test_bruker_frames_that_fabio_wrote(tmp_path, mean):
    frame = counts(1, (100, 100), "uint32", mean)  # above 4,095 pixels of 255 and more fabio uses more bytes
    BrukerImage(data=frame).write(str(tmp_path / "frame.gfrm"))
    np.testing.assert_array_equal(read_frame(tmp_path / "frame.gfrm"), frame)


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".gfrm"])
def test_whole_numbers_come_back_as_written(tmp_path, suffix):
    frame = counts(2, mean=4, dtype="uint32")
    frame[3, 4:9] = [255, 256, 65_535, 65_536, 2**24]  # beyond a byte: the overflow table of Bruker's format
    write_frame(tmp_path / f"frame{suffix}", frame)
    np.testing.assert_array_equal(read_frame(tmp_path / f"frame{suffix}"), frame)


def test_floating_point_bruker_frames_are_kept_to_half_a_step_with_their_header(tmp_path):
    BrukerImage(data=counts(), header={"SAMPLE": "wafer 7", "LINEAR": "1.0 0.0"}).write(str(tmp_path / "a.gfrm"))
    frame = np.random.default_rng(3).normal(size=(24, 30)).astype(np.float32) * 500
    write_frame(tmp_path / "b.gfrm", frame, like=tmp_path / "a.gfrm")
    assert np.abs(read_frame(tmp_path / "b.gfrm") - frame).max() <= 0.51 * np.ptp(frame) / (2**24 - 1) + 4e-5
    assert open_gfrm(tmp_path / "b.gfrm").header["SAMPLE"] == "wafer 7"


def test_a_gfrm_has_no_place_for_negative_whole_numbers(tmp_path):
    with pytest.raises(ValueError, match="0 or more for a GFRM; received -1"):
        write_frame(tmp_path / "frame.gfrm", np.array([[-1, 2]], np.int32))
    with pytest.raises(ValueError, match="received frame.png"):
        write_frame(tmp_path / "frame.png", counts())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (np.zeros((4, 4), np.uint16), "all are zero"),
        (np.full((4, 4), 7, np.uint16), "all are 7"),
        (np.where(np.arange(16).reshape(4, 4) < 4, 65_535, 9).astype(np.int32), "25% of its pixels are at 65535"),
        (np.where(np.arange(16).reshape(4, 4) < 4, np.nan, 9), "NaN or infinity in 4 pixels"),
        (np.array([[np.inf, 1.0]]), "NaN or infinity in 1 pixels"),
        (np.full((4, 4), -2, np.int32), "all pixels are flagged"),
    ],
)
@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_pixels_that_say_nothing_are_refused(tmp_path, suffix, frame, words):
    path = tmp_path / f"frame{suffix}"
    tifffile.imwrite(path, frame, photometric="minisblack") if suffix == ".tif" else np.save(path, frame)
    assert words in refusal(path)


def test_a_few_saturated_pixels_are_no_reason(tmp_path):
    frame = counts(4, (40, 40))
    frame[0, :10] = 65_535
    np.save(tmp_path / "frame.npy", frame)
    np.testing.assert_array_equal(read_frame(tmp_path / "frame.npy"), frame)


def test_pages_colours_and_other_shapes_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "pages.tif", counts(shape=(3, 20, 20)), photometric="minisblack")
    assert "has 3" in refusal(tmp_path / "pages.tif")
    tifffile.imwrite(tmp_path / "colour.tif", counts(shape=(20, 20, 3)).astype(np.uint8), photometric="rgb")
    assert "one count a pixel" in refusal(tmp_path / "colour.tif")
    np.save(tmp_path / "stack.npy", counts(shape=(3, 20, 20)))
    assert "(3, 20, 20)" in refusal(tmp_path / "stack.npy")
    np.save(tmp_path / "frame.npy", counts())
    assert "Expected 24 x 24 pixels; frame.npy has 24 x 30" in refusal(tmp_path / "frame.npy", shape=(24, 24))


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".gfrm"])
@pytest.mark.parametrize("kept", [0, 3, 40, 0.5, 0.95])
def test_truncated_files_are_refused(tmp_path, suffix, kept):
    path = tmp_path / f"frame{suffix}"
    write_frame(path, counts(5, (90, 90)))
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    refusal(path)


@pytest.mark.parametrize("suffix", [".tif", ".npy", ".gfrm"])
def test_bytes_of_another_kind_are_refused(tmp_path, suffix):
    path = tmp_path / f"frame{suffix}"
    path.write_bytes(b"sample,x,y\n" * 500)
    refusal(path)


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "frame.npy", np.array([[{}]], object), allow_pickle=True)
    assert "object" in refusal(tmp_path / "frame.npy")


def test_a_huge_declared_size_is_refused_before_anything_is_allocated(tmp_path, monkeypatch):
    write_frame(tmp_path / "a.gfrm", counts())
    header = (tmp_path / "a.gfrm").read_bytes()
    for key, old in ((b"NROWS  :", b"24"), (b"NCOLS  :", b"30")):
        header = header.replace(key + old + b" " * 6, key + b"99999999")
    (tmp_path / "a.gfrm").write_bytes(header)
    np.save(tmp_path / "b.npy", counts())
    text = (tmp_path / "b.npy").read_bytes()
    (tmp_path / "b.npy").write_bytes(text.replace(b"(24, 30), }" + b" " * 8, b"(99999999, 999999),"[:-1] + b"}"))
    tifffile.imwrite(tmp_path / "c.tif", counts(), photometric="minisblack")
    data = bytearray((tmp_path / "c.tif").read_bytes())
    for tag in (256, 257):  # width and length, as SHORT or LONG
        place = data.index(struct.pack("<H", tag) + b"\x03\x00") if struct.pack("<H", tag) + b"\x03\x00" in data else -1
        place = data.index(struct.pack("<H", tag) + b"\x04\x00") if place < 0 else place
        data[place + 2 : place + 12] = struct.pack("<HII", 4, 1, 99_999_999)
    (tmp_path / "c.tif").write_bytes(bytes(data))
    for name in ("a.gfrm", "b.npy", "c.tif"):
        assert "at most 100,000,000 pixels" in refusal(tmp_path / name)


def test_names_that_are_no_frames(tmp_path):
    (tmp_path / "frame.png").write_bytes(b"")
    assert ".tif, .tiff, .gfrm, .npy" in refusal(tmp_path / "frame.png")
    assert "does not exist" in refusal(tmp_path / "missing.tif")
    (tmp_path / "folder.tif").mkdir()
    assert "not a file" in refusal(tmp_path / "folder.tif")


def test_flagged_pixels_take_the_count_of_their_nearest_neighbour():
    frame = np.array([[5, -1, -1, 9], [5, -2, 9, 9]], np.int32)
    np.testing.assert_array_equal(flagged_pixels(frame), frame < 0)
    np.testing.assert_array_equal(fill_flagged(frame)[0], [5, 5, 9, 9])
    unsigned = frame.astype(np.uint32)
    assert fill_flagged(unsigned) is unsigned
    assert not flagged_pixels(frame.astype(float)).any()  # a frame less its background


def test_binning_sums_and_keeps_all_counts():
    frame = counts(6, (8, 12))
    binned = bin_frame(frame, 6)
    np.testing.assert_array_equal(binned, frame[::2, ::2] + frame[1::2, ::2] + frame[::2, 1::2] + frame[1::2, 1::2])
    assert binned.dtype == np.int32 and bin_frame(frame.astype(float), 6).dtype == np.float32
    assert bin_frame(frame.astype(np.uint32) + np.uint32(2**31), 3).sum() == frame.sum() + 96 * 2**31
    for image_px in (5, 0, 24):
        with pytest.raises(FrameError, match="fall into squares"):
            bin_frame(frame, image_px)


@pytest.fixture
def folder(tmp_path):
    """Three samples, two frames each; returns the table and what reads it."""
    rows = []
    for sample in range(3):
        for frame in (1, 2):
            np.save(tmp_path / f"{sample}_{frame}.npy", counts(10 * sample + frame, (16, 16)))
        rows.append({"file_2": f"{sample}_2.npy", "file_1": f"{sample}_1.npy", "Sn": 20 + sample, "Ti": 20, "Zn": "60"})
        rows[-1] |= {"x": -sample, "y": 0.5, "label": ("10", "9", "10")[sample], "sample": f"s{sample}"}
    table = pd.DataFrame(rows)

    def read(changed=table, **options):
        changed.to_csv(tmp_path / "samples.csv", index=False)
        return read_folder(tmp_path / "samples.csv", **options)

    return table, read


def test_a_folder_and_its_csv_become_a_data_set(folder):
    _, read = folder
    dataset = read()
    assert dataset.frames.shape == (3, 2, 16, 16) and dataset.frames.dtype == np.uint16
    np.testing.assert_array_equal(dataset.frames[1, 1], counts(12, (16, 16)))
    assert (dataset.origin, dataset.components, dataset.samples) == (MEASURED, ("Sn", "Ti", "Zn"), ("s0", "s1", "s2"))
    np.testing.assert_allclose(dataset.composition[2], np.array([22, 20, 60]) / 102)
    np.testing.assert_array_equal(dataset.position_mm, [[0, 0.5], [-1, 0.5], [-2, 0.5]])
    assert dataset.class_names == ("9", "10") and dataset.labels.tolist() == [1, 0, 1]
    assert read(image_px=4).frames.sum() == dataset.frames.sum()


def test_flagged_pixels_are_filled_before_they_are_summed(folder, tmp_path):
    _, read = folder
    frame = np.full((16, 16), 10, np.int32)
    frame[0, 1] = 12
    frame[4:6, 4:6] = -1
    np.save(tmp_path / "0_1.npy", frame)
    expected = np.full((8, 8), 40)
    expected[0, 0] = 42
    np.testing.assert_array_equal(read(image_px=8).frames[0, 0], expected)


def test_the_shape_on_disk_is_known_of_binned_frames(folder, tmp_path):
    folder[1]()
    dataset, shape = read_samples(tmp_path / "samples.csv", 4)
    assert dataset.frames.shape == (3, 2, 4, 4) and shape == (16, 16)


def test_one_frame_a_sample_and_no_names(folder):
    table, read = folder
    dataset = read(table.drop(columns=["file_2", "sample"]).rename(columns={"file_1": "file"}))
    assert dataset.frames.shape == (3, 1, 16, 16) and dataset.samples == ("1", "2", "3")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.assign(file_1=["0_1.npy", "gone.npy", "2_1.npy"]), "line 3: .*gone.npy does not exist.*1 of 3"),
        (lambda t: t.assign(file_1="0_1.npy"), "line 3: expected files to differ.*2 of 3"),
        (lambda t: t.assign(sample="s"), "line 3: expected samples to differ"),
        (lambda t: t.assign(Sn=["1", "x", ""]), "line 3: expected numbers.*2 of 3"),
        (lambda t: t.assign(x=["1", "inf", "2"]), "line 3: expected numbers"),
        (lambda t: t.assign(Sn=["1", "-2", "1"]), "line 3: expected amounts of 0 or more"),
        (lambda t: t.assign(Sn=0, Ti=0, Zn=0), "line 2: expected amounts.*3 of 3"),
        (lambda t: t.assign(label=["a", " ", "b"]), "line 3: expected a label"),
        (lambda t: t.assign(colour="red"), "'colour'. Rename or drop"),
        (lambda t: t.assign(file="0_1.npy"), "Rename or drop"),
        (lambda t: t.drop(columns=["file_1", "file_2"]), "Expected the columns file"),
        (lambda t: t.drop(columns="file_2"), "Expected the columns file"),  # one frame a sample is called file
        (lambda t: t.rename(columns={"file_2": "file_3"}), "Expected the columns file"),
        (lambda t: t.drop(columns=["Sn", "Ti", "Zn"]), "one an element"),
        (lambda t: t.drop(columns="label"), "no column 'label'"),
        (lambda t: t.iloc[:0], "has none"),
    ],
)
def test_what_is_wrong_in_a_csv_is_named(folder, change, words):
    table, read = folder
    with pytest.raises((ValueError, TableError), match=words) as caught:
        read(change(table.copy()))
    assert "\n" not in str(caught.value)


def test_frames_of_several_shapes_are_named(folder, tmp_path):
    _, read = folder
    np.save(tmp_path / "2_1.npy", counts(0, (16, 20)))
    with pytest.raises(ValueError, match="line 4: Expected 16 x 16 pixels; 2_1.npy has 16 x 20"):
        read()


def test_there_is_no_csv(tmp_path):
    with pytest.raises(TableError, match="does not exist"):
        read_folder(tmp_path / "samples.csv")
