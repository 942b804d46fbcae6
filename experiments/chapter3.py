"""Chapter 3: ElemNet on OQMD. Each table and figure as JSON, CSV and picture."""

import sys

from experiments.chapter import main as run_chapter
from experiments.chapter3_activations import fig_3_6
from experiments.chapter3_errors import error_analysis, fig_3_4
from experiments.chapter3_holdouts import fig_3_5, holdouts
from experiments.chapter3_models import dropout_study, fig_3_2, table_3_1, table_3_2
from experiments.chapter3_runs import Chapter3
from experiments.chapter3_screening import table_3_3
from experiments.chapter3_sizes import fig_3_3

ENTRIES = {
    function.__name__: function
    for function in (
        table_3_1,
        table_3_2,
        fig_3_4,
        error_analysis,
        fig_3_2,
        fig_3_3,
        holdouts,
        fig_3_5,
        fig_3_6,
        table_3_3,
        dropout_study,
    )
}


def main(arguments: list[str] | None = None) -> int:
    """Run the chapter from the command line."""
    return run_chapter(Chapter3, __doc__ or "", ENTRIES, default_data="oqmd", arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
