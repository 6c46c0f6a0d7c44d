"""`egress.jsonl`: one line for every request of a sandbox to the outside, written when it ends."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from posttrainbench.destinations import OTHER, Destination
from posttrainbench.gateway.redact import Redactor
from posttrainbench.records import EgressRequest

LONGEST_PATH = 2000
LOST = "a request could not be written down"
LARGEST = 2**28
"""Bytes of the file; when it has so many, nothing can be requested any more."""


@dataclass
class Passage:
    """One request on its way; see `EgressRequest`."""

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
    began: float = field(default_factory=time.monotonic)

    def sends(self, count: int) -> None:
        """So many more bytes left the sandbox."""
        self.sent += count

    def receives(self, count: int) -> None:
        """So many more bytes reached it."""
        self.received += count

    def deny(self, status: int, reason: str) -> None:
        """It is not sent on."""
        self.decision, self.status, self.reason = "denied", status, reason


class Ledger:
    """Writes the file; a proxy that is started again on it goes on behind what is there."""

    def __init__(self, file: Path, keys: list[str]) -> None:
        """`keys`: what must not appear in it."""
        self._redactor = Redactor(keys)
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size
        self._open: dict[int, Passage] = {}
        if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
            os.write(self._file, b"\n")  # closes a line that a crash tore

    @property
    def is_full(self) -> bool:
        """Whether no more requests can be written down."""
        return self._size >= LARGEST

    @contextmanager
    def passage(self, passage: Passage) -> Iterator[Passage]:
        """A request, written down on leaving unless it is `silent`."""
        self._open[id(passage)] = passage
        try:
            yield passage
        finally:
            if self._open.pop(id(passage), None) is not None:
                self._write(passage)

    def close(self) -> None:
        """Write down the requests that are still on their way."""
        for passage in self._open.values():
            passage.reason = passage.reason or "the run ended"
            self._write(passage)
        self._open.clear()

    def _write(self, passage: Passage) -> None:
        if passage.silent:
            return
        clean, found = self._redactor.line, passage.destination
        request = EgressRequest(
            time=passage.started,
            host=clean(passage.host)[:255],
            port=passage.port,
            method=clean(passage.method)[:20],
            path=None if passage.path is None else clean(passage.path)[:LONGEST_PATH],
            status=passage.status,
            sent=passage.sent,
            received=passage.received,
            seconds=round(time.monotonic() - passage.began, 4),
            decision=passage.decision,
            reason=clean(passage.reason)[:500],
            kind=found.kind,
            repo=_short(found.repo, clean),
            revision=_short(found.revision, clean),
            file=_short(found.file, clean),
        )
        line = request.model_dump_json().encode(errors="replace") + b"\n"
        self._size += len(line)
        try:
            while line:
                line = line[os.write(self._file, line) :]
        except OSError as error:
            # What cannot be written down must not happen: without a proxy, the run is known to be no good.
            sys.stderr.write(f"{LOST}: {error.strerror}\n")
            sys.stderr.flush()
            os._exit(1)


def _short(text: str | None, clean: Callable[[str], str]) -> str | None:
    return None if text is None else clean(text)[:500]
