"""ElemNet behind scikit-learn's interface, for `Pipeline`, `cross_val_score` and the like."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from common.composition import encode
from common.elements import ELEMENTS
from common.estimators import FormulaTransformer, NetworkEstimator, TrainedNetwork
from common.features import Featurized
from elemnet.config import RECIPES, ElemNetConfig, recipe_for
from elemnet.model import build_elemnet, dropout_rates_for


class FormulaEncoder(FormulaTransformer):
    """Formulas to element fractions, the inputs of ElemNet.

    Args:
        elements: Symbols of the columns; ``None`` takes the 86 of the thesis. A network trained already wants its own:
            ``transfer.load_network("elemnet").input_elements``.

    Examples:
        >>> FormulaEncoder(elements=["O", "Fe"]).transform(["Fe2O3"])
        array([[0.6, 0.4]])
    """

    def __init__(self, elements: Sequence[str] | None = None):
        self.elements = elements

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Symbols of the columns."""
        return np.array(self._columns, object)

    @property
    def _columns(self) -> Sequence[str]:
        return ELEMENTS if self.elements is None else self.elements

    def _featurize(self, formulas: Sequence[object]) -> Featurized:
        encoded = encode(formulas, self._columns)
        return Featurized(encoded.fractions, np.where(encoded.ok, "", encoded.reasons))


class ElemNetRegressor(RegressorMixin, NetworkEstimator):
    """ElemNet as a regressor: element fractions to a property.

    Nothing is scaled, as in the thesis: targets far from 1, such as temperatures in K, belong into a
    ``sklearn.compose.TransformedTargetRegressor``. On a GPU the last digits of two trainings may differ; on a CPU the
    same ``random_state`` gives the same network.

    Args:
        architecture: Key in the authors' grammar; its output is one unit. ``None`` takes the 17 layers of table 3.1.
        recipe: ``"paper"``, ``"fast"`` or ``"small"``: everything left open here. ``None`` takes one of the last two,
            by the number of rows.
        dropout_rates: Share of units dropped after each ``D`` group; ``None`` takes the recipe's, as many as needed.
        epochs: Passes over the training rows; ``None`` takes the recipe's, as for the next two.
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
        Table 3.1; doi:10.1038/s41598-018-35934-y

    Examples:
        >>> from sklearn.pipeline import make_pipeline
        >>> model = make_pipeline(FormulaEncoder(), ElemNetRegressor(epochs=20, random_state=0))
        >>> model.fit(formulas, energies).predict(["NaCl", "Fe2O3"])  # doctest: +SKIP
    """

    def __init__(
        self,
        architecture: str | None = None,
        recipe: str | None = None,
        dropout_rates: Sequence[float] | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        validation_fraction: float = 0.05,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ):
        self.architecture = architecture
        self.recipe = recipe
        self.dropout_rates = dropout_rates
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike) -> "ElemNetRegressor":
        """Train a fresh network.

        Args:
            X: ``(n, num_features)`` element fractions, such as ``FormulaEncoder`` makes; at least two rows.
            y: ``(n,)`` targets.

        Raises:
            ValueError: If a parameter, ``X`` or ``y`` is not as said above.
            CollapsedTrainingError, DivergedTrainingError: See ``common.training``.
        """
        x, targets = validate_data(self, X, y, dtype=np.float32, y_numeric=True, ensure_min_samples=2)
        config = self._config(len(x))
        train, validation = self._cut(len(x), config.training.seed)
        model, result = self._train(
            lambda: build_elemnet(config, x.shape[1]),
            (x[train], targets[train]),
            (x[validation], targets[validation]),
            config.training,
        )
        self.network_, self.history_ = TrainedNetwork(model), result.history
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """``(n,)`` predictions, dropout off, for inputs ``(n, num_features)``."""
        return self._outputs(X)[:, 0]

    def _config(self, num_rows: int) -> ElemNetConfig:
        if self.recipe is not None and self.recipe not in RECIPES:
            raise ValueError(f"Expected the recipe {' or '.join(RECIPES)}; received {self.recipe!r}.")
        config = recipe_for(num_rows) if self.recipe is None else RECIPES[self.recipe]
        architecture = self.architecture or config.architecture
        if self.dropout_rates is None:
            rates = dropout_rates_for(architecture, config.dropout_rates)
        else:
            rates = tuple(self.dropout_rates)
        config = replace(config, architecture=architecture, dropout_rates=rates)
        return config.with_training(**self._chosen_training())
