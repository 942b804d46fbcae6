"""Crystal structures from text: CIF, POSCAR, and JSON. What cannot be used is said in one sentence.

The parsers of CIF and POSCAR are pymatgen's; their result is checked and rebuilt from symbols, lattice and coordinates
alone. Of JSON only these fields are read, and no class that a file names is ever made.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from common.elements import ALL_SYMBOLS
from common.formula import quoted
from common.outcomes import one_line

if TYPE_CHECKING:
    from pymatgen.core import Structure

MAX_SITES = 5_000
MAX_CIF_IMAGES = 10_000  # sites times symmetry operations, before equal ones are merged: some 15 s in pymatgen
MIN_VOLUME_PER_SITE_A3 = 0.5  # hydrogen at the centre of Jupiter has more
MAX_COORDINATE = 1e6  # cells from the origin; beyond, float64 loses the place within a cell

_SYMBOLS = frozenset(ALL_SYMBOLS)
_CIF_BLOCK = re.compile(r"^[ \t]*data_", re.MULTILINE | re.IGNORECASE)
_CIF_ATOMS = re.compile(r"^[ \t]*_atom_site_(fract|cartn)_x\b", re.MULTILINE | re.IGNORECASE)
_CIF_OPERATIONS = re.compile(r"_(symmetry_equiv_pos_as_xyz|space_group_symop_operation_xyz)_?", re.IGNORECASE)
_CIF_MAGNETIC = re.compile(r"_space_group_symop_magn_(operation|centering)\.xyz", re.IGNORECASE)
_CIF_MAGNETIC_SETTING = "_space_group_magn.transform_bns_pp_abc"
_NUMBER = r"(\d{1,9}(\.\d{0,20})?|\.\d{1,20})"
_FRACTION = rf"{_NUMBER}(/{_NUMBER})?"
_OPERATION, _SETTING = (
    rf"[+-]?({_FRACTION}[{axes}]?|[{axes}])([+-]({_FRACTION}[{axes}]?|[{axes}]))*" for axes in ("xyz", "abc")
)
_ORIGIN = rf"[+-]?{_FRACTION}"
# what pymatgen reads rightly: it skips other signs without a word, and computes settings, powers of powers included
_OPERATION_TEXT = re.compile(rf"{_OPERATION},{_OPERATION},{_OPERATION}")
_SETTING_TEXT = re.compile(rf"{_SETTING},{_SETTING},{_SETTING};{_ORIGIN},{_ORIGIN},{_ORIGIN}")
_MAX_OPERATIONS = 192  # of any space group
_MAX_CAUSE_CHARACTERS = 160


class StructureFormatError(ValueError):
    """A text holds no structure that can be used; the message is one sentence for the user."""


def split_cif(text: str) -> list[str]:
    """The data blocks of a CIF that hold atoms; blocks on the publication alone are left out."""
    starts = [match.start() for match in _CIF_BLOCK.finditer(text)]
    blocks = [text[start:end] for start, end in pairwise([*starts, len(text)])]
    return [block for block in blocks if _CIF_ATOMS.search(block)]


def from_cif(block: str) -> Structure:
    """The structure of one data block of a CIF.

    Raises:
        StructureFormatError: the block cannot be read or used.
    """
    return _parsed("CIF", _parse_cif, block)


def from_poscar(text: str) -> Structure:
    """The structure of a POSCAR or CONTCAR, which must name its elements (VASP 5 or later).

    Raises:
        StructureFormatError: the text cannot be read or used.
    """
    return _parsed("POSCAR", _parse_poscar, text)


def from_json(text: str) -> Structure:
    """The structure of a JSON text.

    Either pymatgen's `Structure.as_dict()`, of which `lattice.matrix` and the `species` and `abc` of each site are
    read, or the compact form of this project: `species` (n symbols), `lattice` (3, 3; rows, angstrom), `frac` (n, 3).

    Raises:
        StructureFormatError: the text cannot be read or used.
    """
    try:
        item = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StructureFormatError(f"The JSON cannot be read ({_cause(error)}).") from error
    if not isinstance(item, dict):
        raise StructureFormatError(f"Expected a JSON object with a structure, received a {type(item).__name__}.")
    try:
        if "sites" in item:
            species = [_only_species(site) for site in item["sites"]]
            lattice = np.asarray(item["lattice"]["matrix"], np.float64)
            frac = np.asarray([site["abc"] for site in item["sites"]], np.float64)
        else:
            species = item["species"]
            lattice, frac = np.asarray(item["lattice"], np.float64), np.asarray(item["frac"], np.float64)
    except StructureFormatError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise StructureFormatError(
            "Expected the JSON of pymatgen's Structure.as_dict(), or species, lattice and frac; this is neither "
            f"({type(error).__name__}: {_cause(error)})."
        ) from error
    return build(species, lattice, frac)


def build(species: Sequence[object], lattice: np.ndarray, frac: np.ndarray) -> Structure:
    """A structure from arrays that nobody has checked yet.

    Args:
        species: n symbols of elements.
        lattice: (3, 3) rows, angstrom.
        frac: (n, 3) fractional coordinates.

    Raises:
        StructureFormatError: shapes that do not fit, no or too many sites, symbols that are no elements, numbers that
            are not finite, or a cell without volume.
    """
    from pymatgen.core import Lattice, Structure  # slow to import, and not needed by most commands

    if not isinstance(species, (list, tuple)) or lattice.shape != (3, 3) or frac.shape != (len(species), 3):
        num_species = len(species) if isinstance(species, (list, tuple)) else "no list of"
        raise StructureFormatError(
            f"Expected n species, a lattice (3, 3) and coordinates (n, 3), received {num_species} species, a lattice "
            f"{lattice.shape} and coordinates {frac.shape}."
        )
    if not 1 <= len(species) <= MAX_SITES:
        raise StructureFormatError(f"Expected 1 to {MAX_SITES:,} sites, received {len(species):,}.")
    for symbol in species:
        if not isinstance(symbol, str) or symbol not in _SYMBOLS:
            raise StructureFormatError(f"Expected symbols of elements as species, received {quoted(symbol)}.")
    if not np.isfinite(lattice).all() or not np.isfinite(frac).all():
        raise StructureFormatError("Expected finite numbers, received NaN or infinity in the lattice or coordinates.")
    if np.abs(frac).max() > MAX_COORDINATE:
        raise StructureFormatError(f"Expected fractional coordinates near 0 to 1, received {np.abs(frac).max():g}.")
    with np.errstate(all="ignore"):
        volume = abs(np.linalg.det(lattice))
    if not MIN_VOLUME_PER_SITE_A3 * len(species) <= volume < np.inf:
        raise StructureFormatError(
            f"Expected a cell of at least {MIN_VOLUME_PER_SITE_A3} cubic angstrom a site, received {volume:.3g} for "
            f"{len(species):,} sites."
        )
    return Structure(Lattice(lattice), species, frac)


def _parsed(kind: str, parse: Callable[[str], Structure], text: str) -> Structure:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pymatgen's remarks; what matters is checked below
            parsed = parse(text)
    except StructureFormatError:
        raise
    except Exception as error:  # a parser of another project, on text from anywhere
        raise StructureFormatError(f"The {kind} cannot be read ({_cause(error)}).") from error
    if not parsed.is_ordered:
        site = next(site for site in parsed if not site.is_ordered)
        raise StructureFormatError(f"The structure is disordered: a site holds {quoted(site.species_string)}.")
    symbols = [getattr(site.specie, "symbol", str(site.specie)) for site in parsed]  # oxidation states are left out
    return build(symbols, parsed.lattice.matrix, parsed.frac_coords)


def _parse_cif(block: str) -> Structure:
    from pymatgen.io.cif import CifFile, CifParser

    for part in CifFile.from_str(block).data.values():  # pymatgen may see several where we saw one
        _check_cif_data(part.data)
    return CifParser.from_str(block, check_cif=False).parse_structures(primitive=False, on_error="raise")[0]


def _check_cif_data(data: dict[str, str | list[str]]) -> None:
    columns = [(key, [value] if isinstance(value, str) else value) for key, value in data.items()]
    num_atoms = max((len(value) for key, value in columns if key.lower().startswith("_atom_site_")), default=0)
    operations = [value for key, value in columns if _CIF_OPERATIONS.fullmatch(key)]
    magnetic = [[text.rpartition(",")[0] for text in value] for key, value in columns if _CIF_MAGNETIC.fullmatch(key)]
    num_operations = max((len(texts) for texts in operations), default=0 if magnetic else _MAX_OPERATIONS)
    num_images = num_atoms * max(num_operations, math.prod(len(texts) for texts in magnetic))
    if num_images > MAX_CIF_IMAGES:
        raise StructureFormatError(
            f"Expected at most {MAX_CIF_IMAGES:,} sites times symmetry operations, received {num_images:,}."
        )
    for text in (text for texts in (*operations, *magnetic) for text in texts):
        if not _OPERATION_TEXT.fullmatch("".join(text.split()).lower()):
            raise StructureFormatError(f"Expected symmetry operations such as -x,y+1/2,z, received {quoted(text)}.")
    for text in (text for key, value in columns if key.lower() == _CIF_MAGNETIC_SETTING for text in value):
        if not _SETTING_TEXT.fullmatch("".join(text.split())):
            raise StructureFormatError(f"Expected a magnetic setting such as a,b,c;0,0,0, received {quoted(text)}.")


def _parse_poscar(text: str) -> Structure:
    from pymatgen.io.vasp import Poscar

    # the title is free text and says nothing; a blank line ends the coordinates
    lines = [line.partition("#")[0].strip() for line in text.splitlines()[1:]]
    lines = ["POSCAR", *lines[: lines.index("")]] if "" in lines else ["POSCAR", *lines]
    num_sites = _num_sites(lines)  # the parser makes a list as long as the counts say, whether or not there are lines
    if num_sites > len(lines):
        raise StructureFormatError(f"Expected as many lines as atoms, received counts of {num_sites:,} atoms.")
    if num_sites > MAX_SITES:
        raise StructureFormatError(f"Expected 1 to {MAX_SITES:,} sites, received {num_sites:,}.")
    poscar = Poscar.from_str("\n".join(lines), read_velocities=False)
    if not poscar.true_names:
        raise StructureFormatError("Expected a POSCAR with element symbols (VASP 5), received one without: add them.")
    return poscar.structure


def _num_sites(lines: list[str]) -> int:
    """The sum of the counts, which are the first lines of nothing but whole numbers after the lattice."""
    counts: list[int] = []
    for line in lines[5:26]:  # ten lines of symbols and ten of counts at most
        try:
            counts += [max(0, int(cell)) for cell in line.split()]
        except ValueError:
            if counts:
                break
    return sum(counts)


def _only_species(site: Any) -> object:
    species = site["species"]
    if len(species) != 1 or species[0].get("occu", 1) != 1:
        held = ", ".join(f"{part.get('element')} {part.get('occu')}" for part in species)
        raise StructureFormatError(f"The structure is disordered: a site holds {quoted(held)}.")
    return species[0]["element"]


def _cause(error: BaseException) -> str:
    words = one_line(error).rstrip(".") or type(error).__name__
    return words if len(words) <= _MAX_CAUSE_CHARACTERS else f"{words[:_MAX_CAUSE_CHARACTERS]}..."
