"""The site builds without a warning, its tutorials run and say what they show, and its metadata agree."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")


@pytest.fixture(scope="module")
def package():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return setup["metadata"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The whole site, built as `make docs` does; a warning is an error."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    return folder


def test_pages_of_chapters_have_formulas_and_the_readme_s_figures(site):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for chapter in "34567":
        page = (site / f"chapter{chapter}" / "index.html").read_text(encoding="utf-8")
        article = page[page.index("<article") : page.index("</article>")]
        assert "<math" in article and "arithmatex" not in article and "$" not in article
        num_figures = readme.count(f"\n| [{chapter}](")
        assert num_figures > 5 and article.count("<tr>") == num_figures + 1


def test_no_page_needs_the_network(site):
    fetched = re.compile(r"<(?:script|img|iframe)[^>]+src=\"?(?:https?:)?//|<link[^>]+rel=\"?stylesheet[^>]+//")
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    assert [page.name for page in pages if fetched.search(page.read_text(encoding="utf-8"))] == []


def test_api_pages_have_every_public_name(site):
    page = (site / "api" / "elemnet" / "index.html").read_text(encoding="utf-8")
    for name in ("elemnet.predict.Predictor.predict", "elemnet.hulls.Hull.energy_above", "elemnet.train.run"):
        assert f'id="{name}"' in page


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Stored and fresh notebooks, all run in one process, offline and in an empty folder."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    stored = {path.stem: nbformat.read(path, as_version=4) for path in NOTEBOOKS}
    cells = [cell.copy() for notebook in stored.values() for cell in notebook.cells]
    one = nbformat.v4.new_notebook(cells=cells)
    folder = str(tmp_path_factory.mktemp("tutorials"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        # else a backend that another test has chosen for this process would draw no picture into the notebook
        patch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        nbclient.execute(one, cwd=folder, timeout=300, kernel_name="python3")
    fresh = iter(one.cells)
    return {name: [(cell, next(fresh)) for cell in notebook.cells] for name, notebook in stored.items()}


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_a_tutorial_says_what_it_shows(name, executed):
    num_outputs = 0
    for stored, fresh in executed[name]:
        if stored.cell_type != "code":
            continue
        (words, numbers, kinds), (fresh_words, fresh_numbers, fresh_kinds) = _shown(stored), _shown(fresh)
        assert fresh_words == words and fresh_kinds == kinds, stored.source
        if "trained" not in stored.metadata.get("tags", ()):  # which differs from machine to machine
            assert fresh_numbers == pytest.approx(numbers, rel=0.05, abs=0.02), stored.source
        num_outputs += len(kinds)
    assert num_outputs >= 4


def _shown(cell) -> tuple[list[str], list[float], list[list[str]]]:
    """Words, numbers and kinds of a cell's outputs; warnings on the way are none of them."""
    outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    text = " ".join(output.get("text") or output["data"]["text/plain"] for output in outputs)
    kinds = [sorted({"image/png", "text/plain"} & set(output.get("data", {}))) for output in outputs]
    numbers = [float(number.replace(",", "")) for number in NUMBER.findall(text)]
    return NUMBER.sub("#", text).split(), numbers, kinds


def test_the_citation_is_of_this_version_and_licence(package):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0" and citation["message"] and citation["authors"]
    assert (citation["title"], citation["version"]) == (package["name"], package["version"])
    assert citation["license"] == package["license"]
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith(f"{citation['license']} License")


def test_the_citation_has_the_papers_that_the_packages_name():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    dois = {reference["doi"] for reference in citation["references"] if "doi" in reference}
    for name in ("elemnet", "irnet", "transfer", "omnet", "padnet"):
        text = (ROOT / name / "__init__.py").read_text(encoding="utf-8")
        assert set(re.findall(r"doi:(10\.[^\s;,]+[^\s;,.])", text)) <= dois


def test_the_changelog_names_the_version(package):
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(package['version'])}\]", changes, re.MULTILINE)
