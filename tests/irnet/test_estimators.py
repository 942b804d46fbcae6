"""IRNet in scikit-learn's pipelines; scikit-learn's own checks of it are in tests/common/test_estimators.py."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from common.features import magpie
from irnet import FormulaFeaturizer, IRNetClassifier, IRNetRegressor

SETTINGS = {"epochs": 15, "batch_size": 16, "learning_rate": 1e-2, "random_state": 0}
FORMULAS = [f"{metal}{i}{anion}{j}" for metal in ("Na", "Mg", "K", "Fe", "Ti") for anion in ("O", "Cl", "S")
            for i, j in ((1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2), (1, 4))]  # fmt: skip


@pytest.fixture(scope="module")
def attributes() -> np.ndarray:
    return FormulaFeaturizer("C").fit_transform(FORMULAS)  # (120, 145)


@pytest.fixture(scope="module")
def targets(attributes) -> np.ndarray:
    """Two targets of very different size, both follow from the attributes; (120, 2)."""
    column = list(magpie.MAGPIE_LABELS).index("MagpieData mean Electronegativity")
    electronegativity = attributes[:, column]
    return np.stack([1_000 + 500 * electronegativity, -0.01 * electronegativity], axis=1)


@pytest.fixture(scope="module")
def fitted(attributes, targets) -> IRNetRegressor:
    return IRNetRegressor("16BARx1-1", **SETTINGS).fit(attributes, targets)


def test_targets_of_any_size_are_learned_side_by_side(fitted, attributes, targets):
    predicted = fitted.predict(attributes)
    assert predicted.shape == (120, 2) and predicted.dtype == np.float64
    spread = np.abs(targets - targets.mean(axis=0)).mean(axis=0)
    assert (np.abs(predicted - targets).mean(axis=0) < 0.5 * spread).all()


def test_a_copy_answers_as_the_original(fitted, attributes):
    assert (pickle.loads(pickle.dumps(fitted)).predict(attributes) == fitted.predict(attributes)).all()


def test_attributes_beyond_those_of_training_count_as_the_end_of_their_range(fitted, attributes):
    far = attributes[:1].copy()
    far[:, 0] = 1e6
    end = attributes[:1].copy()
    end[:, 0] = fitted.network_.input_range[1][0]
    assert (fitted.predict(far) == fitted.predict(end)).all()


def test_formulas_are_classified_in_cross_validation(targets):
    labels = np.where(targets[:, 0] > np.median(targets[:, 0]), "high", "low")
    pipeline = make_pipeline(FormulaFeaturizer("C"), IRNetClassifier("16BARx1-1", **SETTINGS))
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    assert cross_val_score(clone(pipeline), FORMULAS, labels, cv=folds, scoring="roc_auc").min() > 0.8


def test_three_classes_have_probabilities_that_sum_to_one(attributes, targets):
    labels = np.array(["a", "b", "c"])[np.digitize(targets[:, 0], np.quantile(targets[:, 0], [1 / 3, 2 / 3]))]
    classifier = IRNetClassifier("16BARx1-1", **SETTINGS | {"epochs": 12}).fit(attributes, labels)
    probability = classifier.predict_proba(attributes)
    assert probability.shape == (120, 3) and list(classifier.classes_) == ["a", "b", "c"]
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-12)
    assert (classifier.predict(attributes) == labels).mean() > 0.6
    assert "validation_loss" in classifier.history_


def test_one_class_is_refused(attributes):
    with pytest.raises(ValueError, match="Expected at least two classes in y; received 1 class, metal"):
        IRNetClassifier("8x1-1").fit(attributes, ["metal"] * len(attributes))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"variant": "irnet_11"}, "Expected a variant of plain_17"),
        ({"recipe": "none"}, "Expected the recipe paper or fast or small"),
        ({"input_scaling": "minimum"}, "Expected input scaling"),
        ({"batch_size": 0}, "Expected batch_size above 0"),
    ],
)
def test_parameters_are_checked_when_fitted(parameters, words, attributes, targets):
    with pytest.raises(ValueError, match=words):
        IRNetRegressor("8x1-1").set_params(**parameters).fit(attributes, targets)


def test_the_featurizer_names_its_columns_and_wants_formulas_alone():
    assert tuple(FormulaFeaturizer().get_feature_names_out()) == magpie.MAGPIE_LABELS
    assert FormulaFeaturizer("EF+C").transform(["NaCl"]).shape == (1, 86 + 145)
    with pytest.raises(ValueError, match="which a formula has; received 'S'"):
        FormulaFeaturizer("S").transform(["NaCl"])
    with pytest.raises(ValueError, match="Magpie's tables lack"):
        FormulaFeaturizer("C").transform(["NaCl", "XeF2", "HeO"])
