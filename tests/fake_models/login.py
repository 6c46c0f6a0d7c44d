"""A local login service for renewals of codex's ChatGPT login."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class LoginService:
    """Accepts each refresh token once, in exchange for its key; the first token is `first`.

    Attributes:
        status: status of the responses, other than 200 to simulate a failure.
        asked: the received requests.
    """

    key: str
    url: str = ""
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list)
    valid: str = "first"

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of a response."""
        self.asked.append(request)
        if self.status != 200:
            return self.status, {"error": {"code": "some_reason"}}
        if request["refresh_token"] != self.valid:
            return 401, {"error": {"code": "refresh_token_reused"}}
        self.valid = "second"
        return 200, {"access_token": self.key, "refresh_token": self.valid, "id_token": "new-id", "expires_in": 1}


@contextmanager
def login_service(key: str) -> Iterator[LoginService]:
    """Serve in a thread of this process."""
    service = LoginService(key)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, content = service.answer(request)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, format: str, *words: object) -> None:
            """Suppress the log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}/oauth/token"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield service
        server.shutdown()
