"""The bundled table of elements: matminer's Magpie tables and pymatgen are the oracles."""

import warnings

import numpy as np
import pytest
from pymatgen.core import Element

from common.elements import ALL_SYMBOLS
from common.features.elemental import (
    HAS_ALL_PROPERTIES,
    OXIDATION_STATES,
    PAULING_ELECTRONEGATIVITY,
    PROPERTIES,
    PROPERTY_VALUES,
    missing_properties,
)


@pytest.fixture(scope="module")
def magpie_data():
    from matminer.utils.data import MagpieData

    return MagpieData(impute_nan=False).all_elemental_props


def test_the_22_properties_are_those_of_the_magpie_preset():
    from matminer.featurizers.composition import ElementProperty

    assert tuple(ElementProperty.from_preset("magpie").features) == PROPERTIES


@pytest.mark.parametrize("name", PROPERTIES)
def test_property_equals_the_magpie_table(magpie_data, name):
    expected = [magpie_data[name][symbol] for symbol in ALL_SYMBOLS]
    np.testing.assert_array_equal(PROPERTY_VALUES[:, PROPERTIES.index(name)], expected)


def test_electronegativity_equals_that_of_pymatgen():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on elements without one
        expected = [Element(symbol).X for symbol in ALL_SYMBOLS]
    np.testing.assert_array_equal(PAULING_ELECTRONEGATIVITY, expected)


# of pymatgen 2024.8.9, where they were others
EARLIER_STATES = {"C": (-4, 4), "Br": (-1, 1, 3, 5, 7), "Kr": (), "Xe": (), "Re": (4,), "Rf": ()}


@pytest.mark.parametrize("symbol", ALL_SYMBOLS)
def test_oxidation_states_equal_those_of_pymatgen(symbol):
    states = OXIDATION_STATES[ALL_SYMBOLS.index(symbol)]
    installed = tuple(Element(symbol).common_oxidation_states)
    assert installed == states or installed == EARLIER_STATES.get(symbol)


def test_elements_that_can_be_featurised():
    complete = np.array(ALL_SYMBOLS)[HAS_ALL_PROPERTIES].tolist()
    assert complete == [s for s in ALL_SYMBOLS[:96] if s not in ("He", "Ne", "Ar", "At", "Rn", "Fr")]
    assert np.isfinite(PAULING_ELECTRONEGATIVITY[HAS_ALL_PROPERTIES]).all()
    assert all(OXIDATION_STATES[index] for index in np.flatnonzero(HAS_ALL_PROPERTIES))


def test_missing_properties():
    assert missing_properties("Fe") == ()
    assert missing_properties("He") == ("MeltingT", "Electronegativity")
    assert missing_properties("Og") == PROPERTIES


def test_tables_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        PROPERTY_VALUES[0, 0] = 2
