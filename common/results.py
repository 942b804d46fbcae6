"""A result: our figures beside the paper's, with all that is needed to judge them and to get them again.

`write` makes `<id>.json`, the one committed proof behind a line of the README, and `<id>.csv`, its rows as a
table. `common.report` turns the JSON into Markdown; nothing in a report is typed by hand.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd

from common.files import read_json, write_csv_atomic, write_json_atomic
from common.provenance import Provenance, collect_provenance

Protocol = Literal["honest", "paper"]
Profile = Literal["smoke", "cpu", "paper"]

SCHEMA = "materials-dl/result/1"


@dataclass(frozen=True)
class ResultRow:
    """One figure of ours, and the paper's figure for the same thing.

    Attributes:
        name: What was measured, as a reader of the paper would call it: "ElemNet, element fractions".
        metric: The metric's name: "MAE", "accuracy".
        ours: Our figure, in `unit`.
        unit: Unit of all figures of the row: "eV/atom", "deg", "%"; "" for a pure number.
        interval_low: Lower end of the 95 % interval of `ours`; None without an interval.
        interval_high: Upper end of the 95 % interval of `ours`.
        paper: The paper's figure, in `unit`; None where the paper gives none.
        rows_train: Number of training rows, validation rows not counted.
        rows_test: Number of test rows that `ours` is computed on.
        seconds_train: Wall time of the training.
        seconds_predict: Wall time of predicting the test rows.
        data: The data of this row, where it is not simply the data of the result.
        note: What a reader must know to read this row rightly.
        headline: Whether the row belongs into the README's table. Points of a curve do not.
    """

    name: str
    metric: str
    ours: float
    unit: str
    interval_low: float | None = None
    interval_high: float | None = None
    paper: float | None = None
    rows_train: int | None = None
    rows_test: int | None = None
    seconds_train: float | None = None
    seconds_predict: float | None = None
    data: str = ""
    note: str = ""
    headline: bool = True

    def __post_init__(self) -> None:
        for name in ("ours", "interval_low", "interval_high", "paper"):
            value = getattr(self, name)
            if (value is None and name == "ours") or (value is not None and not math.isfinite(value)):
                raise ValueError(f"expected a finite {name} in result row {self.name!r}, received {value}")
        if (self.interval_low is None) != (self.interval_high is None):
            raise ValueError(f"expected both ends of the interval of result row {self.name!r} or neither")
        if self.interval_low is not None and self.interval_high is not None and self.interval_low > self.interval_high:
            raise ValueError(
                f"expected interval_low <= interval_high in result row {self.name!r}, received "
                f"[{self.interval_low}, {self.interval_high}]"
            )


@dataclass(frozen=True)
class DataUsed:
    """Which data a result really rests on.

    Attributes:
        name: Name in the data set registry.
        tier: Where it came from: the user's own file, the public files, a stand-in, a bundled sample, a simulation.
        rows: Number of rows used, after cleaning, over all splits.
        file_hashes: File name -> hash of the file's bytes.
        note: For instance how the rows were reduced, or what a stand-in stands in for.
    """

    name: str
    tier: str
    rows: int
    file_hashes: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Result:
    """What one table or figure of the thesis comes to with our code.

    Attributes:
        id: File name of the result without suffix, `table_3_2`: lower-case letters, digits and underscores.
        title: One line, as a heading.
        rows: The figures.
        protocol: "honest": no choice ever saw a test row. "paper": the authors' way, kept for comparison.
        profile: "smoke" (proves that the code runs, no more), "cpu" (real but shorter), "paper" (full settings).
        data: The data sets used.
        seed: Seed of split and training.
        command: The command line that makes this result again.
        caveats: One sentence each: what differs from the paper, what is reduced, what is not shown.
        seconds: Wall time of the whole run.
        extra: Anything else worth keeping; JSON types only, so that it reads back as it was written.
        provenance: When, with which versions and on which machine; filled in by `write`.
    """

    id: str
    title: str
    rows: tuple[ResultRow, ...]
    protocol: Protocol
    profile: Profile
    data: tuple[DataUsed, ...]
    seed: int
    command: str
    caveats: tuple[str, ...] = ()
    seconds: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_]+", self.id):
            raise ValueError(
                f"expected a result id of lower-case letters, digits and underscores, received {self.id!r}; "
                "the id is a file name, for instance 'table_3_2'"
            )
        for name, allowed in (("protocol", get_args(Protocol)), ("profile", get_args(Profile))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"expected {name} to be one of {allowed}, received {getattr(self, name)!r}")
        if isinstance(self.caveats, str):
            raise ValueError("expected caveats as a tuple of sentences, received one string; write (sentence,)")
        if not self.rows:
            raise ValueError(f"expected result {self.id!r} to have at least one row, received none")
        if not self.data:
            raise ValueError(f"expected result {self.id!r} to name its data, received none")

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a table, one row per `ResultRow`, columns named as its attributes."""
        return pd.DataFrame([asdict(row) for row in self.rows], columns=[f.name for f in fields(ResultRow)])


def write(result: Result, folder: str | os.PathLike[str]) -> Path:
    """Write `result` to `<id>.json` and `<id>.csv` in `folder`, each whole or not at all.

    Provenance (UTC date, versions, machine, git commit) is taken now, unless `result` carries one already.

    Returns:
        The path of the JSON. It is written last: where it is new, so is the CSV.

    Raises:
        ValueError: A figure in `result.extra` is NaN or infinite.
    """
    if result.provenance is None:
        result = replace(result, provenance=collect_provenance())
    folder = Path(folder)
    write_csv_atomic(folder / f"{result.id}.csv", result.to_frame())
    return write_json_atomic(folder / f"{result.id}.json", {"schema": SCHEMA, **asdict(result)})


def read(path: str | os.PathLike[str]) -> Result:
    """Read a result that `write` made.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not JSON, not a result, or a result of another version of this project.
    """
    path = Path(path)
    obj = read_json(path)
    if not _is_result(obj):
        raise ValueError(f"expected a result with schema {SCHEMA!r} in {path}, received another kind of JSON")
    if obj["schema"] != SCHEMA:
        raise ValueError(
            f"expected schema {SCHEMA!r} in {path}, received {obj['schema']!r}; run its command again to renew it"
        )
    try:
        obj = {key: value for key, value in obj.items() if key != "schema"}
        obj["rows"] = tuple(ResultRow(**row) for row in obj["rows"])
        obj["data"] = tuple(DataUsed(**data) for data in obj["data"])
        obj["caveats"] = tuple(obj["caveats"])
        obj["provenance"] = Provenance(**obj["provenance"])
        return Result(**obj)
    except (KeyError, TypeError) as error:
        raise ValueError(f"expected the attributes of a Result in {path}, received others: {error}") from error


def read_folder(folder: str | os.PathLike[str]) -> list[Result]:
    """Read every result in `folder`, ordered by id with numbers as numbers; other JSON files are passed over.

    Raises:
        FileNotFoundError: No such folder.
        ValueError: A file that is not JSON, or a result of another version of this project.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder of results, received {str(folder)!r}; run a chapter first")
    visible = (path for path in folder.glob("*.json") if not path.name.startswith("."))
    paths = sorted(visible, key=lambda path: natural_key(path.stem))
    return [read(path) for path in paths if _is_result(read_json(path))]


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key under which `table_3_10` follows `table_3_9`."""
    parts = re.findall(r"\d+|\D+", text)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def _is_result(obj: Any) -> bool:
    return isinstance(obj, dict) and str(obj.get("schema", "")).startswith(SCHEMA.rpartition("/")[0])
