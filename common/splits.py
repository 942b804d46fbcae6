"""Train and test rows: seeded draws, hold-out by chemical system, and proof that two sets share no row.

Splits are saved as ids (`save_ids`), so a later run, a paper or another program scores the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np

from common.composition import composition_keys
from common.elements import ELEMENTS
from common.files import write_text_atomic

SPLIT_NAMES = ("train", "val", "test")


class LeakageError(ValueError):
    """Two sets that must be disjoint share rows."""


def hold_out(n: int, test_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random train and test rows.

    Args:
        n: number of rows.
        test_fraction: between 0 and 1; the test rows are round(n * test_fraction), at least 1.
        seed: the same seed gives the same rows on every machine.

    Returns:
        Row numbers (n_train,) and (n_test,), each ascending.

    Raises:
        ValueError: either part would be empty.
    """
    if not 0 < test_fraction < 1 or n < 2:
        raise ValueError(f"Expected 0 < test_fraction < 1 and n >= 2, received test_fraction={test_fraction}, n={n}.")
    n_test = min(max(1, round(n * test_fraction)), n - 1)
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[n_test:]), np.sort(order[:n_test])


def k_fold(n: int, num_folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Train and test rows of each fold; every row is tested once, and fold sizes differ by one at most.

    Args:
        n: number of rows.
        num_folds: from 2 to n.
        seed: the same seed gives the same folds on every machine.

    Yields:
        Row numbers (n_train,) and (n_test,), each ascending.

    Raises:
        ValueError: fewer than 2 folds or more folds than rows.
    """
    if not 2 <= num_folds <= n:
        raise ValueError(f"Expected 2 <= num_folds <= n, received num_folds={num_folds}, n={n}.")
    return _folds(n, num_folds, seed)  # apart, so that the check runs at the call and not at the first fold


def _folds(n: int, num_folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    folds = np.array_split(np.random.default_rng(seed).permutation(n), num_folds)
    for test in folds:
        is_test = np.zeros(n, bool)
        is_test[test] = True
        yield np.flatnonzero(~is_test), np.flatnonzero(is_test)


def hold_out_chemical_system(
    fractions: np.ndarray,
    system: Sequence[str],
    rule: Literal["contains_all", "made_only_of"] = "contains_all",
    elements: Sequence[str] = ELEMENTS,
) -> tuple[np.ndarray, np.ndarray]:
    """Keep a whole chemical system out of training, as for the phase diagrams ElemNet was never shown.

    Args:
        fractions: (n, num_elements).
        system: symbols of the system, e.g. ["Ti", "O"].
        rule: "contains_all" holds out rows with every element of the system, whatever else they contain (Ti2O3 and
            BaTiO3, not Ti); "made_only_of" rows with no other element (Ti2O3 and Ti, not BaTiO3).
        elements: columns of `fractions`.

    Returns:
        Row numbers of train (n_train,) and of the held-out system (n_test,), each ascending; n_test may be 0.

    Raises:
        ValueError: an unknown symbol or rule, or an empty system.
    """
    elements = list(elements)
    unknown = [symbol for symbol in system if symbol not in elements]
    if unknown or not system or isinstance(system, str):
        raise ValueError(f"Expected a list of symbols out of the {len(elements)} elements, received {system!r}.")
    inside = np.isin(elements, list(system))
    if rule == "contains_all":
        held_out = (fractions[:, inside] > 0).all(axis=1)
    elif rule == "made_only_of":
        held_out = ~(fractions[:, ~inside] > 0).any(axis=1)
    else:
        raise ValueError(f"Expected rule 'contains_all' or 'made_only_of', received {rule!r}.")
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def row_hashes(fractions: np.ndarray) -> np.ndarray:
    """(n,) uint64 for fractions (n, num_elements), equal for equal compositions, for `split_by_hash` alone.

    Salt 0 lets a few compositions share a hash, and so a side: no harm there, and no row changes sides between
    versions. To tell compositions apart take `composition_keys`.
    """
    return composition_keys(fractions, salt=0)


def split_by_hash(
    hashes: np.ndarray, shares: tuple[float, float, float] = (0.8, 0.1, 0.1), seed: int = 0
) -> np.ndarray:
    """ "train", "val" or "test" for each row, decided by its hash alone.

    A composition falls in the same part whatever other rows there are and however often it occurs, so a table
    can grow or be cleaned without a row changing sides.

    Args:
        hashes: (n,) uint64 from `row_hashes`.
        shares: expected shares of train, val and test; they sum to 1.
        seed: another seed is another split.

    Returns:
        (n,) object array of str.
    """
    if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"Expected three shares that sum to 1, received {shares}.")
    salt, odd = np.random.default_rng(seed).integers(0, 2**64, 2, dtype=np.uint64)
    position = ((hashes ^ salt) * (odd | np.uint64(1)) >> np.uint64(11)) / 2.0**53  # uniform in [0, 1)
    part = np.searchsorted(np.cumsum(shares)[:2], position, side="right")
    return np.array(SPLIT_NAMES, object)[part]


def check_disjoint(**hashes: np.ndarray) -> None:
    """Refuse to go on when two splits share rows, e.g. `check_disjoint(train=a, val=b, test=c)`.

    Args:
        **hashes: (n_split,) hashes by the name of the split.

    Raises:
        LeakageError: names the first two splits that overlap and how many rows of each are shared.
    """
    for (first, a), (second, b) in combinations(hashes.items(), 2):
        shared = int(np.isin(b, a).sum())
        if shared:
            raise LeakageError(
                f"Expected disjoint splits, but {shared:,} of the {len(b):,} rows of {second!r} are also in {first!r}; "
                "remove duplicate compositions before splitting (common.cleaning.clean_compositions)."
            )


def save_ids(path: Path, ids: Mapping[str, Sequence[str] | Sequence[int] | np.ndarray]) -> None:
    """Write the ids of each split as JSON, whole or not at all.

    Args:
        path: file to write.
        ids: row numbers or names by split, e.g. {"train": [...], "test": [...]}.
    """
    plain = {name: np.asarray(values).tolist() for name, values in ids.items()}
    write_text_atomic(Path(path), json.dumps(plain) + "\n")


def load_ids(path: Path) -> dict[str, list]:
    """Read what `save_ids` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not JSON of lists by split name.
    """
    try:
        ids = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected the JSON of a split in {path}, received something else ({error}).") from error
    if not isinstance(ids, dict) or not all(isinstance(values, list) for values in ids.values()):
        raise ValueError(f'Expected {{"split": [ids]}} in {path}, received {type(ids).__name__}; write it by save_ids.')
    return ids
