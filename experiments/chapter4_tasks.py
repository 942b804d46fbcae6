"""Chapter 4's tasks and sizes, as data."""

from dataclasses import dataclass

from common.readers import LoadedDataset
from irnet.config import KINDS

UNIT = "eV/atom"
ENERGY = "formation_energy_ev_per_atom"


@dataclass(frozen=True)
class Task:
    """A property of a data set that models are compared on.

    Attributes:
        name: As tables show it.
        data: Name in the registry.
        target: Column.
        unit: Of the target.
        inputs: As in ``IRNetConfig``.
        paper_4_4, paper_2021: Keys of the paper's rows in table 4.4 and in table 1 of the 2021 paper, where it has one.
    """

    name: str
    data: str
    target: str = ENERGY
    unit: str = UNIT
    inputs: str = "C"
    paper_4_4: tuple[str, str] | None = None
    paper_2021: str | None = None


@dataclass(frozen=True)
class Job:
    """A network, or classical models, to be trained for a task.

    Attributes:
        task: Data, target and inputs.
        variant: Of the network.
        epochs: ``None`` for the recipe's.
        max_train_rows: ``None`` for all.
        loaded: The table, where its splits are of the study's own making.
        label: What sets that table apart.
    """

    task: Task
    variant: str
    epochs: int | None = None
    max_train_rows: int | None = None
    loaded: LoadedDataset | None = None
    label: str = ""


OQMD = Task(
    "OQMD formation enthalpy",
    "oqmd_formation_enthalpy",
    paper_4_4=("OQMD-C", "formation_enthalpy"),
    paper_2021="OQMD formation enthalpy",
)
COMPOSITION_TASKS = (
    Task("OQMD band gap", "oqmd_band_gap", "band_gap_ev", "eV", "C", ("OQMD-C", "bandgap"), "OQMD bandgap"),
    Task(
        "OQMD volume per atom",
        "oqmd_volume",
        "volume_per_atom_a3",
        "A^3",
        "C",
        ("OQMD-C", "volume_per_atom"),
        "OQMD volume_pa",
    ),
    Task("MP band gap", "mp_gap", "band_gap_ev", "eV", "C", ("MP-C", "bandgap"), "MP bandgap"),
    Task(
        "MP energy above hull",
        "mp_e_hull",
        "energy_above_hull_ev_per_atom",
        UNIT,
        "C",
        ("MP-C", "energy_above_hull"),
    ),
    Task("MP formation energy", "mp_formation_energy", paper_2021="MP formation energy"),
    Task("JARVIS formation energy", "jarvis_formation_energy", paper_2021="JARVIS formation enthalpy"),
    Task("JARVIS band gap", "jarvis_gap", "band_gap_ev", "eV", paper_2021="JARVIS bandgap"),
)
# The design problem of the thesis has 271 attributes of 435,582 OQMD structures, which are not public in this form.
PEROV5 = Task("perov5", "perov5", "heat_ev_per_atom", inputs="S+C")
MP_STRUCTURES = Task("mp_structures", "mp_structures", inputs="S+C")
SMALL_TASK = Task("experimental band gap (Matbench)", "expt_gap", "band_gap_ev", "eV")
PROTOTYPES = ("B2", "L1_0", "perovskite")


@dataclass(frozen=True)
class Profile:
    """Sizes of a run; the code path is the same.

    Attributes:
        recipe: ``None`` takes ``fast``, or ``small`` below 20,000 training rows.
        grid: Of the classical models.
        oqmd_rows, oqmd_epochs: Of the comparison on OQMD formation enthalpies.
        task_rows, task_epochs: Of the other properties of compositions.
        validation_rows: The most rows that decide on the best weights; OQMD has 51,000, more than most trainings here.
        task_models: Classical models of these tables; ``None`` for all ten.
        design_models: Classical models of the design problem; ``None`` for all ten.
        structure_rows: The most structures taken from a data set, all splits together; ``None`` for all.
        design_epochs: Of every network of the design problem.
        design_variants: Networks of the design problem on perov5.
        small_epochs: Of networks on a few thousand rows.
        sizes: Training rows of figure 2.
        size_epochs: Of its networks at 10,000 rows; smaller sets get more, up to as many steps.
        sipfenn_epochs: Of NN24.
        sipfenn_points: New points of its figure 3.9.
        sipfenn_rounds: Draws of them.
        tuning_epochs: Passes over the new points.
        layers: Depth of the networks wherever the papers have 17.
        num_processes: Networks trained at a time; ``None`` for one on each core.
    """

    recipe: str | None
    grid: str
    oqmd_rows: int | None
    oqmd_epochs: int | None
    task_rows: int | None
    task_epochs: int | None
    validation_rows: int | None
    task_models: tuple[str, ...] | None
    design_models: tuple[str, ...] | None
    structure_rows: int | None
    design_epochs: int | None
    design_variants: tuple[str, ...]
    small_epochs: int | None
    sizes: tuple[int, ...]
    size_epochs: int | None
    sipfenn_epochs: int | None
    sipfenn_points: tuple[int, ...]
    sipfenn_rounds: int
    tuning_epochs: int = 40
    layers: int = 17
    num_processes: int | None = None

    @property
    def irnet(self) -> str:
        """The IRNet of the papers' main tables."""
        return f"irnet_{self.layers}"


_ALL_DEPTHS = tuple(f"{kind}_{depth}" for depth in (17, 24, 48) for kind in KINDS)
PROFILES = {
    "smoke": Profile(
        recipe=None,
        grid="cpu",
        oqmd_rows=600,
        oqmd_epochs=2,
        task_rows=300,
        task_epochs=2,
        validation_rows=100,
        task_models=("Ridge",),
        design_models=("Ridge", "DecisionTree"),
        structure_rows=200,
        design_epochs=2,
        design_variants=("plain_10", "srnet_10", "irnet_10"),
        small_epochs=2,
        sizes=(100, 200),
        size_epochs=2,
        sipfenn_epochs=1,
        sipfenn_points=(0, 4),
        sipfenn_rounds=1,
        tuning_epochs=1,
        layers=10,
        num_processes=1,
    ),
    "cpu": Profile(
        recipe=None,
        grid="cpu",
        oqmd_rows=100_000,
        oqmd_epochs=8,
        task_rows=8_000,
        task_epochs=8,
        validation_rows=8_000,
        task_models=("Ridge", "KNeighbors", "Bagging", "RandomForest"),
        design_models=None,
        structure_rows=None,
        design_epochs=10,
        design_variants=_ALL_DEPTHS,
        small_epochs=25,
        sizes=(300, 1_000, 3_000, 10_000, 30_000),
        size_epochs=16,
        sipfenn_epochs=18,
        sipfenn_points=(0, 5, 20, 60),
        sipfenn_rounds=3,
    ),
    "paper": Profile(
        recipe="paper",
        grid="paper",
        oqmd_rows=None,
        oqmd_epochs=None,
        task_rows=None,
        task_epochs=None,
        validation_rows=None,
        task_models=None,
        design_models=None,
        structure_rows=None,
        design_epochs=None,
        design_variants=_ALL_DEPTHS,
        small_epochs=None,
        sizes=(500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000),
        size_epochs=None,
        sipfenn_epochs=None,
        sipfenn_points=(0, 5, 10, 20, 40, 80, 160),
        sipfenn_rounds=25,
    ),
}
