"""Chapter 7: PADNet, phase regions from raw X-ray images. Its figures, the 1D comparison, and the controls."""

import sys

from experiments.chapter import main as run_chapter
from experiments.chapter7_classical import section_7_4_4, stored_results
from experiments.chapter7_images import fig_7_1, fig_7_2, fig_7_4
from experiments.chapter7_networks import controls, fig_7_6, fig_7_7, wafer_map
from experiments.chapter7_runs import Chapter7

ENTRIES = {
    function.__name__: function
    for function in (stored_results, fig_7_1, fig_7_2, fig_7_4, section_7_4_4, controls, wafer_map, fig_7_6, fig_7_7)
}


def main(arguments: list[str] | None = None) -> int:
    """Run the chapter from the command line."""
    return run_chapter(Chapter7, __doc__ or "", ENTRIES, arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
