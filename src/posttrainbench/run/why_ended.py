"""Decide whose fault the end of an agent is, from the gateway's record of its model calls.

Covers: an agent whose model never answered; a provider that failed until the end; a provider that was away for a large
share of the budget. None of these may become a score. An agent cannot cause them by bad requests, by closing streams,
by requests that the gateway refuses, by calls of programs other than its scaffold, or by flooding the provider until it
limits the rate.

Does not cover: an agent that reaches the provider's limit with few but very long requests under its scaffold's name.
"""

import math
import re
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from posttrainbench.records import AgentEnd
from posttrainbench.run.progress import format_duration
from posttrainbench.usage.calls import CLIENT_CLOSED, WITHHELD, ModelCall
from posttrainbench.usage.clients import is_from, is_good, scaffold_clients, was_sent

REQUEST_STATUSES = frozenset({400, 404, 405, 406, 409, 411, 413, 414, 415, 422, 431, 451})
"""Statuses of the provider that blame the request."""
PERMANENT_STATUSES = frozenset({401, 402, 403, 404})
"""Statuses of the provider that a retry cannot fix: the key, the account or the model is wrong."""
NO_CREDIT = re.compile(r"credit balance|insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)
LOW_BALANCE = re.compile(r"(\w+: )?Your credit balance is too low")
"""Beginning of the error with which Anthropic reports missing credit, under status 400. Other errors with this status
may repeat text of the request, so only their beginning is trustworthy."""
FLOOD_CALLS, FLOOD_SECONDS = 100, 60.0
"""More calls than this, in this time, that were not refused for load explain a rate limit. Scaffolds make a few calls
per minute, and one per few seconds for each of their subagents."""
OUTPUT_LENGTH = 400
"""Number of characters of the agent's output that an error quotes."""

Kind = Literal["good", "failed", "budget", "neutral"]


@dataclass(frozen=True)
class Ending:
    """The judgment on an agent's end.

    Attributes:
        cause: cause of an infrastructure error, a key of the table in `run/errors.py`; empty if the end is the
            agent's own.
        text: one sentence with the reason; empty without a cause.
        provider_away: seconds without a working provider.
    """

    cause: Literal["", "provider_failed", "agent_not_started"] = ""
    text: str = ""
    provider_away: float = 0.0


def why_ended(
    calls: Sequence[ModelCall],
    end: AgentEnd,
    *,
    ended: float,
    budget: float,
    max_provider_away: float,
    clients: tuple[str, ...] = (),
    output: str = "",
) -> Ending:
    """Decide whose fault the end of an agent with a model is. The exit code does not matter.

    Args:
        calls: all model calls of all starts, ordered by their end times.
        end: how the last start ended.
        ended: time of the end, in seconds since 1970.
        budget: seconds.
        max_provider_away: share of the budget without a provider from which the run does not count.
        clients: see `agents.Launch`.
        output: the last lines that the agent printed, redacted.
    """
    calls = without_provoked(calls)
    own = scaffold_clients(calls, clients)
    away = provider_away(calls, own, ended)
    if not good_calls(calls, own):
        return _no_answer([call for call in calls if is_from(call, own)], away, output)
    if end in (AgentEnd.EXITED, AgentEnd.CRASHED) and (failure := pending_failure(calls, own)):
        return Ending("provider_failed", f"The model's provider failed: {describe(failure)}", away)
    if away > max_provider_away * budget:
        text = (
            f"The model's provider was unavailable for {_rounded(away)} of {_rounded(budget)}, "
            f"more than the {100 * max_provider_away:g}% that the suite allows."
        )
        return Ending("provider_failed", text, away)
    return Ending(provider_away=away)


def without_provoked(calls: Sequence[ModelCall]) -> list[ModelCall]:
    """Return the calls without those that the provider refused because of the agent's own flood of calls.

    Args:
        calls: ordered by their end times, of all programs.
    """
    kept = []
    accepted: deque[float] = deque()
    flooded = -math.inf
    for call in calls:
        end = call.time + call.seconds
        if not call.refused and call.status != 429 and call.status < 500:
            accepted.append(end)
            while accepted[0] < end - FLOOD_SECONDS:
                accepted.popleft()
            if len(accepted) > FLOOD_CALLS:
                flooded = end
        limited = call.status == 429 and not call.refused and not NO_CREDIT.search(call.error or "")
        if limited and end - flooded <= FLOOD_SECONDS:
            continue
        kept.append(call)
    return kept


def pending_failure(calls: Sequence[ModelCall], clients: Collection[str]) -> ModelCall | None:
    """Return the last failure of the provider, if no good call of the scaffold followed it.

    Args:
        calls: ordered by their end times.
        clients: see `scaffold_clients`.
    """
    for call in reversed(calls):
        kind = classify(call, clients)
        if kind != "neutral":
            return call if kind == "failed" else None
    return None


def classify(call: ModelCall, clients: Collection[str]) -> Kind:
    """Classify a call.

    Args:
        call: the call.
        clients: names of the scaffold's programs.

    Returns:
        `good`: delivered tokens; `failed`: the provider's failure; `budget`: refused because a model budget is used
        up; `neutral`: neither, or not a call of the scaffold.
    """
    if call.refused and call.status == 429:
        return "budget"
    if not was_sent(call) or call.error in (CLIENT_CLOSED, WITHHELD) or not is_from(call, clients):
        return "neutral"
    if is_good(call):
        return "good"
    if call.status in REQUEST_STATUSES and not LOW_BALANCE.match(call.error or ""):
        return "neutral"
    return "failed"


def good_calls(calls: Sequence[ModelCall], clients: Collection[str]) -> list[ModelCall]:
    """Return the good calls of the scaffold."""
    return [call for call in calls if classify(call, clients) == "good"]


def is_permanent(call: ModelCall) -> bool:
    """Return True if retrying a failed call cannot help."""
    return call.status in PERMANENT_STATUSES or bool(NO_CREDIT.search(call.error or ""))


def provider_away(calls: Sequence[ModelCall], clients: Collection[str], ended: float) -> float:
    """Return the seconds without a working provider: from each failed call until the next good call, or the end.

    Only calls that offer tools count, if the scaffold makes any: the agent waits for these, but not for side calls such
    as titles.
    """
    own = [(call, kind) for call in calls if (kind := classify(call, clients)) != "neutral"]
    if any(call.tools for call, _ in own):
        own = [(call, kind) for call, kind in own if call.tools or kind == "budget"]
    total, since = 0.0, None
    for call, kind in own:
        if kind == "failed":
            since = call.time if since is None else since
        elif since is not None:
            total += max(0.0, call.time - since)
            since = None
    return round(total + (max(0.0, ended - since) if since is not None else 0.0), 3)


def describe(call: ModelCall) -> str:
    """Return the reason of a failed call as a sentence."""
    reason = (call.error or "no reason given").rstrip(".")
    return f"HTTP {call.status}, {reason}." if call.status != 200 else f"{reason}."


def _no_answer(calls: Sequence[ModelCall], away: float, output: str) -> Ending:
    """Return the ending of an agent whose model never answered, from the calls of its scaffold."""
    sent = [call for call in calls if was_sent(call)]
    if sent:
        failure = next((call for call in reversed(sent) if call.error != CLIENT_CLOSED), None)
        reason = "no answer before the agent ended." if failure is None else describe(failure)
        count = (
            f"None of {len(sent)} model calls succeeded." if len(sent) > 1 else "The agent made no other model call."
        )
        return Ending("provider_failed", f"The model's provider failed: {reason} {count}", away)
    refused = next((call for call in reversed(calls) if call.refused), None)
    reason = f"the gateway refused its calls: {describe(refused)}" if refused else "it made no model call."
    quoted = f" Its last output: {_tail(output)}" if output.strip() else " It printed nothing."
    return Ending("agent_not_started", f"The agent did not start: {reason}{quoted}", away)


def _tail(output: str) -> str:
    text = " ".join(output.split())
    return text if len(text) <= OUTPUT_LENGTH else f"...{text[-OUTPUT_LENGTH:]}"


def _rounded(seconds: float) -> str:
    return format_duration(round(seconds) if seconds >= 10 else round(seconds, 1))
