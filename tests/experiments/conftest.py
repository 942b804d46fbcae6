"""Chapter 3 at its smallest, shared by the tests of its figures."""

from dataclasses import replace

import pytest

from experiments.chapter import Options
from experiments.chapter3_runs import Chapter3


@pytest.fixture(scope="module")
def small_chapter3(tmp_path_factory) -> Chapter3:
    """The smoke profile with a small network and small forests."""
    root = tmp_path_factory.mktemp("chapter3")
    chapter = Chapter3(Options("smoke", "flla", False, "honest", 0, root / "results", root / "runs", "command"))
    chapter.profile = replace(chapter.profile, num_trees=5, max_train_rows=1_000)
    chapter.__dict__["config"] = replace(chapter.config, architecture="16x1-1", dropout_rates=())
    return chapter
