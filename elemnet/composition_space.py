"""Every composition A_w B_x C_y D_z of a few atoms, numbered, and never held in memory at once.

A chemical system is a set of elements; its compositions are the whole-number ratios of up to ``max_atoms`` atoms, each
ratio once (Fe4O6 is Fe2O3). All systems of as many elements have the same ratios, so a composition is the number of a
system and the number of a ratio, and both can be unranked: a part of the space is made from two numbers.

Reference:
    Screening of chapter 3 of the thesis; D. Jha et al., Sci. Rep. 8, 17593 (2018), doi:10.1038/s41598-018-35934-y.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import comb, gcd

import numpy as np

from common.composition import mix64
from common.elements import ALL_SYMBOLS, ELEMENTS

SMALLEST_SYSTEM = 2  # a single element has no formation enthalpy


@lru_cache
def atom_ratios(num_elements: int, max_atoms: int) -> np.ndarray:
    """Whole-number ratios without a common divisor, in ascending order.

    Args:
        num_elements: Elements in a formula; each has at least one atom.
        max_atoms: Most atoms in a formula.

    Returns:
        ``(num_ratios, num_elements)`` numbers of atoms, read-only.
    """
    most = max_atoms - num_elements + 1
    ratios = [r for r in product(range(1, most + 1), repeat=num_elements) if sum(r) <= max_atoms and gcd(*r) == 1]
    table = np.array(ratios, np.int64).reshape(-1, num_elements)
    table.flags.writeable = False
    return table


@dataclass(frozen=True)
class Part:
    """Systems of one size that follow each other, as they are handed to a worker.

    Attributes:
        number: Place among the parts of the space.
        num_elements: Elements in each system.
        first_system, end_system: Numbers of the first system and of the one after the last.
    """

    number: int
    num_elements: int
    first_system: int
    end_system: int


@dataclass(frozen=True)
class CompositionSpace:
    """The compositions of up to so many elements and atoms, or a random share of their systems.

    Attributes:
        elements: Symbols to choose from, in the order in which formulas name them.
        max_atoms: Most atoms in a formula; 10 in the thesis.
        max_elements: Most elements in a formula; 4 in the thesis.
        shares: For 2, 3, ... elements the share of the systems that is drawn; empty for all of them.
        seed: Of the draw. A system is drawn or not whatever the parts and the other systems are.

    Raises:
        ValueError: Unknown or repeated elements, or sizes that leave no composition.
    """

    elements: tuple[str, ...] = ELEMENTS
    max_atoms: int = 10
    max_elements: int = 4
    shares: tuple[float, ...] = ()
    seed: int = 0

    def __post_init__(self):
        unknown = [symbol for symbol in self.elements if symbol not in ALL_SYMBOLS]
        if unknown:
            raise ValueError(f"Expected symbols of elements; received {unknown[0]!r}.")
        if len(set(self.elements)) < max(len(self.elements), SMALLEST_SYSTEM):
            raise ValueError(f"Expected at least two elements, each once; received {', '.join(self.elements)}.")
        if min(self.max_elements, self.max_atoms) < SMALLEST_SYSTEM:
            raise ValueError(
                f"Expected formulas of at least 2 elements and atoms; received max_elements {self.max_elements} and "
                f"max_atoms {self.max_atoms}."
            )
        if self.shares and len(self.shares) != self.max_elements - 1:
            sizes = ", ".join(str(size) for size in range(SMALLEST_SYSTEM, self.max_elements + 1))
            raise ValueError(f"Expected a share for each of {sizes} elements; received {len(self.shares)} shares.")
        if not all(0 <= share <= 1 for share in self.shares):
            raise ValueError(f"Expected shares from 0 to 1; received {self.shares}.")

    @property
    def system_sizes(self) -> tuple[int, ...]:
        """Numbers of elements in a system, ascending."""
        return tuple(range(SMALLEST_SYSTEM, min(self.max_elements, self.max_atoms, len(self.elements)) + 1))

    def share(self, num_elements: int) -> float:
        """Share of the systems of so many elements that is drawn."""
        return self.shares[num_elements - SMALLEST_SYSTEM] if self.shares else 1.0

    def ratios(self, num_elements: int) -> np.ndarray:
        """``(num_ratios, num_elements)`` numbers of atoms of every composition of such a system."""
        return atom_ratios(num_elements, self.max_atoms)

    def num_systems(self, num_elements: int) -> int:
        """Systems of so many elements, drawn or not."""
        return comb(len(self.elements), num_elements)

    @property
    def num_compositions(self) -> int:
        """Compositions of the whole space, drawn or not, by formula: no system is visited."""
        return sum(self.num_systems(size) * len(self.ratios(size)) for size in self.system_sizes)

    def first_number(self, num_elements: int) -> int:
        """Number of the first composition of so many elements; those of fewer elements come before."""
        smaller = range(SMALLEST_SYSTEM, num_elements)
        return sum(self.num_systems(size) * len(self.ratios(size)) for size in smaller)

    @property
    def num_drawn(self) -> int:
        """Compositions of the systems drawn, about: the draw itself is made part by part."""
        return round(
            sum(self.share(size) * self.num_systems(size) * len(self.ratios(size)) for size in self.system_sizes)
        )

    def parts(self, compositions_per_part: int) -> Iterator[Part]:
        """The space cut at system boundaries into parts of about so many drawn compositions."""
        number = 0
        for size in self.system_sizes:
            if not (share := self.share(size)):
                continue
            step = max(1, round(compositions_per_part / (len(self.ratios(size)) * share)))
            for start in range(0, self.num_systems(size), step):
                yield Part(number, size, start, min(start + step, self.num_systems(size)))
                number += 1

    def system_numbers(self, part: Part) -> np.ndarray:
        """``(num_systems,)`` numbers of the systems of a part that are drawn, ascending."""
        numbers = np.arange(part.first_system, part.end_system, dtype=np.uint64)
        if (share := self.share(part.num_elements)) < 1:
            salt = mix64(np.array([self.seed, part.num_elements], np.uint64)).sum(dtype=np.uint64)
            numbers = numbers[mix64(mix64(numbers + salt)) < np.uint64(share * 2.0**64)]
        return numbers.astype(np.int64)

    def systems(self, num_elements: int, numbers: np.ndarray) -> np.ndarray:
        """The systems with these numbers, of ``comb(len(elements), num_elements)`` in lexicographic order.

        Args:
            num_elements: Elements in each.
            numbers: ``(n,)`` from 0.

        Returns:
            ``(n, num_elements)`` places in ``elements``, ascending in each row.
        """
        systems = np.empty((len(numbers), num_elements), np.int64)
        left = np.asarray(numbers, np.int64).copy()
        below = np.zeros(len(numbers), np.int64)  # the lowest place still free
        for column in range(num_elements):
            before = self._num_before[num_elements - column]  # before[p] systems of the rest begin below place p
            left += before[below]
            systems[:, column] = np.searchsorted(before, left, side="right") - 1
            left -= before[systems[:, column]]
            below = systems[:, column] + 1
        return systems

    @cached_property
    def _num_before(self) -> dict[int, np.ndarray]:
        """For each size: ``(len(elements) + 1,)`` number of systems whose first place is below 0, 1, 2, ..."""
        n = len(self.elements)
        return {
            size: np.cumsum([0, *(comb(n - place - 1, size - 1) for place in range(n))])
            for size in range(1, self.max_elements + 1)
        }

    def fractions(self, systems: np.ndarray, columns: np.ndarray, num_columns: int) -> np.ndarray:
        """Element fractions of all compositions of systems, as the input of a network.

        Args:
            systems: ``(n, num_elements)`` places in ``elements``.
            columns: ``(len(elements),)`` column of each element.
            num_columns: Columns of the result.

        Returns:
            ``(n * num_ratios, num_columns)`` float32, system by system.
        """
        ratios = self.ratios(systems.shape[1])
        amounts = (ratios / ratios.sum(axis=1, keepdims=True)).astype(np.float32)  # (num_ratios, num_elements)
        fractions = np.zeros((len(systems), len(ratios), num_columns), np.float32)
        fractions[np.arange(len(systems))[:, None], :, columns[systems]] = amounts.T
        return fractions.reshape(-1, num_columns)

    def formulas(self, systems: np.ndarray, ratio_numbers: np.ndarray) -> list[str]:
        """Formulas such as ``"Fe2O3"``.

        Args:
            systems: ``(n, num_elements)`` places in ``elements``, one row a formula.
            ratio_numbers: ``(n,)`` places in ``ratios``.
        """
        ratios = self.ratios(systems.shape[1])[ratio_numbers]  # (n, num_elements)
        return [
            "".join(
                f"{self.elements[place]}{count if count > 1 else ''}" for place, count in zip(row, counts, strict=True)
            )
            for row, counts in zip(systems.tolist(), ratios.tolist(), strict=True)
        ]
