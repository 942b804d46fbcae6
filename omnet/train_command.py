"""``omnet train`` and ``omnet fine-tune``: networks for a phase and a detector of one's own."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from common.command_line import fail, note
from common.quiet import native_stderr_silenced
from omnet.geometry_options import DetectorTilt, ProjectionCentre, SampleTilt, parse_centre

if TYPE_CHECKING:
    import numpy as np

    from omnet.config import OMNetConfig
    from omnet.detector import Detector

Output = Annotated[Path, typer.Option(help="Folder for checkpoint, learning curve and model.keras.")]
Export = Annotated[Path | None, typer.Option(help="Also save the trained model here (NAME.keras).")]
Master = Annotated[
    Path | None, typer.Option(help="Master pattern of EMsoft, a cubic phase (m-3m); default: nickel at 20 kV.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of weights, orientations, their order and their noise.")]
ANTICIPATED = (ValueError, RuntimeError, OSError)  # the errors of the packages all are one of these


def train(
    output: Output,
    recipe: Annotated[
        str,
        typer.Option(
            help="fast: ours, some 40 minutes on 2 cores. measured: the same for patterns of a camera. "
            "paper: 207 million parameters, for a GPU."
        ),
    ] = "fast",
    head: Annotated[
        str | None, typer.Option(help="What it predicts: harmonics, quaternion or euler; default: the recipe's.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="mae, mse, mde, mae+mde or mse+mde; default: the recipe's.")] = None,
    disorientation_weight: Annotated[
        float | None, typer.Option(min=0, help="Weight of the disorientation, in degrees, in mae+mde and mse+mde.")
    ] = None,
    hidden_units: Annotated[
        str | None, typer.Option(help="Widths of the dense layers of recipe fast, such as 1024,1024,1024.")
    ] = None,
    orientations: Annotated[
        int | None, typer.Option(min=1, help="Train on so many random orientations; default: the recipe's.")
    ] = None,
    grid_steps: Annotated[
        int | None,
        typer.Option(min=1, help="Train on the dictionary of so many steps instead: 100 are 333,227 orientations."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over them; default: the recipe's.")] = None,
    protocol: Annotated[
        str, typer.Option(help="honest: separate validation orientations. paper: validation = test.")
    ] = "honest",
    master: Master = None,
    shape: Annotated[str | None, typer.Option(help="Rows and columns of the patterns; default: 60,60.")] = None,
    pc: ProjectionCentre = None,
    sample_tilt: SampleTilt = None,
    detector_tilt: DetectorTilt = None,
    seed: Seed = 0,
    mixed_precision: Annotated[str | None, typer.Option(help="mixed_bfloat16 or mixed_float16.")] = None,
    xla: Annotated[bool, typer.Option("--xla", help="Compile the training steps with XLA.")] = False,
    mirrored: Annotated[bool, typer.Option("--mirrored", help="Train on all GPUs of this machine.")] = False,
    export: Export = None,
) -> None:
    """Train OMNet on patterns simulated as it goes, and score it once on 1,000 random orientations.

    The same command again after an interruption goes on from the last checkpoint in --output.

    \b
    omnet train --output runs/mine
    omnet train --master al.h5 --pc 0.50,0.25,0.60 --output runs/al --export al.keras
    omnet train --recipe paper --loss mae+mde --output runs/paper
    """
    _check_export(export)
    with native_stderr_silenced():
        from common import artifacts, backend
        from omnet.config import RECIPES
        from omnet.detector import Detector
        from omnet.master_pattern import load_master_pattern
        from omnet.train import run

        devices = backend.start_devices()

    if recipe not in RECIPES:
        raise fail(f"Expected --recipe {' or '.join(RECIPES)}; received {recipe!r}.")
    if orientations is not None and grid_steps is not None:
        raise fail("Give --orientations or --grid-steps: one of the two.")
    if recipe == "paper" and hidden_units is not None:
        raise fail("Give --hidden-units with --recipe fast: the paper's network has the paper's layers.")
    try:
        config = _with_choices(
            RECIPES[recipe],
            {
                "head": head,
                "loss": loss,
                "disorientation_weight": disorientation_weight,
                "hidden_units": _whole_numbers("--hidden-units", hidden_units),
                "num_train": orientations,
                "grid_steps": grid_steps,
                "protocol": protocol,
                "detector": _moved(Detector(), shape, pc, sample_tilt, detector_tilt),
            },
            {
                "max_epochs": epochs,
                "seed": seed,
                "mixed_precision": mixed_precision,
                "jit_compile": xla or None,
                "mirrored": mirrored,
            },
        )
        if orientations is not None:
            config = replace(config, grid_steps=None)
        print(f"training OMNet, recipe {recipe}, on {devices}; started again, an interrupted run goes on")
        result = run(config, output, master=load_master_pattern(master))
        if export is not None:
            artifacts.save(export, result.predictor.model, result.card)
    except KeyboardInterrupt:
        raise fail(f"interrupted; the same command goes on from the last checkpoint in {output}.") from None
    except ANTICIPATED as error:
        raise fail(error) from error
    label = ", which also chose the weights (protocol paper)" if protocol == "paper" else ""
    card = result.card
    print(
        f"{card['architecture']}, head {card['head']}, loss {card['loss']}: trained on {card['data']['rows_train']:,} "
        f"orientations; disorientations on {len(result.test_deg):,} others{label}:"
    )
    _print_errors({"simulated": result.test_deg})
    _print_models(output, export)


def fine_tune(
    output: Output,
    scan: Annotated[
        Path | None, typer.Option(help="A real scan: HDF5 of kikuchipy or EDAX OIM, or NORDIF's Pattern.dat.")
    ] = None,
    scan_name: Annotated[str | None, typer.Option(help="Name of the scan, where the file has several.")] = None,
    pc: ProjectionCentre = None,
    sample_tilt: SampleTilt = None,
    detector_tilt: DetectorTilt = None,
    weights: Annotated[
        Path | None, typer.Option(help="The network to go on from (.keras); default: that of `omnet index`.")
    ] = None,
    master: Master = None,
    orientations: Annotated[
        int | None, typer.Option(min=1, help="Simulated orientations to see; default: the recipe's, some 3 minutes.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over them; default: 1.")] = None,
    seed: Seed = 0,
    export: Export = None,
) -> None:
    """Move a trained network to another detector and to measured patterns (section 8.2.6).

    It goes on learning on simulated patterns of the new geometry, with noise, gain, background and an uncertain
    projection centre. What is given of the geometry counts instead of what the scan says.

    \b
    omnet fine-tune --scan scan.h5 --output runs/mine --export mine.keras
    omnet index scan.h5 --output orientations.csv --weights mine.keras
    """
    _check_export(export)
    if scan is None and pc is None and sample_tilt is None and detector_tilt is None:
        raise fail("Expected the new geometry: --scan FILE, or --pc, --sample-tilt, --detector-tilt; received none.")
    with native_stderr_silenced():
        from common import artifacts, backend
        from omnet import fine_tuning
        from omnet.config import FINE_TUNE_RECIPE
        from omnet.master_pattern import load_master_pattern
        from omnet.predict import PRETRAINED_MEASURED, load_pretrained
        from omnet.scans import read_scan

        devices = backend.start_devices()

    try:
        start = load_pretrained(weights or PRETRAINED_MEASURED)
        opened = None
        if scan is None:
            detector = _moved(start.detector, None, pc, sample_tilt, detector_tilt)
        else:
            opened = read_scan(
                scan, scan_name, pc=parse_centre(pc), sample_tilt_deg=sample_tilt, tilt_deg=detector_tilt
            )
            detector = opened.detector
            for text in opened.notes:
                note(text)
        recipe = _with_choices(FINE_TUNE_RECIPE, {"num_train": orientations}, {"max_epochs": epochs, "seed": seed})
        print(f"fine-tuning on {devices}; started again, an interrupted run goes on")
        tuned = fine_tuning.fine_tune(
            start, detector, output, scan=opened, master=load_master_pattern(master), recipe=recipe
        )
        if export is not None:
            artifacts.save(export, tuned.result.predictor.model, tuned.result.card)
    except KeyboardInterrupt:
        raise fail(f"interrupted; the same command goes on from the last checkpoint in {output}.") from None
    except ANTICIPATED as error:
        raise fail(error) from error
    errors = {"simulated, before": tuned.before_deg, "simulated, after": tuned.result.test_deg}
    if tuned.scan_before_deg is not None and tuned.scan_after_deg is not None and len(tuned.scan_after_deg):
        errors |= {"scan, before": tuned.scan_before_deg, "scan, after": tuned.scan_after_deg}
    print("disorientations from the simulated orientations, and from those that the scan has, without refinement:")
    _print_errors(errors)
    _print_models(output, export)


def _check_export(export: Path | None) -> None:
    if export is not None and export.suffix != ".keras":
        raise fail(f"Expected --export NAME.keras; received {export}.")


def _with_choices(recipe: "OMNetConfig", chosen: Mapping, training: Mapping) -> "OMNetConfig":
    """A recipe with what the user chose; ``None`` leaves it as it is."""
    config = replace(recipe, **{name: value for name, value in chosen.items() if value is not None})
    return config.with_training(**{name: value for name, value in training.items() if value is not None})


def _moved(
    detector: "Detector", shape: str | None, pc: str | None, sample_tilt: float | None, tilt: float | None
) -> "Detector":
    """A detector with those parts of its geometry replaced that are given."""
    changes: dict[str, Any] = {
        "shape": _whole_numbers("--shape", shape),
        "pc": parse_centre(pc),
        "sample_tilt_deg": sample_tilt,
        "tilt_deg": tilt,
    }
    return replace(detector, **{name: value for name, value in changes.items() if value is not None})


def _whole_numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    """``"60,60"`` -> ``(60, 60)``."""
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(f"Expected {option} as positive whole numbers such as 60,60; received {text!r}.")
    return tuple(int(part) for part in parts)


def _print_errors(errors_deg: "Mapping[str, np.ndarray]") -> None:
    """A table of disorientations, one row a name."""
    from omnet.train import errors_report

    table = Table()
    table.add_column("patterns")
    for heading in ("n", "mean (deg)", "median", "95 %", "largest"):
        table.add_column(heading, justify="right")
    for name, errors in errors_deg.items():
        report = errors_report(errors)
        numbers = (report[key] for key in ("mean_deg", "median_deg", "p95_deg", "max_deg"))
        table.add_row(name, f"{report['n']:,}", *(f"{number:.3f}" for number in numbers))
    Console().print(table)


def _print_models(output: Path, export: Path | None) -> None:
    for path in (output / "model.keras", *([] if export is None else [export])):
        print(f"model: {path}")
