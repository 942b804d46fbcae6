"""Chapter 4: Plain, SRNet, IRNet and SIPFENN on attributes. Tables 4.1 to 4.5, figures 4.2 to 4.5, and what the 2021
paper and SIPFENN add, each as JSON, CSV and picture."""

import time

from common.networks import parse_architecture
from common.results import ResultRow
from experiments.chapter import main as run_chapter
from experiments.chapter4_compositions import srep2021_fig_2, srep2021_table_3, table_4_4
from experiments.chapter4_runs import Chapter4, describe
from experiments.chapter4_structures import sipfenn_nn24, srep2021_table_2, table_4_2, table_4_3, table_4_5
from irnet.config import ARCHITECTURES, SIPFENN_VARIANTS
from irnet.model import num_parameters


def table_4_1(chapter: Chapter4) -> None:
    """The thirteen networks as named, with their numbers of layers and parameters."""
    started = time.monotonic()
    rows = []
    for variant, key in ARCHITECTURES.items():
        rows.append(
            ResultRow(
                f"{describe(variant)}, 145 attributes",
                "parameters",
                num_parameters(variant, 145),
                "",
                note=f"{key}; {parse_architecture(key).depth} layers",
                headline=False,
            )
        )
    for variant in SIPFENN_VARIANTS:
        count = num_parameters(variant, 271)
        rows.append(ResultRow(f"{describe(variant)}, 271 attributes", "parameters", count, "", headline=False))
    chapter.finish("table_4_1", "Table 4.1: the networks", rows, started)


ENTRIES = {
    "table_4_1": table_4_1,
    # compositions
    "table_4_4": table_4_4,
    "srep2021_fig_2": srep2021_fig_2,
    "srep2021_table_3": srep2021_table_3,
    # structures
    "table_4_2": table_4_2,
    "table_4_3": table_4_3,
    "table_4_5": table_4_5,
    "srep2021_table_2": srep2021_table_2,
    "sipfenn_fig_3_9": sipfenn_nn24,
}


def main(arguments: list[str] | None = None) -> int:
    """The command line; see ``experiments.chapter.main``."""
    return run_chapter(Chapter4, __doc__ or "", ENTRIES, arguments=arguments)


if __name__ == "__main__":
    raise SystemExit(main())
