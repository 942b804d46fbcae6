"""Speed and memory beside the peers: each pair in one process, on the same input, with the same answer.

A speed counts only where both sides agree. Sides are timed in turn, round after round, so that whatever else the
machine does meets all of them; the first round warms up and is thrown away, and medians of the others are reported.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from common.files import write_json_atomic

FloorOn = Literal["ours", "ratio", "ours_at_most"]


@dataclass(frozen=True)
class Measurement:
    """One task done by us and, where there is one, by a peer.

    Attributes:
        task: What was done, in a few words.
        rows: Rows of our input.
        unit: Of both figures; more is better, except under a floor on `"ours_at_most"`.
        ours_rounds: Our figure in each round.
        agreement: What was compared, and how far apart it was.
        agreed: Whether that is near enough.
        peer: What the peer is; None where we are alone.
        peer_rounds: The peer's figure in each round.
        floor: Limit promised; None where none is.
        floor_on: What the floor limits: our figure or the ratio from below, or our figure from above.
        data: Data set that the rows came from.
    """

    task: str
    rows: int
    unit: str
    ours_rounds: tuple[float, ...]
    agreement: str
    agreed: bool
    peer: str | None = None
    peer_rounds: tuple[float, ...] = ()
    floor: float | None = None
    floor_on: FloorOn | None = None
    data: str = ""

    @property
    def ours(self) -> float:
        """Median of our rounds."""
        return statistics.median(self.ours_rounds)

    @property
    def peer_value(self) -> float | None:
        """Median of the peer's rounds."""
        return statistics.median(self.peer_rounds) if self.peer_rounds else None

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's."""
        return self.ours / self.peer_value if self.peer_value else None

    @property
    def floor_met(self) -> bool | None:
        """None where no floor is stated; a floor on a ratio that could not be taken is not met."""
        if self.floor is None:
            return None
        if self.floor_on == "ours_at_most":
            return self.ours <= self.floor
        value = self.ratio if self.floor_on == "ratio" else self.ours
        return value is not None and value >= self.floor

    def failures(self, *, check_floors: bool = True) -> list[str]:
        """One sentence for each promise that was not kept.

        Args:
            check_floors: False at sizes too small for a speed to mean anything.
        """
        found = []
        if not self.agreed:
            found.append(f"{self.task}: the answers do not agree: {self.agreement}.")
        if check_floors and self.floor_met is False:
            limit = "at most" if self.floor_on == "ours_at_most" else "at least"
            value, unit = (self.ratio, "x the peer") if self.floor_on == "ratio" else (self.ours, self.unit)
            received = "no figure" if value is None else f"{value:,.4g} {unit}"
            found.append(f"{self.task}: expected {limit} {self.floor:,.4g} {unit}, received {received}.")
        return found

    def as_json(self) -> dict[str, Any]:
        """All fields and what follows from them."""
        derived = {name: getattr(self, name) for name in ("ours", "peer_value", "ratio", "floor_met")}
        return dataclasses.asdict(self) | derived


def use_cores(num_cores: int) -> None:
    """Keep this process, for the rest of its life, on so many cores and off any GPU.

    To be called before TensorFlow does its first work, which fixes its devices and the size of its thread pools.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-num_cores:])


def rate(num_rows: int, work: Callable[[], object]) -> float:
    """Rows per second of doing `work` once."""
    start = time.perf_counter()
    work()
    return num_rows / (time.perf_counter() - start)


def measure_in_turn(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, tuple[float, ...]]:
    """The figure of every side in every round, after one round to warm up.

    Args:
        sides: For each name a function that works once and returns its figure.
        rounds: Rounds that count.
    """
    figures: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(1 + rounds):
        for name, side in sides.items():
            figures[name].append(side())
    return {name: tuple(values[1:]) for name, values in figures.items()}


def run_as_script(main: Callable[..., list[Measurement]]) -> None:
    """Run one benchmark alone: `python -m benchmarks.bench_NAME [--quick]`; exits 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(description=(main.__doc__ or "").strip())
    parser.add_argument("--quick", action="store_true", help="tiny sizes, floors not checked: does it work at all?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measurements there")
    arguments = parser.parse_args()
    measurements = main(quick=arguments.quick)
    if arguments.json is not None:
        write_json_atomic(arguments.json, [measurement.as_json() for measurement in measurements])
    for measurement in measurements:
        beside = "" if measurement.ratio is None else f"  {measurement.ratio:.2f}x {measurement.peer}"
        print(f"{measurement.task}: {measurement.ours:,.4g} {measurement.unit}{beside}  ({measurement.agreement})")
    failures = [text for m in measurements for text in m.failures(check_floors=not arguments.quick)]
    if failures:
        raise SystemExit("\n".join(failures))
