"""Serves the site of experiments that may still be running, and tells open pages when it changes.

What protects it: it listens on the loopback interface only; every path starts with a secret token; requests whose
`Host` is another name are refused, so that a page elsewhere cannot reach it through its own domain; it only reads. It
serves files of the written site and nothing of the runs directly. Other users of the machine who learn the URL can read
the pages.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import mimetypes
import os
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from posttrainbench.errors import InputError
from posttrainbench.report.site.build import write_all, write_page_of
from posttrainbench.report.site.compare_runs_page import runs_alike
from posttrainbench.report.site.groups import group_runs
from posttrainbench.report.site.runs import SiteRun, read_experiments
from posttrainbench.untrusted import UnreadableError, open_below

WATCHED = ("run.json", "result.json", "journal.jsonl", "solve.partial/usage.jsonl", "solve.partial/output.jsonl")
"""Files of a run whose change is shown; the first two change the leaderboard."""
INTERVAL = 3.0
"""Seconds between looks at the runs."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Signature = dict[Path, tuple[tuple[int, int], ...]]


class LiveSite:
    """The written site, brought up to date by `refresh`.

    Attributes:
        version: increased at each change.
        changed: what the last change was about: places of runs, and `board` for the pages about all runs.
    """

    def __init__(self, experiments: Sequence[Path], out: Path) -> None:
        """Write the site.

        Raises:
            InputError: as for `build_site`.
        """
        self.experiments, self.out = list(experiments), out
        self.version, self.changed = 0, list[str]()
        self._content = read_experiments(self.experiments)
        self._seen = self._look()
        write_all(self._content, group_runs(self._content.runs), out)

    def refresh(self) -> bool:
        """Write the pages of what has changed; return whether anything has."""
        with suppress(InputError, OSError):  # a run that is being written; the next look succeeds
            content = read_experiments(self.experiments)
            before, self._content = self._seen, content
            now = self._look()
            changed = [run for run in content.runs if now[run.run.root] != before.get(run.run.root)]
            board = set(before) != set(now) or any(self._counts(run, before, now) for run in changed)
            if board:
                write_all(content, group_runs(content.runs), self.out)
            else:
                alike = runs_alike(content.runs)
                for run in changed:
                    write_page_of(run, self.out, alike[run.place])
            self._seen = now
            if board or changed:
                self.changed = [*(["board"] if board else []), *(run.place for run in changed)]
                self.version += 1
            return bool(board or changed)
        return False

    def _look(self) -> Signature:
        return {run.run.root: tuple(_state(run.run.root / name) for name in WATCHED) for run in self._content.runs}

    @staticmethod
    def _counts(run: SiteRun, before: Signature, now: Signature) -> bool:
        """Return True if a change of a run changes the leaderboard."""
        return run.run.root not in before or before[run.run.root][:2] != now[run.run.root][:2]


def application(site: LiveSite, token: str, interval: float = INTERVAL) -> Starlette:
    """Return the server of a site.

    Args:
        site: the site.
        token: first part of every path.
        interval: seconds between looks at the runs.
    """

    @asynccontextmanager
    async def watch(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(_watch(site, interval))
        yield
        task.cancel()

    async def page(request: Request) -> Response:
        if not _may(request, token):
            return Response("Not found\n", 404, HEADERS)
        file = open_page(site.out, request.path_params["path"])
        if file is None:
            return Response("Not found\n", 404, HEADERS)
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        if kind != "text/html":
            size = {"Content-Length": str(os.fstat(file.content.fileno()).st_size)}
            return StreamingResponse(_chunks(file.content), headers=HEADERS | size, media_type=kind)
        with file.content:
            text = file.content.read().decode("utf-8")
        script = f'<script src="/{token}/assets/live.js" defer></script></head>'
        return HTMLResponse(text.replace("</head>", script, 1), headers=HEADERS)

    async def events(request: Request) -> Response:
        if not _may(request, token):
            return Response("Not found\n", 404, HEADERS)
        return StreamingResponse(_events(site, request, interval), headers=HEADERS, media_type="text/event-stream")

    routes = [Route("/{token}/events", events), Route("/{token}/{path:path}", page)]
    return Starlette(routes=routes, lifespan=watch)


def serve(site: LiveSite, listener: socket.socket, token: str) -> None:
    """Serve a site until the user interrupts it."""
    config = uvicorn.Config(
        application(site, token), log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def new_token() -> str:
    """Return a secret for the URL."""
    return secrets.token_urlsafe(16)


def listen(port: int) -> socket.socket:
    """Return a socket on the loopback interface.

    Args:
        port: 0 for a free one.

    Raises:
        InputError: the port is in use.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()  # a browser that is opened before the server runs waits instead of failing
    except OSError as error:
        listener.close()
        raise InputError(f"Port {port} cannot be used ({error.strerror}); choose another with --port.") from None
    return listener


class PageFile(NamedTuple):
    """An open file of the site. Its name determines its type."""

    name: str
    content: BinaryIO


def open_page(site: Path, path: str) -> PageFile | None:
    """Open the file of a URL, or the `index.html` of a directory; None if the site has none or a link is on the way."""
    parts = [part for part in path.split("/") if part]
    if path.startswith("/") or any(part in (".", "..") or "\0" in part for part in parts):
        return None
    for names in (parts, [*parts, "index.html"]):
        with suppress(OSError, UnreadableError):
            return PageFile((names or [""])[-1], open_below(site, site.joinpath(*names)))
    return None


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while data := file.read(2**18):
            yield data


def _may(request: Request, token: str) -> bool:
    """Return True if the request has the token and was sent to this machine's own name."""
    host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
    given = request.path_params["token"].encode()
    return host in ("127.0.0.1", "localhost") and hmac.compare_digest(given, token.encode())


async def _watch(site: LiveSite, interval: float) -> None:
    while True:
        await asyncio.sleep(interval)
        await asyncio.to_thread(site.refresh)


async def _events(site: LiveSite, request: Request, interval: float) -> AsyncIterator[str]:
    """Yield an event for each change, and comments that reveal closed connections."""
    known = site.version
    yield ": open\n\n"
    while not await request.is_disconnected():
        await asyncio.sleep(min(1.0, interval))
        if site.version != known:
            known = site.version
            yield f"data: {json.dumps(site.changed)}\n\n"
        else:
            yield ": \n\n"


def _state(path: Path) -> tuple[int, int]:
    """Return the change time and size of a file; zeros if there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
