import pytest

from experiments.paper_values import paper_value


def test_known_figures():
    # Thesis Table 3.2, section 3.3 and Table 4.2.
    assert paper_value("chapter3", "table_3_2", "ElemNet, element fractions", "mae") == 0.050
    assert paper_value("chapter3", "dataset", "folds") == 10
    assert paper_value("chapter4", "table_4_2_design_problem", "48", "irnet") == 0.0382
    assert paper_value("chapter3", "fig_3_3", "train_sizes", 1) == 230960


def test_figures_are_consistent_with_one_another():
    data = paper_value("chapter3", "dataset")
    assert data["binary"] + data["ternary"] + data["four_to_seven_elements"] == data["after_cleaning"]
    assert data["train_per_fold"] + data["test_per_fold"] == data["after_cleaning"]


def test_a_wrong_key_names_the_valid_ones():
    with pytest.raises(KeyError, match=r"no paper value 'chapter9' in the table; expected one of \['chapter3'"):
        paper_value("chapter9")
    with pytest.raises(KeyError, match=r"in chapter3 > fig_3_4; expected one of \['mae'"):
        paper_value("chapter3", "fig_3_4", "rmse")
    with pytest.raises(KeyError, match=r"expected one of \[0, 1\]"):
        paper_value("chapter3", "fig_3_3", "train_sizes", -1)
    with pytest.raises(KeyError, match="is the figure 0.05 itself"):
        paper_value("chapter3", "fig_3_4", "mae", "mean")


def test_callers_cannot_change_the_table():
    paper_value("chapter3", "fig_3_4")["mae"] = 0
    assert paper_value("chapter3", "fig_3_4", "mae") == 0.050
