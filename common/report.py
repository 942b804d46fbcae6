"""Results as Markdown: a report per chapter, and the README's tables, all made from the committed JSON alone.

`python -m common.report` renews them; `python -m common.report --check` says whether they are what the JSON
says, for continuous integration. Nothing in them is typed by hand, so nothing in them can drift from the
runs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from common.files import write_text_atomic
from common.results import DataUsed, Result, ResultRow, natural_key, read_folder

PROMISES = Path("docs") / "architecture.md"  # beside the README; has the table of `make promises` as well
RENEW_COMMAND = "python -m common.report"
_NONE = "–"


def write_report(folder: str | os.PathLike[str]) -> Path:
    """Write `report.md` in `folder` from the results and pictures that lie there.

    The pictures of a result are `<id>.png` and `<id>.<what>.png`; all others stand at the end.

    Returns:
        The path of the report.

    Raises:
        FileNotFoundError: No such folder.
        ValueError: No results in it, or one that cannot be read.
    """
    return write_text_atomic(Path(folder) / "report.md", _report(Path(folder)))


def readme_rows(results_root: str | os.PathLike[str]) -> str:
    """Return the README's results table as Markdown: chapter, figure, paper, ours, data, command, date.

    Every headline row of every result below `results_root`, except those of the smoke profile: they prove
    that the code runs and say nothing of the method.

    Raises:
        FileNotFoundError: No such folder.
        ValueError: A result that cannot be read.
    """
    root = Path(results_root)
    lines = [
        _line("Chapter", "Figure", "Paper", "Ours [95 % interval]", "Data", "Command", "Date"),
        _line(*["---"] * 7),
    ]
    for folder in _chapters(root):
        number = folder.name.removeprefix("chapter")
        chapter = f"[{number}]({root.name}/{folder.name}/report.md)"
        for result in read_folder(folder):
            if result.profile == "smoke":
                continue
            for row in result.rows:
                if row.headline:
                    lines.append(
                        _line(
                            chapter,
                            f"{row.name}: {_metric(row)}{_protocol(result)}",
                            _paper(row),
                            _ours(row),
                            _data(result, row),
                            f"`{result.command}`",
                            _date(result),
                        )
                    )
    return "\n".join(lines) + "\n"


def promises_rows(results_root: str | os.PathLike[str]) -> str:
    """Return the table that `make promises` left in `results_root` as Markdown: promise, tests, faults, survived.

    Raises:
        FileNotFoundError: It has not been run.
    """
    path = Path(results_root) / "promises.json"
    if not path.is_file():
        raise FileNotFoundError(f"expected {str(path)!r}, received no such file; run `make promises` first")
    found = json.loads(path.read_text(encoding="utf-8"))
    lines = [_line("", "Promise", "Tests passed", "Faults injected", "Survived"), _line(*["---"] * 5)]
    for row in found["promises"]:
        counts = (_count(row["injected"]), _count(row["survived"]))
        lines.append(_line(str(row["number"]), row["promise"], f"{row['passed']} of {row['tests']}", *counts))
    return "\n".join([*lines, "", f"`{found['command']}`, {found['date']}"]) + "\n"


def renewed(readme_path: str | os.PathLike[str], results_root: str | os.PathLike[str]) -> dict[Path, str]:
    """Return the documents that hold tables of results, each as it has to be: the README, and beside it `PROMISES`.

    Tables stand between `<!-- results:begin -->` and `<!-- results:end -->`, or the same with `promises`. The README
    has the first; the second is renewed wherever it is.

    Raises:
        ValueError: A document has not exactly one of each marker, in order.
    """
    readme, root = Path(readme_path), Path(results_root)
    texts = {readme: _with_block(readme, readme.read_text(encoding="utf-8"), "results", readme_rows(root))}
    for path in (readme, readme.parent / PROMISES):
        text = texts[path] if path in texts else path.read_text(encoding="utf-8") if path.is_file() else ""
        if "<!-- promises:begin -->" in text:
            texts[path] = _with_block(path, text, "promises", promises_rows(root))
    return texts


def stale_files(readme_path: str | os.PathLike[str], results_root: str | os.PathLike[str]) -> list[Path]:
    """Return the files that differ from what the results say: `renewed`, and chapter reports that exist."""
    expected = renewed(readme_path, results_root)
    for folder in _chapters(Path(results_root)):
        if (folder / "report.md").is_file():
            expected[folder / "report.md"] = _report(folder)
    return [path for path, text in expected.items() if path.read_text(encoding="utf-8") != text]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog=RENEW_COMMAND, description="Renew the chapter reports and the README's results table."
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of chapterN folders")
    parser.add_argument("--readme", type=Path, default=Path("README.md"), help="file with the result markers")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a file is not what the results say"
    )
    options = parser.parse_args(arguments)
    try:
        if options.check:
            stale = stale_files(options.readme, options.results)
            if stale:
                names = ", ".join(map(str, stale))
                print(f"{names}: not what {options.results}/ says; run `{RENEW_COMMAND}`.", file=sys.stderr)
            return 1 if stale else 0
        for folder in _chapters(options.results):
            print(write_report(folder))
        for path, text in renewed(options.readme, options.results).items():
            print(write_text_atomic(path, text))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _report(folder: Path) -> str:
    results = read_folder(folder)
    if not results:
        raise ValueError(f"expected at least one result in {str(folder)!r}, received none; run its chapter first")
    number = re.fullmatch(r"chapter(\d+)", folder.name)
    heading = f"Chapter {number[1]}" if number else folder.name
    intro = f"Made by `{RENEW_COMMAND}` from the JSON files beside it; do not edit."
    sections = [_section(result, folder) for result in results]
    shown = {name for result in results for name in _pictures(folder, result.id)}
    others = sorted({path.name for path in folder.glob("*.png")} - shown, key=natural_key)
    if others:  # of a figure that has no table of its own
        sections.append("\n\n".join(["## Further pictures", *(f"![{name}]({name})" for name in others)]))
    return "\n\n".join([f"# {heading}: results", intro, *sections]) + "\n"


def _section(result: Result, folder: Path) -> str:
    blocks = [f"## {result.title}"]
    if result.profile == "smoke":
        blocks.append("**Smoke run: it proves that the code runs. The figures mean nothing.**")
    header = ("", "Metric", "Paper", "Ours [95 % interval]", "Training rows", "Test rows", "Training", "Prediction")
    noted = [row for row in result.rows if row.note]
    table = [_line(*header), _line(*["---"] * len(header))]
    for row in result.rows:
        mark = f" ({noted.index(row) + 1})" if row.note else ""
        table.append(
            _line(
                row.name + mark + (f" – {row.data}" if row.data else ""),
                _metric(row),
                _paper(row),
                _ours(row),
                _count(row.rows_train),
                _count(row.rows_test),
                _duration(row.seconds_train),
                _duration(row.seconds_predict),
            )
        )
    blocks.append("\n".join(table))
    if noted:
        blocks.append("\n".join(f"({i}) {row.note}  " for i, row in enumerate(noted, start=1)).rstrip())
    blocks.append("\n".join(_facts(result)))
    if result.caveats:
        blocks.append("Caveats:\n\n" + "\n".join(f"- {caveat}" for caveat in result.caveats))
    blocks += [f"![{result.title}]({name})" for name in _pictures(folder, result.id)]
    return "\n\n".join(blocks)


def _facts(result: Result) -> Iterable[str]:
    for data in result.data:
        yield f"- Data: {_used(data)}" + (f". {data.note}" if data.note else "")
    yield f"- Command: `{result.command}`"
    yield f"- Protocol: {result.protocol}; profile: {result.profile}; seed: {result.seed}"
    if result.provenance is not None:
        made = result.provenance
        machine = made.machine
        gpus = "; ".join(machine.get("gpus") or []) or "no GPU"
        took = f", {_duration(result.seconds)} in all" if result.seconds is not None else ""
        yield f"- Date: {_date(result)}{took}; commit: {made.git_commit or 'none'}"
        cpu, cores, memory = (machine.get(key) for key in ("cpu", "cores", "memory_gib"))
        yield f"- Machine: {cpu}, {cores} cores, {memory} GiB; {gpus}"
        yield "- Versions: " + ", ".join(f"{name} {version}" for name, version in made.versions.items())


def _pictures(folder: Path, result_id: str) -> list[str]:
    # An id holds no dot, so `table_1.*.png` never catches a picture of `table_1_b`.
    more = sorted((path.name for path in folder.glob(f"{result_id}.*.png")), key=natural_key)
    return [name for name in (f"{result_id}.png", *more) if (folder / name).is_file()]


def _with_block(path: Path, text: str, name: str, block: str) -> str:
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    once = text.count(begin) == text.count(end) == 1
    if not once or text.find(end) < text.find(begin):
        raise ValueError(
            f"expected one line {begin!r} and after it one line {end!r} in {path}, received {text.count(begin)} and "
            f"{text.count(end)}; put them where the table shall stand"
        )
    return f"{text[: text.find(begin) + len(begin)]}\n\n{block}\n{text[text.find(end) :]}"


def _chapters(root: Path) -> list[Path]:
    if not root.is_dir():
        raise FileNotFoundError(f"expected a folder of results, received {str(root)!r}; run a chapter first")
    # `chapter3-smoke` and the like hold runs that prove nothing and belong into no README.
    folders = (folder for folder in root.iterdir() if re.fullmatch(r"chapter\d+", folder.name))
    return sorted((folder for folder in folders if read_folder(folder)), key=lambda f: natural_key(f.name))


def _line(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def _metric(row: ResultRow) -> str:
    return f"{row.metric} ({row.unit})" if row.unit else row.metric


def _protocol(result: Result) -> str:
    return " (the paper's protocol)" if result.protocol == "paper" else ""


def _paper(row: ResultRow) -> str:
    if row.paper is None:
        return _NONE
    # As printed in the paper: no digits added, none taken away.
    return f"{row.paper:,.0f}" if abs(row.paper) >= 1000 else f"{row.paper:.6g}"


def _ours(row: ResultRow) -> str:
    if row.interval_low is None or row.interval_high is None:
        return _figure(row.ours)
    return f"{_figure(row.ours)} [{_figure(row.interval_low)}, {_figure(row.interval_high)}]"


def _figure(value: float) -> str:
    """Return `value` with three significant digits, trailing zeros kept, and no exponent in the usual range."""
    if abs(value) >= 1000 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def _count(value: int | None) -> str:
    return _NONE if value is None else f"{value:,}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return _NONE
    if seconds < 99.5:
        return f"{_figure(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def _used(data: DataUsed) -> str:
    return f"{data.name} ({data.tier}), {data.rows:,} rows"


def _data(result: Result, row: ResultRow) -> str:
    return row.data or "; ".join(_used(data) for data in result.data)


def _date(result: Result) -> str:
    return result.provenance.date[:10] if result.provenance else _NONE


if __name__ == "__main__":
    sys.exit(main())
