"""Chapter 3, screening: table 3.3 from a stated share of the 446,597,140 compositions."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
from scipy.stats import binomtest

from common import datasets
from common.files import write_csv_atomic
from common.results import ResultRow
from elemnet import figures
from elemnet.composition_space import CompositionSpace
from elemnet.hulls import KnownPhases, load_known
from elemnet.predict import load_pretrained
from elemnet.screening import CAVEAT, Settings
from elemnet.screening_run import screen
from elemnet.screening_tables import ALL_CANDIDATES, summarise
from experiments.chapter import say
from experiments.chapter3_runs import Chapter3
from experiments.paper_values import paper_value

SIZE_NAMES = {2: "binary", 3: "ternary", 4: "quaternary"}
SYSTEMS = " systems with candidates"
SECOND_SOURCE = "mp_formation_energy"  # of known phases that the first may lack


def table_3_3(chapter: Chapter3) -> None:
    """Candidates far below the hull of known phases, by category and number of elements."""
    started = time.monotonic()
    options = chapter.options
    known = load_known([options.data], allow_stand_in=options.allow_stand_in)
    space = CompositionSpace(load_pretrained().elements, shares=chapter.profile.screening_shares, seed=options.seed)
    settings = Settings(space, below_hull_ev_per_atom=0.2)
    say(f"{space.num_drawn:,} of {space.num_compositions:,} compositions against {len(known):,} known phases")
    folder = _screened(chapter, settings, known)
    summary = summarise(folder)
    rows = [*map(_estimated_systems, summary.to_dict("records")), _estimated_compositions(summary)]
    tables = {known.name: _for_picture(rows)}
    if more := _with_second_source(options.data, options.allow_stand_in):
        second = summarise(folder, more)
        further = [*map(_estimated_systems, second.to_dict("records")), _estimated_compositions(second)]
        tables[more.name] = _for_picture(further)
        rows += [replace(row, name=f"hull of {more.name}: {row.name}") for row in further]
    systems = pd.concat([table.assign(known_phases=name) for name, table in tables.items()])
    write_csv_atomic(chapter.results / "table_3_3_systems.csv", systems)
    figures.candidate_systems(chapter.results)
    stages = pd.read_csv(folder / "stages.csv")
    seconds = {name: round(float(stages[name].sum()), 1) for name in stages if name.endswith("_s")}
    shares = ", ".join(f"{share:.3g} of the {SIZE_NAMES[size]}" for size, share in _shares(summary).items())
    caveats = (
        CAVEAT,
        f"Screened are {shares} systems; figures of the whole space are what was found over the share, with the 95 % "
        "interval of the draw alone.",
        f"The hull is that of {len(known):,} compositions of {known.name}, the thesis's that of the OQMD of its time: "
        "a stable phase that is missing here lets everything around it appear as a candidate. The rows of a second "
        "hull add the phases of the Materials Project, whose energies rest on other references.",
        "The thesis names its categories and does not define them; it does not say either whether it counts systems "
        "or compositions there: ours are systems, and ours are the definitions.",
    )
    chapter.finish(
        "table_3_3",
        "Table 3.3: candidates at least 0.2 eV/atom below the hull of known phases",
        rows,
        started,
        caveats,
        compositions_screened=int(summary.loc[summary["category"] == ALL_CANDIDATES, "compositions_screened"].sum()),
        seconds_by_stage=seconds,
    )


def _screened(chapter: Chapter3, settings: Settings, known: KnownPhases) -> Path:
    """The folder of the screening, done by this run or going on from a killed one."""
    digest = hashlib.sha256(repr((settings, known.files, load_pretrained().card["sha256"])).encode()).hexdigest()[:8]
    folder = chapter.options.runs / f"screening-{digest}"
    screen(folder, settings, known, progress=True)
    return folder


def _shares(summary: pd.DataFrame) -> dict[int, float]:
    total = summary[summary["category"] == ALL_CANDIDATES]
    return dict(zip(total["num_elements"], total["share_screened"], strict=True))


def _estimated_systems(found: dict) -> ResultRow:
    """Systems with candidates in the whole space, from the share of it."""
    size, category = SIZE_NAMES[found["num_elements"]], found["category"]
    if category == ALL_CANDIDATES:
        paper = paper_value("chapter3", "screening", "systems", size)
    else:
        paper = paper_value("chapter3", "table_3_3_counts", category).get(size)
    num_screened, num_found = found["systems_screened"], found["candidate_systems"]
    num_all = num_screened / found["share_screened"] if num_screened else 0
    interval = binomtest(num_found, num_screened).proportion_ci(method="wilson") if num_screened else None
    is_whole = num_screened == num_all
    return ResultRow(
        f"{category}, {size}{SYSTEMS}",
        "estimate" if not is_whole else "count",
        num_all * num_found / num_screened if num_screened else 0,
        "",
        None if is_whole or interval is None else num_all * interval.low,
        None if is_whole or interval is None else num_all * interval.high,
        paper=paper,
        note=f"{num_found:,} of {num_screened:,} systems, {found['candidate_compositions']:,} compositions",
        headline=category == ALL_CANDIDATES,
    )


def _estimated_compositions(summary: pd.DataFrame) -> ResultRow:
    total = summary[(summary["category"] == ALL_CANDIDATES) & (summary["systems_screened"] > 0)]
    num_found, num_screened = (int(total[name].sum()) for name in ("candidate_compositions", "compositions_screened"))
    return ResultRow(
        "Candidate compositions in the whole space",
        "estimate",
        float((total["candidate_compositions"] / total["share_screened"]).sum()),
        "",
        paper=paper_value("chapter3", "screening", "candidates_below_hull"),
        note=f"{num_found:,} of {num_screened:,} screened",
    )


def _with_second_source(first: str, allow_stand_in: bool) -> KnownPhases | None:
    """The known phases of both sources; ``None`` where the second cannot be had."""
    try:
        return load_known([first, SECOND_SOURCE], allow_stand_in=allow_stand_in)
    except datasets.DataUnavailableError as error:
        say(f"no second source of known phases: {error}")
        return None


def _for_picture(rows: list[ResultRow]) -> pd.DataFrame:
    """The rows that count systems, as far as there is anything to draw."""
    table = pd.DataFrame(
        [
            (row.name.removesuffix(SYSTEMS), row.ours, row.interval_low, row.interval_high, row.paper)
            for row in rows
            if row.name.endswith(SYSTEMS)
        ],
        columns=["name", "estimate", "low", "high", "paper"],
    )
    return table[(table["estimate"] > 0) | (table["paper"] > 0)]
