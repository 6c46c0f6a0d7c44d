"""The transformers engine's own process: `python -m posttrainbench.engines.transformers_server`.

Reads one JSON line from standard input (`checkpoint`, `template`, `key`, `threads`, `decoding`, `dtype`), loads the
checkpoint, writes one JSON line to standard output (`port`, or `load_error`), and serves OpenAI chat completions on
loopback until standard input closes. It therefore never outlives the evaluation that started it.
"""

import json
import os
import queue
import secrets
import socket
import sys
import threading
import time
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import torch
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from posttrainbench.child_process import call_when_parent_exits
from posttrainbench.engines.base import ERROR_MARK
from posttrainbench.engines.generation import Completion, Generator, Request
from posttrainbench.errors import one_line

BACKLOG = 2048

Job = tuple[Request, "Future[Completion]"]


class Batcher:
    """Complete concurrent requests together, in one thread; each joins as soon as a row is free."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def submit(self, request: Request) -> "Future[Completion]":
        """Queue a request; return a future of its completion or of the error that ended it."""
        future: Future[Completion] = Future()
        self.jobs.put((request, future))
        return future

    def _work(self) -> None:
        futures: set[Future[Completion]] = set()
        while True:
            try:
                while jobs := self._next_jobs():
                    futures.update(future for _, future in jobs)
                    self.generator.add(
                        [(request, partial(self._complete, futures, future)) for request, future in jobs]
                    )
                self.generator.step()
            except Exception as error:  # every client whose request has begun must get the error, whatever it is
                self.generator.drop()
                for future in futures:
                    future.set_exception(error)
                futures.clear()

    def _next_jobs(self) -> list[Job]:
        """Return the jobs to begin now; wait for one if none is being completed."""
        if not self.generator.live:
            first = self.jobs.get()
            return [first, *(self.jobs.get() for _ in range(self.generator.room(self.jobs.qsize() + 1) - 1))]
        return [self.jobs.get() for _ in range(self.generator.room(self.jobs.qsize()))]

    def _complete(
        self, futures: "set[Future[Completion]]", future: "Future[Completion]", completion: Completion
    ) -> None:
        futures.discard(future)
        future.set_result(completion)


def build_app(generator: Generator, key: str) -> Starlette:
    """Return the HTTP application: `POST /v1/chat/completions` and `GET /health`."""
    batcher = Batcher(generator)

    async def health(_: HttpRequest) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def chat(http: HttpRequest) -> JSONResponse:
        sent = http.headers.get("authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(sent.encode(), key.encode()):
            return _error(401, "wrong API key")
        try:
            body = await http.json()
            request = Request(
                prompt=generator.encode(_plain(body["messages"]), body.get("tools")),
                max_tokens=int(body.get("max_completion_tokens") or body["max_tokens"]),
                seed=int(body.get("seed") or 0),
                stop=_texts(body.get("stop")),
            )
        except (KeyError, TypeError, ValueError) as error:
            return _error(400, f"bad request: {error!r}")
        try:
            done = await run_in_threadpool(batcher.submit(request).result)
        except Exception as error:
            print(f"{ERROR_MARK}{one_line(error)}", file=sys.stderr, flush=True)
            return _error(500, f"generation failed: {error}")
        return JSONResponse(_reply(str(body.get("model", "")), request, done))

    return Starlette(routes=[Route("/health", health), Route("/v1/chat/completions", chat, methods=["POST"])])


def _plain(messages: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Reduce messages to their text; the content may be a string or a list of text parts."""
    chat = []
    for message in messages:
        content = message["content"]
        text = content if isinstance(content, str) else "".join(part["text"] for part in content)
        chat.append({"role": str(message["role"]), "content": text})
    return chat


def _texts(stop: str | list[str] | None) -> tuple[str, ...]:
    """Return OpenAI's `stop`, which may be missing, a text, or a list, as a tuple."""
    return (stop,) if isinstance(stop, str) else tuple(str(text) for text in stop or ())


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": "engine_error"}}, status_code=status)


def _reply(model: str, request: Request, done: Completion) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{secrets.token_hex(8)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": done.text},
                "finish_reason": "length" if done.cut else "stop",
            }
        ],
        "usage": {
            "prompt_tokens": len(request.prompt),
            "completion_tokens": done.tokens,
            "total_tokens": len(request.prompt) + done.tokens,
        },
    }


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def main() -> None:
    """Load, announce, serve."""
    order = json.loads(sys.stdin.readline())
    if order["threads"] is not None:
        torch.set_num_threads(order["threads"])
    call_when_parent_exits(lambda: os._exit(0))
    try:
        generator = Generator(Path(order["checkpoint"]), order["template"], order["decoding"], order["dtype"])
    except Exception as error:  # any error means that the checkpoint cannot be loaded
        _say({"load_error": f"{type(error).__name__}: {error}"[:2000]})
        return
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)  # before the port is announced, so that no client connects too early
    _say(
        {
            "port": listener.getsockname()[1],
            "device": generator.device,
            "decoding": generator.decoding,
            "samples": generator.sample,
            "rows": generator.rows.count,
        }
    )
    app = build_app(generator, order["key"])
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
