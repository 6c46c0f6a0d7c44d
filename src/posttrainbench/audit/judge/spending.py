"""What a judge's votes cost, and the limit on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from posttrainbench.audit.judge.records import JudgeUsage
from posttrainbench.gateway.prices import load_prices

if TYPE_CHECKING:
    from inspect_ai.model import ModelOutput


@dataclass
class Purse:
    """What may be spent by all votes together, in US dollars; None for no limit."""

    limit: float | None = None
    spent: float = 0.0

    @property
    def empty(self) -> bool:
        """Whether nothing more may be asked."""
        return self.limit is not None and self.spent >= self.limit


@dataclass
class Meter:
    """Counts what one vote takes.

    Attributes:
        price_of: the model's name at its provider.
    """

    price_of: str
    purse: Purse
    usage: JudgeUsage = field(default_factory=JudgeUsage)

    def add(self, output: ModelOutput) -> None:
        """Count a reply."""
        used = output.usage
        before = self.usage
        if used is None:
            self.usage = before.model_copy(update={"requests": before.requests + 1, "cost": None})
            return
        # Inspect counts tokens from and to the cache apart from the rest of the prompt.
        cached, written = used.input_tokens_cache_read or 0, used.input_tokens_cache_write or 0
        whole = used.input_tokens + cached + written
        cost = load_prices().cost(self.price_of, whole, cached, used.output_tokens, written)
        self.purse.spent += cost or 0.0
        self.usage = JudgeUsage(
            requests=before.requests + 1,
            input=before.input + whole,
            cached=before.cached + cached,
            cache_write=before.cache_write + written,
            output=before.output + used.output_tokens,
            cost=None if cost is None or before.cost is None else before.cost + cost,
        )
