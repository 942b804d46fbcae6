"""The inputs of chapter 4 by name: ``EF`` element fractions, ``C`` composition and ``S`` structure attributes."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from common.composition import encode
from common.elements import ELEMENTS
from common.features import Featurized, magpie, voronoi, ward2017
from common.structure_tables import reduce_species


def labels(inputs: str, elements: Sequence[str] = ELEMENTS) -> tuple[str, ...]:
    """Names of the columns of ``"C"``, ``"S+C"`` and so on, in order; ``elements`` are those of ``"EF"``."""
    names = {"EF": tuple(elements), "C": magpie.MAGPIE_LABELS, "S": voronoi.VORONOI_LABELS}
    return tuple(label for part in inputs.split("+") for label in names[part])


def of_formulas(inputs: str, formulas: Iterable[object], elements: Sequence[str] = ELEMENTS) -> Featurized:
    """Attributes of compositions.

    Args:
        inputs: Of ``"EF"`` and ``"C"``, joined by ``+``.
        formulas: n formulas.
        elements: Columns of ``"EF"``.

    Returns:
        Attributes ``(n, num_inputs)``, NaN rows with a reason where a formula has none.
    """
    formulas = list(formulas)
    parts = []
    for part in inputs.split("+"):
        if part == "C":
            parts.append(magpie.featurize_with_reasons(formulas))
        else:
            encoded = encode(formulas, elements)
            parts.append(Featurized(encoded.fractions, np.where(encoded.ok, "", encoded.reasons)))
    return _joined(parts)


def of_structures(
    inputs: str,
    structures: Iterable,
    elements: Sequence[str] = ELEMENTS,
    *,
    cache_dir: Path | None = None,
    num_processes: int | None = None,
    progress: bool = False,
) -> Featurized:
    """Attributes of structures.

    Args:
        inputs: Of ``"EF"``, ``"C"`` and ``"S"``, joined by ``+``.
        structures: n pymatgen structures.
        elements: Columns of ``"EF"``.
        cache_dir: Keeps the 271 attributes computed, so that a killed run goes on; see ``ward2017.featurize``.
        num_processes: Structures at a time; ``None`` for one on each core.
        progress: Show a bar.

    Returns:
        Attributes ``(n, num_inputs)``, NaN rows with a reason where a structure has none.
    """
    formulas: list[str] = []

    def noting_formulas():
        for structure in structures:
            formulas.append(reduce_species([site.species_string for site in structure]))
            yield structure

    ward = ward2017.featurize(noting_formulas(), cache_dir=cache_dir, num_processes=num_processes, progress=progress)
    return of_descriptors(inputs, ward, formulas, elements)


def of_descriptors(
    inputs: str, ward: Featurized, formulas: Iterable[str], elements: Sequence[str] = ELEMENTS
) -> Featurized:
    """The attributes of ``inputs`` from the 271 of ``ward2017``.

    Args:
        inputs: As in ``of_structures``.
        ward: ``(n, 271)`` attributes with reasons.
        formulas: n formulas of the same structures.
        elements: Columns of ``"EF"``.
    """
    columns = {label: number for number, label in enumerate(ward2017.LABELS)}
    parts = []
    for part in inputs.split("+"):
        if part == "EF":
            parts.append(of_formulas("EF", formulas, elements))
        else:
            parts.append(Featurized(ward.attributes[:, [columns[label] for label in labels(part)]], ward.reasons))
    return _joined(parts)


def _joined(parts: list[Featurized]) -> Featurized:
    reasons = parts[0].reasons.copy()
    for part in parts[1:]:
        reasons = np.where(reasons == "", part.reasons, reasons)
    return Featurized(np.hstack([part.attributes for part in parts]), reasons)
