"""The registry of crystal structures: files, hashes, targets, units, licences, citations."""

from __future__ import annotations

from common.composition_sets import FLLA_CITATION, JARVIS_CITATION, MATMINER_LICENCE, MP_CITATION
from common.fetch import DataFile
from common.readers import HEAT, TARGET, Dataset
from common.structure_tables import StructureReader

_FLLA_STRUCTURES_SHA256 = "04c300bdafa02539db3c2d56e4811fc944100cf813655facbe8e6587b9f3aac4"

STRUCTURE_SETS: tuple[Dataset, ...] = (
    Dataset(
        name="mp_structures",
        title="structures of the Materials Project",
        tier="public",
        files=(
            DataFile(
                path="structures/mp_structures.jsonl.gz",
                sha256="8e8b03817868000ca8cdb5e21f7602f643da00bb26cbfc9cc8799a08812fc86e",
            ),
        ),
        target=TARGET,
        unit="eV/atom",
        licence=MATMINER_LICENCE,
        citation=f"{FLLA_CITATION}; {MP_CITATION}",
        rows=5_152,
        stand_in="flla_structures",
        reader=StructureReader(),
        notes=(
            "1,057 of the energies are the older ones of the FLLA set; where both are known they differ by 0.004 "
            "eV/atom on average.",
        ),
    ),
    Dataset(
        name="flla_structures",
        title="the bundled structures (FLLA, Materials Project)",
        tier="bundled",
        files=(DataFile(path="bundled/flla_structures.jsonl.gz", sha256=_FLLA_STRUCTURES_SHA256, package="common"),),
        target=TARGET,
        unit="eV/atom",
        licence=MATMINER_LICENCE,
        citation=FLLA_CITATION,
        rows=3_938,
        stand_in=None,
        reader=StructureReader(),
        notes=("The bundled sample shows that everything works; it is far too small for the accuracy of the papers.",),
    ),
    Dataset(
        name="perov5",
        title="heats of formation of perovskites",
        tier="public",
        files=(
            DataFile(
                path="structures/perov5.jsonl.gz",
                sha256="a86d05c3cef3357a5ce6b8f07d2430eac1c87ef9d7bda4c3b3e160e70ac306a8",
            ),
        ),
        target=HEAT,
        unit="eV/atom",
        licence="MIT (CDVAE); data CC-BY 4.0 (Castelli et al.)",
        citation=(
            "I. E. Castelli et al., Energy Environ. Sci. 5, 9034 (2012), doi:10.1039/C2EE22341D; "
            "files: T. Xie et al., ICLR (2022), arXiv:2110.06197"
        ),
        rows=11_948,
        stand_in=None,
        reader=StructureReader(
            HEAT, "heat_all_ev_per_cell", atoms_per_energy=5, prototype="perovskite", extra=("heat_source",)
        ),
        notes=(
            "The source gives the heat of formation of a cell of 5 atoms; it is divided by 5 here.",
            "Cells were set up as perovskites and relaxed, some of them far; several orderings share a composition.",
            "4,376 heats (heat_source by_elimination_matbench) were matched by elimination, not read with the "
            "structure.",
        ),
    ),
    Dataset(
        name="jarvis_structures",
        title="structures of JARVIS-DFT",
        tier="public",
        files=(
            DataFile(
                path="structures/jarvis_structures.jsonl.gz",
                sha256="e0a888f3acaf390b878ea79a817cf56b0007372e0d274f1cb2643190cbe2c38a",
            ),
        ),
        target=TARGET,
        unit="eV/atom",
        licence="NIST (public domain in the US)",
        citation=JARVIS_CITATION,
        rows=1_387,
        stand_in=None,
        reader=StructureReader(left_out_sources=("mineral_name_prototype_mp",)),
        notes=("Superconductor candidates and mineral prototypes, not a uniform draw of JARVIS-DFT (OptB88vdW).",),
    ),
)
