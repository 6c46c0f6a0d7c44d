"""What a fake model does: a list of turns, as plain Python data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from fake_models.asked import Asked


@dataclass(frozen=True)
class Call:
    """A tool call by the tool's own name."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Shell:
    """A command for whatever shell tool the agent offers."""

    command: str


@dataclass(frozen=True)
class Say:
    """An answer.

    Attributes:
        calls: tool calls after the text; several are made in parallel.
        reasoning: what the model thinks before.
        refusal: the model refuses, saying `text`.
        cached: prompt tokens reported as read from the cache.
        piece: characters in one event of the text.
        wait: seconds before the answer's first byte.
        pace: seconds between two events.
        linger: seconds between the last event and the stream's end.
        ends: `cut`: the connection breaks in the middle; `overloaded`: the stream ends with the provider's error.
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


@dataclass(frozen=True)
class Fail:
    """An error instead of an answer: 429 is a rate limit, 529 (503 elsewhere) an overload, 401 a wrong key.

    Attributes:
        retry_after: seconds, sent in the header of that name.
    """

    status: int
    message: str = "not now"
    retry_after: int | None = None


Turn = Say | Fail
"""What the model does upon one request; an agent's own retry is a request like any other."""

Player = Callable[["Asked"], Turn]
"""Decides by what the request says."""

Scenario = list[Turn]
"""A conversation's turns, in the order of its requests; the last one is repeated."""

DONE: Scenario = [Say("All done.")]


def calls_tools(scenario: Scenario) -> bool:
    """Whether it can only be played with an agent that offers tools."""
    return any(isinstance(turn, Say) and turn.calls for turn in scenario)
