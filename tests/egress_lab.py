"""A small internet on loopback for tests of the egress proxy: TLS servers with certificates of a test authority."""

import base64
import hashlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import egress_lab_server
from posttrainbench.child_process import Child, run_child
from posttrainbench.gateway import forwarder
from posttrainbench.gateway.egress import Egress, EgressPolicy, host, start_egress
from posttrainbench.gateway.egress.host import environment
from posttrainbench.sandbox import Mount, Sandbox
from posttrainbench.sandbox.bubblewrap import Bubblewrap

PORT = 8788
PIECE = b"\0" * 2**20
OPEN = EgressPolicy(network="open")
COMMIT = "c0ffee" * 6 + "c0de"


@dataclass(frozen=True)
class Server:
    """One server.

    Attributes:
        asked: `(method, host header, path, body)` of each request.
        files: path -> content; every other path returns a description of the request.
    """

    port: int
    asked: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Lab:
    """A TLS server for several names, a plain HTTP server, and the authority that signed for the names.

    Attributes:
        file: names the servers for `egress_lab_server`.
    """

    tls: Server
    plain: Server
    root: str
    file: Path

    @contextmanager
    def as_internet(self) -> Iterator[None]:
        """Let every proxy that this process starts find the lab's servers in place of the internet's.

        The proxy itself cannot be told to do so: this runs `egress_lab_server` in its place.
        """
        variables = {"PYTHONPATH": str(Path(__file__).parent), egress_lab_server.LAB_FILE: str(self.file)}

        def start(
            module: str, *args: Any, environment: dict[str, str], **options: Any
        ) -> AbstractContextManager[Child]:
            return run_child(egress_lab_server.__name__, *args, environment=environment | variables, **options)

        with mock.patch.object(host, "run_child", start):
            yield


@contextmanager
def lab(folder: Path, names: Sequence[str]) -> Iterator[Lab]:
    """Start the servers.

    Args:
        folder: for their certificate.
        names: of the TLS server.
    """
    root, chain = _certificates(names)
    (folder / "chain.pem").write_text(chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem")
    with _server(context) as tls, _server(None) as plain:
        hosts = dict.fromkeys(names, f"127.0.0.1:{tls.port}") | {"plain.example": f"127.0.0.1:{plain.port}"}
        (folder / "servers.json").write_text(json.dumps({"hosts": hosts, "root": root}))
        yield Lab(tls, plain, root, folder / "servers.json")


@contextmanager
def _server(context: ssl.SSLContext | None) -> Iterator[Server]:
    class Threads(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, address: Any) -> None:
            """Ignore clients that disconnect."""

        def finish_request(self, request: Any, address: Any) -> None:
            if context is not None:
                request = context.wrap_socket(request, server_side=True)
            super().finish_request(request, address)
            with suppress(OSError):
                request.shutdown(socket.SHUT_WR)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else b""
            if self.headers.get("Transfer-Encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            server.asked.append((self.command, self.headers.get("Host", ""), self.path, body))
            if self.headers.get("Upgrade"):
                self._websocket()
            elif (content := server.files.get(self.path)) is not None:
                self._say(200, content)
            elif self.path.startswith("/large/"):
                self._large(int(self.path.split("/")[2]))
            elif self.path.startswith("/status/"):
                self._say(int(self.path.split("/")[2]), b"as you wish")
            elif self.path == "/redirect":
                self.send_response(302)
                self.send_header("Location", "https://files.example/here")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                told = {"method": self.command, "path": self.path, "body": len(body), "headers": dict(self.headers)}
                self._say(200, json.dumps(told).encode())

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if body.startswith(b"<") else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()[:40]}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _large(self, size: int) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            while size > 0 and self.command != "HEAD":
                self.wfile.write(PIECE[: min(size, len(PIECE))])
                size -= len(PIECE)

        def _websocket(self) -> None:
            """Send a greeting and echo the first frame (RFC 6455)."""
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            digest = hashlib.sha1(key.encode(), usedforsecurity=False).digest()
            self.send_response(101)
            for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade")):
                self.send_header(name, value)
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
            self.end_headers()
            self.wfile.write(b"\x81\x05hello")
            head = self.rfile.read(2)
            mask = self.rfile.read(4)
            text = bytes(byte ^ mask[n % 4] for n, byte in enumerate(self.rfile.read(head[1] & 127)))
            self.wfile.write(b"\x81" + bytes([len(text)]) + text + b"\x88\x00")
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_HEAD = _answer  # noqa: N815  (names that the library requires)

        def log_message(self, *args: Any) -> None:
            """Suppress the log."""

    http = Threads(("127.0.0.1", 0), Handler)
    server = Server(http.server_address[1])
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


def _certificates(names: Sequence[str]) -> tuple[str, str]:
    """Return the certificate of an authority, and a chain with its key for some names."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    titles = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("Root of the tests", names[0])]
    now = datetime.now(UTC)
    found = []
    for title, key, is_root in zip(titles, keys, (True, False), strict=True):
        builder = x509.CertificateBuilder(titles[0], title, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key())
        builder = builder.add_extension(identifier, critical=False)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder if is_root else builder.add_extension(alternatives, critical=False)
        found.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode())
    private = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return found[0], found[1] + private.decode()


@dataclass(frozen=True)
class Inside:
    """A sandbox whose only route to the network is a proxy."""

    egress: Egress
    sandbox: Sandbox
    work: Path

    def run(
        self, *command: str, seconds: float = 60, mounts: Sequence[Mount] = (), **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in the sandbox and wait for it."""
        socket_mount = Mount("run/ptb/egress.sock", self.egress.socket)
        program = Mount("run/ptb/forwarder.py", Path(forwarder.__file__))
        roots = Mount("run/ptb/authorities.pem", self.egress.authorities)
        work = Mount("work", self.work, writable=True)
        locate = self.sandbox.locate
        own = {"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin", "HOME": locate(work)}
        process = self.sandbox.start(
            [self.sandbox.python, locate(program), "hand", str(PORT), locate(socket_mount), "--", *command],
            [socket_mount, program, roots, work, *mounts],
            {**own, **environment(PORT, locate(roots)), **variables},
            locate(work),
        )
        try:
            said, complained = process.popen.communicate(timeout=seconds)
        finally:
            process.kill(0)
        return subprocess.CompletedProcess(command, process.popen.returncode, said.decode(), complained.decode())

    def python(self, source: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run Python code in the sandbox."""
        return self.run(self.sandbox.python, "-c", source, **variables)

    def requests(self, count: int = 1) -> list[dict[str, Any]]:
        """Return the proxy's records once there are at least `count`."""
        end = time.monotonic() + 20
        while True:
            text = self.egress.ledger.read_text() if self.egress.ledger.exists() else ""
            lines = [json.loads(line) for line in text.splitlines()]
            if len(lines) >= count or time.monotonic() > end:
                return lines
            time.sleep(0.02)


@contextmanager
def inside(
    folder: Path,
    lab: Lab,
    policy: EgressPolicy = OPEN,
    sandbox: Sandbox | None = None,
    keys: Sequence[str] = (),
) -> Iterator[Inside]:
    """Start a proxy that connects to the lab, and return a sandbox behind it."""
    (folder / "work").mkdir(exist_ok=True)
    with lab.as_internet(), start_egress(policy, folder, list(keys)) as egress:
        yield Inside(egress, sandbox or Bubblewrap(), folder / "work")
