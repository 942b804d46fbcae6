"""Uncertainty ships with measured coverage.

Intervals hold the truth as often as their level says wherever rows are exchangeable, for any distribution of errors;
the card of every shipped regression tells how often they did, on how many rows of which data; and a model that was not
calibrated, or whose calibration is damaged, gives no interval.

OMNet's answers are orientations, not numbers, and have no interval.
"""

import copy
import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from common import artifacts, networks, uncertainty
from common.difficulty import Answered
from common.elements import ELEMENTS
from common.uncertainty import Calibration, UncertaintyError, conformal_quantile, wilson_interval

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*ROOT.glob("elemnet/weights/*.json"), *ROOT.glob("irnet/weights/*.json")])
ENERGY = "formation_energy_ev_per_atom"
LOWER, UPPER = f"lower_{ENERGY}", f"upper_{ENERGY}"

# --------------------------------------------------------------------------------- the guarantee, for any distribution


def shares_covered(quantile, values: np.ndarray, level: float) -> Fraction:
    """Share of values not above the quantile of all the others: of exchangeable rows each may be the new one."""
    covered = sum(value <= quantile(np.delete(values, number), level) for number, value in enumerate(values))
    return Fraction(int(covered), len(values))


def breaks_the_guarantee(quantile, values: np.ndarray, percent: int) -> bool:
    """Whether too few rows are covered, or, where no values tie, one row in them all too many."""
    share = shares_covered(quantile, values, percent / 100)
    level = Fraction(percent, 100)
    too_many = len(np.unique(values)) == len(values) and share >= level + Fraction(1, len(values))
    return share < level or too_many


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    values=st.lists(st.floats(0, 1e300), min_size=1, max_size=60).map(np.array),
    percent=st.integers(50, 99),
)
def test_any_scores_are_covered_as_often_as_said(values, percent):
    assert not breaks_the_guarantee(conformal_quantile, values, percent)


WRONG = {
    "without the new row": lambda s, level: np.sort(s)[min(math.ceil(len(s) * level), len(s)) - 1],
    "one rank too low": lambda s, level: np.sort(s)[max(math.ceil((len(s) + 1) * level) - 2, 0)],
    "one rank too high": lambda s, level: np.append(np.sort(s), np.inf)[min(math.ceil((len(s) + 1) * level), len(s))],
    "rounded down": lambda s, level: np.sort(s)[max(math.floor((len(s) + 1) * level), 1) - 1],
    "interpolated": np.quantile,
}


@pytest.mark.parametrize("quantile", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_quantile_would_be_noticed(quantile):
    values = np.random.default_rng(0).normal(size=12)
    assert any(breaks_the_guarantee(quantile, values, percent) for percent in (80, 90, 95))


NOISE = {
    "normal": lambda rng, n: rng.normal(size=n),
    "Cauchy": lambda rng, n: rng.standard_cauchy(n),
    "one-sided": lambda rng, n: rng.lognormal(0, 2, n),
    "mostly zero": lambda rng, n: rng.normal(size=n) * (rng.random(n) < 0.1),
    "two values": lambda rng, n: rng.choice([-1.0, 5.0], n),
}


@pytest.mark.parametrize("method", uncertainty.METHODS)
@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE.keys())
def test_intervals_cover_new_rows_of_the_same_kind(noise, method):
    """Fifty calibrations, each asked for a hundred new rows whose noise depends on what they are made of."""
    rng, level, draws, num_calibration, num_new = np.random.default_rng(7), 0.9, 50, 60, 100
    covered = []
    for _ in range(draws):
        n = num_calibration + num_new
        fractions = rng.dirichlet(np.ones(4), n) * (rng.random((n, 4)) < 0.7)
        predicted = rng.normal(size=n)
        y = predicted + noise(rng, n) * (0.1 + fractions[:, 0])
        rows = Answered(y, predicted, fractions)
        calibration = Calibration.fit(rows.take(np.arange(num_calibration)), method)
        new = rows.take(np.arange(num_calibration, n))
        covered.append((new.errors <= calibration.half_widths(new.predicted, new.fractions, level)).mean())
    ranked = calibration.num_calibration
    # a calibration's coverage has a beta distribution (Vovk 2012); the rows asked for add a binomial one
    sd = math.sqrt(level * (1 - level) * (1 / (ranked + 2) + 1 / num_new) / draws)
    assert np.mean(covered) > level - 4 * sd
    if noise in (NOISE["normal"], NOISE["Cauchy"], NOISE["one-sided"]):  # without ties
        assert np.mean(covered) < level + 1 / (ranked + 1) + 4 * sd


# -------------------------------------------------------------------------------------------------- the shipped cards


def test_there_are_shipped_regressions():
    assert [path.name for path in SHIPPED] == ["elemnet_oqmd.json", "irnet_10.json"]


