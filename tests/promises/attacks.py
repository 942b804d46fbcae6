"""Files made to run code, or to read what they should not, when they are loaded; the payload leaves a mark."""

import hashlib
import io
import json
import os
import pickle
import stat
import struct
import zipfile
import zlib
from pathlib import Path

import h5py
import keras
import numpy as np

from common import artifacts

CARD = {key: key for key in artifacts.REQUIRED_CARD_KEYS}
SECRET = b"the secret of another file"


class Payload:
    """Pickled, it makes the mark when it is loaded."""

    def __init__(self, mark: Path):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def pickled(mark: Path) -> bytes:
    return pickle.dumps(Payload(mark))


def with_objects(mark: Path) -> np.ndarray:
    """An array of objects, which NumPy pickles."""
    array = np.empty(1, object)
    array[0] = Payload(mark)
    return array


def tiny_model() -> keras.Model:
    inputs = keras.Input((3,), name="inputs")
    hidden = keras.layers.Dense(2, activation="relu", name="hidden")(inputs)
    return keras.Model(inputs, keras.layers.Dense(1, name="output")(hidden))


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archived(contents: dict, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive of contents by name, or by ZipInfo."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return stream.getvalue()


def write_artifact(path: Path, content: bytes, **card) -> Path:
    """A model and a card that agrees with it, as an attacker would send them."""
    path.write_bytes(content)
    card = CARD | {"sha256": hashlib.sha256(content).hexdigest()} | card
    path.with_suffix(".json").write_text(json.dumps(card))
    return path


def with_layer(contents: dict[str, bytes], part: dict) -> dict[str, bytes]:
    """The archive with another class in the place of its hidden layer."""
    config = json.loads(contents["config.json"])
    layers = config["config"]["layers"]
    layers[1] = {"name": "hidden", "inbound_nodes": layers[1]["inbound_nodes"]} | part
    return contents | {"config.json": json.dumps(config).encode()}


def with_activation(contents: dict[str, bytes], activation: object) -> dict[str, bytes]:
    config = json.loads(contents["config.json"])
    config["config"]["layers"][1]["config"]["activation"] = activation
    return contents | {"config.json": json.dumps(config).encode()}


def callables(mark: Path) -> dict[str, dict]:
    """Parts of an architecture that name something to call, some of which Keras has called in the past."""

    def called(module: str, name: str, *args, **more) -> dict:
        """A layer that is a function: Keras calls layers with what ``inbound_nodes`` says (CVE-2025-1550)."""
        return {
            "module": module,
            "class_name": name,
            "config": {},
            "inbound_nodes": [{"args": args, "kwargs": {}}],
        } | more

    keep = {"trainable": True, "dtype": "float32"}
    return {
        "a function of os": called("os", "makedirs", str(mark)),
        "a program": called("subprocess", "run", ["mkdir", str(mark)]),
        "a built-in": called("builtins", "exec", f"import os; os.mkdir({str(mark)!r})"),
        "a registered name": called("os", "makedirs", str(mark), registered_name="padnet>makedirs"),
        "safe mode off": called("keras.config", "enable_unsafe_deserialization"),
        "a download": called("keras.utils", "get_file", str(mark), Path(__file__).as_uri()),
        "a module": {"module": "antigravity", "class_name": "Dense", "config": keep},
        "a layer of code": {
            "module": "keras.layers",
            "class_name": "TFSMLayer",
            "config": {"filepath": str(mark.parent)},
        },
        "a layer of pickles": {
            "module": "keras.layers",
            "class_name": "TorchModuleWrapper",
            "config": {"module": pickled(mark).hex()},
        },
        "a layer that reads files": {
            "module": "keras.layers",
            "class_name": "StringLookup",
            "config": {"vocabulary": str(mark.parent / "secret.txt")},
        },
        "no name": {"module": ["os"], "class_name": {"a": 1}, "config": {}},
    }


def links(secret: Path) -> dict[str, bytes]:
    """Weights that are elsewhere, or none: HDF5 files that point to others, and one that declares what it lacks."""

    def made(fill) -> bytes:
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            for layer in ("hidden", "output"):
                file.create_group(f"layers/{layer}/vars")
            fill(file, file["layers/hidden/vars"])
        return stream.getvalue()

    def external(_, group):
        group["0"] = h5py.ExternalLink(str(secret), "/")

    def soft(_, group):
        group["0"] = h5py.SoftLink("/layers")

    def storage(_, group):
        group.create_dataset("0", (3, 2), "u1", external=[(str(secret), 0, 6)])

    def virtual(_, group):
        layout = h5py.VirtualLayout((3, 2), "f4")
        layout[:] = h5py.VirtualSource(str(secret), "data", (3, 2))
        group.create_virtual_dataset("0", layout)

    def huge(_, group):
        group.create_dataset("0", (2**40,), "f4")

    def packed(_, group):
        group.create_dataset("0", (2**20,), "f4", compression="gzip", data=np.zeros(2**20))

    def strings(_, group):
        group["0"] = ["text"]

    kinds = (external, soft, storage, virtual, huge, packed, strings)
    return {kind.__name__: made(kind) for kind in kinds}


def bomb(contents: dict[str, bytes], name: str, num_bytes: int = 2**30) -> bytes:
    """The archive with a member of so many zeros, packed a thousandfold."""
    piece = 2**20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(piece)) + packer.flush(zlib.Z_FULL_FLUSH)
    content = block * (num_bytes // piece) + packer.flush()
    data = bytearray(archived({**contents, name: content}))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        start = archive.getinfo(name).header_offset
        directory = archive.start_dir
    while data[directory + 46 :][: len(name)] != name.encode():
        lengths = struct.unpack_from("<HHH", data, directory + 28)
        directory += 46 + sum(lengths)
    for place in (start + 8, directory + 10):
        struct.pack_into("<H", data, place, zipfile.ZIP_DEFLATED)
        struct.pack_into("<I", data, place + 14, num_bytes)
    return bytes(data)


def odd_members(contents: dict[str, bytes]) -> dict[str, bytes]:
    """Archives with more than Keras writes."""
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    above = {
        name: archived({**contents, name: b"escaped"}) for name in ("../../escaped", "/tmp/escaped", "..\\escaped")
    }
    with_npz = {name: content for name, content in contents.items() if not name.endswith(".h5")}
    return above | {
        "a link": archived({**contents, link: b"/etc/passwd"}),
        "NumPy weights": archived(with_npz | {"model.weights.npz": b"anything"}),
        "no weights": archived(with_npz),
        "packed": archived(contents, zipfile.ZIP_DEFLATED),
    }
