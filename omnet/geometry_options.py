"""Options of the command line that say where a detector stands."""

from typing import Annotated

import typer

ProjectionCentre = Annotated[
    str | None,
    typer.Option(
        "--pc",
        help="Projection centre x,y,z in Bruker's convention, such as 0.42,0.21,0.50; default: scan's or network's.",
    ),
]
SampleTilt = Annotated[
    float | None, typer.Option("--sample-tilt", help="Tilt of the sample, degrees; default as for --pc.")
]
DetectorTilt = Annotated[
    float | None, typer.Option("--detector-tilt", help="Tilt of the detector, degrees; default as for --pc.")
]


def parse_centre(text: str | None) -> tuple[float, float, float] | None:
    """The three numbers of ``--pc``; ``None`` where it is not given.

    Raises:
        ValueError: If they are not three numbers.
    """
    if text is None:
        return None
    try:
        x, y, z = (float(number) for number in text.split(","))
    except ValueError:
        raise ValueError(f"Expected --pc as three numbers x,y,z such as 0.42,0.21,0.50; received {text!r}.") from None
    return x, y, z
