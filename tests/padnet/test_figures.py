import itertools

import numpy as np
import pandas as pd
import pytest

from padnet import figures

PNG = b"\x89PNG"


@pytest.fixture
def folder(tmp_path):
    """The CSV files that the figures are drawn from, small."""
    rng = np.random.default_rng(0)
    for key in ("a", "b"):
        pd.DataFrame(rng.poisson(50, (16, 16))).to_csv(tmp_path / f"frames_{key}.csv.gz", index=False)
    pd.DataFrame({"two_theta_deg": np.arange(9.0), "rutile": rng.random(9), "flat": 0.0}).to_csv(
        tmp_path / "lines.csv", index=False
    )
    names = ("raw", "mf")
    matrix = [
        (filters, trained, tested, 50.0, 3.0)
        for filters, trained, tested in itertools.product(("fixed", "trained"), names, names)
    ]
    columns = ["filters", "trained_on", "tested_on", "accuracy", "sd"]
    pd.DataFrame(matrix, columns=columns).to_csv(tmp_path / "matrix_accuracies.csv", index=False)
    rows = [
        (data, method, series, 80.0, 70.0, 90.0)
        for data, method, series in itertools.product(("x", "y"), ("PADNet", "position only"), ("random", "blocks"))
    ]
    columns = ["data", "method", "series", "accuracy", "low", "high"]
    pd.DataFrame(rows[:-1], columns=columns).to_csv(tmp_path / "controls_accuracies.csv", index=False)
    places = {"sample": range(4), "x_mm": [0, 1, 0, 1], "y_mm": [0, 0, 1, 1], "label": [0, 1, 1, 2]}
    pd.DataFrame(places | {"predicted, random folds": [0, 1, 2, -1]}).to_csv(tmp_path / "map_samples.csv", index=False)
    return tmp_path


@pytest.mark.parametrize(
    ("draw", "arguments"),
    [
        (figures.images, ("frames", {"a": "first", "b": "second"})),
        (figures.patterns, ("lines", "1D patterns")),
        (figures.background_matrix, ("matrix", "SLAC")),
        (figures.accuracies, ("controls", "Controls")),
        (figures.wafer_map, ("map", "Wafer")),
    ],
)
def test_a_figure_comes_from_its_csv_alone_and_is_the_same_each_time(folder, draw, arguments):
    path = draw(folder, *arguments)
    first = path.read_bytes()
    assert path == folder / f"{arguments[0]}.png" and first.startswith(PNG)
    assert draw(folder, *arguments).read_bytes() == first


def test_another_accuracy_is_another_picture(folder):
    first = figures.background_matrix(folder, "matrix", "SLAC").read_bytes()
    table = pd.read_csv(folder / "matrix_accuracies.csv")
    table.loc[0, "accuracy"] = 99.0
    table.to_csv(folder / "matrix_accuracies.csv", index=False)
    assert figures.background_matrix(folder, "matrix", "SLAC").read_bytes() != first
