"""Count scored items: into the ledger, and for progress reports."""

import time
from collections.abc import Mapping

from posttrainbench.benchmarks import Grade
from posttrainbench.evaluation.ledger import Ledger
from posttrainbench.evaluation.progress import Progress, Tell

TELL_SECONDS = 0.2


class Counter:
    """Records each score and reports progress at most every `TELL_SECONDS`."""

    def __init__(
        self,
        benchmark_id: str,
        seed: int,
        known: Mapping[str, Grade],
        total: int,
        ledger: Ledger,
        tell: Tell,
        rows: int,
    ) -> None:
        """Start to count, and report it.

        Args:
            known: scores of an interrupted evaluation.
            total: number of items, including the known ones.
            rows: number of items that the engine computes at once.
        """
        self._doing, self._seed, self._total = f"{benchmark_id}, seed {seed}", seed, total
        self._ledger, self._tell, self._rows = ledger, tell, rows
        self._known = self._done = len(known)
        self._sum = sum(grade.score * grade.weight for grade in known.values())
        self._weight = sum(grade.weight for grade in known.values())
        self._tokens = 0
        self._began = time.monotonic()
        self._told = 0.0
        self._say()

    def add(self, item: str, grade: Grade) -> None:
        """Record the score of an item."""
        self._ledger.add(self._seed, item, grade)
        self._done += 1
        self._sum += grade.score * grade.weight
        self._weight += grade.weight
        if self._done == self._total or time.monotonic() - self._told > TELL_SECONDS:
            self._say()

    def add_tokens(self, tokens: int) -> None:
        """Count generated tokens."""
        self._tokens += tokens

    def _say(self) -> None:
        self._told = time.monotonic()
        mean = self._sum / self._weight if self._done else None
        seconds = self._told - self._began
        rate = self._tokens / seconds if self._tokens else None
        left = seconds_left(self._done - self._known, self._total - self._done, self._rows, seconds)
        self._tell(Progress(self._doing, self._done, self._total, mean, rate, left))


def seconds_left(done: int, left: int, rows: int, seconds: float) -> float | None:
    """Estimate the time for the items that are left; those that are being computed count as half complete.

    Args:
        done: number of items that were completed in `seconds`.
        rows: number of items that are computed at once.
    """
    if not done:
        return None
    half = min(rows, left) / 2
    return seconds / (done + half) * (left - half)
