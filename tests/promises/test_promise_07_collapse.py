"""A collapsed training (prediction sd below 1 % of target sd) fails loudly.

Trainings are led into a collapse by what really causes it: weights that are all zero, a learning rate that kills every
unit, inputs that never vary, penalties and decay of the weights. The commands then have to end with an error, and
without a model that looks finished.
"""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from common import networks, training
from common.training import CollapsedTrainingError, TrainingConfig
from tests.promises.small_inputs import save_network, write_formulas, write_wafer

LETHAL = 1e4  # a learning rate, with a limit on the gradient so that the weights stay finite
CONFIG = TrainingConfig(learning_rate=1e-3, batch_size=16, max_epochs=3, patience_epochs=None)


# ------------------------------------------------------------------------------------------------- the training engine


def rows_of(seed: int, num: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.random((num, 5)).astype(np.float32)
    return x, (x @ rng.normal(size=5) - 2).astype(np.float32)


def zero_weights(model, rows, config):
    model.set_weights([np.zeros_like(weights) for weights in model.get_weights()])
    return model, rows, config


def dead_units(model, rows, config):
    weights = model.get_weights()
    weights[1] -= 100  # no input of the first layer is above 0 any more
    model.set_weights(weights)
    return model, rows, config


def lethal_rate(model, rows, config):
    return model, rows, replace(config, learning_rate=LETHAL, gradient_norm_limit=1.0, optimizer="sgd")


def constant_inputs(model, rows, config):
    return model, (np.full_like(rows[0], 0.5), rows[1]), config


def penalty(model, rows, config):
    return model, rows, replace(config, l2=1e3, learning_rate=0.1, max_epochs=30, restore_best=False)


FAULTS = (zero_weights, dead_units, lethal_rate, constant_inputs, penalty)


def collapse(fault, seed: int, folder=None, num_validation: int = 20):
    model, (x, y), config = fault(networks.build("16x2-8x1-1", 5, seed=seed), rows_of(seed), CONFIG)
    validation = x[:num_validation], y[:num_validation]
    return training.fit(model, (x, y), validation, config, folder=folder, progress=False)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_collapse_is_never_handed_over(fault, faults):
    for seed in range(2):
        with faults.inject(), pytest.raises(CollapsedTrainingError, match="The training collapsed.*Lower the learning"):
            collapse(fault, seed)


def test_a_single_validation_row_does_not_hide_it(faults):
    """One row has no spread to compare with; the training rows have."""
    for fault in (zero_weights, constant_inputs):
        with faults.inject(), pytest.raises(CollapsedTrainingError):
            collapse(fault, 0, num_validation=1)


def test_the_same_training_again_is_not_taken_for_finished(tmp_path, faults):
    for _ in range(2):  # the second time from the checkpoint of the first
        with faults.inject(), pytest.raises(CollapsedTrainingError):
            collapse(zero_weights, 0, folder=tmp_path)


def test_weak_but_sound_networks_are_not_refused():
    model, rows, config = networks.build("16x2-8x1-1", 5, seed=0), rows_of(0), replace(CONFIG, max_epochs=1)
    assert training.fit(model, rows, (rows[0][:1], rows[1][:1]), config, progress=False).stopped == "max_epochs"


# ---------------------------------------------------------------------------------------------------------- commands


def lethal(recipe):
    """A recipe whose weights decay to nothing within a step."""
    return recipe.with_training(optimizer="adamw", learning_rate=1e-4, weight_decay=1e4, schedule="constant")


@pytest.fixture(scope="module")
def formulas(tmp_path_factory):
    return write_formulas(tmp_path_factory.mktemp("formulas") / "formulas.csv")


@pytest.fixture(scope="module")
def wafer(tmp_path_factory):
    return write_wafer(tmp_path_factory.mktemp("data") / "wafer")


@pytest.fixture
def fails_loudly(tmp_path, faults):
    """Checks that a command refuses, also when given again, and leaves nothing that could be taken for a model."""

    def check(app, *arguments, times=1):
        folder, exported = tmp_path / "run", tmp_path / "exported.keras"
        command = [*map(str, arguments), "--output", str(folder)]
        if "--export" in command:
            command.insert(command.index("--export") + 1, str(exported))
        for _ in range(times):
            result = CliRunner().invoke(app, command)
            with faults.inject():
                lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
                assert result.exit_code == 2 and isinstance(result.exception, SystemExit), result.output
                assert len(lines) == 1 and "The training collapsed" in lines[0], result.output
                assert "Traceback" not in result.output and "MAE" not in result.stdout
                assert "accuracy" not in result.stdout and not exported.exists()
                assert {path.name for path in folder.iterdir()} <= {"checkpoint.npz", "history.csv"}

    return check


def test_elemnet(fails_loudly, formulas, monkeypatch):
    from elemnet import config
    from elemnet.__main__ import app

    monkeypatch.setitem(config.RECIPES, "small", lethal(config.RECIPES["small"]))
    arguments = ("--data", formulas, "--architecture", "16x2-1", "--recipe", "small", "--epochs", 2, "--export")
    fails_loudly(app, "train", *arguments, times=2)


def test_irnet(fails_loudly, formulas, monkeypatch):
    from irnet import config
    from irnet.__main__ import app

    monkeypatch.setitem(config.RECIPES, "small", lethal(config.RECIPES["small"]))
    arguments = ("--data", formulas, "--variant", "16x2-1", "--inputs", "EF", "--recipe", "small", "--export")
    fails_loudly(app, "train", *arguments, "--epochs", 2)


def test_transfer(fails_loudly, formulas, tmp_path, monkeypatch):
    from transfer import config
    from transfer.__main__ import app

    monkeypatch.setitem(config.RECIPES, "small", lethal(config.RECIPES["small"]))
    arguments = ("--source", save_network(tmp_path / "source.keras"), "--data", formulas, "--epochs", 2)
    fails_loudly(app, "fine-tune", *arguments, "--recipe", "small")


def test_omnet(fails_loudly, monkeypatch):
    from omnet import config
    from omnet.__main__ import app

    monkeypatch.setitem(config.RECIPES, "fast", lethal(config.RECIPES["fast"]))
    arguments = ("--hidden-units", "16,16", "--orientations", 512, "--shape", "20,20", "--epochs", 1)
    fails_loudly(app, "train", *arguments)


@pytest.mark.parametrize("inputs", ["image", "composition"])
def test_padnet(fails_loudly, wafer, monkeypatch, inputs):
    from padnet import config
    from padnet.__main__ import app

    monkeypatch.setitem(config.RECIPES, "robust", lethal(config.RECIPES["robust"]))
    fails_loudly(app, "train", wafer, "--image-px", 128, "--folds", 4, "--epochs", 2, "--inputs", inputs)


def test_frames_that_never_vary_are_no_training_set(wafer, faults):
    from padnet.config import ROBUST_RECIPE
    from padnet.readers import read_samples
    from padnet.train import run

    dataset = read_samples(wafer)[0]
    blank = dataset.with_frames(np.repeat(dataset.frames[:1], len(dataset), axis=0))
    config = replace(ROBUST_RECIPE, image_px=128, inputs=("image",)).with_training(max_epochs=2)
    with faults.inject(), pytest.raises(ValueError, match="images that differ between samples; all 20 to train on"):
        run(blank, np.arange(12), np.arange(12, 20), config, progress=False)


def test_a_reproduction_that_collapses_says_so_in_print_and_on_its_card(wafer, tmp_path, monkeypatch, faults):
    """What the released code comes to where it is blind is a result, never a silent one."""
    from common import artifacts
    from padnet import config
    from padnet.__main__ import app

    monkeypatch.setitem(config.RECIPES, "paper", lethal(config.RECIPES["paper"]))
    arguments = ("--recipe", "paper", "--inputs", "composition", "--image-px", 128, "--folds", 4, "--epochs", 2)
    with faults.inject():
        result = CliRunner().invoke(app, ["train", str(wafer), *map(str, arguments), "--output", str(tmp_path)])
        assert result.exit_code == 0 and "the training collapsed" in result.stderr, result.output
        assert artifacts.load(tmp_path / "model.keras").card["metrics"]["stopped"] == "collapsed"


def test_a_fold_that_collapses_is_a_failure_of_the_comparison(tmp_path, formulas, faults):
    from common.datasets import load_user_file
    from transfer import comparison
    from transfer.config import SMALL_RECIPE
    from transfer.data import load
    from transfer.network import load_network

    source = str(save_network(tmp_path / "source.keras"))
    data = load(load_network(source), "formulas.csv", loaded=load_user_file(formulas))
    job = comparison.Job(
        "transfer", lethal(SMALL_RECIPE).with_training(max_epochs=1), source, data, data.split, "1 of 1", {}
    )
    with faults.inject():
        trained, failures = comparison.train_all([job], tmp_path / "runs", num_processes=1)
        assert trained == [] and len(failures) == 1 and "The training collapsed" in failures[0]
        assert not list(tmp_path.rglob("answers.npz"))
