"""Chapter 5's targets and sizes, as data."""

from dataclasses import dataclass

UNIT = "eV/atom"
SCRATCH, TRANSFER = "scratch", "transfer"


@dataclass(frozen=True)
class Target:
    """A data set that OQMD's network is transferred to.

    Attributes:
        name: As the thesis's tables show it, and its key in the paper's values.
        data: Name in the registry.
        short: In file names.
        prefix: Of its networks' names, as the thesis writes them: JARVIS-SC from scratch, JARVIS-TL by transfer.
    """

    name: str
    data: str
    short: str
    prefix: str


JARVIS = Target("JARVIS", "jarvis_formation_energy", "jarvis", "JARVIS")
MP = Target("Materials Project", "mp_stable_formation_energy", "mp", "MP")
EXPERIMENT = Target("Experimental", "ssub", "experiment", "EXP")
TARGETS = (JARVIS, MP, EXPERIMENT)
SOURCE_DATA, BUNDLED_SOURCE = "oqmd", "flla"


@dataclass(frozen=True)
class Label:
    """A yes-or-no property that activations are asked for (figure 5.9).

    Attributes:
        name: Of class 1 against class 0.
        data: Name in the registry.
        column: Of the label, or of a number.
        target: Whose networks are asked, beside the source.
        at_most: Class 1 are the rows whose number is not above this; ``None`` where the column is the label.
        short: In file names.
    """

    name: str
    data: str
    column: str
    target: Target
    short: str
    at_most: float | None = None


MAGNETIC = Label("magnetic vs non-magnetic, JARVIS", "jarvis_is_magnetic", "is_magnetic", JARVIS, "magnetic_jarvis")
LABELS = (
    MAGNETIC,
    Label("metal vs insulator, JARVIS", "jarvis_is_metal", "is_metal", JARVIS, "metal_jarvis"),
    Label("metal vs insulator, MP", "mp_is_metal", "is_metal", MP, "metal_mp"),
)
# Where the public sets are out of reach: the bundled compositions know which of them are stable.
BUNDLED_LABELS = (Label("stable vs unstable, FLLA", "flla", "e_above_hull", EXPERIMENT, "stable_flla", at_most=0.0),)


@dataclass(frozen=True)
class NewProperty:
    """A property that the source was not trained on, for a new head (section 8.2.5).

    Attributes:
        name: As tables show it.
        data: Name in the registry.
        column: Of the target.
        unit: Of the target.
        num_classes: 0 for regression.
    """

    name: str
    data: str
    column: str
    unit: str = ""
    num_classes: int = 0


NEW_PROPERTIES = (
    NewProperty("experimental band gap (Matbench)", "expt_gap", "band_gap_ev", "eV"),
    NewProperty("experimental metal or not (Matbench)", "expt_is_metal", "is_metal", num_classes=2),
)
BUNDLED_PROPERTIES = (NewProperty("energy above hull, FLLA", "flla", "e_above_hull", UNIT),)


@dataclass(frozen=True)
class Profile:
    """Sizes of a run; the code path is the same.

    Attributes:
        recipe: Of fine-tuning; ``None`` takes ``fast``, or ``small`` below 5,000 training rows.
        ship: Whether the shipped ElemNet is the source, rather than one trained here.
        source_epochs: Of a source trained here; ``None`` for its recipe's.
        folds: Of how many folds of ten each target gets, by its short name.
        epochs: Of fine-tuning; ``None`` for the recipe's.
        max_rows: A seeded draw of so many rows of each target; ``None`` for all.
        fractions: Shares of the training rows of figure 5.3.
        rounds: Draws of each share.
        label_rows: The most rows of figure 5.9; ``None`` for all.
        other_models: Classical models on activations (section 8.2.1).
        architecture: Of a source trained here; ``None`` for ElemNet's.
        members: Networks of an ensemble on the leaderboard's split.
        num_processes: Networks at a time; ``None`` for one on each core.
    """

    recipe: str | None
    ship: bool
    source_epochs: int | None
    folds: dict[str, int]
    epochs: int | None
    max_rows: int | None
    fractions: tuple[float, ...]
    rounds: int
    label_rows: int | None
    other_models: tuple[str, ...]
    members: int
    architecture: str | None = None
    num_processes: int | None = None


_TENTHS = tuple(tenth / 10 for tenth in range(1, 11))
PROFILES = {
    "smoke": Profile(
        recipe=None,
        ship=False,
        source_epochs=2,
        folds={"jarvis": 1, "mp": 1, "experiment": 2},
        epochs=1,
        max_rows=400,
        fractions=(0.5, 1.0),
        rounds=1,
        label_rows=300,
        other_models=("Ridge",),
        members=2,
        architecture="128x1D-64x1D-32x1-1",
        num_processes=1,
    ),
    "cpu": Profile(
        recipe=None,
        ship=True,
        source_epochs=None,
        folds={"jarvis": 2, "mp": 2, "experiment": 10},
        epochs=None,
        max_rows=None,
        fractions=_TENTHS,
        rounds=1,
        label_rows=25_000,
        other_models=("Ridge", "SVR", "RandomForest"),
        members=10,
    ),
    "paper": Profile(
        recipe="paper",
        ship=False,
        source_epochs=None,
        folds={"jarvis": 10, "mp": 10, "experiment": 10},
        epochs=None,
        max_rows=None,
        fractions=_TENTHS,
        rounds=10,
        label_rows=None,
        other_models=("Ridge", "SVR", "RandomForest"),
        members=10,
    ),
}
