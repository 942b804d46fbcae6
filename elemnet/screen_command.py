"""``elemnet screen``: candidates far below the convex hull of known phases."""

from pathlib import Path
from typing import Annotated

import typer

from common.command_line import fail, note
from common.quiet import native_stderr_silenced

DEFAULT_KNOWN = ("oqmd", "mp_formation_energy")


def screen(
    output: Annotated[Path, typer.Option(help="Folder for the candidates, tables and pictures.")],
    elements: Annotated[str, typer.Option(help="Symbols with commas, such as Li,K,Na,F,O; default: all 86.")] = "",
    max_atoms: Annotated[int, typer.Option(help="Most atoms in a formula.")] = 10,
    max_elements: Annotated[int, typer.Option(help="Most elements in a formula.")] = 4,
    below_hull: Annotated[
        float, typer.Option(help="Keep what lies at least so many eV/atom below the hull of known phases.")
    ] = 0.2,
    known: Annotated[
        list[str] | None,
        typer.Option(
            help="Known phases: a registered data set, or your CSV with formula and formation_energy_ev_per_atom; "
            "repeat it for several, of which the lowest energy counts. Default: oqmd and mp_formation_energy, or what "
            "stands in for them."
        ),
    ] = None,
    compounds: Annotated[
        Path | None, typer.Option(help="CSV with formulas of real compounds, to be matched with the candidates.")
    ] = None,
    plot: Annotated[
        str,
        typer.Option(help="Draw this system, such as Li-F-O; default: that of the best candidate."),
    ] = "",
    model: Annotated[Path | None, typer.Option(help="A model of your own (.keras with its .json).")] = None,
    share: Annotated[
        str,
        typer.Option(help="Share of the systems, drawn at random: one number, or one for 2, 3, ... elements."),
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw of --share.")] = 0,
    part_size: Annotated[int, typer.Option(min=1, help="Compositions a file; a stop loses at most these.")] = 250_000,
    workers: Annotated[int, typer.Option(min=1, help="Processes; 1 already uses all cores for the network.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask cluster, such as tcp://host:8786.")] = None,
) -> None:
    """Screen compositions A_w B_x C_y D_z for candidates below the convex hull of known phases.

    All 86 elements and 10 atoms give the 446,597,140 compositions of the thesis: hours on a workstation, so begin with
    a few elements or with --share. The same command again goes on where it was stopped.

    \b
    elemnet screen --elements Li,K,Na,F,O --max-atoms 10 --below-hull 0.2 --output out/
    elemnet screen --share 1,0.05,0.002 --output out/
    """
    with native_stderr_silenced():
        from common import backend
        from common.artifacts import ArtifactError
        from common.datasets import CorruptDataError, DataUnavailableError
        from common.elements import ELEMENTS
        from common.tables import TableError, read_text_csv
        from elemnet.composition_space import CompositionSpace
        from elemnet.hulls import load_known
        from elemnet.screening import CAVEAT, Settings
        from elemnet.screening_report import check_system, write_report
        from elemnet.screening_run import ScreeningError
        from elemnet.screening_run import screen as run

        backend.start_devices()

    try:
        symbols = tuple(dict.fromkeys(elements.replace(" ", "").strip(",").split(","))) if elements else ELEMENTS
        space = CompositionSpace(symbols, max_atoms, max_elements, _shares(share, max_elements), seed)
        settings = Settings(space, below_hull, part_size)
        system = tuple(plot.split("-")) if plot else None
        if system is not None:
            check_system(system, space.elements)
        real = None if compounds is None else read_text_csv(compounds, needs=("formula",))["formula"]
        phases = load_known(known or DEFAULT_KNOWN, allow_stand_in=not known)
        for text in phases.notes:
            note(text)
        print(f"{space.num_drawn:,} of {space.num_compositions:,} compositions against {len(phases):,} known phases")
        run(output, settings, phases, model=model, num_workers=workers, scheduler=scheduler, progress=True)
        for line in write_report(output, compounds=real, system=system):
            print(line)
    except KeyboardInterrupt:
        raise fail(f"interrupted; the same command goes on with what is missing in {output}.") from None
    except (
        ArtifactError,
        CorruptDataError,
        DataUnavailableError,
        ScreeningError,
        TableError,
        ConnectionError,
        ModuleNotFoundError,
        ValueError,
        OSError,
    ) as error:
        raise fail(error) from error
    note(CAVEAT)


def _shares(text: str, max_elements: int) -> tuple[float, ...]:
    """The shares of the systems of 2, 3, ... elements; none means all."""
    if not text:
        return ()
    try:
        shares = tuple(float(number) for number in text.split(","))
    except ValueError:
        raise ValueError(f"Expected --share as a number or numbers with commas; received {text!r}.") from None
    return shares * (max_elements - 1) if len(shares) == 1 else shares
