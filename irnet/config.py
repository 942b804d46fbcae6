"""Settings of the networks of chapter 4, their variants by name, and the recipes of training them."""

from dataclasses import dataclass, field, replace

from common.training_config import TrainingConfig

# Table 4.1, and table 4 of the 2021 paper for the 10-layer IRNet. Both papers print 1024 for the width of the third
# pair of groups of the 48-layer IRNet; the pattern of its plain twin and the authors' released key say 512 and 256.
ARCHITECTURES = {
    "plain_17": "1024BAx4-512BAx3-256BAx3-128BAx3-64BAx2-32BAx1-1",
    "srnet_17": "1024BAx4R-512BAx3R-256BAx3R-128BAx3R-64BAx2R-32BAx1R-1",
    "irnet_17": "1024BARx4-512BARx3-256BARx3-128BARx3-64BARx2-32BARx1-1",
    "plain_24": "1024BAx4-512BAx4-256BAx4-128BAx4-64BAx3-32BAx2-16BAx2-1",
    "srnet_24": "1024BAx4R-512BAx4R-256BAx4R-128BAx4R-64BAx3R-32BAx2R-16BAx2R-1",
    "irnet_24": "1024BARx4-512BARx4-256BARx4-128BARx4-64BARx3-32BARx2-16BARx2-1",
    "plain_48": ("1024BAx4-1024BAx4-512BAx4-512BAx4-256BAx4-256BAx4-128BAx4-128BAx4-64BAx4-64BAx4-32BAx4-16BAx3-1"),
    "srnet_48": (
        "1024BAx4R-1024BAx4R-512BAx4R-512BAx4R-256BAx4R-256BAx4R-128BAx4R-128BAx4R-64BAx4R-64BAx4R-32BAx4R-16BAx3R-1"
    ),
    "irnet_48": (
        "1024BARx4-1024BARx4-512BARx4-512BARx4-256BARx4-256BARx4-128BARx4-128BARx4-64BARx4-64BARx4-32BARx4-16BARx3-1"
    ),
    "irnet_10": "1024BARx2-512BARx2-256BARx2-128BARx1-64BARx1-32BARx1-1",
    # Ours: the two that the papers leave out at 10 layers.
    "plain_10": "1024BAx2-512BAx2-256BAx2-128BAx1-64BAx1-32BAx1-1",
    "srnet_10": "1024BAx2R-512BAx2R-256BAx2R-128BAx1R-64BAx1R-32BAx1R-1",
}
KINDS = {"plain": "plain", "srnet": "SRNet", "irnet": "IRNet"}  # as tables and figures write them, in this order
SIPFENN_VARIANTS = ("sipfenn_nn9", "sipfenn_nn20", "sipfenn_nn24")
VARIANTS = (*ARCHITECTURES, *SIPFENN_VARIANTS)
INPUTS = ("EF", "C", "S")
PROTOCOLS = ("honest", "paper")


