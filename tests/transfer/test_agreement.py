import numpy as np
import pandas as pd
import pytest

from transfer.agreement import on_common_compositions

ENERGY = "energy"


def frame(**energies) -> pd.DataFrame:
    return pd.DataFrame({"formula": list(energies), ENERGY: list(energies.values())})


def test_compositions_of_all_tables_side_by_side():
    first = frame(NaCl=-2.0, MgO=-3.0, KCl=-2.2, FeO=-1.4)
    second = frame(FeO=-1.3, OMg=-3.1, TiO=-2.7, Cl2Na2=-2.1)
    third = frame(Mg4O4=-2.9, NaCl=-1.9, TiO=-2.6, FeO2=-1.0, Fe3O3=-1.35)
    table = on_common_compositions({"experiment": first, "one": second, "two": third}, ENERGY)
    assert list(table) == ["formula", "experiment", "one", "two"]
    assert table.to_numpy().tolist() == [
        ["NaCl", -2.0, -2.1, -1.9],
        ["MgO", -3.0, -3.1, -2.9],
        ["FeO", -1.4, -1.3, -1.35],
    ]


def test_of_several_rows_of_a_composition_the_lowest_counts():
    first = frame(NaCl=-2.0, Na2Cl2=-2.3, MgO=-3.0)
    second = frame(MgO=-3.5, ClNa=-1.0)
    table = on_common_compositions({"a": first, "b": second}, ENERGY)
    assert table.to_numpy().tolist() == [["NaCl", -2.3, -1.0], ["MgO", -3.0, -3.5]]


def test_what_cannot_be_read_is_common_to_none():
    first = frame(Xx=-1.0, MgO=np.nan, NaCl=-2.0, KCl=np.inf)
    second = frame(Xx=-1.0, MgO=-3.0, NaCl=-2.1, KCl=-2.0)
    table = on_common_compositions({"a": first, "b": second}, ENERGY)
    assert table.to_numpy().tolist() == [["NaCl", -2.0, -2.1]]


def test_elements_agree_by_definition():
    table = on_common_compositions({"a": frame(Fe=0.0, O2=0.0, FeO=-1.4), "b": frame(O=0.0, Fe2=0.0, OFe=-1.3)}, ENERGY)
    assert table.to_numpy().tolist() == [["FeO", -1.4, -1.3]]


def test_tables_keep_their_own_index_and_columns():
    first = frame(NaCl=-2.0, MgO=-3.0).set_index(pd.Index([7, 7])).assign(split="train")
    before = first.copy()
    table = on_common_compositions({"a": first, "b": frame(MgO=-3.1)}, ENERGY)
    assert table.to_numpy().tolist() == [["MgO", -3.0, -3.1]] and list(table.index) == [0]
    pd.testing.assert_frame_equal(first, before)


def test_tables_with_nothing_in_common_are_refused():
    with pytest.raises(ValueError, match="a, b have in common; received none"):
        on_common_compositions({"a": frame(NaCl=-2.0), "b": frame(MgO=-3.0)}, ENERGY)
