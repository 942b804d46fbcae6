"""What ElemNet knows of the elements: activations of chosen compositions, and how far their groups lie apart in them.

Two sets of compositions whose chemistry is known from the periodic table: the main-group elements, and the 1:1
compounds of group 1 and 2 metals with S or Cl. For a layer of the network, the mean silhouette says how much nearer
the members of a group lie to each other than to the next group. Three baselines give it a meaning: the same for the
element fractions, for networks of the same architecture with random weights, and for shuffled labels.

Reference:
    Figure 3.6 of the thesis; figure 6 of D. Jha et al., Sci. Rep. 8, 17593 (2018), doi:10.1038/s41598-018-35934-y.
    Silhouette: P. J. Rousseeuw, J. Comput. Appl. Math. 20, 53 (1987), doi:10.1016/0377-0427(87)90125-7
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist, squareform

from common.activations import PrincipalComponents, activations, hidden_layers, principal_components
from common.composition import encode
from common.elements import ATOMIC_NUMBER
from common.features.elemental import PROPERTIES, PROPERTY_VALUES
from elemnet.config import RECIPES
from elemnet.model import build_elemnet
from elemnet.predict import Predictor

MAIN_GROUPS = (1, 2, 13, 14, 15, 16, 17, 18)
METAL_GROUPS = (1, 2)
ANION_CHARGE = {"S": 2, "Cl": 1}
INPUTS = 0  # stands for the element fractions among the numbers of layers
ALL_UNITS, COMPONENTS = "all units", "two components"


@dataclass(frozen=True)
class CompositionSet:
    """Compositions whose chemistry is known.

    Attributes:
        name: One word.
        formulas: n formulas.
        fractions: ``(n, num_elements)`` float32, in the order of the network's elements.
        labels: Grouping -> ``(n,)`` label of each composition; the first grouping colours the picture.
        block_size: Rows in a row that stem from one element, and change their labels together when they are shuffled.
        left_out: Elements that would belong here, but are the only ones of their group that the network reads.
    """

    name: str
    formulas: tuple[str, ...]
    fractions: np.ndarray
    labels: Mapping[str, np.ndarray]
    block_size: int
    left_out: tuple[str, ...]


def main_group_elements(elements: Sequence[str]) -> CompositionSet:
    """The main-group elements, each alone, by their group.

    Hydrogen is no main-group element (IUPAC Red Book 2005, IR-3.5).

    Args:
        elements: Those that the network reads, in its order.

    Raises:
        ValueError: If fewer than two groups have two of them.
    """
    group_of, left_out = _groups(elements, MAIN_GROUPS)
    formulas = tuple(group_of)
    labels = {"group": np.array([f"group {group_of[symbol]}" for symbol in formulas])}
    return CompositionSet("elements", formulas, _fractions(formulas, elements), labels, 1, left_out)


def metal_compounds(elements: Sequence[str]) -> CompositionSet:
    """The 1:1 compounds of the metals of groups 1 and 2 with S or Cl, metal by metal.

    Where the charges balance, as in NaCl and MgS, is in neither the metal's group nor the anion alone.

    Args:
        elements: Those that the network reads, in its order.

    Raises:
        ValueError: If S or Cl is not among them, or not two metals of each group.
    """
    if missing := [anion for anion in ANION_CHARGE if anion not in elements]:
        raise ValueError(f"Expected a network that reads S and Cl; received one without {' and '.join(missing)}.")
    group_of, left_out = _groups(elements, METAL_GROUPS)
    pairs = [(metal, anion) for metal in group_of for anion in ANION_CHARGE]
    groups = np.array([f"group {group_of[metal]}" for metal, _ in pairs])
    anions = np.array([anion for _, anion in pairs])
    is_balanced = np.array([group_of[metal] == ANION_CHARGE[anion] for metal, anion in pairs])
    labels = {
        "metal group and anion": np.array([f"{group} + {anion}" for group, anion in zip(groups, anions, strict=True)]),
        "metal group": groups,
        "anion": anions,
        "balance of charges": np.where(is_balanced, "balanced", "not balanced"),
    }
    formulas = tuple(metal + anion for metal, anion in pairs)
    return CompositionSet("compounds", formulas, _fractions(formulas, elements), labels, len(ANION_CHARGE), left_out)


def _groups(elements: Sequence[str], wanted: tuple[int, ...]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Element -> its group, by atomic number, hydrogen aside; and those that are alone in their group."""
    column = PROPERTY_VALUES[:, PROPERTIES.index("Column")]  # (118,)
    symbols = sorted((symbol for symbol in elements if symbol != "H"), key=ATOMIC_NUMBER.__getitem__)
    group_of = {symbol: int(column[ATOMIC_NUMBER[symbol] - 1]) for symbol in symbols}
    members = {group: [symbol for symbol in symbols if group_of[symbol] == group] for group in wanted}
    kept = {symbol: group for symbol, group in group_of.items() if group in wanted and len(members[group]) > 1}
    if len(set(kept.values())) < 2:
        raise ValueError(
            f"Expected a network that reads two elements in each of two of the groups {', '.join(map(str, wanted))}; "
            f"received {', '.join(kept) or 'none'}."
        )
    return kept, tuple(names[0] for names in members.values() if len(names) == 1)


