"""The training engine: against keras.Model.fit, with dropout, repeated, and on other devices."""

import dataclasses
import json
import math
import subprocess
import sys

import keras
import numpy as np
import pytest

from common import backend, networks, training
from common.progress import TrainingProgress
from common.training import DivergedTrainingError, TrainingConfig, make_optimizer

NUM_ROWS = 41  # of batch 8: five full batches and a rest of one
CONFIG = TrainingConfig(learning_rate=1e-3, batch_size=8, max_epochs=2, patience_epochs=None)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.random((NUM_ROWS, 5)).astype(np.float32)
    return x, (x @ np.array([1, -2, 3, 0, 1]) + 0.1 * x[:, 0]).astype(np.float32)


def network(key: str = "16x2-8x1-1", seed: int = 0, **kwargs) -> keras.Model:
    return networks.build(key, 5, seed=seed, **kwargs)


def with_dropout(seed: int = 0) -> keras.Model:
    return network("16x1D-8BAx1D-1", seed, dropout_rates=(0.4, 0.2))


def fit(model, rows, validation=None, **changes):
    config = dataclasses.replace(CONFIG, **changes)
    return training.fit(model, rows, validation or rows, config, progress=False)


def same(first: keras.Model, second: keras.Model) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def seed_states(model: keras.Model) -> list[list[int]]:
    return [np.asarray(layer.seed_generator.state).tolist() for layer in networks.dropout_layers(model)]