@pytest.fixture(params=SHIPPED, ids=lambda path: path.stem)
def entries(request):
    """What a shipped card says of each of its targets."""
    card = json.loads(request.param.read_text(encoding="utf-8"))
    return card, {target: card["uncertainty"][target] for target in card.get("targets", [card["target"]])}


def test_every_figure_comes_with_rows_level_and_interval(entries):
    card, by_target = entries
    for entry in by_target.values():
        assert entry["num_fit"] + entry["num_calibration"] == card["data"]["rows_validation"]
        levels = {}
        for row in entry["coverage"]:
            levels.setdefault(row["rows"], []).append(row["level"])
            hits = round(row["coverage"] * row["n"])
            assert row["coverage"] == hits / row["n"] and row["coverage_interval"] == list(
                wilson_interval(hits, row["n"])
            )
            assert row["median_width"] > 0 and 0 < row["mean_width"] < 10
        assert set(map(tuple, levels.values())) == {(0.8, 0.9, 0.95)}
        assert len(levels) >= 3  # test rows, and two sets of another kind


def test_intervals_of_test_rows_hold_what_they_say(entries):
    card, by_target = entries
    for entry in by_target.values():
        (row,) = (
            row for row in entry["coverage"]
            if row["level"] == 0.9 and row["rows"] == f"test rows of {card['data']['name']}"
        )  # fmt: skip
        assert row["n"] == card["data"]["rows_test"]
        # a calibration's coverage has a beta distribution (Vovk 2012); the rows asked for add a binomial one
        sd = math.sqrt(0.9 * 0.1 * (1 / (entry["num_calibration"] + 2) + 1 / row["n"]))
        assert abs(row["coverage"] - 0.9) < 3 * sd
        if entry["num_calibration"] > 2_000:  # enough to tell
            assert 0.88 <= row["coverage"] <= 0.92


# ------------------------------------------------------------------------------- trained here, and counted once more


