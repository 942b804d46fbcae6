"""The figures that the thesis and its papers report: the project's one table of them.

They are facts to compare with, never inputs to a model. The table is `paper_values.json` beside this file.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from importlib import resources
from typing import Any


def paper_value(*keys: str | int) -> Any:
    """Return the figure, or the group of figures, that the papers report under `keys`.

    Args:
        *keys: The path into the table: strings for names, whole numbers for places in a list. No keys give the
            whole table.

    Returns:
        A number, string or None, or a copy of a dict or list. Units stand in the table's names and notes;
        errors are MAE in the unit of the target unless named otherwise.

    Raises:
        KeyError: No such figure; the message names the valid keys at the first place that failed.

    Example:
        >>> paper_value("chapter3", "table_3_2", "ElemNet, element fractions", "mae")
        0.05
    """
    value: Any = _table()
    for depth, key in enumerate(keys):
        place = " > ".join(map(str, keys[:depth])) or "the table"
        if isinstance(value, dict):
            valid: list[str] | list[int] = [name for name in value if not name.startswith("_")]
            found = key in value
        elif isinstance(value, list):
            valid = list(range(len(value)))
            found = isinstance(key, int) and 0 <= key < len(value)
        else:
            raise KeyError(f"{place} is the figure {value!r} itself; received the further key {key!r}")
        if not found:
            raise KeyError(f"no paper value {key!r} in {place}; expected one of {valid}")
        value = value[key]
    return copy.deepcopy(value)


@cache
def _table() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("paper_values.json").read_text(encoding="utf-8")
    return json.loads(text)
