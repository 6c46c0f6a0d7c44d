"""Starting and stopping a run's gateway."""

import json
import os
import secrets
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from posttrainbench.errors import InfrastructureError
from posttrainbench.gateway.config import GatewayConfig
from posttrainbench.gateway.prices import load_prices

USAGE = "usage.jsonl"
LOG = "gateway.log"

START_SECONDS = 60.0
STOP_SECONDS = 10.0

PASSED_ON = (
    *("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
"""The process holds one key: what else the user's environment has, it does not need."""


@dataclass(frozen=True)
class Gateway:
    """A running gateway.

    Attributes:
        address: `http://127.0.0.1:PORT`, or None where it was not asked to listen there.
        socket: the unix socket that offers the same.
        token: what the agent gives instead of a key; worth nothing elsewhere, or after the run.
        usage: `usage.jsonl`, which grows with every request; see `calls.read_calls`.
        log: what the process prints, if anything.
    """

    address: str | None
    socket: Path
    token: str = field(repr=False)
    usage: Path
    log: Path
    process: "subprocess.Popen[bytes]"

    def check(self) -> None:
        """Whether it is still there.

        Raises:
            InfrastructureError: its process has ended.
        """
        if (code := self.process.poll()) is not None:
            raise InfrastructureError("gateway_failed", f"The gateway ended with code {code}; its log is {self.log}.")


@contextmanager
def start_gateway(config: GatewayConfig, folder: Path) -> Iterator[Gateway]:
    """Run a gateway in a process of its own, and stop it on leaving.

    Args:
        config: the provider, the models and the budgets.
        folder: an existing directory, where `usage.jsonl` and `gateway.log` are written; what is already there counts
            towards the budgets.

    Raises:
        InputError: a setting is wrong, or the host has no key.
        InfrastructureError: the process did not start.
    """
    prices = load_prices()
    config.check(prices)
    config.renew()
    key = config.read_key()
    token = f"ptb-{secrets.token_urlsafe(24)}"
    usage, log = folder / USAGE, folder / LOG
    # A short path of its own: a socket's must not exceed 107 bytes, and not every file system of runs has sockets.
    with tempfile.TemporaryDirectory(prefix="ptb-gateway-") as place:
        socket = Path(place, "gateway.sock")
        # As `server.Order`, which this process does not import: it brings an HTTP library with it.
        order = {
            "config": config.model_dump(mode="json"),
            "key": key,
            "token": token,
            "prices": prices.model_dump(mode="json"),
            "socket": str(socket),
            "usage": str(usage.absolute()),
        }
        with log.open("ab") as log_file:
            process = subprocess.Popen(
                [sys.executable, "-m", "posttrainbench.gateway.server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_file,
                env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
                start_new_session=True,  # Ctrl-C reaches the run alone, which stops the gateway in order
            )
        try:
            port = _wait_ready(process, json.dumps(order), log)
            address = f"http://127.0.0.1:{port}" if port is not None else None
            yield Gateway(address, socket, token, usage, log, process)
        finally:
            _stop(process)


def _wait_ready(process: "subprocess.Popen[bytes]", order: str, log: Path) -> int | None:
    assert process.stdin is not None  # noqa: S101  (for the type checker: both are pipes)
    assert process.stdout is not None  # noqa: S101
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        try:
            process.stdin.write(order.encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline() if selector.select(START_SECONDS) else b""
        except BrokenPipeError:
            line = b""
    if not line:
        raise InfrastructureError("gateway_failed", f"The gateway did not start; its log is {log}.")
    port: int | None = json.loads(line)["port"]
    return port


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Close its input, which ends it; kill it if it does not listen."""
    for pipe in (process.stdin, process.stdout):
        if pipe:
            try:
                pipe.close()
            except BrokenPipeError:
                continue
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
