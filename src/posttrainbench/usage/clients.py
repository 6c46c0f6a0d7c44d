"""Tell the scaffold's own model calls from those of other programs, by their user agents."""

import re
from collections.abc import Collection, Sequence

from posttrainbench.usage.calls import ModelCall

UNBILLED_ENDPOINTS = frozenset({"count_tokens", "countTokens"})


def is_good(call: ModelCall) -> bool:
    """Return True if a call delivered tokens in a complete response."""
    return was_sent(call) and call.status == 200 and call.error is None and call.output > 0


def scaffold_clients(calls: Sequence[ModelCall], clients: tuple[str, ...] = ()) -> frozenset[str]:
    """Return the names of the scaffold's programs that made calls.

    The agent cannot act before the first good call. So the calls up to it are the scaffold's, and if none of these has
    one of the declared names, as in a version with another name, then all their names count as the scaffold's.

    Args:
        calls: ordered by their end times.
        clients: beginnings of user agents that the scaffold declares; see `agents.Launch`.
    """
    first = next((number for number, call in enumerate(calls) if is_good(call)), len(calls))
    if any(call.client.startswith(clients) for call in calls[: first + 1]):
        return frozenset(program(call) for call in calls if call.client.startswith(clients))
    return frozenset(program(call) for call in calls[: first + 1])


def is_from(call: ModelCall, clients: Collection[str]) -> bool:
    """Return True if a program with one of these names made the call."""
    return program(call) in clients


def was_sent(call: ModelCall) -> bool:
    """Return True if the gateway sent a call to the provider, and the call asks for tokens."""
    return not call.refused and call.endpoint not in UNBILLED_ENDPOINTS


def program(call: ModelCall) -> str:
    """Return the program's name in a user agent, without its version."""
    return re.split(r"[/ (]", call.client, maxsplit=1)[0]
