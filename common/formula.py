"""The grammar of chemical formulas: what is valid, and one clear reason for what is not.

    formula = item+        item = (symbol | "(" formula ")" | "[" formula "]" | "{" formula "}") amount?
    symbol  = one of the 118 elements          amount = "2", "2.5" or ".5"; 1 where there is none

Elements may repeat, an amount may be 0, and subscript digits and spaces between items are read as expected.
Ions, exponents and hydrate dots are refused with a reason. A dot needs care: "CuSO4.5H2O" means five waters, yet
read as a decimal it would be O4.5 H2 O. So a dot and a number directly before a final water group (`.5H2O`,
`.5(H2O)`) are always refused. The few who mean the decimal can write the water first: a refusal is seen, a silent
misreading is not.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import reduce

import numpy as np

from common.elements import ATOMIC_NUMBER

MAX_AMOUNT = 1e9  # no compound comes near; beyond it a typing error is all but certain
MAX_CHARACTERS = 10_000  # no formula comes near; a million brackets would take minutes


class FormulaError(ValueError):
    """A formula that cannot be read; the message is one sentence that names the cause and the remedy."""


_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_SYMBOL = re.compile(r"[A-Z][a-z]*")
_NUMBER_RUN = re.compile(r"[0-9.]*")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?|\.[0-9]+")
_CHARGE = re.compile(r"[+\-−–⁺⁻]")
# `++` and the like never go back, so that no search takes much longer than its text is long
_HYDRATE = re.compile(r"[·•∙⋅*]|\.\s*+[0-9]*+(\.[0-9]++)?+\s*+[(\[{]?H2O[)\]}]?[0-9]*+$")
_SPACE_BEFORE_ITEM = re.compile(r"(?<!\s)\s++(?=[A-Z(\[{])")
_EXPONENT = re.compile(r"[0-9][eE][0-9+\-]")
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def parse_formula(formula: str) -> dict[str, float]:
    """Amounts of the elements in one formula, e.g. `{"Fe": 2.0, "O": 3.0}` for "Fe2O3".

    Elements come in the order of first appearance; those with amount 0 are left out.

    Raises:
        FormulaError: the formula does not follow the grammar at the head of this file.
    """
    if not isinstance(formula, str):
        raise FormulaError(
            "The cell is empty; give a formula such as 'Fe2O3'."
            if _is_missing(formula)
            else f"A formula is text such as 'Fe2O3', but {quoted(formula)} is of type {type(formula).__name__}."
        )
    if len(formula) > MAX_CHARACTERS:
        raise FormulaError(
            f"A formula has at most {MAX_CHARACTERS:,} characters; {quoted(formula[:60])} has {len(formula):,}."
        )
    text = _SPACE_BEFORE_ITEM.sub("", formula.strip().translate(_SUBSCRIPTS))
    if not text:
        raise FormulaError("The formula is empty; give one such as 'Fe2O3'.")
    _refuse_known_notations(text)

    groups: list[dict[str, float]] = [{}]  # innermost open bracket last
    awaited: list[str] = []  # closing bracket of each open group
    position = 0
    while position < len(text):
        character = text[position]
        if match := _SYMBOL.match(text, position):
            symbol, position = match.group(), match.end()
            if symbol not in ATOMIC_NUMBER:
                raise FormulaError(f"{quoted(symbol)} in {quoted(text)} is not an element{_suggestion(text)}.")
            amount, position = _read_amount(text, position)
            groups[-1][symbol] = groups[-1].get(symbol, 0.0) + amount
        elif character in _CLOSING:
            awaited.append(_CLOSING[character])
            groups.append({})
            position += 1
        elif awaited and character == awaited[-1]:
            awaited.pop()
            group = groups.pop()
            if not group:
                raise FormulaError(f"{quoted(text)} has an empty pair of brackets; remove it.")
            amount, position = _read_amount(text, position + 1)
            for symbol, inner in group.items():
                groups[-1][symbol] = groups[-1].get(symbol, 0.0) + inner * amount
        else:
            raise FormulaError(_unexpected(text, position))
    if awaited:
        raise FormulaError(f"The brackets of {quoted(text)} are unbalanced; {awaited[-1]!r} is missing at the end.")

    amounts = {symbol: amount for symbol, amount in groups[0].items() if amount > 0}
    if not amounts:
        raise FormulaError(f"The total amount of {quoted(text)} is zero; give at least one element an amount.")
    if not sum(amounts.values()) <= MAX_AMOUNT:
        raise FormulaError(f"The amounts of {quoted(text)} exceed {MAX_AMOUNT:g}; give smaller ones.")
    return amounts


def reduced_formula(formula: str) -> str:
    """The smallest whole-number formula of the same composition, elements in alphabetical order.

    "Na2Cl2" gives "ClNa". Amounts that are not whole are taken as the nearest fractions with denominators up to
    1,000; where that is not exact to 1e-9 the decimals are kept.

    Raises:
        FormulaError: as `parse_formula`.
    """
    amounts = dict(sorted(parse_formula(formula).items()))
    ratios = [Fraction(amount).limit_denominator(1000) for amount in amounts.values()]
    if any(abs(float(ratio) - amount) > 1e-9 * amount for ratio, amount in zip(ratios, amounts.values(), strict=True)):
        return "".join(f"{symbol}{np.format_float_positional(amount, trim='-')}" for symbol, amount in amounts.items())
    unit = reduce(math.lcm, (ratio.denominator for ratio in ratios))
    counts = [int(ratio * unit) for ratio in ratios]
    divisor = math.gcd(*counts)
    return "".join(
        symbol + (str(count // divisor) if count != divisor else "")
        for symbol, count in zip(amounts, counts, strict=True)
    )


def _read_amount(text: str, position: int) -> tuple[float, int]:
    run = _NUMBER_RUN.match(text, position)
    assert run is not None  # the pattern also matches nothing
    if not run.group():
        return 1.0, position
    if not _NUMBER.fullmatch(run.group()):
        raise FormulaError(f"{quoted(text)} has the malformed number {quoted(run.group())}; write one like 2 or 2.5.")
    amount = float(run.group())
    if amount > MAX_AMOUNT:
        raise FormulaError(f"The amount {quoted(run.group())} in {quoted(text)} exceeds {MAX_AMOUNT:g}.")
    return amount, run.end()


def _refuse_known_notations(text: str) -> None:
    if _HYDRATE.search(text):
        raise FormulaError(
            f"{quoted(text)} looks like a hydrate or adduct written with a dot, which is not supported; "
            "write it out with brackets, as CuSO4(H2O)5 for five waters."
        )
    if match := _EXPONENT.search(text):
        raise FormulaError(f"{quoted(text)} has an exponent ({match.group()!r}...); write the amount in full.")
    if match := _CHARGE.search(text):
        raise FormulaError(
            f"{quoted(text)} contains {match.group()!r}: ions and negative amounts are not supported; "
            "give the neutral formula."
        )


def _unexpected(text: str, position: int) -> str:
    character = text[position]
    if character in _CLOSING.values():
        return f"The brackets of {quoted(text)} are unbalanced; {character!r} closes none that is open."
    if character.islower():
        return f"{quoted(text)} has a symbol without a capital letter{_suggestion(text)}."
    if position == 0 and character in ".0123456789":
        return f"{quoted(text)} starts with a number; write the amount after the element or bracket."
    return f"{quoted(text)} has an unexpected {character!r} at character {position + 1}; use symbols and numbers."


def _suggestion(text: str) -> str:
    """A capitalised reading of `text` where there is one: '; did you mean NaCl?' without the closing mark."""
    if len(text) > 40:
        return ""
    done, position = "", 0
    while position < len(text):
        for length in (2, 1):
            symbol = text[position : position + length].capitalize()
            if len(symbol) == length and symbol in ATOMIC_NUMBER:
                done, position = done + symbol, position + length
                break
        else:
            if text[position].isalpha():
                return ""
            done, position = done + text[position], position + 1
    return "" if done == text else f"; perhaps {done} is meant"


def _is_missing(value: object) -> bool:
    if isinstance(value, (float, np.floating)):
        return bool(np.isnan(value))
    return value is None or type(value).__name__ in ("NAType", "NaTType")  # pandas' own


def quoted(value: object) -> str:
    """`repr` of a value, cut to what fits in one sentence."""
    text = repr(value)
    return text if len(text) <= 60 else text[:50] + "...'"
