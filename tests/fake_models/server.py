"""A local server with four model APIs, which replays scenarios.

    with fake_models({"tools": [Say(calls=(Shell("ls"),)), Say("Done.")]}) as fake:
        ...  # fake.url

A user message that contains `scenario:NAME` or `scenario:NAME/ID` selects that scenario; otherwise it is `""`, which
replies that all is done. Requests with the same name and id belong to one conversation and share its turns. A request
without tools in a scenario that requires them is an agent's side task (a title, a summary): it gets a short reply and
does not advance the conversation.
"""

import argparse
import asyncio
import itertools
import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from aiohttp import web

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from fake_models import anthropic, chat, gemini, responses
from fake_models.parsed_request import ParsedRequest, reply
from fake_models.scenario import DONE, Fail, Player, Raw, Say, Scenario, Turn, calls_tools

KEY = "sk-real-0123456789abcdefghijklmn"
"""The only valid key."""

NAMED = re.compile(r"scenario:([\w-]+)(/\w+)?")

GEMINI = re.compile(r"/v1beta/models/([\w.-]+):(\w+)")


@dataclass
class Received:
    """A received request.

    Attributes:
        gone: the client disconnected before the end of the reply.
    """

    path: str
    query: str
    headers: dict[str, str]
    body: dict[str, Any]
    gone: bool = False


@dataclass
class FakeModels:
    """A running server; every request is appended to `received`."""

    scenarios: Mapping[str, Scenario | Player]
    received: list[Received] = field(default_factory=list)
    url: str = ""
    _places: Counter[str] = field(default_factory=Counter)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/messages", self._anthropic)
        app.router.add_post("/v1/messages/count_tokens", self._count)
        app.router.add_post("/v1/responses", self._responses)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1beta/models/{call}", self._gemini)
        return app

    async def _anthropic(self, request: web.Request) -> web.StreamResponse:
        offered = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        return await self._play(request, anthropic, offered, await request.json())

    async def _responses(self, request: web.Request) -> web.StreamResponse:
        return await self._openai(request, responses)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._openai(request, chat)

    async def _openai(self, request: web.Request, protocol: ModuleType) -> web.StreamResponse:
        offered = request.headers.get("authorization", "").removeprefix("Bearer ")
        return await self._play(request, protocol, offered, await request.json())

    async def _gemini(self, request: web.Request) -> web.StreamResponse:
        found = GEMINI.fullmatch(request.path)
        assert found is not None
        model, method = found.groups()
        if method == "countTokens":
            return await self._count(request)
        body = {**await request.json(), "model": model, "stream": method == "streamGenerateContent"}
        return await self._play(request, gemini, request.headers.get("x-goog-api-key", ""), body)

    async def _count(self, request: web.Request) -> web.Response:
        size = len(await request.read()) // 4
        return web.json_response({"input_tokens": size, "totalTokens": size})

    async def _play(
        self, request: web.Request, protocol: ModuleType, offered: str, body: dict[str, Any]
    ) -> web.StreamResponse:
        received = Received(request.path, request.rel_url.raw_query_string, dict(request.headers), body)
        self.received.append(received)
        if offered != KEY:
            return self._fail(protocol, Fail(401, f"Incorrect API key provided: {offered}."))
        parsed: ParsedRequest = protocol.ask(body, len(json.dumps(body)))
        turn = self._turn(parsed)
        if isinstance(turn, Fail):
            return self._fail(protocol, turn)
        if isinstance(turn, Raw):
            return web.Response(text=turn.body, content_type=turn.kind)
        made = reply(turn, parsed, f"{next(self._numbers):08x}")
        try:
            await asyncio.sleep(turn.wait)
            if not parsed.stream:
                return web.json_response(protocol.message(made))
            return await self._stream(request, protocol, turn, protocol.events(made))
        except (asyncio.CancelledError, ConnectionError):
            received.gone = True
            raise

    async def _stream(
        self, request: web.Request, protocol: ModuleType, turn: Say, events: list[dict[str, Any]]
    ) -> web.StreamResponse:
        as_array = protocol is gemini and request.query.get("alt") != "sse"
        kind = "application/json" if as_array else "text/event-stream"
        response = web.StreamResponse(headers={"content-type": kind, "cache-control": "no-cache"})
        await response.prepare(request)
        if as_array:
            await response.write(json.dumps(events, indent=1).encode())
            return response
        for event in events if turn.ends == "well" else events[: len(events) // 2]:
            await response.write(protocol.encode(event))
            if turn.pace:
                await asyncio.sleep(turn.pace)
        await asyncio.sleep(turn.linger)
        if turn.ends == "overloaded":
            await response.write(protocol.encode(protocol.OVERLOADED))
        if turn.ends == "cut" and request.transport is not None:
            request.transport.close()
        return response

    def _turn(self, parsed: ParsedRequest) -> Turn:
        named = next(filter(None, map(NAMED.search, parsed.said)), None)
        scenario = self.scenarios.get(named[1] if named else "", DONE)
        if callable(scenario):
            return scenario(parsed)
        if calls_tools(scenario) and not parsed.tools:
            return Say("A short title")
        identity = named[0] if named else "\n".join(parsed.said[:1])
        place = self._places[identity]
        last = scenario[min(place, len(scenario)) - 1] if place else None
        if isinstance(last, Say) and last.until is not None and not last.until():
            return last
        self._places[identity] += 1
        return scenario[min(place, len(scenario) - 1)]

    @staticmethod
    def _fail(protocol: ModuleType, fail: Fail) -> web.Response:
        headers = {} if fail.retry_after is None else {"retry-after": str(fail.retry_after)}
        return web.json_response(protocol.error(fail), status=fail.status, headers=headers)


@contextmanager
def fake_models(scenarios: Mapping[str, Scenario | Player]) -> Iterator[FakeModels]:
    """Serve in a thread of this process."""
    fake = FakeModels(scenarios)
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(fake.app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        if not thread.is_alive():
            loop.close()


def main() -> None:
    """Serve in a process of its own: every request gets the same long answer. For measurements."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--wait", type=float, required=True, help="seconds before the first byte")
    parser.add_argument("--pace", type=float, required=True, help="seconds between two events")
    parser.add_argument("--events", type=int, required=True)
    args = parser.parse_args()
    turn = Say("x" * args.events, piece=1, wait=args.wait, pace=args.pace)
    with fake_models({"": [turn]}) as fake:
        print(fake.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
