"""After the first run everything works offline; what cannot be had is said in one clear sentence.

Here: downloads, from a server that does what real ones do. `test_promise_10_offline.py` has files on disk and commands.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from common import fetch
from common.datasets import CorruptDataError, DataUnavailableError
from tests.promises.troubled_server import (  # noqa: F401 - fixtures among them
    CONTENT,
    HALF,
    HANGING,
    PLACE,
    SECONDS,
    TROUBLES,
    check_sentence,
    files_in,
    folders_fixture,
    hangs_within,
    login_page,
    resets,
    server_fixture,
    slow,
    subset_fixture,
    torn,
    whole,
)

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
def test_a_download_in_trouble_is_one_sentence_and_leaves_nothing(server, folders, monkeypatch, faults, trouble):
    server.behaviour = trouble
    started = time.monotonic()
    with faults.inject():
        with monkeypatch.context() as patch, pytest.raises((DataUnavailableError, CorruptDataError)) as caught:
            patch.setattr(fetch, "DOWNLOAD_TIMEOUT_S", 0.5 if trouble in HANGING else SECONDS)
            fetch.fetch(server.file)
        check_sentence(caught.value, server.file.url)
        assert any(remedy in str(caught.value) for remedy in ("MATERIALS_DL_MIRROR", "MATERIALS_DL_OFFLINE"))
        assert time.monotonic() - started < SECONDS
        assert files_in(folders) == []
        server.behaviour = whole  # the same call again
        assert fetch.fetch(server.file).read_bytes() == CONTENT


@pytest.mark.parametrize("trouble", [torn, login_page, hangs_within], ids=lambda trouble: trouble.__name__)
def test_a_command_says_so_in_one_line(server, subset, tmp_path, monkeypatch, refused, faults, trouble):
    from elemnet.__main__ import app

    monkeypatch.setattr(fetch, "DOWNLOAD_TIMEOUT_S", 0.5)
    server.behaviour = trouble
    with faults.inject():
        result = CliRunner().invoke(app, ["train", "--data", "oqmd_subset", "--output", str(tmp_path / "run")])
        refused(result, server.file.url)
        assert not (tmp_path / "run").exists()


def test_a_chapter_says_so_in_one_line(server, subset, tmp_path, capsys, faults):
    from experiments import chapter3

    server.behaviour = resets
    with faults.inject():
        arguments = ["table_3_1", "--data", "oqmd_subset", "--results", str(tmp_path / "results")]
        assert chapter3.main(arguments) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("error:") and server.file.url in lines[0]


FETCHES = """
import resource, sys
from common import fetch
path, url, sha256, limit = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))  # a disk that is full beyond so many bytes
try:
    print(fetch.fetch(fetch.DataFile(path, url=url, sha256=sha256)))
except fetch.DataUnavailableError as error:
    print(f"unavailable: {error}")
"""


def start_fetching(server, limit: int = 1 << 30) -> subprocess.Popen:
    arguments = (server.file.path, server.file.url, server.file.sha256, str(limit))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", FETCHES, *arguments], env=environment, stdout=-1, text=True)


def test_processes_that_fetch_the_same_file_at_once_all_get_it(server, folders, faults):
    server.behaviour = slow
    with faults.inject(3):
        children = [start_fetching(server) for _ in range(3)]
        answers = {child.communicate(timeout=SECONDS)[0].strip() for child in children}
        assert answers == {str(folders / "cache" / PLACE)}
        assert files_in(folders) == [folders / "cache" / PLACE]
        assert (folders / "cache" / PLACE).read_bytes() == CONTENT and server.num_requests >= 1


def test_a_process_killed_within_a_download_leaves_no_file_of_that_name(server, folders, faults):
    server.behaviour = hangs_within
    child = start_fetching(server)
    give_up = time.monotonic() + SECONDS
    while not any(path.stat().st_size for path in files_in(folders)) and time.monotonic() < give_up:
        time.sleep(0.02)
    with faults.inject():
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        child.stdout.close()
        (left,) = files_in(folders)
        assert left.name.startswith(".tmp-")
        server.behaviour = whole
        assert fetch.fetch(server.file).read_bytes() == CONTENT


def test_a_full_disk_is_one_sentence(server, folders, faults):
    with faults.inject():
        answer = start_fetching(server, limit=HALF).communicate(timeout=SECONDS)[0]
        assert answer.startswith("unavailable: ") and answer.count("\n") == 1 and "File too large" in answer
        assert files_in(folders) == []


@pytest.mark.parametrize("place", ["below a file", "/proc/nowhere"])
def test_a_cache_that_cannot_be_written_is_one_sentence(server, folders, monkeypatch, faults, place):
    cache = place
    if place == "below a file":
        (folders / "file").write_text("x")
        cache = str(folders / "file" / "cache")
    monkeypatch.setenv("MATERIALS_DL_CACHE", cache)
    with faults.inject(), pytest.raises(DataUnavailableError) as caught:
        fetch.fetch(server.file)
    check_sentence(caught.value, cache, "MATERIALS_DL_MIRROR")
