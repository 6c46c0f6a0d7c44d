"""Uploads to repositories that bear the benchmark's name: filling one's own is no look at runs of others."""

import re
from dataclasses import dataclass, field

from posttrainbench.audit.conduct.requests import Request

MOST_HELD = 10_000
_ASKED = re.compile(
    r"^/api/(?:models|datasets)/[^/?]+/[^/?]+(?:/(?:commit|preupload|revision|xet-write-token)/[^/?]+)?$"
    r"|^[^?]+\.git/info/lfs/objects/batch$"
    r"|^[^?]+/(?:info/refs\?service=)?git-receive-pack$"
)
"""What an upload asks for; no file's content comes of it."""
_SENT = re.compile(r"/commit/[^/]+$|/git-receive-pack$")


@dataclass
class Uploads:
    """Such requests, held until it is known whose repositories they went to.

    Attributes:
        held: with their lines.
        own: repositories into which this run has put something, and not by proposing it to their owners.
    """

    held: list[tuple[int, Request]] = field(default_factory=list)
    own: set[str] = field(default_factory=set)

    def takes(self, line: int, request: Request) -> bool:
        """Whether a request is one that an upload makes; it is then kept."""
        path = request.path or ""
        if request.kind != "traces" or request.repo is None or not _ASKED.search(path) or len(self.held) >= MOST_HELD:
            return False
        if request.answered and request.method == "POST" and _SENT.search(path):
            self.own.add(request.repo.lower())
        self.held.append((line, request))
        return True

    def of_others(self) -> list[tuple[int, Request]]:
        """Those to repositories of others: there they only tell about what is published."""
        return [(line, request) for line, request in self.held if (request.repo or "").lower() not in self.own]
