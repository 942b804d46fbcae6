"""Formulas to element fractions, a million a second, and keys that tell compositions apart.

`encode` reads plain formulas (symbols and numbers) with numpy over one byte buffer; anything else falls back
to `common.formula.parse_formula`, which alone defines what is valid and why not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from common.elements import ALL_SYMBOLS, ELEMENTS
from common.formula import MAX_AMOUNT, MAX_CHARACTERS, FormulaError, parse_formula, quoted, reduced_formula

__all__ = ["Encoded", "FormulaError", "composition_keys", "encode", "parse_formula", "reduced_formula"]

_CHUNK_ROWS = 8192  # temporaries of a few MB, whatever the number of formulas


@dataclass(frozen=True)
class Encoded:
    """Element fractions of many formulas, in the order given.

    Attributes:
        fractions: (n, num_elements), each good row sums to 1; a row of NaN for a formula that could not be read.
        reasons: (n,) of str or None; None where the formula was read, else why not.
        elements: (num_elements,) symbols of the columns.
    """

    fractions: np.ndarray
    reasons: np.ndarray
    elements: tuple[str, ...]

    @property
    def ok(self) -> np.ndarray:
        """(n,) bool, True where the formula was read."""
        return np.equal(self.reasons, np.array(None, object)).astype(bool)


_OTHER, _NEWLINE, _UPPER, _LOWER, _DIGIT, _DOT = range(6)
_KIND = np.zeros(256, np.uint8)
_KIND[ord("\n")] = _NEWLINE
_KIND[ord("A") : ord("Z") + 1] = _UPPER
_KIND[ord("a") : ord("z") + 1] = _LOWER
_KIND[ord("0") : ord("9") + 1] = _DIGIT
_KIND[ord(".")] = _DOT

# _IRREGULAR[8 * kind of the character before + kind]: True where a plain formula cannot have that pair
_IRREGULAR = np.zeros(64, bool)
for _before in range(8):
    _IRREGULAR[8 * _before + _OTHER] = True
    _IRREGULAR[8 * _before + _LOWER] = _before != _UPPER
_IRREGULAR[8 * _NEWLINE + _DIGIT] = _IRREGULAR[8 * _NEWLINE + _DOT] = True

_MAX_DIGITS = 15  # up to here digits / 10**decimals is the correctly rounded value


def encode(formulas: Iterable[object], elements: Sequence[str] = ELEMENTS, *, dtype: DTypeLike = np.float64) -> Encoded:
    """Element fractions of many formulas; a bad formula costs its own row only, and says why.

    Args:
        formulas: n formulas; None, NaN and other cells that are not text are reported as such.
        elements: columns of the result.
        dtype: float type of the fractions; all arithmetic is in float64.

    Returns:
        `Encoded` with `fractions` (n, num_elements) and `reasons` (n,), rows in the order given.

    Raises:
        TypeError: one string was given where a list of them is expected.
    """
    if isinstance(formulas, (str, bytes)):
        raise TypeError(f"Expected a list of formulas, received the single text {quoted(formulas)}; write [formula].")
    # tolist() of a pandas or numpy array is many times faster than iterating over it
    cells = formulas.tolist() if hasattr(formulas, "tolist") else list(formulas)
    elements = tuple(elements)
    column_of = {symbol: column for column, symbol in enumerate(elements)}
    columns = _column_table(column_of)
    fractions = np.zeros((len(cells), len(elements)), dtype)
    reasons = np.full(len(cells), None, object)
    for start in range(0, len(cells), _CHUNK_ROWS):
        chunk = cells[start : start + _CHUNK_ROWS]
        target = fractions[start : start + len(chunk)]
        exact = target if target.dtype == np.float64 else np.zeros(target.shape)
        for row in _encode_plain(chunk, columns, exact):
            reasons[start + row] = _encode_one(chunk[row], column_of, exact[row])
        if exact is not target:
            target[...] = exact
    return Encoded(fractions, reasons, elements)


def _column_table(column_of: dict[str, int]) -> np.ndarray:
    """(702,) column of the symbol with code 27 * first letter + second letter (0 for none), -1 for no column."""
    table = np.full(26 * 27, -1, np.int64)
    for symbol in ALL_SYMBOLS:
        second = ord(symbol[1]) - 96 if len(symbol) == 2 else 0
        table[27 * (ord(symbol[0]) - 65) + second] = column_of.get(symbol, -1)
    return table


def _encode_one(cell: object, column_of: dict[str, int], row: np.ndarray) -> str | None:
    """Fill one row by `parse_formula`; returns the reason where that fails."""
    try:
        amounts = parse_formula(cell)  # type: ignore[arg-type]  # it reports cells that are not text
        if outside := [symbol for symbol in amounts if symbol not in column_of]:
            what = (
                f"{outside[0]} is a known element" if len(outside) == 1 else f"{', '.join(outside)} are known elements"
            )
            raise FormulaError(
                f"{what} but outside the {len(column_of)} elements of the model, so {quoted(cell)} cannot be used."
            )
    except FormulaError as error:
        row[:] = np.nan
        return str(error)
    total = sum(amounts.values())
    for symbol, amount in amounts.items():
        row[column_of[symbol]] = amount / total
    return None


def _encode_plain(cells: list, columns: np.ndarray, out: np.ndarray) -> list[int]:
    """Fill the rows of `out` (m, num_elements, zeros) whose formulas are plain; returns the other rows.

    A plain formula is symbols and numbers only. Each capital starts a token that lasts to the next capital or
    newline: a symbol of one or two letters, then the digits of its amount.
    """
    num_rows = len(cells)
    try:
        joined = "\n".join(cells)
        regular = joined.isascii() and joined.count("\n") == num_rows - 1 and max(map(len, cells)) <= MAX_CHARACTERS
    except TypeError:  # a cell that is not text
        regular = False
    if not regular:  # an empty line keeps the place of a cell that needs `parse_formula`
        joined = "\n".join(c if _is_regular(c) else "" for c in cells)

    buffer = np.frombuffer((joined + "\n").encode("ascii"), np.uint8)
    kind = _KIND[buffer]
    pair = kind.copy()
    pair[0] += 8 * _NEWLINE
    pair[1:] += 8 * kind[:-1]
    row_ends = np.flatnonzero(kind == _NEWLINE)  # (num_rows,)
    slow = np.zeros(num_rows, bool)
    slow[np.searchsorted(row_ends, np.flatnonzero(_IRREGULAR[pair]))] = True

    bounds = np.flatnonzero((kind == _UPPER) | (kind == _NEWLINE))
    is_end = kind[bounds] == _NEWLINE
    tokens = np.flatnonzero(~is_end)
    row = (np.cumsum(is_end) - is_end)[tokens]
    start, end = bounds[tokens], bounds[tokens + 1]
    has_second = kind[start + 1] == _LOWER
    code = 27 * (buffer[start].astype(np.int64) - 65)
    code += np.where(has_second, buffer[start + 1] - np.uint8(96), 0)
    column = columns[code]
    amount, doubtful = _amounts(buffer, kind, start + 1 + has_second, end)
    slow[row[doubtful | (column < 0)]] = True
    if "." in joined:  # perhaps a hydrate: `parse_formula` decides
        slow |= (buffer[row_ends - 1] == ord("O")) & (buffer[row_ends - 2] == ord("2"))

    total = np.bincount(row, amount, minlength=num_rows)
    slow |= (total <= 0) | (total > MAX_AMOUNT)  # also the empty line
    if slow.any():
        keep = ~slow[row]
        row, column, amount = row[keep], column[keep], amount[keep]
    place = row * out.shape[1] + column
    flat = out.reshape(-1)
    # summing before dividing keeps whole amounts exact, so NaClNa and Na2Cl give the same bits
    np.add.at(flat, place, amount)
    flat[place] = flat[place] / total[row]
    return np.flatnonzero(slow).tolist()


def _is_regular(cell: object) -> bool:
    return isinstance(cell, str) and cell.isascii() and "\n" not in cell and len(cell) <= MAX_CHARACTERS


def _amounts(buffer: np.ndarray, kind: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers written in buffer[start:end], 1 where empty; and where `parse_formula` must look instead."""
    length = end - start
    amount = np.ones(len(start))
    numbered = np.flatnonzero(length > 0)
    digits = np.zeros(len(numbered))
    decimals = np.zeros(len(numbered), np.int64)
    num_dots = np.zeros(len(numbered), np.int64)
    position, size = start[numbered], length[numbered]
    for k in range(min(int(size.max(initial=0)), _MAX_DIGITS + 1)):
        live = slice(None) if k == 0 else np.flatnonzero(size > k)
        character = buffer[position[live] + k]
        if (kind[position[live] + k] == _DOT).any():
            dot = character == ord(".")
            digits[live] = np.where(dot, digits[live], 10 * digits[live] + (character - 48.0))
            decimals[live] += (num_dots[live] > 0) & ~dot
            num_dots[live] += dot
        else:
            digits[live] = 10 * digits[live] + (character - 48.0)
            decimals[live] += num_dots[live] > 0
    amount[numbered] = digits / 10.0**decimals
    doubtful = length > _MAX_DIGITS
    doubtful[numbered] |= (num_dots > 0) & ((num_dots > 1) | (decimals == 0))
    return amount, doubtful


