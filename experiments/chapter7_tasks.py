"""Chapter 7's data sets and sizes, as data."""

from dataclasses import dataclass, replace

from padnet.config import PAPER_RECIPE, ROBUST_RECIPE, PADNetConfig
from padnet.folds import NUM_FOLDS
from padnet.geometry import NIST_25, NIST_45, SLAC, Geometry

UNIT = "%"
BACKGROUNDS = ("raw", "mf", "cs", "crbg")  # of figures 7.6 and 7.7
RANDOM, BLOCKS = "random folds", "blocks of the wafer"
FOLD_KINDS = (RANDOM, BLOCKS)


@dataclass(frozen=True)
class Spread:
    """A composition spread and the detectors that see it.

    Attributes:
        short: As tables and file names have it.
        variant: Widths of the network, a key of ``padnet.config.VARIANTS``.
        geometries: One for each frame of a sample.
        simulated: Whether its frames are simulated; otherwise re-projected from measured 1D patterns.
    """

    short: str
    variant: str
    geometries: tuple[Geometry, ...]
    simulated: bool = True


WAFER_SLAC = Spread("wafer SLAC", "slac", (SLAC,))
WAFER_NIST = Spread("wafer NIST", "nist", (NIST_25, NIST_45))
BICUVO = Spread("Bi-Cu-V-O", "slac", (SLAC,), simulated=False)
SPREADS = (WAFER_SLAC, WAFER_NIST, BICUVO)


@dataclass(frozen=True)
class Profile:
    """Sizes of a run.

    Attributes:
        text: The network of figures 7.6 and 7.7, as the text has it.
        ours: The network of the controls.
        image_px: Edge of all frames; networks see them at the size of their config.
        num_folds: Folds of a data set.
        take_folds: How many of them are trained and tested.
        backgrounds: Of the training and test images of figures 7.6 and 7.7.
        num_samples: Of each data set, spread over its classes; ``None`` for all.
        grid: Of the classical models.
        families: Of ``padnet.baselines.FAMILIES``; ``None`` for all.
        num_processes: Networks at a time; ``None`` for one a core.
    """

    text: PADNetConfig
    ours: PADNetConfig
    image_px: int
    num_folds: int = NUM_FOLDS
    take_folds: int = NUM_FOLDS
    backgrounds: tuple[str, ...] = BACKGROUNDS
    num_samples: int | None = None
    grid: str = "cpu"
    families: tuple[str, ...] | None = None
    num_processes: int | None = None


def _short(recipe: PADNetConfig, image_px: int, max_epochs: int, **training) -> PADNetConfig:
    return replace(recipe, image_px=image_px).with_training(max_epochs=max_epochs, **training)


PROFILES = {
    "smoke": Profile(
        _short(PAPER_RECIPE, 128, 1, batch_size=8),
        _short(ROBUST_RECIPE, 128, 5),
        image_px=128,
        num_folds=2,
        take_folds=1,
        backgrounds=BACKGROUNDS[:2],
        num_samples=32,
        families=("NaiveBayes", "RandomForest"),
        num_processes=1,
    ),
    # The text has batches of 2 and 100 epochs; fewer and larger bring the ten folds of its 16 networks below an hour.
    "cpu": Profile(
        _short(PAPER_RECIPE, 128, 15, batch_size=8, patience_epochs=None),
        replace(ROBUST_RECIPE, image_px=256),
        image_px=256,
    ),
    # By count of pixels, some 110 GB of main memory and a GPU of 40 GB: frames of NIST on four backgrounds are 24 GB,
    # the folds' test rows as much again, and its peak areas, which the GPU holds as well; all other frames are 20 GB.
    "paper": Profile(PAPER_RECIPE, replace(ROBUST_RECIPE, image_px=512), image_px=2048, grid="paper", num_processes=1),
}
