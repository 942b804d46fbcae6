"""``padnet simulate``: frames to try everything with, as no measured ones are public."""

from pathlib import Path
from typing import Annotated

import typer

from common.command_line import fail

DETECTORS = ("slac", "nist")


def simulate(
    output: Annotated[Path, typer.Argument(help="Folder for frames, samples.csv and *.poni.", show_default=False)],
    detectors: Annotated[str, typer.Option(help="slac: one frame a sample; nist: two, at 25 and 45 degrees.")] = "slac",
    image_px: Annotated[int, typer.Option("--image-px", min=8, help="Edge of the frames; a divisor of 2048.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Of the films and all noise.")] = 0,
) -> None:
    """Simulate frames of the thesis's Sn-Ti-Zn-O wafer at its 177 places.

    \b
    padnet simulate wafer/
    padnet train wafer/samples.csv --output runs/wafer

    Compositions, films and noise are assumed; images tell the labels better than measured ones need to. The column
    origin of samples.csv keeps that with everything made from it.
    """
    from padnet.geometry import NIST_25, NIST_45, SLAC
    from padnet.simulator import simulate_wafer
    from padnet.writers import write_folder

    if detectors not in DETECTORS:
        raise fail(f"Expected --detectors {' or '.join(DETECTORS)}; received {detectors!r}.")
    geometries = (SLAC,) if detectors == "slac" else (NIST_25, NIST_45)
    try:
        wafer = simulate_wafer(geometries, image_px, seed)
        path = write_folder(wafer, output, progress=True)
        for geometry in geometries:
            geometry.resized(image_px).write_poni(output / f"{geometry.name.replace(' ', '_').lower()}.poni")
    except (ValueError, OSError) as error:
        raise fail(error) from error
    print(f"{wafer.name} (simulated): {len(wafer)} samples of {len(wafer.class_names)} phase regions in {path}")
