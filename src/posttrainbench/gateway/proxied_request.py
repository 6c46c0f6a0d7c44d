"""The state of one request to a provider, and the line of `usage.jsonl` that results from it."""

import time
from dataclasses import dataclass, field

from posttrainbench.gateway.admit import AdmittedRequest
from posttrainbench.gateway.body_summary import EMPTY, BodySummary
from posttrainbench.gateway.protocols import Endpoint
from posttrainbench.gateway.response_reader import ResponseReader
from posttrainbench.usage.calls import CLIENT_CLOSED, ModelCall
from posttrainbench.usage.prices import PriceTable
from posttrainbench.usage.tokens import Usage

CLIENT_CLOSED_REQUEST = 499
"""Status of a request whose agent disconnected before the response, as web servers commonly log it."""

NO_CONNECTION = "no connection to"
"""Prefix of the error of a request whose provider could not be connected to."""

BYTES_PER_TOKEN = 4
"""For estimates: English text and code in common tokenizers, including the JSON around it."""


@dataclass
class ProxiedRequest:
    """One request in progress.

    Attributes:
        charged: the request was sent to the provider, who has not answered with an error.
        refused: the gateway answers the request itself; nothing is sent to the provider.
        first_byte: seconds from the start of the request to the first byte of the response.
        client: the sanitized header `user-agent`.
    """

    endpoint: Endpoint | None = None
    request: AdmittedRequest | None = None
    model: str = ""
    response: ResponseReader | None = None
    charged: bool = False
    refused: bool = False
    first_byte: float | None = None
    status: int = CLIENT_CLOSED_REQUEST
    error: str | None = None
    client: str = ""
    body_summary: BodySummary = EMPTY
    _clock: float = field(default_factory=time.time)
    _started: float = field(default_factory=time.monotonic)

    def note_first_byte(self) -> None:
        """Record the time of the response's first byte; later calls have no effect."""
        if self.first_byte is None:
            self.first_byte = round(time.monotonic() - self._started, 4)

    def note_disconnect(self) -> None:
        """Record that the agent disconnected, which is an error unless the response was already complete.

        Some clients disconnect as soon as they have the response, before the end of the stream.
        """
        if self.error is None and (self.response is None or not self.response.complete):
            self.error = CLIENT_CLOSED

    def to_call(self, provider: str, prices: PriceTable) -> ModelCall:
        """Return the line for `usage.jsonl`, once the request has ended."""
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
            seconds=round(time.monotonic() - self._started, 4),
            status=self.status,
            streamed=self.request is not None and self.request.streamed,
            refused=self.refused,
            error=self.error,
            client=self.client,
            tools=self.body_summary.tools,
            provider_tools=list(self.body_summary.provider_tools),
            system_sha256=self.body_summary.system_sha256,
            replies=self.body_summary.replies,
        )

    def _usage(self) -> tuple[Usage, bool]:
        """Return the token usage and whether it is an estimate, as for a cut stream: charged but not reported."""
        if self.request is None or not self.charged or self.request.endpoint.free:
            return Usage(), False
        response = self.response
        reported = response.usage if response is not None and response.usage is not None else Usage()
        if response is not None and response.complete and (reported.output or not response.has_content):
            return reported, False
        received = 0
        if response is not None:  # an event of a stream carries about one token
            received = response.events or (response.size // BYTES_PER_TOKEN if response.has_content else 0)
        estimate = Usage(
            input=reported.input or len(self.request.body) // BYTES_PER_TOKEN,
            cached=reported.cached,
            cache_write=reported.cache_write,
            cache_write_1h=reported.cache_write_1h,
            output=max(reported.output, received),
            reasoning=reported.reasoning,
        )
        return estimate, True
