"""Scripts for fake models: lists of turns, as plain Python data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from fake_models.parsed_request import ParsedRequest


@dataclass(frozen=True)
class Call:
    """A tool call by the tool's own name."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Shell:
    """A command for the shell tool that the agent offers."""

    command: str


@dataclass(frozen=True)
class Say:
    """A normal reply.

    Attributes:
        calls: tool calls after the text; several are made in parallel.
        reasoning: reasoning before the text.
        refusal: the model refuses with `text`.
        cached: prompt tokens reported as read from the cache.
        piece: characters of the text in one event.
        wait: seconds before the first byte.
        pace: seconds between two events.
        linger: seconds between the last event and the stream's end.
        ends: `cut`: the connection breaks in the middle; `overloaded`: the stream ends with the provider's error.
        until: the reply is repeated until this returns True, at the next request.
    """

    text: str = ""
    calls: tuple[Call | Shell, ...] = ()
    reasoning: str = ""
    refusal: bool = False
    cached: int = 0
    piece: int = 12
    wait: float = 0.0
    pace: float = 0.0
    linger: float = 0.0
    ends: Literal["well", "cut", "overloaded"] = "well"
    until: Callable[[], bool] | None = None


@dataclass(frozen=True)
class Fail:
    """An error instead of a reply: 429 is a rate limit, 529 (503 elsewhere) an overload, 401 a wrong key.

    Attributes:
        retry_after: seconds, sent in the header of that name.
    """

    status: int
    message: str = "not now"
    retry_after: int | None = None


@dataclass(frozen=True)
class Raw:
    """A reply with status 200 and this body, which may be defective."""

    body: str
    kind: str = "application/json"


Turn = Say | Fail | Raw
"""The reaction to one request; an agent's retry is another request."""

Player = Callable[["ParsedRequest"], Turn]
"""Chooses the turn from the request."""

Scenario = list[Turn]
"""The turns of a conversation, in the order of its requests; the last turn is repeated."""

DONE: Scenario = [Say("All done.")]


def calls_tools(scenario: Scenario) -> bool:
    """Return whether a scenario requires an agent that offers tools."""
    return any(isinstance(turn, Say) and turn.calls for turn in scenario)
