"""The registry of formula tables: files, hashes, targets, units, licences, citations.

A new table is one more entry; `TableReader` reads most files.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from common.composition_tables import (
    MAGNETIC_MOMENT_MU_B,
    Rule,
    TableReader,
    is_magnetic,
    is_metal,
    read_flla,
    read_oqmd,
    read_oqmd_subset,
    read_published_elemnet,
    read_stable_mp,
)
from common.experiment_tables import read_crc, read_ssub, read_ssub_leaderboard
from common.fetch import DataFile
from common.readers import ABOVE_HULL, BAND_GAP, IS_MAGNETIC, IS_METAL, TARGET, VOLUME, Dataset

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
_JARVIS_GAP_FILES = (
    "9cad7cbddc032f20fd0ad41a7c7f091db5dc7024862875319480a01dc297dcb9",
    "cc06b41b5100dca8c13b127bf2c63555abd736c626de0c82abaea2d57a229c36",
)
_MP_FORMATION_ENERGY = DataFile(
    path="mp/CritExam__Ef.csv.gz", sha256="911d0fe651a76a8a8a5a314f935789a2c4e4651737f8225a966959ca27b8c35d"
)
_QMPY = (
    "https://raw.githubusercontent.com/wolverton-research-group/qmpy/dede5bdf4aa3ea1187a7bc273e86336c24aadb25/"
    "qmpy/data/thermodata/"
)
_SSUB = DataFile(
    path="experiment/ssub.dat",
    url=f"{_QMPY}ssub.dat",
    sha256="72d98cfe965e1e1972cae8cc483fbe6cb2e4da19150584e86d01b2707ae0533e",
)
_SSUB_CORRECTIONS = DataFile(
    path="experiment/corrections.dat",
    url=f"{_QMPY}corrections.dat",
    sha256="520744ccae846123a0d027859aab4b2252d5279378ae73c4a54d75c049cbc744",
)
_SSUB_LICENCE = "values compiled by SGTE; files MIT (qmpy)"
_SSUB_CITATION = (
    "SGTE, Thermodynamic Properties of Inorganic Materials, Landolt-Boernstein, New Series, group IV, vol. 19 "
    "(Springer, Berlin, 1999); files: S. Kirklin et al., npj Comput. Mater. 1, 15010 (2015), "
    "doi:10.1038/npjcompumats.2015.10"
)
LEADERBOARD = (
    "https://raw.githubusercontent.com/usnistgov/jarvis_leaderboard/57afc55f94c8a6f4562f73a3173968cd4b2f83b1/"
    "jarvis_leaderboard/"
)
LEADERBOARD_LICENCE = "NIST (public domain in the US); files: notice of usnistgov/jarvis_leaderboard"
LEADERBOARD_CITATION = "K. Choudhary et al., npj Comput. Mater. 10, 93 (2024), doi:10.1038/s41524-024-01259-w"
# setup.cfg admits the releases of chemicals that have these files
_CHEMICALS_FILES = {
    "Heat Capacity/CRC Standard Thermodynamic Properties of Chemical Substances.tsv": (
        "718d121e0c6ee3cbc2b8a0029dcde7feba72cd3fa18dc4f08f22cf79f1028df2"
    ),
    "Identifiers/Inorganic db.tsv": "05e38f7ec8fa928e2d819ad744dac2931e78e9ae0781bf8ee03f2b3367305bce",
    "Identifiers/chemical identifiers pubchem small.tsv": (
        "21fc5441ba4e159ec3b3993459d7cd0c6d375a1565c7304cc55580e8999ba42e"
    ),
    "Identifiers/chemical identifiers example user db.tsv": (
        "4ebccb034b0ad9b4bba66d194df1b8d2c62d12303a126588dc7dfb4280df25aa"
    ),
    "Identifiers/chemical identifiers pubchem large.tsv": (
        "3b9aac5ae8d270bafc9e72a6af5441ce580f0ce444d1dee48dc37e47474b91fc"
    ),
}
_FLLA_SHA256 = "889c439f6b18ae7c870255e242da16ba5936d3c82260defc35ca94907712bf90"


_JARVIS_NOTE = (
    "The JARVIS files have lost the digit 1 in nearly all amounts: O12 stands as O2, and F10 is gone (KTb3 at -4.19 "
    "eV/atom is KTb3F10). An unknown part of their formulas is wrong, no rule that leaves the values out tells which, "
    "and errors on them are larger for it."
)


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
    label: Callable[[pd.Series], pd.Series] | None = None,
    notes: tuple[str, ...] = (),
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
        reader=TableReader(target, keep, "pretty_comp", column, file_splits=("train", "test"), label=label),
        notes=(*notes, _JARVIS_NOTE),
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
        files=(_MP_FORMATION_ENERGY,),
        target=TARGET,
        unit="eV/atom",
        licence=_MP_LICENCE,
        citation=_BARTEL_CITATION,
        rows=85_014,
        stand_in="flla",
        reader=TableReader(TARGET, "lowest", split_column="split"),
    ),
    Dataset(
        name="mp_stable_formation_energy",
        title="Materials Project formation energies of the stable compositions",
        tier="public",
        files=(
            _MP_FORMATION_ENERGY,
            DataFile(
                path="mp/CritExam__Ed.csv.gz",
                sha256="5e73a85f049204b8cbfdbda3a46722b4304bee2e86cbf728a9dae3578415d778",
            ),
        ),
        target=TARGET,
        unit="eV/atom",
        licence=_MP_LICENCE,
        citation=_BARTEL_CITATION,
        rows=33_998,
        stand_in="flla",
        reader=read_stable_mp,
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
        hashes=_JARVIS_GAP_FILES,
    ),
    _jarvis(
        name="jarvis_is_metal",
        title="JARVIS-DFT metal labels (OptB88vdW)",
        stem="optb88vdw_bandgap",
        column="optb88vdw_bandgap",
        target=IS_METAL,
        unit="0 or 1",
        keep="agreed",
        rows=26_653,
        hashes=_JARVIS_GAP_FILES,
        label=is_metal,
        notes=(
            "A metal is what has an OptB88vdW gap of 0; the functional underestimates gaps, so some semiconductors "
            "count as metals.",
        ),
    ),
    _jarvis(
        name="jarvis_is_magnetic",
        title="JARVIS-DFT magnetic labels",
        stem="magoszi",
        column="magmom_oszicar",
        target=IS_MAGNETIC,
        unit="0 or 1",
        keep="agreed",
        rows=24_569,
        hashes=(
            "edde1bf53fae9a500395ce293bfef503d10b10e94ccf05372f9681ef4d20dd7a",
            "ffd82c2bfa035ea8f92153ce942552f6a792592cbaaa4674a2db5c94c11b6104",
        ),
        label=is_magnetic,
        notes=(
            f"Magnetic is a moment above {MAGNETIC_MOMENT_MU_B} Bohr magnetons a cell: smaller ones are what "
            "convergence has left over. Antiferromagnets whose moments cancel count as not magnetic.",
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
    Dataset(
        name="ssub",
        title="measured formation enthalpies (SGTE SSUB, corrected)",
        tier="public",
        files=(_SSUB, _SSUB_CORRECTIONS),
        target=TARGET,
        unit="eV/atom",
        licence=_SSUB_LICENCE,
        citation=_SSUB_CITATION,
        rows=1_728,
        stand_in="crc_enthalpies",
        reader=read_ssub,
    ),
    Dataset(
        name="ssub_as_published",
        title="measured formation enthalpies (SGTE SSUB, as published)",
        tier="public",
        files=(_SSUB,),
        target=TARGET,
        unit="eV/atom",
        licence=_SSUB_LICENCE,
        citation=_SSUB_CITATION,
        rows=1_728,
        stand_in="crc_enthalpies",
        reader=read_ssub,
        notes=(
            "As published, SSUB has known errors: LiNbO3 is 2.9 eV/atom too low, PtZr 0.6 and AlB2 0.5 too low, InN "
            "0.2 too high; the data set ssub has them corrected.",
        ),
    ),
    Dataset(
        name="ssub_leaderboard",
        title="measured formation enthalpies (SGTE SSUB) with the split of the JARVIS-Leaderboard",
        tier="public",
        files=(
            _SSUB,
            DataFile(
                path="experiment/leaderboard_ssub/ssub_formula_energy.json.zip",
                url=f"{LEADERBOARD}benchmarks/AI/SinglePropertyPrediction/ssub_formula_energy.json.zip",
                sha256="516e0b1dede56bec2ef029621d367ac5fb0afef76e415e0c55ad8d375f1090ac",
            ),
        ),
        target=TARGET,
        unit="eV/atom",
        licence=f"{LEADERBOARD_LICENCE}; {_SSUB_LICENCE}",
        citation=f"{LEADERBOARD_CITATION}; {_SSUB_CITATION}",
        rows=1_726,
        stand_in=None,
        reader=read_ssub_leaderboard,
        notes=(
            "The leaderboard scores all 345 test rows: also pure elements, known errors, and polonium, which is not "
            "among the 86 elements.",
        ),
    ),
    Dataset(
        name="crc_enthalpies",
        title="measured formation enthalpies of inorganic solids (CRC Handbook)",
        tier="bundled",
        files=tuple(
            DataFile(path=path, sha256=sha256, package="chemicals") for path, sha256 in _CHEMICALS_FILES.items()
        ),
        target=TARGET,
        unit="eV/atom",
        licence="MIT (chemicals)",
        citation=(
            "W. M. Haynes, T. J. Bruno, D. R. Lide (eds.), CRC Handbook of Chemistry and Physics (CRC Press, 2014); "
            "files: C. Bell et al., chemicals, https://github.com/CalebBell/chemicals"
        ),
        rows=553,
        stand_in=None,
        reader=read_crc,
        notes=(
            "The formulas of chemicals, found by CAS number, are not all right: enthalpies per atom down to -9.7 eV "
            "are of larger formulas; the 5-sigma rule of the cleaning drops the worst.",
        ),
    ),
)
