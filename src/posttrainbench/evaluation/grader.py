"""Query a grader model, with retries, and record tokens and cost.

A grader is the name of any Inspect model, such as `openai/gpt-5-mini`, or `URL#MODEL` for a server of OpenAI's chat
completions API, such as `http://localhost:8000/v1#my-grader`. API keys are read only from the environment: from the
provider's usual variable for a name, and from the optional `PTB_GRADER_API_KEY` for a URL.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from posttrainbench.benchmarks import GraderError
from posttrainbench.evaluation.model_api import connect, error_message, is_url, provider_error, status_of
from posttrainbench.files import sha256_bytes
from posttrainbench.redaction import require_no_credentials

if TYPE_CHECKING:
    from inspect_ai.model import Model, ModelOutput

    from posttrainbench.benchmarks.base import Message

KEY_VARIABLE = "PTB_GRADER_API_KEY"
EFFORT: Final = "medium"
"""Reasoning effort of graders given by name. A server at a URL uses its own default."""

MAX_TOKENS = 49152
"""Limit of one reply, including reasoning; the same as for the judge of PostTrainBench."""

CONNECTIONS = 64
TRIES = 8
FIRST_WAIT = 2.0
LONGEST_WAIT = 60.0
REPLY_SECONDS = 600
PERMANENT_STATUSES = frozenset({401, 403, 404})
"""HTTP statuses that are not retried: invalid key, no permission, unknown model."""
OUTAGE_STATUSES = frozenset({401, 402, 404, 408, 425, 429})
"""HTTP statuses that, like all from 500, do not depend on the answer to grade. A 403 may: some providers send it for
text that they do not accept."""

T = TypeVar("T")


@dataclass(frozen=True)
class Ask:
    """A request that got a verdict, with the usage of all its tries.

    Attributes:
        model: name of the model in the reply.
        sha256: hash of the messages.
        tries: number of tries; 1 if the first reply was a verdict.
        input_tokens: tokens of all prompts, including cached ones.
        cached_tokens: input tokens from the provider's cache.
        output_tokens: tokens of all replies, including reasoning.
        cost: US dollars; None if the model's price is unknown.
    """

    model: str
    sha256: str
    tries: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost: float | None


class RefusalError(Exception):
    """The grader refused to grade, or its reply is empty or was cut off."""


class ModelGrader:
    """A `Grader` that uses Inspect's model API, for any number of concurrent requests.

    Attributes:
        name: the name passed to the constructor.
        asks: the requests with a verdict so far, in the order of their verdicts.
    """

    def __init__(self, name: str, *, first_wait: float = FIRST_WAIT, seconds: int = REPLY_SECONDS) -> None:
        """Check the name and that its API key is set, without sending a request.

        Args:
            name: name of an Inspect model, or `URL#MODEL`.
            first_wait: seconds before the second try, doubled before each further one, up to `LONGEST_WAIT`.
            seconds: timeout of a reply.

        Raises:
            InputError: the name is invalid or contains a password, or the API key is not set.
        """
        require_no_credentials(name, "grader", KEY_VARIABLE)
        self.name = name
        self.asks: list[Ask] = []
        self._first_wait, self._seconds = first_wait, seconds
        self._systems: set[str] = set()
        self._retries = 0
        self._at_url = is_url(name)
        self._priced = name.rpartition("#" if self._at_url else "/")[2]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._model = self._connect()

    async def ask(self, messages: list[Message], parse: Callable[[str], T]) -> T:
        """Return the parsed reply. Retry on an error, a refusal or a `ValueError` of `parse`.

        Raises:
            GraderError: none of `TRIES` tries gave a verdict, or the error is permanent.
        """
        self._systems.update(message["content"] for message in messages if message["role"] == "system")
        outputs: list[ModelOutput] = []
        outage = True
        for number in range(1, TRIES + 1):
            replied = False
            try:
                output = await self._generate(messages)
                replied = True
                outputs.append(output)
                verdict = parse(_text(output))
            except Exception as failure:
                error = provider_error(failure)
                outage = outage and not replied and _is_outage(error)
                if number == TRIES or status_of(error) in PERMANENT_STATUSES:
                    message = f"{self.name} gave no verdict in {number} tries: {error_message(error)}"
                    raise GraderError(message, outage) from None
                self._retries += 1
                wait = min(self._first_wait * 2 ** (number - 1), LONGEST_WAIT)
                await asyncio.sleep(wait * random.uniform(0.5, 1))
            else:
                self.asks.append(self._record(messages, number, outputs))
                return verdict
        raise AssertionError("the last try returns or raises")

    async def aclose(self) -> None:
        """Close the connections; a later request opens new ones."""
        if self._loop is asyncio.get_running_loop():
            await self._model.api.aclose()
            self._model, self._loop = self._connect(), None

    def usage(self) -> dict[str, Any]:
        """Return the grader's settings, the hash of its prompt, and the requests, tokens and cost so far.

        Tokens and cost include failed tries, but only of requests that got a verdict.
        """
        costs = [ask.cost for ask in self.asks]
        return {
            "name": self.name,
            "models": sorted({ask.model for ask in self.asks}),
            "effort": None if self._at_url else EFFORT,
            "max_tokens": MAX_TOKENS,
            "prompt_sha256": sha256_bytes("\0".join(sorted(self._systems)).encode()),
            "asks": len(self.asks),
            "retries": self._retries,
            "input_tokens": sum(ask.input_tokens for ask in self.asks),
            "cached_tokens": sum(ask.cached_tokens for ask in self.asks),
            "output_tokens": sum(ask.output_tokens for ask in self.asks),
            "cost": None if None in costs else sum(cost for cost in costs if cost is not None),
        }

    def _connect(self) -> Model:
        return connect(
            self.name,
            "grader",
            KEY_VARIABLE,
            max_tokens=MAX_TOKENS,
            connections=CONNECTIONS,
            seconds=self._seconds,
            effort=EFFORT,
        )

    async def _generate(self, messages: list[Message]) -> ModelOutput:
        from inspect_ai.model import ChatMessageSystem, ChatMessageUser

        # Connections belong to the event loop that opened them, and each evaluation has its own event loop.
        if self._loop is not (loop := asyncio.get_running_loop()):
            if self._loop is not None:
                self._model = self._connect()
            self._loop = loop
        kinds = {"system": ChatMessageSystem, "user": ChatMessageUser}
        return await self._model.generate([kinds[one["role"]](content=one["content"]) for one in messages])

    def _record(self, messages: list[Message], tries: int, outputs: list[ModelOutput]) -> Ask:
        from posttrainbench.usage.prices import cost

        # Inspect counts cached tokens separately from the rest of the prompt.
        usages = [output.usage for output in outputs if output.usage]
        cached = sum(usage.input_tokens_cache_read or 0 for usage in usages)
        fresh = sum(usage.input_tokens + (usage.input_tokens_cache_write or 0) for usage in usages)
        written = sum(usage.output_tokens for usage in usages)
        return Ask(
            model=outputs[-1].model,
            sha256=sha256_bytes("\0".join(f"{one['role']}\0{one['content']}" for one in messages).encode()),
            tries=tries,
            input_tokens=fresh + cached,
            cached_tokens=cached,
            output_tokens=written,
            cost=cost(self._priced, fresh + cached, cached, written),
        )


def _is_outage(error: Exception) -> bool:
    """Return whether a failed request says nothing about the answer to grade."""
    status = status_of(error)
    return status is None or status in OUTAGE_STATUSES or status >= 500


def _text(output: ModelOutput) -> str:
    """Return the text of the reply without reasoning.

    Raises:
        RefusalError: the reply has no text, or was cut off, so that its end is not a verdict.
    """
    if output.stop_reason in ("max_tokens", "model_length"):
        raise RefusalError("its reply was cut off")
    if output.stop_reason == "content_filter" or output.empty:
        raise RefusalError("it refused to grade")
    content = output.message.content
    if not isinstance(content, str) and any(getattr(part, "refusal", None) for part in content):
        raise RefusalError("it refused to grade")
    return output.completion
