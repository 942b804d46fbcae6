import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_curve

from transfer import figures
from transfer.figures import activation_scatter, roc

RNG = np.random.default_rng(0)


def points(network, num_rows):
    label = np.where(np.arange(num_rows) % 3 == 0, "Magnetic", "Non-magnetic")
    return pd.DataFrame(
        {
            "network": network,
            "component_1": RNG.random(num_rows),
            "component_2": RNG.random(num_rows),
            "label": label,
        }
    )


def curve(network, distance):
    labels = np.arange(500) % 2
    false_positive_rate, true_positive_rate, _ = roc_curve(labels, RNG.normal(size=500) + distance * labels)
    return pd.DataFrame(
        {"network": network, "false_positive_rate": false_positive_rate, "true_positive_rate": true_positive_rate}
    )


POINTS = pd.concat([points("Transfer", 400), points("Scratch", 400)])
CURVES = pd.concat([curve("Transfer", 2.5), curve("Scratch", 1.5)])


def draw_scatter(path):
    return activation_scatter(POINTS, path, title="First hidden layer")


def draw_scatter_of_one(path):
    return activation_scatter(points("Transfer", 6_000).iloc[::-1], path)


def draw_scatter_of_three(path):
    return activation_scatter(pd.concat([POINTS, points("Random", 30)]), path)


def draw_roc(path):
    return roc(CURVES, path, auc_intervals={"Transfer": (0.95, 0.98)}, title="Magnetic or not")


DRAWERS = [draw_scatter, draw_scatter_of_three, draw_roc]


@pytest.mark.parametrize("draw", [*DRAWERS, draw_scatter_of_one], ids=lambda draw: draw.__name__)
def test_pictures_are_whole_and_not_clipped(tmp_path, draw):
    path = draw(tmp_path / "new" / "a.png")
    image = matplotlib.image.imread(path)
    assert image.shape[0] > 600 and image.shape[1] > 600
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])[:, :3]
    assert np.all(border == 1)  # ink at the very edge would mean a label cut off


def test_the_same_table_gives_the_same_bytes(tmp_path):
    for draw in (draw_scatter, draw_roc):
        assert draw(tmp_path / "a.png").read_bytes() == draw(tmp_path / "b.png").read_bytes()


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """The figure in place of its file."""
    monkeypatch.setattr(figures, "save_png", lambda figure, path: figure)
    return tmp_path / "a.png"


def test_points_are_those_of_the_table_in_random_order(drawn):
    one_class_first = POINTS.sort_values("label")
    figure = activation_scatter(one_class_first, drawn)
    assert [axes.get_title() for axes in figure.axes] == ["Transfer", "Scratch"]
    for axes, network in zip(figure.axes, ("Transfer", "Scratch"), strict=True):
        rows = one_class_first[one_class_first["network"] == network]
        (collection,) = axes.collections
        offsets, colours = collection.get_offsets().data, collection.get_facecolors()
        assert sorted(map(tuple, offsets)) == sorted(zip(rows["component_1"], rows["component_2"], strict=True))
        is_magnetic = (colours == colours[np.argmin(offsets[:, 0])]).all(axis=1)
        assert np.count_nonzero(np.diff(is_magnetic)) > 50  # sorted by class it would be 1


def test_a_label_has_one_colour_in_all_panels(drawn):
    figure = activation_scatter(POINTS, drawn)
    colour_of = {}
    for axes, network in zip(figure.axes, ("Transfer", "Scratch"), strict=True):
        rows = POINTS[POINTS["network"] == network].set_index(["component_1", "component_2"])["label"]
        (collection,) = axes.collections
        for offset, colour in zip(collection.get_offsets().data, collection.get_facecolors(), strict=True):
            colour_of.setdefault(rows[tuple(offset)], set()).add(tuple(colour[:3]))
    assert [len(colours) for colours in colour_of.values()] == [1, 1]
    assert colour_of["Magnetic"] != colour_of["Non-magnetic"]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["Magnetic (n = 134)", "Non-magnetic (n = 266)"]


def test_numbers_of_rows_are_left_out_where_networks_differ(drawn):
    figure = activation_scatter(pd.concat([POINTS, points("Random", 30)]), drawn)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Magnetic", "Non-magnetic"]


def test_legend_of_curves_gives_the_area_and_its_interval(drawn):
    table = pd.DataFrame(
        {
            "network": ["Transfer"] * 3 + ["Scratch"] * 2,
            "false_positive_rate": [0, 0, 1, 0, 1],
            "true_positive_rate": [0, 0.9, 1, 0, 1],
        }
    )
    figure = roc(table, drawn, auc_intervals={"Transfer": (0.93, 0.9666)})
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["Transfer: AUC 0.950 (0.930 to 0.967)", "Scratch: AUC 0.500"]


def test_tables_that_cannot_be_drawn_are_refused_and_the_old_picture_kept(tmp_path):
    path = draw_roc(tmp_path / "a.png")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="; label, component_2 missing from"):
        activation_scatter(POINTS.drop(columns=["component_2", "label"]), path)
    with pytest.raises(ValueError, match="table with rows; received none"):
        roc(CURVES.iloc[:0], path)
    with pytest.raises(ValueError, match="finite numbers in component_1 and component_2"):
        activation_scatter(POINTS.assign(component_1=np.nan), path)
    with pytest.raises(ValueError, match="words in network and label; received empty cells"):
        activation_scatter(POINTS.assign(label=None), path)
    with pytest.raises(ValueError, match=r"networks Transfer, Scratch; received also \['Other'\]"):
        roc(CURVES, path, auc_intervals={"Other": (0, 1)})
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
