"""Inspected requests: plain HTTP, and HTTPS to hosts whose paths identify what is requested."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from posttrainbench.gateway.egress.addresses import BlockedError
from posttrainbench.gateway.egress.destinations import classify, normal_host, repeated_parameter
from posttrainbench.gateway.egress.ledger import EgressExchange, Ledger
from posttrainbench.gateway.egress.policy import FORBIDDEN, Denial, EgressPolicy
from posttrainbench.gateway.headers import HOP_BY_HOP

BAD_REQUEST, BAD_GATEWAY = 400, 502

LEDGER_FULL = "This run has made more requests than can be logged, so further requests are denied."


@dataclass(frozen=True)
class Origin:
    """The server that a request is for."""

    scheme: str
    host: str
    port: int


class Interceptor:
    """Applies the policy to single requests and forwards them."""

    def __init__(self, policy: EgressPolicy, ledger: Ledger, session: aiohttp.ClientSession) -> None:
        self._policy = policy
        self._ledger = ledger
        self._session = session

    async def handle(self, tunnel: Origin | None, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request.

        Args:
            tunnel: target of the CONNECT request whose connection this is; None for a request with an absolute URL.
        """
        origin = tunnel or _origin_of(request)
        path = request.rel_url.raw_path_qs
        if origin is None:
            return _error(BAD_REQUEST, "This is an HTTP proxy: it takes CONNECT, and requests with absolute URLs.")
        exchange = EgressExchange(
            origin.host, origin.port, request.method, path, classify(origin.host, path, origin.port)
        )
        with self._ledger.record(exchange):
            denial = (
                self._policy.check_host(origin.host)
                or self._policy.check(exchange.destination)
                or self._policy.check_address(origin.host, path)
                or _ambiguous(origin.host, path)
            )
            if denial is not None:
                exchange.deny(denial.status, denial.reason)
                return _error(denial.status, denial.reason)
            if self._ledger.is_full:
                exchange.deny(FORBIDDEN, LEDGER_FULL)
                return _error(FORBIDDEN, LEDGER_FULL)
            try:
                if _is_websocket(request):
                    return await self._forward_websocket(request, origin, exchange)
                return await self._forward(request, origin, exchange)
            except BlockedError as error:
                exchange.deny(FORBIDDEN, str(error))
                return _error(FORBIDDEN, str(error))
            except aiohttp.ClientConnectorError as error:
                cause = error.os_error
                if isinstance(cause, BlockedError):
                    exchange.deny(FORBIDDEN, str(cause))
                    return _error(FORBIDDEN, str(cause))
                return _unreachable(exchange, error)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                return _unreachable(exchange, error)

    async def _forward(self, request: web.BaseRequest, origin: Origin, exchange: EgressExchange) -> web.StreamResponse:
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = _counted_body(request, exchange) if request.body_exists else None
        upstream = await self._session.request(
            request.method,
            _url(origin, exchange.path or "/"),
            headers=_end_to_end(request.headers),
            data=body,
            allow_redirects=False,
        )
        try:
            exchange.status = upstream.status
            response = web.StreamResponse(
                status=upstream.status, reason=upstream.reason, headers=_end_to_end(upstream.headers)
            )
            await response.prepare(request)
            while data := await upstream.content.readany():
                exchange.add_received(len(data))
                await response.write(data)
            await response.write_eof()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            exchange.reason = f"cut off: {type(error).__name__}"
            if request.transport is not None:
                request.transport.close()  # leaves the body unterminated, so that the client notices
        except asyncio.CancelledError:
            exchange.reason = exchange.reason or "the client left"
            raise
        finally:
            upstream.release()  # closes the connection if the response has not ended
        return response

    async def _forward_websocket(
        self, request: web.BaseRequest, origin: Origin, exchange: EgressExchange
    ) -> web.StreamResponse:
        protocols = [each.strip() for each in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")]
        headers = _end_to_end(request.headers)
        for name in [each for each in headers if each.lower().startswith("sec-websocket-")]:
            headers.popall(name, None)
        upstream = await self._session.ws_connect(
            _url(origin, exchange.path or "/"),
            headers=headers,
            protocols=[each for each in protocols if each],
            max_msg_size=0,
            autoping=False,
        )
        async with upstream:
            exchange.status = 101
            client = web.WebSocketResponse(
                protocols=[upstream.protocol] if upstream.protocol else (), max_msg_size=0, autoping=False
            )
            await client.prepare(request)
            directions = [
                asyncio.ensure_future(_copy_messages(client, upstream, exchange.add_sent)),
                asyncio.ensure_future(_copy_messages(upstream, client, exchange.add_received)),
            ]
            try:
                await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for direction in directions:
                    direction.cancel()
                await asyncio.gather(*directions, return_exceptions=True)
            with contextlib.suppress(ConnectionError, RuntimeError):
                await client.close(code=upstream.close_code or aiohttp.WSCloseCode.GOING_AWAY)
        return client


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _copy_messages(source: Socket, sink: Socket, count: Callable[[int], None]) -> None:
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


def _unreachable(exchange: EgressExchange, error: Exception) -> web.Response:
    exchange.reason = f"{type(error).__name__}: {error}"
    return _error(BAD_GATEWAY, f"{exchange.host[:100]} cannot be reached: {type(error).__name__}.")


def _error(status: int, message: str) -> web.Response:
    """Return an error response. Clients show the reason phrase; the Hub's client shows `X-Error-Message`."""
    reason = message.encode("ascii", "replace").decode()
    # The connection is closed because the request's body may not have been read.
    headers = {hdrs.CONNECTION: "close", "X-Error-Message": reason}
    return web.Response(status=status, reason=reason, text=f"{reason}\n", headers=headers)


def _ambiguous(host: str, path: str) -> Denial | None:
    name = repeated_parameter(host, path)
    if name is None:
        return None
    return Denial(FORBIDDEN, f"The parameter `{name[:40]}` occurs twice in the query; give it once.")


def _origin_of(request: web.BaseRequest) -> Origin | None:
    """Return the server of a request with an absolute URL, as clients send it to a proxy."""
    url = request._message.url
    if url.scheme != "http" or not url.raw_host or url.explicit_port == 0:
        return None
    host = normal_host(url.raw_host)
    return None if host is None else Origin("http", host, url.port or 80)


def _url(origin: Origin, path: str) -> URL:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return URL(f"{origin.scheme}://{host}:{origin.port}{path}", encoded=True)


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return the headers without the hop-by-hop ones and without `Host`, which is set from the URL."""
    named_in_connection = {name.strip().lower() for name in headers.get(hdrs.CONNECTION, "").split(",")}
    dropped = HOP_BY_HOP | named_in_connection | {"host", "expect", "alt-svc"}
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


async def _counted_body(request: web.BaseRequest, exchange: EgressExchange) -> AsyncIterator[bytes]:
    async for data in request.content.iter_any():
        exchange.add_sent(len(data))
        yield data


def _is_websocket(request: web.BaseRequest) -> bool:
    return request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
