"""The chemical elements and the 86 of them that ElemNet reads.

ElemNet's input is a vector with one place for each element that occurs in the OQMD: atomic numbers 1 to 94
without the noble gases and short-lived elements of which OQMD has no compounds. The order is by atomic number;
a saved model stores the order it was trained with, so the tuple below must never be reshuffled.

Reference: D. Jha et al., ElemNet, Sci. Rep. 8, 17593 (2018), doi:10.1038/s41598-018-35934-y.
"""

ALL_SYMBOLS: tuple[str, ...] = tuple(
    """
    H He
    Li Be B C N O F Ne
    Na Mg Al Si P S Cl Ar
    K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr
    Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe
    Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu
    Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn
    Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr
    Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og
    """.split()  # noqa: SIM905  one row of the table a line is easier to check than 118 quoted strings
)
"""Symbols of the 118 known elements in order of atomic number."""

ATOMIC_NUMBER: dict[str, int] = {symbol: number for number, symbol in enumerate(ALL_SYMBOLS, start=1)}
"""Atomic number of each of the 118 elements."""

LARGEST_ATOMIC_NUMBER = 94  # plutonium, the heaviest element with compounds in the OQMD
ABSENT_FROM_OQMD = frozenset({"He", "Ne", "Ar", "Po", "At", "Rn", "Fr", "Ra"})

ELEMENTS: tuple[str, ...] = tuple(
    symbol for symbol in ALL_SYMBOLS[:LARGEST_ATOMIC_NUMBER] if symbol not in ABSENT_FROM_OQMD
)
"""The 86 elements of ElemNet in order of atomic number; column order of every fraction array."""

ELEMENT_INDEX: dict[str, int] = {symbol: column for column, symbol in enumerate(ELEMENTS)}
"""Column of each of the 86 elements in a fraction array."""
