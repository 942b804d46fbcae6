"""Hold-outs by chemistry: what is withheld is nowhere on the training side, and nothing is lost."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition

from common.composition import encode
from common.readers import LoadedDataset
from common.rows import Rows
from elemnet.config import TARGET
from elemnet.data import ElemNetData
from elemnet.holdout import HOLD_OUTS, HoldOut, joined, withhold

SYMBOLS = ("O", "Na", "Cl", "Ti", "Mn", "Fe", "Ba")  # by atomic number, as the columns of a fraction array
STAY = ["NaCl", "BaO", "TiCl2", "MnCl3", "FeCl2", "BaCl2"]  # every element, outside both hold-outs


def rows(formulas: list[str]) -> Rows:
    frame = pd.DataFrame({"formula": formulas, TARGET: -np.arange(len(formulas), dtype=float)})
    return Rows(frame, encode(formulas, SYMBOLS, dtype=np.float32).fractions, frame[TARGET].to_numpy(np.float32))


def data(train: list[str], validation: list[str], test: list[str]) -> ElemNetData:
    loaded = LoadedDataset(pd.DataFrame(), "made up", "user", 0, {})
    return ElemNetData(rows(train), rows(validation), rows(test), rows(test), SYMBOLS, {"single element": 1}, loaded)


def formulas_of(part: Rows) -> list[str]:
    return part.frame["formula"].tolist()


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("TiO2", {"Ti-O"}),
        ("BaTiO3", {"Ti-O"}),
        ("NaFeTiO4", {"Ti-O"}),
        ("BaTi", set()),
        ("Fe2O3", {"Na-Fe-Mn-O"}),
        ("NaMn", {"Na-Fe-Mn-O"}),
        ("Na2FeMnO4", {"Na-Fe-Mn-O"}),
        ("Fe(OH)2", set()),
        ("BaFeO3", set()),
    ],
)
def test_the_papers_two_hold_outs(formula, expected):
    """Thesis section 3.3: every entry that contains both Ti and O; every entry made only of Na, Fe, Mn, O."""
    part = Rows(pd.DataFrame({"formula": [formula]}), np.zeros((1, 1)), np.zeros(1))
    assert {name for name, rule in HOLD_OUTS.items() if rule.withholds(part)[0]} == expected


def is_withheld(formula: str, rule: HoldOut) -> bool:
    symbols = {element.symbol for element in Composition(formula).elements}
    return symbols >= set(rule.elements) if rule.rule == "contains_all" else symbols <= set(rule.elements)


compounds = st.lists(
    st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(["", "2", "3", "0.5", "12"])),
    min_size=2,
    max_size=4,
    unique_by=lambda part: part[0],
).flatmap(
    lambda parts: st.sampled_from(
        ["".join(map("".join, parts)), "".join(map("".join, parts[:1])) + "(" + "".join(map("".join, parts[1:])) + ")2"]
    )
)
some = st.lists(compounds, max_size=8)
rules = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.builds(
        HoldOut,
        st.lists(st.sampled_from([*SYMBOLS, "U"]), min_size=2, max_size=4, unique=True).map(tuple),
        st.sampled_from(["contains_all", "made_only_of"]),
    ),
    min_size=1,
)


@settings(max_examples=150, deadline=None)
@given(some, some, some, rules)
def test_no_withheld_compound_is_left_and_no_other_is_lost(train, validation, test, hold_outs):
    """Against pymatgen's own reading of the formulas."""
    whole = data([*STAY, *train], [*STAY, *validation], test)
    parts = (whole.train, whole.validation, whole.test)

    def outside(part: Rows) -> list[str]:
        return [f for f in formulas_of(part) if not any(is_withheld(f, rule) for rule in hold_outs.values())]

    left = [symbol for f in outside(whole.train) for symbol in Composition(f).as_dict()]
    if not outside(whole.validation) or not set(SYMBOLS) <= set(left):
        with pytest.raises(ValueError, match="received none"):
            withhold(whole, hold_outs)
        return
    without, withheld = withhold(whole, hold_outs)
    for before, after in zip(parts, (without.train, without.validation, without.test), strict=True):
        assert formulas_of(after) == outside(before)
    assert list(withheld) == list(hold_outs)
    for name, rule in hold_outs.items():
        expected = [f for part in parts for f in formulas_of(part) if is_withheld(f, rule)]
        assert formulas_of(withheld[name]) == expected
        assert without.counts[f"withheld: {name}"] == len(expected)
    for part in (without.train, without.validation, without.test, *withheld.values()):
        np.testing.assert_array_equal(part.x, encode(part.frame["formula"], SYMBOLS, dtype=np.float32).fractions)
        np.testing.assert_array_equal(part.y, part.frame[TARGET].to_numpy(np.float32))


def test_inputs_and_earlier_counts_stay():
    whole = data([*STAY, "TiO2"], STAY, ["Fe2O3"])
    without, _ = withhold(whole)
    assert without.elements == SYMBOLS and without.loaded is whole.loaded
    assert without.counts == {"single element": 1, "withheld: Ti-O": 1, "withheld: Na-Fe-Mn-O": 1}
    assert formulas_of(whole.train) == [*STAY, "TiO2"]  # the data given are as they were


def test_test_outliers_are_withheld_too():
    whole = replace(data(STAY, STAY, ["BaCl2"]), test_with_outliers=rows(["BaCl2", "TiO2", "NaO"]))
    assert formulas_of(withhold(whole)[0].test_with_outliers) == ["BaCl2"]


def test_a_row_that_validates_and_tests_is_withheld_once():
    whole = data(STAY, [], ["BaCl2", "TiO2"])
    without, withheld = withhold(replace(whole, validation=whole.test))
    assert formulas_of(withheld["Ti-O"]) == ["TiO2"]
    assert without.validation is without.test and formulas_of(without.test) == ["BaCl2"]


def test_a_system_that_the_data_lack_is_empty():
    without, withheld = withhold(data(STAY, STAY, STAY), {"U-O": HoldOut(("U", "O"), "contains_all")})
    assert len(withheld["U-O"]) == 0 and withheld["U-O"].x.shape == (0, len(SYMBOLS))
    assert formulas_of(without.train) == STAY


def test_an_element_without_a_training_row_is_named():
    stay = [formula for formula in STAY if "Ti" not in formula]
    with pytest.raises(ValueError, match=r"received none with Ti\. Give more data"):
        withhold(data([*stay, "BaTiO3"], STAY, STAY))


def test_a_part_without_a_row_is_named():
    with pytest.raises(ValueError, match="Expected validation rows outside Ti-O"):
        withhold(data(STAY, ["TiO2"], STAY))
    with pytest.raises(ValueError, match="Expected training rows outside Ti-O"):
        withhold(data(["TiO2"], STAY, STAY))


def test_joined_keeps_order_and_pairs():
    first, second = rows(["NaCl", "TiO2"]), rows(["BaO"])
    both = joined([first, second])
    assert formulas_of(both) == ["NaCl", "TiO2", "BaO"]
    np.testing.assert_array_equal(both.x, np.concatenate([first.x, second.x]))
    np.testing.assert_array_equal(both.y, [0, -1, 0])
