"""Fine-tuning in scikit-learn's pipelines; scikit-learn's own checks of it are in tests/common/test_estimators.py."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from elemnet import FormulaEncoder
from irnet import FormulaFeaturizer
from transfer import FineTunedRegressor, load_network

ENERGY = "formation_energy_ev_per_atom"
QUICK = {"epochs": 10, "batch_size": 16, "learning_rate": 5e-3, "random_state": 0}


@pytest.fixture(scope="module")
def rows(frame, elemnet_source):
    encoder = FormulaEncoder(load_network(elemnet_source).input_elements)
    return encoder.fit_transform(frame["formula"]), frame[ENERGY].to_numpy()


def test_a_pipeline_of_formulas_is_cross_validated(frame, elemnet_source):
    encoder = FormulaEncoder(load_network(elemnet_source).input_elements)
    pipeline = clone(make_pipeline(encoder, FineTunedRegressor(elemnet_source, **QUICK)))
    folds = KFold(2, shuffle=True, random_state=0)
    errors = -cross_val_score(
        pipeline, frame["formula"], frame[ENERGY], cv=folds, scoring="neg_mean_absolute_error", error_score="raise"
    )
    assert errors.max() < 0.7 * np.abs(frame[ENERGY] - frame[ENERGY].median()).mean()  # far better than the median


def test_a_step_of_nearly_nothing_leaves_the_source_as_it_was(rows, elemnet_source):
    x, energies = rows
    source = load_network(elemnet_source)
    before = source.weights_hash()
    fitted = FineTunedRegressor(elemnet_source, epochs=1, learning_rate=1e-12, random_state=0).fit(x, energies)
    expected = source.predict_attributes(x.astype(np.float32))[:, 0]
    np.testing.assert_allclose(fitted.predict(x), expected, atol=1e-5)
    assert source.weights_hash() == before
    assert fitted.card_["fine_tuned_from"]["weights_sha256"] == before


def test_frozen_layers_keep_the_weights_of_the_source(rows, elemnet_source):
    x, energies = rows
    layer = "stack1_block2_dense"
    fitted = FineTunedRegressor(elemnet_source, frozen_up_to=layer, epochs=1, learning_rate=0.01, random_state=0)
    model, source = fitted.fit(x, energies).network_.model, load_network(elemnet_source).model
    for name, is_equal in ((layer, True), ("stack2_block1_dense", False)):
        assert (model.get_layer(name).kernel.numpy() == source.get_layer(name).kernel.numpy()).all() == is_equal


def test_another_property_of_another_network_and_a_copy_that_answers_as_it(frame, irnet_source):
    x, moduli = FormulaFeaturizer("C").fit_transform(frame["formula"]), frame["bulk_modulus_gpa"]
    fitted = FineTunedRegressor(irnet_source, new_head=True, freeze_batch_norm=True, **QUICK).fit(x, moduli)
    answers = fitted.predict(x)
    assert np.abs(answers - moduli).mean() < np.abs(moduli - moduli.median()).mean()
    assert (pickle.loads(pickle.dumps(fitted)).predict(x) == answers).all()
    low, high = fitted.card_["input_range"]  # what is beyond it, counts as its end
    assert (fitted.predict(np.full((1, 145), 1e9)) == fitted.predict(np.array([high]))).all()


def test_columns_that_are_not_the_sources_are_refused(rows, elemnet_source):
    x, energies = rows
    with pytest.raises(ValueError, match=r"Expected X with the 7 columns .* received 6\. elemnet\.FormulaEncoder"):
        FineTunedRegressor(elemnet_source).fit(x[:, :6], energies)
    turned_round = pd.DataFrame(x, columns=load_network(elemnet_source).input_elements).iloc[:, ::-1]
    with pytest.raises(ValueError, match="in the order of"):
        FineTunedRegressor(elemnet_source).fit(turned_round, energies)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"recipe": "none"}, "Expected the recipe paper or fast or small"),
        ({"frozen_up_to": "stack9"}, "stack9"),
        ({"validation_fraction": 0}, "0 < test_fraction < 1"),
    ],
)
def test_parameters_are_checked_when_fitted(parameters, words, rows, elemnet_source):
    with pytest.raises(ValueError, match=words):
        FineTunedRegressor(elemnet_source).set_params(**parameters).fit(*rows)
