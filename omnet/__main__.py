"""The command line of chapter 6: ``omnet index``, ``omnet train`` and ``omnet fine-tune``."""

import typer

from omnet.index_command import index
from omnet.train_command import fine_tune, train

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)


@app.callback()
def main() -> None:
    """Crystal orientations from EBSD patterns (OMNet)."""


app.command()(index)
app.command()(train)
app.command("fine-tune")(fine_tune)


if __name__ == "__main__":
    app()
