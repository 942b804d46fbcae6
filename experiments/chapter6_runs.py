"""What chapter 6's tables share: simulated test patterns, dictionaries, trained networks, and rows of a result."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from common import metrics
from common.results import DataUsed, ResultRow
from experiments.chapter import Chapter, Options, say
from experiments.chapter6_tasks import CLEAN, PROFILES, UNIT, Condition
from omnet import data
from omnet.config import LOSSES, OMNetConfig
from omnet.detector import Detector
from omnet.dictionary import Dictionary
from omnet.disorientation import disorientation_deg
from omnet.master_pattern import BUNDLED, load_master_pattern
from omnet.noise import add_noise
from omnet.predict import PRETRAINED, PRETRAINED_MEASURED, Predictor, load_pretrained
from omnet.refinement import refine
from omnet.sampling import cubochoric_grid
from omnet.simulator import Simulator
from omnet.train import OMNetResult
from omnet.train import run as train_omnet

Indexer = Callable[[np.ndarray], np.ndarray]  # (n, rows, columns) patterns -> (n, 4) unit quaternions
NOISE_SEED = 6
OURS = "omnet_small, harmonics"
SHIPPED = "omnet_small, shipped"
FOR_MEASURED = "omnet_small for measured patterns, shipped"


@dataclass(frozen=True)
class Scored:
    """A method on the test patterns of one condition.

    Attributes:
        method: Name of the method.
        condition: What the patterns have gone through.
        quaternions: ``(n, 4)`` answers.
        errors_deg: ``(n,)`` disorientations from the truth.
        seconds: Time of indexing.
    """

    method: str
    condition: Condition
    quaternions: np.ndarray
    errors_deg: np.ndarray
    seconds: float


class Chapter6(Chapter):
    """What the tables share; all is simulated from the bundled master pattern, but for the nine real patterns."""

    number = 6

    def __init__(self, options: Options):
        super().__init__(options)
        self.profile = PROFILES[options.profile]
        self.trained: dict[str, OMNetResult] = {}

    def data_used(self) -> tuple[DataUsed, ...]:
        """The master pattern, and how many patterns were made of it."""
        num_train = len(data.training_rows(self.profile.losses))
        rows = num_train + self.profile.losses.num_validation + self.profile.num_test
        digest = hashlib.sha256(BUNDLED.read_bytes()).hexdigest()
        note = "patterns simulated from the bundled dynamical master pattern of nickel (kikuchipy data, CC BY 4.0)"
        return (DataUsed("simulated Ni patterns, 20 kV, 60 x 60", "simulation", rows, {BUNDLED.name: digest}, note),)

    def caveats(self) -> tuple[str, ...]:
        """What is simulated, and which network."""
        texts = [
            "All patterns but the nine of the real scan are simulated, test patterns and training patterns from one "
            "master pattern. The paper calls its test set experimental; the released code reads simulated patterns "
            "of random orientations, which is what is compared here."
        ]
        if self.options.profile != "paper":
            texts.append(
                "The networks of the five losses are omnet_small with Euler angles, trained for minutes on two cores; "
                "the paper's network has 207 million parameters and needs a GPU (--profile paper)."
            )
        if self.options.protocol == "paper":
            texts.append("Protocol paper: the test orientations chose the weights, so these errors are too low.")
        return tuple(texts)

    # -- patterns ----------------------------------------------------------------------------------------------

    @cached_property
    def simulator(self) -> Simulator:
        """Nickel on the detector of the real scan."""
        return Simulator(load_master_pattern(), Detector())

    @cached_property
    def test_quaternions(self) -> np.ndarray:
        """``(n, 4)`` orientations spread evenly over all rotations."""
        return data.test_quaternions()[: self.profile.num_test]

    def test_patterns(self, condition: Condition) -> np.ndarray:
        """``(n, rows, columns)`` patterns of the test orientations."""
        shifted = np.add(self.simulator.detector.pc, condition.pc_shift)
        pc = np.broadcast_to(shifted, (len(self.test_quaternions), 3)) if any(condition.pc_shift) else None
        patterns = self.simulator.simulate(self.test_quaternions, pc)
        if condition.snr is None:
            return patterns
        return add_noise(patterns, condition.snr, np.random.default_rng(NOISE_SEED))

    def dictionary(self, semi_edge_steps: int) -> Dictionary:
        """All patterns of a cubochoric grid; the file is kept for the next run."""
        quaternions = cubochoric_grid(semi_edge_steps)
        path = self.options.runs / f"dictionary_{semi_edge_steps}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        return Dictionary(quaternions, self.simulator.dictionary(quaternions, path))

    # -- networks ----------------------------------------------------------------------------------------------

    def train(self, name: str, config: OMNetConfig, start: Predictor | None = None) -> OMNetResult:
        """Train a network, or take it from a run before."""
        if name not in self.trained:
            say(f"training {name}")
            config = replace(config, protocol=self.options.protocol).with_training(seed=self.options.seed)
            folder = self.options.runs / _folder_name(name, config, start)
            result = train_omnet(config, folder, start=start)
            self.trained[name] = result
        return self.trained[name]

    def of_loss(self, loss: str) -> OMNetResult:
        """A network with Euler angles and one of the losses of table 6.1."""
        return self.train(f"OMNet {loss.upper()}", replace(self.profile.losses, loss=loss))

    def two_stages(self) -> OMNetResult:
        """The first stage minimises the errors of the angles, the second goes on with the disorientation."""
        first = self.of_loss("mae")
        epochs = max(1, self.profile.losses.training.max_epochs // 3)
        config = replace(self.profile.losses, loss="mde").with_training(max_epochs=epochs)
        return self.train("OMNet MAE, then MDE", config, first.predictor)

    def networks(self) -> dict[str, Predictor]:
        """All networks of table 6.1 by name: the five losses, two stages, ours, and the shipped ones."""
        found = {f"OMNet {loss.upper()}": self.of_loss(loss).predictor for loss in LOSSES}
        found["OMNet MAE, then MDE"] = self.two_stages().predictor
        found[OURS] = self.train(OURS, self.profile.ours).predictor
        return found | self.shipped()

    def shipped(self) -> dict[str, Predictor]:
        """The networks in the package by name."""
        paths = {SHIPPED: PRETRAINED, FOR_MEASURED: PRETRAINED_MEASURED}
        return {name: load_pretrained(path) for name, path in paths.items()}

    # -- scores ------------------------------------------------------------------------------------------------

    def score(self, method: str, condition: Condition, patterns: np.ndarray, index: Indexer) -> Scored:
        """Index patterns and hold the answers against the truth."""
        started = time.monotonic()
        quaternions = index(patterns)
        seconds = time.monotonic() - started
        errors = disorientation_deg(self.test_quaternions, quaternions)
        mean, median = errors.mean(), np.median(errors)
        say(f"{method}, {condition.name}: {mean:.4f} degrees in the mean, {median:.4f} in the median")
        return Scored(method, condition, quaternions, errors, seconds)

    def refined(self, start: Scored, patterns: np.ndarray, *, refine_pc: bool = False) -> Scored:
        """Refine the answers of a method, from far off where it is a network."""
        is_far_off = not start.method.startswith("dictionary")
        name = f"{start.method} + refinement{' with centre' if refine_pc else ''}"

        def index(patterns: np.ndarray) -> np.ndarray:
            refined = refine(patterns, start.quaternions, self.simulator, refine_pc=refine_pc, wide=is_far_off)
            return refined.quaternions

        refined = self.score(name, start.condition, patterns, index)
        return replace(refined, seconds=refined.seconds + start.seconds)


def _folder_name(name: str, config: OMNetConfig, start: Predictor | None) -> Path:
    """A folder of its own for a training with these settings, so that a killed run goes on and no other does."""
    settings = f"{config!r} {start and start.weights_hash()}"
    plain = "".join(letter if letter.isalnum() else "_" for letter in name.lower())
    return Path(f"{plain}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}")


def mde_row(scored: Scored, **more) -> ResultRow:
    """A result row with the mean disorientation and its bootstrap interval; the median goes into the note."""
    zeros = np.zeros(len(scored.errors_deg))
    low, high = metrics.bootstrap_interval(metrics.mean_absolute_error, zeros, scored.errors_deg)
    median, below = np.median(scored.errors_deg), (scored.errors_deg < 0.5).mean()
    note = f"median {median:.4g} deg, {below:.1%} below 0.5 deg"
    return ResultRow(
        f"{scored.method}, {scored.condition.name}",
        "MDE",
        float(scored.errors_deg.mean()),
        UNIT,
        interval_low=low,
        interval_high=high,
        rows_test=len(scored.errors_deg),
        seconds_predict=round(scored.seconds, 2),
        headline=more.pop("headline", scored.condition is CLEAN),
        note=note,
        **more,
    )
