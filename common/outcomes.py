"""What becomes of a task: its value, or a sentence on why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_MAX_REASON_CHARACTERS = 400


@dataclass(frozen=True)
class TaskOutcome:
    """What became of one task.

    Attributes:
        index: Its place among the tasks.
        value: What the function returned; ``None`` if it failed.
        reason: Why it failed, in one sentence; ``""`` if it did not.
    """

    index: int
    value: Any
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether the function returned."""
        return not self.reason


def attempt(function: Callable[[Any], Any], task: Any) -> tuple[Any, str]:
    """The value and ``""``, or ``None`` and the reason; what only ends a process, as ``sys.exit``, is a reason too."""
    try:
        return function(task), ""
    except (Exception, SystemExit) as error:
        return None, sentence(error)


def one_line(text: object) -> str:
    """A text, such as an exception of a library, on one line without what a terminal or a table could stumble over."""
    words = " ".join(str(text).split())
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words)


def sentence(error: BaseException) -> str:
    """An exception on one line, of bounded length: ``ValueError: expected ...``."""
    text = one_line(error)
    if len(text) > _MAX_REASON_CHARACTERS:
        text = text[: _MAX_REASON_CHARACTERS - 3] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
