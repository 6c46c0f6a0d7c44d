"""Progress reports of an evaluation."""

from collections.abc import Callable
from dataclasses import dataclass, field

from posttrainbench.records.units import short_duration


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
    """

    doing: str
    done: int = 0
    total: int = 0
    score: float | None = None
    tokens_per_second: float | None = field(default=None, compare=False)
    seconds_left: float | None = field(default=None, compare=False)

    @property
    def speed(self) -> str:
        """Tokens per second and the time left, such as `85 tokens/s, 4 min left`; empty if unknown."""
        parts = []
        if self.tokens_per_second is not None:
            parts.append(f"{self.tokens_per_second:.0f} tokens/s")
        if self.seconds_left:
            parts.append(f"{short_duration(self.seconds_left)} left")
        return ", ".join(parts)

    def __str__(self) -> str:
        if not self.total:
            return self.doing
        mean = "" if self.score is None else f", mean so far {100 * self.score:.1f} percent"
        speed = f", {self.speed}" if self.speed else ""
        return f"{self.doing}: {self.done} of {self.total} items{mean}{speed}"


Tell = Callable[[Progress], None]
