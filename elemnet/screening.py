"""Screening: predict a space of compositions and keep those far below the convex hull of known phases.

Here is what is done with one part of the space; ``elemnet.screening_run`` does it with all of them.

Reference:
    Table 3.3 of the thesis; D. Jha et al., Sci. Rep. 8, 17593 (2018),
    doi:10.1038/s41598-018-35934-y. C. J. Bartel et al., npj Comput. Mater. 6, 97 (2020),
    doi:10.1038/s41524-020-00362-y.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from common.composition import composition_keys, encode
from common.elements import ALL_SYMBOLS
from elemnet.composition_space import CompositionSpace, Part
from elemnet.hulls import KnownPhases
from elemnet.predict import ENERGY, ROWS_PER_BATCH, Predictor

CAVEAT = (
    "Networks on compositions rank formation enthalpies well and stabilities less well (Bartel et al. 2020, "
    "doi:10.1038/s41524-020-00362-y): a candidate is where to look, not a compound."
)
HULL_ENERGY = "hull_energy_ev_per_atom"
DISTANCE = "distance_to_hull_ev_per_atom"
SCHEMA = pa.schema(
    {
        "composition_number": pa.int64(),
        "formula": pa.string(),
        ENERGY: pa.float64(),
        HULL_ENERGY: pa.float64(),
        DISTANCE: pa.float64(),
        "is_known_composition": pa.bool_(),
    },
    metadata={"caveat": CAVEAT},
)
STAGES = ("encode", "predict", "hull", "write")


@dataclass(frozen=True)
class Settings:
    """What a screening is of, and what it keeps.

    Attributes:
        space: The compositions.
        below_hull_ev_per_atom: A candidate lies at least so far below the hull of known phases; 0.2 in the thesis.
        compositions_per_part: Compositions in a file, about: what a stop loses at most, for each worker.
    """

    space: CompositionSpace = field(default_factory=CompositionSpace)
    below_hull_ev_per_atom: float = 0.2
    compositions_per_part: int = 250_000

    def __post_init__(self):
        if not np.isfinite(self.below_hull_ev_per_atom):
            raise ValueError(f"Expected a finite distance below the hull; received {self.below_hull_ev_per_atom}.")
        if self.compositions_per_part < 1:
            raise ValueError(f"Expected at least one composition a part; received {self.compositions_per_part}.")


@dataclass
class PartReport:
    """What became of a part.

    Attributes:
        number: Of the part.
        num_compositions: Predicted.
        num_candidates: Kept.
        seconds: Time of each stage.
    """

    number: int
    num_compositions: int = 0
    num_candidates: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        started = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - started


class Screener:
    """A network and the hulls of known phases, which together tell the candidates of any part.

    Args:
        settings: What to screen.
        predictor: The network, which knows the elements of the space.
        known: Known phases.
    """

    def __init__(self, settings: Settings, predictor: Predictor, known: KnownPhases):
        self.settings, self.predictor, self.known = settings, predictor, known
        self.space = settings.space
        self._columns = np.array([predictor.elements.index(symbol) for symbol in self.space.elements])
        self._known_keys = frozenset(composition_keys(encode(known.table["formula"], ALL_SYMBOLS).fractions).tolist())

    def screen(self, part: Part) -> tuple[pa.Table, PartReport]:
        """The candidates of a part, in the order of their numbers, and what it took."""
        report, space = PartReport(part.number), self.space
        numbers = space.system_numbers(part)
        ratios = space.ratios(part.num_elements)
        step = max(1, ROWS_PER_BATCH // len(ratios))  # whole systems in one batch of the network
        blocks = [self._screen_block(numbers[i : i + step], ratios, report) for i in range(0, len(numbers), step)]
        return pa.concat_tables(blocks) if blocks else SCHEMA.empty_table(), report

    def _screen_block(self, numbers: np.ndarray, ratios: np.ndarray, report: PartReport) -> pa.Table:
        space, num_elements = self.space, ratios.shape[1]
        with report.stage("encode"):
            systems = space.systems(num_elements, numbers)
            x = space.fractions(systems, self._columns, len(self.predictor.elements))
        with report.stage("predict"):
            energies = self.predictor.predict_fractions(x).astype(np.float64).reshape(len(systems), len(ratios))
        with report.stage("hull"):
            fractions = ratios / ratios.sum(axis=1, keepdims=True)  # (num_ratios, num_elements)
            symbols = [[space.elements[place] for place in row] for row in systems.tolist()]
            hull = np.stack([self.known.hull(system).energies(fractions) for system in symbols])
            distance = energies - hull  # (num_systems, num_ratios)
        with report.stage("write"):
            row, ratio = np.nonzero(distance <= -self.settings.below_hull_ev_per_atom)
            report.num_compositions += distance.size
            report.num_candidates += len(row)
            return pa.table(
                {
                    "composition_number": space.first_number(num_elements) + numbers[row] * len(ratios) + ratio,
                    "formula": space.formulas(systems[row], ratio),
                    ENERGY: energies[row, ratio],
                    HULL_ENERGY: hull[row, ratio],
                    DISTANCE: distance[row, ratio],
                    "is_known_composition": self._is_known(systems[row], fractions[ratio]),
                },
                schema=SCHEMA,
            )

    def _is_known(self, systems: np.ndarray, amounts: np.ndarray) -> np.ndarray:
        """Whether each composition, ``(n, num_elements)`` places and fractions, is that of a known phase."""
        columns = np.array([ALL_SYMBOLS.index(symbol) for symbol in self.space.elements])
        fractions = np.zeros((len(systems), len(ALL_SYMBOLS)))
        np.put_along_axis(fractions, columns[systems], amounts, axis=1)
        return np.array([key in self._known_keys for key in composition_keys(fractions).tolist()], bool)
