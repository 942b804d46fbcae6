"""The command line of chapter 7: ``padnet train``, ``classify``, ``background``, ``integrate`` and ``simulate``."""

import typer

from padnet.background_command import background
from padnet.classify_command import classify
from padnet.integrate_command import integrate
from padnet.simulate_command import simulate
from padnet.train_command import train

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)


@app.callback()
def main() -> None:
    """Phase regions from raw X-ray diffraction images (PADNet)."""


app.command()(train)
app.command()(classify)
app.command()(background)
app.command()(integrate)
app.command()(simulate)


if __name__ == "__main__":
    app()
