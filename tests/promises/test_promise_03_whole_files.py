"""Every file is written to a temporary name, synced, renamed: a kill at any byte leaves the old file or the new one.

Each writer of the packages is killed at random bytes (the system ends a process whose file reaches a limit) and by
SIGKILL at random moments, meets full and forbidden disks, and writes beside another process; in between it is looked at
what is on disk.
"""

import functools
import hashlib
import http.server
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from common.files import atomic_path
from tests.promises.nursery import nursery
from tests.promises.saved_models import card_of, is_pair, weights_of
from tests.promises.writers import SUFFIXES

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits as on POSIX")

QUICK = tuple(name for name in SUFFIXES if name != "picture")  # which takes a tenth of a second


def run_counted(faults, function: str, *args) -> None:
    """A function that returns how many faults it put in the way; those that it raises at are not survived."""
    done = nursery().run(function, *args)
    if done is None:
        pytest.skip("no disk of one's own here")
    assert done > 0
    with faults.inject(done):
        pass


# ---------------------------------------------------------------------------------------------------------- kills


@pytest.mark.parametrize("name", SUFFIXES)
def test_a_kill_at_any_byte_leaves_a_whole_file(name, tmp_path, faults):
    run_counted(faults, "kill_at_bytes", name, tmp_path, len(name), 25 if name in QUICK else 6)


