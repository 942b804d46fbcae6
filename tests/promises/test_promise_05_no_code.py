"""Nothing that is loaded can execute code.

Each attack has a payload that leaves a mark where it runs; the first tests show that the payloads do run where nothing
is in their way. What a cluster's scheduler or worker sends is not loaded from a file: Dask trusts whom it connects to.
"""

import io
import json
import pickle
import tracemalloc
from contextlib import suppress

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from common import artifacts, checkpoint, results, splits
from common.artifacts import ArtifactError
from common.checkpoint import CheckpointMismatchError
from common.features import ward2017
from common.structure_formats import StructureFormatError, from_cif, from_json, from_poscar
from common.structures import StructuresError, read_structures
from common.tables import TableError, read_text_csv
from elemnet.__main__ import app
from elemnet.screening_run import KNOWN, read_known
from omnet.master_pattern import load_master_pattern
from omnet.pattern_file import PatternFile
from omnet.scans import read_scan
from padnet.integration import load_integrator
from padnet.readers import FrameError, read_frame
from tests.promises import attacks


@pytest.fixture
def mark(tmp_path):
    """Where a payload leaves its mark."""
    return tmp_path / "mark"


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """The members of a model that is as it should be."""
    path = tmp_path_factory.mktemp("model") / "good.keras"
    artifacts.save(path, attacks.tiny_model(), attacks.CARD)
    artifacts.load(path)
    return attacks.members(path)


def refusal(path) -> str:
    with pytest.raises(ArtifactError) as caught:
        artifacts.load(path)
    message = str(caught.value)
    assert message.isprintable() and len(message) < 2000
    return message


# ------------------------------------------------------------------------------------------------------------- models


def with_lambda():
    """A model with the code of a function in it; it runs once as it is made."""
    inputs = keras.Input((3,), name="inputs")
    layer = keras.layers.Lambda(lambda x: (__import__("os").makedirs(__import__("os").environ["MARK"]), x)[1])
    return keras.Model(inputs, layer(inputs))


def test_a_layer_of_code_runs_unless_it_is_refused(tmp_path, mark, monkeypatch, faults):
    monkeypatch.setenv("MARK", str(mark))
    stream = tmp_path / "lambda.keras"
    with_lambda().save(stream)
    mark.rmdir()
    keras.saving.load_model(stream, compile=False, safe_mode=False)
    assert mark.exists()  # the payload is live
    mark.rmdir()
    path = attacks.write_artifact(tmp_path / "evil.keras", stream.read_bytes())
    with faults.inject():
        assert "Lambda" in refusal(path) and not mark.exists()
    contents = attacks.members(path)
    code = json.loads(contents["config.json"])["config"]["layers"][1]["config"]["function"]
    good = attacks.members(artifacts.save(tmp_path / "good.keras", attacks.tiny_model(), attacks.CARD))
    with faults.inject():
        assert "__lambda__" in refusal(
            attacks.write_artifact(path, attacks.archived(attacks.with_activation(good, code)))
        )
        assert not mark.exists()


def test_an_architecture_names_no_callables(tmp_path, mark, contents, faults):
    (tmp_path / "secret.txt").write_bytes(attacks.SECRET)
    for name, part in attacks.callables(mark).items():
        as_function = {"module": part["module"], "class_name": "function", "registered_name": None}
        as_function["config"] = part["class_name"]
        for evil in (
            attacks.with_layer(contents, part),
            attacks.with_activation(contents, part),
            attacks.with_activation(contents, as_function),
        ):
            path = attacks.write_artifact(tmp_path / "evil.keras", attacks.archived(evil))
            with faults.inject():
                message = refusal(path)
                assert "known to be safe" in message, name
                assert not mark.exists() and attacks.SECRET.decode() not in message