@dataclass(frozen=True)
class IRNetConfig:
    """One training of a network of chapter 4.

    Attributes:
        variant: Name in ``VARIANTS``, or an architecture key of your own in the authors' grammar.
        recipe: Name under which the settings are reported.
        data: Name in the dataset registry, or a path to a table.
        allow_stand_in: Whether a smaller data set may stand in for one that cannot be had.
        targets: Columns to predict; several are learned by one network with several outputs (section 8.2.4).
        num_classes: 0 for regression; 2 or more for the classes 0, 1, ... of a single target (section 8.2.2).
        inputs: ``"C"`` (145 attributes of composition), ``"S"`` (126 of structure), ``"EF"`` (86 element fractions),
            or several, as ``"S+C"``.
        input_scaling: ``"standard"``, ``"maximum"`` or ``"none"``; from training rows.
        target_scaling: Train on targets of mean 0 and standard deviation 1; the trained network answers in units.
        kernel_initializer: Keras initialiser of the dense kernels.
        batch_norm_momentum: Of the moving averages.
        batch_norm_gamma: First value of the norms' scale.
        protocol: ``"honest"``: validation rows are cut from training, test rows are scored once. ``"paper"``: the
            test rows are also the validation rows, as in the released code; its errors are too low.
        validation_fraction: Share of training rows cut off for validation where the data has no such split.
        max_train_rows: A seeded draw of so many training rows; ``None`` takes all.
        max_validation_rows: The same for validation rows, where they would cost more than training.
        max_test_rows: The same for test rows.
        training: Optimiser, schedule and stopping.
    """

    variant: str = "irnet_17"
    recipe: str = "custom"
    data: str = "oqmd_subset"
    allow_stand_in: bool = True
    targets: tuple[str, ...] = ("formation_energy_ev_per_atom",)
    num_classes: int = 0
    inputs: str = "C"
    input_scaling: str = "standard"
    target_scaling: bool = False
    kernel_initializer: str = "glorot_uniform"
    batch_norm_momentum: float = 0.99
    batch_norm_gamma: float = 1.0
    protocol: str = "honest"
    validation_fraction: float = 0.05
    max_train_rows: int | None = None
    max_validation_rows: int | None = None
    max_test_rows: int | None = None
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self):
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"Expected protocol 'honest' or 'paper'; received {self.protocol!r}.")
        if not self.targets:
            raise ValueError("Expected at least one target; received none.")
        if self.num_classes == 1 or self.num_classes < 0:
            raise ValueError(f"Expected num_classes of 0 (regression) or at least 2; received {self.num_classes}.")
        if self.num_classes and len(self.targets) > 1:
            raise ValueError(f"Expected a single target to classify; received {len(self.targets)}.")
        parts = self.inputs.split("+")
        if not set(parts) <= set(INPUTS) or len(set(parts)) < len(parts):
            raise ValueError(f"Expected inputs of {', '.join(INPUTS)}, joined by +; received {self.inputs!r}.")

    @property
    def needs_structure(self) -> bool:
        """Whether the inputs cannot be had from a formula."""
        return "S" in self.inputs.split("+")

    def with_training(self, **changes) -> "IRNetConfig":
        """A copy with other training settings."""
        return replace(self, training=replace(self.training, **changes))


# Thesis 4.3: Adam 1e-4, minibatch 64 (32 in the 2021 paper), patience of 200 epochs, mean absolute error. Neither text
# says how the attributes are scaled; they are standardised here. The released batch norm runs on batch statistics at
# prediction too; ours keeps moving averages, so that a row's answer does not depend on its neighbours.
PAPER_RECIPE = IRNetConfig(
    recipe="paper",
    training=TrainingConfig(optimizer="adam", learning_rate=1e-4, batch_size=64, max_epochs=1000, patience_epochs=200),
)

# Ours: larger batches and a cosine schedule reach a given error in a fraction of the passes. Each shortcut adds the
# output of its layer to the stream, so 17 layers of scale 1 start far from the data; with norms that start at 0.2 the
# network starts nearly linear. After 8 epochs on 30,000 OQMD compositions that takes the validation error of the
# 17-layer IRNet from 0.139 to 0.129 eV/atom (plain: 0.130).
FAST_RECIPE = IRNetConfig(
    recipe="fast",
    target_scaling=True,
    batch_norm_momentum=0.95,
    batch_norm_gamma=0.2,
    training=TrainingConfig(
        optimizer="adamw",
        learning_rate=5e-4,
        schedule="warmup_cosine",
        warmup_epochs=1.0,
        weight_decay=0.05,
        gradient_norm_limit=1.0,
        batch_size=128,
        max_epochs=30,
        patience_epochs=None,
    ),
)

# For tables too small to give `fast` enough steps.
SMALL_RECIPE = replace(FAST_RECIPE, recipe="small").with_training(batch_size=64, max_epochs=60)
SMALL_ROWS = 20_000

RECIPES = {recipe.recipe: recipe for recipe in (PAPER_RECIPE, FAST_RECIPE, SMALL_RECIPE)}


def recipe_for(num_train_rows: int) -> IRNetConfig:
    """``fast``, or ``small`` below 20,000 training rows."""
    return SMALL_RECIPE if num_train_rows < SMALL_ROWS else FAST_RECIPE
