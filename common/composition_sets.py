"""The registry of formula tables: files, hashes, targets, units, licences, citations.

A new table is one more entry; `TableReader` reads most files.
"""

from __future__ import annotations

from common.composition_tables import (
    Rule,
    TableReader,
    read_flla,
    read_oqmd,
    read_oqmd_subset,
    read_published_elemnet,
)
from common.fetch import DataFile
from common.readers import ABOVE_HULL, BAND_GAP, IS_METAL, TARGET, VOLUME, Dataset

MP_CITATION = "A. Jain et al., APL Mater. 1, 011002 (2013), doi:10.1063/1.4812323"
FLLA_CITATION = (
    "F. Faber, A. Lindmaa, O. A. von Lilienfeld, R. Armiento, Int. J. Quantum Chem. 115, 1094 (2015), "
    "doi:10.1002/qua.24917"
)
MATMINER_LICENCE = "CC-BY 4.0 (Materials Project); file BSD-3-Clause-LBNL (matminer)"
JARVIS_CITATION = (
    "K. Choudhary et al., npj Comput. Mater. 6, 173 (2020), doi:10.1038/s41524-020-00440-1; split: V. Gupta et al., "
    "Nat. Commun. 12, 6595 (2021), doi:10.1038/s41467-021-26921-5"
)
_CRABNET = "https://raw.githubusercontent.com/anthony-wang/CrabNet/457b4d4835737ecbe4dd33e53174bd818bd82143/"
_OQMD_FILES = {
    "train": "4b420fea2c566862c38cc23e59d3caefc7ee7cbf",
    "val": "40f1357d4ece191f47a40437410ce163fca929d7",
    "test": "ffe3f18f8e411c6017f6ca8ea29fa4e02504acba",
}
_OQMD_CITATION = (
    "J. E. Saal et al., JOM 65, 1501 (2013), doi:10.1007/s11837-013-0755-4; "
    "S. Kirklin et al., npj Comput. Mater. 1, 15010 (2015), doi:10.1038/npjcompumats.2015.10; "
    "files: A. Y.-T. Wang et al., npj Comput. Mater. 7, 77 (2021), doi:10.1038/s41524-021-00545-1"
)
_OQMD_SUBSET = DataFile(
    path="oqmd/oqmd_subset.csv.gz", sha256="59c4cae3e7be9fe2f78b4d0ef7b80da3bdd0686abceb1ac14d1f4042d7974496"
)
_OQMD_LICENCE = "CC-BY 4.0 (OQMD); files MIT (CrabNet)"
_OQMD_SUBSET_NOTE = (
    "The OQMD subset holds fewer of the stable compounds (50 %) than of those up to 0.5 eV/atom above "
    "them (65 to 75 %); its test rows are a uniform draw, so score on those alone."
)
_MP_LICENCE = "CC-BY 4.0 (Materials Project); files MIT (CrabNet)"
_MATBENCH_CITATION = (
    f"{MP_CITATION}; files: A. Dunn et al., npj Comput. Mater. 6, 138 (2020), doi:10.1038/s41524-020-00406-3, as "
    "distributed with CrabNet, doi:10.1038/s41524-021-00545-1"
)
_EXPERIMENT_CITATION = (
    "Y. Zhuo, A. Mansouri Tehrani, J. Brgoch, J. Phys. Chem. Lett. 9, 1668 (2018), doi:10.1021/acs.jpclett.8b00124; "
    "files: A. Dunn et al., npj Comput. Mater. 6, 138 (2020), doi:10.1038/s41524-020-00406-3"
)
_BARTEL_CITATION = (
    f"{MP_CITATION}; files: C. J. Bartel et al., npj Comput. Mater. 6, 97 (2020), doi:10.1038/s41524-020-00362-y, as "
    "distributed with CrabNet, doi:10.1038/s41524-021-00545-1"
)
_JARVIS_LICENCE = "NIST (public domain in the US); files: COPYRIGHT notice of NU-CUCIS/CrossPropertyTL"
_FLLA_SHA256 = "889c439f6b18ae7c870255e242da16ba5936d3c82260defc35ca94907712bf90"


def _jarvis(
    name: str,
    title: str,
    stem: str,
    column: str,
    target: str,
    unit: str,
    keep: Rule,
    rows: int,
    hashes: tuple[str, str],
) -> Dataset:
    return Dataset(
        name=name,
        title=title,
        tier="public",
        files=tuple(
            DataFile(path=f"jarvis/{stem}_{part}_set.csv.gz", sha256=sha256)
            for part, sha256 in zip(("training", "test"), hashes, strict=True)
        ),
        target=target,
        unit=unit,
        licence=_JARVIS_LICENCE,
        citation=JARVIS_CITATION,
        rows=rows,
        stand_in=None,
        reader=TableReader(target, keep, "pretty_comp", column, file_splits=("train", "test")),
    )


