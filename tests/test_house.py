"""Rules of the house that no linter checks."""

import ast
import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("common", "elemnet", "irnet", "transfer", "omnet", "padnet", "experiments", "benchmarks")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_only_the_backend_imports_tensorflow():
    importers = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if any(name.split(".")[0] in ("tensorflow", "tf_keras", "torch", "jax") for name in imported_modules(path))
    }
    assert importers == {"common/backend.py"}


def test_nothing_loads_pickles():
    loaders = ("pickle", "joblib", "dill", "cloudpickle", "shelve")
    offenders = [
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if any(name.split(".")[0] in loaders for name in imported_modules(path))
        or "allow_pickle=True" in path.read_text()
    ]
    assert offenders == []


def test_continuous_integration_can_be_run():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_make_target_of_the_readme_exists():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    code = "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", text)])
    named = set(re.findall(r"\bmake ([a-z][\w-]*)", code))
    assert named and named <= make_targets()


def test_every_make_target_is_explained_and_phony():
    makefile = (ROOT / "Makefile").read_text()
    explained = set(re.findall(r"^## ([\w-]+):", makefile, re.MULTILINE))
    phony = set(re.search(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)[1].split())
    assert explained == make_targets() == phony
