"""What the figures of chapter 4 draw of the saved tables."""

import pandas as pd
import pytest

from irnet import figures


@pytest.fixture
def drawn(monkeypatch) -> dict[str, dict]:
    """File name -> what was asked to be drawn there."""
    pictures = {}

    def metric_against(x, series, path, xlabel, ylabel, paper=None, **more):
        pictures[path.name] = {"series": series, "paper": paper} | more
        return path

    monkeypatch.setattr(figures.plotting, "metric_against", metric_against)
    return pictures


def test_validation_curves_are_a_picture_for_each_data_set_and_depth(tmp_path, drawn):
    rows = [
        {"data": data, "variant": variant, "epoch": epoch, "validation_mae": 1 / epoch}
        for data, variant in [("a", "IRNet, 48 layers"), ("a", "plain, 17 layers"), ("b", "SRNet, 17 layers")]
        for epoch in (1, 2)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "fig_4_2_curves.csv")
    figures.validation_curves(tmp_path, "eV/atom")
    assert list(drawn) == ["fig_4_2.a.48_layers.png", "fig_4_2.a.17_layers.png", "fig_4_2.b.17_layers.png"]
    for picture in drawn.values():
        assert list(picture["series"]) == ["plain", "SRNet", "IRNet"]  # in one order, so in the same colours
    deep = drawn["fig_4_2.a.48_layers.png"]["series"]
    assert deep["IRNet"].tolist() == [1, 0.5] and deep["plain"].isna().all()


def test_error_against_depth_names_the_kinds_as_the_papers_do(tmp_path, drawn):
    rows = [
        {"data": data, "kind": kind, "layers": layers, "test_mae": 0.2, "interval_low": 0.1, "interval_high": 0.3}
        for data, layers, kind in [("a", 17, "irnet"), ("a", 17, "plain"), ("a", 48, "irnet"), ("b", 17, "srnet")]
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "table_4_2_networks.csv")
    figures.error_against_depth(tmp_path, "eV/atom", {"48": {"irnet": 0.0382}})
    assert list(drawn) == ["fig_4_3.a.png", "fig_4_3.b.png"]
    for picture in drawn.values():
        for part in ("series", "paper", "intervals"):
            assert list(picture[part]) == ["plain", "SRNet", "IRNet"]  # in one order, so in the same colours
    first = drawn["fig_4_3.a.png"]
    assert first["series"]["IRNet"].tolist() == [0.2, 0.2] and first["series"]["plain"].isna().tolist() == [False, True]
    assert first["paper"]["IRNet"].tolist()[1] == 0.0382 and first["intervals"]["IRNet"][1].tolist() == [0.3, 0.3]
