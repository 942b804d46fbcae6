"""The training engine: the loop, early stopping, exact resume and the collapse alarm.

``fit`` differs from ``keras.Model.fit`` where a thesis has to be reproduced: it restarts after SIGKILL to the same
bits, stops early by epochs or by minibatch steps, and refuses to hand over a network that predicts a constant.
"""

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from common import backend, checkpoint, networks
from common.files import write_csv_atomic
from common.progress import TrainingProgress
from common.training_config import TrainingConfig

COLLAPSE_RATIO = 0.01  # a prediction sd below this share of the target sd is a constant, not a model
ROWS_PER_CHUNK = 32_768  # rows trained between two looks of Python at the clock: a few seconds on two cores

Metric = Callable[[np.ndarray, np.ndarray], float]


class CollapsedTrainingError(RuntimeError):
    """The trained network predicts (nearly) one value for every row."""


class DivergedTrainingError(RuntimeError):
    """The loss became infinite or NaN."""


@dataclass(frozen=True)
class TrainingResult:
    """What ``fit`` hands back beside the trained model.

    Attributes:
        history: Columns ``epoch, step, train_loss, validation_mae, learning_rate, seconds``, ``validation_loss``
            where that is monitored, and the metrics asked for; one row a validation.
        best_validation: The lowest monitored error: an MAE in units of the target, or the loss.
        best_epoch: Epoch of the weights handed back when ``restore_best``.
        stopped: ``"max_epochs"`` or ``"patience"``.
        seconds: Training time, those of interrupted runs counted in.
    """

    history: pd.DataFrame
    best_validation: float
    best_epoch: int
    stopped: str
    seconds: float


