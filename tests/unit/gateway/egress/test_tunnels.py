"""Tunnels that hide which host they reach: without a server name, to a bare address, or git over SSH."""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typing_extensions import override

from egress_lab import _certificates
from posttrainbench.gateway.egress import connect_proxy, connections
from posttrainbench.gateway.egress.addresses import Addresses
from posttrainbench.gateway.egress.authority import Authority
from posttrainbench.gateway.egress.certificates import inspected_name
from posttrainbench.gateway.egress.connect_proxy import ConnectProxy
from posttrainbench.gateway.egress.intercept import Interceptor, Origin
from posttrainbench.gateway.egress.ledger import Ledger
from posttrainbench.gateway.egress.policy import EgressPolicy
from posttrainbench.gateway.egress.request_head import is_incomplete_head, requested_hosts

ADDRESS = "203.0.113.7"


class OnePlace(Addresses):
    """Resolves every host to one server."""

    def __init__(self, port: int) -> None:
        self._port = port

    @override
    async def lookup(self, host: str, port: int) -> list[tuple[str, int]]:
        return [("127.0.0.1", self._port)]


@contextlib.contextmanager
def tls_server(folder: Path, names: Sequence[str] | None) -> Iterator[ssl.SSLContext | None]:
    """Yield a server's context with a certificate for some names; without a certificate if None."""
    if names is None:
        yield None
        return
    (folder / "chain.pem").write_text(_certificates(names)[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem")
    yield context


def hello(context: ssl.SSLContext, name: str) -> bytes:
    """Return a client's first message for any name; the library itself does not send a bare address."""
    outgoing, placeholder = ssl.MemoryBIO(), "x" * len(name)
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=placeholder).do_handshake()
    return outgoing.read().replace(placeholder.encode(), name.encode())


def tunnel(
    folder: Path, host: str, names: Sequence[str] | None, sent_name: str = "", plain: bytes = b""
) -> tuple[str, dict[str, Any]]:
    """Return what a client receives through a tunnel, and the tunnel's record.

    Args:
        names: in the server's certificate; None for a server that closes connections.
        sent_name: the server name in the client's handshake, of which only the first message is sent; "" for a whole
            handshake without a name.
        plain: what is sent instead of a handshake, to a server without TLS.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            if names is not None and await reader.readline():
                writer.write(b"content\n")
                await writer.drain()
        writer.close()

    def client(sock: socket.socket) -> str:
        with sock:
            sock.settimeout(30)
            head = sock.recv(1000).decode()
            if " 200 " not in head:
                return head
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            try:
                if plain:
                    for number in range(len(plain)):  # in the smallest pieces
                        sock.sendall(plain[number : number + 1])
                    return sock.recv(100).decode().strip() or "closed"
                if sent_name:
                    sock.sendall(hello(context, sent_name))
                    return "answered" if sock.recv(100) else "closed"
                with context.wrap_socket(sock) as wrapped:
                    wrapped.sendall(b"GET\n")
                    return wrapped.recv(100).decode().strip()
            except OSError:
                return "closed"

    async def check() -> str:
        with tls_server(folder, names or None) as context:
            server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        policy, ledger = EgressPolicy(network="open"), Ledger(folder / "egress.jsonl", [])
        addresses = OnePlace(server.sockets[0].getsockname()[1])
        ours, theirs = socket.socketpair()
        async with server, aiohttp.ClientSession() as session:
            interceptor = Interceptor(policy, ledger, session)
            proxy = ConnectProxy(policy, ledger, Authority(), addresses, interceptor)
            using = asyncio.ensure_future(asyncio.to_thread(client, theirs))
            with ours:
                await proxy._connect(ours, host, 443, b"")
            return await using

    received = asyncio.run(check())
    return received, json.loads((folder / "egress.jsonl").read_text())


HUB = ["huggingface.co", "*.huggingface.co"]
RAW = ["*.github.io", "*.githubusercontent.com", "www.github.com"]


@pytest.mark.parametrize("sent_name", ["", ADDRESS])
@pytest.mark.parametrize("host", [ADDRESS, "203-0-113-7.nip.example"])
@pytest.mark.parametrize("names", [HUB, RAW])
def test_an_inspected_host_is_not_reached_by_its_bare_address(
    names: list[str], host: str, sent_name: str, tmp_path: Path
) -> None:
    received, record = tunnel(tmp_path, host, names, sent_name)
    assert received == "closed"
    assert (record["decision"], record["host"]) == ("denied", host)
    expected = "must be for" if sent_name not in ("", host) else "the server is that of "
    assert expected in record["reason"]


@pytest.mark.parametrize("host", [ADDRESS, "files.example"])
def test_another_server_is_reached_by_its_bare_address(host: str, tmp_path: Path) -> None:
    received, record = tunnel(tmp_path, host, ["files.example", "cdn.example"])
    assert (received, record["decision"]) == ("content", "allowed")


def test_a_server_that_does_not_show_a_certificate_is_refused(tmp_path: Path) -> None:
    received, record = tunnel(tmp_path, ADDRESS, None)
    assert (received, record["decision"]) == ("closed", "denied")
    assert "does not show a certificate" in record["reason"]


def test_a_handshake_for_the_right_name_passes(tmp_path: Path) -> None:
    assert tunnel(tmp_path, "files.example", HUB, "files.example")[0] == "answered"


def test_a_handshake_for_an_inspected_host_must_name_it(tmp_path: Path) -> None:
    received, record = tunnel(tmp_path, "huggingface.co", HUB)
    assert (received, record["decision"]) == ("closed", "denied")
    assert "must be for huggingface.co" in record["reason"]


@pytest.mark.parametrize(
    ("host", "port", "refused"),
    [
        *(("ssh.github.com", 443, True), ("github.com", 22, True), ("hf.co", 22, True)),
        *(("gitlab.com", 22, False), ("ssh.github.com.example", 443, False), ("box.example", 22, False)),
    ],
)
def test_git_over_ssh_to_inspected_hosts_is_refused(host: str, port: int, refused: bool, tmp_path: Path) -> None:
    async def check() -> bytes:
        policy, ledger = EgressPolicy(network="open"), Ledger(tmp_path / "egress.jsonl", [])
        with socket.create_server(("127.0.0.1", 0)) as closed:
            place = closed.getsockname()[1]
        ours, theirs = socket.socketpair()
        async with aiohttp.ClientSession() as session:
            proxy = ConnectProxy(policy, ledger, Authority(), OnePlace(place), Interceptor(policy, ledger, session))
            with ours, theirs:
                await proxy._connect(ours, host, port, b"")
                return theirs.recv(1000)

    answer = asyncio.run(check())
    assert (b"403" in answer and b"Git over SSH" in answer) == refused
    assert (json.loads((tmp_path / "egress.jsonl").read_text())["decision"] == "denied") == refused


@pytest.mark.parametrize(
    ("data", "hosts"),
    [
        (b"GET / HTTP/1.1\r\nHost: CDN.jsdelivr.net:80\r\n\r\n", ["cdn.jsdelivr.net"]),
        (b"\r\n\r\nGET / HTTP/1.1\nhost :cdn.jsdelivr.net.\n\n", ["cdn.jsdelivr.net"]),
        (
            b"GET http://u@cdn.jsdelivr.net/x HTTP/1.1\r\nHost: files.example\r\n\r\n",
            ["files.example", "cdn.jsdelivr.net"],
        ),
        (b"POST / HTTP/1.1\r\nhost: a\r\nHost: b\r\n\r\nHost: c\r\n", ["a", "b"]),
        (b"GET / HTTP/1.1\r\nHost: [2606:4700::1111]:80\r\n\r\n", ["2606:4700::1111"]),
        (b"GET / HTTP/1.0\r\n\r\n", []),
        (b"SSH-2.0-OpenSSH\r\n", []),
        (b"GETTING\nhost: x\n\n", []),
    ],
)
def test_hosts_that_a_request_names(data: bytes, hosts: list[str]) -> None:
    assert requested_hosts(data) == hosts
    assert not is_incomplete_head(data)
    if hosts:
        for end in range(1, data.rindex(b"\n") - (5 if b"host: a" in data else 0) - 12):
            assert is_incomplete_head(data[:end]), data[:end]


@pytest.mark.parametrize("data", [b"\x16\x03\x01", b"SSH-2.0-x", b"USER me\r\n", b"PRI * HTTP/2.0", b"\0GET / "])
def test_other_protocols_are_not_waited_for(data: bytes) -> None:
    assert not is_incomplete_head(data)


@pytest.mark.parametrize(("host", "passes"), [("files.example", True), ("files.example:443", True), ("hf.co", False)])
def test_a_plain_request_in_a_tunnel_must_be_for_its_host(host: str, passes: bool, tmp_path: Path) -> None:
    request = f"GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    received, record = tunnel(tmp_path, "files.example", [], plain=request)
    assert (received, record["decision"]) == (("content", "allowed") if passes else ("closed", "denied"))
    assert passes or "must be for files.example, not 'hf.co'" in record["reason"]


@pytest.mark.parametrize("sent", [b"", b"GET /x HT", b"GET /x HTTP/1.1\r\nhost:"])
def test_an_inspected_connection_without_a_request_does_not_stay(
    sent: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect_proxy, "HEADER_SECONDS", 0.1)
    monkeypatch.setattr(connections, "HALF_OPEN_SECONDS", 0.1)

    async def check() -> None:
        policy, ledger = EgressPolicy(network="open"), Ledger(tmp_path / "egress.jsonl", [])
        ours, theirs = socket.socketpair()
        async with aiohttp.ClientSession() as session:
            proxy = ConnectProxy(policy, ledger, Authority(), OnePlace(9), Interceptor(policy, ledger, session))
            with ours, theirs:
                async with asyncio.timeout(60):
                    await proxy._intercept(ours, sent, Origin("http", "hf.co", 80), None)

    asyncio.run(check())


@pytest.mark.parametrize(
    ("name", "inspected"),
    [
        *(("github.com", True), ("*.githubusercontent.com", True), ("*.JSDELIVR.net", True), ("cdn-lfs.hf.co", False)),
        *(("*.openai.azure.com", True), ("api.openai.com", True), ("pypi.org", False), ("*.example.org", False)),
        *(("*.blob.core.windows.net", True), ("github.com.example.org", False)),
    ],
)
def test_names_of_certificates(name: str, inspected: bool) -> None:
    assert (inspected_name(["files.example", name]) is not None) == inspected
    assert inspected_name([]) is None
