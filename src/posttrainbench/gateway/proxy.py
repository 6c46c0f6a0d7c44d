"""Handle one request: check it, forward it with the real key, stream the reply back, log it.

Covers: the key never reaches the agent, not even in an error message that repeats it; only the provider's model calls
can be reached; streams are neither delayed nor modified; when the agent disconnects, its request to the provider ends.

Does not cover: the content of the conversation with the model.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from hmac import compare_digest

import aiohttp
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from posttrainbench.gateway.admit import AdmittedRequest, RefusedError, admit
from posttrainbench.gateway.config import GatewayConfig
from posttrainbench.gateway.connections import Connections
from posttrainbench.gateway.headers import query, to_agent, to_provider
from posttrainbench.gateway.meter import Meter
from posttrainbench.gateway.protocols import PROTOCOLS, STATUS
from posttrainbench.gateway.proxied_request import NO_CONNECTION, ProxiedRequest
from posttrainbench.gateway.response_reader import ResponseReader
from posttrainbench.redaction import Redactor
from posttrainbench.usage.calls import ModelCall
from posttrainbench.usage.prices import PriceTable

MAX_CONCURRENT_REQUESTS = 64
"""Further requests wait, once they have arrived whole. Bounds the amount by which a budget can be exceeded."""

MAX_REQUEST_BYTES = 32 * 2**20
"""Size of a decompressed request: the highest limit among the providers."""

MAX_HELD_BYTES = 2**28
"""Bytes of all requests together that are arriving or have not been answered. Each is held once; only while one of them
is parsed, its content takes more."""

PAUSE_SECONDS = 60.0
BODY_SECONDS = 900.0
"""Longest pause in a request's body, and longest time in which it must arrive."""
READ_SECONDS = 300.0
"""Longest time in which the agent may read nothing of a response."""

PIECE_BYTES = 2**16
"""Bytes of a request that are sent at a time, so that no second copy of it is made."""

MAX_ERROR_BYTES = 2**20
"""Size up to which a provider's error response is forwarded."""

MAX_CLIENT_LENGTH = 120
"""Characters of the client's name that are recorded."""


