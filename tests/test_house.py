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


RUNS_CODE = ("pickle", "cPickle", "joblib", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle", "yaml", "code")
CALLS_THAT_RUN_CODE = {
    "eval", "exec", "compile", "__import__",
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp",
    "torch.load", "pd.read_pickle", "pandas.read_pickle", "keras.config.enable_unsafe_deserialization",
}  # fmt: skip
ARGUMENTS_THAT_RUN_CODE = {("allow_pickle", True), ("shell", True), ("safe_mode", False), ("weights_only", False)}


def calls(path: Path):
    """Each call: its name with dots, ``""`` where it has none, and the arguments given by name as constants."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            is_named = isinstance(node.func, ast.Name | ast.Attribute)
            arguments = {word.arg: getattr(word.value, "value", ...) for word in node.keywords}
            yield ast.unparse(node.func) if is_named else "", arguments


def test_nothing_imports_what_runs_code():
    offenders = [
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if any(name.split(".")[0] in RUNS_CODE for name in imported_modules(path))
    ]
    assert offenders == []


def test_nothing_calls_what_runs_code():
    offenders = [
        (path.relative_to(ROOT).as_posix(), name)
        for path in SOURCES
        for name, arguments in calls(path)
        if name in CALLS_THAT_RUN_CODE
        or ARGUMENTS_THAT_RUN_CODE & {(k, v) for k, v in arguments.items() if v in (True, False)}
    ]
    assert offenders == []


def test_files_of_arrays_are_loaded_without_objects():
    loads = [
        (path.relative_to(ROOT).as_posix(), arguments.get("allow_pickle"))
        for path in SOURCES
        for name, arguments in calls(path)
        if name in ("np.load", "numpy.load")
    ]
    assert loads and [path for path, allowed in loads if allowed is not False] == []


def test_models_are_loaded_in_one_place_and_in_safe_mode():
    loads = {
        (path.relative_to(ROOT).as_posix(), arguments.get("safe_mode"))
        for path in SOURCES
        for name, arguments in calls(path)
        if name.rpartition(".")[2] in ("load_model", "deserialize_keras_object", "load_weights")
    }
    assert loads == {("common/artifacts.py", True)}


def test_architectures_are_read_in_one_place():
    """An estimator has its network in a pickle that the user has opened: what could run code has done so by then."""
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        for name, _ in calls(path)
        if name.rpartition(".")[2] == "model_from_json"
    }
    assert readers <= {"common/estimators.py"}


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
