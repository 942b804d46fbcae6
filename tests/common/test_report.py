import dataclasses
import json

import pytest

from common.provenance import Provenance
from common.report import main, promises_rows, readme_rows, renewed, stale_files, write_report
from common.results import DataUsed, Result, ResultRow, write

README_BEGIN, README_END = "<!-- results:begin -->", "<!-- results:end -->"
MADE = Provenance(
    date="2025-01-31T12:00:00+00:00",
    versions={"python": "3.11.9", "keras": "3.9.0"},
    machine={"cpu": "Some CPU", "cores": 2, "memory_gib": 8.0, "gpus": [], "system": "Linux x86_64"},
    git_commit="abc1234",
)
RESULT = Result(
    id="table_3_2",
    title="Table 3.2: errors",
    rows=(
        ResultRow(
            "ElemNet", "MAE", 0.0561, "eV/atom", 0.055, 0.0572, 0.05, 9000, 1000, 600.0, 1.25, note="One fold of ten."
        ),
        ResultRow("Forest | physical", "MAE", 0.16, "eV/atom"),
        ResultRow("Depth 4", "MAE", 0.2, "eV/atom", headline=False),
    ),
    protocol="honest",
    profile="cpu",
    data=(DataUsed("oqmd", "stand-in", 10_000, note="Every tenth row."),),
    seed=1,
    command="make chapter3",
    caveats=("Fewer epochs than the paper.",),
    seconds=700.0,
    provenance=MADE,
)


@pytest.fixture
def project(tmp_path):
    write(RESULT, tmp_path / "results" / "chapter3")
    (tmp_path / "README.md").write_text(f"# Title\n\n{README_BEGIN}\nold\n{README_END}\n\nafter\n")
    return tmp_path


def options(project):
    return ["--results", str(project / "results"), "--readme", str(project / "README.md")]


def test_readme_table(project):
    assert readme_rows(project / "results").splitlines() == [
        "| Chapter | Figure | Paper | Ours [95 % interval] | Data | Command | Date |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| [3](results/chapter3/report.md) | ElemNet: MAE (eV/atom) | 0.05 | 0.0561 [0.0550, 0.0572] "
        "| oqmd (stand-in), 10,000 rows | `make chapter3` | 2025-01-31 |",
        r"| [3](results/chapter3/report.md) | Forest \| physical: MAE (eV/atom) | – | 0.160 "
        "| oqmd (stand-in), 10,000 rows | `make chapter3` | 2025-01-31 |",
    ]


def test_readme_leaves_out_smoke_and_marks_the_papers_protocol(project):
    write(dataclasses.replace(RESULT, id="smoke", profile="smoke"), project / "results" / "chapter4")
    write(dataclasses.replace(RESULT, id="authors", protocol="paper"), project / "results" / "chapter10")
    table = readme_rows(project / "results")
    assert "chapter4" not in table
    assert "[10](results/chapter10/report.md) | ElemNet: MAE (eV/atom) (the paper's protocol)" in table
    assert table.index("chapter3") < table.index("chapter10")


def test_readme_text_outside_the_markers_stays(project):
    main(options(project))
    text = (project / "README.md").read_text()
    assert text.startswith(f"# Title\n\n{README_BEGIN}\n\n| Chapter")
    assert text.endswith(f"|\n\n{README_END}\n\nafter\n")
    assert "old" not in text
    main(options(project))
    assert (project / "README.md").read_text() == text


@pytest.mark.parametrize("text", ["", README_BEGIN, f"{README_END}\n{README_BEGIN}", f"{README_BEGIN}{README_END}" * 2])
def test_readme_without_its_markers_is_refused_and_kept(project, text):
    (project / "README.md").write_text(text)
    with pytest.raises(ValueError, match="put them where the table shall stand"):
        renewed(project / "README.md", project / "results")
    assert (project / "README.md").read_text() == text


