"""Record a run's model calls and enforce its budgets."""

import os
from pathlib import Path

from posttrainbench.gateway.admit import RefusedError
from posttrainbench.usage.calls import ModelCall, spending
from posttrainbench.usage.prices import PriceTable

MAX_LOGGED_REFUSALS = 10_000
"""Refused requests that are recorded; they cost an agent nothing, so their number must be bounded."""


class Meter:
    """Writes `usage.jsonl` and enforces the budgets.

    A request that starts within the budget is completed, so the last requests may exceed it. A restarted gateway counts
    the usage that the file already contains.
    """

    def __init__(self, file: Path, prices: PriceTable, max_tokens: int | None, max_dollars: float | None) -> None:
        self._prices = prices
        self._max_tokens = max_tokens
        self._max_dollars = max_dollars
        self._refusals = 0
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._spent = spending(file)
        if file.read_bytes()[-1:] not in (b"", b"\n"):
            os.write(self._file, b"\n")  # terminates a line that a crash cut short

    def check(self, model: str) -> None:
        """Check that the budgets permit a request.

        Raises:
            RefusedError: a budget is used up, or there is a dollar budget and the model's price is unknown.
        """
        if self._max_tokens is not None and self._spent.tokens >= self._max_tokens:
            raise _used_up(f"{self._max_tokens:,} tokens")
        if self._max_dollars is None:
            return
        if self._spent.dollars >= self._max_dollars:
            raise _used_up(f"{self._max_dollars:.2f} US dollars")
        if self._prices.find(model) is None:
            raise RefusedError("refused", f"The price of {model[:100]!r} is unknown; this run's budget requires one.")

    def write(self, call: ModelCall) -> None:
        """Append a line; it is in the file when this returns."""
        if call.refused:
            self._refusals += 1
            if self._refusals > MAX_LOGGED_REFUSALS:
                return
        self._spent = self._spent.plus(call)
        os.write(self._file, call.model_dump_json().encode() + b"\n")


def _used_up(budget: str) -> RefusedError:
    return RefusedError("budget", f"This run's budget for models ({budget}) is used up; retrying will not help.")
