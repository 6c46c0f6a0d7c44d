"""Count the cost of a judge's votes and enforce a limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from posttrainbench.audit.judge.records import JudgeUsage
from posttrainbench.usage.prices import load_prices

if TYPE_CHECKING:
    from inspect_ai.model import ModelOutput


@dataclass
class CostLimit:
    """Limit on the cost of all votes together.

    Attributes:
        limit: US dollars; None for no limit.
        spent: US dollars spent so far.
    """

    limit: float | None = None
    spent: float = 0.0

    @property
    def reached(self) -> bool:
        """True if no more requests may be sent."""
        return self.limit is not None and self.spent >= self.limit


@dataclass
class CostMeter:
    """Counts tokens and cost of one vote.

    Attributes:
        price_of: the model's name in the price table.
        limit: the limit that the cost counts toward.
        usage: what the vote used so far.
    """

    price_of: str
    limit: CostLimit
    usage: JudgeUsage = field(default_factory=JudgeUsage)

    def add(self, output: ModelOutput) -> None:
        """Add the usage of a reply."""
        used = output.usage
        before = self.usage
        if used is None:
            self.usage = before.model_copy(update={"requests": before.requests + 1, "cost": None})
            return
        # Inspect counts tokens read from and written to the cache separately from the rest of the prompt.
        cached, written = used.input_tokens_cache_read or 0, used.input_tokens_cache_write or 0
        total = used.input_tokens + cached + written
        cost = load_prices().cost(self.price_of, total, cached, used.output_tokens, written)
        self.limit.spent += cost or 0.0
        self.usage = JudgeUsage(
            requests=before.requests + 1,
            input=before.input + total,
            cached=before.cached + cached,
            cache_write=before.cache_write + written,
            output=before.output + used.output_tokens,
            cost=None if cost is None or before.cost is None else before.cost + cost,
        )
