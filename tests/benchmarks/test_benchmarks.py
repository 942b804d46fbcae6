"""The judging of benchmarks: what counts as agreed and as a floor kept. No timing and no TensorFlow."""

import json

import pytest

from benchmarks import Measurement, measure_in_turn
from benchmarks.__main__ import NAMES, main


def make(**changes) -> Measurement:
    given = {
        "task": "a task",
        "rows": 10,
        "unit": "rows/s",
        "ours_rounds": (90.0, 120.0, 100.0),
        "agreement": "within 0",
        "agreed": True,
        "peer": "a peer",
        "peer_rounds": (50.0, 10.0, 60.0),
    }
    return Measurement(**(given | changes))


def test_figures_are_medians_of_the_rounds():
    assert (make().ours, make().peer_value, make().ratio) == (100.0, 50.0, 2.0)
    alone = make(peer=None, peer_rounds=())
    assert alone.peer_value is None and alone.ratio is None


@pytest.mark.parametrize(
    ("floor", "floor_on", "met"),
    [
        (None, None, None),
        (100.0, "ours", True),
        (100.1, "ours", False),
        (2.0, "ratio", True),
        (2.1, "ratio", False),
        (100.0, "ours_at_most", True),
        (99.9, "ours_at_most", False),
    ],
)
def test_floor(floor, floor_on, met):
    measurement = make(floor=floor, floor_on=floor_on)
    assert measurement.floor_met is met
    assert len(measurement.failures()) == (met is False)
    assert measurement.failures(check_floors=False) == []


def test_a_floor_on_a_ratio_without_a_peer_is_not_met():
    assert make(peer_rounds=(), floor=1.0, floor_on="ratio").failures() == [
        "a task: expected at least 1 x the peer, received no figure."
    ]


def test_disagreement_fails_even_where_floors_are_not_checked():
    measurement = make(agreed=False, agreement="weights within 0.5, 1e-4 allowed")
    assert measurement.failures(check_floors=False) == [
        "a task: the answers do not agree: weights within 0.5, 1e-4 allowed."
    ]


def test_json_holds_what_the_table_shows():
    written = json.loads(json.dumps(make(floor=1.5, floor_on="ratio").as_json()))
    assert (written["ours"], written["peer_value"], written["ratio"], written["floor_met"]) == (100.0, 50.0, 2.0, True)


def test_sides_take_turns_and_the_first_round_is_thrown_away():
    calls = []

    def side(name):
        return lambda: calls.append(name) or float(len(calls))

    assert measure_in_turn({"a": side("a"), "b": side("b")}, rounds=2) == {"a": (3.0, 5.0), "b": (4.0, 6.0)}
    assert calls == ["a", "b"] * 3


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Replace the runs by given measurements; returns the setter and the default output file."""
    output = tmp_path / "bench.json"
    monkeypatch.setattr("benchmarks.__main__.DEFAULT_OUTPUT", output)

    def give(measured):
        monkeypatch.setattr("benchmarks.__main__._run_alone", lambda name, *, quick: measured)
        return output

    return give


def test_a_complete_run_writes_one_file_with_the_machine(runs, capsys):
    output = runs([make()])
    assert main([]) == 0
    document = json.loads(output.read_text())
    assert len(document["measurements"]) == len(NAMES)
    assert document["provenance"]["machine"]["cores"] >= 1
    assert "a peer" in capsys.readouterr().out


def test_a_missed_floor_or_a_crash_gives_status_1(runs, capsys):
    output = runs([make(floor=3.0, floor_on="ratio")])
    assert main(["encoding"]) == 1
    assert main(["encoding", "--quick"]) == 0
    runs(None)
    assert main(["encoding", "--quick"]) == 1
    assert "stopped with an error" in capsys.readouterr().err
    assert not output.exists()  # partial and quick runs never replace complete figures


def test_an_unknown_name_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["nonsense"])
    assert "encoding" in capsys.readouterr().err
