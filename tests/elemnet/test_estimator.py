"""ElemNet in scikit-learn's pipelines; scikit-learn's own checks of it are in tests/common/test_estimators.py."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from common.composition import encode
from common.elements import ELEMENTS
from common.networks import ArchitectureError
from elemnet import ElemNetRegressor, FormulaEncoder

QUICK = ElemNetRegressor(
    "32x2D-1", epochs=40, batch_size=16, learning_rate=5e-3, validation_fraction=0.2, random_state=0
)


@pytest.fixture(scope="module")
def compounds() -> tuple[list[str], np.ndarray]:
    """96 binaries with energies that follow from their fractions."""
    formulas = [
        f"{metal}{i}{anion}{j}"
        for metal in ("Na", "Mg", "K", "Fe")
        for anion in ("O", "Cl", "S")
        for i, j in ((1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2), (1, 4))
    ]
    fractions = encode(formulas, ("O", "Cl", "S", "Fe", "Na", "Mg", "K")).fractions
    return formulas, fractions @ np.array([-3.0, -2.0, -1.0, 0.5, 0.0, 0.0, 0.0])


def test_a_pipeline_of_formulas_is_cross_validated(compounds):
    formulas, energies = compounds
    pipeline = make_pipeline(FormulaEncoder(), QUICK)
    errors = -cross_val_score(
        pipeline, formulas, energies, cv=KFold(2, shuffle=True, random_state=0), scoring="neg_mean_absolute_error"
    )
    assert errors.max() < 0.5 * np.abs(energies - np.median(energies)).mean()  # far better than the median


def test_the_same_seed_gives_the_same_network_and_a_copy_answers_as_it(compounds):
    formulas, energies = compounds
    x = FormulaEncoder().fit_transform(formulas)
    fitted = clone(QUICK).set_params(epochs=2).fit(x, energies)
    answers = fitted.predict(x)
    assert answers.shape == (96,) and answers.dtype == np.float64
    assert (clone(fitted).fit(x, energies).predict(x) == answers).all()
    assert (pickle.loads(pickle.dumps(fitted)).predict(x) == answers).all()
    assert fitted.set_params(random_state=1).fit(x, energies).predict(x) != pytest.approx(answers)


def test_the_recipe_decides_what_is_left_open():
    defaults = ElemNetRegressor(random_state=3)._config(1_000)
    assert defaults.recipe == "small" and defaults.training.seed == 3
    assert ElemNetRegressor()._config(100_000).recipe == "fast"
    chosen = ElemNetRegressor("8x1D-4x1D-1", recipe="paper", epochs=7, batch_size=9, learning_rate=0.5)._config(10)
    assert (chosen.training.max_epochs, chosen.training.batch_size, chosen.training.learning_rate) == (7, 9, 0.5)
    assert chosen.dropout_rates == (0.2, 0.1) and chosen.training.optimizer == "adam"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"recipe": "none"}, "Expected the recipe paper or fast or small; received 'none'"),
        ({"epochs": 0}, "Expected epochs above 0, or None for the recipe's; received 0"),
        ({"learning_rate": -1.0}, "Expected learning_rate above 0"),
        ({"validation_fraction": 1.0}, "0 < test_fraction < 1"),
        ({"architecture": "32y2-1"}, "does not read as"),
        ({"dropout_rates": (0.1, 0.2)}, "received 2 dropout rates"),
    ],
)
def test_parameters_are_checked_when_fitted(parameters, words):
    estimator = ElemNetRegressor("8x1D-1").set_params(**parameters)
    with pytest.raises(ValueError, match=words):
        estimator.fit(np.eye(4), np.arange(4.0))
    assert issubclass(ArchitectureError, ValueError)


def test_the_encoder_gives_fractions_under_the_names_of_elements():
    encoder = FormulaEncoder()
    table = encoder.set_output(transform="pandas").fit_transform(["Fe2O3", "Ca(OH)2"])
    assert tuple(table.columns) == ELEMENTS and table["O"].tolist() == [0.6, 0.4]
    assert FormulaEncoder(["O", "Fe"]).transform(["Fe2O3"]).tolist() == [[0.6, 0.4]]
    with pytest.raises(ValueError, match="the first in row 1: Na is a known element but outside the 2 elements"):
        FormulaEncoder(["O", "Fe"]).transform(["FeO", "Na2O"])
