"""Decide whether to restart an agent that exited by itself: to use its remaining time, or after a provider failure.

A failure of the model provider is not the agent's fault, so its session is resumed after a delay. If that is not
possible, or if the provider still fails after all delays of `BACKOFF_SECONDS`, the run is an infrastructure error; see
`why_ended`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from posttrainbench.run.why_ended import classify, good_calls, is_permanent, pending_failure
from posttrainbench.usage.calls import ModelCall
from posttrainbench.usage.clients import scaffold_clients

BACKOFF_SECONDS = (1.0, 15.0, 60.0, 300.0)
"""Delays before resuming a session after consecutive provider failures."""

MAX_IDLE_REPROMPTS = 3
"""Stop re-prompting after this many consecutive starts with at most one good call of the scaffold each."""

Why = Literal["time_left", "provider_failed"]


@dataclass(frozen=True)
class Restart:
    """The next start of an agent.

    Attributes:
        fresh: start with the task's prompt, because the agent has not had a session.
        wait: seconds to wait first.
    """

    why: Why
    fresh: bool = False
    wait: float = 0.0


@dataclass(frozen=True)
class ExitInfo:
    """A start of the agent that ended because the agent exited by itself.

    Attributes:
        calls: the model calls of this start, ordered by their end times.
        earlier: the model calls of the earlier starts.
        failures: number of restarts after a provider failure since the last success.
        idle_reprompts: number of consecutive re-prompts, this start included, answered with at most one good call.
        seconds_left: time left until the deadline.
        reprompt: see `agents.Launch.reprompt`.
        clients: see `agents.Launch.clients`.
    """

    calls: Sequence[ModelCall]
    earlier: Sequence[ModelCall]
    failures: int
    idle_reprompts: int
    seconds_left: float
    reprompt: float | None
    clients: tuple[str, ...] = ()


def next_restart(exit_info: ExitInfo) -> Restart | None:
    """Return how to restart the agent, or None if it has finished, or if its provider failed for good."""
    calls = exit_info.calls
    clients = scaffold_clients([*exit_info.earlier, *calls], exit_info.clients)
    worked = bool(good_calls(calls, clients))
    if (failure := pending_failure(calls, clients)) is not None:
        failures = 0 if worked else exit_info.failures
        if is_permanent(failure) or failures >= len(BACKOFF_SECONDS):
            return None
        has_session = worked or bool(good_calls(exit_info.earlier, clients))
        return Restart("provider_failed", fresh=not has_session, wait=BACKOFF_SECONDS[failures])
    kinds = [kind for call in calls if (kind := classify(call, clients)) != "neutral"]
    if kinds and kinds[-1] == "budget":
        return None
    has_time = exit_info.reprompt is not None and exit_info.seconds_left > exit_info.reprompt
    if has_time and worked and exit_info.idle_reprompts < MAX_IDLE_REPROMPTS:
        return Restart("time_left")
    return None