def _fractions(formulas: Sequence[str], elements: Sequence[str]) -> np.ndarray:
    return encode(formulas, tuple(elements), dtype=np.float32).fractions


def silhouettes(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean silhouette coefficient of each of many labellings of the same rows.

    Args:
        values: ``(n, units)``; distances are Euclidean.
        labels: ``(num_labellings, n)`` integers from 0, all rows permutations of the first.

    Returns:
        ``(num_labellings,)`` from -1 to 1. 1: every group is a point far from the others; 0: the groups overlap;
        below 0: the next group is nearer than the own.
    """
    distances = squareform(pdist(values.astype(np.float64)))  # (n, n)
    codes = labels.T  # (n, num_labellings)
    is_member = codes[..., None] == np.arange(labels.max() + 1)  # (n, num_labellings, num_groups)
    counts = is_member[:, 0].sum(axis=0)  # (num_groups,)
    sums = np.tensordot(distances, is_member.astype(np.float64), axes=1)  # (n, num_labellings, num_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = np.take_along_axis(sums, codes[..., None], axis=2)[..., 0] / (counts - 1)[codes]
        nearest = np.where(is_member, np.inf, sums / counts).min(axis=2)  # (n, num_labellings)
        coefficients = (nearest - own) / np.maximum(nearest, own)
    return np.nan_to_num(coefficients).mean(axis=0)  # 0 where all rows coincide, or for a group of one


def silhouette_and_p_value(
    values: np.ndarray, labels: np.ndarray, *, block_size: int = 1, num_shuffles: int = 9_999, seed: int = 0
) -> tuple[float, float]:
    """Mean silhouette of labelled rows, and how often shuffled labels give as much.

    Args:
        values: ``(n, units)``.
        labels: ``(n,)`` of any kind.
        block_size: Blocks of so many rows are shuffled, and the rows within each, never single rows across blocks: a
            metal's two compounds are alike whatever its group is, and would count twice.
        num_shuffles: Number of shuffles; the smallest possible p is ``1 / (num_shuffles + 1)``.
        seed: Seed of the shuffles.

    Returns:
        Silhouette, one-sided p-value.
    """
    codes = np.unique(labels, return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    num_blocks = len(codes) // block_size
    block = rng.permuted(np.tile(np.arange(num_blocks), (num_shuffles, 1)), axis=1)
    within = rng.permuted(np.tile(np.arange(block_size), (num_shuffles, num_blocks, 1)), axis=2)
    rows = (block[..., None] * block_size + within).reshape(num_shuffles, -1)
    found = silhouettes(values, np.vstack([codes, codes[rows]]))
    num_as_high = np.count_nonzero(found[1:] >= found[0] - 1e-9)  # what is equal but for rounding counts
    return float(found[0]), (1 + num_as_high) / (1 + num_shuffles)


@dataclass(frozen=True)
class Reading:
    """The activations of one layer for a set of compositions.

    Attributes:
        values: ``(n, units)``.
        components: Their first two principal components.
    """

    values: np.ndarray
    components: PrincipalComponents

    @property
    def spaces(self) -> dict[str, np.ndarray]:
        """The rows in all units, and in the two components at their true scale."""
        return {ALL_UNITS: self.values, COMPONENTS: self.components.coordinates * self.components.spread}


def read(model: keras.Model, compositions: CompositionSet, layers: Sequence[int]) -> dict[int, Reading]:
    """The activations of hidden layers, which are counted from 1 at the inputs.

    Raises:
        ValueError: If the network has no hidden layer of that number.
    """
    names = hidden_layers(model)
    if wrong := [layer for layer in layers if not 1 <= layer <= len(names)]:
        raise ValueError(f"Expected hidden layers from 1 to {len(names)}; received {wrong[0]}.")
    found = {layer: activations(model, compositions.fractions, names[layer - 1]) for layer in layers}
    return {layer: Reading(values, principal_components(values)) for layer, values in found.items()}


def untrained(predictor: Predictor, num_networks: int) -> Iterator[keras.Model]:
    """Networks of the same architecture and initialiser with random weights, of the seeds from 0."""
    card = predictor.card
    recipe = RECIPES[card["recipe"]]
    config = replace(recipe, architecture=card["architecture"], dropout_rates=tuple(card["dropout_rates"]))
    for seed in range(num_networks):
        yield build_elemnet(config.with_training(seed=seed), len(predictor.elements))


def components_table(compositions: CompositionSet, readings: Mapping[int, Reading]) -> pd.DataFrame:
    """Principal components for a picture.

    Returns:
        One row for each layer and composition: ``set``, ``layer``, ``formula``, ``label``, ``component_1`` and
        ``component_2`` from 0 to 1, and ``variance_share_1`` and ``variance_share_2`` of the layer.
    """
    tables = []
    for layer, reading in readings.items():
        coordinates, shares = reading.components.coordinates, reading.components.explained_variance_ratio
        columns = {"set": compositions.name, "layer": layer, "formula": compositions.formulas}
        columns |= {"label": next(iter(compositions.labels.values()))}
        columns |= {f"component_{i + 1}": coordinates[:, i] for i in range(2)}
        columns |= {f"variance_share_{i + 1}": shares[i] for i in range(2)}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def silhouettes_table(
    compositions: CompositionSet,
    readings: Mapping[int, Reading],
    random_readings: Sequence[Mapping[int, Reading]],
    *,
    num_shuffles: int = 9_999,
    seed: int = 0,
) -> pd.DataFrame:
    """How far the groups lie apart in each layer, beside networks with random weights and the element fractions.

    Units are not standardised: their size is what the next layer sees, and nearly dead ones would be blown up. The
    fractions have no row in two components: those of elements alone all lie equally far apart, so that which two
    components come first is chance.

    Args:
        compositions: The set that was read.
        readings: Of the trained network, by layer.
        random_readings: Of each network with random weights.
        num_shuffles: As in ``silhouette_and_p_value``.
        seed: Seed of the shuffles.

    Returns:
        One row for each grouping, layer (0 for the fractions) and space: ``set``, ``grouping``, ``layer``, ``space``,
        ``rows``, ``groups``, ``silhouette``, ``p_value``, and ``random_mean`` and ``random_sd`` over the networks with
        random weights.
    """
    rows = []
    for grouping, labels in compositions.labels.items():
        codes = np.unique(labels, return_inverse=True)[1][None, :]  # (1, n)
        spaces = {(INPUTS, ALL_UNITS): compositions.fractions}
        spaces |= {(layer, space): values for layer, one in readings.items() for space, values in one.spaces.items()}
        for (layer, space), values in spaces.items():
            silhouette, p_value = silhouette_and_p_value(
                values, labels, block_size=compositions.block_size, num_shuffles=num_shuffles, seed=seed
            )
            of_random = [silhouettes(one[layer].spaces[space], codes)[0] for one in random_readings if layer != INPUTS]
            rows.append(
                {
                    "set": compositions.name,
                    "grouping": grouping,
                    "layer": layer,
                    "space": space,
                    "rows": len(values),
                    "groups": int(codes.max()) + 1,
                    "silhouette": silhouette,
                    "p_value": p_value,
                    "random_mean": np.mean(of_random) if of_random else np.nan,
                    "random_sd": np.std(of_random, ddof=1) if of_random else np.nan,
                }
            )
    return pd.DataFrame(rows)
