"""Screening against a slow reference, and what is left of it after SIGKILL."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from common.elements import ELEMENTS
from elemnet.composition_space import CompositionSpace
from elemnet.hulls import KnownPhases
from elemnet.predict import ENERGY, load_pretrained
from elemnet.screening import CAVEAT, DISTANCE, HULL_ENERGY, Settings
from elemnet.screening_run import ScreeningError, part_path, read_settings, screen
from elemnet.screening_tables import iterate_candidates

LITHIUM_TO_OXYGEN = ("Li", "Na", "K", "F", "O")
SMALL = Settings(
    CompositionSpace(LITHIUM_TO_OXYGEN, max_atoms=6), below_hull_ev_per_atom=-0.15, compositions_per_part=150
)


@pytest.fixture(scope="module")
def known_table():
    """Phases of many systems of the first twelve elements, some of them above their elements."""
    space = CompositionSpace((*LITHIUM_TO_OXYGEN, *ELEMENTS[20:27]), max_atoms=6)
    rng = np.random.default_rng(0)
    formulas = []
    for size in space.system_sizes:
        systems = space.systems(size, rng.integers(space.num_systems(size), size=60))
        formulas += space.formulas(systems, rng.integers(len(space.ratios(size)), size=60))
    return pd.DataFrame({"formula": formulas, ENERGY: rng.normal(-0.15, 0.15, len(formulas))})


@pytest.fixture(scope="module")
def known(known_table):
    return KnownPhases.from_table(known_table["formula"], known_table[ENERGY])


def all_candidates(folder):
    return pd.concat([candidates for _, candidates in iterate_candidates(folder)], ignore_index=True)


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "parts").glob("*"))}


def test_candidates_are_those_of_pymatgen(tmp_path, tiny_model, known, known_table):
    screen(tmp_path, SMALL, known, model=tiny_model)
    found = all_candidates(tmp_path).set_index("formula")

    entries = [PDEntry(Composition(f), e * Composition(f).num_atoms) for f, e in known_table.itertuples(index=False)]
    inside = [entry for entry in entries if {e.symbol for e in entry.composition} <= set(LITHIUM_TO_OXYGEN)]
    diagram = PhaseDiagram([*inside, *(PDEntry(Composition(symbol), 0.0) for symbol in LITHIUM_TO_OXYGEN)])
    formulas = [
        formula
        for size in SMALL.space.system_sizes
        for system in SMALL.space.systems(size, np.arange(SMALL.space.num_systems(size)))
        for formula in SMALL.space.formulas(
            np.tile(system, (len(SMALL.space.ratios(size)), 1)), np.arange(len(SMALL.space.ratios(size)))
        )
    ]
    energies = load_pretrained(tiny_model).predict(formulas)[ENERGY].to_numpy()
    hull = np.array([diagram.get_hull_energy_per_atom(Composition(formula)) for formula in formulas])
    is_candidate = energies - hull <= 0.15
    assert 50 < is_candidate.sum() < len(formulas) - 50
    expected = pd.DataFrame({"formula": formulas, ENERGY: energies, HULL_ENERGY: hull})[is_candidate]
    assert list(found.index) == expected["formula"].tolist()
    np.testing.assert_allclose(found[ENERGY], expected[ENERGY], atol=1e-6)
    np.testing.assert_allclose(found[HULL_ENERGY], expected[HULL_ENERGY], atol=1e-6)
    np.testing.assert_allclose(found[DISTANCE], found[ENERGY] - found[HULL_ENERGY], atol=1e-12)
    known_formulas = {Composition(formula).reduced_formula for formula in known_table["formula"]}
    assert found["is_known_composition"].any()
    for formula, is_known in found["is_known_composition"].items():
        assert is_known == (Composition(formula).reduced_formula in known_formulas)


def test_two_workers_write_the_same_bytes(tmp_path, tiny_model, known):
    screen(tmp_path / "here", SMALL, known, model=tiny_model)
    screen(tmp_path / "workers", SMALL, known, model=tiny_model, num_workers=2)
    assert bytes_of(tmp_path / "here") == bytes_of(tmp_path / "workers")


def test_only_missing_parts_are_screened_again(tmp_path, tiny_model, known):
    screen(tmp_path, SMALL, known, model=tiny_model)
    before = bytes_of(tmp_path)
    parts = list(SMALL.space.parts(SMALL.compositions_per_part))
    assert len(parts) > 3
    kept = part_path(tmp_path, parts[0])
    kept.write_bytes(b"not read again")
    part_path(tmp_path, parts[2]).unlink()
    screen(tmp_path, SMALL, known, model=tiny_model)
    assert kept.read_bytes() == b"not read again"
    assert part_path(tmp_path, parts[2]).read_bytes() == before[part_path(tmp_path, parts[2]).name]


def test_a_folder_holds_one_screening(tmp_path, tiny_model, tiny_model_without_dropout, known, known_table):
    screen(tmp_path, SMALL, known, model=tiny_model)
    other_known = KnownPhases.from_table(known_table["formula"], known_table[ENERGY] - 0.1)
    for settings, phases, model, what in (
        (Settings(SMALL.space, 0.1, 150), known, tiny_model, "settings"),
        (SMALL, other_known, tiny_model, "known_sha256"),
        (SMALL, known, tiny_model_without_dropout, "model_sha256"),
    ):
        with pytest.raises(ScreeningError, match=what):
            screen(tmp_path, settings, phases, model=model)
    assert read_settings(tmp_path) == SMALL


def test_every_part_carries_the_caveat(tmp_path, tiny_model, known):
    import pyarrow.parquet as pq

    screen(tmp_path, SMALL, known, model=tiny_model)
    for path in (tmp_path / "parts").iterdir():
        assert pq.read_schema(path).metadata[b"caveat"].decode() == CAVEAT
    assert "Bartel et al. 2020" in CAVEAT


def test_an_element_that_the_model_does_not_know_is_named(tmp_path, tiny_model, known):
    with pytest.raises(ValueError, match="Kr|He"):
        screen(tmp_path, Settings(CompositionSpace(("He", "O"))), known, model=tiny_model)


# ------------------------------------------------------------------------------------------------------ SIGKILL


@pytest.fixture(scope="module")
def command(tmp_path_factory, tiny_model, known_table):
    """A screening of some hundred parts as a user starts it, but for its output folder."""
    path = tmp_path_factory.mktemp("known") / "known.csv"
    known_table.to_csv(path, index=False)
    elements = ",".join((*LITHIUM_TO_OXYGEN, *ELEMENTS[20:27]))
    return [sys.executable, "-m", "elemnet", "screen", "--elements", elements, "--max-atoms", "7", "--below-hull=-0.1",
            "--known", str(path), "--model", str(tiny_model), "--part-size", "200"]  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(command, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    subprocess.run([*command, "--output", str(folder)], check=True, capture_output=True)
    return folder


def start(command, folder, *more):
    process = subprocess.Popen(
        [*command, "--output", str(folder), *more], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while len(list((folder / "parts").glob("part-*"))) < 10:
        assert process.poll() is None and time.monotonic() < deadline, "it ended or hung before it could be killed"
        time.sleep(0.005)
    return process


def test_a_killed_driver_goes_on_to_the_same_bytes(command, undisturbed, tmp_path):
    process = start(command, tmp_path)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()
    num_before = len(bytes_of(tmp_path))
    assert num_before < len(bytes_of(undisturbed)), "killed too late to mean anything"
    subprocess.run([*command, "--output", str(tmp_path)], check=True, capture_output=True)
    finished = {name: data for name, data in bytes_of(tmp_path).items() if name.startswith("part-")}
    assert finished == bytes_of(undisturbed)
    for name in ("candidates.csv", "summary.csv"):
        assert (tmp_path / name).read_bytes() == (undisturbed / name).read_bytes()


def test_a_killed_worker_loses_nothing(command, undisturbed, tmp_path):
    process = start(command, tmp_path, "--workers", "2")
    workers = [child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    assert len(workers) == 2
    os.kill(workers[0].pid, signal.SIGKILL)
    error = process.communicate(timeout=240)[1].decode()
    assert process.returncode == 0, error
    finished = {name: data for name, data in bytes_of(tmp_path).items() if name.startswith("part-")}
    assert finished == bytes_of(undisturbed)
