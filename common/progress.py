"""Progress of a training: a bar with rate and time left on a terminal, one line a validation in a log."""

import sys

from tqdm import tqdm


class TrainingProgress:
    """Shows how far a training is.

    Args:
        max_epochs: Epochs of the whole run.
        num_rows: Rows of an epoch.
        steps_per_epoch: Minibatches of an epoch.
        done_epochs: Epochs that a resumed run has behind it.
        enabled: ``False`` shows nothing.
    """

    def __init__(
        self, max_epochs: int, num_rows: int, steps_per_epoch: int, done_epochs: int = 0, *, enabled: bool = True
    ):
        self.max_epochs, self.num_rows, self.done_epochs, self.enabled = max_epochs, num_rows, done_epochs, enabled
        self.steps_per_epoch = steps_per_epoch
        self.bar: tqdm | None = None

    def __enter__(self) -> "TrainingProgress":
        if self.enabled and sys.stderr.isatty():
            self.bar = tqdm(
                total=self.max_epochs * self.num_rows,
                initial=self.done_epochs * self.num_rows,
                unit=" rows",
                unit_scale=True,
                desc="training",
            )
        return self

    def __exit__(self, *exception) -> None:
        if self.bar is not None:
            self.bar.close()

    def advance(self, num_rows: int, train_loss: float) -> None:
        """Count rows trained."""
        if self.bar is not None:
            self.bar.update(num_rows)
            self.bar.set_postfix_str(f"loss {train_loss:.4f}", refresh=False)

    def validated(self, row: dict, monitor: str, best: float) -> None:
        """Report a validation; ``row`` is the new row of the history, ``monitor`` says which error is followed."""
        text = (
            f"epoch {row['epoch']}/{self.max_epochs}  step {row['step']}  loss {row['train_loss']:.4f}  "
            f"validation {monitor} {row[f'validation_{monitor}']:.4f} (best {best:.4f})"
        )
        if self.bar is not None:
            self.bar.set_description_str(text, refresh=False)
        elif self.enabled:
            epochs = row["step"] / self.steps_per_epoch  # a validation may come long before the first is over
            rate = epochs * self.num_rows / max(row["seconds"], 1e-9)
            left = row["seconds"] * (self.max_epochs / epochs - 1)
            print(f"{text}  {rate:,.0f} rows/s  {left / 60:.1f} min left", file=sys.stderr, flush=True)
