"""`egress.jsonl`: one line for each request from a sandbox to the internet, written when the request ends."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from posttrainbench.gateway.egress.destinations import OTHER, Destination
from posttrainbench.records import EgressRequest
from posttrainbench.redaction import Redactor

MAX_PATH_LENGTH = 2000
WRITE_FAILED = "a request could not be logged"
MAX_BYTES = 2**28
"""Size of the file above which all further requests are denied."""


@dataclass
class EgressExchange:
    """A request in progress and its response; see `EgressRequest`.

    Attributes:
        silent: do not log this exchange, because the requests inside the connection are logged instead.
    """

    host: str
    port: int
    method: str
    path: str | None = None
    destination: Destination = OTHER
    status: int | None = None
    sent: int = 0
    received: int = 0
    decision: Literal["allowed", "denied"] = "allowed"
    reason: str = ""
    silent: bool = False
    started: float = field(default_factory=time.time)
    started_monotonic: float = field(default_factory=time.monotonic)

    def add_sent(self, count: int) -> None:
        """Count bytes sent from the sandbox."""
        self.sent += count

    def add_received(self, count: int) -> None:
        """Count bytes sent to the sandbox."""
        self.received += count

    def deny(self, status: int, reason: str) -> None:
        """Mark the request as denied."""
        self.decision, self.status, self.reason = "denied", status, reason


class Ledger:
    """Writes `egress.jsonl`. A restarted proxy appends to the existing file."""

    def __init__(self, file: Path, keys: list[str]) -> None:
        """Open the file.

        Args:
            keys: secrets to redact.
        """
        self._redactor = Redactor(keys)
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size
        self._open: dict[int, EgressExchange] = {}
        if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
            os.write(self._file, b"\n")  # terminates a line that a crash cut short

    @property
    def is_full(self) -> bool:
        """True once the file has reached its maximum size."""
        return self._size >= MAX_BYTES

    @contextmanager
    def record(self, exchange: EgressExchange) -> Iterator[EgressExchange]:
        """Log an exchange on exit unless it is `silent`."""
        self._open[id(exchange)] = exchange
        try:
            yield exchange
        finally:
            if self._open.pop(id(exchange), None) is not None:
                self._write(exchange)

    def close(self) -> None:
        """Log the exchanges that are still in progress."""
        for exchange in self._open.values():
            exchange.reason = exchange.reason or "the run ended"
            self._write(exchange)
        self._open.clear()

    def _write(self, exchange: EgressExchange) -> None:
        if exchange.silent:
            return
        redact, destination = self._redactor.line, exchange.destination
        request = EgressRequest(
            time=exchange.started,
            host=redact(exchange.host)[:255],
            port=exchange.port,
            method=redact(exchange.method)[:20],
            path=None if exchange.path is None else redact(exchange.path)[:MAX_PATH_LENGTH],
            status=exchange.status,
            sent=exchange.sent,
            received=exchange.received,
            seconds=round(time.monotonic() - exchange.started_monotonic, 4),
            decision=exchange.decision,
            reason=redact(exchange.reason)[:500],
            kind=destination.kind,
            repo=_bounded(destination.repo, redact),
            revision=_bounded(destination.revision, redact),
            file=_bounded(destination.file, redact),
        )
        line = request.model_dump_json().encode(errors="replace") + b"\n"
        self._size += len(line)
        try:
            while line:
                line = line[os.write(self._file, line) :]
        except OSError as error:
            # Fail closed: a request that cannot be logged must not be sent. Without its proxy the run fails.
            sys.stderr.write(f"{WRITE_FAILED}: {error.strerror}\n")
            sys.stderr.flush()
            os._exit(1)


def _bounded(text: str | None, redact: Callable[[str], str]) -> str | None:
    return None if text is None else redact(text)[:500]
