"""Chapter 6: OMNet, orientations from EBSD patterns. Table 6.1, figure 6.4, the real scan and section 8.2.6."""

import sys
import time

import pandas as pd

from common.files import write_csv_atomic
from common.results import ResultRow
from experiments.chapter import main as run_chapter
from experiments.chapter6_indexing import table_6_1
from experiments.chapter6_real import real_scan, section_8_2_6
from experiments.chapter6_runs import Chapter6
from experiments.chapter6_tasks import UNIT
from omnet import figures
from omnet.config import LOSSES


def fig_6_4(chapter: Chapter6) -> None:
    """Loss and mean disorientation against the epoch, for the five losses."""
    started = time.monotonic()
    curves, rows = [], []
    for loss in LOSSES:
        result = chapter.of_loss(loss)
        steps_per_epoch = -(-result.card["data"]["rows_train"] // result.card["training"]["batch_size"])
        history = result.training.history
        curves.append(history.assign(loss=loss.upper(), epochs=history["step"] / steps_per_epoch))
        best = result.card["metrics"]["validation_mde_deg"]
        rows.append(
            ResultRow(
                f"OMNet {loss.upper()}, lowest on validation",
                "MDE",
                best,
                UNIT,
                rows_train=result.card["data"]["rows_train"],
                seconds_train=round(result.training.seconds, 1),
                headline=False,
            )
        )
    write_csv_atomic(chapter.results / "fig_6_4_curves.csv", pd.concat(curves).round(6))
    figures.learning_curves(chapter.results)
    chapter.finish("fig_6_4", "Figure 6.4: loss and MDE in training", rows, started)


ENTRIES = {function.__name__: function for function in (fig_6_4, table_6_1, real_scan, section_8_2_6)}


def main(arguments: list[str] | None = None) -> int:
    """Run the chapter from the command line."""
    return run_chapter(Chapter6, __doc__ or "", ENTRIES, arguments=arguments)


if __name__ == "__main__":
    sys.exit(main())