# --------------------------------------------------------------------------------------- keys of compositions

_KEY_STEP = 1e-8
_KEY_OFFSET = 0.3819660112501051  # no simple fraction lies on the edge of a step, so rounding cannot split equals
_KEY_CHUNK_ROWS = 65536
_KEY_SALT = 0x9E3779B97F4A7C15  # the increment of SplitMix64, without which small numbers hardly get mixed


def composition_keys(fractions: np.ndarray, *, salt: int = _KEY_SALT) -> np.ndarray:
    """A number for each composition, equal for the same composition however its formula was written.

    The fractions are put on a grid of 1e-8 and hashed to 64 bits (one false match in 3e7 sets of a million rows).
    Keys are the same on every machine and hold for one choice of columns.

    Args:
        fractions: (n, num_elements) float64, no NaN.
        salt: another salt gives other keys. 0 is weak: doubled numbers have doubled hashes, so that ZnV2O6 and PdP2O6
            share a key, for 46 is 2 x 23 and 30 is 2 x 15.

    Returns:
        (n,) uint64.

    Raises:
        TypeError: the fractions are not float64; rounded ones would make other keys.
        ValueError: a row has NaN; take the rows with `Encoded.ok` first.
    """
    if fractions.dtype != np.float64:
        raise TypeError(f"Expected float64 fractions, received {fractions.dtype}; encode with dtype=float64 for keys.")
    offset = np.uint64(salt)
    weights = mix64(np.arange(1, fractions.shape[1] + 1, dtype=np.uint64) + offset) | np.uint64(1)
    keys = np.empty(len(fractions), np.uint64)
    for start in range(0, len(fractions), _KEY_CHUNK_ROWS):
        chunk = fractions[start : start + _KEY_CHUNK_ROWS]
        if np.isnan(chunk).any():
            raise ValueError("Expected fractions without NaN; take the rows that were read (`Encoded.ok`) first.")
        row, column = np.nonzero(chunk)
        steps = np.floor(chunk[row, column] / _KEY_STEP + _KEY_OFFSET).astype(np.uint64)
        sums = np.zeros(len(chunk), np.uint64)
        np.add.at(sums, row, mix64(steps + offset) * weights[column])
        keys[start : start + len(chunk)] = mix64(sums)
    return keys


def mix64(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64: every input bit moves every output bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
