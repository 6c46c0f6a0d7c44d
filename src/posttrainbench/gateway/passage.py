"""What is known of one request while it passes, and the line that is written of it."""

import time
from dataclasses import dataclass, field

from posttrainbench.gateway.admit import Admitted
from posttrainbench.gateway.answers import Answer
from posttrainbench.gateway.calls import ModelCall
from posttrainbench.gateway.contents import NOTHING, Contents
from posttrainbench.gateway.prices import PriceTable
from posttrainbench.gateway.protocols import Endpoint
from posttrainbench.gateway.usage import Usage

LEFT = 499
"""Status of a request whose agent left before there was an answer, as web servers commonly log it."""

NO_CONNECTION = "no connection to"
"""How the note begins of a request whose provider could not be connected to."""

BYTES_PER_TOKEN = 4
"""For estimates: of English text and code in common tokenizers, JSON around it included."""


@dataclass
class Passage:
    """One request so far.

    Attributes:
        charged: it was handed to the provider, who has not answered with an error.
        refused: the gateway answers itself, and nothing reaches the provider.
        first_byte: seconds from the request's beginning.
        client: its header `user-agent`, fit to be written down.
    """

    endpoint: Endpoint | None = None
    request: Admitted | None = None
    model: str = ""
    answer: Answer | None = None
    charged: bool = False
    refused: bool = False
    first_byte: float | None = None
    status: int = LEFT
    error: str | None = None
    client: str = ""
    contents: Contents = NOTHING
    _clock: float = field(default_factory=time.time)
    _began: float = field(default_factory=time.monotonic)

    def arrived(self) -> None:
        """The answer's first byte is here."""
        if self.first_byte is None:
            self.first_byte = round(time.monotonic() - self._began, 4)

    def left(self) -> None:
        """The agent has closed the connection; some do as soon as they have the answer, before the stream's own end."""
        if self.error is None and (self.answer is None or not self.answer.complete):
            self.error = "the agent left"

    def call(self, provider: str, prices: PriceTable) -> ModelCall:
        """The line for `usage.jsonl`, once it is over."""
        usage, estimated = self._usage()
        cost: float | None = 0.0
        if usage != Usage():
            cost = prices.cost(
                self.model, usage.input, usage.cached, usage.output, usage.cache_write, usage.cache_write_1h
            )
        return ModelCall(
            time=round(self._clock, 3),
            provider=provider,
            model=self.model[:200],
            endpoint=self.endpoint.name if self.endpoint is not None else "",
            input=usage.input,
            cached=usage.cached,
            cache_write=usage.cache_write,
            cache_write_1h=usage.cache_write_1h,
            output=usage.output,
            reasoning=usage.reasoning,
            cost=cost,
            estimated=estimated,
            first_byte=self.first_byte,
            seconds=round(time.monotonic() - self._began, 4),
            status=self.status,
            streamed=self.request is not None and self.request.streamed,
            refused=self.refused,
            error=self.error,
            client=self.client,
            tools=self.contents.tools,
            provider_tools=list(self.contents.provider_tools),
            system_sha256=self.contents.system_sha256,
        )

    def _usage(self) -> tuple[Usage, bool]:
        """The tokens, and whether they are an estimate: a cut stream is charged, but not reported."""
        if self.request is None or not self.charged or self.request.endpoint.free:
            return Usage(), False
        if self.answer is not None and self.answer.complete and self.answer.usage is not None:
            return self.answer.usage, False
        told = self.answer.usage if self.answer is not None and self.answer.usage is not None else Usage()
        pieces = self.answer.events if self.answer is not None else 0
        estimate = Usage(
            input=told.input or len(self.request.body) // BYTES_PER_TOKEN,
            cached=told.cached,
            cache_write=told.cache_write,
            cache_write_1h=told.cache_write_1h,
            output=max(told.output, pieces),  # an event of a stream carries about one token
            reasoning=told.reasoning,
        )
        return estimate, True