def test_an_archive_holds_what_keras_writes_and_nothing_else(tmp_path, contents, faults):
    for name, evil in attacks.odd_members(contents).items():
        folder = tmp_path / "a" / "b"
        folder.mkdir(parents=True, exist_ok=True)
        path = attacks.write_artifact(folder / "evil.keras", evil)
        with faults.inject():
            assert "Expected" in refusal(path), name
            assert sorted(item.name for item in tmp_path.rglob("*")) == ["a", "b", "evil.json", "evil.keras"]


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_an_archive_of_a_gigabyte_of_nothing_takes_no_memory(tmp_path, contents, member, faults):
    content = attacks.bomb(contents, member)
    assert len(content) < 2_000_000
    path = attacks.write_artifact(tmp_path / "bomb.keras", content)
    tracemalloc.start()
    try:
        with faults.inject():
            assert "not compressed" in refusal(path)
            assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_weights_are_in_the_file_itself(tmp_path, contents, faults):
    import h5py

    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["data"] = np.frombuffer(attacks.SECRET[:24], np.float32).reshape(3, 2)
    for name, weights in attacks.links(secret).items():
        path = tmp_path / "evil.keras"
        attacks.write_artifact(path, attacks.archived(contents | {"model.weights.h5": weights}))
        with faults.inject():
            assert "Expected weights" in refusal(path), name


# -------------------------------------------------------------------------------------------------------------- cards

HOSTILE_CARDS = {
    "nested": "[" * 1_000_000,
    "nested within": '{"name": ' * 200_000,
    "a long number": '{"name": ' + "9" * 100_000 + "}",
    "not text": b"\xff\xfe\x00{",
    "a list": "[1]",
    "a class": '{"py/object": "os.system", "@module": "os", "@class": "system"}',
}


@pytest.mark.parametrize("name", HOSTILE_CARDS)
def test_a_hostile_card_is_refused(tmp_path, contents, name, faults):
    path = attacks.write_artifact(tmp_path / "evil.keras", attacks.archived(contents))
    card = HOSTILE_CARDS[name]
    path.with_suffix(".json").write_bytes(card if isinstance(card, bytes) else card.encode())
    with faults.inject():
        assert "card" in refusal(path)


@pytest.mark.parametrize("elements", [None, 5, {"Na": 1e999}, [["Na"]], "x" * 50])
def test_a_card_of_other_kinds_is_refused_in_one_sentence(tmp_path, contents, elements, refused, faults):
    path = attacks.write_artifact(tmp_path / "evil.keras", attacks.archived(contents), elements=elements, training=[])
    result = CliRunner().invoke(app, ["predict", "NaCl", "--model", str(path)])
    with faults.inject():
        refused(result)


def test_what_a_card_says_cannot_steer_the_terminal(tmp_path, contents, refused, faults):
    path = attacks.write_artifact(
        tmp_path / "evil.keras", attacks.archived(contents), sha256="\x1b]0;owned\x07\x1b[2J\r\u202eok\n[red]"
    )
    result = CliRunner().invoke(app, ["predict", "NaCl", "--model", str(path)])
    with faults.inject():
        refused(result, "damaged", "[red]")
        assert result.stderr.rstrip("\n").isprintable()


# ------------------------------------------------------------------------------------------- pickles under other names

READERS = {
    "state.npz": (lambda path: checkpoint.load(path, fingerprint="f"), CheckpointMismatchError),
    "model.keras": (artifacts.load, ArtifactError),
    "frame.npy": (read_frame, FrameError),
    "frame.tif": (read_frame, FrameError),
    "frame.gfrm": (read_frame, FrameError),
    "dictionary.npy": (lambda path: PatternFile(path, (1, 2, 2), "hash").complete(None), ValueError),
    "master.h5": (load_master_pattern, ValueError),
    "scan.h5": (read_scan, ValueError),
    "result.json": (results.read, ValueError),
    "split.json": (splits.load_ids, ValueError),
    "table.csv": (read_text_csv, TableError),
    "table.csv.gz": (read_text_csv, TableError),
    "detector.poni": (load_integrator, ValueError),
    KNOWN: (lambda path: read_known(path.parent), ValueError),
}


def write_beside(path):
    """What a reader needs beside the file, to come as far as the file itself."""
    if path.name == "dictionary.npy":
        path.with_name("dictionary.npy.json").write_text('{"settings_hash": "hash", "num_done": 1}')
    elif path.suffix == ".keras":
        attacks.write_artifact(path, path.read_bytes())


def test_a_pickle_runs_where_it_is_unpickled(mark):
    pickle.loads(attacks.pickled(mark))
    assert mark.exists()


@pytest.mark.parametrize("name", READERS)
def test_a_renamed_pickle_is_no_file_of_that_kind(tmp_path, mark, name, faults):
    read, expected = READERS[name]
    path = tmp_path / name
    path.write_bytes(attacks.pickled(mark))
    write_beside(path)
    with faults.inject():
        with pytest.raises(expected):
            read(path)
        assert not mark.exists()


