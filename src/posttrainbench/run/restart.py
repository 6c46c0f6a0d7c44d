"""Whether an agent that has ended by itself is started again: asked to use the time left, or after a provider failed.

A provider that fails is no fault of the agent's: its session is resumed some seconds later. Where that does not help
`len(WAITS)` times in a row, or could not, the run is an infrastructure error.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from posttrainbench.errors import InfrastructureError
from posttrainbench.gateway.calls import ModelCall

WAITS = (1.0, 15.0, 60.0, 300.0)
"""Seconds before a session is resumed after its provider has failed, one after the other without success."""

IDLE = 3
"""So often in a row an agent is asked to use the time left and answers with one model call at most; then it is done."""

FREE = frozenset({"count_tokens", "countTokens"})
LEFT = "the agent left"
"""What the gateway notes of a request that its own client gave up."""
HOPELESS = frozenset({401, 402, 403, 404})
"""Statuses of a provider that no other try mends: the key, the account, or the model is wrong."""
BY_REQUEST = frozenset({400, 413, 422})
"""Statuses for which the request is at fault: the agent's doing, unless no request has ever succeeded."""
NO_CREDIT = re.compile(r"credit balance|insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)

Why = Literal["time_left", "provider_failed"]


@dataclass(frozen=True)
class Restart:
    """How to go on.

    Attributes:
        fresh: begin anew with the task's own prompt, since there is no session yet.
        wait: seconds before.
    """

    why: Why
    fresh: bool = False
    wait: float = 0.0


@dataclass(frozen=True)
class Ended:
    """An agent that has ended by itself.

    Attributes:
        calls: its model calls since its last start, in the order of their ends.
        worked_before: whether a call succeeded in an earlier start.
        failures: how often it was started after a failure of its provider, without a success since.
        asked: how often in a row, this start included, it was asked to use the time left and made one call at most.
        left: seconds of its budget.
        reprompt: see `agents.Launch.reprompt`.
    """

    exit_code: int
    calls: Sequence[ModelCall]
    worked_before: bool
    failures: int
    asked: int
    left: float
    reprompt: float | None


def restart(ended: Ended) -> Restart | None:
    """How the agent goes on; None where it is done.

    Raises:
        InfrastructureError: its provider fails for good.
    """
    calls = [call for call in ended.calls if call.endpoint not in FREE and call.error != LEFT]
    worked = any(map(_good, calls))
    last = calls[-1] if calls else None
    if last is not None and last.refused and last.status == 429:
        return None  # its budget for models is used up
    if last is not None and _failed(last) and (ended.exit_code != 0 or not worked):
        has_session = worked or ended.worked_before
        failures = 0 if worked else ended.failures
        by_request = last.status in BY_REQUEST
        if _hopeless(last) or (by_request and not has_session) or (not by_request and failures >= len(WAITS)):
            raise InfrastructureError("provider_failed", f"The model's provider failed: {_told(last)}")
        if not by_request:
            return Restart("provider_failed", fresh=not has_session, wait=WAITS[failures])
    if ended.reprompt is not None and ended.left > ended.reprompt and worked and ended.asked < IDLE:
        return Restart("time_left")
    return None


def _good(call: ModelCall) -> bool:
    return call.status == 200 and call.error is None and not call.refused


def _failed(call: ModelCall) -> bool:
    return not call.refused and not _good(call)


def _hopeless(call: ModelCall) -> bool:
    return call.status in HOPELESS or bool(NO_CREDIT.search(call.error or ""))


def _told(call: ModelCall) -> str:
    told = (call.error or "it gave no reason").rstrip(".")
    return f"HTTP {call.status}, {told}." if call.status != 200 else f"{told}."
