"""Answers of a trained network of chapter 4: one for each formula or structure, in order, with a status."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from common import artifacts, backend, fetch, tables, uncertainty
from common.composition import encode
from common.elements import ELEMENTS
from common.features import Featurized
from common.structures import StructureRecord, read_structures
from irnet import inputs as irnet_inputs
from irnet.config import VARIANTS
from irnet.descriptors import Descriptors, describe, describe_file, read_descriptors

SHIPPED = Path(__file__).parent / "weights"
ROWS_PER_BATCH = 4_096


class Predictor:
    """A trained network that answers for attributes, formulas or structures.

    Args:
        model: Maps ``(batch_size, num_inputs)`` raw attributes to ``(batch_size, num_outputs)``.
        card: Model card; its ``inputs`` name the attributes, its ``targets`` the outputs, its ``elements`` what the
            training rows were made of, and its ``input_elements`` the columns of element fractions (default: all 86).
    """

    def __init__(self, model, card: dict):
        self.model, self.card = model, card
        self.inputs: str = card["inputs"]
        self.targets: tuple[str, ...] = tuple(card["targets"])
        self.elements: tuple[str, ...] = tuple(card["elements"])
        self.input_elements: tuple[str, ...] = tuple(card.get("input_elements", ELEMENTS))
        self.num_classes: int = card.get("num_classes", 0)
        low, high = card.get("input_range", (-np.inf, np.inf))
        self._low, self._high = np.asarray(low, np.float32), np.asarray(high, np.float32)
        self._forward = backend.make_predictor(model)

    def weights_hash(self) -> str:
        """A hash of the weights."""
        digest = hashlib.sha256()
        for weights in self.model.get_weights():
            digest.update(weights.tobytes())
        return digest.hexdigest()

    @property
    def needs_structure(self) -> bool:
        """Whether it cannot answer for a formula alone."""
        return "S" in self.inputs.split("+")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of an answer: the targets; of a classifier the class and the probability of every class."""
        probabilities = (f"probability_{number}" for number in range(self.num_classes))
        return (*self.targets, *probabilities)

    def columns_with(self, interval: float | None) -> tuple[str, ...]:
        """The columns of an answer with the ends of intervals, where a level is given."""
        bounds = (name for target in self.targets for name in uncertainty.interval_columns(target))
        return (*self.columns, *(() if interval is None else bounds))

    def check_interval(self, interval: float | None) -> None:
        """Refuse a level of intervals that the model cannot give.

        Args:
            interval: Level from 0.5 to 0.99; ``None`` asks for no intervals.

        Raises:
            UncertaintyError: If the level is another, or the card has no calibration.
        """
        self._bounds(np.empty((0, len(self.targets))), np.empty((0, len(self.elements))), interval)

    def _bounds(self, outputs: np.ndarray, fractions: np.ndarray, interval: float | None) -> dict[str, np.ndarray]:
        """Lower and upper ends by column, ``(n,)`` each, for ``(n, num_targets)`` and ``(n, num_elements)``."""
        bounds: dict[str, np.ndarray] = {}
        if interval is None:
            return bounds
        for number, target in enumerate(self.targets):
            lower, upper = uncertainty.interval_columns(target)
            predicted = outputs[:, number].astype(np.float64)
            half = uncertainty.calibration_of(self.card, target).half_widths(predicted, fractions, interval)
            bounds |= {lower: predicted - half, upper: predicted + half}
        return bounds

    def predict_attributes(self, x: np.ndarray) -> np.ndarray:
        """Outputs for raw attributes.

        An attribute beyond the range of the training rows counts as the end of that range, where the card tells it: one
        that hardly varied in training is otherwise 300,000 standard deviations away for a single alloy, and shortcuts
        carry that to the answer.

        Args:
            x: ``(n, num_inputs)``, columns as ``irnet.inputs.labels(self.inputs, self.input_elements)``.

        Returns:
            ``(n, num_outputs)`` in the units of the targets, or class probabilities.
        """
        batches = (x[start : start + ROWS_PER_BATCH] for start in range(0, len(x), ROWS_PER_BATCH))
        parts = [self._forward(self.clipped(batch)) for batch in batches]
        return np.concatenate(parts) if parts else np.empty((0, self.model.output_shape[-1]), np.float32)

    def clipped(self, x: np.ndarray) -> np.ndarray:
        """Raw attributes within the range of the training rows, where the card tells it."""
        return np.clip(x, self._low, self._high)

    def predict_formulas(self, formulas: Iterable[object], *, interval: float | None = None) -> pd.DataFrame:
        """Answers for formulas, of a model of compositions.

        Args:
            formulas: n formulas such as ``"Fe2O3"``; anything else becomes an error row.
            interval: Level from 0.5 to 0.99 of intervals, such as 0.9; see ``common.uncertainty``. ``None`` gives none.

        Returns:
            n rows in the order given: ``formula``, ``columns_with(interval)``, ``status`` (``"ok"`` or ``"error"``) and
            ``reason``.

        Raises:
            ValueError: If the model needs structures, or cannot give the intervals.
        """
        if self.needs_structure:
            raise ValueError(
                f"This model takes attributes of structures (inputs {self.inputs}); a formula does not have them. Give "
                "a folder or file of structures, or take a model with inputs C or EF."
            )
        self.check_interval(interval)
        formulas = [formulas] if isinstance(formulas, str) else list(formulas)
        featurized = irnet_inputs.of_formulas(self.inputs, formulas, self.input_elements)
        return self._answers({"formula": formulas}, featurized, interval)

    def predict_structures(
        self,
        structures: Iterable,
        *,
        interval: float | None = None,
        num_processes: int | None = None,
        progress: bool = False,
    ) -> pd.DataFrame:
        """Answers for structures.

        Args:
            structures: n pymatgen structures, or ``StructureRecord`` of ``common.structures.read_structures``; anything
                else becomes an error row.
            interval: As in ``predict_formulas``.
            num_processes: Structures featurised at a time; ``None`` for one on each core.
            progress: Show a bar on a terminal.

        Returns:
            n rows in the order given: ``name`` (the number of a structure that has none), ``formula``,
            ``columns_with(interval)``, ``status`` and ``reason``.

        Raises:
            ValueError: If the model cannot give the intervals.
        """
        self.check_interval(interval)  # before the work
        chunks = describe(
            _as_records(structures), attributes=self.needs_structure, num_processes=num_processes, progress=progress
        )
        parts = [self.predict_descriptors(chunk, interval=interval) for chunk in chunks]
        return pd.concat(parts, ignore_index=True) if parts else self._no_answers("name", "formula", interval=interval)

    def predict_descriptors(self, descriptors: Descriptors, *, interval: float | None = None) -> pd.DataFrame:
        """Answers for the rows of a descriptor table; as ``predict_structures``."""
        if self.needs_structure:
            featurized = irnet_inputs.of_descriptors(
                self.inputs, descriptors.featurized, descriptors.formulas, self.input_elements
            )
        else:  # a structure that has no attributes still has a composition
            of_formulas = irnet_inputs.of_formulas(self.inputs, descriptors.formulas, self.input_elements)
            unread = descriptors.formulas == ""
            reasons = np.where(unread, descriptors.featurized.reasons, of_formulas.reasons)
            featurized = Featurized(of_formulas.attributes, reasons)
        return self._answers({"name": descriptors.names, "formula": descriptors.formulas}, featurized, interval)

    def _no_answers(self, *keys: str, interval: float | None) -> pd.DataFrame:
        return pd.DataFrame(columns=[*keys, *self.columns_with(interval), "status", "reason"])

    def _answers(self, keys: dict, featurized: Featurized, interval: float | None) -> pd.DataFrame:
        reasons = np.where(featurized.reasons == "", self.unseen_elements(keys["formula"]), featurized.reasons)
        ok = reasons == ""
        outputs = self.predict_attributes(featurized.attributes[ok].astype(np.float32))  # (n_ok, num_outputs)
        if self.num_classes == 2:
            outputs = np.hstack([1 - outputs, outputs])
        values: dict[str, object] = {}
        if self.num_classes:
            classes = pd.array([pd.NA] * len(ok), dtype="Int64")
            classes[ok] = outputs.argmax(axis=1)
            values[self.targets[0]] = classes
        for number, column in enumerate(self.columns[1:] if self.num_classes else self.columns):
            answers = np.full(len(ok), np.nan)
            answers[ok] = outputs[:, number]
            values[column] = answers
        if interval is not None:
            fractions = encode(np.asarray(keys["formula"], object)[ok], self.elements).fractions  # (n_ok, num_elements)
            for column, ends in self._bounds(outputs, fractions, interval).items():
                answers = np.full(len(ok), np.nan)
                answers[ok] = ends
                values[column] = answers
        return pd.DataFrame(keys | values | {"status": np.where(ok, "ok", "error"), "reason": reasons})

    def unseen_elements(self, formulas: Iterable[object]) -> np.ndarray:
        """(n,) a reason where a formula has an element that no training row had; no formula, no reason."""
        reasons = encode(formulas, self.elements).reasons
        return np.array(["" if reason is None or formula == "" else reason
                         for formula, reason in zip(formulas, reasons, strict=True)], object)  # fmt: skip


