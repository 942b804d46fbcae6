"""Inputs by name: their columns, their order, and a reason where there are none."""

import numpy as np
import pytest

from common.composition import encode
from common.elements import ELEMENTS
from common.features import Featurized, magpie, voronoi, ward2017
from irnet import inputs


@pytest.mark.parametrize(("name", "number"), [("EF", 86), ("C", 145), ("S", 126), ("S+C", 271), ("S+C+EF", 357)])
def test_labels_are_as_many_as_the_papers_say(name, number):
    labels = inputs.labels(name)
    assert len(labels) == len(set(labels)) == number


def test_compositions_are_fractions_and_attributes_side_by_side():
    formulas = ["NaCl", "Fe2O3", "Xx", ""]
    featurized = inputs.of_formulas("EF+C", formulas)
    np.testing.assert_array_equal(featurized.attributes[:2, :86], encode(formulas[:2], ELEMENTS).fractions)
    np.testing.assert_array_equal(featurized.attributes[:2, 86:], magpie.featurize(formulas[:2]))
    assert featurized.ok.tolist() == [True, True, False, False]
    assert all(featurized.reasons[2:]) and np.isnan(featurized.attributes[2:]).all()


def test_structures_have_the_attributes_of_ward_in_the_order_asked_for(crystals):
    structures = list(crystals.values())
    ward = ward2017.featurize(structures)
    both = inputs.of_structures("C+EF+S", structures)
    assert both.ok.all() and both.attributes.shape == (len(structures), 357)
    columns = dict(zip(inputs.labels("C+EF+S"), both.attributes.T, strict=True))
    for label, column in zip(ward2017.LABELS, ward.attributes.T, strict=True):
        np.testing.assert_array_equal(columns[label], column)
    formulas = [structure.composition.reduced_formula for structure in structures]
    np.testing.assert_array_equal(both.attributes[:, 145:231], encode(formulas, ELEMENTS).fractions)
    alone = inputs.of_structures("S", (structure for structure in structures))
    np.testing.assert_array_equal(alone.attributes, both.attributes[:, 231:])
    np.testing.assert_allclose(alone.attributes, voronoi.featurize(structures), rtol=1e-12)


def test_attributes_of_composition_are_the_same_by_either_way(crystals):
    structures = list(crystals.values())
    formulas = [structure.composition.reduced_formula for structure in structures]
    of_structures = inputs.of_structures("C", structures)
    np.testing.assert_allclose(of_structures.attributes, inputs.of_formulas("C", formulas).attributes, atol=1e-9)


def test_a_reason_of_any_part_is_the_reason_of_the_row():
    ward = Featurized(np.ones((3, 271)), np.array(["", "no cell closed", ""], object))
    featurized = inputs.of_descriptors("S+EF", ward, ["NaCl", "NaCl", "Xx"])
    assert featurized.ok.tolist() == [True, False, False]
    assert featurized.reasons[1] == "no cell closed" and "Xx" in featurized.reasons[2]
