import dataclasses
import json
import platform
import subprocess

import numpy as np
import pandas as pd
import pytest

from common import provenance
from common.results import DataUsed, Result, ResultRow, natural_key, read, read_folder, write

ROW = ResultRow("ElemNet", "MAE", 0.0561, "eV/atom", 0.055, 0.057, paper=0.050, rows_train=900, rows_test=100)


def make(**changes) -> Result:
    given = {
        "id": "table_3_2",
        "title": "Table 3.2",
        "rows": (ROW, ResultRow("Forest", "MAE", 0.16, "eV/atom")),
        "protocol": "honest",
        "profile": "cpu",
        "data": (DataUsed("oqmd", "public", 1000, {"a.csv": "sha256:00"}, "every tenth row"),),
        "seed": 1,
        "command": "make chapter3",
        "caveats": ("Fewer epochs than the paper.",),
        "seconds": 12.5,
        "extra": {"epochs": 3, "curve": [1.0, 0.5]},
    }
    return Result(**(given | changes))


def test_round_trip(tmp_path):
    result = make()
    path = write(result, tmp_path / "chapter3")
    back = read(path)
    assert path == tmp_path / "chapter3" / "table_3_2.json"
    assert dataclasses.replace(back, provenance=None) == result
    assert back.provenance is not None
    # What carries its provenance keeps it: reading and writing again changes nothing.
    before = path.read_bytes()
    write(back, path.parent)
    assert path.read_bytes() == before


def test_csv_has_the_rows(tmp_path):
    write(make(), tmp_path)
    table = pd.read_csv(tmp_path / "table_3_2.csv")
    assert table["name"].tolist() == ["ElemNet", "Forest"]
    assert table["ours"].tolist() == [0.0561, 0.16]
    assert table["paper"].isna().tolist() == [False, True]


def test_provenance_says_when_and_with_what_and_no_names(tmp_path):
    made = read(write(make(), tmp_path)).provenance
    assert made.date.endswith("+00:00")
    assert made.versions["python"] == platform.python_version()
    assert made.versions["numpy"] == np.__version__
    assert made.machine["cores"] >= 1
    assert set(made.machine) == {"cpu", "cores", "memory_gib", "gpus", "system"}


def test_git_commit_short_dirty_and_none(tmp_path):
    def git(*arguments):
        subprocess.run(
            ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
            check=True,
            capture_output=True,
        )

    assert provenance._git_commit(tmp_path) is None
    git("init")
    (tmp_path / "code.py").write_text("1")
    git("add", ".")
    git("commit", "-m", "first")
    commit = provenance._git_commit(tmp_path.resolve())
    assert 7 <= len(commit) <= 12
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.json").write_text("{}")
    assert provenance._git_commit(tmp_path.resolve()) == commit
    (tmp_path / "code.py").write_text("2")
    assert provenance._git_commit(tmp_path.resolve()) == f"{commit}-dirty"
    # A package installed inside another checkout is not at that checkout's commit.
    assert provenance._git_commit(tmp_path.resolve() / "results") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "Table 3.2"}, "lower-case letters"),
        ({"protocol": "authors"}, "protocol to be one of"),
        ({"profile": "gpu"}, "profile to be one of"),
        ({"rows": ()}, "at least one row"),
        ({"data": ()}, "name its data"),
        ({"caveats": "one sentence"}, "tuple of sentences"),
    ],
)
def test_bad_results_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ours": float("nan")}, "finite ours in result row 'ElemNet', received nan"),
        ({"paper": float("inf")}, "finite paper"),
        ({"interval_low": None}, "both ends"),
        ({"interval_low": 0.9}, "interval_low <= interval_high"),
    ],
)
def test_bad_rows_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(ROW, **changes)


def test_nan_in_extra_leaves_the_old_result(tmp_path):
    path = write(make(), tmp_path)
    with pytest.raises(ValueError, match=r"\$\.extra\.loss"):
        write(make(extra={"loss": float("nan")}), tmp_path)
    assert read(path).extra == make().extra


def test_other_files_are_refused_by_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("{ half")
    with pytest.raises(ValueError, match="expected JSON in"):
        read(path)
    path.write_text('{"mae": 1}')
    with pytest.raises(ValueError, match="another kind of JSON"):
        read(path)
    obj = json.loads(write(make(), tmp_path).read_text())
    path.write_text(json.dumps(obj | {"schema": "materials-dl/result/99"}))
    with pytest.raises(ValueError, match="run its command again"):
        read(path)
    path.write_text(json.dumps(obj | {"unknown": 1}))
    with pytest.raises(ValueError, match="unknown"):
        read(path)


def test_read_folder_is_in_natural_order_and_passes_over_other_json(tmp_path):
    for name in ("table_3_10", "table_3_9", "fig_3_2"):
        write(make(id=name), tmp_path)
    (tmp_path / "splits.json").write_text("[1, 2]")
    (tmp_path / ".tmp-00-table_3_9.json").write_text("{ half")
    assert [result.id for result in read_folder(tmp_path)] == ["fig_3_2", "table_3_9", "table_3_10"]
    with pytest.raises(FileNotFoundError, match="run a chapter first"):
        read_folder(tmp_path / "none")


def test_natural_key():
    assert sorted(["chapter10", "chapter3", "a1b2", "a1b10"], key=natural_key) == [
        "a1b2",
        "a1b10",
        "chapter3",
        "chapter10",
    ]
