"""Judge that is a model: any of Inspect's, or a server with OpenAI's chat completions API.

The name of a judge has the form of a grader's: `openai/gpt-5-mini`, or `URL#MODEL` such as
`http://localhost:8000/v1#my-judge`. Keys are read only from the environment: the provider's own variable for a name,
`PTB_JUDGE_API_KEY` for a URL.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from posttrainbench.audit.judge.conversation import Conversation, NoVerdictError
from posttrainbench.audit.judge.records import Vote
from posttrainbench.audit.judge.review import Review
from posttrainbench.audit.judge.spending import CostLimit, CostMeter
from posttrainbench.audit.judge.task import ReviewTask, evidence, key, new_mark, prompt
from posttrainbench.errors import InputError
from posttrainbench.evaluation.model_api import connect, error_message, is_url, provider_error, status_of
from posttrainbench.redaction import require_no_credentials
from posttrainbench.usage.prices import load_prices

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage, Model, ModelOutput
    from inspect_ai.tool import ToolInfo

KEY_VARIABLE = "PTB_JUDGE_API_KEY"
EFFORT: Final = "medium"
"""Reasoning effort of judges given by name. For a URL, the server's default applies."""

MAX_TOKENS = 32768
"""Maximum tokens of one reply, including reasoning."""

DEFAULT_MAX_COST = 50.0
"""US dollars that all votes of one command may cost unless the user sets another limit."""

CONNECTIONS = 32
TRIES = 6
FIRST_WAIT = 2.0
LONGEST_WAIT = 60.0
REPLY_SECONDS = 600
VOTE_SECONDS = 3600.0
PERMANENT_STATUSES = frozenset({400, 401, 403, 404})
"""HTTP statuses that are not retried: invalid request or key, no permission, unknown model."""

CONTEXT_FULL = re.compile(
    r"context[ _](?:length|window)|input length|prompt is too long|too many (?:input )?tokens", re.IGNORECASE
)
"""Matches error messages for a conversation that exceeds the context."""


class ModelJudge:
    """Judge over Inspect's model API; any number of votes can run concurrently.

    Attributes:
        name: as given by the user.
        settings: reasoning effort and length of a reply.
    """

    def __init__(
        self, name: str, *, max_cost: float | None = None, first_wait: float = FIRST_WAIT, seconds: int = REPLY_SECONDS
    ) -> None:
        """Check that the model and its key are available; sends nothing.

        Args:
            name: name of a model of Inspect's, or `URL#MODEL`.
            max_cost: US dollars; no more requests are sent once all votes together cost that much. None for
                `DEFAULT_MAX_COST`, which has no effect on a model without a known price.
            first_wait: seconds before the second try; doubled before each further one, up to `LONGEST_WAIT`.
            seconds: time limit of one reply.

        Raises:
            InputError: the name is not valid or contains a password, its key is missing, or a limit is set and the
                price is unknown.
        """
        require_no_credentials(name, "judge", KEY_VARIABLE)
        self.name = name
        self._at_url = is_url(name)
        self.settings: Mapping[str, str] = {
            "reasoning_effort": "default" if self._at_url else EFFORT,
            "max_tokens": str(MAX_TOKENS),
        }
        self._price_of = name.rpartition("#" if self._at_url else "/")[2]
        self._first_wait, self._seconds = first_wait, seconds
        self._limit = CostLimit(DEFAULT_MAX_COST if max_cost is None else max_cost)
        if max_cost is not None and load_prices().find(self._price_of) is None:
            raise InputError(
                f"The price of {self._price_of} is unknown; add it to your prices.yaml, or do not set --max-cost."
            )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._model = self._connect()

    async def vote(self, review: Review, task: ReviewTask, number: int) -> Vote:
        """Review a run; errors of the model or its provider make the vote fail and are not raised."""
        started = time.monotonic()
        meter = CostMeter(self._price_of, self._limit)
        mark = new_mark()
        conversation = Conversation(self._asking(meter), review, task, mark)
        rules, problem = [], ""
        try:
            conversation.watch(evidence(review))
            async with asyncio.timeout(VOTE_SECONDS):
                rules = await conversation.run(prompt(task, review, mark))
        except TimeoutError:
            problem = f"it took longer than {VOTE_SECONDS:.0f} seconds"
        except NoVerdictError as error:
            problem = str(error)
        except Exception as error:  # hostile files may provoke any error, and the other votes continue
            problem = f"the review failed with {type(error).__name__}: {error_message(error)}"
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

    def _asking(self, meter: CostMeter) -> Callable[[list[ChatMessage], list[ToolInfo]], Any]:
        async def ask(messages: list[ChatMessage], tools: list[ToolInfo]) -> ModelOutput:
            for number in range(1, TRIES + 1):
                if self._limit.reached:
                    raise NoVerdictError(f"the cost limit of ${self._limit.limit:g} is reached (--max-cost USD)")
                try:
                    output = await self._current_model().generate(messages, tools=tools)
                except Exception as failure:
                    error = provider_error(failure)
                    if status_of(error) == 400 and CONTEXT_FULL.search(str(error)):
                        return _full(self._price_of)
                    if number == TRIES or status_of(error) in PERMANENT_STATUSES:
                        raise NoVerdictError(f"no reply in {number} tries: {error_message(error)}") from None
                    wait = min(self._first_wait * 2 ** (number - 1), LONGEST_WAIT)
                    await asyncio.sleep(wait * random.uniform(0.5, 1))
                    continue
                meter.add(output)
                if output.stop_reason == "content_filter":
                    raise NoVerdictError("it refused to judge")
                return output
            raise AssertionError("the last try returns or raises")

        return ask

    def _current_model(self) -> Model:
        """Return the model, reconnected in a new event loop: connections belong to the loop that opened them."""
        if self._loop is not (loop := asyncio.get_running_loop()):
            if self._loop is not None:
                self._model = self._connect()
            self._loop = loop
        return self._model

    def _connect(self) -> Model:
        return connect(
            self.name,
            "judge",
            KEY_VARIABLE,
            max_tokens=MAX_TOKENS,
            connections=CONNECTIONS,
            seconds=self._seconds,
            effort=EFFORT,
        )


def _full(model: str) -> ModelOutput:
    """Return the output with which Inspect reports a full context."""
    from inspect_ai.model import ModelOutput

    return ModelOutput.from_content(model, "", stop_reason="model_length")
