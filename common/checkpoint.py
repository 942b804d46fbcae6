"""A training's whole state in one ``.npz`` file: written atomically, read without executing anything."""

import json
from pathlib import Path

import numpy as np

from common.files import atomic_path

MAX_CAUSE_CHARACTERS = 300


class CheckpointMismatchError(RuntimeError):
    """The checkpoint belongs to another run, or cannot be read."""


def save(path: Path, *, fingerprint: str, state: dict, arrays: dict[str, list[np.ndarray]]) -> None:
    """Write a checkpoint; a kill at any byte leaves the former one.

    Args:
        path: Ends in ``.npz``.
        fingerprint: Hash of all that has to be the same for a run to be continued.
        state: JSON-ready numbers and rows.
        arrays: Named lists of arrays, such as the variables of model and optimiser.
    """
    header = {"fingerprint": fingerprint, "state": state, "lengths": {k: len(v) for k, v in arrays.items()}}
    flat = {f"{name}_{i}": array for name, group in arrays.items() for i, array in enumerate(group)}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **flat)  # type: ignore[arg-type]


def load(path: Path, *, fingerprint: str) -> tuple[dict, dict[str, list[np.ndarray]]] | None:
    """Read a checkpoint back.

    Returns:
        State and arrays as saved, or ``None`` if there is no checkpoint.

    Raises:
        CheckpointMismatchError: If the file belongs to a run with other settings or rows, or is damaged.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(file["header"].tobytes())
            found, state = header["fingerprint"], header["state"]
            arrays = {name: [file[f"{name}_{i}"] for i in range(length)] for name, length in header["lengths"].items()}
    except Exception as error:  # a damaged zip raises whatever its reader trips over
        cause = ascii(" ".join(str(error).split()))[1:-1][:MAX_CAUSE_CHARACTERS]  # may hold bytes of the file
        raise CheckpointMismatchError(
            f"{path} cannot be read as a checkpoint ({cause}). Delete it to start the run anew."
        ) from error
    if found != fingerprint:
        raise CheckpointMismatchError(
            f"{path} belongs to a run with other settings, seed or data. "
            "Choose another output folder, or delete the file to start anew."
        )
    return state, arrays
