"""The one file that may import TensorFlow: compiled training steps, compiled prediction, determinism, several GPUs.

Everything else is written in ``keras`` and ``keras.ops``, so that on another Keras backend only the fused training
steps below are lost (``train_on_batch`` serves instead) and no result changes its meaning.
"""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import keras
import numpy as np

from common.training_config import TrainingConfig

ChunkRunner = Callable[[np.ndarray], float]
ArrayFunction = Callable[[np.ndarray], np.ndarray]


def is_tensorflow() -> bool:
    """Whether Keras runs on TensorFlow."""
    return keras.backend.backend() == "tensorflow"


def make_deterministic(seed: int) -> None:
    """Seed Python, NumPy and Keras, and have TensorFlow choose only kernels that repeat bit by bit.

    Args:
        seed: Any non-negative integer.
    """
    keras.utils.set_random_seed(seed)
    if is_tensorflow():
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def start_devices() -> str:
    """Find the devices and say in a few words what computations will run on, such as ``"1 GPU"``."""
    num_gpus = 0
    if is_tensorflow():
        import tensorflow as tf

        tf.constant(0.0)  # devices are started by the first operation
        num_gpus = len(tf.config.list_physical_devices("GPU"))
    return f"{num_gpus} GPU" if num_gpus else "the CPU"


def mirrored_strategy(devices: list[str] | None = None):
    """A ``tf.distribute.MirroredStrategy`` over all GPUs, or over the named devices.

    Raises:
        RuntimeError: If Keras does not run on TensorFlow.
    """
    if not is_tensorflow():
        raise RuntimeError(
            f"MirroredStrategy needs the tensorflow backend of Keras; this process runs on "
            f"{keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow or drop the option."
        )
    return _mirrored_strategy(None if devices is None else tuple(devices))


@functools.cache  # two strategies over the same devices in one process mix up their collective operations
def _mirrored_strategy(devices: tuple[str, ...] | None):
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices)


def strategy_scope(strategy) -> AbstractContextManager:
    """The scope to build a model under; nothing for a single device."""
    return nullcontext() if strategy is None else strategy.scope()


def build_for(config: TrainingConfig, make_model: Callable[[], keras.Model]):
    """Build a model under the precision and on the devices that a training asks for.

    Returns:
        The model, and the ``MirroredStrategy`` that it lives under or ``None``.
    """
    strategy = mirrored_strategy() if config.mirrored else None
    former_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.mixed_precision or "float32")
    try:
        with strategy_scope(strategy):
            return make_model(), strategy
    finally:
        keras.config.set_dtype_policy(former_policy)


def make_chunk_runner(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: Callable,
    x: np.ndarray,
    y: np.ndarray,
    *,
    steps_per_chunk: int,
    jit_compile: bool = False,
    strategy=None,
) -> ChunkRunner:
    """Compile a function that runs many optimiser steps without coming back to Python.

    The training rows stay where the model is; a call passes only row numbers. At batch 32 the Python between two
    steps of ``fit`` costs more than the arithmetic, which is why this exists.

    Args:
        model: The network; its trainable variables are updated in place.
        optimizer: Built for the model.
        loss: Mean over the rows of a batch.
        x: ``(n, num_inputs)`` training inputs.
        y: ``(n, num_outputs)`` training targets.
        steps_per_chunk: The most steps that one call may ask for.
        jit_compile: Compile the steps with XLA (single device only).
        strategy: A ``MirroredStrategy``; batches are cut into equal parts, one for each replica.

    Returns:
        Function of ``(num_steps, batch_size)`` row numbers, ``num_steps <= steps_per_chunk``; returns the SUM of the
        steps' losses.
    """
    if is_tensorflow():
        return _tensorflow_chunk_runner(model, optimizer, loss, x, y, steps_per_chunk, jit_compile, strategy)
    model.compile(optimizer=optimizer, loss=loss)
    return lambda batches: float(sum(float(model.train_on_batch(x[rows], y[rows])) for rows in batches))


