"""``padnet train``: a network for a detector and a composition spread of one's own."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from common.command_line import fail, note
from common.quiet import native_stderr_silenced

DEFAULT_IMAGE_PX = 256


def train(
    data: Annotated[
        Path,
        typer.Argument(
            help="CSV with the columns file (or file_1, file_2), x, y, label, one an element, and if wanted sample.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option(help="Folder for checkpoint, learning curve and model.keras.")],
    recipe: Annotated[
        str,
        typer.Option(
            help="robust: ours, seconds on 2 cores. paper: the text's network. released: with the faults of the "
            "released code, to see what they do."
        ),
    ] = "robust",
    image_px: Annotated[
        int, typer.Option(min=1, help="Edge of the images that the network sees; frames are binned. Thesis: 2048.")
    ] = DEFAULT_IMAGE_PX,
    inputs: Annotated[
        str, typer.Option(help="Some of image,composition,position; without image it is a control.")
    ] = "image,composition",
    background: Annotated[
        str, typer.Option(help="What images go through first: raw, mf, cs, crbg or poisson.")
    ] = "raw",
    trained_filters: Annotated[
        bool, typer.Option("--trained-filters", help="Train the slope filters too (recipes paper and released).")
    ] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the samples; default: the recipe's.")] = None,
    folds: Annotated[int, typer.Option(min=2, help="One of so many parts is held out to score the network.")] = 10,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="honest: separate validation samples. paper: validation = test. Default: honest, for released paper."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, their order and the parts.")] = 0,
) -> None:
    """Train PADNet on labelled frames, and score it once on samples held out.

    The same command again after an interruption goes on from the last checkpoint in --output.

    \b
    padnet train wafer/data.csv --output runs/mine
    padnet train wafer/data.csv --output runs/control --inputs composition

    One frame a sample takes the widths of the thesis's SLAC network, several those of its NIST network. Score a control
    as well: neighbours on a wafer are so alike that composition or position alone often does as well as an image.
    """
    with native_stderr_silenced():
        import numpy as np

        from common import artifacts, backend
        from padnet.config import RECIPES
        from padnet.evaluation import accuracy
        from padnet.folds import Fold, small_classes, stratified_folds, with_validation
        from padnet.readers import read_samples
        from padnet.train import COLLAPSED, run

        devices = backend.start_devices()

    if recipe not in RECIPES:
        raise fail(f"Expected --recipe {', '.join(RECIPES)}; received {recipe!r}.")
    try:
        config = replace(
            RECIPES[recipe],
            image_px=image_px,
            inputs=tuple(name.strip() for name in inputs.split(",")),
            background=background,
            trainable_filters=trained_filters,
            protocol=protocol or RECIPES[recipe].protocol,
        ).with_training(seed=seed, **({} if epochs is None else {"max_epochs": epochs}))
        dataset, frame_shape = read_samples(data, image_px)
        num_frames = dataset.frames.shape[1]
        config = replace(config, num_frames=num_frames, variant="slac" if num_frames == 1 else "nist")
        for sentence in small_classes(dataset.labels, folds, dataset.class_names):
            note(sentence)
        fold = with_validation(stratified_folds(dataset.labels, folds, seed), dataset.labels, seed)[0]
        if config.protocol == "paper":
            fold = Fold(np.union1d(fold.train, fold.validation), fold.test, fold.test)
        print(
            f"training PADNet, recipe {recipe}, on {devices}; {len(dataset)} samples of {len(dataset.class_names)} "
            "phase regions; started again, an interrupted run goes on"
        )
        result = run(dataset, fold.train, fold.validation, config, output)
        # `padnet classify` is given frames as they are on disk, not binned already as these are.
        result.card["frame_shape"] = list(frame_shape)
        artifacts.save(output / "model.keras", result.predictor.model, result.card)
        predicted = result.predictor.predict(dataset, fold.test).argmax(axis=1)
    except KeyboardInterrupt:
        raise fail(f"interrupted; the same command goes on from the last checkpoint in {output}.") from None
    except (ValueError, RuntimeError, OSError) as error:
        raise fail(error) from error
    if result.training.stopped == COLLAPSED:
        note("the training collapsed: the network has one answer for all samples.")
    label = " (protocol paper: these samples also chose the weights)" if config.protocol == "paper" else ""
    common = np.bincount(dataset.labels[fold.train]).argmax()
    true = dataset.labels[fold.test]
    print(f"accuracy on {len(true)} samples held out: {accuracy(true, predicted):.3f}{label}")
    print(f"  the commonest region of the training samples: {accuracy(true, np.full_like(true, common)):.3f}")
    print(f"model: {output / 'model.keras'}")