def _as_records(structures: Iterable) -> Iterable[StructureRecord]:
    from pymatgen.core import Structure  # slow to import, and not needed for formulas

    for number, item in enumerate(structures):
        if isinstance(item, StructureRecord):
            yield item
        elif isinstance(item, Structure):
            yield StructureRecord(name=str(number), structure=item, reason="")
        else:
            reason = f"Expected a pymatgen Structure, received {type(item).__name__}."
            yield StructureRecord(name=str(number), structure=None, reason=reason)


def installed_path(name: str) -> Path:
    """Where ``irnet train --install`` puts a model of that name, and ``load_pretrained`` finds it."""
    return fetch.cache_dir() / "models" / f"{name}.keras"


def find_weights(variant: str) -> Path:
    """The ``.keras`` file of a variant: the one that the user has trained and installed, or else the one shipped.

    Raises:
        ArtifactError: If there is neither.
    """
    found = [path for path in (installed_path(variant), SHIPPED / f"{variant}.keras") if path.is_file()]
    if not found:
        raise artifacts.ArtifactError(
            f"There are no weights for {variant} yet: `irnet train --variant {variant} --output FOLDER --install` "
            "makes them, or give the path of a .keras file."
        )
    return found[0]


def load_pretrained(name_or_path: Path | str) -> Predictor:
    """A trained network by the name of its variant, or by its file.

    Args:
        name_or_path: A variant, whose weights are those that the user has trained and installed, or else those shipped
            with the package; or a ``.keras`` file with its card beside it.

    Raises:
        ArtifactError: If there are no such weights, or the files are missing, damaged, unsafe or of another package.
    """
    path = Path(name_or_path)
    if str(name_or_path) in VARIANTS:
        path = find_weights(str(name_or_path))
    elif path.suffix != ".keras":
        raise artifacts.ArtifactError(
            f"Expected a path that ends in .keras, or one of {', '.join(VARIANTS)}; received {str(name_or_path)!r}."
        )
    return _load(path, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=4)
