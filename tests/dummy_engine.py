"""An engine whose answers a test decides: a real HTTP server of the OpenAI protocol, in a thread of this process."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from posttrainbench.engines import Endpoint, Engine, Serving

Answer = Callable[[dict], str]
"""The body of a request -> the completion; an exception becomes HTTP 500."""


class DummyEngine:
    """Starts like any engine; remembers how it was started and what it was asked."""

    def __init__(self, answer: Answer, greedy: bool = True) -> None:
        self.answer, self.greedy = answer, greedy
        self.asked: list[dict] = []
        self.servings: list[Serving] = []

    @property
    def engine(self) -> Engine:
        return Engine("dummy", self.start, lambda settings: {}, kit={})

    @contextmanager
    def start(self, serving: Serving) -> Iterator[Endpoint]:
        self.servings.append(serving)
        serving.log.touch()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        app = Starlette(routes=[Route("/v1/chat/completions", self._chat, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield Endpoint(
                base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1",
                api_key="key",
                connections=64,
                greedy=self.greedy,
                config={"engine": "dummy"},
                log=Path(serving.log),
            )
        finally:
            server.should_exit = True
            thread.join(30)

    async def _chat(self, request: Request) -> JSONResponse:
        body = json.loads(await request.body())
        self.asked.append(body)
        try:
            text = self.answer(body)
        except Exception as error:
            return JSONResponse({"error": {"message": str(error)}}, status_code=500)
        return JSONResponse(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": "dummy",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
        )


def question(body: dict) -> str:
    """The text of the last message."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)
