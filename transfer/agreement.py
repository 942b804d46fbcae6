"""Tables of one property on the compositions they have in common: how far DFT is from experiment (figure 5.1)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from common.composition import encode
from common.elements import ALL_SYMBOLS
from transfer.seen import UNREADABLE, keys_of


def on_common_compositions(frames: Mapping[str, pd.DataFrame], target: str) -> pd.DataFrame:
    """The values of several tables side by side, for the compounds that all of them have.

    Pure elements are left out: their formation energies are 0 by definition, in every table.

    Args:
        frames: By name: a table with ``formula`` and the target, one row of each composition; where there are several
            the lowest value counts.
        target: Column.

    Returns:
        ``formula`` (as the first table writes it) and a column for each name; in the order of the first table.

    Raises:
        ValueError: If no composition is in all tables.
    """
    columns = {}
    for name, frame in frames.items():
        keys = keys_of(frame["formula"])
        is_compound = (encode(frame["formula"], ALL_SYMBOLS).fractions > 0).sum(axis=1) > 1
        usable = (keys != UNREADABLE) & is_compound & np.isfinite(frame[target].to_numpy(float))
        columns[name] = frame.loc[usable, target].groupby(keys[usable], sort=False).min()
    common = pd.DataFrame(columns).dropna()
    if common.empty:
        raise ValueError(f"Expected compositions that {', '.join(frames)} have in common; received none.")
    first = next(iter(frames.values()))
    formulas = pd.Series(first["formula"].to_numpy(), index=keys_of(first["formula"]))
    formulas = formulas[~formulas.index.duplicated()]
    common = common.loc[[key for key in formulas.index if key in common.index]]
    common.insert(0, "formula", formulas[common.index])
    return common.reset_index(drop=True)
