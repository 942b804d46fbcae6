"""What `make docs` adds to the pages of this folder, so that nothing is stated twice.

A hook of MkDocs. The README, CONTRIBUTING, CHANGELOG and the files that they link to, such as the reports of the
results, become pages as they stand; so do the notebooks, with their stored outputs, and the docstrings of every module.
A page of a chapter gets its figures from the README's table. Formulas become MathML, which browsers draw without a
script.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[1]
PACKAGES = ("elemnet", "irnet", "transfer", "omnet", "padnet", "common")
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
FIGURES = "<!-- figures of the chapter -->"
_LINK = re.compile(r"\]\(([^)#:]+)")
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here, and what they link to."""
    linked: set[Path] = set()
    for source, target in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8").replace("](docs/", "](")
        for other, page in PAGES.items():
            text = text.replace(f"]({other}", f"]({page}")
        files.append(File.generated(config, target, content=text))
        linked |= {ROOT / link for link in _LINK.findall(text) if (ROOT / link).is_file()}
    for report in [path for path in linked if path.name == "report.md"]:
        linked |= set(report.parent.glob("*.png"))
    for path in sorted(linked):
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    for package in PACKAGES:
        files.append(File.generated(config, f"api/{package}.md", content=_api_page(package)))
    for path in sorted((ROOT / "docs" / "tutorials").glob("*.ipynb")):
        for name, content in _tutorial(path).items():
            files.append(File.generated(config, f"tutorials/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page, config: MkDocsConfig, files: Files) -> str:
    """Put the figures of a chapter, the paper's beside ours, where its page wants them."""
    chapter = re.fullmatch(r"chapter(\d)\.md", page.file.src_uri)
    return markdown.replace(FIGURES, _figures(chapter[1])) if chapter else markdown


def on_page_content(content: str, page, config: MkDocsConfig, files: Files) -> str:
    """Turn LaTeX into MathML."""

    def to_mathml(found: re.Match) -> str:
        display = "block" if found[1] == "div" else "inline"
        return convert(html.unescape(found[2]), display=display)

    return _FORMULA.sub(to_mathml, content)


def _figures(chapter: str) -> str:
    rows = []
    for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"| [{chapter}]("):
            figure, paper, ours, data = re.split(r"(?<!\\)\|", line)[2:6]
            rows.append(f"|{figure}|{paper}|{ours}|{data}|")
    if not rows:
        raise ValueError(f"expected rows of chapter {chapter} in README.md, found none; run `make report`")
    return "\n".join(["| Figure | Paper | Ours [95 % interval] | Data |", "| --- | --- | --- | --- |", *rows])


def _api_page(package: str) -> str:
    """The package's own docstring, then every module's that is not private or a command line."""
    lines = [f"# {package}", "", f"::: {package}", "    options: {members: false, show_root_heading: false}", ""]
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        if len(parts) > 1 and not parts[-1].startswith("_"):
            lines += [f"::: {'.'.join(parts)}", ""]
    return "\n".join(lines)


def _tutorial(path: Path) -> dict[str, str | bytes]:
    """File name -> content of a notebook's page and pictures; code and outputs as they are stored."""
    notebook = nbformat.read(path, as_version=4)
    text, resources = MarkdownExporter().from_notebook_node(notebook)
    pictures = {f"{path.stem}_{name}": data for name, data in resources["outputs"].items()}
    for name in resources["outputs"]:
        text = text.replace(f"]({name})", f"]({path.stem}_{name})")
    download = f"[This page as a notebook]({path.name})"
    return {f"{path.stem}.md": f"{text}\n\n{download}\n", **pictures}
