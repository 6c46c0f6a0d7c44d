"""A running gateway between a client and a local server that speaks the providers' APIs."""

import contextlib
import gzip
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from fake_models.scenario import Fail, Say, Scenario
from fake_models.server import KEY, FakeModels, fake_models
from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.gateway import Gateway, GatewayConfig, start_gateway
from posttrainbench.gateway.protocols import ProtocolName
from posttrainbench.gateway.server import provider_proxy
from posttrainbench.usage.calls import ModelCall, read_calls, spending
from support import eventually

TEXT = "A text of some length, so that it comes in several pieces."

SCENARIOS: dict[str, Scenario] = {
    "text": [Say(TEXT, reasoning="let me think", cached=8)],
    "slow": [Say(TEXT, pace=0.05)],
    "endless": [Say("x" * 100_000, piece=1, pace=0.05)],
    "silent": [Say(TEXT, wait=600)],
    "lingering": [Say(TEXT, linger=600)],
    "cut": [Say(TEXT, ends="cut")],
    "overloaded": [Say(TEXT, ends="overloaded")],
    "limit": [Fail(429, "slow down", retry_after=7), Say(TEXT)],
    "echo": [Fail(400, f"the key {KEY} is not welcome")],
    "part": [Fail(400, f"the key {KEY[:-1]} \u2192 sk-proj-{'Ab1-' * 9}z is not w\u00e9lcome")],
}

APIS: dict[str, tuple[ProtocolName, str]] = {
    "messages": ("anthropic", "/v1/messages"),
    "responses": ("openai", "/v1/responses"),
    "chat": ("openai", "/v1/chat/completions"),
    "gemini": ("gemini", "/v1beta/models/m-1:streamGenerateContent?alt=sse"),
}


@pytest.fixture
def fake() -> Iterator[FakeModels]:
    with fake_models(SCENARIOS) as running:
        yield running


@pytest.fixture(autouse=True)
def real_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


def gateway(fake: FakeModels, folder: Path, api: str = "messages", **more: Any) -> AbstractContextManager[Gateway]:
    protocol = APIS[api][0]
    base = f"{fake.url}/v1" if protocol == "openai" else fake.url
    settings = {"protocol": protocol, "models": ["m-*"], "base_url": base, "loopback": True, **more}
    return start_gateway(GatewayConfig(**settings), folder)


def asked(api: str, scenario: str, stream: bool = True, model: str = "m-1") -> tuple[str, bytes]:
    """A path and a body."""
    path = APIS[api][1]
    text = f"scenario:{scenario}"
    content: dict[str, Any] = {"model": model, "stream": stream}
    if api == "responses":
        content["input"] = text
    elif api == "gemini":
        content = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        if not stream:
            path = "/v1beta/models/m-1:generateContent"
    else:
        content["messages"] = [{"role": "user", "content": text}]
    if api == "chat" and stream:
        content["stream_options"] = {"include_usage": True}
    return path, json.dumps(content).encode()


def credentials(api: str, key: str) -> dict[str, str]:
    protocol = APIS[api][0]
    header = {"anthropic": "x-api-key", "openai": "authorization", "gemini": "x-goog-api-key"}[protocol]
    return {header: f"Bearer {key}" if protocol == "openai" else key, "content-type": "application/json"}


def connect(address: str) -> http.client.HTTPConnection:
    place = urlsplit(address)
    assert place.hostname is not None
    return http.client.HTTPConnection(place.hostname, place.port, timeout=60)


def call(
    address: str, path: str, body: bytes, headers: dict[str, str], method: str = "POST"
) -> tuple[int, dict[str, str], bytes]:
    connection = connect(address)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, content


def calls(gateway: Gateway) -> list[ModelCall]:
    return list(read_calls(gateway.usage))


def same(content: bytes) -> bytes:
    """An answer without the ids that differ from one to the next."""
    return re.sub(rb"[0-9a-f]{8,9}", b"ID", content)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("api", APIS)
