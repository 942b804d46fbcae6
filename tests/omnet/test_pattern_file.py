"""Files of patterns that are stopped at the worst moments, and go on."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from omnet import pattern_file
from omnet.pattern_file import PatternFile

SHAPE = (100, 4, 5)
PATTERNS = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)


@pytest.fixture(autouse=True)
def short_parts(monkeypatch):
    monkeypatch.setattr(pattern_file, "PART_BYTES", 30 * 20)  # 30 patterns


class Maker:
    """Gives rows of the patterns, and stops after some calls."""

    def __init__(self, stop_after=None):
        self.asked, self.stop_after = [], stop_after

    def __call__(self, rows):
        if len(self.asked) == self.stop_after:
            raise KeyboardInterrupt
        self.asked.append((rows.start, rows.stop))
        return PATTERNS[rows]


def test_a_file_is_written_in_parts_and_mapped(tmp_path):
    path, make = tmp_path / "new" / "patterns.npy", Maker()
    patterns = PatternFile(path, SHAPE, "a").complete(make)
    np.testing.assert_array_equal(patterns, PATTERNS)
    assert isinstance(patterns, np.memmap) and not patterns.flags.writeable
    np.testing.assert_array_equal(np.load(path), PATTERNS)
    assert make.asked == [(0, 30), (30, 60), (60, 90), (90, 100)]
    assert sorted(file.name for file in path.parent.iterdir()) == ["patterns.npy", "patterns.npy.json"]


@pytest.mark.parametrize("num_parts", [0, 1, 3])
def test_a_stopped_file_goes_on(tmp_path, num_parts):
    path = tmp_path / "patterns.npy"
    with pytest.raises(KeyboardInterrupt):
        PatternFile(path, SHAPE, "a").complete(Maker(stop_after=num_parts))
    assert not path.exists()
    again = PatternFile(path, SHAPE, "a")
    assert again.num_done == 30 * num_parts
    make = Maker()
    np.testing.assert_array_equal(again.complete(make), PATTERNS)
    assert make.asked[0][0] == 30 * num_parts


def test_a_finished_file_is_taken_as_it_is(tmp_path):
    path = tmp_path / "patterns.npy"
    PatternFile(path, SHAPE, "a").complete(Maker())
    found = PatternFile(path, SHAPE, "a")
    assert found.num_done == SHAPE[0]
    np.testing.assert_array_equal(found.complete(Maker(stop_after=0)), PATTERNS)


@pytest.mark.parametrize("torn_bytes", [0, 7, 333])
def test_a_process_killed_in_the_middle_of_a_part_loses_no_more(tmp_path, torn_bytes):
    path = tmp_path / "patterns.npy"
    program = f"""
import os, signal, numpy as np
from omnet import pattern_file
pattern_file.PART_BYTES = 30 * 20
patterns = np.random.default_rng(0).integers(0, 256, {SHAPE}, np.uint8)
def make(rows):
    if rows.start == 60:
        with open({str(path)!r} + ".partial", "ab") as stream:
            stream.write(b"x" * {torn_bytes})
        os.kill(os.getpid(), signal.SIGKILL)
    return patterns[rows]
pattern_file.PatternFile({str(path)!r}, {SHAPE}, "a").complete(make)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == -signal.SIGKILL
    make = Maker()
    np.testing.assert_array_equal(PatternFile(path, SHAPE, "a").complete(make), PATTERNS)
    assert make.asked[0] == (60, 90)


def test_a_stop_between_the_last_part_and_the_name_is_made_good(tmp_path):
    path = tmp_path / "patterns.npy"
    PatternFile(path, SHAPE, "a").complete(Maker())
    path.rename(tmp_path / "patterns.npy.partial")
    np.testing.assert_array_equal(PatternFile(path, SHAPE, "a").complete(Maker(stop_after=0)), PATTERNS)


def test_other_settings_are_refused_and_nothing_is_touched(tmp_path):
    path = tmp_path / "patterns.npy"
    with pytest.raises(KeyboardInterrupt):
        PatternFile(path, SHAPE, "a").complete(Maker(stop_after=1))
    with pytest.raises(ValueError, match="other orientations"):
        PatternFile(path, SHAPE, "b")
    PatternFile(path, SHAPE, "a").complete(Maker())
    with pytest.raises(ValueError, match="other orientations"):
        PatternFile(path, SHAPE, "b")
    np.testing.assert_array_equal(np.load(path), PATTERNS)


def test_a_file_of_unknown_origin_is_refused(tmp_path):
    path = tmp_path / "patterns.npy"
    np.save(path, PATTERNS)
    with pytest.raises(ValueError, match="name another path"):
        PatternFile(path, SHAPE, "a")


def test_no_patterns_make_an_empty_file(tmp_path):
    path = tmp_path / "patterns.npy"
    assert PatternFile(path, (0, 4, 5), "a").complete(Maker()).shape == (0, 4, 5)
    assert np.load(path).shape == (0, 4, 5)
