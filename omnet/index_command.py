"""``omnet index``: orientations of the patterns of a real scan."""

from pathlib import Path
from typing import Annotated

import typer

from common.command_line import fail, note, print_summary
from common.quiet import native_stderr_silenced
from omnet.geometry_options import DetectorTilt, ProjectionCentre, SampleTilt, parse_centre


def index(
    scan_file: Annotated[
        Path, typer.Argument(help="HDF5 file of kikuchipy or EDAX OIM, or NORDIF's Pattern.dat.", show_default=False)
    ],
    output: Annotated[Path, typer.Option(help="CSV to write: a row for each point, in the order of the scan.")],
    scan: Annotated[str | None, typer.Option(help="Name of the scan, where the file has several.")] = None,
    method: Annotated[
        str,
        typer.Option(
            help="Where the first orientation comes from. network: the quickest; answers of a low score are tried "
            "again, at last from the dictionary. dictionary: any geometry and size, slower."
        ),
    ] = "network",
    refine: Annotated[
        bool, typer.Option(help="Refine each orientation against simulations, to some 0.1 degrees.")
    ] = True,
    ang: Annotated[Path | None, typer.Option(help="Also write .ang, for OIM, MTEX, orix.")] = None,
    map_file: Annotated[Path | None, typer.Option("--map", help="Also draw the map in IPF colours (PNG).")] = None,
    direction: Annotated[str, typer.Option(help="Sample direction of the map: X, Y or Z.")] = "Z",
    poles: Annotated[Path | None, typer.Option(help="Also draw pole figures of <001>, <011>, <111> (PNG).")] = None,
    pc: ProjectionCentre = None,
    sample_tilt: SampleTilt = None,
    detector_tilt: DetectorTilt = None,
    static: Annotated[
        bool | None,
        typer.Option("--static/--no-static", help="Remove the static background; default: where the file has one."),
    ] = None,
    dynamic: Annotated[bool, typer.Option(help="Remove the dynamic background.")] = True,
    master: Annotated[
        Path | None, typer.Option(help="Master pattern of EMsoft, a cubic phase (m-3m); default: nickel at 20 kV.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="A network of your own (.keras with its .json).")] = None,
    grid_steps: Annotated[
        int, typer.Option(min=10, max=100, help="Fineness of the dictionary: 50 are 41,625 orientations, 100 333,227.")
    ] = 50,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if any point has no orientation.")] = False,
) -> None:
    """Find the crystal orientation at each point of an EBSD scan.

    \b
    omnet index scan.h5 --output orientations.csv
    omnet index scan.h5 --output out.csv --method dictionary --map map.png --poles poles.png --ang out.ang
    omnet index Pattern.dat --output out.csv --pc 0.42,0.21,0.50

    Angles are Bunge's phi1, Phi, phi2 in radians, sample to crystal, in the sample frame of EDAX TSL and kikuchipy. The
    score is the correlation of a pattern with its simulation: those of wrong answers are well below those of their
    neighbours. The confidence is what network or dictionary say of the first orientation.

    The shipped network knows nickel; for another phase give --master and --method dictionary, or --weights.
    The same command again goes on where it was stopped.
    """
    with native_stderr_silenced():
        from common import backend
        from omnet.ang import read_crystal, write_ang
        from omnet.index_run import FROM_FILE, index_scan
        from omnet.indexing import DICTIONARY, NETWORK, IndexingSettings
        from omnet.master_pattern import load_master_pattern
        from omnet.orientation_maps import check_direction, draw_orientation_map, draw_pole_figures
        from omnet.scans import read_scan

        backend.start_devices()

    try:
        check_direction(direction)
        if master is not None and method == NETWORK and weights is None:
            raise ValueError(
                "Expected --weights of a network for the phase of --master, as the shipped one knows nickel alone; "
                f"received neither these nor --method {DICTIONARY}."
            )
        opened = read_scan(scan_file, scan, pc=parse_centre(pc), sample_tilt_deg=sample_tilt, tilt_deg=detector_tilt)
        for text in opened.notes:
            note(text)
        settings = IndexingSettings(
            method, refine, opened.static_background is not None if static is None else static, dynamic, grid_steps
        )
        phase = load_master_pattern(master)
        crystal = read_crystal(phase.source, phase.phase) if ang is not None else None
        table = index_scan(opened, output, settings, master=master, weights=weights, progress=True)
        if ang is not None and crystal is not None:
            write_ang(ang, table, crystal, opened.detector, scan_file.name)
        if (table["status"] == "ok").any():
            if map_file is not None:
                draw_orientation_map(table, map_file, direction)
            if poles is not None:
                draw_pole_figures(table, poles)
    except KeyboardInterrupt:
        raise fail(f"interrupted; the same command goes on with what is missing of {output}.") from None
    except (ValueError, RuntimeError, OSError) as error:
        raise fail(error) from error
    print_summary(table["status"], table["reason"], output)
    if settings.method == NETWORK and (num := int((table["start"] == DICTIONARY).sum())):
        print(f"{num:,} points were indexed from the dictionary: the network's answers had low scores.")
    if FROM_FILE in table and table[FROM_FILE].notna().any():
        print(f"mean disorientation from the orientations in the file: {table[FROM_FILE].mean():.3f} degrees")
    if strict and (table["status"] != "ok").any():
        raise typer.Exit(code=1)
