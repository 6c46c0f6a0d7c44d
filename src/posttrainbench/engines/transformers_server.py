"""The transformers engine's own process: `python -m posttrainbench.engines.transformers_server`.

Reads one JSON line from standard input (`checkpoint`, `template`, `key`, `threads`, `decoding`, `dtype`, `kv_memory`),
loads the checkpoint, writes one JSON line to standard output (`port`, or `load_error`), and serves OpenAI chat
completions on loopback until standard input closes. It therefore never outlives the evaluation that started it.
"""

import asyncio
import json
import os
import queue
import secrets
import socket
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import uvicorn
from jinja2 import TemplateError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from posttrainbench.child_process import call_when_parent_exits
from posttrainbench.engines.base import ERROR_MARK, MODEL_NAME
from posttrainbench.engines.chat_request import ChatRequest, UnknownModelError, read_request
from posttrainbench.engines.generation import Completion, Generator, Request, RequestError
from posttrainbench.errors import one_line

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 24 * 3600
"""An idle connection is closed by the client only: a request that meets a closing server fails."""
CLIENT_CLOSED = 499

Job = tuple[Request, "Future[Completion]"]


class Batcher:
    """Complete concurrent requests together, in one thread; each joins as soon as a row is free."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def submit(self, request: Request) -> "Future[Completion]":
        """Queue a request that `Generator.accept` returned; return a future of its completion or error.

        A request whose future is cancelled is given up.
        """
        future: Future[Completion] = Future()
        self.jobs.put((request, future))
        return future

    def _work(self) -> None:
        while True:
            while not self.generator.busy or not self.jobs.empty():
                self._add(*self.jobs.get())
            self.generator.step()

    def _add(self, request: Request, future: "Future[Completion]") -> None:
        def finish(result: Completion | Exception) -> None:
            with suppress(InvalidStateError):  # cancelled in the meantime
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

        try:
            self.generator.add(request, finish, lambda: not future.cancelled())
        except Exception as error:  # only this request fails, whatever it is
            finish(error)


def build_app(generator: Generator, key: str, names: Sequence[str] = (MODEL_NAME,)) -> Starlette:
    """Return the HTTP application: `POST /v1/chat/completions`, `GET /v1/models` and `GET /health`.

    Args:
        generator: completes the requests.
        key: API key.
        names: of the model.
    """
    batcher = Batcher(generator)

    def authorized(http: HttpRequest) -> bool:
        sent = http.headers.get("authorization", "").removeprefix("Bearer ")
        return secrets.compare_digest(sent.encode(), key.encode())

    async def health(_: HttpRequest) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def models(http: HttpRequest) -> JSONResponse:
        if not authorized(http):
            return _error(401, "wrong API key")
        facts = {"object": "model", "owned_by": "posttrainbench", "max_model_len": generator.context}
        return JSONResponse({"object": "list", "data": [{"id": name} | facts for name in names]})

    async def chat(http: HttpRequest) -> Response:
        if not authorized(http):
            return _error(401, "wrong API key")
        try:
            body = read_request(await http.body(), names)
            requests = _requests(generator, body)
        except UnknownModelError as error:
            return _error(404, str(error))
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED)
        except (TemplateError, KeyError, RecursionError, TypeError, ValueError) as error:
            return _error(400, f"bad request: {one_line(error)}")
        futures = [batcher.submit(request) for request in requests]
        done = asyncio.gather(*map(asyncio.wrap_future, futures))
        gone = asyncio.ensure_future(_disconnect(http))
        either: list[asyncio.Future[Any]] = [done, gone]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not done.done():
            done.cancel()
            with suppress(asyncio.CancelledError):
                await done
            return Response(status_code=CLIENT_CLOSED)
        if (failed := done.exception()) is not None:
            print(f"{ERROR_MARK}{one_line(failed)}", file=sys.stderr, flush=True)
            return _error(500, f"generation failed: {failed}")
        return JSONResponse(_reply(requests, done.result()))

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/v1/models", models),
            Route("/v1/chat/completions", chat, methods=["POST"]),
        ]
    )


def _requests(generator: Generator, body: ChatRequest) -> list[Request]:
    """Return the requests for completions; the seeds of several ones are consecutive.

    Raises:
        RequestError: the generator cannot complete them.
        TemplateError: the chat template refuses the messages.
    """
    decoding = body.decoding()
    count = body.n or 1
    if count > 1 and not generator.decoding_of(decoding).sample:
        raise RequestError(f"n must be 1 with greedy decoding, not {count}")
    prompt = generator.encode([message.plain() for message in body.messages], body.tools)
    limit = body.limit() or generator.context
    if limit is None:
        raise RequestError("max_tokens is missing, and the model has no limit of its own")
    request = generator.accept(Request(prompt, limit, body.seed or 0, body.stops(), decoding))
    return [generator.reseeded(request, place) for place in range(count)]


async def _disconnect(http: HttpRequest) -> None:
    """Return when the client has closed its connection. Read the body first."""
    while (await http.receive())["type"] != "http.disconnect":
        pass


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": "engine_error"}}, status_code=status)


def _reply(requests: Sequence[Request], completions: Sequence[Completion]) -> dict[str, Any]:
    prompt, written = len(requests[0].prompt), sum(done.tokens for done in completions)
    return {
        "id": f"chatcmpl-{secrets.token_hex(8)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL_NAME,
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": done.text},
                "finish_reason": "length" if done.cut else "stop",
            }
            for index, done in enumerate(completions)
        ],
        "usage": {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written},
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
        generator = Generator(
            Path(order["checkpoint"]), order["template"], order["decoding"], order["dtype"], order["kv_memory"]
        )
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
            "rows": generator.rows.most,
            "context": generator.context,
        }
    )
    app = build_app(generator, order["key"])
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="off", timeout_keep_alive=KEEP_ALIVE_SECONDS
        )
    )
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
