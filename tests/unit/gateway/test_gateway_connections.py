"""Clients that hold connections, bodies or answers do not keep others from the gateway, and its memory is bounded."""

import asyncio
import contextlib
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from posttrainbench.gateway import GatewayConfig, proxy, server
from posttrainbench.gateway.admit import MAX_BRACKETS, RefusedError, admit
from posttrainbench.gateway.protocols import PROTOCOLS
from posttrainbench.gateway.server import StartupMessage, serve
from posttrainbench.usage.calls import CLIENT_CLOSED, ModelCall, read_calls
from posttrainbench.usage.prices import load_prices

PLACES = 4
TOKEN = "the-token-of-this-run"
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]}).encode()
ANSWER = json.dumps(
    {
        "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }
)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def head(size: int = len(BODY)) -> bytes:
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
        f"content-length: {size}\r\nconnection: close\r\n\r\n"
    ).encode()


HOLDERS: dict[str, bytes] = {
    "nothing": b"",
    "half a request line": b"POST /v1/chat",
    "half of the headers": b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-more:",
    "half a body": head() + BODY[:10],
    "half a body of a request that is refused": head().replace(TOKEN.encode(), b"wrong") + BODY[:10],
    "a request that was answered": b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n",
}


class Lab:
    """A gateway in this process, before a provider that answers when `go` is set."""

    def __init__(self, folder: Path) -> None:
        self.socket, self.usage = folder / "s", folder / "usage.jsonl"
        self.go = asyncio.Event()
        self.arrived = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        while await request.content.readany():
            pass
        self.arrived += 1
        await self.go.wait()
        return web.Response(text=ANSWER, content_type="application/json")

    async def connect(self, data: bytes = b"") -> Streams:
        streams = await asyncio.open_unix_connection(str(self.socket))
        streams[1].write(data)
        return streams

    async def ask(self) -> bytes:
        """Return the first line of the response to a whole request; empty if the connection was closed."""
        reader, writer = await self.connect(head() + BODY)
        return await first_line(reader, writer)

    def calls(self) -> list[ModelCall]:
        return list(read_calls(self.usage))


async def first_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    try:
        return await reader.readline()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def lab(folder: Path, handler: Callable[[web.Request], object] | None = None) -> AsyncIterator[Lab]:
    one = Lab(folder)
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/{path:.*}", handler or one.answer)  # type: ignore[arg-type]
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    config = GatewayConfig(
        protocol="openai", models=["m"], base_url=f"http://127.0.0.1:{runner.addresses[0][1]}/v1", provider="p"
    )
    message = StartupMessage(
        config=config, key="the-key", token=TOKEN, prices=load_prices(), socket=one.socket, usage=one.usage
    )
    stopped = asyncio.Event()
    serving = asyncio.ensure_future(serve(message, stopped))
    try:
        await until(one.socket.exists)
        yield one
    finally:
        stopped.set()
        one.go.set()
        await serving
        await runner.cleanup()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", PLACES)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("holder", HOLDERS)
def test_connections_without_a_whole_request_do_not_hold_the_places(holder: str, tmp_path: Path) -> None:
    async def check() -> None:
        async with lab(tmp_path) as one:
            one.go.set()
            held = [await one.connect(HOLDERS[holder]) for _ in range(PLACES * 5)]
            await asyncio.sleep(0.05)  # so that the server has read them
            for _ in range(3):
                assert await one.ask() == b"HTTP/1.1 200 OK\r\n"
            for _, writer in held:
                writer.close()

    asyncio.run(check())


def test_requests_that_are_answered_keep_their_places(tmp_path: Path) -> None:
    async def check() -> None:
        async with lab(tmp_path) as one:
            asked = [asyncio.ensure_future(one.ask()) for _ in range(PLACES)]
            await until(lambda: one.arrived == PLACES)
            for _ in range(PLACES * 2):
                assert await one.ask() == b""  # closed at once
            one.go.set()
            assert await asyncio.gather(*asked) == [b"HTTP/1.1 200 OK\r\n"] * PLACES
            assert await one.ask() == b"HTTP/1.1 200 OK\r\n"
            assert [call.status for call in one.calls()] == [200] * (PLACES + 1)

    asyncio.run(check())


