import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from common.files import (
    TEMPORARY_PREFIX,
    atomic_path,
    write_bytes_atomic,
    write_csv_atomic,
    write_json_atomic,
    write_text_atomic,
)

ROOT = Path(__file__).parents[2]


def test_each_writer_writes_and_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "new" / "folder" / "file.bin"
    assert write_bytes_atomic(path, b"old") == path
    write_bytes_atomic(path, b"\x00new")
    assert path.read_bytes() == b"\x00new"
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]

    write_text_atomic(tmp_path / "a.txt", "Å\nb")
    assert (tmp_path / "a.txt").read_bytes() == "Å\nb".encode()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_writer_that_raises_leaves_the_old_file(tmp_path, error):
    path = write_text_atomic(tmp_path / "model.keras", "old")
    with pytest.raises(error), atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_temporary_path_keeps_folder_and_name_ending(tmp_path):
    with atomic_path(tmp_path / "best.weights.h5") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(TEMPORARY_PREFIX)
        assert temporary.name.endswith("best.weights.h5")
        assert not temporary.exists()
        temporary.write_text("x")


def test_block_that_writes_nothing_or_a_folder_is_refused(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="write to the path that atomic_path yields"),
        atomic_path(tmp_path / "a"),
    ):
        pass
    with pytest.raises(IsADirectoryError, match="expected a file name"):
        write_text_atomic(tmp_path, "x")


@pytest.mark.skipif(os.name != "posix", reason="modes and links as on POSIX")
def test_mode_and_symbolic_link_of_the_old_file_are_kept(tmp_path):
    target = write_text_atomic(tmp_path / "target.txt", "old")
    assert target.stat().st_mode & 0o444 == 0o444 & ~_umask()  # as any ordinary new file, not private
    target.chmod(0o640)
    link = tmp_path / "link.txt"
    link.symlink_to(target)
    write_text_atomic(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_sigkill_in_mid_write_leaves_the_old_file(tmp_path):
    path = write_text_atomic(tmp_path / "result.json", "old")
    child = _start(
        """
        with atomic_path(sys.argv[1]) as temporary:
            with temporary.open("w") as stream:
                stream.write("half"); stream.flush()
                print("writing", flush=True)
                time.sleep(60)
        """,
        path,
    )
    assert child.stdout.readline() == "writing\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert path.read_text() == "old"


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_sigkill_at_any_moment_leaves_one_whole_file(tmp_path):
    size = 2_000_000
    path = write_bytes_atomic(tmp_path / "weights.bin", b"a" * size)
    for num_writes in (1, 2, 5):
        child = _start(
            f"""
            while True:
                for letter in (b"b", b"a"):
                    write_bytes_atomic(sys.argv[1], letter * {size})
                    print("written", flush=True)
            """,
            path,
        )
        for _ in range(num_writes):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.communicate()
        data = path.read_bytes()
        assert len(data) == size
        assert len(set(data)) == 1


def test_json_keeps_order_and_holds_numpy_and_paths(tmp_path):
    obj = {"z": np.float32(0.5), "a": np.arange(2), "path": Path("x/y"), "n": None, "Å": (1, True)}
    text = write_json_atomic(tmp_path / "a.json", obj).read_text(encoding="utf-8")
    assert list(json.loads(text)) == ["z", "a", "path", "n", "Å"]
    assert json.loads(text) == {"z": 0.5, "a": [0, 1], "path": "x/y", "n": None, "Å": [1, True]}
    assert text.endswith("}\n")
    assert "Å" in text


@pytest.mark.parametrize("bad", [float("nan"), np.float64("inf"), np.float32("nan"), np.array([1.0, np.nan])])
def test_json_refuses_nan_and_says_where(tmp_path, bad):
    path = write_json_atomic(tmp_path / "a.json", {"old": 1})
    with pytest.raises(ValueError, match=r"NaN or infinity at \$\.rows\[1\]\.mae"):
        write_json_atomic(path, {"rows": [{"mae": 1.0}, {"mae": bad}]})
    assert json.loads(path.read_text()) == {"old": 1}


def test_json_refuses_other_types(tmp_path):
    with pytest.raises(TypeError, match="received set"):
        write_json_atomic(tmp_path / "a.json", {"a": {1, 2}})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_csv_round_trip_is_exact(tmp_path, name):
    frame = pd.DataFrame({"formula": ["NaCl", 'a,"b'], "y_ev_per_atom": [0.1 + 0.2, -1e-17]})
    path = write_csv_atomic(tmp_path / name, frame)
    pd.testing.assert_frame_equal(pd.read_csv(path, float_precision="round_trip"), frame, check_exact=True)


def test_a_compressed_table_has_the_same_bytes_at_any_time_and_place(tmp_path, monkeypatch):
    frame = pd.DataFrame({"formula": ["NaCl"]})
    first = write_csv_atomic(tmp_path / "a.csv.gz", frame).read_bytes()
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert write_csv_atomic(tmp_path / "another.csv.gz", frame).read_bytes() == first


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _start(body: str, path: Path) -> subprocess.Popen:
    code = "import sys, time\nfrom common.files import *\n" + textwrap.dedent(body)
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
