"""The engine `example-greedy`: transformers' own `generate`, one request at a time, always the most likely token.

`start` runs this module as a process of its own, which serves the OpenAI chat protocol on loopback and ends when its
standard input closes, that is, with the evaluation.
"""

import json
import os
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

from example_greedy.kit import Greedy
from posttrainbench.child_process import call_when_parent_exits, run_child
from posttrainbench.engines import Endpoint, Engine, EngineLoadError, Serving

LOAD_SECONDS = 600.0


def versions(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the versions of the libraries that generate."""
    return {name: version(name) for name in ("torch", "transformers")}


@contextmanager
def start(serving: Serving) -> Iterator[Endpoint]:
    """Serve a checkpoint; see `posttrainbench.engines.base.StartEngine`."""
    key = secrets.token_urlsafe(24)
    message = {"checkpoint": str(serving.checkpoint), "template": serving.template, "key": key}
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with run_child(
        *("example_greedy", json.dumps(message), serving.log, LOAD_SECONDS),
        name="example-greedy engine",
        cause="engine_failed",
        environment=environment | {"HF_HUB_OFFLINE": "1"},
    ) as child:
        ready = json.loads(child.ready_line)
        if "error" in ready:
            raise EngineLoadError(ready["error"])
        yield Endpoint(
            base_url=f"http://127.0.0.1:{ready['port']}/v1",
            api_key=key,
            connections=8,
            greedy=True,
            config={"engine": "example-greedy", **versions(serving.settings)},
            log=serving.log,
        )


def serve() -> None:
    """Read the start message from standard input, load the checkpoint, print the port, answer requests."""
    message = json.loads(sys.stdin.readline())
    call_when_parent_exits(lambda: os._exit(0))
    try:
        model = Greedy(Path(message["checkpoint"]), message["template"])
    except Exception as error:  # any error is the answer to the question whether the checkpoint loads
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:1000]}), flush=True)
        return
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if self.headers.get("Authorization") != f"Bearer {message['key']}":
                self.send_error(401)
                return
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            messages = [{"role": one["role"], "content": _text(one["content"])} for one in body["messages"]]
            with lock:
                text = model.complete(
                    messages, body.get("tools"), body.get("max_completion_tokens") or body["max_tokens"]
                )
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            reply = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice]}
            data = json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(json.dumps({"port": server.server_port}), flush=True)
    server.serve_forever()


def _text(content: str | list[dict[str, str]]) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


ENGINE = Engine(
    name="example-greedy",
    start=start,
    versions=versions,
    kit={"__init__.py": Path(__file__).with_name("kit.py")},
)