# ---------------------------------------------------------------------------------------------- against Keras


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adam"},
        {"optimizer": "sgd", "learning_rate": 1e-2},
        {"optimizer": "adamw", "weight_decay": 0.1, "gradient_norm_limit": 0.5},
        {"optimizer": "adam", "schedule": "warmup_cosine", "learning_rate": 2e-3, "loss": "mse"},
        {"optimizer": "adam", "batch_size": 100},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_fit_equals_keras_fit(rows, changes):
    # SGD for the norm: a bias just before one has no gradient but rounding, which Adam blows up to full steps
    key = "16BAx2-8x1-1" if changes["optimizer"] == "sgd" else "16x2-8x1-1"
    config = dataclasses.replace(CONFIG, shuffle=False, restore_best=False, **changes)
    ours, theirs = network(key), network(key)
    result = training.fit(ours, rows, rows, config, progress=False)
    theirs.compile(make_optimizer(config, math.ceil(NUM_ROWS / config.batch_size)), loss=config.loss)
    x, y = rows
    log = theirs.fit(x, y[:, None], batch_size=config.batch_size, epochs=2, shuffle=False, verbose=0)
    for ours_w, theirs_w in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(ours_w, theirs_w, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(result.history["train_loss"], log.history["loss"], rtol=1e-5)
    assert result.stopped == "max_epochs" and result.history["epoch"].tolist() == [1, 2]


def test_l2_is_the_regulariser_of_keras(rows):
    """Against kernels that carry `keras.regularizers.L2`, in the weights and in the loss."""
    config = dataclasses.replace(CONFIG, shuffle=False, restore_best=False, optimizer="sgd", l2=0.03)
    ours, theirs = network("16x2-8x1-1"), network("16x2-8x1-1")
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.Dense):
            layer.kernel_regularizer = layer.kernel.regularizer = keras.regularizers.L2(0.03)
    result = training.fit(ours, rows, rows, config, progress=False)
    theirs.compile(make_optimizer(config, 6), loss="mae")
    x, y = rows
    log = theirs.fit(x, y[:, None], batch_size=8, epochs=2, shuffle=False, verbose=0)
    for ours_w, theirs_w in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(ours_w, theirs_w, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(result.history["train_loss"], log.history["loss"], rtol=1e-4)
    without = network("16x2-8x1-1")
    training.fit(without, rows, rows, dataclasses.replace(config, l2=0.0), progress=False)
    assert not same(ours, without)


def test_shuffled_epochs_take_every_row_once_in_a_new_order(rows, monkeypatch):
    seen = []
    make = backend.make_chunk_runner

    def spy(*args, **kwargs):
        runner = make(*args, **kwargs)
        return lambda batches: seen.append(batches.ravel().copy()) or runner(batches)

    monkeypatch.setattr(backend, "make_chunk_runner", spy)
    fit(network(), rows)
    first, second = np.split(np.concatenate(seen), 2)
    assert sorted(first) == sorted(second) == list(range(NUM_ROWS)) and first.tolist() != second.tolist()


def test_weight_decay_spares_biases_and_norms(rows):
    x, _ = rows
    model = network("4BAx1-1")
    before = {v.path: np.asarray(v) for v in model.trainable_variables}
    optimizer = make_optimizer(dataclasses.replace(CONFIG, optimizer="adamw", weight_decay=10.0), 1)
    optimizer.build(model.trainable_variables)
    optimizer.apply([keras.ops.zeros_like(v) for v in model.trainable_variables], model.trainable_variables)
    for variable in model.trainable_variables:
        decay = 1 - 10.0 * CONFIG.learning_rate if variable.path.endswith("kernel") else 1
        np.testing.assert_allclose(np.asarray(variable), decay * before[variable.path], rtol=1e-5)


@pytest.mark.parametrize("warmup_epochs", [0, 1, 2.5])
def test_the_rate_warms_up_then_falls_as_a_cosine(warmup_epochs):
    config = dataclasses.replace(
        CONFIG,
        schedule="warmup_cosine",
        warmup_epochs=warmup_epochs,
        final_rate_ratio=0.1,
        max_epochs=10,
        learning_rate=0.5,
    )
    schedule = make_optimizer(config, steps_per_epoch=4)._learning_rate
    warmup = 4 * warmup_epochs
    for step in range(0, 45, 3):
        if step < warmup:
            expected = 0.5 * step / warmup
        else:
            share = min(1, (step - warmup) / (40 - warmup))
            expected = 0.5 * (0.1 + 0.9 * (1 + math.cos(math.pi * share)) / 2)
        assert float(schedule(step)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("warmup_epochs", [0, 1, 2.5])
def test_the_rate_warms_up_and_stays(warmup_epochs):
    config = dataclasses.replace(CONFIG, schedule="warmup", warmup_epochs=warmup_epochs, learning_rate=0.5)
    schedule = make_optimizer(config, steps_per_epoch=4)._learning_rate
    warmup = max(1, 4 * warmup_epochs)
    assert float(schedule(0)) == pytest.approx(0.5 / warmup)  # the first step already moves
    for step in range(0, 60, 3):
        low = 0.5 / warmup
        assert float(schedule(step)) == pytest.approx(low + (0.5 - low) * min(1, step / warmup), abs=1e-6)


def test_the_rate_goes_down_in_stairs():
    config = dataclasses.replace(CONFIG, schedule="staircase", decay_per_epoch=0.5, learning_rate=0.4)
    schedule = make_optimizer(config, steps_per_epoch=4)._learning_rate
    rates = [float(schedule(step)) for step in range(10)]
    assert rates == pytest.approx([0.4] * 4 + [0.2] * 4 + [0.1] * 2)


@pytest.mark.parametrize("changes", [{"optimizer": "adagrad"}, {"schedule": "step"}])
def test_unknown_settings_are_named(changes):
    with pytest.raises(ValueError, match=str(*changes.values())):
        make_optimizer(dataclasses.replace(CONFIG, **changes), 1)


# ------------------------------------------------------------------------------------------------------ dropout


def test_dropout_free_epochs_train_without_dropout(rows):
    free, plain = with_dropout(), network("16x1D-8BAx1D-1", dropout_rates=(0, 0))
    plain.set_weights(free.get_weights())
    before = seed_states(free)
    fit(free, rows, dropout_free_epochs=2, restore_best=False)
    fit(plain, rows, restore_best=False)
    assert same(free, plain) and seed_states(free) == before
    assert [layer.rate for layer in networks.dropout_layers(free)] == [0.4, 0.2]


def test_dropout_is_on_until_the_dropout_free_epochs(rows):
    model, one_epoch, always = with_dropout(), with_dropout(), with_dropout()
    start = seed_states(model)
    fit(model, rows, dropout_free_epochs=1, restore_best=False)
    fit(one_epoch, rows, max_epochs=1)
    fit(always, rows, restore_best=False)
    assert start != seed_states(model) == seed_states(one_epoch) != seed_states(always)
    assert not same(model, always)


def test_an_error_leaves_the_dropout_rates_as_they_were(rows):
    model = with_dropout()
    with pytest.raises(DivergedTrainingError):
        fit(model, rows, optimizer="sgd", learning_rate=1e30, dropout_free_epochs=2)
    assert [layer.rate for layer in networks.dropout_layers(model)] == [0.4, 0.2]


# ------------------------------------------------------------------------------------------------------- repeats


def test_the_same_seed_gives_the_same_bits_and_another_does_not(rows):
    models, histories = [], []
    for seed in (5, 5, 6):
        models.append(with_dropout(seed))
        histories.append(fit(models[-1], rows, seed=seed).history.drop(columns="seconds"))
    assert same(models[0], models[1]) and histories[0].equals(histories[1])
    assert not same(models[0], models[2]) and not histories[0].equals(histories[2])


def test_the_seed_of_the_training_alone_changes_the_order(rows):
    first, second = network(), network()
    fit(first, rows, seed=1)
    fit(second, rows, seed=2)
    assert not same(first, second)


def test_the_chunk_size_changes_nothing(rows, monkeypatch):
    whole, chunked = with_dropout(), with_dropout()
    first = fit(whole, rows)
    monkeypatch.setattr(training, "ROWS_PER_CHUNK", 16)
    second = fit(chunked, rows)
    assert same(whole, chunked)
    np.testing.assert_allclose(first.history["train_loss"], second.history["train_loss"], rtol=1e-6)


# ----------------------------------------------------------------------------------------------- other ways to run


def test_xla_gives_the_same(rows):
    plain, compiled = network(), network()
    fit(plain, rows)
    fit(compiled, rows, jit_compile=True)
    for a, b in zip(plain.get_weights(), compiled.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_answers_in_float32(rows, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = with_dropout()
    finally:
        keras.config.set_dtype_policy("float32")
    result = fit(model, rows, mixed_precision=policy, max_epochs=15)
    assert result.history["validation_mae"].iloc[-1] < result.history["validation_mae"].iloc[0]
    x, _ = rows
    assert backend.make_predictor(model)(x).dtype == np.float32
    assert model.get_layer("stack1_block1_dense").compute_dtype == policy.removeprefix("mixed_")
    assert all(w.dtype == np.float32 for w in model.get_weights())


MIRRORED = """
import json
import numpy as np
import tensorflow as tf
from common import backend, networks, training

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rng = np.random.default_rng(0)
x = rng.random((41, 5), np.float32)
y = x @ np.array([1, -2, 3, 0, 1], np.float32)
config = training.TrainingConfig(learning_rate=1e-3, batch_size=8, max_epochs=2, patience_epochs=None)


def train(key, devices, **kwargs):
    strategy = backend.mirrored_strategy(devices) if devices else None
    with backend.strategy_scope(strategy):
        model = networks.build(key, 5, **kwargs)
    result = training.fit(model, (x, y), (x, y), config, strategy=strategy, progress=False)
    return model.get_weights(), result.history["train_loss"].tolist()


both = ["CPU:0", "CPU:1"]
(single, single_loss), (mirrored, mirrored_loss) = train("16x2-1", None), train("16x2-1", both)
train("16x1D-8BAx1-1", both, dropout_rates=(0.3,))  # dropout and norms, and a second strategy in one process
print(json.dumps({
    "difference": max(float(np.abs(a - b).max()) for a, b in zip(single, mirrored)),
    "losses": [single_loss, mirrored_loss],
    "replicas": backend.mirrored_strategy(both).num_replicas_in_sync,
}))
"""


def test_two_devices_train_as_one():
    done = subprocess.run([sys.executable, "-c", MIRRORED], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["replicas"] == 2 and report["difference"] < 1e-5
    np.testing.assert_allclose(*report["losses"], rtol=1e-5)


def test_progress_reports_each_validation(rows, capsys):
    training.fit(network(), rows, rows, CONFIG)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:2] for line in lines] == [["epoch", "1/2"], ["epoch", "2/2"]]


def test_progress_knows_the_time_left_before_the_first_epoch_is_over(capsys):
    bar = TrainingProgress(max_epochs=2, num_rows=100, steps_per_epoch=10)
    row = {"epoch": 0, "step": 5, "train_loss": 1.0, "validation_mae": 1.0, "seconds": 60.0}
    bar.validated(row, "mae", 1.0)
    assert capsys.readouterr().err.endswith("1 rows/s  3.0 min left\n")  # a quarter of it took a minute


def test_the_fused_update_is_the_one_of_keras(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 12)).astype(np.float32)
    y = np.tanh(x[:, :3]).sum(axis=1)
    config = TrainingConfig(
        optimizer="adamw",
        weight_decay=0.1,
        gradient_norm_limit=0.5,
        schedule="warmup_cosine",
        batch_size=64,
        max_epochs=2,
        learning_rate=1e-2,
    )

    def weights() -> list[np.ndarray]:
        model = networks.build("16x2-1", 12, seed=3)
        training.fit(model, (x, y), (x[:64], y[:64]), config, progress=False)
        return model.get_weights()

    fused = weights()
    monkeypatch.setattr(backend, "_fused_adam", lambda optimizer: optimizer.apply)
    for ours, keras_own in zip(fused, weights(), strict=True):
        np.testing.assert_allclose(ours, keras_own, atol=2e-5)
