"""The element tables, against pymatgen."""

from pymatgen.core import Element

from common.elements import ALL_SYMBOLS, ATOMIC_NUMBER, ELEMENT_INDEX, ELEMENTS


def test_all_symbols_are_the_periodic_table():
    assert tuple(Element.from_Z(number).symbol for number in range(1, 119)) == ALL_SYMBOLS
    assert all(number == Element(symbol).Z for symbol, number in ATOMIC_NUMBER.items())


def test_the_86_elements_of_elemnet_in_order():
    absent = {"He", "Ne", "Ar", "Po", "At", "Rn", "Fr", "Ra"}
    assert len(ELEMENTS) == 86
    assert tuple(s for s in ALL_SYMBOLS[:94] if s not in absent) == ELEMENTS
    assert ELEMENTS[0] == "H" and ELEMENTS[-1] == "Pu"
    assert [ELEMENT_INDEX[symbol] for symbol in ELEMENTS] == list(range(86))