def _load(path: Path, _modified_ns: int) -> Predictor:  # a file written anew is read anew
    artifact = artifacts.load(path)
    if missing := [key for key in ("inputs", "targets") if key not in artifact.card]:
        raise artifacts.ArtifactError(
            f"{path} is not a model of irnet: its card lacks {missing[0]!r}. `elemnet predict` may be its command."
        )
    with artifacts.reading_card(path):
        return Predictor(artifact.model, artifact.card)


def predict(materials: Iterable, *, model: Path | str, interval: float | None = None) -> pd.DataFrame:
    """Answers for formulas or for structures; see ``Predictor``.

    Examples:
        >>> predict(["NaCl", "Xx2O3"], model="irnet_17")  # doctest: +SKIP
    """
    materials = [materials] if isinstance(materials, str) else list(materials)
    predictor = load_pretrained(model)
    are_formulas = all(isinstance(material, str) for material in materials)
    answer = predictor.predict_formulas if are_formulas else predictor.predict_structures
    return answer(materials, interval=interval)


@dataclass(frozen=True)
class FileAnswers:
    """What ``predict_file`` has written.

    Attributes:
        table: The rows of the file.
        num_reused: Structures whose attributes came from a descriptor table.
    """

    table: pd.DataFrame
    num_reused: int = 0