def make_optimizer(config: TrainingConfig, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimiser and learning-rate schedule of a config.

    Raises:
        ValueError: If the optimiser or the schedule is not known.
    """
    if config.schedule == "constant":
        rate = config.learning_rate
    elif config.schedule == "warmup":
        warmup_steps = max(1, math.ceil(config.warmup_epochs * steps_per_epoch))
        rate = keras.optimizers.schedules.PolynomialDecay(
            config.learning_rate / warmup_steps, warmup_steps, end_learning_rate=config.learning_rate
        )
    elif config.schedule == "warmup_cosine":
        warmup_steps = math.ceil(config.warmup_epochs * steps_per_epoch)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            warmup_target=config.learning_rate,
            warmup_steps=warmup_steps,
            decay_steps=max(1, config.max_epochs * steps_per_epoch - warmup_steps),
            alpha=config.final_rate_ratio,
        )
    elif config.schedule == "staircase":
        rate = keras.optimizers.schedules.ExponentialDecay(
            config.learning_rate, steps_per_epoch, config.decay_per_epoch, staircase=True
        )
    else:
        raise ValueError(
            f"Expected schedule 'constant', 'warmup', 'warmup_cosine' or 'staircase'; received {config.schedule!r}."
        )
    limit = {"global_clipnorm": config.gradient_norm_limit}
    if config.optimizer == "adam":
        optimizer = keras.optimizers.Adam(rate, **limit)
    elif config.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, **limit)
    elif config.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay, **limit)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    else:
        raise ValueError(f"Expected optimizer 'adam', 'sgd' or 'adamw'; received {config.optimizer!r}.")
    if config.mixed_precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def check_not_collapsed(predicted: np.ndarray, target: np.ndarray) -> None:
    """Raise if predictions hardly vary while targets do, in any of the outputs.

    Args:
        predicted: ``(n,)`` or ``(n, num_outputs)``.
        target: The same shape.

    Raises:
        CollapsedTrainingError: With both standard deviations and what to try.
    """
    predicted_sds, target_sds = np.std(predicted, axis=0).ravel(), np.std(target, axis=0).ravel()
    for predicted_sd, target_sd in zip(predicted_sds, target_sds, strict=True):
        if target_sd > 0 and predicted_sd < COLLAPSE_RATIO * target_sd:
            raise CollapsedTrainingError(
                f"The training collapsed: predictions have a standard deviation of {predicted_sd:.3g}, the targets "
                f"{target_sd:.3g}. Lower the learning rate, or weaken the dropout."
            )


def fit(
    model: keras.Model,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    config: TrainingConfig,
    *,
    loss: Callable | None = None,
    metrics: Mapping[str, Metric] | None = None,
    folder: Path | None = None,
    identity: str = "",
    strategy=None,
    progress: bool = True,
) -> TrainingResult:
    """Train a network in place.

    With a ``folder``, its state is kept there in ``checkpoint.npz`` and the learning curve in ``history.csv``; the
    same call after a kill goes on from the last checkpoint and ends with the same weights as one never killed.

    Args:
        model: Any Keras model with one input and one output.
        train: ``(n, num_inputs)`` inputs and ``(n, num_outputs)`` or ``(n,)`` targets.
        validation: The same; decides on early stopping and the best weights. Never test rows under ``honest``.
        config: The settings.
        loss: ``(batch_size, num_outputs)`` targets and predictions -> ``(batch_size,)``, in ``keras.ops``; ``None``
            takes the Keras loss that the config names. Name another one in ``identity``.
        metrics: Functions of the validation targets and predictions, ``(n, num_outputs)`` each, by the names of their
            columns in the learning curve.
        folder: Where checkpoint and learning curve go; ``None`` keeps nothing.
        identity: Anything beyond config and rows that a checkpoint has to match, such as the architecture key.
        strategy: The ``MirroredStrategy`` that the model was built under.
        progress: Show a bar on a terminal, or one line an epoch in a log.

    Raises:
        CollapsedTrainingError: If the network ends up predicting a constant.
        DivergedTrainingError: If the loss is not finite.
        CheckpointMismatchError: If the folder holds the checkpoint of another run.
        ValueError: If rows are missing, not finite, or of different lengths.
    """
    num_outputs = model.output_shape[-1]
    x_train, y_train = _as_arrays("training", *train, num_outputs)
    x_val, y_val = _as_arrays("validation", *validation, num_outputs)
    run = _Run(model, x_train, y_train, x_val, y_val, config, loss, metrics or {}, folder, identity, strategy)
    bar = TrainingProgress(config.max_epochs, len(x_train), run.steps_per_epoch, run.state.epoch, enabled=progress)
    run.train(bar)
    if config.restore_best:
        run.restore_best()
    check_not_collapsed(run.predict(), y_val)
    if (np.ptp(y_val, axis=0) == 0).any():  # as of one row, which tells nothing
        check_not_collapsed(run.predict(x_train), y_train)
    return TrainingResult(
        history=pd.DataFrame(run.state.history),
        best_validation=run.state.best_validation,
        best_epoch=run.state.best_epoch,
        stopped=run.state.stopped,
        seconds=run.state.seconds,
    )


def _as_arrays(name: str, x: np.ndarray, y: np.ndarray, num_outputs: int) -> tuple[np.ndarray, np.ndarray]:
    if len(x) == 0 or len(x) != len(y):
        raise ValueError(f"Expected as many {name} inputs as targets, at least one; received {len(x)} and {len(y)}.")
    x = np.ascontiguousarray(x, np.float32)
    y = np.ascontiguousarray(y, np.float32).reshape(len(y), -1)
    if y.shape[1] != num_outputs:  # would be broadcast in silence
        raise ValueError(f"Expected {num_outputs} {name} targets a row, as the network has; received {y.shape[1]}.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError(f"Expected finite {name} inputs and targets; received NaN or infinity. Clean them first.")
    return x, y


@dataclass
class _State:
    """All that a run needs to go on, beside the variables of model and optimiser."""

    epoch: int = 0  # epochs completed
    step: int = 0  # minibatch steps taken, over all epochs
    loss_sum: float = 0.0  # sum of batch losses, each weighted by its rows, since the last validation
    loss_rows: int = 0
    best_validation: float = math.inf
    best_epoch: int = 0
    best_step: int = 0
    seconds: float = 0.0
    stopped: str = ""
    history: list[dict] = dataclasses.field(default_factory=list)


class _Run:
    """One training: the state, and the loop that moves it."""

    def __init__(self, model, x_train, y_train, x_val, y_val, config, loss, metrics, folder, identity, strategy):
        self.model, self.config, self.folder, self.strategy = model, config, folder, strategy
        self.x_train, self.y_train, self.x_val, self.y_val = x_train, y_train, x_val, y_val
        self.steps_per_epoch = math.ceil(len(x_train) / config.batch_size)
        with backend.strategy_scope(strategy):  # an optimiser remembers the strategy it was made under
            self.optimizer = make_optimizer(config, self.steps_per_epoch)
            self.optimizer.build(model.trainable_variables)
        self.predictor = backend.make_predictor(model)
        if config.monitor not in ("mae", "loss"):
            raise ValueError(f"Expected monitor 'mae' or 'loss'; received {config.monitor!r}.")
        self.metrics = metrics
        self.loss_by_row = loss or keras.losses.get(config.loss)  # (batch_size, num_outputs) twice -> (batch_size,)
        self.kernels = [layer.kernel for layer in model.layers if isinstance(layer, keras.layers.Dense)]
        self.dropout_rates = [layer.rate for layer in networks.dropout_layers(model)]
        self.state = _State()
        self.best_weights = model.get_weights()
        self.fingerprint = self._fingerprint(identity)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._load_checkpoint()

    def loss(self, target, predicted):
        """Mean over the rows of a batch, with the penalty on the kernels."""
        value = keras.ops.mean(self.loss_by_row(target, predicted))
        if self.config.l2:
            value += self.config.l2 * sum(keras.ops.sum(keras.ops.square(kernel)) for kernel in self.kernels)
        return value

    # -- the loop ----------------------------------------------------------------------------------------------

    def train(self, progress: TrainingProgress) -> None:
        config, state = self.config, self.state
        started = time.monotonic() - state.seconds
        last_saved = time.monotonic()
        runner, runner_dropout = None, None
        validate_every = config.validate_every_steps or self.steps_per_epoch
        steps_per_chunk = max(1, min(ROWS_PER_CHUNK // config.batch_size, validate_every))
        try:
            with progress:
                while not state.stopped:
                    dropout_on = state.epoch < config.max_epochs - config.dropout_free_epochs
                    if runner is None or dropout_on != runner_dropout:
                        runner, runner_dropout = self._make_runner(dropout_on, steps_per_chunk), dropout_on
                    self._run_epoch_chunk(runner, steps_per_chunk, validate_every, progress)
                    state.seconds = time.monotonic() - started
                    if state.step % validate_every == 0 or self._at_epoch_end:
                        self._validate(progress)
                        self._decide_stop()
                    if self.folder is not None and (
                        state.stopped or time.monotonic() - last_saved >= config.checkpoint_seconds
                    ):
                        self._save_checkpoint()
                        last_saved = time.monotonic()
        finally:  # also after an error the model is as it came
            networks.set_dropout_rate(self.model, self.dropout_rates)

    def _make_runner(self, dropout_on: bool, steps_per_chunk: int) -> backend.ChunkRunner:
        # Keras reads the rate when the step is compiled, hence a new runner at the switch.
        rates = self.dropout_rates if dropout_on else [0.0] * len(self.dropout_rates)
        networks.set_dropout_rate(self.model, rates)
        return backend.make_chunk_runner(
            self.model,
            self.optimizer,
            self.loss,
            self.x_train,
            self.y_train,
            steps_per_chunk=steps_per_chunk,
            jit_compile=self.config.jit_compile,
            strategy=self.strategy,
        )

    @property
    def _at_epoch_end(self) -> bool:
        return self.state.step % self.steps_per_epoch == 0

    def _run_epoch_chunk(self, runner, steps_per_chunk: int, validate_every: int, progress) -> None:
        """Run to the next chunk boundary, validation or end of epoch, whichever comes first."""
        state, batch_size = self.state, self.config.batch_size
        order = self._order(state.epoch)
        step_in_epoch = state.step - state.epoch * self.steps_per_epoch
        num_steps = min(
            steps_per_chunk,
            validate_every - state.step % validate_every,
            self.steps_per_epoch - step_in_epoch,
        )
        rows = order[step_in_epoch * batch_size : (step_in_epoch + num_steps) * batch_size]
        num_full = len(rows) // batch_size
        if num_full:
            losses = runner(rows[: num_full * batch_size].reshape(num_full, batch_size))
            state.loss_sum += losses * batch_size
        if len(rows) % batch_size:  # the last, smaller batch of an epoch
            rest = rows[num_full * batch_size :]
            state.loss_sum += runner(rest[None, :]) * len(rest)
        if not math.isfinite(state.loss_sum):
            raise self._diverged(f"loss became {state.loss_sum} in")
        state.loss_rows += len(rows)
        state.step += num_steps
        progress.advance(len(rows), state.loss_sum / state.loss_rows)
        if self._at_epoch_end:
            state.epoch += 1

    def _diverged(self, what: str) -> DivergedTrainingError:
        return DivergedTrainingError(
            f"The {what} step {self.state.step}. Lower the learning rate (now {self.config.learning_rate:g}) or set a "
            "gradient_norm_limit."
        )

    def _order(self, epoch: int) -> np.ndarray:
        """Row numbers of an epoch, a function of seed and epoch alone so that a resumed run repeats it."""
        if not self.config.shuffle:
            return np.arange(len(self.x_train), dtype=np.int32)
        rng = np.random.default_rng((self.config.seed, epoch))
        return rng.permutation(len(self.x_train)).astype(np.int32)

    def _validate(self, progress: TrainingProgress) -> None:
        state = self.state
        predicted = self.predict()
        errors = {"validation_mae": float(np.abs(predicted - self.y_val).mean(dtype=np.float64))}
        if self.config.monitor == "loss":
            by_row = keras.ops.convert_to_numpy(self.loss_by_row(self.y_val, predicted))
            errors["validation_loss"] = float(by_row.mean(dtype=np.float64))
        monitored = errors[f"validation_{self.config.monitor}"]
        if not math.isfinite(monitored):
            raise self._diverged(f"validation error became {monitored} after")
        errors |= {name: float(metric(self.y_val, predicted)) for name, metric in self.metrics.items()}
        state.history.append(
            {
                "epoch": state.epoch,
                "step": state.step,
                "train_loss": state.loss_sum / state.loss_rows,
                **errors,
                "learning_rate": float(keras.ops.convert_to_numpy(self.optimizer.learning_rate)),
                "seconds": round(state.seconds, 1),
            }
        )
        state.loss_sum, state.loss_rows = 0.0, 0
        if monitored < state.best_validation:
            state.best_validation, state.best_epoch, state.best_step = monitored, state.epoch, state.step
            self.best_weights = self.model.get_weights()
        if self.folder is not None:
            write_csv_atomic(self.folder / "history.csv", pd.DataFrame(state.history))
        progress.validated(state.history[-1], self.config.monitor, state.best_validation)

    def _decide_stop(self) -> None:
        config, state = self.config, self.state
        if state.epoch >= config.max_epochs:
            state.stopped = "max_epochs"
        elif (config.patience_epochs is not None and state.epoch - state.best_epoch >= config.patience_epochs) or (
            config.patience_steps is not None and state.step - state.best_step >= config.patience_steps
        ):
            state.stopped = "patience"

    # -- weights and checkpoint --------------------------------------------------------------------------------

    def predict(self, x: np.ndarray | None = None, batch_size: int = 4096) -> np.ndarray:
        """Predictions for the validation rows, or others, dropout off."""
        x = self.x_val if x is None else x
        return np.concatenate([self.predictor(x[i : i + batch_size]) for i in range(0, len(x), batch_size)])

    def restore_best(self) -> None:
        self.model.set_weights(self.best_weights)

    def _fingerprint(self, identity: str) -> str:
        """Hash of everything that decides the outcome; a checkpoint is only continued under the same one."""
        settings = dataclasses.asdict(self.config) | {"checkpoint_seconds": None}
        shapes = [tuple(variable.shape) for variable in self.model.variables]
        digest = hashlib.sha256(json.dumps([identity, settings, shapes], sort_keys=True).encode())
        for array in (self.x_train, self.y_train, self.x_val, self.y_val):
            digest.update(array.tobytes())
        return digest.hexdigest()

    def _save_checkpoint(self) -> None:
        checkpoint.save(
            self.folder / "checkpoint.npz",
            fingerprint=self.fingerprint,
            state=dataclasses.asdict(self.state),
            arrays={
                "model": [np.asarray(v) for v in self.model.variables],
                "optimizer": [np.asarray(v) for v in self.optimizer.variables],
                "best": self.best_weights,
            },
        )

    def _load_checkpoint(self) -> None:
        loaded = checkpoint.load(self.folder / "checkpoint.npz", fingerprint=self.fingerprint)
        if loaded is None:
            return
        state, arrays = loaded
        self.state = _State(**state)
        self.best_weights = arrays["best"]
        for variables, values in (
            (self.model.variables, arrays["model"]),
            (self.optimizer.variables, arrays["optimizer"]),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