@pytest.mark.parametrize("data", [b"", b"POST /v1/chat", b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\nPOST /v1/chat"])
def test_headers_have_a_time_limit_and_answers_do_not(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.1)

    async def check() -> None:
        async with lab(tmp_path) as one:
            asked = asyncio.ensure_future(one.ask())
            await until(lambda: one.arrived == 1)
            reader, writer = await one.connect(data)
            async with asyncio.timeout(60):
                assert b"POST" not in await reader.read()  # to its end: the gateway closed the connection
            writer.close()
            one.go.set()
            assert await asked == b"HTTP/1.1 200 OK\r\n"

    asyncio.run(check())


def test_an_agent_that_reads_nothing_does_not_hold_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "MAX_CONCURRENT_REQUESTS", 1)
    monkeypatch.setattr(proxy, "READ_SECONDS", 0.1)
    endless = True

    async def answer(request: web.Request) -> web.StreamResponse:
        if not endless:
            return web.Response(text=ANSWER, content_type="application/json")
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        while True:
            await response.write(b"data: " + b"x" * 2**16 + b"\n\n")

    async def check() -> None:
        nonlocal endless
        async with lab(tmp_path, answer) as one:
            _, writer = await one.connect(head() + BODY)
            await until(lambda: bool(one.calls()))
            endless = False
            assert await one.ask() == b"HTTP/1.1 200 OK\r\n"
            writer.close()
            assert [call.error for call in one.calls()] == [CLIENT_CLOSED, None]

    asyncio.run(check())


def test_a_request_is_held_once(tmp_path: Path) -> None:
    size = 16 * 2**20
    body = json.dumps({"model": "m", "x": "x" * size}).encode()
    memory = []

    async def check() -> None:
        async with lab(tmp_path) as one:
            asked = asyncio.ensure_future(one.connect(head(len(body)) + body))
            await until(lambda: one.arrived == 1)
            (_, writer) = await asked
            memory.append(tracemalloc.get_traced_memory()[0])
            writer.close()

    tracemalloc.start()
    try:
        asyncio.run(check())
    finally:
        tracemalloc.stop()
    assert memory[0] < 1.5 * size


def test_many_requests_together_are_refused_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "MAX_HELD_BYTES", 2 * len(BODY) + 20)

    async def check() -> None:
        async with lab(tmp_path) as one:
            asked = [asyncio.ensure_future(one.ask()) for _ in range(2)]
            await until(lambda: one.arrived == 2)
            assert await one.ask() == b"HTTP/1.1 400 Bad Request\r\n"
            one.go.set()
            await asyncio.gather(*asked)
            assert await one.ask() == b"HTTP/1.1 200 OK\r\n"
            assert [call.refused for call in one.calls()] == [True, False, False, False]

    asyncio.run(check())


def test_a_body_of_many_small_values_is_not_parsed() -> None:
    endpoint = PROTOCOLS["openai"].endpoint("/v1/chat/completions")
    assert endpoint is not None
    few = b'{"model": "m", "x": [' + b"{}," * 1000 + b"0]}"
    assert admit(endpoint, few, ["m"]).body == few
    with pytest.raises(RefusedError, match="opening brackets"):
        admit(endpoint, b'{"model": "m", "x": [' + b"{}," * MAX_BRACKETS + b"0]}", ["m"])


SHAPED = "sk-ant-" + "0123456789abcdefghij"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"/v1/files/{SHAPED}", b"{}"),
        (f"/v1/files/{TOKEN}", b"{}"),
        ("/v1/chat/completions", json.dumps({"model": SHAPED}).encode()),
        ("/v1/chat/completions", json.dumps({"model": "m", "tools": [{"type": SHAPED}]}).encode()),
        ("/v1/chat/completions", json.dumps({"model": "m", "speed": "fast", "user": SHAPED}).encode()),
    ],
)
def test_a_refused_request_is_recorded_without_keys(path: str, body: bytes, tmp_path: Path) -> None:
    async def check() -> None:
        async with lab(tmp_path) as one:
            request = head(len(body)).replace(b"/v1/chat/completions", path.encode()) + body
            reader, writer = await one.connect(request)
            assert (await first_line(reader, writer)).startswith(b"HTTP/1.1 4")
            await until(lambda: bool(one.calls()))
            (call,) = one.calls()
            assert call.refused
            assert call.error
            written = one.usage.read_text()
            assert SHAPED not in written
            assert TOKEN not in written

    asyncio.run(check())
