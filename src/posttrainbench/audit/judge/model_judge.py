"""A judge that is a model: any of Inspect's, or a server that speaks OpenAI's chat completions.

A judge is named as a grader is: `openai/gpt-5-mini`, or `URL#MODEL` such as `http://localhost:8000/v1#my-judge`. Keys
are read from the environment alone: what the provider calls its own for a name, `PTB_JUDGE_API_KEY` for a URL.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from posttrainbench.audit.judge.conversation import Conversation, NoVerdictError
from posttrainbench.audit.judge.records import Vote
from posttrainbench.audit.judge.review import Review
from posttrainbench.audit.judge.spending import Meter, Purse
from posttrainbench.audit.judge.task import ReviewTask, key, new_mark, prompt
from posttrainbench.errors import InputError, one_line
from posttrainbench.gateway.prices import load_prices

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage, Model, ModelOutput
    from inspect_ai.tool import ToolInfo

KEY_VARIABLE = "PTB_JUDGE_API_KEY"
EFFORT: Final = "medium"
"""Reasoning effort of judges that are known by name. A server behind a URL decides for itself."""

MAX_TOKENS = 32768
"""Of one reply, reasoning included."""

CONNECTIONS = 32
TRIES = 6
FIRST_WAIT = 2.0
LONGEST_WAIT = 60.0
REPLY_SECONDS = 600
VOTE_SECONDS = 3600.0
HOPELESS = frozenset({400, 401, 403, 404})
"""HTTP statuses which no other try mends: a wrong request or key, no permission, no such model."""

FULL = re.compile(
    r"context[ _](?:length|window)|input length|prompt is too long|too many (?:input )?tokens", re.IGNORECASE
)
"""How providers say that a conversation does not fit."""

_MARKUP = re.compile(r"\[/?(?:bold|blue)\]")


class ModelJudge:
    """A judge over Inspect's model API, for any number of votes at the same time.

    Attributes:
        name: as it was given.
    """

    def __init__(
        self, name: str, *, max_cost: float | None = None, first_wait: float = FIRST_WAIT, seconds: int = REPLY_SECONDS
    ) -> None:
        """Check that there is such a model, and a key for it; nothing is sent.

        Args:
            name: of a model of Inspect's, or `URL#MODEL`.
            max_cost: US dollars; once all votes together have cost as much, nothing more is asked.
            first_wait: seconds before the second try; twice as many before each next one, up to `LONGEST_WAIT`.
            seconds: after which a reply is given up.

        Raises:
            InputError: the name is of no known kind, the environment has no key, or a limit is asked for and the
                price is not known.
        """
        self.name = name
        self._at_url = name.startswith(("http://", "https://"))
        self._price_of = name.rpartition("#" if self._at_url else "/")[2]
        self._first_wait, self._seconds = first_wait, seconds
        self._purse = Purse(max_cost)
        if max_cost is not None and load_prices().find(self._price_of) is None:
            raise InputError(
                f"The price of {self._price_of} is not known; add it to your prices.yaml, or set no limit."
            )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._model = self._connect()

    async def vote(self, review: Review, task: ReviewTask, number: int) -> Vote:
        """Read a run and decide; never raises for what the model or its provider does."""
        started = time.monotonic()
        meter = Meter(self._price_of, self._purse)
        mark = new_mark()
        conversation = Conversation(self._asking(meter), review, task, mark)
        rules, problem = [], ""
        try:
            async with asyncio.timeout(VOTE_SECONDS):
                rules = await conversation.run(prompt(task, review, mark))
        except TimeoutError:
            problem = f"it took more than {VOTE_SECONDS:.0f} seconds"
        except NoVerdictError as error:
            problem = str(error)
        except Exception as error:  # whatever a hostile file provokes, the other votes go on
            problem = f"the review broke off: {type(error).__name__}: {_said(error)}"
        return Vote(
            judge=self.name,
            number=number,
            key=key(self.name, task, review),
            state="failed" if problem else "done",
            problem=problem,
            rules=rules,
            exposed=conversation.exposed[:20],
            tools=dict(conversation.tools.calls),
            usage=meter.usage,
            seconds=round(time.monotonic() - started, 3),
        )

    def _asking(self, meter: Meter) -> Callable[[list[ChatMessage], list[ToolInfo]], Any]:
        async def ask(messages: list[ChatMessage], tools: list[ToolInfo]) -> ModelOutput:
            for number in range(1, TRIES + 1):
                if self._purse.empty:
                    raise NoVerdictError(f"the limit of ${self._purse.limit} is spent")
                try:
                    output = await self._now().generate(messages, tools=tools)
                except Exception as failure:
                    error = _behind(failure)
                    if _status(error) == 400 and FULL.search(str(error)):
                        return _full(self._price_of)
                    if number == TRIES or _status(error) in HOPELESS:
                        raise NoVerdictError(f"no reply in {number} tries: {_said(error)}") from None
                    wait = min(self._first_wait * 2 ** (number - 1), LONGEST_WAIT)
                    await asyncio.sleep(wait * random.uniform(0.5, 1))
                    continue
                meter.add(output)
                if output.stop_reason == "content_filter":
                    raise NoVerdictError("it refused to judge")
                return output
            raise AssertionError("the last try returns or raises")

        return ask

    def _now(self) -> Model:
        """The model; connections belong to the event loop that opened them."""
        if self._loop is not (loop := asyncio.get_running_loop()):
            if self._loop is not None:
                self._model = self._connect()
            self._loop = loop
        return self._model

    def _connect(self) -> Model:
        from inspect_ai.model import GenerateConfig, get_model

        config = GenerateConfig(
            max_tokens=MAX_TOKENS,
            reasoning_effort=None if self._at_url else EFFORT,
            max_connections=CONNECTIONS,
            max_retries=0,
            attempt_timeout=self._seconds,
        )
        if not self._at_url:
            # The client of these two would else try again by itself, unseen.
            own: dict[str, Any] = {"max_retries": 0} if self.name.split("/")[0] in ("openai", "openai-api") else {}
            try:
                return get_model(self.name, memoize=False, config=config, **own)
            except Exception as error:
                raise InputError(
                    f"There is no judge {self.name} here; set its key in the environment, or name another model: "
                    f"{_said(error)}"
                ) from None
        url, _, model = self.name.partition("#")
        if not model:
            raise InputError(f"The judge {self.name} names no model; write URL#MODEL.")
        return get_model(
            f"openai-api/judge/{model}",
            memoize=False,
            config=config,
            base_url=url,
            api_key=os.environ.get(KEY_VARIABLE) or "none",
            max_retries=0,
        )


def _full(model: str) -> ModelOutput:
    """What Inspect makes of a full context, where it knows that it is one."""
    from inspect_ai.model import ModelOutput

    return ModelOutput.from_content(model, "", stop_reason="model_length")


def _behind(error: Exception) -> Exception:
    """The provider's own error, where there is one behind what Inspect raises."""
    from tenacity import RetryError

    found: BaseException | None = error
    while found is not None:
        if isinstance(found, Exception) and _status(found) is not None:
            return found
        found = found.__cause__ or found.__context__
    return error.__cause__ if isinstance(error, RetryError) and isinstance(error.__cause__, Exception) else error


def _status(error: Exception) -> int | None:
    """The HTTP status of an error, if it has one."""
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _said(error: Exception) -> str:
    """What an error says, on one line, without the markup of Inspect's messages and without keys."""
    from posttrainbench.gateway.redact import Redactor

    keys = [value for name, value in os.environ.items() if name.endswith(("_KEY", "_TOKEN"))]
    return Redactor(keys).line(_MARKUP.sub("", one_line(error)))
