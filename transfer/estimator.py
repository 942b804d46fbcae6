"""Fine-tuning behind scikit-learn's interface, for `Pipeline`, `cross_val_score` and the like."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from common.estimators import NetworkEstimator, TrainedNetwork, seeded
from common.rows import Rows
from irnet import inputs as irnet_inputs
from irnet.predict import Predictor
from transfer.config import RECIPES, FineTuneConfig, recipe_for
from transfer.fine_tune import fine_tune
from transfer.network import ELEMNET, load_network


class FineTunedRegressor(RegressorMixin, NetworkEstimator):
    """A trained network continued on the rows that it is fitted with.

    The source decides on the columns of ``X``: as many as its inputs, in their order. On a GPU the last digits of two
    trainings may differ; on a CPU the same ``random_state`` gives the same network.

    Args:
        source: ``"elemnet"`` for the shipped one, a variant such as ``"irnet_10"``, or a ``.keras`` file of ``elemnet
            train``, ``irnet train`` or ``transfer fine-tune``.
        recipe: ``"paper"``, ``"fast"`` or ``"small"``: everything left open here. ``None`` takes one of the last two,
            by the number of rows.
        new_head: A fresh output layer, for another property than the source's.
        frozen_up_to: Name of a layer of the source; it and all before it keep their weights.
        freeze_batch_norm: Batch norms keep their weights and moving averages; for a few rows.
        epochs: Passes over the training rows; ``None`` takes the recipe's, as for the next two.
        batch_size: Rows in a minibatch.
        learning_rate: The constant rate, or the peak of the schedule.
        validation_fraction: Share of the rows that are not trained on but choose the epoch of the weights.
        random_state: Seed of data order, fresh weights and the validation rows, or a generator to draw it from.
        verbose: Show a bar, or one line an epoch in a log.

    Attributes:
        network_: The trained network; it holds all it needs, and no longer the source.
        history_: Learning curve, a row for each validation.
        card_: Model card, as of ``transfer.run``.
        n_features_in_: Columns of ``X``.
        feature_names_in_: Their names, where ``X`` had any.

    Reference:
        Section 5.2 of the thesis; doi:10.1038/s41467-019-13297-w

    Examples:
        >>> from sklearn.pipeline import make_pipeline
        >>> encoder = elemnet.FormulaEncoder(transfer.load_network("elemnet").input_elements)  # doctest: +SKIP
        >>> model = make_pipeline(encoder, FineTunedRegressor("elemnet", random_state=0))  # doctest: +SKIP
        >>> model.fit(formulas, energies).predict(["NaCl", "Fe2O3"])  # doctest: +SKIP
    """

    def __init__(
        self,
        source: str | Path = ELEMNET,
        recipe: str | None = None,
        new_head: bool = False,
        frozen_up_to: str | None = None,
        freeze_batch_norm: bool = False,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        validation_fraction: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ):
        self.source = source
        self.recipe = recipe
        self.new_head = new_head
        self.frozen_up_to = frozen_up_to
        self.freeze_batch_norm = freeze_batch_norm
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike) -> "FineTunedRegressor":
        """Continue the source on these rows.

        Args:
            X: ``(n, num_inputs)`` in the inputs of the source, at least two rows: of ElemNet the fractions of its
                ``input_elements``, of IRNet the columns of ``irnet.inputs.labels``.
            y: ``(n,)`` targets; in the unit of the source unless ``new_head``.

        Raises:
            ValueError: If a parameter, ``X`` or ``y`` is not as said above.
            ArtifactError: If there is no such source.
            CollapsedTrainingError, DivergedTrainingError: See ``common.training``.
        """
        x, targets = validate_data(self, X, y, dtype=np.float32, y_numeric=True, ensure_min_samples=2)
        source = self._load_source(x.shape[1])
        self._check_columns(source)
        config = self._config(len(x))
        table = pd.DataFrame(index=range(len(x)))  # formulas are only needed from scratch
        rows = Rows(table, x, np.asarray(targets, np.float64))
        train, validation = self._cut(len(x), config.training.seed)
        with seeded(config.training.seed):
            done = fine_tune(source, rows.take(train), rows.take(validation), config, progress=self.verbose)
        self.card_, self.history_ = done.network.card, done.training.history
        self.network_ = TrainedNetwork(done.network.model, self.card_.get("input_range", (-np.inf, np.inf)))
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """``(n,)`` predictions for inputs ``(n, num_inputs)``."""
        return self._outputs(X)[:, 0]

    def _load_source(self, num_inputs: int) -> Predictor:
        """The network to continue, which has to have so many inputs and one output."""
        source = load_network(self.source)
        expected = source.model.input_shape[-1]
        if num_inputs != expected:
            raise ValueError(
                f"Expected X with the {expected} columns that {self.source} takes (inputs {source.inputs}); received "
                f"{num_inputs}. elemnet.FormulaEncoder or irnet.FormulaFeaturizer makes them of formulas."
            )
        if len(source.targets) > 1:
            raise ValueError(f"Expected a source of one target; {self.source} has {len(source.targets)}.")
        return source

    def _check_columns(self, source: Predictor) -> None:
        """Raise where the columns are the source's by name but in another order."""
        names = list(getattr(self, "feature_names_in_", ()))
        expected = list(irnet_inputs.labels(source.inputs, source.input_elements))
        if names != expected and sorted(names) == sorted(expected):
            raise ValueError(f"Expected the columns of X in the order of {self.source}'s inputs; received another.")

    def _config(self, num_rows: int) -> FineTuneConfig:
        if self.recipe is not None and self.recipe not in RECIPES:
            raise ValueError(f"Expected the recipe {' or '.join(RECIPES)}; received {self.recipe!r}.")
        config = recipe_for(num_rows) if self.recipe is None else RECIPES[self.recipe]
        config = replace(
            config,
            new_head=self.new_head,
            frozen_up_to=self.frozen_up_to,
            freeze_batch_norm=self.freeze_batch_norm,
        )
        return config.with_training(**self._chosen_training())
