"""Requests that the proxy sees: plain HTTP, and HTTPS to hosts where the path tells what is asked for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from posttrainbench.destinations import classify
from posttrainbench.gateway.egress.addresses import BlockedError
from posttrainbench.gateway.egress.ledger import Ledger, Passage
from posttrainbench.gateway.egress.policy import FORBIDDEN, EgressPolicy
from posttrainbench.gateway.headers import HOP_BY_HOP

BAD_REQUEST, BAD_GATEWAY = 400, 502
WITHOUT_BODY = (hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS, hdrs.METH_TRACE)


@dataclass(frozen=True)
class Via:
    """The connection that a request came by: through CONNECT to a host, or straight to the proxy where it is None."""

    scheme: str
    host: str
    port: int


class Interceptor:
    """Answers requests by sending them on."""

    def __init__(self, policy: EgressPolicy, ledger: Ledger, session: aiohttp.ClientSession) -> None:
        self._policy = policy
        self._ledger = ledger
        self._session = session

    async def handle(self, via: Via | None, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        place = via or _asked(request)
        path = request.rel_url.raw_path_qs
        if place is None:
            return _answer(BAD_REQUEST, "This is an HTTP proxy: it takes CONNECT, and requests for whole URLs.")
        passage = Passage(place.host, place.port, request.method, path, classify(place.host, path, place.port))
        with self._ledger.passage(passage):
            denial = self._policy.of_host(place.host) or self._policy.of(passage.destination)
            if denial is not None:
                passage.deny(denial.status, denial.reason)
                return _answer(denial.status, denial.reason)
            if self._ledger.is_full:
                passage.deny(FORBIDDEN, FULL)
                return _answer(FORBIDDEN, FULL)
            try:
                if _wants_websocket(request):
                    return await self._websocket(request, place, passage)
                return await self._pass(request, place, passage)
            except BlockedError as error:
                passage.deny(FORBIDDEN, str(error))
                return _answer(FORBIDDEN, str(error))
            except aiohttp.ClientConnectorError as error:
                cause = error.os_error
                if isinstance(cause, BlockedError):
                    passage.deny(FORBIDDEN, str(cause))
                    return _answer(FORBIDDEN, str(cause))
                return _failed(passage, error)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                return _failed(passage, error)

    async def _pass(self, request: web.BaseRequest, place: Via, passage: Passage) -> web.StreamResponse:
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = _counted(request, passage) if request.body_exists else None
        upstream = await self._session.request(
            request.method,
            _url(place, passage.path or "/"),
            headers=_end_to_end(request.headers),
            data=body,
            allow_redirects=False,
        )
        try:
            passage.status = upstream.status
            response = web.StreamResponse(
                status=upstream.status, reason=upstream.reason, headers=_end_to_end(upstream.headers)
            )
            await response.prepare(request)
            while data := await upstream.content.readany():
                passage.receives(len(data))
                await response.write(data)
            await response.write_eof()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            passage.reason = f"cut off: {type(error).__name__}"
            if request.transport is not None:
                request.transport.close()  # without the end of the body, so that the client sees the cut
        except asyncio.CancelledError:
            passage.reason = passage.reason or "the client left"
            raise
        finally:
            upstream.release()  # closes the connection where the answer has not ended
        return response

    async def _websocket(self, request: web.BaseRequest, place: Via, passage: Passage) -> web.StreamResponse:
        protocols = [each.strip() for each in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")]
        headers = _end_to_end(request.headers)
        for name in [each for each in headers if each.lower().startswith("sec-websocket-")]:
            headers.popall(name, None)
        outside = await self._session.ws_connect(
            _url(place, passage.path or "/"),
            headers=headers,
            protocols=[each for each in protocols if each],
            max_msg_size=0,
            autoping=False,
        )
        async with outside:
            passage.status = 101
            inside = web.WebSocketResponse(
                protocols=[outside.protocol] if outside.protocol else (), max_msg_size=0, autoping=False
            )
            await inside.prepare(request)
            ways = [
                asyncio.ensure_future(_messages(inside, outside, passage.sends)),
                asyncio.ensure_future(_messages(outside, inside, passage.receives)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
            with contextlib.suppress(ConnectionError, RuntimeError):
                await inside.close(code=outside.close_code or aiohttp.WSCloseCode.GOING_AWAY)
        return inside


FULL = "This run has made more requests than can be recorded, so no more of them are sent on."

Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _messages(source: Socket, sink: Socket, count: Callable[[int], None]) -> None:
    async for message in source:
        count(len(message.data or b""))
        if message.type is aiohttp.WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await sink.send_bytes(message.data)
        elif message.type is aiohttp.WSMsgType.PING:
            await sink.ping(message.data)
        elif message.type is aiohttp.WSMsgType.PONG:
            await sink.pong(message.data)


def _failed(passage: Passage, error: Exception) -> web.Response:
    passage.reason = f"{type(error).__name__}: {error}"
    return _answer(BAD_GATEWAY, f"{passage.host[:100]} cannot be reached: {type(error).__name__}.")


def _answer(status: int, sentence: str) -> web.Response:
    """An answer of the proxy's own: clients show the reason, the Hub's shows `X-Error-Message`."""
    shown = sentence.encode("ascii", "replace").decode()
    headers = {hdrs.CONNECTION: "close", "X-Error-Message": shown}  # closed, since the request's body may be unread
    return web.Response(status=status, reason=shown, text=f"{shown}\n", headers=headers)


def _asked(request: web.BaseRequest) -> Via | None:
    """The place of a request for a whole URL, as clients send it to a proxy."""
    url = request._message.url
    if url.scheme != "http" or not url.raw_host or url.explicit_port == 0:
        return None
    return Via("http", url.raw_host.lower(), url.port or 80)


def _url(place: Via, path: str) -> URL:
    host = f"[{place.host}]" if ":" in place.host else place.host
    return URL(f"{place.scheme}://{host}:{place.port}{path}", encoded=True)


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Headers without those that are for one connection alone. The server's name comes from the URL."""
    own = {name.strip().lower() for name in headers.get(hdrs.CONNECTION, "").split(",")}
    dropped = HOP_BY_HOP | own | {"host", "expect", "alt-svc"}
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


async def _counted(request: web.BaseRequest, passage: Passage) -> AsyncIterator[bytes]:
    async for data in request.content.iter_any():
        passage.sends(len(data))
        yield data


def _wants_websocket(request: web.BaseRequest) -> bool:
    return request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