def small_elemnet():
    from elemnet.config import SMALL_RECIPE

    small = replace(SMALL_RECIPE, data="flla", architecture="32x1-8x1-1", dropout_rates=(), validation_fraction=0.2)
    return small.with_training(max_epochs=6, dropout_free_epochs=0, batch_size=64, learning_rate=3e-3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small ElemNet of the bundled rows, as `elemnet train` makes it; and its file."""
    from elemnet.train import run

    folder = tmp_path_factory.mktemp("trained")
    return run(small_elemnet(), folder, progress=False), folder / "model.keras"


def test_the_card_says_what_is_counted_in_the_answers(trained):
    result, path = trained
    table = result.data.test.frame
    coverage = artifacts.load(path).card["uncertainty"][ENERGY]["coverage"]
    of_test_rows = [row for row in coverage if row["rows"] == "test rows of flla"]
    assert [row["level"] for row in of_test_rows] == [0.8, 0.9, 0.95]
    for row in of_test_rows:
        answers = result.predictor.predict(table["formula"], interval=row["level"])
        true, width = table[ENERGY].to_numpy(np.float32), answers[UPPER] - answers[LOWER]
        inside = (answers[LOWER] <= true) & (true <= answers[UPPER])
        assert (row["n"], row["coverage"]) == (len(table), pytest.approx(inside.mean(), abs=1.5 / len(table)))
        assert row["mean_width"] == pytest.approx(width.mean(), rel=1e-4)
        sd = math.sqrt(
            row["level"] * (1 - row["level"]) * (1 / result.card["data"]["rows_validation"] * 2 + 1 / len(table))
        )
        assert abs(row["coverage"] - row["level"]) < 4 * sd


def test_validation_rows_that_are_test_rows_calibrate_nothing():
    """Under the authors' protocol there is no row left to measure on; what was calibrated on is then not reported."""
    from elemnet.train import run

    card = run(replace(small_elemnet(), protocol="paper"), progress=False).card
    assert "uncertainty" not in card
    with pytest.raises(UncertaintyError, match="honest"):
        uncertainty.calibration_of(card, ENERGY)


# --------------------------------------------------------------------------------- commands: answered, or refused


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    """Saves an untrained network of element fractions with a card."""
    network = networks.build("8x1-1", len(ELEMENTS), seed=1)
    plain = {key: key for key in artifacts.REQUIRED_CARD_KEYS} | {"elements": list(ELEMENTS), "metrics": {}}

    def save(**changes):
        return artifacts.save(tmp_path_factory.mktemp("model") / "model.keras", network, plain | changes)

    return save


@pytest.fixture(scope="module")
def calibration_entry():
    rng = np.random.default_rng(0)
    rows = Answered(rng.normal(size=400), rng.normal(size=400), rng.dirichlet(np.full(len(ELEMENTS), 0.02), 400))
    return Calibration.fit(rows).to_card()


OF_PACKAGE = {
    "elemnet": {},
    "irnet": {"inputs": "EF", "targets": [ENERGY]},
    "transfer": {"inputs": "EF", "targets": [ENERGY]},
}


@pytest.fixture(params=OF_PACKAGE)
def command(request):
    """`predict` of a package, and what the cards of its models say besides."""
    from importlib import import_module

    app = import_module(f"{request.param}.__main__").app

    def run(*arguments):
        return CliRunner().invoke(app, ["predict", *map(str, arguments)])

    return run, OF_PACKAGE[request.param], request.param


def test_every_command_answers_with_intervals(command, save, calibration_entry, tmp_path):
    run, more, package = command
    model = save(uncertainty={ENERGY: calibration_entry}, **more)
    (tmp_path / "in.csv").write_text("id,formula\n1,NaCl\n2,Xx\n3,Fe2O3\n")
    source = [tmp_path / "in.csv"] if package == "irnet" else ["--input", tmp_path / "in.csv"]
    widths = []
    for level in (0.5, 0.9):
        answered = run(*source, "--output", tmp_path / "out.csv", "--model", model, "--interval", level)
        assert answered.exit_code == 0, answered.output
        table = pd.read_csv(tmp_path / "out.csv")
        assert table.columns.tolist() == ["id", "formula", ENERGY, LOWER, UPPER, "status", "reason"]
        assert table["status"].tolist() == ["ok", "error", "ok"] and table[LOWER].isna().tolist() == [
            False,
            True,
            False,
        ]
        good = table[table["status"] == "ok"]
        assert (good[LOWER] < good[ENERGY]).all() and (good[ENERGY] < good[UPPER]).all()
        widths.append((good[UPPER] - good[LOWER]).to_numpy())
    assert (widths[0] < widths[1]).all()
    shown = run("NaCl", "--model", model, "--interval", 0.9)
    assert shown.exit_code == 0 and "upper" in shown.stdout


def test_what_has_no_interval_is_one_line(command, save, calibration_entry, refused, tmp_path):
    run, more, package = command
    calibrated = save(uncertainty={ENERGY: calibration_entry}, **more)
    for level in (0, 0.499, 1, -0.9, 90, "nan", "inf"):
        refused(run("NaCl", "--model", calibrated, "--interval", level), "0.5 to 0.99")
    refused(run("NaCl", "--model", save(**more), "--interval", 0.9), "no calibrated intervals", "trained it again")
    damaged = save(uncertainty={ENERGY: calibration_entry | {"scores": [1, "x"]}}, **more)
    refused(run("NaCl", "--model", damaged, "--interval", 0.9), "damaged")
    assert run("NaCl", "--model", damaged).exit_code == 0
    if package == "elemnet":
        refused(run("NaCl", "--model", calibrated, "--interval", 0.9, "--mc-samples", 3), "no dropout")
    else:
        classifier = save(**more, num_classes=2)
        refused(run("NaCl", "--model", classifier, "--interval", 0.9), "tells classes apart")


def test_a_damaged_calibration_gives_no_interval(calibration_entry, faults):
    """Each of a thousand damaged cards is refused in one sentence, or its intervals are still numbers."""
    rng = np.random.default_rng(9)
    fractions = np.eye(len(ELEMENTS))[:3]
    refusals = 0
    with faults.inject(1000):
        for _ in range(1000):
            card = {"elements": list(ELEMENTS), "uncertainty": {ENERGY: damaged(calibration_entry, rng)}}
            try:
                half = uncertainty.calibration_of(card, ENERGY).half_widths(np.zeros(3), fractions, 0.9)
            except UncertaintyError as error:
                assert "\n" not in str(error)
                refusals += 1
            else:
                assert np.isfinite(half).all() and (half >= 0).all()
    assert refusals > 500


JUNK = (None, "x", -1, -1.0, [], {}, [[1.0]], math.nan, math.inf, 1e308, True, 10**400, ["x"], [None], [math.nan] * 50)


def damaged(entry: dict, rng: np.random.Generator) -> dict:
    """One value of the entry, at any depth, replaced, dropped, or cut short."""
    entry = copy.deepcopy(entry)
    holder = entry
    while True:
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        if isinstance(holder, dict) and holder is entry:
            keys = ["scores", "difficulty", "num_fit", "num_calibration"]
        key = keys[rng.integers(len(keys))]
        below = holder[key]
        if isinstance(below, dict) or (isinstance(below, list) and rng.random() < 0.5):
            holder = below
            continue
        break
    way = rng.integers(3)
    if way == 0:
        holder[key] = JUNK[rng.integers(len(JUNK))]
    elif way == 1:
        del holder[key]
    else:
        holder[key] = below[: rng.integers(len(below))] if isinstance(below, list) else [below]
    return entry