def predict_file(
    source: Path | str,
    destination: Path | str,
    *,
    model: Path | str,
    interval: float | None = None,
    descriptors: Path | str | None = None,
    formula_column: str = "formula",
    num_processes: int | None = None,
    progress: bool = False,
) -> FileAnswers:
    """Answers for the structures of a folder or file, or for the rows of a table; written whole or not at all.

    Args:
        source: A folder or file of structures, as ``common.structures.read_structures``: answered as
            ``Predictor.predict_structures``. Or a CSV file: a descriptor table for a model of structures; for a model
            of compositions a table with formulas, of which every row and column is kept.
        destination: The CSV file to write.
        model: As in ``load_pretrained``.
        interval: As in ``Predictor.predict_formulas``.
        descriptors: Descriptor table (CSV) to write on the way; where it is there already, its rows are used again.
        formula_column: Name of the column of formulas of a CSV file.
        num_processes: Structures featurised at a time; ``None`` for one on each core.
        progress: Show a bar on a terminal.

    Raises:
        ArtifactError: See ``load_pretrained``.
        StructuresError: If no structure can be read.
        TableError: If a CSV file cannot be read as such, or lacks a column.
        UncertaintyError: If the model cannot give the intervals.
    """
    source, destination, predictor = Path(source), Path(destination), load_pretrained(model)
    predictor.check_interval(interval)  # before the work
    num_reused = 0
    if is_table(source):
        if descriptors is not None:
            raise tables.TableError(f"{source} is a table already; a descriptor table is made of structures.")
        table = answers_for_table(predictor, source, formula_column, interval)
    else:
        records = read_structures(source)
        if descriptors is None:
            chunks = describe(
                records, attributes=predictor.needs_structure, num_processes=num_processes, progress=progress
            )
        else:
            chunks = describe_file(records, Path(descriptors), num_processes=num_processes, progress=progress)
        parts = []
        for chunk in chunks:
            parts.append(predictor.predict_descriptors(chunk, interval=interval))
            num_reused += chunk.num_reused
        table = pd.concat(parts, ignore_index=True)
    tables.write_text_csv(destination, table)
    return FileAnswers(table, num_reused)


def is_table(path: Path) -> bool:
    """Whether a path names a CSV file rather than structures."""
    return path.name.lower().endswith((".csv", ".csv.gz"))


def answers_for_table(
    predictor: Predictor, source: Path, formula_column: str, interval: float | None = None
) -> pd.DataFrame:
    """The rows of a CSV file with answers: of a descriptor table for a model of structures, else of formulas."""
    if predictor.needs_structure:
        return predictor.predict_descriptors(read_descriptors(source), interval=interval)
    added = [*predictor.columns_with(interval), "status", "reason"]
    table = tables.read_text_csv(source, needs=(formula_column,), reserves=added)
    answers = predictor.predict_formulas(table[formula_column], interval=interval)
    for name in added:
        table[name] = answers[name].array  # keeps whole numbers whole where some rows have none
    return table
