"""Figures 7.1, 7.2 and 7.4: images, 1D patterns, slope filters and what they make of an image."""

import time

import numpy as np
import pandas as pd
from scipy.special import softmax

from common.files import write_csv_atomic
from common.results import ResultRow
from experiments.chapter7_rows import data_name
from experiments.chapter7_runs import Chapter7
from experiments.chapter7_tasks import BACKGROUNDS, SPREADS, UNIT, WAFER_NIST, WAFER_SLAC
from padnet import figures
from padnet.data import XrdDataset
from padnet.envelope import lower_envelope
from padnet.slope_filters import MODES, peak_areas, slope_filters

FILTER_PX = 50  # of the text, as the picture of the filters shows them
PICTURE_PX = 256  # images are saved at this size at most
DIFFERENT = 0.01  # of a channel of the softmax, from 0 to 1
_FILTERS = ("F1", "F2", "VF", "HF")


def fig_7_1(chapter: Chapter7) -> None:
    """A raw image of each detector."""
    started, rows, titles = time.monotonic(), [], {}
    for spread, dataset in chapter.datasets(SPREADS).items():
        sample = _middle(dataset)
        for number, geometry in enumerate(spread.geometries):
            key = f"{spread.short}_{number}".replace(" ", "_")
            titles[key] = f"{geometry.name}, {dataset.origin.split()[0]}"
            _save_image(chapter, f"fig_7_1_{key}", dataset.frames[sample, number])
            angles = geometry.resized(dataset.frames.shape[-1]).two_theta_deg()
            counts = dataset.frames[:, number] * (dataset.frames.shape[-1] / geometry.shape[0]) ** 2
            rows.append(
                ResultRow(
                    f"{spread.short}: median counts of a pixel of the full detector, {geometry.name}",
                    "median",
                    float(np.median(counts)),
                    "counts",
                    data=data_name(dataset),
                    note=f"2theta of pixels {angles.min():.2f} to {angles.max():.2f} degrees",
                    headline=False,
                )
            )
    figures.images(chapter.results, "fig_7_1", titles)
    chapter.finish("fig_7_1", "Figure 7.1: raw images", rows, started)


def fig_7_2(chapter: Chapter7) -> None:
    """1D patterns of a sample of each phase region."""
    started, rows = time.monotonic(), []
    for spread, dataset in chapter.datasets(SPREADS).items():
        assert dataset.patterns is not None and dataset.two_theta_deg is not None
        name = f"fig_7_2_{spread.short}".replace(" ", "_")
        columns = {"two_theta_deg": dataset.two_theta_deg}
        columns |= {dataset.class_names[dataset.labels[row]]: dataset.patterns[row] for row in _of_each_class(dataset)}
        write_csv_atomic(chapter.results / f"{name}.csv", pd.DataFrame(columns).round(4))
        figures.patterns(chapter.results, name, f"{spread.short}: a sample of each phase region")
        share = lower_envelope(dataset.patterns).sum() / dataset.patterns.sum()
        rows.append(
            ResultRow(
                f"{spread.short}: share of the intensity below the lower envelope",
                "share",
                100 * float(share),
                UNIT,
                data=data_name(dataset),
                note=f"{dataset.patterns.shape[1]} points, {dataset.two_theta_deg[0]:.2f} to "
                f"{dataset.two_theta_deg[-1]:.2f} degrees",
                headline=False,
            )
        )
    chapter.finish("fig_7_2", "Figure 7.2: 1D patterns", rows, started)


def fig_7_4(chapter: Chapter7) -> None:
    """Slope filters, their peak areas, and how much of these depends on the phases."""
    started, rows = time.monotonic(), []
    for mode in MODES:
        titles = {}
        for key, values in zip(_FILTERS, slope_filters(FILTER_PX, mode), strict=True):
            titles[key] = f"{key}, {mode}"
            _save_image(chapter, f"fig_7_4_filters_{mode}_{key}", values)
        figures.images(chapter.results, f"fig_7_4_filters_{mode}", titles)
    filter_px = chapter.config(chapter.profile.text, WAFER_SLAC, image_px=chapter.profile.image_px).slope_filter_px
    for spread, dataset in chapter.datasets((WAFER_SLAC, WAFER_NIST)).items():
        samples = _of_each_class(dataset)
        if spread is WAFER_SLAC:
            _peak_area_pictures(chapter, samples[0], filter_px)
        for mode in MODES:
            areas = peak_areas(dataset.frames[samples, 0], filter_px, mode)
            for step, values in (("of counts", areas), ("after batch normalisation", _normalised(areas))):
                if mode == "robust" and step == "of counts":
                    continue  # its images are scaled before the filters: there are no counts
                shares = softmax(values, axis=-1)
                differs = np.abs(shares[1:] - shares[:-1]).max(axis=-1) > DIFFERENT
                rows.append(
                    ResultRow(
                        f"{spread.short}: pixels whose softmax {step} differs between images of two phase regions, "
                        f"{mode} filters",
                        "share",
                        100 * float(differs.mean()),
                        UNIT,
                        rows_test=len(samples),
                        data=data_name(dataset),
                        note=f"{filter_px} x {filter_px} filters; by more than {DIFFERENT:g} in one of four channels",
                        headline=mode == "released",
                    )
                )
    chapter.finish(
        "fig_7_4",
        "Figure 7.4: slope filters and peak areas",
        rows,
        started,
        (
            "The released code takes the softmax of raw counts: its second filter, all ones, then always wins, and "
            "nothing of the image is left.",
        ),
    )


def _peak_area_pictures(chapter: Chapter7, sample: int, filter_px: int) -> None:
    for background in BACKGROUNDS[0], BACKGROUNDS[2]:
        frames = chapter.treated(WAFER_SLAC, background).frames[[sample], 0]
        name, titles = f"fig_7_4_areas_{background}", {}
        for channel, key in enumerate(_FILTERS):
            titles[key] = f"{key}, {background} image"
            _save_image(chapter, f"{name}_{key}", peak_areas(frames, filter_px, "paper")[0, ..., channel])
        figures.images(chapter.results, name, titles)


def _save_image(chapter: Chapter7, name: str, image: np.ndarray) -> None:
    step = max(1, image.shape[0] // PICTURE_PX)
    table = pd.DataFrame(np.asarray(image, float)[::step, ::step]).round(3)
    write_csv_atomic(chapter.results / f"{name}.csv.gz", table)


def _of_each_class(dataset: XrdDataset) -> list[int]:
    """Row of the first sample of each class that there is."""
    return [int(np.flatnonzero(dataset.labels == label)[0]) for label in np.unique(dataset.labels)]


def _middle(dataset: XrdDataset) -> int:
    """Row of the sample nearest to the middle of the wafer."""
    return int(np.linalg.norm(dataset.position_mm - dataset.position_mm.mean(axis=0), axis=1).argmin())


def _normalised(areas: np.ndarray) -> np.ndarray:
    """Each channel with mean 0 and deviation 1 over samples and pixels."""
    return (areas - areas.mean(axis=(0, 1, 2))) / np.maximum(areas.std(axis=(0, 1, 2)), 1e-12)
