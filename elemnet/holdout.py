"""Hold-outs by chemistry: all compounds of a kind taken out of training, so that no near relative can be remembered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd

from common import splits
from common.composition import encode
from common.rows import Rows
from elemnet.data import ElemNetData


@dataclass(frozen=True)
class HoldOut:
    """Which compounds are withheld, by their elements alone.

    Attributes:
        elements: Symbols of the chemical system.
        rule: ``"contains_all"``: compounds with every one of them, whatever else they hold. ``"made_only_of"``:
            compounds with no other element.
    """

    elements: tuple[str, ...]
    rule: Literal["contains_all", "made_only_of"]

    def withholds(self, rows: Rows) -> np.ndarray:
        """``(n,)`` bool, True for the rows to withhold."""
        fractions = encode(rows.frame["formula"]).fractions  # of all 86 elements: the data may lack one of the system
        withheld = np.zeros(len(rows), bool)
        withheld[splits.hold_out_chemical_system(fractions, self.elements, self.rule)[1]] = True
        return withheld


# Cleaned data hold no single elements, so a system's own hold-out is of compounds alone.
HOLD_OUTS: Mapping[str, HoldOut] = MappingProxyType(
    {
        "Ti-O": HoldOut(("Ti", "O"), "contains_all"),
        "Na-Fe-Mn-O": HoldOut(("Na", "Fe", "Mn", "O"), "made_only_of"),
    }
)


def withhold(data: ElemNetData, hold_outs: Mapping[str, HoldOut] = HOLD_OUTS) -> tuple[ElemNetData, dict[str, Rows]]:
    """Take the compounds of all hold-outs out of the data, each into a test set of its own.

    Outlier limits and input columns stay those of the whole training part.

    Args:
        data: From ``elemnet.data.load``.
        hold_outs: By name.

    Returns:
        The data without any of the compounds, and of each hold-out its rows from the training, the validation and the
        test part, in that order; none where the data has no such compound.

    Raises:
        ValueError: If training or validation keeps no row, or an element is left without a training row.

    Reference:
        Thesis section 3.3; doi:10.1038/s41598-018-35934-y (the Ti-O and Na-Fe-Mn-O systems)
    """
    parts = [data.train, data.validation]
    if data.validation is not data.test:  # under protocol paper they are the same rows
        parts.append(data.test)
    withheld = {name: joined([part.take(rule.withholds(part)) for part in parts]) for name, rule in hold_outs.items()}

    def remaining(rows: Rows) -> Rows:
        return rows.take(~np.any([rule.withholds(rows) for rule in hold_outs.values()], axis=0))

    train, test = remaining(data.train), remaining(data.test)
    validation = test if data.validation is data.test else remaining(data.validation)
    for name, part in (("training", train), ("validation", validation)):
        if not len(part):
            raise ValueError(f"Expected {name} rows outside {', '.join(hold_outs)}, received none. Give more data.")
    bare = [symbol for symbol, column in zip(data.elements, train.x.T, strict=True) if not (column > 0).any()]
    if bare:
        raise ValueError(
            f"Expected every element in a training row outside {', '.join(hold_outs)}, received none with "
            f"{', '.join(bare)}. Give more data, or withhold less."
        )
    counts = data.counts | {f"withheld: {name}": len(rows) for name, rows in withheld.items()}
    without = replace(
        data,
        train=train,
        validation=validation,
        test=test,
        test_with_outliers=remaining(data.test_with_outliers),
        counts=counts,
    )
    return without, withheld


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows of several parts as one, in their order."""
    return Rows(
        pd.concat([part.frame for part in parts]),
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.y for part in parts]),
    )
