"""``padnet background``: frames without their background."""

from pathlib import Path
from typing import Annotated

import typer

from common.command_line import fail

RECORD = "background.csv"


def background(
    frames: Annotated[list[Path], typer.Argument(help="Frames: .tif, .gfrm, .npy, or folders.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results, named as the frames are.")],
    method: Annotated[
        str,
        typer.Option(
            help="cs: less the smoothed minimum. mf: less the minimum. poisson: less the mean background of counts, "
            "which minima underestimate. crbg: the ratios of the released code."
        ),
    ] = "cs",
    size: Annotated[
        int | None,
        typer.Option(min=1, help="Width of the filters in pixels. [default: 200 at 2,048 pixels, in proportion]"),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if any frame has no result.")] = False,
) -> None:
    """Remove the background of diffraction frames.

    \b
    padnet background in/*.tif -o out/
    padnet background in/ -o out/ --method poisson --size 100

    Results are in the format of the frames: TIF and NumPy as float32, GFRM as 2^24 steps between the lowest and the
    highest. Flagged pixels (negative counts, as in the gaps of a detector) become 0. The file background.csv in the
    folder has a row for each frame, with the reason where there is no result.

    The same command again does only what is missing.
    """
    from padnet.background import BACKGROUNDS, background_size_px
    from padnet.frame_batch import run_on_frames
    from padnet.readers import fill_flagged, flagged_pixels, read_frame
    from padnet.writers import write_frame

    methods = [name for name in BACKGROUNDS if name != "raw"]
    if method not in methods:
        raise fail(f"Expected --method {', '.join(methods)}; received {method!r}.")

    def remove(path: Path, result: Path) -> None:
        frame = read_frame(path)
        size_px = background_size_px(frame.shape) if size is None else size
        corrected = BACKGROUNDS[method](fill_flagged(frame), size_px)
        corrected[flagged_pixels(frame)] = 0
        write_frame(result, corrected, like=path)

    settings = f"method={method} size_px={'in proportion' if size is None else size}"
    run_on_frames(frames, output, remove, record_name=RECORD, settings=settings, strict=strict)
