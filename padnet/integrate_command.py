"""``padnet integrate``: frames to 1D patterns."""

from pathlib import Path
from typing import Annotated

import typer

from common.command_line import fail

RECORD = "integrate.csv"


def integrate(
    frames: Annotated[list[Path], typer.Argument(help="Frames: .tif, .gfrm, .npy, or folders.", show_default=False)],
    poni: Annotated[Path, typer.Option(help="Geometry, as pyFAI-calib2 or Dioptas write it (.poni).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the patterns: NAME.csv for NAME.tif.")],
    bins: Annotated[int, typer.Option(min=1, help="Points of each pattern.")] = 2000,
    upside_down: Annotated[
        bool, typer.Option("--upside-down", help="The geometry is of frames with rows reversed, as Dioptas reads them.")
    ] = False,
    polarization: Annotated[
        float | None, typer.Option(min=-1, max=1, help="Polarization factor of the beam; default: no correction.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if any frame has no result.")] = False,
) -> None:
    """Integrate diffraction frames over the azimuth.

    \b
    padnet integrate in/*.tif --poni detector.poni -o out/

    Each pattern is a CSV with the columns two_theta_deg and intensity. Flagged pixels (negative counts, as in the gaps
    of a detector) are left out; bins without pixels are empty. The file integrate.csv in the folder has a row for each
    frame, with the reason where there is no result.

    The same command again does only what is missing.
    """
    import pandas as pd

    from common.fetch import hash_file
    from common.files import write_csv_atomic
    from padnet import integration
    from padnet.frame_batch import run_on_frames
    from padnet.readers import read_frame

    try:
        integrator = integration.load_integrator(poni)
        geometry = hash_file(poni, "sha256")
    except (ValueError, OSError) as error:
        raise fail(error) from error
    settings = f"poni={geometry} bins={bins} upside_down={upside_down} polarization={polarization}"

    def reduce(path: Path, result: Path) -> None:
        image = read_frame(path)[:: -1 if upside_down else 1]
        pattern = integration.integrate(image, integrator, bins, polarization_factor=polarization)
        table = dict(zip(("two_theta_deg", "intensity"), pattern, strict=True))
        write_csv_atomic(result, pd.DataFrame(table))

    run_on_frames(frames, output, reduce, record_name=RECORD, settings=settings, suffix=".csv", strict=strict)