@pytest.mark.parametrize("name", QUICK)
def test_a_kill_at_any_moment_leaves_a_whole_file(name, tmp_path, faults):
    run_counted(faults, "kill_at_moments", name, tmp_path, len(name), 12)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Path of both versions of a small model."""
    folder = tmp_path_factory.mktemp("models")
    paths = [folder / f"{version}.keras" for version in (0, 1)]
    for version, path in enumerate(paths):
        nursery().run("save_model", path, version)
    return paths


def version_of(models: list[Path], path: Path) -> int:
    """Which of both versions the weights are; raises if they are neither."""
    found = weights_of(path)
    same = [all(np.array_equal(found[name], array) for name, array in weights_of(model).items()) for model in models]
    return same.index(True)


@pytest.mark.parametrize("seed", range(5))
def test_a_kill_leaves_whole_models_and_no_false_card(seed, models, tmp_path, faults):
    path = tmp_path / "model.keras"
    for old, new in zip((models[0], models[0].with_suffix(".json")), (path, path.with_suffix(".json")), strict=True):
        new.write_bytes(old.read_bytes())
    victim = nursery().start("save_model", path, 1, 10_000)
    victim.wait_until(lambda: version_of(models, path) == 1)
    time.sleep(np.random.default_rng(seed).uniform(0, 0.1))
    assert victim.kill()
    with faults.inject():
        version = version_of(models, path)
        assert not is_pair(path) or card_of(path)["name"] == f"version {version}"


# ------------------------------------------------------------------------------------- disks that do not take it


@pytest.mark.parametrize("name", QUICK)
def test_a_file_that_may_not_grow_leaves_the_old_one_and_nothing_else(name, tmp_path, faults):
    run_counted(faults, "fill_quota", name, tmp_path, len(name), 20)


@pytest.mark.parametrize("name", SUFFIXES)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(name, tmp_path, faults):
    run_counted(faults, "fill_disk", name, tmp_path, len(name), 5)


@pytest.mark.parametrize("name", QUICK)
def test_a_write_protected_disk_is_an_error_of_the_system(name, tmp_path, faults):
    run_counted(faults, "write_protected", name, tmp_path)


@pytest.mark.parametrize("name", QUICK)
def test_where_it_may_not_write_nothing_is_changed(name, faults):
    folder = Path(nursery().folder) / f"permissions-{name}"  # others may not even enter pytest's folders
    folder.parent.chmod(0o755)
    run_counted(faults, "write_without_permission", name, folder)


def test_a_card_that_has_no_room_costs_no_model(models, tmp_path, faults):
    """The old model would else be gone, and the new one be without its card."""
    path = tmp_path / "model.keras"
    with faults.inject():
        nursery().run("save_model_without_room_for_its_card", path)
        assert version_of(models, path) == 0 and is_pair(path)
        assert sorted(file.name for file in tmp_path.iterdir()) == ["model.json", "model.keras"]


def test_a_device_or_pipe_is_not_replaced_by_a_file(tmp_path, faults):
    os.mkfifo(tmp_path / "pipe")
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    for path in (tmp_path / "pipe", link):
        with faults.inject(), pytest.raises(OSError, match="device or pipe"), atomic_path(path):
            raise AssertionError("never reached")
    assert (tmp_path / "pipe").is_fifo() and Path("/dev/null").is_char_device()


# ---------------------------------------------------------------------------------------- two at the same time


@pytest.mark.parametrize("name", QUICK)
def test_two_processes_that_write_the_same_file_never_show_half_of_one(name, tmp_path, faults):
    run_counted(faults, "race", name, tmp_path, 30)


def test_two_processes_that_save_the_same_model_make_no_false_pair(models, tmp_path, faults):
    path = tmp_path / "model.keras"
    racers = [nursery().start("save_model", path, version, 12) for version in (0, 1)]
    with faults.inject(24):
        for racer in racers:
            racer.result()
        version = version_of(models, path)
        assert not is_pair(path) or card_of(path)["name"] == f"version {version}"
        assert sorted(file.name for file in tmp_path.iterdir()) == ["model.json", "model.keras"]


@pytest.mark.parametrize("settings", [(0, 0, 0), (0, 1)], ids=["same", "other settings"])
def test_processes_that_fill_the_same_dictionary_share_the_work(settings, tmp_path, faults):
    rounds = 12
    racers = [nursery().start("complete_patterns", tmp_path, rounds, number) for number in settings]
    with faults.inject(rounds):
        num_refused = sum(racer.result() for racer in racers)
        assert num_refused == (rounds if len(set(settings)) > 1 else 0)
        names = {f"{number}.npy{suffix}" for number in range(rounds) for suffix in ("", ".json")}
        assert {path.name for path in tmp_path.iterdir()} == names


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """What two commands write when nothing disturbs them."""
    folder = tmp_path_factory.mktemp("tables")
    nursery().run("describe", folder)
    nursery().run("index", folder, 1)
    return {"describe": (folder / "table.csv").read_bytes(), "index": (folder / "0.csv").read_bytes()}


def test_two_processes_that_describe_the_same_structures_make_one_table(tables, tmp_path, faults):
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        # the second goes through what the first keeps, and is still at it when the first tidies up
        racers = [nursery().start("describe", folder, delay) for delay in (0.0, 0.001 * number)]
        with faults.inject():
            for racer in racers:
                racer.result()
            assert (folder / "table.csv").read_bytes() == tables["describe"]
            assert {path.name for path in folder.rglob("*") if path.is_file()} == {"table.csv"}


def test_two_processes_that_index_the_same_scan_make_one_table(tables, tmp_path, faults):
    rounds = 10
    racers = [nursery().start("index", tmp_path / "together", rounds) for _ in range(2)]
    with faults.inject(rounds):
        for racer in racers:
            racer.result()
        found = {path.name: path.read_bytes() for path in (tmp_path / "together").iterdir()}
        assert found == {f"{number}.csv": tables["index"] for number in range(rounds)}


@pytest.mark.parametrize(("run", "arguments", "name"), [("describe", (), "table.csv"), ("index", (20,), "19.csv")])
def test_what_another_process_tidies_up_meanwhile_is_not_missed(run, arguments, name, tables, tmp_path, faults):
    """As the faster of two does when it is through with the same table."""
    victim, num_removed = nursery().start(run, tmp_path, *arguments), 0
    while not victim.has_ended():
        for parts in tmp_path.glob("*.parts"):
            shutil.rmtree(parts, ignore_errors=True)
            num_removed += 1
    assert num_removed > 5
    with faults.inject():
        victim.result()
        assert (tmp_path / name).read_bytes() == tables[run]


def test_two_processes_that_download_the_same_files_have_one_whole_copy(tmp_path, faults):
    served, cache = tmp_path / "served", tmp_path / "cache"
    served.mkdir()
    contents = {f"{number}.bin": np.random.default_rng(number).bytes(200_000) for number in range(10)}
    for name, content in contents.items():
        (served / name).write_bytes(content)
    digests = [hashlib.sha256(content).hexdigest() for content in contents.values()]

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=served)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        racers = [nursery().start("download", cache, url, list(contents), digests) for _ in range(2)]
        with faults.inject(len(contents)):
            for racer in racers:
                racer.result()
            assert {path.name: path.read_bytes() for path in cache.iterdir()} == contents
        server.shutdown()
