"""`usage.jsonl`: one line for each request of an agent to its model provider."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from posttrainbench.files import read_jsonl
from posttrainbench.records import Record

CLIENT_CLOSED = "the agent left"
"""Error of a request that the agent's own client abandoned."""
WITHHELD = "the provider withheld the reply because of its content"
"""Error of an empty response to a prompt that the provider's filters blocked."""


class ModelCall(Record):
    """One request.

    Attributes:
        time: arrival, in seconds since 1970.
        model: the requested model; empty if the request did not name one.
        endpoint: `messages`, `responses`, `chat`, `generateContent`, ...; empty for other paths.
        input: prompt tokens, including `cached`, `cache_write` and `cache_write_1h`.
        cached: prompt tokens read from the provider's cache.
        cache_write: prompt tokens written to the cache for five minutes.
        cache_write_1h: prompt tokens written to the cache for an hour.
        output: generated tokens, including `reasoning`.
        cost: US dollars; None if the model's price is unknown.
        estimated: the provider did not report the final usage (as in a cut stream), so the tokens are estimates.
        first_byte: seconds from the request to the first byte of the response; None without a response.
        seconds: from the request to the end of the response.
        status: HTTP status sent to the agent; 499 if the agent disconnected first.
        streamed: whether the request asked for a stream.
        refused: the gateway answered the request itself; nothing was sent to the provider.
        error: error message of the provider or the gateway.
        client: the header `user-agent`, bounded and without control characters. Any process with the run's token can
            send any value.
        tools: number of tools offered to the model.
        provider_tools: what the request makes the provider do on the network: types of tools, `address` for an image
            or document to fetch, or the key that enables a search; see `gateway.body_summary`.
        system_sha256: hash of the system prompt; None without a system prompt.
        replies: number of the model's earlier replies in the conversation: 0 at the start of a conversation; None in
            older records.
    """

    time: float
    provider: str
    model: str
    endpoint: str
    input: int = 0
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    cost: float | None = None
    estimated: bool = False
    first_byte: float | None = None
    seconds: float
    status: int
    streamed: bool
    refused: bool = False
    error: str | None = None
    client: str = ""
    tools: int = 0
    provider_tools: list[str] = Field(default_factory=list)
    system_sha256: str | None = None
    replies: int | None = None


@dataclass(frozen=True)
class Spending:
    """Total usage of several requests.

    Attributes:
        tokens: input and output tokens.
        dollars: cost of the requests with a known price.
        unpriced: requests that used tokens of unknown price.
    """

    requests: int = 0
    tokens: int = 0
    dollars: float = 0.0
    unpriced: int = 0

    def plus(self, call: ModelCall) -> "Spending":
        """Return the total including another request; refused requests do not count."""
        if call.refused:
            return self
        return Spending(
            self.requests + 1,
            self.tokens + call.input + call.output,
            self.dollars + (call.cost or 0.0),
            self.unpriced + (call.cost is None and call.input + call.output > 0),
        )


def read_calls(path: Path) -> Iterable[ModelCall]:
    """Yield the requests of a `usage.jsonl` in the order in which they ended, skipping invalid lines."""
    for line in read_jsonl(path):
        try:
            yield ModelCall.model_validate(line)
        except ValidationError:
            continue


def spending(path: Path) -> Spending:
    """Return the total usage of the requests in a `usage.jsonl`."""
    total = Spending()
    for call in read_calls(path):
        total = total.plus(call)
    return total
