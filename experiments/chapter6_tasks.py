"""Chapter 6's conditions and sizes, as data."""

from dataclasses import dataclass, replace

from omnet.config import FAST_RECIPE, PAPER_RECIPE, Augmentation, OMNetConfig

UNIT = "deg"
COARSE_STEPS, FINE_STEPS = 50, 100  # the thesis's dictionaries, N = 50 and N = 100


@dataclass(frozen=True)
class Condition:
    """What the test patterns have gone through.

    Attributes:
        name: As tables show it.
        snr: Standard deviation of the pattern over that of white noise; ``None`` without noise.
        pc_shift: Added to the projection centre that they are made with and that no method is told.
    """

    name: str
    snr: float | None = None
    pc_shift: tuple[float, float, float] = (0.0, 0.0, 0.0)


CLEAN = Condition("clean")
SHIFTED = Condition("shifted centre", pc_shift=(0.01, 0.0, 0.0))
CONDITIONS = (CLEAN, Condition("SNR 1", 1.0), Condition("SNR 0.5", 0.5), Condition("SNR 0.25", 0.25), SHIFTED)

# Another microscope for section 8.2.6: the detector elsewhere and tilted, patterns with noise and a background.
NEW_PC = (0.47, 0.26, 0.56)
NEW_TILT_DEG = 5.0
NEW_SNR, NEW_GRADIENT, NEW_VIGNETTING = 1.0, 0.3, 0.5


@dataclass(frozen=True)
class Profile:
    """Sizes of a run.

    Attributes:
        losses: How the networks of the five losses are trained.
        ours: The network with harmonics on the same orientations for as long.
        num_test: How many of the 1,000 test orientations.
        coarse_steps: Steps of the smaller dictionary.
        fine_steps: Steps of the larger dictionary.
        num_fine_tune: Orientations that fine-tuning sees; ``None`` as its recipe has them.
    """

    losses: OMNetConfig
    ours: OMNetConfig
    num_test: int = 1_000
    coarse_steps: int = COARSE_STEPS
    fine_steps: int = FINE_STEPS
    num_fine_tune: int | None = None


def _small(head: str, loss: str, grid_steps: int, max_epochs: int, hidden_units: tuple[int, ...]) -> OMNetConfig:
    config = replace(
        FAST_RECIPE,
        recipe="small",
        head=head,
        loss=loss,
        hidden_units=hidden_units,
        grid_steps=grid_steps,
        augmentation=Augmentation(),
    )
    return config.with_training(max_epochs=max_epochs, warmup_epochs=0.2, validate_every_steps=200)


def _losses(grid_steps: int, max_epochs: int, hidden_units: tuple[int, ...]) -> OMNetConfig:
    """One recipe for the five losses: at the rate of `ours` the disorientation alone drives angles away for ever."""
    config = _small("euler", "mae", grid_steps, max_epochs, hidden_units)
    return config.with_training(learning_rate=3e-4, gradient_norm_limit=1.0)


_CPU = (FINE_STEPS, 2, FAST_RECIPE.hidden_units)
_SMOKE = (8, 2, (32,))
PROFILES = {
    "smoke": Profile(
        replace(_losses(*_SMOKE), num_validation=50),
        replace(_small("harmonics", "mse", *_SMOKE), num_validation=50),
        num_test=6,
        coarse_steps=25,
        fine_steps=30,
        num_fine_tune=512,
    ),
    "cpu": Profile(_losses(*_CPU), _small("harmonics", "mse", *_CPU)),
    "paper": Profile(PAPER_RECIPE, FAST_RECIPE),
}
