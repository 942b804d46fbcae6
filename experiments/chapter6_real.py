"""Nine measured nickel patterns, and section 8.2.6: transfer to another microscope."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd

from common import metrics
from common.files import write_csv_atomic
from common.results import ResultRow
from experiments.chapter6_runs import OURS, SHIPPED, Chapter6, Indexer
from experiments.chapter6_tasks import NEW_GRADIENT, NEW_PC, NEW_SNR, NEW_TILT_DEG, NEW_VIGNETTING, UNIT
from omnet import figures
from omnet.background import remove_dynamic_background, remove_static_background
from omnet.detector import Detector
from omnet.disorientation import disorientation_deg
from omnet.fine_tuning import config_for
from omnet.indexing import DICTIONARY, IndexingSettings
from omnet.indexing import Indexer as Indexing
from omnet.master_pattern import BUNDLED
from omnet.noise import add_gradient, add_noise, apply_vignetting
from omnet.predict import Predictor
from omnet.refinement import refine
from omnet.reprojection import Reprojection
from omnet.rotations import quaternions_from_euler
from omnet.scans import read_scan
from omnet.simulator import Simulator

REAL_SCAN = BUNDLED.parent / "nickel_ebsd_small_patterns.h5"
NOISE_SEED = 8
HEADLINES = ("mean centre", "omnet index")  # of the real scan's rows


def real_scan(chapter: Chapter6) -> None:
    """The nine measured patterns against the orientations stored with them."""
    started = time.monotonic()
    scan = read_scan(REAL_SCAN, "Scan 1")
    assert scan.static_background is not None and scan.reference_euler_rad is not None
    patterns = remove_static_background(scan.read(0, len(scan)), scan.static_background)
    patterns = remove_dynamic_background(patterns)
    reference = quaternions_from_euler(scan.reference_euler_rad)
    simulator = Simulator(chapter.simulator.master, scan.detector)
    dictionary = chapter.dictionary(chapter.profile.coarse_steps)
    rows, _ = dictionary.index(patterns)
    starts = {f"dictionary N = {chapter.profile.coarse_steps}": dictionary.quaternions[rows[:, 0]]}
    starts |= {name: predictor.predict(patterns)[0] for name, predictor in _ours(chapter).items()}
    ways: dict[str, dict] = {"mean centre": {}, "stored centres": {"pc": scan.pc}, "centres too": {"refine_pc": True}}
    answers = {}
    for name, start in starts.items():
        answers[name] = start
        for way, options in ways.items():
            refined = refine(patterns, start, simulator, wide=not name.startswith("dictionary"), **options)
            answers[f"{name} + refinement, {way}"] = refined.quaternions
    settings = IndexingSettings(remove_static=True, grid_steps=chapter.profile.coarse_steps)
    indexer = Indexing(settings, scan.detector, simulator.master, static_background=scan.static_background)
    by_default = indexer.index(scan.read(0, len(scan)), scan.pc)
    answers["omnet index"] = by_default.quaternions
    errors = {name: disorientation_deg(reference, quaternions) for name, quaternions in answers.items()}
    write_csv_atomic(chapter.results / "real_scan_disorientations.csv", pd.DataFrame(errors).round(5))
    figures.real_scan(chapter.results)
    chapter.finish(
        "real_scan",
        "Nine measured nickel patterns",
        [_row(name, error, "real Ni patterns, 60 x 60", name.endswith(HEADLINES)) for name, error in errors.items()],
        started,
        (
            "Nine patterns of two grains, so that the errors are not independent; the reference is itself the outcome "
            "of a refinement, with the stored projection centres, by the authors of the data (CC BY 4.0, H. W. Anes et "
            "al. 2019).",
            f"`omnet index` takes the dictionary where the network's refined answer scores low: for "
            f"{np.count_nonzero(by_default.start == DICTIONARY)} of the nine patterns.",
        ),
    )


def section_8_2_6(chapter: Chapter6) -> None:
    """From simulated to measured patterns: a network moved to another microscope by fine-tuning, beside scratch."""
    started = time.monotonic()
    detector = Detector(pc=NEW_PC, tilt_deg=NEW_TILT_DEG)
    name, source = SHIPPED, chapter.shipped()[SHIPPED]
    config = config_for(source, detector)
    if chapter.profile.num_fine_tune is not None:
        config = replace(config, num_train=chapter.profile.num_fine_tune, num_validation=50)
    tuned = chapter.train("fine-tuned to a new detector", config, source).predictor
    scratch = chapter.train("scratch on a new detector", config).predictor
    reprojection = Reprojection(detector, source.detector)
    ways: dict[str, Indexer] = {
        f"{name}, as it came": lambda patterns: source.predict(patterns)[0],
        f"{name}, patterns reprojected": lambda patterns: source.predict(reprojection(patterns))[0],
        f"{name}, fine-tuned": lambda patterns: tuned.predict(patterns)[0],
        "from scratch, as long": lambda patterns: scratch.predict(patterns)[0],
    }
    truth = chapter.test_quaternions
    simulated = Simulator(chapter.simulator.master, detector).simulate(truth)
    measured = add_noise(
        add_gradient(apply_vignetting(simulated, NEW_VIGNETTING), NEW_GRADIENT),
        NEW_SNR,
        np.random.default_rng(NOISE_SEED),
    )
    rows = []
    for way, index in ways.items():
        for kind, patterns in (("clean", simulated), ("degraded", measured)):
            error = disorientation_deg(truth, index(patterns))
            rows.append(_row(f"{way}, {kind} patterns", error, "simulated Ni, another detector", kind == "degraded"))
    chapter.finish(
        "section_8_2_6",
        "Section 8.2.6: transfer to another detector and degraded patterns",
        rows,
        started,
        (
            f"A simulated stand-in for another microscope: projection centre {NEW_PC}, detector tilt {NEW_TILT_DEG:g} "
            f"degrees; degraded patterns have white noise of SNR {NEW_SNR:g}, vignetting and a gradient. The paper "
            "proposes this and reports no figures.",
        ),
        num_fine_tune=config.num_train * config.training.max_epochs,
    )


def _ours(chapter: Chapter6) -> dict[str, Predictor]:
    """Networks with harmonics: the one trained here and the shipped ones."""
    return {OURS: chapter.train(OURS, chapter.profile.ours).predictor} | chapter.shipped()


def _row(name: str, errors_deg: np.ndarray, data: str, headline: bool) -> ResultRow:
    low, high = metrics.bootstrap_interval(metrics.mean_absolute_error, np.zeros(len(errors_deg)), errors_deg)
    return ResultRow(
        name,
        "MDE",
        float(errors_deg.mean()),
        UNIT,
        interval_low=low,
        interval_high=high,
        rows_test=len(errors_deg),
        data=data,
        note=f"median {np.median(errors_deg):.4g} deg, largest {errors_deg.max():.4g} deg",
        headline=headline,
    )
