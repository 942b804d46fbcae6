"""The networks of chapter 4 behind scikit-learn's interface, for `Pipeline`, `cross_val_score` and the like."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from common import networks
from common.estimators import FormulaTransformer, NetworkEstimator, TrainedNetwork
from common.features import Featurized
from irnet import inputs as irnet_inputs
from irnet import outputs
from irnet.choices import configure
from irnet.config import IRNetConfig
from irnet.model import build_irnet, fold_target_scaling


class FormulaFeaturizer(FormulaTransformer):
    """Formulas to the attributes of compositions that chapter 4 learns from.

    Args:
        inputs: ``"C"`` (the 145 attributes of Ward et al.), ``"EF"`` (86 element fractions), or ``"EF+C"``.

    Reference:
        L. Ward et al., npj Comput. Mater. 2, 16028 (2016), doi:10.1038/npjcompumats.2016.28
    """

    def __init__(self, inputs: str = "C"):
        self.inputs = inputs

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the columns."""
        return np.array(irnet_inputs.labels(self._checked_inputs()), object)

    def _featurize(self, formulas: Sequence[object]) -> Featurized:
        return irnet_inputs.of_formulas(self._checked_inputs(), formulas)

    def _checked_inputs(self) -> str:
        if IRNetConfig(inputs=self.inputs).needs_structure:
            raise ValueError(f"Expected inputs 'C', 'EF' or 'EF+C', which a formula has; received {self.inputs!r}.")
        return self.inputs


class _IRNetEstimator(NetworkEstimator):
    """What regressor and classifier share: their parameters, and the training."""

    def __init__(
        self,
        variant: str = "irnet_17",
        recipe: str | None = None,
        input_scaling: str | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        validation_fraction: float = 0.05,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ):
        self.variant = variant
        self.recipe = recipe
        self.input_scaling = input_scaling
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.verbose = verbose

    def _fit_outputs(self, x: np.ndarray, y: np.ndarray, **chosen) -> None:
        """Train a network on targets ``(n, num_outputs)`` as it puts them out; ``chosen`` are of ``IRNetConfig``."""
        config = configure(
            self.variant,
            self.recipe,
            {"input_scaling": self.input_scaling, **chosen},
            self._chosen_training(),
            num_train_rows=len(x),
        )
        train, validation = self._cut(len(x), config.training.seed)
        scaling = networks.InputScaling.fit(config.input_scaling, x[train])
        input_range = x[train].min(axis=0), x[train].max(axis=0)
        is_scaled = config.target_scaling and not config.num_classes
        center, scale = _target_scaling(y[train]) if is_scaled else (np.zeros(1), np.ones(1))
        settings = outputs.with_loss(config.training, config.num_classes)
        model, result = self._train(
            lambda: build_irnet(config, x.shape[1], input_scaling=scaling),
            (x[train], (y[train] - center) / scale),
            (np.clip(x[validation], *input_range), (y[validation] - center) / scale),
            settings,
        )
        if is_scaled:
            fold_target_scaling(model, center, scale)
            result = outputs.in_units(result, scale, settings.loss)
        self.network_, self.history_ = TrainedNetwork(model, input_range), result.history