COMPOSITION_SETS: tuple[Dataset, ...] = (
    Dataset(
        name="oqmd",
        title="OQMD formation enthalpies",
        tier="public",
        files=tuple(
            DataFile(
                path=f"oqmd/OQMD_Formation_Enthalpy/{split}.csv",
                url=f"{_CRABNET}data/benchmark_data/OQMD_Formation_Enthalpy/{split}.csv",
                git_blob=blob,
            )
            for split, blob in _OQMD_FILES.items()
        ),
        target=TARGET,
        unit="eV/atom",
        licence=_OQMD_LICENCE,
        citation=_OQMD_CITATION,
        rows=341_700,
        stand_in="oqmd_subset",
        reader=read_oqmd,
    ),
    Dataset(
        name="oqmd_subset",
        title="a subset of the OQMD formation enthalpies",
        tier="stand-in",
        files=(_OQMD_SUBSET,),
        target=TARGET,
        unit="eV/atom",
        licence=_OQMD_LICENCE,
        citation=_OQMD_CITATION,
        rows=233_859,
        stand_in="flla",
        reader=read_oqmd_subset,
        notes=(_OQMD_SUBSET_NOTE,),
    ),
    Dataset(
        name="oqmd_published_elemnet",
        title="predictions of ElemNet as published by the authors of CrabNet",
        tier="public",
        files=(
            DataFile(
                path="oqmd/published_elemnet_predictions_v2021-03_test.csv.gz",
                sha256="46503e0cc8a0143488dfc33ff8accc4d2931d5e805bb1285500680fd9bb0da84",
            ),
        ),
        target=TARGET,
        unit="eV/atom",
        licence=_OQMD_LICENCE,
        citation=_OQMD_CITATION,
        rows=48_254,
        stand_in=None,
        reader=read_published_elemnet,
    ),
    Dataset(
        name="flla",
        title="the bundled sample (FLLA, Materials Project)",
        tier="bundled",
        files=(DataFile(path="bundled/flla.csv.gz", sha256=_FLLA_SHA256, package="common"),),
        target=TARGET,
        unit="eV/atom",
        licence=MATMINER_LICENCE,
        citation=FLLA_CITATION,
        rows=3_938,
        stand_in=None,
        reader=read_flla,
        notes=("The bundled sample shows that everything works; it is far too small for the accuracy of the papers.",),
    ),
    Dataset(
        name="oqmd_formation_enthalpy",
        title="formation enthalpies of the OQMD subset with the split of 2021-03",
        tier="stand-in",
        files=(_OQMD_SUBSET,),
        target=TARGET,
        unit="eV/atom",
        licence=_OQMD_LICENCE,
        citation=_OQMD_CITATION,
        rows=233_859,
        stand_in="flla",
        reader=TableReader(TARGET, "lowest", "composition", "delta_e_ev_per_atom", "split_v2021_03"),
        notes=(_OQMD_SUBSET_NOTE,),
    ),
    Dataset(
        name="oqmd_volume",
        title="volumes per atom of the OQMD subset",
        tier="stand-in",
        files=(_OQMD_SUBSET,),
        target=VOLUME,
        unit="angstrom^3/atom",
        licence=_OQMD_LICENCE,
        citation=_OQMD_CITATION,
        rows=140_121,
        stand_in=None,
        reader=TableReader(VOLUME, "median", "composition", "volume_per_atom_a3", "split_v2021_03"),
        notes=(_OQMD_SUBSET_NOTE,),
    ),
    Dataset(
        name="oqmd_band_gap",
        title="OQMD band gaps",
        tier="public",
        files=(
            DataFile(
                path="oqmd/oqmd_bandgap_v2021-03.csv.gz",
                sha256="da4e9bd0f4b9289b1f12f339c14f14cbb2e9d2baf228eca17e6b3c1270d7ff25",
            ),
        ),
        target=BAND_GAP,
        unit="eV",
        licence=_OQMD_LICENCE,
        citation=_OQMD_CITATION,
        rows=341_608,
        stand_in=None,
        reader=TableReader(BAND_GAP, "median", split_column="split"),
        notes=("Of the OQMD band gaps 93 % are 0: a model that always says 0 has a low error, so compare with that.",),
    ),
    Dataset(
        name="mp_formation_energy",
        title="Materials Project formation energies of the lowest polymorphs",
        tier="public",
        files=(
            DataFile(
                path="mp/CritExam__Ef.csv.gz",
                sha256="911d0fe651a76a8a8a5a314f935789a2c4e4651737f8225a966959ca27b8c35d",
            ),
        ),
        target=TARGET,
        unit="eV/atom",
        licence=_MP_LICENCE,
        citation=_BARTEL_CITATION,
        rows=85_014,
        stand_in="flla",
        reader=TableReader(TARGET, "lowest", split_column="split"),
    ),
    Dataset(
        name="mp_e_form",
        title="Materials Project formation energies (Matbench)",
        tier="public",
        files=(
            DataFile(
                path="mp/mp_e_form.csv.gz",
                sha256="63ffc9def1719743601dd9b76888dad3b591056c8ff4e69cb4706250c1c3e1c5",
            ),
        ),
        target=TARGET,
        unit="eV/atom",
        licence=_MP_LICENCE,
        citation=_MATBENCH_CITATION,
        rows=95_118,
        stand_in="flla",
        reader=TableReader(TARGET, "lowest"),
    ),
    Dataset(
        name="mp_gap",
        title="Materials Project band gaps (Matbench)",
        tier="public",
        files=(
            DataFile(
                path="mp/mp_gap.csv.gz", sha256="a664433f9cdbb503a98389037b366e4e1b6ec978e4a32c44f63c065e47b97272"
            ),
        ),
        target=BAND_GAP,
        unit="eV",
        licence=_MP_LICENCE,
        citation=_MATBENCH_CITATION,
        rows=78_164,
        stand_in=None,
        reader=TableReader(BAND_GAP, "median"),
    ),
    Dataset(
        name="mp_e_hull",
        title="Materials Project energies above the hull",
        tier="public",
        files=(
            DataFile(
                path="mp/mp_e_hull.csv.gz",
                sha256="c65f39ccebf0250d65d8114ac6ba7947021f7d2ef9ad93f4254862e450c426a6",
            ),
        ),
        target=ABOVE_HULL,
        unit="eV/atom",
        licence=_MP_LICENCE,
        citation=_MATBENCH_CITATION,
        rows=56_662,
        stand_in=None,
        reader=TableReader(ABOVE_HULL, "lowest", split_column="split"),
    ),
    Dataset(
        name="mp_is_metal",
        title="Materials Project metal labels (Matbench)",
        tier="public",
        files=(
            DataFile(
                path="mp/mp_is_metal.csv.gz",
                sha256="267455342be631e19ebf09b40bf59263c9718d23f290e5e3395c5b986cc7b1cc",
            ),
        ),
        target=IS_METAL,
        unit="0 or 1",
        licence=_MP_LICENCE,
        citation=_MATBENCH_CITATION,
        rows=76_650,
        stand_in=None,
        reader=TableReader(IS_METAL, "agreed"),
    ),
    Dataset(
        name="expt_is_metal",
        title="experimental metal labels (Matbench)",
        tier="public",
        files=(
            DataFile(
                path="mp/expt_is_metal.csv.gz",
                sha256="aec420ff2545a6ad5d061adb94ae4ef41de905761379807c3909329d22691b15",
            ),
        ),
        target=IS_METAL,
        unit="0 or 1",
        licence="MIT (Matbench, CrabNet)",
        citation=_EXPERIMENT_CITATION,
        rows=4_916,
        stand_in=None,
        reader=TableReader(IS_METAL, "agreed"),
    ),
    Dataset(
        name="expt_gap",
        title="experimental band gaps (Matbench)",
        tier="public",
        files=(
            DataFile(
                path="mp/expt_gap.csv.gz", sha256="f3d975d835e9af4592f7ce38e006f1922669fb663c907a35967bfb0fcf3e7d6c"
            ),
        ),
        target=BAND_GAP,
        unit="eV",
        licence="MIT (Matbench, CrabNet)",
        citation=_EXPERIMENT_CITATION,
        rows=4_601,
        stand_in=None,
        reader=TableReader(BAND_GAP, "median"),
    ),
    _jarvis(
        name="jarvis_formation_energy",
        title="JARVIS-DFT formation energies",
        stem="deltae",
        column="formation_energy_peratom",
        target=TARGET,
        unit="eV/atom",
        keep="lowest",
        rows=26_741,
        hashes=(
            "e05f4df75537afd539f2b9563ad59d0b8749dec907c73cac644eaa4f8c2f936e",
            "cf11941af51177404583fc3f1b31979062076a7744fbeb7467118c9fd49c7bb0",
        ),
    ),
    _jarvis(
        name="jarvis_gap",
        title="JARVIS-DFT band gaps (OptB88vdW)",
        stem="optb88vdw_bandgap",
        column="optb88vdw_bandgap",
        target=BAND_GAP,
        unit="eV",
        keep="median",
        rows=26_788,
        hashes=(
            "9cad7cbddc032f20fd0ad41a7c7f091db5dc7024862875319480a01dc297dcb9",
            "cc06b41b5100dca8c13b127bf2c63555abd736c626de0c82abaea2d57a229c36",
        ),
    ),
    _jarvis(
        name="jarvis_e_hull",
        title="JARVIS-DFT energies above the hull",
        stem="ehull",
        column="ehull",
        target=ABOVE_HULL,
        unit="eV/atom",
        keep="lowest",
        rows=25_973,
        hashes=(
            "1966c94029f63e45009d865f14e3b359213466ed359b135bc1be760c36f3080b",
            "46a4b91316bb76ebb96d958a46c3d66adc92c5202a5ff5944a4ae12b27c8c516",
        ),
    ),
)