def _tensorflow_chunk_runner(model, optimizer, loss, x, y, steps_per_chunk, jit_compile, strategy) -> ChunkRunner:
    import tensorflow as tf

    x_rows = tf.constant(x)  # (n, num_inputs)
    y_rows = tf.constant(y)  # (n, num_outputs)
    variables = model.trainable_variables
    num_replicas = 1 if strategy is None else strategy.num_replicas_in_sync

    is_plain_adam = type(optimizer) in (keras.optimizers.Adam, keras.optimizers.AdamW) and not (
        optimizer.amsgrad
        or optimizer.use_ema
        or optimizer.clipnorm
        or optimizer.clipvalue
        or optimizer.gradient_accumulation_steps
    )
    # Keras's Adam passes over weights and moments a dozen times; at batch 32 that costs more than the network.
    apply_gradients = _fused_adam(optimizer) if is_plain_adam and strategy is None else optimizer.apply

    def step(rows):
        with tf.GradientTape() as tape:
            value = loss(tf.gather(y_rows, rows), model(tf.gather(x_rows, rows), training=True))
            # Replicas' gradients are added up, so each contributes its share of the batch mean.
            scaled = optimizer.scale_loss(value / num_replicas)
        apply_gradients(tape.gradient(scaled, variables), variables)
        return value

    def distributed_step(rows):
        # The equal split of the batch between replicas.
        parts = tf.split(rows, num_replicas)
        rows = strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )
        return strategy.reduce("MEAN", strategy.run(step, args=(rows,)), axis=None)

    # XLA gets one step, not the loop: inside a loop its CPU code runs the matrix products on a single thread.
    one_step = tf.function(step, jit_compile=jit_compile) if strategy is None else distributed_step

    # The number of steps is a tensor: one compiled program serves a full chunk and the rest of an epoch.
    @tf.function
    def run(batches, num_steps):
        total = tf.zeros((), tf.float32)
        for i in tf.range(num_steps):
            total += tf.cast(one_step(batches[i]), tf.float32)
        return total

    def run_chunk(batches: np.ndarray) -> float:
        num_steps, batch_size = batches.shape
        if batch_size % num_replicas:  # such as the rest of an epoch: every replica takes all of it, the mean stays
            batches = np.tile(batches, num_replicas)
        padded = np.zeros((steps_per_chunk, batches.shape[1]), np.int32)
        padded[:num_steps] = batches
        with strategy_scope(strategy):
            return float(run(tf.constant(padded), tf.constant(num_steps)))

    return run_chunk


def _fused_adam(optimizer: keras.optimizers.Adam | keras.optimizers.AdamW) -> Callable:
    """The same update as ``optimizer.apply``, on the same variables, in one pass over memory."""
    import tensorflow as tf

    def apply(gradients, variables) -> None:
        if optimizer.global_clipnorm:
            gradients, _ = tf.clip_by_global_norm(gradients, optimizer.global_clipnorm)
        step_number = tf.cast(optimizer.iterations.value + 1, tf.float32)
        beta_1, beta_2 = tf.constant(optimizer.beta_1), tf.constant(optimizer.beta_2)
        rate = tf.cast(optimizer.learning_rate, tf.float32)
        for gradient, variable in zip(gradients, variables, strict=True):
            index = optimizer._get_variable_index(variable)
            if optimizer.weight_decay and optimizer._use_weight_decay(variable):
                variable.value.assign_sub(rate * optimizer.weight_decay * variable.value)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle,
                m=optimizer._momentums[index].value.handle,
                v=optimizer._velocities[index].value.handle,
                beta1_power=tf.pow(beta_1, step_number),
                beta2_power=tf.pow(beta_2, step_number),
                lr=rate,
                beta1=beta_1,
                beta2=beta_2,
                epsilon=optimizer.epsilon,
                grad=gradient,
            )
        optimizer.iterations.assign_add(1)

    return apply


def make_predictor(model: keras.Model, *, training: bool = False, jit_compile: bool = False) -> ArrayFunction:
    """Compile the forward pass.

    Args:
        model: The network.
        training: ``True`` keeps dropout on, as the authors' released code does at prediction.
        jit_compile: Compile with XLA; worth it where all batches have one size.

    Returns:
        Function ``(batch_size, num_inputs) -> (batch_size, num_outputs)`` on NumPy arrays.
    """
    if not is_tensorflow():
        return lambda x: keras.ops.convert_to_numpy(model(x, training=training))
    import tensorflow as tf

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)]
    forward = tf.function(lambda x: model(x, training=training), input_signature=signature, jit_compile=jit_compile)
    return lambda x: forward(tf.constant(x, tf.float32)).numpy()


def compiled(function: Callable, *, jit: bool = False) -> Callable:
    """Compile a function of tensors, on whatever backend Keras runs.

    Args:
        function: Written in ``keras.ops``; positional tensors in, a tensor or several out. Each new shape of its
            arguments compiles anew.
        jit: On TensorFlow, let XLA fuse the function into one loop over memory; JAX always does.

    Returns:
        The compiled function; the function itself on a backend that has no such thing here.
    """
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=jit)
    if name == "jax":
        import jax

        return jax.jit(function)
    return function