def test_answers_pass_byte_for_byte_and_are_metered(api: str, stream: bool, fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked(api, "text", stream)
    direct = call(fake.url, path, body, credentials(api, KEY))
    with gateway(fake, tmp_path, api, provider="someone") as running:
        assert running.address is not None
        through = call(running.address, path, body, credentials(api, running.token))
    assert direct[0] == through[0] == 200
    assert direct[1]["content-type"] == through[1]["content-type"]
    assert same(direct[2]) == same(through[2])
    (line,) = calls(running)
    size = len(json.dumps(fake.received[-1].body))
    assert (line.provider, line.model, line.status, line.streamed) == ("someone", "m-1", 200, stream)
    assert (line.input, line.cached, line.estimated, line.error) == (size // 4, 8, False, None)
    assert line.output == len(TEXT) // 4 + 3
    assert line.reasoning == (0 if api == "messages" else 3)
    assert line.first_byte is not None
    assert 0 < line.first_byte <= line.seconds
    assert line.cost is None


@pytest.mark.parametrize("api", APIS)
def test_the_provider_receives_its_key_and_nothing_of_the_runs(api: str, fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked(api, "text")
    with gateway(fake, tmp_path, api) as running:
        assert running.address is not None
        headers = {
            **credentials(api, running.token),
            **{"anthropic-version": "2023-06-01", "user-agent": "an-agent/1.0", "accept": "text/event-stream"},
            **{"cookie": "a=b", "x-forwarded-for": "10.0.0.1", "via": "1.1 x", "forwarded": "for=10.0.0.1"},
            **{"OpenAI-Organization": "org-other", "openai-project": "p", "Origin": "https://x", "if-none-match": "x"},
            **{"referer": "https://x", "cf-connecting-ip": "10.0.0.1", "cdn-loop": "x", "sec-fetch-mode": "cors"},
            **{"connection": "x-mine, keep-alive", "x-mine": "1", "te": "trailers", "proxy-authorization": "Basic x"},
        }
        status, returned, _ = call(running.address, path, body, headers)
    received = {name.lower(): value for name, value in fake.received[-1].headers.items()}
    assert status == 200
    sent = {"anthropic-version", "user-agent", "accept", "content-type", "accept-encoding", "host", "content-length"}
    assert received.keys() == sent | {next(iter(credentials(api, "")))}
    assert received["host"] == urlsplit(fake.url).netloc
    assert received["user-agent"] == "an-agent/1.0"
    assert running.token not in json.dumps([received, fake.received[-1].query, fake.received[-1].body])
    assert KEY not in json.dumps(returned)


@pytest.mark.parametrize(
    ("api", "where"),
    [
        ("messages", "x-api-key"),
        ("messages", "authorization"),
        ("responses", "authorization"),
        ("gemini", "x-goog-api-key"),
        ("gemini", "authorization"),
        ("gemini", "key"),
    ],
)
def test_the_token_is_taken_where_clients_put_it(api: str, where: str, fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked(api, "text")
    with gateway(fake, tmp_path, api) as running:
        assert running.address is not None
        for token, expected in ((running.token, 200), (running.token + "x", 401), (KEY, 401), ("", 401)):
            headers = {where: f"Bearer {token}" if where == "authorization" else token}
            place = path
            if where == "key":
                place, headers = f"{path}&key={token}&x=%20y", {}
            assert call(running.address, place, body, headers)[0] == expected
        assert call(running.address, path, body, {})[0] == 401
        assert call(running.address, path, body, {"authorization": "Bearer \u00e9"})[0] == 401
    assert len(fake.received) == 1
    assert running.token not in fake.received[0].query
    if where == "key":
        assert fake.received[0].query == "alt=sse&x=%20y"


def test_a_subscription_token_goes_as_bearer(fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked("messages", "text")
    with gateway(fake, tmp_path, bearer=True) as running:
        assert running.address is not None
        headers = {"authorization": f"Bearer {running.token}", "anthropic-beta": "oauth-2025-04-20"}
        assert call(running.address, path, body, headers)[0] == 200
    received = {name.lower(): value for name, value in fake.received[-1].headers.items()}
    assert received["authorization"] == f"Bearer {KEY}"
    assert received["anthropic-beta"] == "oauth-2025-04-20"
    assert "x-api-key" not in received


def test_the_socket_offers_the_same(fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked("messages", "text")
    with gateway(fake, tmp_path, loopback=False) as running:
        assert running.address is None
        assert running.socket.parent.stat().st_mode & 0o777 == 0o700
        connection = http.client.HTTPConnection("gateway")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(running.socket))
        connection.request("POST", path, body, credentials("messages", running.token))
        assert b"message_stop" in connection.getresponse().read()
        connection.close()
    assert not running.socket.exists()


@pytest.mark.parametrize("api", APIS)
def test_pieces_arrive_as_they_are_sent(api: str, fake: FakeModels, tmp_path: Path) -> None:
    """The provider sends on only for as long as the agent reads, and never ends: what came was not held back."""
    path, body = asked(api, "endless")
    with gateway(fake, tmp_path, api) as running:
        assert running.address is not None
        connection = connect(running.address)
        connection.request("POST", path, body, credentials(api, running.token))
        response = connection.getresponse()
        read = b"".join(response.readline() for _ in range(8))
        assert read.count(b"data:") >= 2
        connection.close()
        eventually(lambda: fake.received[-1].gone)
        eventually(lambda: calls(running))
    (line,) = calls(running)
    assert (line.status, line.error, line.estimated) == (200, "the agent left", True)
    assert line.input > 0
    assert line.output > 0


@pytest.mark.parametrize(
    ("api", "last"),
    [
        ("messages", b"message_stop"),
        ("responses", b'"type": "response.completed"'),
        ("chat", b"[DONE]"),
        ("gemini", b"STOP"),
    ],
)
def test_an_agent_that_leaves_with_the_whole_answer_has_not_failed(
    api: str, last: bytes, fake: FakeModels, tmp_path: Path
) -> None:
    """Codex closes the connection as soon as the answer is complete, and does not wait for the stream's own end."""
    path, body = asked(api, "lingering")
    with gateway(fake, tmp_path, api) as running:
        assert running.address is not None
        connection = connect(running.address)
        connection.request("POST", path, body, credentials(api, running.token))
        response = connection.getresponse()
        while last not in response.readline():
            pass
        response.readline()
        connection.close()
        eventually(lambda: fake.received[-1].gone)
        eventually(lambda: calls(running))
    (line,) = calls(running)
    assert (line.status, line.error, line.estimated) == (200, None, False)
    assert line.output > 0


def test_an_agent_that_leaves_before_the_answer_ends_the_request(fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked("messages", "silent")
    with gateway(fake, tmp_path) as running:
        assert running.address is not None
        connection = connect(running.address)
        connection.request("POST", path, body, credentials("messages", running.token))
        eventually(lambda: fake.received)
        connection.close()
        eventually(lambda: fake.received[-1].gone)
        eventually(lambda: calls(running))
    (line,) = calls(running)
    assert (line.status, line.error, line.first_byte) == (499, "the agent left", None)
    assert (line.input, line.output, line.estimated) == (len(body) // 4, 0, True)


@pytest.mark.parametrize("api", APIS)
def test_a_cut_is_passed_on_as_a_cut(api: str, fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked(api, "cut")
    with gateway(fake, tmp_path, api) as running:
        assert running.address is not None
        with pytest.raises(http.client.IncompleteRead) as cut:
            call(running.address, path, body, credentials(api, running.token))
    assert b"data:" in cut.value.partial
    (line,) = calls(running)
    assert line.error is not None
    assert line.error.startswith("the provider cut the answer off")
    assert (line.status, line.estimated) == (200, True)
    assert line.input > 0
    assert line.output > 0


@pytest.mark.parametrize("api", APIS)
def test_an_overload_in_the_middle_is_passed_on_and_written_down(api: str, fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked(api, "overloaded")
    with gateway(fake, tmp_path, api) as running:
        assert running.address is not None
        status, _, content = call(running.address, path, body, credentials(api, running.token))
    assert status == 200
    assert b"verloaded" in content
    (line,) = calls(running)
    assert line.error is not None
    assert "overloaded" in line.error
    assert line.estimated


@pytest.mark.parametrize("api", APIS)
def test_errors_pass_and_nothing_is_tried_again(api: str, fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked(api, "limit")
    with gateway(fake, tmp_path, api) as running:
        assert running.address is not None
        status, headers, content = call(running.address, path, body, credentials(api, running.token))
        assert (status, headers["retry-after"]) == (429, "7")
        assert json.loads(content)["error"]["message"] == "slow down"
        assert len(fake.received) == 1
        assert call(running.address, path, body, credentials(api, running.token))[0] == 200
    first, second = calls(running)
    assert (first.status, first.input, first.cost, first.refused) == (429, 0, 0.0, False)
    assert first.error is not None
    assert first.error.endswith("slow down")
    assert second.status == 200


@pytest.mark.parametrize("api", APIS)
def test_an_error_that_repeats_the_key_loses_it(api: str, fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked(api, "echo")
    with gateway(fake, tmp_path, api) as running:
        assert running.address is not None
        status, _, content = call(running.address, path, body, credentials(api, running.token))
    assert status == 400
    assert json.loads(content)["error"]["message"] == "the key [redacted] is not welcome"


def test_an_error_that_repeats_most_of_a_key_or_something_like_one_loses_it(fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked("messages", "part")
    with gateway(fake, tmp_path) as running:
        assert running.address is not None
        status, _, content = call(running.address, path, body, credentials("messages", running.token))
    shown = "the key [redacted] \u2192 [redacted] is not w\u00e9lcome"
    assert (status, json.loads(content)["error"]["message"]) == (400, shown)
    assert shown in str(calls(running)[0].error)


def test_a_wrong_key_is_the_providers_error(fake: FakeModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-wrong-key-012345678901234")
    path, body = asked("messages", "text")
    with gateway(fake, tmp_path) as running:
        assert running.address is not None
        status, _, content = call(running.address, path, body, credentials("messages", running.token))
    assert status == 401
    assert b"sk-wrong-key-012345678901234" not in content


@pytest.mark.parametrize("api", APIS)
def test_another_model_never_reaches_the_provider(api: str, fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked(api, "text", model="other-1")
    path = path.replace("m-1", "other-1")
    with gateway(fake, tmp_path, api) as running:
        assert running.address is not None
        status, headers, content = call(running.address, path, body, credentials(api, running.token))
    assert status == 403
    assert headers["x-should-retry"] == "false"
    assert "'other-1' is not allowed" in json.loads(content)["error"]["message"]
    assert fake.received == []
    (line,) = calls(running)
    assert (line.model, line.status, line.refused, line.cost) == ("other-1", 403, True, 0.0)


def test_other_paths_and_methods_never_reach_the_provider(fake: FakeModels, tmp_path: Path) -> None:
    _, body = asked("messages", "text")
    with gateway(fake, tmp_path) as running:
        assert running.address is not None
        headers = credentials("messages", running.token)
        for method, path in [
            *(("GET", "/v1/messages"), ("PUT", "/v1/messages"), ("DELETE", "/v1/files/1"), ("GET", "/v1/models")),
            *(("POST", "/v1/messages/batches"), ("POST", "/v1/%6dessages"), ("POST", "/"), ("OPTIONS", "*")),
            *(("POST", f"{fake.url}/v1/responses"), ("POST", "/v1/x/../messages")),
        ]:
            assert call(running.address, path, body, headers, method)[0] == 404, path
        assert call(running.address, "/", b"", {}, "HEAD")[0] == 200
    assert fake.received == []


def test_free_endpoints_cost_nothing(fake: FakeModels, tmp_path: Path) -> None:
    with gateway(fake, tmp_path, max_tokens=1) as running:
        assert running.address is not None
        _, body = asked("messages", "text")
        for _ in range(2):
            place = "/v1/messages/count_tokens"
            assert call(running.address, place, body, credentials("messages", running.token))[0] == 200
    assert [(line.endpoint, line.input, line.cost, line.estimated) for line in calls(running)] == [
        ("count_tokens", 0, 0.0, False)
    ] * 2


@pytest.mark.parametrize("api", APIS)
def test_a_token_budget_ends_the_calls(api: str, fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked(api, "text")
    with gateway(fake, tmp_path, api, max_tokens=10) as running:
        assert running.address is not None
        assert call(running.address, path, body, credentials(api, running.token))[0] == 200
        status, headers, content = call(running.address, path, body, credentials(api, running.token))
    assert (status, headers["x-should-retry"]) == (429, "false")
    assert "(10 tokens) is used up; retrying will not help" in json.loads(content)["error"]["message"]
    assert len(fake.received) == 1
    assert [line.refused for line in calls(running)] == [False, True]


def test_a_budget_counts_what_a_cut_stream_hides(fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked("responses", "cut")
    with gateway(fake, tmp_path, "responses", max_tokens=10) as running:
        assert running.address is not None
        with pytest.raises(http.client.IncompleteRead):
            call(running.address, path, body, credentials("responses", running.token))
        assert call(running.address, path, body, credentials("responses", running.token))[0] == 429


def test_a_budget_outlives_the_gateway(fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked("messages", "text")
    for expected in (200, 429):
        with gateway(fake, tmp_path, max_tokens=10) as running:
            assert running.address is not None
            assert call(running.address, path, body, credentials("messages", running.token))[0] == expected
        with running.usage.open("ab") as file:
            file.write(b'{"time": 1, "torn')  # by a crash
    assert [line.status for line in calls(running)] == [200, 429]


def test_a_dollar_budget_ends_the_calls(fake: FakeModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    prices = tmp_path / "config" / "posttrainbench" / "prices.yaml"
    prices.parent.mkdir(parents=True)
    prices.write_text("models: {m-1: {input: 1000, cached: 0, output: 10000}}")
    path, body = asked("messages", "text")
    with gateway(fake, tmp_path, max_dollars=0.10) as running:
        assert running.address is not None
        headers = credentials("messages", running.token)
        assert call(running.address, path, body, headers)[0] == 200
        status, _, content = call(running.address, path, body, headers)
        assert status == 429
        assert "(0.10 US dollars) is used up" in json.loads(content)["error"]["message"]
    line = calls(running)[0]
    assert line.cost == pytest.approx((line.input - 8) * 1e-3 + line.output * 1e-2)
    assert spending(running.usage).dollars == line.cost


def test_a_dollar_budget_refuses_models_without_a_price(fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked("messages", "text")
    with (
        pytest.raises(InputError, match="price of `m-1` is unknown"),
        gateway(fake, tmp_path, max_dollars=1, models=["m-1"]),
    ):
        pass
    with gateway(fake, tmp_path, max_dollars=1) as running:
        assert running.address is not None
        assert call(running.address, path, body, credentials("messages", running.token))[0] == 403
    assert fake.received == []


def test_many_streams_at_once(fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked("messages", "slow")
    answers = []
    with gateway(fake, tmp_path) as running:
        address, token = running.address, running.token
        assert address is not None
        threads = [
            threading.Thread(
                target=lambda: answers.append(call(address, path, body, credentials("messages", token))), daemon=True
            )
            for _ in range(80)  # more than are passed on at once
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({same(content) for _, _, content in answers}) == 1
    assert [status for status, _, _ in answers] == [200] * 80
    assert len(calls(running)) == 80
    assert sum(line.input + line.output for line in calls(running)) == spending(running.usage).tokens


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "nonsense"])
def test_packed_requests_are_read_or_refused(encoding: str, fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked("messages", "text")
    packed = {"gzip": gzip.compress, "deflate": zlib.compress, "nonsense": bytes}[encoding](body)
    with gateway(fake, tmp_path) as running:
        assert running.address is not None
        headers = {**credentials("messages", running.token), "content-encoding": encoding}
        status = call(running.address, path, packed, headers)[0]
    assert status == 200
    assert "content-encoding" not in {name.lower() for name in fake.received[0].headers}


@pytest.mark.parametrize("body", [b"{", b"\xff" * 100, b"[" * 100_000, b'{"model": "m-1", "model": "m-2"}', b""])
def test_bad_bodies_are_refused(body: bytes, fake: FakeModels, tmp_path: Path) -> None:
    with gateway(fake, tmp_path) as running:
        assert running.address is not None
        status, _, content = call(running.address, "/v1/messages", body, credentials("messages", running.token))
        assert status == 400
        assert json.loads(content)["error"]["type"] == "invalid_request_error"
    assert fake.received == []


def test_unfinished_bodies_hold_no_place(fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked("messages", "text")
    with gateway(fake, tmp_path) as running, contextlib.ExitStack() as stack:
        assert running.address is not None
        address = urlsplit(running.address)
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {running.token}\r\ncontent-length: {len(body)}\r\n\r\n"
        clients = []
        for _ in range(80):
            client = stack.enter_context(socket.create_connection((address.hostname, address.port or 0)))
            client.sendall(head.encode() + body[:10])
            clients.append(client)
        assert call(running.address, path, body, credentials("messages", running.token))[0] == 200
        clients[0].sendall(body[10:])  # slow but complete
        assert clients[0].recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("packed", [False, True])
def test_a_body_that_is_too_large_is_refused(packed: bool, fake: FakeModels, tmp_path: Path) -> None:
    body = b'{"model": "m-1", "x": "' + b"x" * (33 * 2**20) + b'"}'
    with gateway(fake, tmp_path) as running:
        assert running.address is not None
        headers = credentials("messages", running.token)
        if packed:
            body, headers["content-encoding"] = gzip.compress(body), "gzip"
        status, _, content = call(running.address, "/v1/messages", body, headers)
    assert status == 400
    assert b"too large" in content
    assert fake.received == []


def test_a_body_that_is_not_packed_as_it_says(fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked("messages", "text")
    with gateway(fake, tmp_path) as running:
        assert running.address is not None
        headers = {**credentials("messages", running.token), "content-encoding": "gzip"}
        assert call(running.address, path, body, headers)[0] == 400
    assert fake.received == []


def test_what_is_no_http_leaves_no_trace(fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked("messages", "text")
    with gateway(fake, tmp_path) as running:
        assert running.address is not None
        place = urlsplit(running.address)
        for data in (
            *(b"garbage\r\n\r\n", b"\x16\x03\x01", b"POST / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nbad\r\n\r\n"),
            b"POST /v1/messages HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
            b"POST /v1/messages HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            b"POST /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        ):
            with socket.create_connection((place.hostname, place.port)) as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1000)
        assert call(running.address, path, body, credentials("messages", running.token))[0] == 200
    assert running.log.read_text() == ""
    assert len(calls(running)) == 1


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ({"http_proxy": "http://proxy:3128"}, None),
        ({"https_proxy": "http://proxy:3128", "no_proxy": "localhost,.anthropic.com"}, None),
    ],
)
def test_the_hosts_own_proxy_is_used(
    variables: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert provider_proxy("https://api.anthropic.com") == proxy


def test_a_provider_that_is_not_there(fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked("messages", "text")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with gateway(fake, tmp_path, base_url=f"http://127.0.0.1:{nobody.getsockname()[1]}") as running:
            assert running.address is not None
            status, headers, content = call(running.address, path, body, credentials("messages", running.token))
    assert (status, headers["x-should-retry"]) == (502, "true")
    assert json.loads(content)["error"] == {"type": "api_error", "message": "The provider cannot be reached."}
    (line,) = calls(running)
    assert (line.status, line.input, line.refused) == (502, 0, False)


def test_the_key_is_nowhere_but_at_the_provider(fake: FakeModels, tmp_path: Path) -> None:
    with gateway(fake, tmp_path, "gemini") as running:
        assert running.address is not None
        for scenario in SCENARIOS.keys() - {"silent", "endless", "cut", "lingering"}:
            path, body = asked("gemini", scenario)
            answer = call(running.address, path, body, credentials("gemini", running.token))
            assert KEY not in repr(answer)
        process = psutil.Process(running.child.popen.pid)
        assert KEY not in repr([process.cmdline(), process.environ()])
        assert running.token not in repr([process.cmdline(), process.environ(), running])
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert KEY.encode() not in file.read_bytes(), file
            assert running.token.encode() not in file.read_bytes(), file


def test_the_key_may_come_from_a_file(fake: FakeModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    path, body = asked("messages", "text")
    with gateway(fake, tmp_path, key_file=file) as running:
        assert running.address is not None
        assert call(running.address, path, body, credentials("messages", running.token))[0] == 200


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"key_variable": "NO_SUCH_KEY"}, "NO_SUCH_KEY"),
        ({"key_file": "/no/such/file"}, "/no/such/file"),
        ({"base_url": "api.anthropic.com"}, "https://host/path"),
        ({"base_url": "https://user:secret@host"}, "https://host/path"),
        ({"base_url": "https://:secret@host"}, "https://host/path"),
    ],
)
def test_bad_settings_are_told_before_anything_starts(
    settings: dict[str, Any], says: str, fake: FakeModels, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=re.escape(says)) as error, gateway(fake, tmp_path, **settings):
        pass
    assert "secret" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_gateway_that_has_died_is_told(fake: FakeModels, tmp_path: Path) -> None:
    with gateway(fake, tmp_path) as running:
        running.child.check()
        os.kill(running.child.popen.pid, signal.SIGKILL)
        running.child.popen.wait()
        with pytest.raises(InfrastructureError, match=r"gateway\.log"):
            running.child.check()


def test_the_gateway_ends_with_whoever_started_it(tmp_path: Path) -> None:
    program = f"""
import os, pathlib, time
os.environ["ANTHROPIC_API_KEY"] = {KEY!r}
from posttrainbench.gateway import GatewayConfig, start_gateway
with start_gateway(GatewayConfig(protocol="anthropic", models=["m"]), pathlib.Path({str(tmp_path)!r})) as gateway:
    print(gateway.child.popen.pid, flush=True)
    time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    process = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def test_the_room_is_light_to_import() -> None:
    program = "import sys, posttrainbench.gateway; print('aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_requests_after_the_run_are_not_answered(fake: FakeModels, tmp_path: Path) -> None:
    path, body = asked("messages", "text")
    with gateway(fake, tmp_path) as running:
        pass
    assert running.address is not None
    with pytest.raises(ConnectionError):
        call(running.address, path, body, credentials("messages", running.token))
