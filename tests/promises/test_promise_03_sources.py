"""Every file is written to a temporary name, synced, renamed: a kill at any byte leaves the old file or the new one.

The sources are searched for whatever writes a file: it has to stand in a block of ``atomic_path``, or among the
exceptions below with its reason.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("common", "elemnet", "irnet", "transfer", "omnet", "padnet", "experiments", "benchmarks")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

EXCEPTIONS = {
    "common/files.py: atomic_path": "it is what the others have to use",
    "common/files.py: _sync_file": "opens the finished temporary file to sync it",
    "common/artifacts.py: _save_repeatably": "is given the temporary name",
    "common/classical_search.py: search_all": "arrays for its processes, in a temporary folder that is gone afterwards",
    "common/experiment_tables.py: read_zipped": "reads a member of an archive",
    "common/quiet.py: native_stderr_silenced": "standard error",
    "omnet/pattern_file.py: PatternFile.complete": "gigabytes that grow under another name, see promise 4",
    "omnet/pattern_file.py: PatternFile._give_name": "renames them when they are whole and on disk",
    "omnet/pattern_file.py: PatternFile._write_missing": "writes them, and notes what is on disk",
    "padnet/writers.py: write_frame": "in memory",
    "padnet/writers.py: _write_gfrm": "is given the temporary name",
    "transfer/__main__.py: activations": "renames a column",
    "transfer/leaderboard.py: write_submission": "an archive in memory",
    "benchmarks/bench_memory.py: _write_formulas": "its own input, in a temporary folder",
}

WRITERS = frozenset(
    [
        "write",
        "write_text",
        "write_bytes",
        "writelines",
        "to_csv",
        "to_parquet",
        "to_json",
        "to_excel",
        "to_pickle",
        "to_hdf",
        "to_feather",
        "to_html",
        "tofile",
        "savetxt",
        "save",
        "savez",
        "savez_compressed",
        "save_weights",
        "save_model",
        "savefig",
        "imwrite",
        "imsave",
        "write_table",
        "dump",
        "touch",
        "write_image",
        "write_html",
        "copyfile",
        "copy2",
        "copytree",
        "copyfileobj",
        "move",
        "rename",
        "renames",
        "link",
        "symlink_to",
        "hardlink_to",
        "truncate",
        "extractall",
        "mkstemp",
        "NamedTemporaryFile",
        "memmap",
        "open_memmap",
        "TiffWriter",
        "ExcelWriter",
        "ParquetWriter",
        "CSVLogger",
        "ModelCheckpoint",
        "BackupAndRestore",
    ]
)
OPENERS = {"open": 1, "fdopen": 1, "File": 1, "ZipFile": 1, "TarFile": 1}  # name: place of the mode
OF_THE_HOUSE = frozenset({"artifacts.save", "checkpoint.save", "results.write"})  # searched themselves


def writes_a_file(call: ast.Call) -> bool:
    """Whether a call looks as if it wrote a file; in doubt, yes."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    if name in OPENERS:
        if owner == "os" and name == "open":
            return not (len(call.args) == 2 and ast.unparse(call.args[1]) == "os.O_RDONLY")
        of_object = name == "open" and owner not in ("", "gzip", "bz2", "lzma", "io", "tarfile")  # path.open(mode)
        modes = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
        modes += call.args[OPENERS[name] - of_object :][:1]
        return any(not isinstance(mode, ast.Constant) or bool(set(str(mode.value)) & set("wax+")) for mode in modes)
    if name in ("replace", "rename"):  # of a path or of os; those of texts and tables take two arguments, or keywords
        return owner == "os" or (len(call.args) == 1 and not call.keywords)
    if name == "memmap":
        return not any(isinstance(argument, ast.Constant) and argument.value in ("r", "c") for argument in arguments)
    if name in ("to_csv", "to_json"):  # a text where no path is given
        return bool(call.args) or any(keyword.arg == "path_or_buf" for keyword in call.keywords)
    if not owner and name in ("save", "write"):  # functions of the house
        return False
    return name in WRITERS and f"{owner}.{name}" not in OF_THE_HOUSE


def is_atomic(block: ast.With) -> bool:
    calls = [item.context_expr for item in block.items if isinstance(item.context_expr, ast.Call)]
    return any(getattr(call.func, "id", getattr(call.func, "attr", "")) == "atomic_path" for call in calls)


def bare_writes(node: ast.AST, place: str = "") -> Iterator[str]:
    """Functions with calls that write a file outside of any block of ``atomic_path``."""
    for child in ast.iter_child_nodes(node):
        inside = place
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inside = f"{place}.{child.name}" if place else child.name
        if isinstance(child, ast.With) and is_atomic(child):
            continue
        if isinstance(child, ast.Call) and writes_a_file(child):
            yield place or "the module"
        yield from bare_writes(child, inside)


def test_nothing_writes_a_file_but_through_atomic_path():
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {place}"
        for path in SOURCES
        for place in bare_writes(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == set(EXCEPTIONS)


@pytest.mark.parametrize(
    "source",
    [
        "open('a', 'w')", "open('a', mode='ab')", "path.open('r+b')", "open('a', mode)", "gzip.open('a', 'wt')",
        "h5py.File('a', 'w')", "zipfile.ZipFile('a', 'w')", "os.open('a', os.O_WRONLY)", "os.open('a', flags)",
        "path.write_text('x')", "frame.to_csv('a')", "frame.to_csv(path_or_buf='a')", "frame.to_parquet('a')",
        "frame.to_json('a')",
        "np.save('a', x)", "np.savez('a', x=x)", "x.tofile('a')", "json.dump(x, stream)", "model.save('a')",
        "figure.savefig('a')", "pq.write_table(table, 'a')", "path.replace(other)", "os.replace('a', 'b')",
        "shutil.copyfile('a', 'b')", "np.memmap('a', mode='w+')", "with open('a', 'w') as stream: pass",
        "with suppress(OSError): path.write_bytes(b'')",
    ],
)  # fmt: skip
def test_the_search_finds(source, faults):
    with faults.inject():
        assert list(bare_writes(ast.parse(source))) == ["the module"]


@pytest.mark.parametrize(
    "source",
    [
        "open('a')", "open('a', 'rb')", "path.open(encoding='utf-8')", "gzip.open('a', 'rt')", "h5py.File('a')",
        "zipfile.ZipFile('a')", "os.open('a', os.O_RDONLY)", "text.replace('a', 'b')", "replace(config, seed=1)",
        "frame.to_csv(index=False)", "model.to_json()", "np.memmap('a', np.uint8, 'r')", "json.dumps(x)",
        "artifacts.save(path, model, card)", "frame.rename(columns={})", "archive.infolist()",
        "with atomic_path('a') as temporary, temporary.open('wb') as stream: np.savez(stream, x=x)",
        "with suppress(OSError), files.atomic_path('a') as temporary: temporary.write_text('x')",
    ],
)  # fmt: skip
def test_the_search_passes_over(source):
    assert list(bare_writes(ast.parse(source))) == []
