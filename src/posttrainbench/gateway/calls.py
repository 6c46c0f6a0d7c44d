"""`usage.jsonl`: one line for every request that an agent made to its provider."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from posttrainbench.files import read_jsonl
from posttrainbench.records import Record


class ModelCall(Record):
    """One request.

    Attributes:
        time: when it arrived, seconds since 1970.
        model: as the agent named it; empty where it named none.
        endpoint: `messages`, `responses`, `chat`, `generateContent`, ...; empty where the path is none of these.
        input: prompt tokens, `cached`, `cache_write` and `cache_write_1h` (which see) included.
        cached: read from the provider's cache.
        cache_write: written to the cache for five minutes.
        cache_write_1h: written to the cache for an hour.
        output: generated tokens, `reasoning` included.
        cost: US dollars; None where the model's price is unknown.
        estimated: the provider told no final usage (a cut stream), so the tokens are the gateway's own estimate.
        first_byte: seconds from the request to the answer's first byte; None where there was none.
        seconds: from the request to the answer's end.
        status: HTTP status that the agent received; 499 where it left before there was one.
        streamed: whether it asked for a stream.
        refused: the gateway answered itself; nothing reached the provider.
        error: what went wrong, in the provider's words or the gateway's.
        client: what its sender calls itself (the header `user-agent`), bounded and without control characters; whoever
            holds the run's token can call itself anything.
        tools: how many tools it offers to the model.
        provider_tools: what it asks the provider itself to do outside: types of tools, `address` for an image or
            document to be fetched, or the key that switches a search on; see `contents`.
        system_sha256: of its system prompt; None where it has none.
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


@dataclass(frozen=True)
class Spending:
    """What requests have used together.

    Attributes:
        tokens: of input and output.
        dollars: of the requests whose price is known.
        unpriced: requests that used tokens of unknown price.
    """

    requests: int = 0
    tokens: int = 0
    dollars: float = 0.0
    unpriced: int = 0

    def plus(self, call: ModelCall) -> "Spending":
        """After one more request; what the gateway refused does not count."""
        if call.refused:
            return self
        return Spending(
            self.requests + 1,
            self.tokens + call.input + call.output,
            self.dollars + (call.cost or 0.0),
            self.unpriced + (call.cost is None and call.input + call.output > 0),
        )


def read_calls(path: Path) -> Iterable[ModelCall]:
    """The requests of a `usage.jsonl`, in the order in which they ended; lines of another kind are passed over."""
    for line in read_jsonl(path):
        try:
            yield ModelCall.model_validate(line)
        except ValidationError:
            continue


def spending(path: Path) -> Spending:
    """What the requests of a `usage.jsonl` have used together."""
    total = Spending()
    for call in read_calls(path):
        total = total.plus(call)
    return total
