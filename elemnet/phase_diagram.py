"""Which phases of one chemical system are stable, by several sources of energies: DFT, forests, networks.

Every source is judged on its own hull of the same compositions, with the elements at 0. Errors of neighbouring
compositions largely cancel in DFT but not in a model, so low errors of the energies do not make the stable set right.

    table = phase_table(formulas, {"DFT": dft_energies, "ElemNet": predicted}, ["Ti", "O"])
    compare_stability(formulas, dft_energies, predicted, ["Ti", "O"]).counts

Reference:
    Thesis figure 3.5; C. J. Bartel et al., npj Comput. Mater. 6, 97 (2020),
    doi:10.1038/s41524-020-00362-y.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from common.composition import composition_keys, encode
from common.readers import TARGET
from elemnet.hulls import KnownPhases

ON_HULL_EV_PER_ATOM = 1e-8  # rounding, far below any energy that is known
ABOVE_HULL = "energy_above_hull_ev_per_atom"


@dataclass(frozen=True)
class StabilityComparison:
    """Stable phases of one system by DFT and by a model, elements left out.

    Attributes:
        stable_dft: formulas on the hull of DFT.
        stable_model: formulas on the hull of the model.
        spurious: stable by the model only.
        missed: stable in DFT only.
    """

    stable_dft: tuple[str, ...]
    stable_model: tuple[str, ...]
    spurious: tuple[str, ...]
    missed: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Number of phases stable in DFT, stable by the model, stable by both, spurious and missed."""
        return {
            "stable_dft": len(self.stable_dft),
            "stable_model": len(self.stable_model),
            "stable_both": len(self.stable_dft) - len(self.missed),
            "spurious": len(self.spurious),
            "missed": len(self.missed),
        }


def phase_table(
    formulas: Sequence[str], energies_ev_per_atom: Mapping[str, ArrayLike], elements: Sequence[str]
) -> pd.DataFrame:
    """The phases of one chemical system with their distance from the hull of each source.

    Args:
        formulas: n formulas, each another composition of two or more of the elements.
        energies_ev_per_atom: name of the source -> (n,) formation energies relative to the elements.
        elements: symbols of the system.

    Returns:
        One row for each source and formula, sources in the order given: `formula`, `source`,
        `formation_energy_ev_per_atom`, `energy_above_hull_ev_per_atom` and `is_stable`.

    Raises:
        ValueError: no source, a formula that is none of the system, a composition that occurs twice, or energies that
            are not n finite numbers.
    """
    formulas = list(formulas)
    fractions = _fractions(formulas, elements)
    if not energies_ev_per_atom:
        raise ValueError("Expected at least one source of energies, received none.")
    tables = []
    for source, given in energies_ev_per_atom.items():
        energies = np.asarray(given, np.float64)
        if energies.shape != (len(formulas),) or not np.isfinite(energies).all():
            raise ValueError(
                f"Expected {len(formulas)} finite energies of {source}, received shape {energies.shape} with "
                f"{int((~np.isfinite(energies)).sum())} that are not finite; leave such phases out of all sources."
            )
        above = KnownPhases.from_table(formulas, energies).hull(elements).energy_above(fractions, energies)
        columns = {"formula": formulas, "source": source, TARGET: energies, ABOVE_HULL: above}
        tables.append(pd.DataFrame(columns).assign(is_stable=above <= ON_HULL_EV_PER_ATOM))
    return pd.concat(tables, ignore_index=True)


def compare_stability(
    formulas: Sequence[str],
    dft_energies_ev_per_atom: ArrayLike,
    predicted_energies_ev_per_atom: ArrayLike,
    elements: Sequence[str],
) -> StabilityComparison:
    """Stable phases by DFT and by a model, each on its own hull of the same compositions.

    Args:
        formulas: n formulas, each another composition of two or more of the elements.
        dft_energies_ev_per_atom: (n,) formation energies relative to the elements.
        predicted_energies_ev_per_atom: (n,) the same by the model.
        elements: symbols of the system.

    Raises:
        ValueError: see `phase_table`.
    """
    sources = {"DFT": dft_energies_ev_per_atom, "model": predicted_energies_ev_per_atom}
    is_stable = phase_table(formulas, sources, elements)["is_stable"].to_numpy().reshape(2, -1)
    names = np.asarray(formulas, object)

    def chosen(rows: np.ndarray) -> tuple[str, ...]:
        return tuple(names[rows])

    dft, model = is_stable
    return StabilityComparison(chosen(dft), chosen(model), chosen(model & ~dft), chosen(dft & ~model))


def _fractions(formulas: Sequence[str], elements: Sequence[str]) -> np.ndarray:
    encoded = encode(formulas, elements)
    is_phase = encoded.ok & ((encoded.fractions > 0).sum(axis=1) > 1)
    if not is_phase.all():
        raise ValueError(
            f"Expected compounds of {'-'.join(elements)}, received {formulas[int(np.argmin(is_phase))]!r}; give only "
            "formulas of two or more of these elements."
        )
    _, first = np.unique(composition_keys(encoded.fractions), return_index=True)
    if len(first) < len(formulas):
        repeated = np.setdiff1d(np.arange(len(formulas)), first)[0]
        raise ValueError(
            f"Expected each composition once, received {formulas[repeated]!r} again; keep the lowest energy of each "
            "(common.cleaning.clean_compositions)."
        )
    return encoded.fractions