def _target_scaling(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of training targets, ``(num_outputs,)``; a constant one is only shifted."""
    deviation = y.std(axis=0)
    return y.mean(axis=0), np.where(deviation > 0, deviation, 1.0)


class IRNetRegressor(RegressorMixin, _IRNetEstimator):
    """A network of chapter 4 as a regressor: attributes to one property or several.

    Attributes beyond the range of the training rows count as the end of that range, as in ``irnet predict``. On a GPU
    the last digits of two trainings may differ; on a CPU the same ``random_state`` gives the same network.

    Args:
        variant: Name in ``irnet.VARIANTS``, or a key in the authors' grammar, such as ``"1024BARx4-512BARx3-1"``; the
            width of its output follows from the targets.
        recipe: ``"paper"``, ``"fast"`` or ``"small"``: everything left open here. ``None`` takes SIPFENN's own for its
            networks, else one of the last two, by the number of rows.
        input_scaling: ``"standard"``, ``"maximum"`` or ``"none"``; ``None`` takes the recipe's, as for the next three.
        epochs: Passes over the training rows.
        batch_size: Rows in a minibatch.
        learning_rate: The constant rate, or the peak of the schedule.
        validation_fraction: Share of the rows that are not trained on but choose the epoch of the weights.
        random_state: Seed of weights, data order, dropout and the validation rows, or a generator to draw it from.
        verbose: Show a bar, or one line an epoch in a log.

    Attributes:
        network_: The trained network.
        history_: Learning curve, a row for each validation.
        n_features_in_: Columns of ``X``.
        feature_names_in_: Their names, where ``X`` had any.

    Reference:
        Table 4.1; doi:10.1145/3292500.3330703, doi:10.1038/s41598-021-83193-1

    Examples:
        >>> from sklearn.pipeline import make_pipeline
        >>> model = make_pipeline(FormulaFeaturizer("C"), IRNetRegressor("irnet_10", random_state=0))
        >>> model.fit(formulas, energies).predict(["NaCl", "Fe2O3"])  # doctest: +SKIP
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> "IRNetRegressor":
        """Train a fresh network.

        Args:
            X: ``(n, num_features)`` attributes, in any units; at least two rows.
            y: ``(n,)`` targets, or ``(n, num_targets)``.

        Raises:
            ValueError: If a parameter, ``X`` or ``y`` is not as said above.
            CollapsedTrainingError, DivergedTrainingError: See ``common.training``.
        """
        x, targets = validate_data(
            self, X, y, dtype=np.float32, y_numeric=True, multi_output=True, ensure_min_samples=2
        )
        self._is_single = targets.ndim == 1
        targets = targets.reshape(len(targets), -1)
        self._fit_outputs(x, targets, targets=tuple(f"target_{number}" for number in range(targets.shape[1])))
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predictions ``(n,)``, or ``(n, num_targets)`` as ``y`` was, for inputs ``(n, num_features)``."""
        predicted = self._outputs(X)
        return predicted[:, 0] if self._is_single else predicted

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class IRNetClassifier(ClassifierMixin, _IRNetEstimator):
    """A network of chapter 4 as a classifier: attributes to one of two or more classes (section 8.2.2).

    Args:
        variant: This and all others as of ``IRNetRegressor``.

    Attributes:
        classes_: The classes, ascending.
        network_: The trained network.
        history_: Learning curve, a row for each validation.
        n_features_in_: Columns of ``X``.
        feature_names_in_: Their names, where ``X`` had any.
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> "IRNetClassifier":
        """Train a fresh network.

        Args:
            X: ``(n, num_features)`` attributes, in any units; at least two rows.
            y: ``(n,)`` labels of two classes or more.

        Raises:
            ValueError: If a parameter, ``X`` or ``y`` is not as said above.
            CollapsedTrainingError, DivergedTrainingError: See ``common.training``.
        """
        x, labels = validate_data(self, X, y, dtype=np.float32, ensure_min_samples=2)
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        num_classes = len(self.classes_)
        if num_classes < 2:
            raise ValueError(f"Expected at least two classes in y; received 1 class, {self.classes_[0]}.")
        self._fit_outputs(x, outputs.as_outputs(numbers, num_classes), num_classes=num_classes)
        return self

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """``(n, num_classes)`` probabilities, columns as ``classes_``, for inputs ``(n, num_features)``."""
        probability = self._outputs(X)
        if probability.shape[1] == 1:
            return np.hstack([1 - probability, probability])
        return probability / probability.sum(axis=1, keepdims=True)  # 1 to the last digit of float64, not of float32

    def predict(self, X: ArrayLike) -> np.ndarray:
        """``(n,)`` the likeliest class for inputs ``(n, num_features)``."""
        numbers = self.predict_proba(X).argmax(axis=1)
        return self.classes_[numbers]
