"""Progress reports of an evaluation."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from posttrainbench.records.units import short_duration

STALE_SECONDS = 60.0
"""Age from which a report says how old it is."""


@dataclass(frozen=True)
class Progress:
    """The progress of an evaluation.

    Attributes:
        doing: description of the current step, such as `gsm8k, seed 0`.
        done: number of scored items, including those of an interrupted evaluation.
        total: number of items; 0 if the step does not count items.
        score: mean over the scored items.
        tokens_per_second: generated tokens of the items that were scored since the start, per second.
        seconds_left: estimate for the other items of this step.
        since: time of the report on the monotonic clock.
    """

    doing: str
    done: int = 0
    total: int = 0
    score: float | None = None
    tokens_per_second: float | None = field(default=None, compare=False)
    seconds_left: float | None = field(default=None, compare=False)
    since: float = field(default_factory=time.monotonic, compare=False)

    @property
    def speed(self) -> str:
        """Tokens per second and the time left, such as `85 tokens/s, 4 min left`; empty if unknown."""
        parts = []
        if self.tokens_per_second is not None:
            parts.append(f"{self.tokens_per_second:.0f} tokens/s")
        if self.seconds_left:
            parts.append(f"{short_duration(self.seconds_left)} left")
        return ", ".join(parts)

    def at(self, now: float) -> str:
        """Return the report as text at a later time: an estimate that no item has confirmed for long says its age."""
        age = now - self.since
        if not self.total or age < STALE_SECONDS:
            return str(self)
        return f"{self}; no item was completed in the last {short_duration(age)}"

    def __str__(self) -> str:
        if not self.total:
            return self.doing
        mean = "" if self.score is None else f", mean so far {100 * self.score:.1f} percent"
        speed = f", {self.speed}" if self.speed else ""
        return f"{self.doing}: {self.done} of {self.total} items{mean}{speed}"


Tell = Callable[[Progress], None]
