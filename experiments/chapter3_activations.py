"""Chapter 3 on what the network knows of the elements: figure 3.6."""

import time

import pandas as pd

from common.files import write_csv_atomic
from common.results import ResultRow
from elemnet import activation_figures, activations
from elemnet.activations import ALL_UNITS, COMPONENTS, INPUTS
from elemnet.predict import load_pretrained
from experiments.chapter import say
from experiments.chapter3_runs import Chapter3
from experiments.paper_values import paper_value

NUM_RANDOM = 10


def fig_3_6(chapter: Chapter3) -> None:
    """What the layers know of elements and of simple compounds: principal components and silhouettes."""
    started = time.monotonic()
    layers = paper_value("chapter3", "fig_3_6", "layers")
    shipped = load_pretrained()
    sets = (activations.main_group_elements(shipped.elements), activations.metal_compounds(shipped.elements))
    say(f"{NUM_RANDOM} networks with random weights for comparison")
    random = [
        {one.name: activations.read(network, one, layers) for one in sets}
        for network in activations.untrained(shipped, NUM_RANDOM)
    ]
    components, silhouettes = [], []
    for one in sets:
        readings = activations.read(shipped.model, one, layers)
        components.append(activations.components_table(one, readings))
        of_random = [reading[one.name] for reading in random]
        silhouettes.append(activations.silhouettes_table(one, readings, of_random, seed=chapter.options.seed))
    found = pd.concat(silhouettes)
    write_csv_atomic(chapter.results / "fig_3_6_components.csv", pd.concat(components).round(6))
    write_csv_atomic(chapter.results / "fig_3_6_silhouettes.csv", found.round(6))
    activation_figures.principal_components(chapter.results)
    left_out = [symbol for one in sets for symbol in one.left_out]
    chapter.finish(
        "fig_3_6",
        "Figure 3.6: what the layers know of the elements",
        silhouette_rows(found, shipped.card),
        started,
        caveats_of(shipped.card),
        alone_in_their_group=sorted(set(left_out)),
    )


def silhouette_rows(found: pd.DataFrame, card: dict) -> list[ResultRow]:
    """The silhouettes in all units of each layer, with their baselines; the thesis has only pictures."""
    table = found.set_index(["set", "grouping", "layer", "space"])
    rows = []
    for (name, grouping, layer, space), one in table.iterrows():
        if space != ALL_UNITS or layer == INPUTS:
            continue
        fractions = table.loc[(name, grouping, INPUTS, ALL_UNITS)]
        drawn = table.loc[(name, grouping, layer, COMPONENTS)]
        rows.append(
            ResultRow(
                f"{name.capitalize()} by {grouping}, layer {layer}",
                "silhouette",
                float(one["silhouette"]),
                "",
                rows_train=card["data"]["rows_train"],
                rows_test=int(one["rows"]),
                data=card["data"]["name"],
                note=(
                    f"p = {one['p_value']:.4f}; random weights {one['random_mean']:.3f} (sd {one['random_sd']:.3f}); "
                    f"element fractions {fractions['silhouette']:.3f}. In two components {drawn['silhouette']:.3f}, "
                    f"p = {drawn['p_value']:.4f}; random weights {drawn['random_mean']:.3f} "
                    f"(sd {drawn['random_sd']:.3f})."
                ),
                headline=False,
            )
        )
    return rows


def caveats_of(card: dict) -> tuple[str, ...]:
    """What a reader has to know of the network, of the sets and of the figures."""
    return (
        f"The weights are those that ship with the package ({card['data']['rows_train']:,} training rows of "
        f"{card['data']['name']}), not of this run.",
        "The network has never seen an element alone, for cleaning drops those: what it makes of them is "
        "extrapolation, and in late layers most of them fall together. The compounds may be among its training rows.",
        "Mean silhouette of the groups, Euclidean, units not standardised: 1 is apart, 0 overlapping, below 0 nearer "
        "to another group than to the own. p is one-sided over 9,999 shuffles of the labels, with a metal's two "
        "compounds kept together; it is not corrected for the number of rows. The thesis gives pictures alone.",
        f"Random weights: mean and sd over {NUM_RANDOM} networks of the same architecture. Hydrogen counts as no "
        "main-group element (IUPAC). In the pictures each component is stretched to 0 to 1; silhouettes in two "
        "components are taken before that.",
    )
