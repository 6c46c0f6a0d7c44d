"""A small server that speaks as much of the Hub's protocol as its client uses, and misbehaves on request."""

import base64
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

import yaml

LARGE = (".parquet", ".gz", ".safetensors", ".bin")
PATH = re.compile(r"/api/(model|dataset)s/([\w.-]+/[\w.-]+)(?:/(revision|tree|paths-info)/([^/]+))?/?")
UPLOAD = re.compile(r"/api/(model|dataset)s/([\w.-]+/[\w.-]+)/(preupload|commit)/main")
BATCH = re.compile(r"(/datasets)?/([\w.-]+/[\w.-]+)\.git/info/lfs/objects/batch")
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
        writer: token that may create repositories and commit; None: nobody may.
        private: names of the repositories that were created as private ones.
        objects: hash -> content of large files that were uploaded.
    """

    url: str = ""
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    down: bool = False
    served: list[tuple[str, str, str | None]] = field(default_factory=list)
    writer: str | None = None
    private: set[str] = field(default_factory=set)
    objects: dict[str, bytes] = field(default_factory=dict)


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

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        digest = self.path.rpartition("/")[2]
        if hashlib.sha256(data).hexdigest() != digest:
            self._send(400, b"wrong hash")
        else:
            self.hub.objects[digest] = data
            self._send(200, b"")

    def _write(self, path: str, body: str) -> None:
        """Answer a request that changes something, with the checks of the real server."""
        if self.hub.writer is None or self.headers.get("Authorization") != f"Bearer {self.hub.writer}":
            self._refuse(401, "")
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            key = asked.get("type", "model"), name
            if key in self.hub.repositories:
                self._send(409, json.dumps({"url": f"{self.hub.url}/datasets/{name}"}).encode())
                return
            self.hub.repositories[key] = Repository("0" * 40, {})
            if asked.get("private") or asked.get("visibility") == "private":
                self.hub.private.add(name)
            self._json({"url": f"{self.hub.url}/datasets/{name}", "id": name})
        elif found := BATCH.fullmatch(path):
            self._json(
                {
                    "transfer": "basic",
                    "objects": [
                        one | {"actions": {"upload": {"href": f"{self.hub.url}/put/{one['oid']}", "header": {}}}}
                        for one in json.loads(body)["objects"]
                    ],
                }
            )
        elif (found := UPLOAD.fullmatch(path)) and (found[1], found[2]) not in self.hub.repositories:
            self._refuse(404, "RepoNotFound")
        elif found and found[3] == "preupload":
            files = json.loads(body)["files"]
            self._json(
                {
                    "files": [
                        {
                            "path": one["path"],
                            "uploadMode": "lfs" if one["path"].endswith((*LARGE, ".zst")) else "regular",
                            "shouldIgnore": False,
                        }
                        for one in files
                    ]
                }
            )
        elif found:
            self._commit(self.hub.repositories[found[1], found[2]], found[2], body)
        else:
            self._send(404, b"")

    def _commit(self, repository: Repository, name: str, body: str) -> None:
        added = {}
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                added[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                if value["oid"] not in self.hub.objects:
                    self._send(400, b"the object was not uploaded")
                    return
                added[value["path"]] = self.hub.objects[value["oid"]]
        repository.files |= added
        self._json({"success": True, "commitOid": "1" * 40, "commitUrl": f"{self.hub.url}/{name}/commit/{'1' * 40}"})

    def _answer(self, form: str = "") -> None:
        path = unquote(urlsplit(self.path).path)
        if self.hub.down:
            self._send(503, b"down")
        elif path == "/api/validate-yaml":
            head = json.loads(form)["content"].split("---\n")[1]
            valid = isinstance(yaml.safe_load(head), dict)
            self._json({"errors": [] if valid else [{"message": "metadata must be a mapping"}], "warnings": []})
        elif path == "/api/repos/create" or BATCH.fullmatch(path) or UPLOAD.fullmatch(path):
            self._write(path, form)
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
