"""From what a user chose to the settings of a training: everything that was left open is the recipe's."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from irnet import sipfenn
from irnet.config import FAST_RECIPE, RECIPES, SIPFENN_VARIANTS, IRNetConfig, recipe_for
from irnet.model import architecture_key


def configure(
    variant: str,
    recipe: str | None = None,
    chosen: Mapping[str, Any] = MappingProxyType({}),
    training: Mapping[str, Any] = MappingProxyType({}),
    *,
    num_train_rows: int | None = None,
) -> IRNetConfig:
    """The settings of a training.

    Args:
        variant: Name in ``VARIANTS``, or an architecture key.
        recipe: Name in ``RECIPES``. Where it is ``None``, SIPFENN's networks take their paper's, the others ``small``
            or ``fast`` by the number of rows.
        chosen: Fields of ``IRNetConfig`` and their values; ``None`` stands for the recipe's value. A data set that is
            named is pinned: nothing stands in for it.
        training: Fields of ``TrainingConfig``, likewise.
        num_train_rows: As soon as it is known; the rows to load do not depend on it.

    Raises:
        ValueError: If there is no such recipe, or a field has a value that it cannot have.
        ArchitectureError: If the variant is neither a name nor a key of the grammar.
    """
    if recipe is not None and recipe not in RECIPES:
        raise ValueError(f"Expected the recipe {' or '.join(RECIPES)}; received {recipe!r}.")
    start = _sipfenn_recipe(recipe) if variant in SIPFENN_VARIANTS else _recipe(variant, recipe, num_train_rows)
    fields = {name: value for name, value in chosen.items() if value is not None}
    changes = {name: value for name, value in training.items() if value is not None}
    return replace(start, variant=variant, allow_stand_in="data" not in fields, **fields).with_training(**changes)


def _recipe(variant: str, recipe: str | None, num_train_rows: int | None) -> IRNetConfig:
    architecture_key(variant)  # a mistake shows before the data are read
    if recipe is not None:
        return RECIPES[recipe]
    return FAST_RECIPE if num_train_rows is None else recipe_for(num_train_rows)


def _sipfenn_recipe(recipe: str | None) -> IRNetConfig:
    """The paper's; or one of ours on the data and inputs that the networks are made for."""
    paper = sipfenn.PAPER_RECIPE
    if recipe in (None, "paper"):
        return paper
    return replace(RECIPES[recipe], data=paper.data, inputs=paper.inputs, input_scaling=paper.input_scaling)
