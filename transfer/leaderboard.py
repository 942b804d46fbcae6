"""The JARVIS-Leaderboard's task `ssub_formula_energy`: what others posted, ours beside them, and a file to submit.

The task is the enthalpy of formation of 345 compositions of SSUB, measured, with 1,381 others to learn from (data set
`ssub_leaderboard`). All rows are scored by the mean absolute error.

Reference: K. Choudhary et al., npj Comput. Mater. 10, 93 (2024), doi:10.1038/s41524-024-01259-w.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from common.composition_sets import LEADERBOARD
from common.datasets import load
from common.experiment_tables import read_zipped
from common.fetch import DataFile, fetch
from common.files import write_bytes_atomic
from common.metrics import bootstrap_interval, mean_absolute_error
from common.readers import TARGET

DATA = "ssub_leaderboard"
CSV_NAME = "AI-SinglePropertyPrediction-formula_energy-ssub-test-mae.csv"  # the leaderboard reads the task from it
ZIP_NAME = f"{CSV_NAME}.zip"

_POSTED_SHA256 = {
    "ElemNet2_TL": "3f3daebba3873f4769ff08abce35b0cd414bcb320c853493e36095cfaae6708f",
    "ElemNet2_SC": "c46b2aeb4d2e378c39e3627b6cd2b905991dab785f2ee841853bdd1d094d7b53",
    "ElemNet1": "78bdd74e33c43178865e780d28b232c332145df03629367528b5f5738baa70d8",
    "BRNet": "29f4fa553ccc959146b61552016a01702097482c8d71a645e1b3c8d0c325220a",
    "BNet": "ce8bc848c2997e86cb1054e344e8ea4a540dbdd10fdde1064a42416eff252ab2",
    "IRNet_EF": "dcc3c9d848531aceba77f455a0f4e8aed6ed486f1e2c7113509a56ec651a0423",
    "matminer_xgboost": "7177ce2d03d2a918a8cf9ab3f00b4babb94179d95b4dfe1e53ba8f051de87e59",
}
POSTED: dict[str, DataFile] = {
    name: DataFile(
        path=f"experiment/leaderboard_ssub/{name}.csv.zip",
        url=f"{LEADERBOARD}contributions/{name}/{ZIP_NAME}",
        sha256=sha256,
    )
    for name, sha256 in _POSTED_SHA256.items()
}
"""File of each posted model by its name on the leaderboard."""


def posted_predictions() -> pd.DataFrame:
    """Predictions of the posted models, eV/atom.

    Returns:
        One row of each test row, index `id` (str, its row in `ssub.dat`), and one float64 column of each model.

    Raises:
        DataUnavailableError, CorruptDataError: See `common.fetch.fetch`.
        ValueError: If a file does not have the columns `id` and `prediction`, or not the ids of the others.
    """
    columns = {name: _read_posted(fetch(file)) for name, file in POSTED.items()}
    first_name, first = next(iter(columns.items()))
    for name, column in columns.items():
        _check_same_ids(column.index, first.index, f"the posted predictions of {name}", f"those of {first_name}")
    return pd.DataFrame({name: column.reindex(first.index) for name, column in columns.items()})


def score(predictions: Mapping[str, float] | pd.Series, name: str = "ours") -> pd.DataFrame:
    """The leaderboard's figure for these predictions and for every posted model, on the same rows.

    Args:
        predictions: Enthalpy of each test row, eV/atom, by its id in the data set `ssub_leaderboard`.
        name: What to call them in the table.

    Returns:
        One row of each model, the lowest error first: `model`, `mae_ev_per_atom`, `interval_low`, `interval_high` (95 %
        bootstrap interval over test rows, the same resamples for all models).

    Raises:
        DataUnavailableError, CorruptDataError: See `common.fetch.fetch`.
        ValueError: If an id is missing, unknown or given twice, a value is not finite, or `name` is that of a posted
            model.
    """
    frame = load(DATA, allow_stand_in=False).frame
    test = frame[frame["split"] == "test"].set_index("id")[TARGET]
    posted = posted_predictions()
    _check_same_ids(posted.index, test.index, "the posted predictions", "the test rows")
    if name in posted:
        raise ValueError(f"Expected a name of your own for the predictions, received that of a posted model, {name!r}.")
    ours = pd.Series(predictions, dtype=np.float64)
    ours.index = ours.index.astype(str)
    _check_same_ids(ours.index, test.index, "the predictions", "the test rows")
    if not np.isfinite(ours).all():
        bad = ours.index[~np.isfinite(ours)]
        raise ValueError(f"Expected finite predictions, received {ours[bad[0]]} for id {bad[0]}, {len(bad):,} in all.")
    rows = []
    for model, values in {name: ours, **{column: posted[column] for column in posted}}.items():
        pair = (test.to_numpy(), values.reindex(test.index).to_numpy())
        rows.append((model, mean_absolute_error(*pair), *bootstrap_interval(mean_absolute_error, *pair)))
    table = pd.DataFrame(rows, columns=["model", "mae_ev_per_atom", "interval_low", "interval_high"])
    return table.sort_values("mae_ev_per_atom", kind="stable", ignore_index=True)


def write_submission(path: str | Path, ids: Sequence[str], targets: ArrayLike, predictions: ArrayLike) -> Path:
    """Write predictions in the leaderboard's own form: a zip file with one CSV in it, both named after the task.

    The same rows give the same bytes: no time of writing goes in, and the CSV is stored as it is, for releases of zlib
    compress differently.

    Args:
        path: Folder to write to (made if missing), or a file in it, which must be named `ZIP_NAME`.
        ids: ``(n,)`` rows of `ssub.dat`.
        targets: ``(n,)`` measured enthalpies, eV/atom.
        predictions: ``(n,)`` eV/atom.

    Returns:
        The file written.

    Raises:
        ValueError: If the file has another name, lengths differ, an id occurs twice, or a number is not finite.
    """
    path = Path(path)
    if path.name != ZIP_NAME:
        if path.suffix in (".csv", ".zip"):
            raise ValueError(f"Expected a folder, or a file named {ZIP_NAME} after the task, received {path.name}.")
        path = path / ZIP_NAME
    table = pd.DataFrame({"id": pd.Series(list(ids), dtype=str)})
    for column, values in {"target": targets, "prediction": predictions}.items():
        numbers = np.asarray(values, np.float64)
        if numbers.shape != (len(table),) or not np.isfinite(numbers).all():
            raise ValueError(
                f"Expected a finite {column} for each of the {len(table):,} ids, received shape {numbers.shape} with "
                f"{int((~np.isfinite(numbers)).sum()):,} not finite."
            )
        table[column] = numbers
    if table["id"].duplicated().any():
        raise ValueError(f"Expected each id once, received {table['id'][table['id'].duplicated()].iloc[0]} twice.")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        entry = zipfile.ZipInfo(CSV_NAME, date_time=(1980, 1, 1, 0, 0, 0))
        entry.create_system, entry.external_attr = 3, 0o644 << 16  # the same on every system
        archive.writestr(entry, table.to_csv(index=False, lineterminator="\n"))
    return write_bytes_atomic(path, content.getvalue())


def _read_posted(path: Path) -> pd.Series:
    table = pd.read_csv(io.BytesIO(read_zipped(path, CSV_NAME)), dtype={"id": str})
    if missing := {"id", "prediction"} - set(table.columns):
        raise ValueError(f"Expected columns id and prediction in {path}, received none named {', '.join(missing)}.")
    return table.set_index("id")["prediction"].astype(np.float64)


def _check_same_ids(received: pd.Index, expected: pd.Index, what: str, of_what: str) -> None:
    missing, extra = expected.difference(received), received.difference(expected)
    if len(missing) or len(extra) or not received.is_unique:
        faults = [f"{len(missing):,} missing (such as {missing[0]})"] if len(missing) else []
        faults += [f"{len(extra):,} unknown (such as {extra[0]})"] if len(extra) else []
        twice = received[received.duplicated()]
        faults += [f"{len(twice):,} given twice (such as {twice[0]})"] if len(twice) else []
        raise ValueError(
            f"Expected each of the {len(expected):,} ids of {of_what} once in {what}, received {', '.join(faults)}."
        )
