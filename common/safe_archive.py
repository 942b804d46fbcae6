"""What a ``.keras`` file may hold: the members that Keras writes, layers known by name, plain arrays.

Keras's safe mode is the second lock. Ways around it are found again and again (CVE-2025-1550, CVE-2025-8747,
CVE-2025-9906, CVE-2026-1669): each needs a name in the architecture, or a link in the weights, that no network of this
project has. So both are read here as data, and whatever is not known is refused, before Keras sees the file.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras

MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
WEIGHTS = MEMBERS[2]
LAYERS = """
    Activation Add Average AveragePooling1D AveragePooling2D BatchNormalization Concatenate Conv1D Conv2D Dense Dropout
    ELU Flatten GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D
    GlobalMaxPooling2D InputLayer LayerNormalization LeakyReLU MaxPooling1D MaxPooling2D Multiply Normalization PReLU
    ReLU Rescaling Reshape Softmax SpatialDropout2D Subtract UnitNormalization
"""
INITIALIZERS = """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform Ones Orthogonal RandomNormal
    RandomUniform TruncatedNormal VarianceScaling Zeros
"""
_CLASSES = {
    "keras": frozenset({"DTypePolicy", "Sequential"}),
    "keras.layers": frozenset(LAYERS.split()),
    "keras.initializers": frozenset(INITIALIZERS.split()),
    "keras.regularizers": frozenset({"L1", "L2", "L1L2"}),
    "keras.src.ops.numpy": frozenset({"GetItem"}),  # one frame of several
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.models.sequential": frozenset({"Sequential"}),
    None: frozenset({"__keras_tensor__", "__slice__"}),
}


def check(path: Path) -> None:
    """Refuse a ``.keras`` file that holds anything else than a network of known layers and its weights.

    Raises:
        ValueError: One sentence says what was found.
        zipfile.BadZipFile, OSError, ...: The file is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        names = sorted(member.filename for member in archive.infolist())
        if names != sorted(MEMBERS):
            raise ValueError(f"Expected an archive of {', '.join(MEMBERS)}; received {_few(names)}.")
        # Keras packs nothing: so no member can be larger than the file
        if packed := [member.filename for member in archive.infolist() if member.compress_type != zipfile.ZIP_STORED]:
            raise ValueError(f"Expected members as Keras writes them, not compressed; received {_few(packed)}.")
        contents = {name: archive.read(name) for name in MEMBERS}
    for place in _classes_in(json.loads(contents["config.json"])):
        _check_class(place)
    with h5py.File(io.BytesIO(contents[WEIGHTS]), "r") as file:
        _check_weights(file)


def _classes_in(config: Any) -> Iterator[dict]:
    """Each part of an architecture that names a class or a function."""
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "class_name" in item:
                yield item
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def _check_class(place: dict) -> None:
    module, name, registered = (place.get(key) for key in ("module", "class_name", "registered_name"))
    # one of the project's own, which Keras takes from its register, whatever the module says
    if isinstance(registered, str) and ">" in registered and keras.saving.get_registered_object(registered) is not None:
        return
    if not (isinstance(module, str | None) and isinstance(name, str) and name in _CLASSES.get(module, ())):
        raise ValueError(
            f"Expected layers that are known to be safe; the architecture names {_few([str(module)])}, "
            f"{_few([str(name)])}."
        )


def _check_weights(file: h5py.File) -> None:
    waiting, seen = [file], {h5py.h5o.get_info(file.id).addr}
    while waiting:
        group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"Expected weights in the file itself; {_few([name])} is a link to elsewhere.")
            item = group[name]
            if isinstance(item, h5py.Group):
                address = h5py.h5o.get_info(item.id).addr
                waiting += [item] if address not in seen else []
                seen.add(address)
            elif not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiub" or item.is_virtual:
                raise ValueError(f"Expected weights as plain numbers; {_few([name])} is none.")
            # stored elsewhere (external), packed, or never written: its size is not that of what is there
            elif item.external or item.id.get_storage_size() != item.nbytes:
                raise ValueError(f"Expected weights whole and in the file itself; {_few([name])} is not.")


def _few(names: list[str]) -> str:
    shown = ", ".join(repr(name if len(name) <= 60 else f"{name[:50]}...") for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5:,} more"
