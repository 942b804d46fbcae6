import pytest

from common import networks
from transfer.layers import hidden_layers, resolve_layer


@pytest.fixture(scope="module")
def classifier():
    return networks.build("8x2D-4BARx1-1", 5, dropout_rates=(0.1,), output_activation="sigmoid", name="small")


def test_a_layer_by_name(classifier):
    assert resolve_layer(classifier, "stack1_block2_dense") is classifier.get_layer("stack1_block2_dense")


def test_an_unknown_name_is_refused_with_names_to_take(classifier):
    with pytest.raises(ValueError) as refusal:
        resolve_layer(classifier, "stack1_block3_dense")
    sentence = str(refusal.value)
    for words in ("'small'", "'inputs' to 'probability'", "'stack1_block3_dense'", "closest: ", "stack1_block2_dense"):
        assert words in sentence
    assert "\n" not in sentence
    with pytest.raises(ValueError, match="received 'ABC'.$"):  # nothing is close
        resolve_layer(classifier, "ABC")


def test_hidden_layers_are_in_order_and_leave_the_output_out(classifier):
    names = ["stack1_block1_activation", "stack1_block2_activation", "stack2_block1_activation"]
    assert hidden_layers(classifier) == names
    assert hidden_layers(networks.build("1", 5)) == []
