"""``elemnet screen`` as a user meets it."""

import pandas as pd
import pytest
from typer.testing import CliRunner

from elemnet.__main__ import app
from elemnet.predict import ENERGY
from elemnet.screening import CAVEAT, DISTANCE

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    path = tmp_path_factory.mktemp("known") / "known.csv"
    pd.DataFrame({"formula": ["LiF", "Na2O", "bad!"], ENERGY: [-0.05, -0.05, -1.0]}).to_csv(path, index=False)
    return path


@pytest.fixture
def arguments(tiny_model, known, tmp_path):
    """A screening of some 2,000 compositions against next to nothing, so that there are candidates."""
    output = tmp_path / "out"
    return ["screen", "--elements", "Li,Na,K,F,O", "--model", str(tiny_model), "--known", str(known),
            "--below-hull", "0.01", "--output", str(output)]  # fmt: skip


def test_a_custom_study_leaves_tables_matches_and_a_picture(arguments, tmp_path):
    compounds = tmp_path / "compounds.csv"
    compounds.write_text("formula,source\nLiF,mine\nK2O,mine\nnonsense,mine\n")
    result = RUNNER.invoke(app, [*arguments, "--compounds", str(compounds)])
    assert result.exit_code == 0, result.output
    assert "2,425 of 2,425 compositions against 2 known phases" in result.output
    output = tmp_path / "out"
    best = pd.read_csv(output / "candidates.csv")
    assert 0 < len(best) <= 1000 and (best[DISTANCE] <= -0.01).all() and best[DISTANCE].is_monotonic_increasing
    summary = pd.read_csv(output / "summary.csv")
    everything = summary[summary["category"] == "all"]
    assert everything["compositions_screened"].tolist() == [310, 1090, 1025]
    matches = pd.read_csv(output / "matches.csv")
    assert matches["status"].tolist() == ["ok", "ok", "error"]
    for table in (best, summary, matches):
        assert (table["caveat"] == CAVEAT).all()
    assert "Bartel et al. 2020" in result.stderr
    (picture,) = output.glob("hull_*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_screening_that_finds_nothing_says_so(arguments, tmp_path):
    arguments[arguments.index("--below-hull") + 1] = "50"
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "0 candidates" in result.output and "nothing drawn" not in result.output
    assert pd.read_csv(tmp_path / "out" / "candidates.csv").empty
    assert not list((tmp_path / "out").glob("hull_*.png"))


def test_a_system_can_be_chosen_for_the_picture(arguments, tmp_path):
    result = RUNNER.invoke(app, [*arguments, "--plot", "Li-O"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "hull_Li-O.png").exists()


def test_the_same_command_again_screens_nothing_anew(arguments, tmp_path):
    assert RUNNER.invoke(app, arguments).exit_code == 0
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "parts").iterdir()}
    assert RUNNER.invoke(app, arguments).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "parts").iterdir()} == parts


def test_a_share_is_a_draw_of_systems(arguments, tmp_path):
    result = RUNNER.invoke(app, [*arguments, "--share", "1,0.5,0"])
    assert result.exit_code == 0, result.output
    summary = pd.read_csv(tmp_path / "out" / "summary.csv").query("category == 'all'").set_index("num_elements")
    assert summary.loc[2, "share_screened"] == 1 and summary.loc[4, "systems_screened"] == 0
    assert 0 < summary.loc[3, "systems_screened"] < 10


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--elements", "Li,Xx"], ["Xx"]),
        (["--share", "half"], ["--share", "half"]),
        (["--share", "0.5,0.5"], ["2, 3, 4"]),
        (["--plot", "Li-Na-F-O"], ["2 or 3 elements"]),
        (["--plot", "LiF"], ["LiF"]),
        (["--known", "no_such_data"], ["no_such_data"]),
        (["--compounds", "no_such.csv"], ["no_such.csv"]),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_screened(arguments, tmp_path, refused, more, words):
    refused(RUNNER.invoke(app, [*arguments, *more]), *words)
    assert not (tmp_path / "out" / "parts").exists()


@pytest.mark.parametrize(("more", "words"), [
    (["--below-hull", "0.3"], ["settings", "output"]),
    (["--elements", "Li,He"], ["He", "model"]),
])  # fmt: skip
def test_what_is_wrong_with_a_screening_is_the_last_line(arguments, more, words):
    """After notes on the known phases."""
    assert RUNNER.invoke(app, arguments).exit_code == 0
    result = RUNNER.invoke(app, [*arguments, *more])
    assert result.exit_code == 2 and "Traceback" not in result.output
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("error:") and all(word in last for word in words)


def test_help_teaches():
    result = RUNNER.invoke(app, ["screen", "--help"])
    assert result.exit_code == 0
    for word in ("446,597,140", "--elements Li,K,Na,F,O", "--scheduler", "goes on"):
        assert word in result.output
