"""A small server that speaks as much of the Hub's protocol as its client uses, and misbehaves on request."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".parquet", ".gz", ".safetensors", ".bin")
PATH = re.compile(r"/api/(model|dataset)s/([\w.-]+/[\w.-]+)(?:/(revision|tree|paths-info)/([^/]+))?/?")
FILE = re.compile(r"(/datasets)?/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)")


@dataclass
class Repository:
    """One repository at one commit.

    Attributes:
        token: who may read files; None: everybody.
        refusal: (status, error code) for those who may not.
    """

    commit: str
    files: dict[str, bytes]
    token: str | None = None
    refusal: tuple[int, str] = (401, "GatedRepo")


@dataclass
class Hub:
    """The server's state.

    Attributes:
        repositories: (`model` or `dataset`, name) -> repository.
        cut: file -> after so many bytes its connection breaks, once.
        damaged: files that are served with a wrong byte.
        down: every request is answered with 503.
        served: (method, file, Range header) of every request for a file's content.
    """

    url: str = ""
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    down: bool = False
    served: list[tuple[str, str, str | None]] = field(default_factory=list)


def _git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest()


def _entry(path: str, data: bytes) -> dict[str, Any]:
    """A file as listings describe it."""
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": _git_id(data)}
    if path.endswith(LARGE):
        entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return entry


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, form: str = "") -> None:
        path = unquote(urlsplit(self.path).path)
        if self.hub.down:
            self._send(503, b"down")
        elif found := PATH.fullmatch(path):
            self._api(*found.groups(), form)
        elif found := FILE.fullmatch(path):
            self._file("dataset" if found[1] else "model", *found.groups()[1:])
        elif path.startswith("/large/"):
            kind, organisation, name, file = path.removeprefix("/large/").split("/", 3)
            self._content(file, self.hub.repositories[kind, f"{organisation}/{name}"].files[file], {})
        else:
            self._send(404, b"")

    def _api(self, kind: str, name: str, verb: str | None, revision: str | None, form: str) -> None:
        repository = self.hub.repositories.get((kind, name))
        if repository is None:
            self._refuse(401, "RepoNotFound")
        elif revision not in (None, "main", repository.commit):
            self._refuse(404, "RevisionNotFound")
        elif verb in (None, "revision"):
            self._json({"id": name, "sha": repository.commit, "siblings": []})
        elif verb == "paths-info":
            wanted = parse_qs(form)["paths"]
            self._json([_entry(path, data) for path, data in repository.files.items() if path in wanted])
        else:
            self._json([_entry(path, data) for path, data in repository.files.items() if "/" not in path])

    def _file(self, kind: str, name: str, revision: str, file: str) -> None:
        repository = self.hub.repositories.get((kind, name))
        if repository is None:
            self._refuse(401, "RepoNotFound")
        elif revision != repository.commit:
            self._refuse(404, "RevisionNotFound")
        elif repository.token not in (None, self.headers.get("Authorization", "").removeprefix("Bearer ")):
            self._refuse(*repository.refusal)
        elif file not in repository.files:
            self._refuse(404, "EntryNotFound")
        else:
            data, headers = repository.files[file], {"X-Repo-Commit": repository.commit}
            if file.endswith(LARGE):  # they are on another host
                self._send(
                    302,
                    b"",
                    headers
                    | {
                        "X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"',
                        "X-Linked-Size": str(len(data)),
                        "Location": f"{self.hub.url.replace('127.0.0.1', 'localhost')}/large/{kind}/{name}/{file}",
                    },
                )
            else:
                self._content(file, data, headers | {"ETag": f'"{_git_id(data)}"'})

    def _content(self, file: str, data: bytes, headers: dict[str, str]) -> None:
        wanted = self.headers.get("Range")
        self.hub.served.append((self.command, file, wanted))
        if file in self.hub.damaged:
            data = bytes([data[0] ^ 1]) + data[1:]
        start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
        if wanted:
            headers |= {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        cut = self.hub.cut.pop(file, None) if self.command == "GET" else None
        self._send(206 if wanted else 200, data[start:], headers, cut)

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code} if code else {})

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None, cut: int | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    def handle_error(self, *request: object) -> None:
        """A client that leaves is no news."""


@contextmanager
def hub_server() -> Iterator[Hub]:
    """The server on loopback."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with _Server(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join(10)
