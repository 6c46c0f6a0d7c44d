"""Uploads to repositories named after PostTrainBench: uploading to one's own is not reading published runs."""

import re
from dataclasses import dataclass, field

from posttrainbench.audit.behavior.requests import Request

MOST_HELD = 10_000
_UPLOAD_PATHS = re.compile(
    r"^/api/(?:models|datasets)/[^/?]+/[^/?]+(?:/(?:commit|preupload|revision|xet-write-token)/[^/?]+)?$"
    r"|^[^?]+\.git/info/lfs/objects/batch$"
    r"|^[^?]+/(?:info/refs\?service=)?git-receive-pack$"
)
"""Paths that an upload requests; they return no file content."""
_COMMIT_PATHS = re.compile(r"/commit/[^/]+$|/git-receive-pack$")


@dataclass
class Uploads:
    """Requests of uploads, held until it is known whether the repository is the run's own.

    Attributes:
        held: (line, request).
        own: repositories to which this run has committed directly, not by a pull request.
    """

    held: list[tuple[int, Request]] = field(default_factory=list)
    own: set[str] = field(default_factory=set)

    def hold(self, line: int, request: Request) -> bool:
        """Hold a request if it belongs to an upload, and return True in that case."""
        path = request.path or ""
        if (
            request.kind != "traces"
            or request.repo is None
            or not _UPLOAD_PATHS.search(path)
            or len(self.held) >= MOST_HELD
        ):
            return False
        if request.answered and request.method == "POST" and _COMMIT_PATHS.search(path):
            self.own.add(request.repo.lower())
        self.held.append((line, request))
        return True

    def to_other_repositories(self) -> list[tuple[int, Request]]:
        """Return the held requests to repositories of others, which read what is published there."""
        return [(line, request) for line, request in self.held if (request.repo or "").lower() not in self.own]
