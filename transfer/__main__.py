"""The command line of chapter 5: ``transfer fine-tune``, ``transfer predict`` and ``transfer activations``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from common.command_line import Interval, fail, note, print_answers, print_summary
from common.quiet import native_stderr_silenced

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False, help=__doc__)

Source = Annotated[
    str, typer.Option(help="elemnet (shipped), a variant such as irnet_17, or a .keras file with its card.")
]
ANTICIPATED = (ValueError, RuntimeError, OSError)  # the errors of the packages all are one of these


@app.command("fine-tune")
def fine_tune(
    data: Annotated[
        str,
        typer.Option(help="A registered data set (ssub, jarvis_formation_energy, ...), or your CSV with `formula`."),
    ],
    output: Annotated[Path, typer.Option(help="Folder for checkpoint, test_predictions.csv and model.keras.")],
    source: Source = "elemnet",
    target: Annotated[
        str, typer.Option(help="Column to predict; another than the source's gets a fresh output layer.")
    ] = "formation_energy_ev_per_atom",
    classes: Annotated[
        int, typer.Option(min=0, help="Number of classes 0, 1, ... of the target; 0 for a regression.")
    ] = 0,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="paper: Adam 1e-4, batch 32, patience 200 epochs. fast, small: ours. Default: small below 5,000 "
            "training rows, else fast."
        ),
    ] = None,
    freeze_to: Annotated[
        str | None, typer.Option(help="Keep this layer of the source and all before it, as stack3_block3_dense.")
    ] = None,
    scratch: Annotated[
        bool, typer.Option("--scratch", help="The same network from fresh weights, to compare with.")
    ] = False,
    new_head: Annotated[
        bool, typer.Option("--new-head", help="A fresh output layer, also for the same target.")
    ] = False,
    architecture: Annotated[
        str | None, typer.Option(help="Refuse a source of another architecture than this key or variant.")
    ] = None,
    unknown_elements: Annotated[
        str, typer.Option(help="Rows with elements that the source does not know: error or drop.")
    ] = "error",
    protocol: Annotated[
        str, typer.Option(help="honest: validation rows come from training. paper: validation = test.")
    ] = "honest",
    learning_rate: Annotated[float | None, typer.Option(help="Default: the recipe's.")] = None,
    schedule: Annotated[
        str | None, typer.Option(help="constant, warmup or warmup_cosine; default: the recipe's.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data; default: the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Default: the recipe's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of data order, splits and fresh weights.")] = 0,
) -> None:
    """Continue a trained network on your data and score it once on the test rows.

    The same command again after an interruption goes on from the last checkpoint in --output. Scores are given for all
    test rows, and for those whose composition the source has not seen.

    \b
    transfer fine-tune --data my.csv --output runs/mine
    transfer fine-tune --data ssub --freeze-to stack1_block4_dense --output runs/frozen
    transfer fine-tune --data my.csv --target band_gap_ev --output runs/gap
    transfer fine-tune --data my.csv --scratch --output runs/scratch
    """
    with native_stderr_silenced():
        from common import backend, datasets
        from transfer.config import RECIPES, from_scratch, recipe_for
        from transfer.fine_tune import run

        devices = backend.start_devices()

    if recipe is not None and recipe not in RECIPES:
        raise fail(f"Expected --recipe {' or '.join(RECIPES)}; received {recipe!r}.")
    if scratch and freeze_to:
        raise fail("--scratch has no weights to keep; leave --freeze-to out.")
    chosen = {"learning_rate": learning_rate, "schedule": schedule, "max_epochs": epochs, "batch_size": batch_size}
    try:
        loaded = datasets.load_table(data, targets=(target,), allow_stand_in=False)
        num_train_rows = int((loaded.frame["split"] == "train").sum())
        config = replace(
            RECIPES[recipe] if recipe else recipe_for(num_train_rows),
            frozen_up_to=freeze_to,
            new_head=new_head,
            num_classes=classes,
            architecture=architecture,
            unknown_elements=unknown_elements,
            protocol=protocol,
        )
        config = from_scratch(config) if scratch else config
        config = config.with_training(seed=seed, **{name: value for name, value in chosen.items() if value is not None})
        start = "from scratch" if scratch else f"from {source}"
        print(f"{start}, recipe {config.recipe}, on {devices}; started again, an interrupted run goes on")
        for text in loaded.notes:
            print(text)
        result = run(config, data, output, source=source, target=target, loaded=loaded)
    except KeyboardInterrupt:
        raise fail(f"interrupted; the same command goes on from the last checkpoint in {output}.") from None
    except ANTICIPATED as error:
        raise fail(error) from error
    for reason, count in result.network.card["data"]["left_out"].items():
        if count:
            note(f"left out: {count:,} {reason}")
    label = " (protocol paper: these test rows also chose the weights)" if protocol == "paper" else ""
    print(f"{loaded.name}: {result.network.card['data']['rows_train']:,} training rows{label}")
    for rows, report in result.report.items():
        which = "all test rows" if rows == "all" else "test rows unseen by the source"
        score = f"accuracy {report['accuracy']:.4f}" if classes else f"MAE {report['mae']:.4f}"
        print(f"  {which}: {score} ({report['n']:,} rows)")
    if "unseen_by_source" not in result.report:
        note("what the source has seen is not known, or is all of these rows: no score on unseen ones.")
    print(f"model: {output / 'model.keras'}")


@app.command()
def predict(
    formulas: Annotated[list[str] | None, typer.Argument(help="Formulas, such as NaCl Fe2O3 'Ca(OH)2'.")] = None,
    model: Source = "elemnet",
    input_file: Annotated[Path | None, typer.Option("--input", help="CSV with a column of formulas.")] = None,
    output_file: Annotated[Path | None, typer.Option("--output", help="CSV to write for --input.")] = None,
    column: Annotated[str, typer.Option(help="Name of the formula column of --input.")] = "formula",
    interval: Interval = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if any row has no answer.")] = False,
) -> None:
    """Answers of a fine-tuned network for formulas.

    \b
    transfer predict NaCl Fe2O3 --model runs/mine/model.keras --interval 0.9
    transfer predict --model runs/mine/model.keras --input in.csv --output out.csv
    """
    if bool(formulas) == (input_file is not None):
        raise fail("Give formulas, or a table with --input: one of the two. `transfer predict --help` has examples.")
    if (input_file is None) != (output_file is None):
        raise fail("--input and --output belong together.")
    with native_stderr_silenced():
        from common import backend
        from irnet.predict import answers_for_table
        from transfer.network import load_network

        backend.start_devices()

    try:
        network = load_network(model)
        if input_file is not None and output_file is not None:
            from common.tables import write_text_csv

            table = answers_for_table(network, input_file, column, interval)
            write_text_csv(output_file, table)
        else:
            table = network.predict_formulas(formulas or [], interval=interval)
    except ANTICIPATED as error:
        raise fail(error) from error
    if output_file is None:
        print_answers(table, "formula", {name: name for name in network.columns_with(interval)})
    else:
        print_summary(table["status"], table["reason"], output_file)
    if strict and (table["status"] != "ok").any():
        raise typer.Exit(code=1)


@app.command()
def activations(
    input_file: Annotated[Path, typer.Option("--input", help="CSV with a column of formulas.")],
    output_file: Annotated[Path, typer.Option("--output", help="CSV to write: a row for each formula.")],
    layer: Annotated[
        str | None, typer.Option(help="Layer to read, as stack1_block1_activation; without it the layers are listed.")
    ] = None,
    model: Source = "elemnet",
    column: Annotated[str, typer.Option(help="Name of the formula column of --input.")] = "formula",
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if any row has no answer.")] = False,
) -> None:
    """Activations of a named layer for formulas, as inputs to models of your own (section 8.2.1).

    \b
    transfer activations --input in.csv --output activations.csv --layer stack6_block1_activation
    """
    with native_stderr_silenced():
        import pandas as pd

        from common import backend, tables
        from common.activations import activations as read
        from common.activations import hidden_layers
        from transfer.network import featurize, load_network

        backend.start_devices()

    try:
        network = load_network(model)
        if layer is None:
            raise ValueError(f"Expected --layer, one of {', '.join(hidden_layers(network.model))}.")
        table = tables.read_text_csv(input_file, needs=(column,), reserves=("status", "reason"))
        featurized = featurize(network, table[[column]].rename(columns={column: "formula"}))
        values = read(network.model, network.clipped(featurized.attributes[featurized.ok].astype("float32")), layer)
        names = [f"{layer}_{number}" for number in range(1, values.shape[1] + 1)]
        units = pd.DataFrame(values, index=table.index[featurized.ok], columns=names).reindex(table.index)
        status = pd.Series(featurized.ok, index=table.index).map({True: "ok", False: "error"})
        table = pd.concat([table, units, status.rename("status")], axis=1).assign(reason=featurized.reasons)
        tables.write_text_csv(output_file, table)
    except ANTICIPATED as error:
        raise fail(error) from error
    print_summary(table["status"], table["reason"], output_file)
    if strict and (table["status"] != "ok").any():
        raise typer.Exit(code=1)


if __name__ == "__main__":
    app()
