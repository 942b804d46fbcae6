import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from common import plotting
from common.plotting import bars_beside_paper, error_cdf, learning_curve, metric_against, parity

RNG = np.random.default_rng(0)
Y = RNG.normal(size=300)
P = Y + RNG.normal(scale=0.1, size=300)
HISTORY = pd.DataFrame({"loss": [0.9, 0.1, 0.01], "val_loss": [0.9, 0.2, 0.3]})


def draw_parity(path):
    return parity(Y, P, path, label="Formation energy", unit="eV/atom", title="Test rows")


def draw_cdf(path):
    return error_cdf({"ElemNet": Y - P, "Forest": 2 * (Y - P)}, path, unit="eV/atom")


def draw_one_cdf(path):
    return error_cdf({"ElemNet": Y - P}, path, unit="eV/atom", mark=1.0)


def draw_curve(path):
    return learning_curve(HISTORY, path, label="MAE", unit="eV/atom")


def draw_curve_without_validation(path):
    return learning_curve(pd.DataFrame({"epoch": [5], "mae": [0.5]}), path, metric="mae")


def draw_metric(path):
    values = np.array([0.3, np.nan, 0.1])
    return metric_against(
        [100, 1000, 10000],
        {"ElemNet": values, "Forest": [0.4, 0.3, 0.2]},
        path,
        "Training rows",
        "MAE (eV/atom)",
        {"ElemNet": 0.05, "Other": [0.3, 0.2, 0.1]},
        intervals={"ElemNet": (values - 0.01, values - 0.005)},  # a percentile interval may lie beside its estimate
        log_x=True,
        log_y=True,
    )


def draw_bars(path):
    ours, intervals = [0.05, 0.16], ([0.04, 0.15], [0.06, 0.17])
    return bars_beside_paper(["ElemNet", "Random forest"], ours, [None, 0.157], path, "MAE", intervals=intervals)


DRAWERS = [
    draw_parity,
    draw_cdf,
    draw_one_cdf,
    draw_curve,
    draw_curve_without_validation,
    draw_metric,
    draw_bars,
]


@pytest.mark.parametrize("draw", DRAWERS, ids=lambda draw: draw.__name__)
def test_pictures_are_whole_repeatable_and_not_clipped(tmp_path, draw):
    path = draw(tmp_path / "new" / "a.png")
    image = matplotlib.image.imread(path)
    assert image.shape[0] > 300
    assert image.shape[1] > 600
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])[:, :3]
    assert np.all(border == 1)  # ink at the very edge would mean a label cut off
    assert draw(tmp_path / "b.png").read_bytes() == path.read_bytes()


def test_many_points_are_drawn_as_density(tmp_path, monkeypatch):
    few = draw_parity(tmp_path / "few.png").read_bytes()
    monkeypatch.setattr(plotting, "DENSITY_ABOVE", 100)
    assert draw_parity(tmp_path / "many.png").read_bytes() != few


def test_constant_values_can_be_drawn(tmp_path):
    parity([1.0, 1.0], [1.0, 1.0], tmp_path / "a.png", label="y", unit="")
    error_cdf({"perfect": [0.0, 0.0]}, tmp_path / "b.png", unit="")


def test_bad_input_is_refused_and_the_old_picture_kept(tmp_path):
    path = draw_parity(tmp_path / "a.png")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="NaN"):
        parity([1.0, np.nan], [1.0, 1.0], path, label="y", unit="")
    with pytest.raises(ValueError, match="at least one entry in errors_by_name"):
        error_cdf({}, path, unit="")
    with pytest.raises(ValueError, match=r"column 'mae' .* received 3 epoch\(s\) with columns \['loss', 'val_loss'\]"):
        learning_curve(HISTORY, path, metric="mae")
    with pytest.raises(ValueError, match=r"expected a of shape \(2,\), received \(1,\)"):
        metric_against([1, 2], {"a": [1]}, path, "x", "y")
    with pytest.raises(ValueError, match=r"received also \['b'\]"):
        metric_against([1, 2], {"a": [1, 2]}, path, "x", "y", intervals={"b": ([0, 0], [1, 1])})
    with pytest.raises(ValueError, match=r"expected paper of shape \(2,\), received \(1,\)"):
        bars_beside_paper(["a", "b"], [1, 2], [1], path, "y")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_pyplot_is_never_loaded():
    code = "import sys, common.plotting; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