@pytest.mark.parametrize("name", ["state.npz", "frame.npy", "dictionary.npy"])
def test_numpy_files_hold_no_objects(tmp_path, mark, name, faults):
    read, expected = READERS[name]
    path = tmp_path / name
    objects = attacks.with_objects(mark)
    if name.endswith(".npz"):
        header = {"fingerprint": "f", "state": {}, "lengths": {"model": 1}}
        np.savez(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8), model_0=objects)
    else:
        np.save(path, objects.reshape(1, 1), allow_pickle=True)
    write_beside(path)
    with faults.inject():
        with pytest.raises(expected, match="allow_pickle|Python objects|object"):
            read(path)
        assert not mark.exists()
    with np.load(path, allow_pickle=True) if name.endswith("z") else io.BytesIO() as file:  # the payload is live
        if name.endswith("z"):
            file["model_0"]
            assert mark.exists()


def test_a_cache_of_attributes_holds_no_objects(tmp_path, mark, faults):
    path = tmp_path / "chunk.npz"
    for content in (attacks.pickled(mark), None):
        if content is None:
            np.savez(path, attributes=np.zeros((1, len(ward2017.LABELS))), reasons=attacks.with_objects(mark))
        else:
            path.write_bytes(content)
        with faults.inject():
            assert ward2017._read(path, 1) is None and not mark.exists()


# ---------------------------------------------------------------------------------------------------------- structures

CIF = """data_x
_cell_length_a 3
_cell_length_b 3
_cell_length_c 3
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
{lines}
loop_
_symmetry_equiv_pos_as_xyz
'{operation}'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na1 Na 0 0 0
"""


def test_texts_of_structures_are_not_evaluated(tmp_path, mark, faults):
    call = f"__import__('os').mkdir('{mark}')".replace("'", '"')
    magnetic = (  # CVE-2024-23346
        "_space_group_magn.number_BNS 62.448\n_space_group_magn.name_BNS \"P n' m a'\"\n"
        f"_space_group_magn.transform_BNS_Pp_abc '{call},b,c;0,0,0'"
    )
    texts = {
        "a.cif": CIF.format(lines="", operation=call),
        "b.cif": CIF.format(lines=magnetic, operation="x,y,z"),
        "POSCAR": f"{call}\n{call}\n1 0 0\n0 1 0\n0 0 1\nNa\n1\nDirect\n0 0 0\n",
        "d.json": json.dumps({"@module": "os", "@class": "mkdir", "path": str(mark), "species": [call]}),
    }
    for name, text in texts.items():
        read = {"a.cif": from_cif, "b.cif": from_cif, "POSCAR": from_poscar, "d.json": from_json}[name]
        with faults.inject():
            try:
                read(text)  # a field that nobody needs may be passed over
            except StructureFormatError as error:
                assert str(error).isprintable()
            (tmp_path / name).write_text(text)
            with suppress(StructuresError):
                list(read_structures(tmp_path / name))
            assert not mark.exists()


# --------------------------------------------------------------------------------------------------------------- links


def test_a_link_in_a_folder_of_runs_neither_is_read_nor_lost(tmp_path, faults):
    """A run folder from elsewhere may have a link for a checkpoint: what it points to is no checkpoint, and stays."""
    outside = tmp_path / "outside.txt"
    outside.write_bytes(attacks.SECRET)
    folder = tmp_path / "run"
    folder.mkdir()
    link = folder / "checkpoint.npz"
    link.symlink_to(outside)
    with faults.inject():
        with pytest.raises(CheckpointMismatchError) as caught:
            checkpoint.load(link, fingerprint="f")
        assert attacks.SECRET.decode() not in str(caught.value)
        assert outside.read_bytes() == attacks.SECRET and link.is_symlink()


def test_a_link_for_an_output_is_kept_and_its_file_replaced_whole(tmp_path, faults):
    """As documented: a user who has linked the folder of results elsewhere finds them there."""
    outside = tmp_path / "elsewhere" / "model.npz"
    outside.parent.mkdir()
    link = tmp_path / "checkpoint.npz"
    link.symlink_to(outside)
    with faults.inject():
        checkpoint.save(link, fingerprint="f", state={}, arrays={"model": [np.zeros(2)]})
        assert link.is_symlink() and checkpoint.load(outside, fingerprint="f")[0] == {}
        assert sorted(path.name for path in outside.parent.iterdir()) == ["model.npz"]
