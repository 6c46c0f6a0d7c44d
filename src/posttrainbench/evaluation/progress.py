"""Progress reports of an evaluation."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """The progress of an evaluation.

    Attributes:
        doing: description of the current step, such as `gsm8k, seed 0`.
        done: number of scored items, including those of an interrupted evaluation.
        total: number of items; 0 if the step does not count items.
        score: mean over the scored items.
    """

    doing: str
    done: int = 0
    total: int = 0
    score: float | None = None

    def __str__(self) -> str:
        if not self.total:
            return self.doing
        mean = "" if self.score is None else f", mean so far {100 * self.score:.1f} percent"
        return f"{self.doing}: {self.done} of {self.total} items{mean}"


Tell = Callable[[Progress], None]
