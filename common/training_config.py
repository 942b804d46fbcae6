"""How a network is trained, as data; importing it loads no deep-learning framework."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained; every field is written into the model card.

    Attributes:
        optimizer: ``"adam"``, ``"sgd"`` (momentum 0.9) or ``"adamw"``.
        learning_rate: The constant rate, or the peak of the schedule.
        schedule: ``"constant"``, ``"warmup"`` (linear warm-up, then constant), ``"warmup_cosine"`` (linear warm-up,
            cosine to ``final_rate_ratio``) or ``"staircase"`` (times ``decay_per_epoch`` after every epoch).
        warmup_epochs: Length of the warm-up, in epochs.
        final_rate_ratio: Last learning rate as a share of the peak.
        decay_per_epoch: Factor of ``"staircase"``.
        weight_decay: Decoupled decay of ``adamw``, kernels only.
        l2: Adds ``l2 * sum(kernel ** 2)`` over all dense kernels to the loss.
        gradient_norm_limit: Global gradient norm above which gradients are scaled down; ``None`` for no limit.
        batch_size: Rows in a minibatch.
        max_epochs: Passes over the training rows.
        patience_epochs: Stop after this many epochs without a better validation error; ``None`` never stops.
        patience_steps: The same counted in minibatch steps.
        validate_every_steps: Validate each so many steps; ``None`` after every epoch.
        loss: Name of a Keras loss; the thesis minimises ``"mae"``.
        monitor: What decides on the best weights and on stopping: ``"mae"`` or ``"loss"``, on validation rows.
        dropout_free_epochs: Dropout is switched off for this many last epochs of ``max_epochs``.
        restore_best: Hand back the weights of the best validation error rather than the last.
        seed: Seed of weights, data order and dropout.
        shuffle: A new order every epoch; the released code keeps file order.
        mixed_precision: ``None``, ``"mixed_bfloat16"`` or ``"mixed_float16"``.
        jit_compile: Compile the training steps with XLA.
        mirrored: Train on all GPUs with ``tf.distribute.MirroredStrategy``.
        checkpoint_seconds: Least time between two checkpoints.
    """

    optimizer: str = "adam"
    learning_rate: float = 1e-4
    schedule: str = "constant"
    warmup_epochs: float = 1.0
    final_rate_ratio: float = 0.0
    decay_per_epoch: float = 1.0
    weight_decay: float = 0.0
    l2: float = 0.0
    gradient_norm_limit: float | None = None
    batch_size: int = 32
    max_epochs: int = 1000
    patience_epochs: int | None = 200
    patience_steps: int | None = None
    validate_every_steps: int | None = None
    loss: str = "mae"
    monitor: str = "mae"
    dropout_free_epochs: int = 0
    restore_best: bool = True
    seed: int = 0
    shuffle: bool = True
    mixed_precision: str | None = None
    jit_compile: bool = False
    mirrored: bool = False
    checkpoint_seconds: float = 60.0