class Proxy:
    """The gateway's request handler."""

    def __init__(
        self,
        config: GatewayConfig,
        token: str,
        key: str,
        prices: PriceTable,
        meter: Meter,
        session: aiohttp.ClientSession,
        connections: Connections,
    ) -> None:
        self._config = config
        self._protocol = PROTOCOLS[config.protocol]
        self._token = token.encode()
        self._key_headers = self._protocol.key_headers(key, config.bearer)
        self._prices = prices
        self._meter = meter
        self._session = session
        self._connections = connections
        self._redactor = Redactor([key, token])
        self._held_bytes = 0
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_REQUESTS)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request of the agent."""
        if request.method == hdrs.METH_HEAD and request.path == "/":
            return web.Response()  # some clients check that the server is up before they send their key
        proxied = ProxiedRequest(client=self._client(request))
        try:
            return await self._check_and_forward(request, proxied)
        except RefusedError as refusal:
            proxied.status = STATUS[refusal.kind]
            proxied.model = proxied.model or refusal.model
            proxied.body_summary = refusal.body_summary or proxied.body_summary
            proxied.error = proxied.error or refusal.message
            return web.json_response(
                self._protocol.error(refusal.kind, refusal.message),
                status=proxied.status,
                headers={
                    # SDKs retry most errors; of these only an upstream failure can be temporary.
                    "x-should-retry": "true" if refusal.kind == "upstream" else "false",
                    hdrs.CONNECTION: "close",  # the body may not have been read
                },
            )
        except asyncio.CancelledError:
            proxied.note_disconnect()
            raise
        finally:
            self._meter.write(self._recorded(proxied))

    async def _check_and_forward(self, request: web.Request, proxied: ProxiedRequest) -> web.StreamResponse:
        proxied.refused = True
        if not self._has_valid_token(request):
            raise RefusedError("key", "The token of this run is missing or wrong.")
        path = request.rel_url.raw_path
        proxied.endpoint = endpoint = self._protocol.endpoint(path)
        if endpoint is None or request.method != hdrs.METH_POST:
            target = f"{request.method} {path[:200]}"
            raise RefusedError("path", f"{target} is not available here: the gateway offers model calls only.")
        with self._holding() as hold:
            body = await self._read_body(request, hold)
            with self._connections.answering(request):
                async with self._slots:
                    admitted = admit(endpoint, body, self._config.models, self._config.provider_tools)
                    hold(len(admitted.body) - len(body))
                    del body
                    proxied.request, proxied.model = admitted, admitted.model
                    proxied.body_summary = admitted.body_summary
                    if not endpoint.free:
                        self._meter.check(proxied.model)
                    proxied.refused = False
                    return await self._forward(request, proxied, admitted)

    @contextlib.contextmanager
    def _holding(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that counts bytes of a request as held until the context exits.

        The function raises `RefusedError` if all requests together hold too many.
        """
        held = 0

        def hold(count: int) -> None:
            nonlocal held
            held += count
            self._held_bytes += count
            if self._held_bytes > MAX_HELD_BYTES:
                raise RefusedError("request", "The requests at this time are too large together.")

        try:
            yield hold
        finally:
            self._held_bytes -= held

    async def _read_body(self, request: web.Request, hold: Callable[[int], None]) -> bytes:
        """Return a request's body once it has arrived whole."""
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while data := await asyncio.wait_for(request.content.readany(), PAUSE_SECONDS):
                    body += data
                    hold(len(data))
                    if len(body) > MAX_REQUEST_BYTES:
                        raise RefusedError("request", "The request is too large.")
        except TimeoutError:
            raise RefusedError("request", "The request's body did not arrive in time.") from None
        except (HttpProcessingError, web.HTTPException, web.RequestPayloadError, aiohttp.ClientError, ValueError):
            raise RefusedError("request", "The request's body cannot be read.") from None
        return bytes(body)

    def _has_valid_token(self, request: web.Request) -> bool:
        values = [request.headers.get(name, "") for name in self._protocol.token_headers]
        if self._protocol.name == "gemini":
            values.append(request.rel_url.query.get("key", ""))
        tokens = [value.rpartition(" ")[2].encode(errors="surrogateescape") for value in values]
        return any(compare_digest(token, self._token) for token in tokens)

    async def _forward(
        self, request: web.Request, proxied: ProxiedRequest, admitted: AdmittedRequest
    ) -> web.StreamResponse:
        url = URL(self._config.upstream + admitted.endpoint.path + query(request.rel_url), encoded=True)
        headers = to_provider(request.headers, self._key_headers)
        proxied.charged = True
        headers[hdrs.CONTENT_LENGTH] = str(len(admitted.body))
        try:
            upstream = await self._session.post(
                url, data=_pieces(admitted.body), headers=headers, allow_redirects=False
            )
        except aiohttp.ClientConnectorError as error:
            proxied.charged = False
            proxied.error = self._redacted(f"{NO_CONNECTION} {error.host}:{error.port} ({error.strerror})")
            raise RefusedError("upstream", "The provider cannot be reached.") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            proxied.charged = False
            proxied.error = self._redacted(error)
            raise RefusedError("upstream", "The provider closed the connection without an answer.") from None
        try:
            proxied.status = upstream.status
            if upstream.status != 200:
                return await self._return_error(proxied, admitted, upstream)
            return await self._return_stream(request, proxied, admitted, upstream)
        finally:
            upstream.release()  # closes the connection if the response has not ended

    async def _return_error(
        self, proxied: ProxiedRequest, admitted: AdmittedRequest, upstream: aiohttp.ClientResponse
    ) -> web.Response:
        """Return the provider's error response without keys and parts of them, since some providers repeat the key."""
        proxied.charged = False
        body = b""
        try:
            while len(body) < MAX_ERROR_BYTES and (data := await upstream.content.readany()):
                body += data
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise RefusedError("upstream", "The provider's answer was cut off.") from None
        proxied.note_first_byte()
        # Byte by byte, so that everything else stays as it is.
        body = self._redactor.line(body.decode("latin-1")).encode("latin-1")
        reader = ResponseReader(admitted.endpoint.name, stream=False)
        reader.feed(body)
        reader.finish()
        proxied.error = self._redacted(reader.error or f"HTTP {upstream.status}")
        headers = to_agent(upstream.headers)
        headers.popall(hdrs.CONTENT_LENGTH, None)
        return web.Response(status=upstream.status, reason=upstream.reason, headers=headers, body=body)

    async def _return_stream(
        self,
        request: web.Request,
        proxied: ProxiedRequest,
        admitted: AdmittedRequest,
        upstream: aiohttp.ClientResponse,
    ) -> web.StreamResponse:
        """Return a successful response, byte for byte as it arrives."""
        reader = ResponseReader(admitted.endpoint.name, upstream.content_type == "text/event-stream")
        proxied.response = reader
        response = web.StreamResponse(status=200, reason=upstream.reason, headers=to_agent(upstream.headers))
        await response.prepare(request)
        while True:
            try:
                data = await upstream.content.readany()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                proxied.error = f"the provider cut the answer off ({type(error).__name__})"
                if request.transport is not None:
                    request.transport.close()  # leaves the body unterminated, so that the agent notices
                return response
            if not data:
                break
            proxied.note_first_byte()
            reader.feed(data)
            proxied.error = self._redacted(reader.error) if reader.error else None
            try:
                async with asyncio.timeout(READ_SECONDS):
                    await response.write(data)
            except (ConnectionError, TimeoutError):
                proxied.note_disconnect()
                if request.transport is not None:
                    request.transport.abort()
                return response
        reader.finish()
        proxied.error = self._redacted(reader.error) if reader.error else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READ_SECONDS):
                await response.write_eof()
        return response

    def _client(self, request: web.Request) -> str:
        """Return the header `user-agent` as one bounded line without secrets."""
        printable = "".join(
            char for char in request.headers.get(hdrs.USER_AGENT, "") if char.isascii() and char.isprintable()
        )
        return self._redactor.line(printable)[:MAX_CLIENT_LENGTH]

    def _recorded(self, proxied: ProxiedRequest) -> ModelCall:
        """Return the line for `usage.jsonl`, without secrets in what the agent or the provider wrote."""
        call = proxied.to_call(self._config.provider or self._config.protocol, self._prices)
        redact = self._redactor.line
        return call.model_copy(
            update={
                "model": redact(call.model),
                "error": None if call.error is None else redact(call.error),
                "provider_tools": [redact(name) for name in call.provider_tools],
            }
        )

    def _redacted(self, error: object) -> str:
        """Return an error as one bounded line without secrets."""
        text = str(error) or type(error).__name__
        return self._redactor.line(" ".join(text.split())[:500])


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]
