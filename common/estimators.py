"""What the packages' scikit-learn estimators share: a trained network that pickles, training rows, formulas as inputs.

The estimators store their settings, and leave the training to ``common.training.fit``.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import keras
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from common import backend, splits, training
from common.features import Featurized
from common.training_config import TrainingConfig

NUM_SEEDS = 2**32 // 10_000  # a network takes 10,000 seeds of 32 bits, see `networks.layer_seeds`
# One size for all batches: with others the sums of a row, and so its last bits, would depend on its neighbours.
ROWS_PER_BATCH = 256


class TrainedNetwork:
    """A trained network that can be pickled and copied: its architecture as JSON, its weights as arrays.

    Pickles are for scikit-learn's tools and the user's own processes. This project loads none itself.

    Args:
        model: Maps ``(batch_size, num_inputs)`` to ``(batch_size, num_outputs)``.
        input_range: Lowest and highest inputs of the training rows, ``(num_inputs,)`` or a scalar each; beyond them
            counts as the end of the range.
    """

    def __init__(self, model: keras.Model, input_range: tuple[ArrayLike, ArrayLike] = (-np.inf, np.inf)):
        self.model = model
        self.input_range = tuple(np.asarray(end, np.float32) for end in input_range)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """``(n, num_outputs)`` float64 for inputs ``(n, num_inputs)``; a row's answer is its own to the last bit."""
        outputs = np.empty((len(x), self.model.output_shape[-1]))
        for start in range(0, len(x), ROWS_PER_BATCH):
            rows = x[start : start + ROWS_PER_BATCH]
            batch = np.zeros((ROWS_PER_BATCH, x.shape[1]), np.float32)
            batch[: len(rows)] = np.clip(rows, *self.input_range)
            outputs[start : start + len(rows)] = self._forward(batch)[: len(rows)]
        return outputs

    @cached_property
    def _forward(self) -> backend.ArrayFunction:
        return backend.make_predictor(self.model)

    def __getstate__(self) -> dict:
        """What a pickle holds."""
        return {
            "architecture": self.model.to_json(),
            "weights": self.model.get_weights(),
            "input_range": self.input_range,
        }

    def __setstate__(self, state: dict) -> None:
        """The network again; what was compiled is compiled anew."""
        self.model = keras.models.model_from_json(state["architecture"])
        self.model.set_weights(state["weights"])
        self.input_range = state["input_range"]


class NetworkEstimator(BaseEstimator):
    """An estimator with a network; subclasses say which, and have the settings named here as parameters.

    Attributes:
        network_: The ``TrainedNetwork``.
        history_: Learning curve, as ``common.training.TrainingResult.history``.
    """

    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    validation_fraction: float
    random_state: object
    verbose: bool

    def _chosen_training(self) -> dict:
        """The fields of ``TrainingConfig`` that were chosen, with the seed.

        Raises:
            ValueError: If one has a value that it cannot have.
        """
        chosen = {}
        for name, field in (("epochs", "max_epochs"), ("batch_size", "batch_size"), ("learning_rate", "learning_rate")):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"Expected {name} above 0, or None for the recipe's; received {value!r}.")
            if value is not None:
                chosen[field] = value
        return chosen | {"seed": seed_of(self.random_state)}

    def _cut(self, num_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the rows that are trained on, and of those that decide on the best weights."""
        return splits.hold_out(num_rows, self.validation_fraction, seed)

    def _train(
        self,
        build: Callable[[], keras.Model],
        train: tuple[np.ndarray, np.ndarray],
        validation: tuple[np.ndarray, np.ndarray],
        settings: TrainingConfig,
    ) -> tuple[keras.Model, training.TrainingResult]:
        """Build a network and train it; see ``common.training.fit``."""
        with seeded(settings.seed):
            model, strategy = backend.build_for(settings, build)
            result = training.fit(model, train, validation, settings, strategy=strategy, progress=self.verbose)
        return model, result

    def _outputs(self, X: ArrayLike) -> np.ndarray:
        """``(n, num_outputs)`` of a fitted estimator for inputs as it was fitted with."""
        check_is_fitted(self)
        return self.network_.predict(validate_data(self, X, reset=False, dtype=np.float32))


def seed_of(random_state: object) -> int:
    """The seed of a training: the number given, or one drawn from a generator; ``None`` draws another every time.

    Raises:
        ValueError: If it is none of those that scikit-learn takes.
    """
    if isinstance(random_state, (int, np.integer)) and 0 <= random_state < NUM_SEEDS:
        return int(random_state)
    return int(check_random_state(random_state).randint(NUM_SEEDS))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """As ``backend.make_deterministic``; the caller's generators of NumPy and Python are left as they were."""
    numpy_generator = check_random_state(None)  # the one of NumPy's functions, which scikit-learn draws from
    states = numpy_generator.get_state(), random.getstate()
    try:
        backend.make_deterministic(seed)
        yield
    finally:
        numpy_generator.set_state(states[0])
        random.setstate(states[1])


class FormulaTransformer(TransformerMixin, BaseEstimator):
    """Formulas to the inputs of a network; subclasses say which inputs. There is nothing to fit."""

    def _featurize(self, formulas: Sequence[object]) -> Featurized:
        raise NotImplementedError

    def fit(self, X, y=None):
        """Checks the shape of ``X``, no more.

        Args:
            X: ``(n,)`` or ``(n, 1)`` formulas such as ``"Fe2O3"``: a list, a pandas Series or DataFrame, an array.
            y: Not used.

        Raises:
            ValueError: If ``X`` has another shape.
        """
        _formulas(X)
        return self

    def transform(self, X) -> np.ndarray:
        """The inputs of formulas.

        Args:
            X: As in ``fit``.

        Returns:
            ``(n, num_inputs)`` float64, columns as ``get_feature_names_out``.

        Raises:
            ValueError: If ``X`` has another shape, or a formula cannot be used; with the first reason.
        """
        formulas = _formulas(X)
        featurized = self._featurize(formulas)
        if len(bad := np.flatnonzero(~featurized.ok)):
            raise ValueError(
                f"Expected formulas that can be read; received {len(bad)} of {len(formulas)} that cannot, the first in "
                f"row {bad[0]}: {featurized.reasons[bad[0]]} Leave such rows out of X and y."
            )
        return featurized.attributes

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        return tags


def _formulas(X: object) -> list:
    if isinstance(X, (str, bytes)):  # would be read letter by letter
        raise ValueError(f"Expected a list of formulas; received the single text {X!r}. Write [formula].")
    if isinstance(X, (pd.DataFrame, pd.Series)):
        X = X.to_numpy(object)
    cells = np.asarray(X, dtype=object)
    if cells.ndim == 2 and cells.shape[1] == 1:
        cells = cells[:, 0]
    if cells.ndim != 1:
        raise ValueError(f"Expected formulas of shape (n,) or (n, 1); received {cells.shape}. Give one column of them.")
    return cells.tolist()
