"""One request's way: admitted, sent on with the real key, its answer passed back as it comes, and written down.

Covers: the key never travels towards the agent, not even in an error that repeats it; nothing but the provider's model
calls can be reached; a stream is neither held back nor changed; an agent that leaves ends its request at the provider.

Does not cover: what the model itself is asked to do.
"""

import asyncio
from hmac import compare_digest

import aiohttp
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from posttrainbench.gateway.admit import Admitted, RefusedError, admit
from posttrainbench.gateway.answers import Answer
from posttrainbench.gateway.config import GatewayConfig
from posttrainbench.gateway.headers import query, to_agent, to_provider
from posttrainbench.gateway.meter import Meter
from posttrainbench.gateway.passage import NO_CONNECTION, Passage
from posttrainbench.gateway.prices import PriceTable
from posttrainbench.gateway.protocols import PROTOCOLS, STATUS
from posttrainbench.gateway.redact import MARK, Redactor

TOGETHER = 64
"""Requests on their way at once; more of them wait. It bounds by how much a budget can be exceeded."""

LONGEST_ERROR = 2**20
"""Bytes of a provider's error that are passed on."""

LONGEST_CLIENT = 120
"""Characters of a client's name that are noted."""


class Proxy:
    """The gateway's one handler."""

    def __init__(
        self,
        config: GatewayConfig,
        token: str,
        key: str,
        prices: PriceTable,
        meter: Meter,
        session: aiohttp.ClientSession,
    ) -> None:
        self._config = config
        self._protocol = PROTOCOLS[config.protocol]
        self._token = token.encode()
        self._key = key.encode()
        self._key_headers = self._protocol.key_headers(key, config.bearer)
        self._prices = prices
        self._meter = meter
        self._session = session
        self._redactor = Redactor([key, token])
        self._places = asyncio.Semaphore(TOGETHER)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request of the agent."""
        if request.method == hdrs.METH_HEAD and request.path == "/":
            return web.Response()  # a client's look whether anybody is there, before it has its key
        passage = Passage(client=self._client(request))
        try:
            return await self._pass(request, passage)
        except RefusedError as refusal:
            passage.status = STATUS[refusal.kind]
            passage.model = passage.model or refusal.model
            passage.contents = refusal.contents or passage.contents
            passage.error = passage.error or refusal.message
            return web.json_response(
                self._protocol.error(refusal.kind, refusal.message),
                status=passage.status,
                headers={
                    # SDKs try again after most errors; only one of these can pass.
                    "x-should-retry": "true" if refusal.kind == "upstream" else "false",
                    hdrs.CONNECTION: "close",  # the body may be unread
                },
            )
        except asyncio.CancelledError:
            passage.left()
            raise
        finally:
            self._meter.write(passage.call(self._config.provider or self._config.protocol, self._prices))

    async def _pass(self, request: web.Request, passage: Passage) -> web.StreamResponse:
        passage.refused = True
        if not self._is_ours(request):
            raise RefusedError("key", "The token of this run is missing or wrong.")
        path = request.rel_url.raw_path
        passage.endpoint = endpoint = self._protocol.endpoint(path)
        if endpoint is None or request.method != hdrs.METH_POST:
            shown = f"{request.method} {path[:200]}"
            raise RefusedError("path", f"{shown} is not available here: the gateway offers model calls alone.")
        async with self._places:
            passage.request = admit(endpoint, await _body(request), self._config.models, self._config.provider_tools)
            passage.model, passage.contents = passage.request.model, passage.request.contents
            if not endpoint.free:
                self._meter.check(passage.model)
            passage.refused = False
            return await self._forward(request, passage, passage.request)

    def _is_ours(self, request: web.Request) -> bool:
        offered = [request.headers.get(name, "") for name in self._protocol.accepted]
        if self._protocol.name == "gemini":
            offered.append(request.rel_url.query.get("key", ""))
        words = [value.rpartition(" ")[2].encode(errors="surrogateescape") for value in offered]
        return any(compare_digest(word, self._token) for word in words)

    async def _forward(self, request: web.Request, passage: Passage, admitted: Admitted) -> web.StreamResponse:
        url = URL(self._config.upstream + admitted.endpoint.path + query(request.rel_url), encoded=True)
        headers = to_provider(request.headers, self._key_headers)
        passage.charged = True
        try:
            upstream = await self._session.post(url, data=admitted.body, headers=headers, allow_redirects=False)
        except aiohttp.ClientConnectorError as error:
            passage.charged = False
            passage.error = self._shown(f"{NO_CONNECTION} {error.host}:{error.port} ({error.strerror})")
            raise RefusedError("upstream", "The provider cannot be reached.") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            passage.charged = False
            passage.error = self._shown(error)
            raise RefusedError("upstream", "The provider closed the connection without an answer.") from None
        try:
            passage.status = upstream.status
            if upstream.status != 200:
                return await self._return_error(passage, admitted, upstream)
            return await self._return(request, passage, admitted, upstream)
        finally:
            upstream.release()  # closes the connection where the answer has not ended

    async def _return_error(
        self, passage: Passage, admitted: Admitted, upstream: aiohttp.ClientResponse
    ) -> web.Response:
        """A provider's error, whole, with the key taken out: some repeat the key that they were given."""
        passage.charged = False
        body = b""
        try:
            while len(body) < LONGEST_ERROR and (data := await upstream.content.readany()):
                body += data
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise RefusedError("upstream", "The provider's answer was cut off.") from None
        passage.arrived()
        body = body.replace(self._key, MARK.encode())
        answer = Answer(admitted.endpoint.name, stream=False)
        answer.feed(body)
        answer.finish()
        passage.error = self._shown(answer.error or f"HTTP {upstream.status}")
        headers = to_agent(upstream.headers)
        headers.popall(hdrs.CONTENT_LENGTH, None)
        return web.Response(status=upstream.status, reason=upstream.reason, headers=headers, body=body)

    async def _return(
        self, request: web.Request, passage: Passage, admitted: Admitted, upstream: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        """A good answer, byte for byte as it comes."""
        answer = Answer(admitted.endpoint.name, upstream.content_type == "text/event-stream")
        passage.answer = answer
        response = web.StreamResponse(status=200, reason=upstream.reason, headers=to_agent(upstream.headers))
        await response.prepare(request)
        while True:
            try:
                data = await upstream.content.readany()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                passage.error = f"the provider cut the answer off ({type(error).__name__})"
                if request.transport is not None:
                    request.transport.close()  # without the end of the body, so that the agent sees the cut
                return response
            if not data:
                break
            passage.arrived()
            answer.feed(data)
            passage.error = self._shown(answer.error) if answer.error else None
            try:
                await response.write(data)
            except ConnectionError:
                passage.left()
                return response
        answer.finish()
        passage.error = self._shown(answer.error) if answer.error else None
        await response.write_eof()
        return response

    def _client(self, request: web.Request) -> str:
        """What the sender calls itself, in one bounded line without keys."""
        told = "".join(
            sign for sign in request.headers.get(hdrs.USER_AGENT, "") if sign.isascii() and sign.isprintable()
        )
        return self._redactor.line(told)[:LONGEST_CLIENT]

    def _shown(self, error: object) -> str:
        """An error in one bounded line without keys."""
        text = str(error) or type(error).__name__
        return self._redactor.line(" ".join(text.split())[:500])


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise RefusedError("request", "The request is too large.") from None
    except (HttpProcessingError, web.HTTPException, web.RequestPayloadError, aiohttp.ClientError, ValueError):
        raise RefusedError("request", "The request's body cannot be read.") from None
