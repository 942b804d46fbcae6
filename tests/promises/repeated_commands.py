"""A child process of `test_promise_08_determinism.py`: the commands of all packages in the working folder, one by one.

    python repeated_commands.py FOLDER_OF_INPUTS

Prints the seconds of each and ends with the exit code of the first that fails.
"""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
NICKEL = ROOT / "omnet" / "bundled" / "nickel_ebsd_small_patterns.h5"


def commands(inputs: Path) -> list[tuple[str, ...]]:
    """Package and arguments; all that they write goes to the working folder."""
    return [
        ("elemnet", "train", "--data", "flla", "--architecture", "16x1D-8x1-1", "--epochs", "2", "--output", "elemnet",
         "--max-train-rows", "400", "--export", "exported/mine.keras"),
        ("elemnet", "predict", "--input", f"{inputs}/names.csv", "--output", "energies.csv",
         "--model", "elemnet/model.keras", "--mc-samples", "3"),
        ("elemnet", "screen", "--elements", "Li,Na,F,O", "--known", f"{inputs}/known.csv", "--below-hull", "0.1",
         "--output", "screening"),
        ("irnet", "describe", f"{inputs}/crystals", "--output", "attributes.csv", "--processes", "1"),
        ("irnet", "train", "--variant", "8BARx1-1", "--data", f"{inputs}/formulas.csv", "--epochs", "2",
         "--inputs", "C+EF", "--output", "irnet"),
        ("irnet", "predict", f"{inputs}/names.csv", "--model", "irnet/model.keras", "--output", "irnet.csv"),
        ("transfer", "fine-tune", "--data", f"{inputs}/formulas.csv", "--source", "elemnet/model.keras",
         "--epochs", "2", "--output", "tuned", "--unknown-elements", "drop"),
        ("omnet", "train", "--hidden-units", "16,8", "--orientations", "1024", "--epochs", "1", "--shape", "20,20",
         "--output", "omnet"),
        ("omnet", "index", str(NICKEL), "--scan", "Scan 1", "--output", "orientations.csv", "--ang", "orientations.ang",
         "--map", "map.png", "--poles", "poles.png"),
        ("padnet", "train", f"{inputs}/wafer/data.csv", "--image-px", "128", "--epochs", "3", "--folds", "4",
         "--output", "padnet"),
        ("padnet", "classify", f"{inputs}/wafer", "--composition", f"{inputs}/wafer/data.csv",
         "--model", "padnet/model.keras", "--output", "classes.csv"),
        ("experiments.chapter3", "table_3_1", "--profile", "smoke", "--results", "results", "--runs", "runs"),
    ]  # fmt: skip


def run(package: str, arguments: tuple[str, ...]) -> int:
    """The exit code of one command."""
    from importlib import import_module

    if package.startswith("experiments."):
        return import_module(package).main(list(arguments))
    try:
        import_module(f"{package}.__main__").app(list(arguments), prog_name=package)
    except SystemExit as ended:
        return ended.code or 0
    return 0


def main() -> int:
    for package, *arguments in commands(Path(sys.argv[1])):
        started = time.process_time()
        code = run(package, tuple(arguments))
        print(f"SECONDS {package} {arguments[0]} {time.process_time() - started:.1f}", flush=True)
        if code:
            print(f"{package} {' '.join(arguments)}: exit code {code}", file=sys.stderr)
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