def test_report_has_figures_facts_caveats_and_pictures(project):
    folder = project / "results" / "chapter3"
    for name in ("table_3_2.png", "table_3_2.parity.png", "table_3_2_other.png"):
        (folder / name).write_bytes(b"")
    text = write_report(folder).read_text()
    for expected in (
        "# Chapter 3: results",
        "## Table 3.2: errors",
        "| ElemNet (1) | MAE (eV/atom) | 0.05 | 0.0561 [0.0550, 0.0572] | 9,000 | 1,000 | 10 min | 1.25 s |",
        "(1) One fold of ten.",
        "| Depth 4 |",
        "- Data: oqmd (stand-in), 10,000 rows. Every tenth row.",
        "- Command: `make chapter3`",
        "- Protocol: honest; profile: cpu; seed: 1",
        "- Date: 2025-01-31, 12 min in all; commit: abc1234",
        "- Machine: Some CPU, 2 cores, 8.0 GiB; no GPU",
        "- Versions: python 3.11.9, keras 3.9.0",
        "- Fewer epochs than the paper.",
        "![Table 3.2: errors](table_3_2.png)",
        "![Table 3.2: errors](table_3_2.parity.png)",
    ):
        assert expected in text
    assert text.endswith("## Further pictures\n\n![table_3_2_other.png](table_3_2_other.png)\n")
    assert "Smoke" not in text


def test_report_of_a_smoke_run_says_so(tmp_path):
    write(dataclasses.replace(RESULT, profile="smoke"), tmp_path / "chapter3")
    assert "The figures mean nothing" in write_report(tmp_path / "chapter3").read_text()


def test_report_needs_results(tmp_path):
    with pytest.raises(ValueError, match="run its chapter first"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.05, "0.0500"), (12.0, "12"), (123.4, "123"), (25662.0, "25,662"), (-0.5614, "-0.561"), (0.0, "0")],
)
def test_figures_keep_three_digits(project, value, expected):
    row = ResultRow("a", "b", value, "")
    write(dataclasses.replace(RESULT, rows=(row,)), project / "results" / "chapter3")
    assert f"| {expected} |" in readme_rows(project / "results")


def test_command_renews_and_check_notices_drift(project, capsys):
    assert main([*options(project), "--check"]) == 1
    assert "README.md: not what" in capsys.readouterr().err
    assert "old" in (project / "README.md").read_text()

    assert main(options(project)) == 0
    assert (project / "results" / "chapter3" / "report.md").is_file()
    assert main([*options(project), "--check"]) == 0

    changed = dataclasses.replace(RESULT, rows=(dataclasses.replace(RESULT.rows[0], ours=0.0444, interval_low=0.04),))
    write(changed, project / "results" / "chapter3")
    assert main([*options(project), "--check"]) == 1
    assert stale_files(project / "README.md", project / "results") == [
        project / "README.md",
        project / "results" / "chapter3" / "report.md",
    ]


def test_the_table_of_promises_stands_wherever_its_markers_are(project):
    block = "<!-- promises:begin -->\nold\n<!-- promises:end -->\n"
    documents = [project / "README.md", project / "docs" / "architecture.md"]
    documents[1].parent.mkdir()
    for path in documents:
        path.write_text((path.read_text() if path.is_file() else "") + block)
    with pytest.raises(FileNotFoundError, match="run `make promises` first"):
        stale_files(documents[0], project / "results")
    row = {"number": 3, "promise": "Files are whole.", "tests": 4, "passed": 3, "injected": 1200, "survived": 1199}
    saved = {"command": "make promises", "date": "2025-01-31", "promises": [row]}
    (project / "results" / "promises.json").write_text(json.dumps(saved))
    assert stale_files(documents[0], project / "results") == documents
    main(options(project))
    for path in documents:
        text = path.read_text()
        assert "| 3 | Files are whole. | 3 of 4 | 1,200 | 1,199 |" in text and "old" not in text
        assert "`make promises`, 2025-01-31" in promises_rows(project / "results")
    assert stale_files(documents[0], project / "results") == []


def test_command_without_results_is_one_sentence(tmp_path, capsys):
    (tmp_path / "README.md").write_text("")
    assert main(options(tmp_path)) == 1
    assert capsys.readouterr().err.startswith("error: expected a folder of results")
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
