"""The command line of chapter 7: ``padnet train``, ``classify``, ``background`` and ``integrate``."""

import typer

from padnet.background_command import background
from padnet.classify_command import classify
from padnet.integrate_command import integrate
from padnet.train_command import train

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)


@app.callback()
def main() -> None:
    """Phase regions from raw X-ray diffraction images (PADNet)."""


app.command()(train)
app.command()(classify)
app.command()(background)
app.command()(integrate)


if __name__ == "__main__":
    app()
