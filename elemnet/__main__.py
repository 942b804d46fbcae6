"""The command line of ElemNet: ``elemnet train``, ``elemnet predict`` and ``elemnet screen``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from common.command_line import Interval, fail, left_out_lines, note, print_answers, print_summary
from common.quiet import native_stderr_silenced
from elemnet.screen_command import screen

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False, help=__doc__)
app.command()(screen)


@app.command()
def predict(
    formulas: Annotated[list[str] | None, typer.Argument(help="Formulas, such as NaCl Fe2O3 'Ca(OH)2'.")] = None,
    input_file: Annotated[Path | None, typer.Option("--input", help="CSV with a column of formulas.")] = None,
    output_file: Annotated[Path | None, typer.Option("--output", help="CSV to write for --input.")] = None,
    column: Annotated[str, typer.Option(help="Name of the formula column of --input.")] = "formula",
    interval: Interval = None,
    mc_samples: Annotated[
        int, typer.Option(min=0, help="Predict so many times with dropout on; gives mean and standard deviation.")
    ] = 0,
    model: Annotated[Path | None, typer.Option(help="A model of your own (.keras with its .json).")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if any row has no answer.")] = False,
) -> None:
    """Predict formation energies in eV/atom.

    \b
    elemnet predict NaCl Fe2O3
    elemnet predict NaCl Fe2O3 --interval 0.9
    elemnet predict --input in.csv --output out.csv

    The output keeps every row and column of the input and adds formation_energy_ev_per_atom, status and reason; with
    --interval also lower_formation_energy_ev_per_atom and upper_formation_energy_ev_per_atom.
    """
    if bool(formulas) == (input_file is not None):
        raise fail("Give formulas, or a table with --input: one of the two. `elemnet predict --help` has examples.")
    if (input_file is None) != (output_file is None):
        raise fail("--input and --output belong together.")
    with native_stderr_silenced():
        from common import backend
        from common.artifacts import ArtifactError
        from common.tables import TableError
        from elemnet.predict import ENERGY, ENERGY_SD, LOWER, UPPER, load_pretrained, predict_file

        backend.start_devices()

    try:
        if input_file is not None and output_file is not None:
            table = predict_file(
                input_file,
                output_file,
                interval=interval,
                mc_samples=mc_samples,
                model=model,
                column=column,
                progress=True,
            )
        else:
            table = load_pretrained(model).predict(formulas or [], interval=interval, mc_samples=mc_samples)
    except (ArtifactError, TableError, ValueError, OSError) as error:
        raise fail(error) from error
    if mc_samples and (warning := load_pretrained(model).mc_warning):
        note(warning)
    if output_file is None:
        headings = {ENERGY: "formation energy (eV/atom)", LOWER: "lower", UPPER: "upper", ENERGY_SD: "sd"}
        print_answers(table, "formula", headings)
    else:
        print_summary(table["status"], table["reason"], output_file)
    if strict and (table["status"] != "ok").any():
        raise typer.Exit(code=1)


@app.command()
def train(
    output: Annotated[Path, typer.Option(help="Folder for checkpoint, learning curve and model.keras.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="A registered data set, or your CSV with formula and formation_energy_ev_per_atom. "
            "Default: oqmd, or what stands in for it where it cannot be had."
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="paper: Adam 1e-4, batch 32, patience 200 epochs. fast: ours, large batch. small: below 20,000 rows. "
            "Default: small or fast, by the number of rows."
        ),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="honest: validation rows come from training. paper: validation = test.")
    ] = "honest",
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data; default: the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Default: the recipe's.")] = None,
    architecture: Annotated[str | None, typer.Option(help="Key in the authors' grammar; default: 17 layers.")] = None,
    max_train_rows: Annotated[int | None, typer.Option(min=1, help="Train on a seeded draw of so many rows.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, data order, splits and dropout.")] = 0,
    mixed_precision: Annotated[str | None, typer.Option(help="mixed_bfloat16 or mixed_float16.")] = None,
    xla: Annotated[bool, typer.Option("--xla", help="Compile the training steps with XLA.")] = False,
    mirrored: Annotated[bool, typer.Option("--mirrored", help="Train on all GPUs of this machine.")] = False,
    export: Annotated[Path | None, typer.Option(help="Also save the trained model here (NAME.keras).")] = None,
) -> None:
    """Train ElemNet and score it once on the test rows.

    The same command again after an interruption goes on from the last checkpoint in --output.

    \b
    elemnet train --output runs/mine
    elemnet train --data my.csv --recipe paper --output runs/paper
    """
    with native_stderr_silenced():
        from common import artifacts, backend, datasets, networks, training
        from common.checkpoint import CheckpointMismatchError
        from elemnet import data as elemnet_data
        from elemnet.config import RECIPES, ElemNetConfig, recipe_for
        from elemnet.model import dropout_rates_for
        from elemnet.train import run

        devices = backend.start_devices()

    if export is not None and export.suffix != ".keras":
        raise fail(f"Expected --export NAME.keras; received {export}.")
    if recipe is not None and recipe not in RECIPES:
        raise fail(f"Expected --recipe {' or '.join(RECIPES)}; received {recipe!r}.")

    def configured(config: ElemNetConfig) -> ElemNetConfig:
        config = replace(
            config,
            data=data or "oqmd",
            allow_stand_in=data is None,
            protocol=protocol,
            max_train_rows=max_train_rows,
        )
        if architecture:
            rates = dropout_rates_for(architecture, config.dropout_rates)
            config = replace(config, architecture=architecture, dropout_rates=rates)
        chosen = {"max_epochs": epochs, "batch_size": batch_size, "mixed_precision": mixed_precision}
        chosen = {name: value for name, value in chosen.items() if value is not None}
        return config.with_training(
            seed=seed, mirrored=mirrored, jit_compile=xla or config.training.jit_compile, **chosen
        )

    try:
        config = configured(RECIPES[recipe or "fast"])
        rows = elemnet_data.load(config)
        if recipe is None:
            config = configured(recipe_for(len(rows.train)))
        print(f"training ElemNet, recipe {config.recipe}, on {devices}; started again, an interrupted run goes on")
        for text in [*rows.loaded.notes, *left_out_lines(rows.counts)]:
            print(text)
        result = run(config, output, data=rows)
        if export is not None:
            artifacts.save(export, result.predictor.model, result.card)
    except KeyboardInterrupt:
        raise fail(f"interrupted; the same command goes on from the last checkpoint in {output}.") from None
    except (
        artifacts.ArtifactError,
        datasets.CorruptDataError,
        datasets.DataUnavailableError,
        networks.ArchitectureError,
        training.CollapsedTrainingError,
        training.DivergedTrainingError,
        CheckpointMismatchError,
        ValueError,
        RuntimeError,
        OSError,
    ) as error:
        raise fail(error) from error
    label = " (protocol paper: these test rows also chose the weights)" if protocol == "paper" else ""
    print(
        f"{result.data.loaded.name}: {len(result.data.train):,} training rows, test MAE "
        f"{result.test_report['mae']:.4f} eV/atom on {len(result.data.test):,} rows{label}. "
        f"Model: {output / 'model.keras'}"
    )


if __name__ == "__main__":
    app()
