"""``padnet classify``: class probabilities of raw frames, from a network of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from common.command_line import fail, print_summary
from common.quiet import native_stderr_silenced


def classify(
    images: Annotated[
        Path, typer.Argument(help="Folder of frames (.tif, .gfrm, .npy), or one frame.", show_default=False)
    ],
    model: Annotated[
        Path,
        typer.Option(
            help="Network of `padnet train` (.keras with its .json). None is shipped, as the paper's frames are not "
            "public.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option(help="CSV to write: a row for each sample.")],
    composition: Annotated[
        Path | None,
        typer.Option(
            help="CSV with the columns file (or file_1, file_2) and those the network takes: one an element; x, y."
        ),
    ] = None,
    saliency: Annotated[
        Path | None, typer.Option(help="Folder for a picture of each sample: what its answer rests on.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if any row has no answer.")] = False,
) -> None:
    """Classify raw diffraction frames: the phase region of each, with the probability of every region.

    \b
    padnet train wafer/data.csv --output runs/mine
    padnet classify images/ --model runs/mine/model.keras --composition images/table.csv --output out.csv

    A network answers for the detector, geometry and binning that it was trained on. With --composition the rows are
    those of the CSV; a frame in the folder that none of them names gets a row with that as the reason.

    The same command again does only what is missing of the output.
    """
    with native_stderr_silenced():
        from common import backend
        from padnet.classification import classify_samples, sample_table
        from padnet.predict import load

        backend.start_devices()

    try:
        if not images.exists():
            raise ValueError(f"{images} does not exist; give a folder of frames, or one frame.")
        if output.is_dir():
            raise ValueError(f"Expected a CSV file to write, received the folder {str(output)!r}.")
        if output.resolve() in {path.resolve() for path in (images, composition, model) if path is not None}:
            raise ValueError(f"Expected another file to write than what is read; received {output} for both.")
        predictor = load(model)
        if saliency is not None and "image" not in predictor.config.inputs:
            raise ValueError(f"{model} takes no images, so there is nothing for --saliency to show.")
        samples = sample_table(images, composition, predictor)
        table = classify_samples(samples, images, predictor, output, saliency=saliency, progress=True)
    except KeyboardInterrupt:
        raise fail(f"interrupted; the same command goes on with what is missing of {output}.") from None
    except (ValueError, RuntimeError, OSError) as error:
        raise fail(error) from error
    print_summary(table["status"], table["reason"], output)
    if strict and (table["status"] != "ok").any():
        raise typer.Exit(code=1)
