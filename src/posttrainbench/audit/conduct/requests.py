"""What the sandbox asked of the outside, as `solve/egress.jsonl` has it, summed up in one pass."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from posttrainbench.audit.untrusted import UnreadableError, open_regular
from posttrainbench.records import DestinationKind

GENERATES = re.compile(
    r"/(chat/)?completions?\b|/messages\b(?!/count_tokens|/batches/\w+$)|/responses\b|:(stream)?generateContent|/generate\b|"
    r"/text[_-]generation|/invoke\b|/converse|:predict\b|/predictions\b|/chat\b|/hf-inference/models/",
    re.IGNORECASE,
)
"""Paths under which hosted models write text; others list models, count tokens or tell about the account."""
FAILED = re.compile(
    r"connection ?(refused|error|reset)|name or service not known|could not resolve|name resolution|APIConnectionError|"
    r"AuthenticationError|invalid[_ ]?(x-)?api[_ -]?key|incorrect api key|unauthorized|network is unreachable|"
    r"\b(40[1-4]|429|451|407)\b.{0,30}(error|forbidden|not found|unauthorized|required|denied|unavailable)|"
    r"(HTTP|status|error)[^\n]{0,20}\b(40[1-4]|407|429|451|50[0-4])\b|proxy ?error|timed out|permission denied|"
    r"no such host|not available in this run|repository not found|unavailable for legal|command not found|"
    r"unable to (access|connect|resolve)|failed to connect",
    re.IGNORECASE,
)
"""What programs print when a request brought nothing."""
WEBSOCKET = 101
"""Status of a request that became a connection for messages both ways."""
HANDSHAKE_BYTES = 8192
"""An encrypted connection takes this much without any answer: certificates and headers."""
QUOTED = 10


class Request(msgspec.Struct):
    """The fields of `records.EgressRequest` that matter here."""

    time: float
    host: str
    method: str
    path: str | None
    status: int | None
    sent: int
    received: int
    decision: str
    kind: DestinationKind
    repo: str | None = None
    revision: str | None = None
    file: str | None = None

    @property
    def answered(self) -> bool:
        """Whether something came back; of an encrypted connection, more than it takes to set it up."""
        if self.decision != "allowed" or self.status is None:
            return False
        if not (200 <= self.status < 300 or self.status == WEBSOCKET):
            return False
        return self.method != "CONNECT" or self.received > HANDSHAKE_BYTES

    @property
    def wrote(self) -> bool:
        """Whether a hosted model may have written something in its answer."""
        seen = self.method == "CONNECT" or (self.method == "POST" and GENERATES.search(self.path or "") is not None)
        return self.answered and seen

    @property
    def shown(self) -> str:
        """On one line."""
        return f"{self.method} {self.host}{self.path or ''} -> {self.status} ({self.received} bytes, {self.decision})"[
            :300
        ]


@dataclass
class Kind:
    """The requests of one kind of destination.

    Attributes:
        answered: those that brought something back.
        wrote: of hosted models, the answers that may hold text of theirs.
        first, last: seconds since 1970, of the answered ones.
        hosts: host -> how many of its requests were answered; of hosted models, with text.
        quoted: the first ones, with their lines; answered ones before others.
    """

    requests: int = 0
    answered: int = 0
    wrote: int = 0
    received: int = 0
    first: float = 0.0
    last: float = 0.0
    hosts: dict[str, int] = field(default_factory=dict)
    quoted: list[tuple[int, Request]] = field(default_factory=list)

    def add(self, line: int, request: Request) -> None:
        """Count one more."""
        self.requests += 1
        if len(self.hosts) < 1000 or request.host in self.hosts:
            self.hosts[request.host] = self.hosts.get(request.host, 0) + (
                request.wrote if request.kind == "hosted_model" else request.answered
            )
        if request.answered:
            self.answered += 1
            self.wrote += request.wrote
            self.received += request.received
            self.first = self.first or request.time
            self.last = max(self.last, request.time)
        if len(self.quoted) < QUOTED:
            self.quoted.append((line, request))
        elif request.answered and not self.quoted[-1][1].answered:
            self.quoted[-1] = (line, request)
            self.quoted.sort(key=lambda one: (not one[1].answered, one[0]))


@dataclass
class Egress:
    """All of it.

    Attributes:
        present: whether there is such a file, so that the network was recorded.
        broken: lines that could not be read.
    """

    present: bool = False
    broken: int = 0
    total: int = 0
    size: int = 0
    kinds: dict[str, Kind] = field(default_factory=dict)

    def reached(self, host: str) -> bool:
        """Whether a hosted model behind this host, or one below it, has written something."""
        found = self.of("hosted_model").hosts.items()
        return any(count and (not host or name == host or name.endswith(f".{host}")) for name, count in found)

    def of(self, kind: DestinationKind) -> Kind:
        """The requests of a kind."""
        return self.kinds.get(kind, Kind())


def read_requests(path: Path, egress: Egress) -> Iterator[tuple[int, Request]]:
    """The requests with their lines; none, and `egress.present` stays False, where nothing was recorded."""
    decoder = msgspec.json.Decoder(Request)
    try:
        file = open_regular(path)
    except UnreadableError:
        return
    with file:
        egress.present = True
        for number, line in enumerate(file, 1):
            egress.size += len(line)
            if not line.strip():
                continue
            try:
                request = decoder.decode(line)
            except (msgspec.MsgspecError, ValueError):
                egress.broken += 1
                continue
            egress.total += 1
            yield number, request


def read_egress(path: Path) -> Egress:
    """Read it, counting requests by kind."""
    egress = Egress()
    for number, request in read_requests(path, egress):
        egress.kinds.setdefault(request.kind, Kind()).add(number, request)
    return egress
