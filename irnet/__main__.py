"""The command line of chapter 4: ``irnet train``, ``irnet predict``, ``irnet describe`` and ``irnet fine-tune``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from common.command_line import Interval, fail, left_out_lines, note, print_answers, print_summary
from common.quiet import native_stderr_silenced

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False, help=__doc__)

Processes = Annotated[
    int | None, typer.Option("--processes", min=1, help="Structures at a time; default: one on each core.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with code 1 if any row has no answer.")]
FormulaColumn = Annotated[str, typer.Option(help="Name of the formula column of a CSV table.")]

ANTICIPATED = (ValueError, RuntimeError, OSError)  # the errors of the packages all are one of these


@app.command()
def predict(
    materials: Annotated[
        list[str],
        typer.Argument(help="A folder or file of structures (CIF, POSCAR, JSON lines), a CSV table, or formulas."),
    ],
    model: Annotated[str, typer.Option(help="A variant such as sipfenn_nn24 or irnet_17, or your own NAME.keras.")],
    output: Annotated[Path | None, typer.Option(help="CSV to write; needed for structures and tables.")] = None,
    interval: Interval = None,
    descriptors: Annotated[
        Path | None,
        typer.Option(help="CSV that keeps the 271 attributes of the structures; used again if it is there already."),
    ] = None,
    formula_column: FormulaColumn = "formula",
    processes: Processes = None,
    strict: Strict = False,
) -> None:
    """Predict properties of structures or formulas.

    \b
    irnet predict structures/ --model sipfenn_nn24 --output out.csv --descriptors table.csv
    irnet predict table.csv --model sipfenn_nn24 --output out.csv
    irnet predict NaCl Fe2O3 --model irnet_17 --interval 0.9

    Every structure has a row in the output, in order: name, formula, a column for each target, with --interval a
    lower_ and an upper_ one as well, status and reason. A
    file that cannot be read, disordered sites, atoms that overlap, or an element that the model was not trained on
    cost their own row only. With --descriptors the attributes are computed once and serve any number of models. An
    argument that exists as a file or folder is read as such, never as a formula.
    """
    path = Path(materials[0])
    is_path = len(materials) == 1 and path.exists()
    absent = [text for text in materials if not is_path and _looks_like_a_path(text)]
    if absent:
        raise fail(f"{absent[0]} does not exist; give one existing file or folder, or formulas.")
    if is_path and output is None:
        raise fail("Expected --output FILE.csv for the answers; received none.")
    if descriptors is not None and not is_path:
        raise fail("--descriptors is for structures, not for formulas.")
    with native_stderr_silenced():
        from common import backend
        from common.tables import write_text_csv
        from irnet.predict import load_pretrained, predict_file

        backend.start_devices()

    try:
        if is_path and output is not None:
            answers = predict_file(
                path,
                output,
                model=model,
                interval=interval,
                descriptors=descriptors,
                formula_column=formula_column,
                num_processes=processes,
                progress=True,
            )
            table = answers.table
            if answers.num_reused:
                print(f"attributes of {answers.num_reused:,} structures taken from {descriptors}, not computed again")
        else:
            predictor = load_pretrained(model)
            table = predictor.predict_formulas(materials, interval=interval)
            if output is not None:
                write_text_csv(output, table)
    except ANTICIPATED as error:
        raise fail(error) from error
    if output is None:
        print_answers(table, "formula", {name: name for name in predictor.columns_with(interval)})
    else:
        print_summary(table["status"], table["reason"], output)
    if strict and (table["status"] != "ok").any():
        raise typer.Exit(code=1)


def _looks_like_a_path(text: str) -> bool:
    suffixes = (".cif", ".csv", ".gz", ".json", ".jsonl", ".keras", ".poscar", ".vasp")
    return "/" in text or os.sep in text or text.lower().endswith(suffixes)


@app.command()
def describe(
    structures: Annotated[Path, typer.Argument(help="A folder or file of structures (CIF, POSCAR, JSON lines).")],
    output: Annotated[Path, typer.Option(help="Descriptor table to write (CSV); used again if it is there already.")],
    processes: Processes = None,
    strict: Strict = False,
) -> None:
    """Compute the 271 attributes of structures: 126 of the structure, 145 of its composition.

    \b
    irnet describe structures/ --output table.csv

    The table serves `irnet predict table.csv` and, with a column of targets added, `irnet fine-tune --data table.csv`.
    """
    if not structures.exists():
        raise fail(f"{structures} does not exist; give a folder or file of structures.")
    with native_stderr_silenced():
        import pandas as pd

        from common.structures import read_structures
        from irnet.descriptors import describe_file

    num_reused, statuses = 0, []
    try:
        chunks = describe_file(read_structures(structures), output, num_processes=processes, progress=True)
        for chunk in chunks:
            num_reused += chunk.num_reused
            statuses.append(chunk.to_frame()[["status", "reason"]])
    except ANTICIPATED as error:
        raise fail(error) from error
    table = pd.concat(statuses)
    if num_reused:
        print(f"attributes of {num_reused:,} structures were there already, not computed again")
    print_summary(table["status"], table["reason"], output)
    if strict and (table["status"] != "ok").any():
        raise typer.Exit(code=1)


@app.command()
def train(
    output: Annotated[Path, typer.Option(help="Folder for checkpoint, learning curve and model.keras.")],
    variant: Annotated[
        str, typer.Option(help="plain_17, srnet_24, irnet_48, ..., sipfenn_nn24, or a key in the authors' grammar.")
    ] = "irnet_17",
    data: Annotated[
        str | None,
        typer.Option(
            help="A registered data set of compositions or structures, or your CSV. Default: oqmd_subset, for SIPFENN "
            "mp_structures, or what stands in for it where it cannot be had."
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Column to predict; several times for several. Default: formation_energy_ev_per_atom."),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            help="C: 145 attributes of composition; S: 126 of structure; EF: 86 element fractions; or several, as "
            "S+C. Default: C, for SIPFENN S+C."
        ),
    ] = None,
    classes: Annotated[
        int, typer.Option(min=0, help="Number of classes 0, 1, ... of the target; 0 for a regression.")
    ] = 0,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="paper: the papers' settings. fast: ours, large batch. small: below 20,000 rows. Default: small or "
            "fast, by the number of rows; for SIPFENN paper."
        ),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="honest: validation rows come from training. paper: validation = test.")
    ] = "honest",
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data; default: the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Default: the recipe's.")] = None,
    max_train_rows: Annotated[int | None, typer.Option(min=1, help="Train on a seeded draw of so many rows.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, data order, splits and dropout.")] = 0,
    mixed_precision: Annotated[str | None, typer.Option(help="mixed_bfloat16 or mixed_float16.")] = None,
    xla: Annotated[bool, typer.Option("--xla", help="Compile the training steps with XLA.")] = False,
    mirrored: Annotated[bool, typer.Option("--mirrored", help="Train on all GPUs of this machine.")] = False,
    export: Annotated[Path | None, typer.Option(help="Also save the trained model here (NAME.keras).")] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Also save it where `irnet predict --model VARIANT` finds it.")
    ] = False,
) -> None:
    """Train a network of chapter 4 and score it once on the test rows.

    The same command again after an interruption goes on from the last checkpoint in --output.

    \b
    irnet train --variant irnet_17 --output runs/irnet_17 --install
    irnet train --variant sipfenn_nn24 --output runs/nn24 --install
    irnet train --data my.csv --target band_gap_ev --target volume_per_atom_a3 --output runs/mine
    """
    with native_stderr_silenced():
        from common import artifacts, backend
        from irnet import data as irnet_data
        from irnet.choices import configure
        from irnet.config import VARIANTS
        from irnet.predict import installed_path
        from irnet.train import run

        devices = backend.start_devices()

    if export is not None and export.suffix != ".keras":
        raise fail(f"Expected --export NAME.keras; received {export}.")
    if install and variant not in VARIANTS:
        raise fail(f"--install needs a named variant ({', '.join(VARIANTS)}); for a key of your own use --export.")
    chosen = {
        "data": data,
        "targets": tuple(target) if target else None,
        "num_classes": classes,
        "inputs": inputs,
        "protocol": protocol,
        "max_train_rows": max_train_rows,
    }
    training = {
        "max_epochs": epochs,
        "batch_size": batch_size,
        "seed": seed,
        "mixed_precision": mixed_precision,
        "jit_compile": xla or None,
        "mirrored": mirrored,
    }
    try:
        rows = irnet_data.load(configure(variant, recipe, chosen, training), progress=True)
        config = configure(variant, recipe, chosen, training, num_train_rows=len(rows.train))
        print(f"training {variant}, recipe {config.recipe}, on {devices}; started again, an interrupted run goes on")
        for text in [*rows.loaded.notes, *left_out_lines(rows.counts)]:
            print(text)
        result = run(config, output, data=rows)
        copies = [*([export] if export is not None else []), *([installed_path(variant)] if install else [])]
        for copy in copies:
            artifacts.save(copy, result.predictor.model, result.card)
    except KeyboardInterrupt:
        raise fail(f"interrupted; the same command goes on from the last checkpoint in {output}.") from None
    except ANTICIPATED as error:
        raise fail(error) from error
    label = " (protocol paper: these test rows also chose the weights)" if protocol == "paper" else ""
    num_train, num_test = len(result.data.train), len(result.data.test)
    print(f"{result.data.loaded.name}: {num_train:,} training rows, {num_test:,} test rows{label}")
    for name, report in result.test_report.items():
        if classes:
            print(f"  {name}: accuracy {report['accuracy']:.4f}, balanced accuracy {report['balanced_accuracy']:.4f}")
        else:
            print(f"  {name}: test MAE {report['mae']:.4f}")
    for path in (output / "model.keras", *copies):
        print(f"model: {path}")


@app.command("fine-tune")
def fine_tune(
    model: Annotated[str, typer.Option(help="A variant such as sipfenn_nn24, or your own NAME.keras.")],
    data: Annotated[
        str,
        typer.Option(
            help="Rows with the model's targets: a registered data set; a descriptor table of `irnet describe` with "
            "the targets as columns added; for models of compositions, a CSV with formulas and targets."
        ),
    ],
    export: Annotated[Path, typer.Option(help="File for the continued model (NAME.keras).")],
    held_out: Annotated[
        float,
        typer.Option(min=0.0, max=0.9, help="Share of the rows that is not trained on, to score before and after."),
    ] = 0.2,
    learning_rate_ratio: Annotated[
        float, typer.Option(help="Share of the learning rate of the model's training.")
    ] = 0.1,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the rows.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the rows held out, data order and dropout.")] = 0,
    formula_column: FormulaColumn = "formula",
) -> None:
    """Continue the training of a model on a small new system of materials, at a tenth of its learning rate.

    \b
    irnet describe structures/ --output system.csv     (then add a column of energies to system.csv)
    irnet fine-tune --model sipfenn_nn24 --data system.csv --export sigma_phase.keras
    """
    if export.suffix != ".keras":
        raise fail(f"Expected --export NAME.keras; received {export}.")
    with native_stderr_silenced():
        from common import artifacts, backend
        from irnet.fine_tuning import fine_tune_on_system
        from irnet.predict import load_pretrained
        from irnet.system import load_system

        backend.start_devices()

    try:
        predictor = load_pretrained(model)
        system = load_system(data, predictor, formula_column=formula_column)
        tuned = fine_tune_on_system(
            predictor,
            system,
            held_out=held_out,
            learning_rate_ratio=learning_rate_ratio,
            epochs=epochs,
            seed=seed,
            progress=True,
        )
        artifacts.save(export, tuned.predictor.model, tuned.predictor.card)
    except ANTICIPATED as error:
        raise fail(error) from error
    for reason, count in system.counts.items():
        if count:
            note(f"left out for {reason}: {count:,}")
    print(f"{system.name}: continued on {tuned.num_new:,} rows; model: {export}")
    if tuned.num_held_out:
        errors = f"{tuned.mae_before:.4f} before, {tuned.mae_after:.4f} after"
        print(f"mean absolute error on {tuned.num_held_out:,} rows held out: {errors}")


if __name__ == "__main__":
    app()
