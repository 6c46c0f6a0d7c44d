"""Start and stop a run's model gateway."""

import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from posttrainbench.child_process import Child, run_child
from posttrainbench.gateway.config import GatewayConfig
from posttrainbench.usage.prices import load_prices

USAGE = "usage.jsonl"
LOG = "gateway.log"

SERVER = "posttrainbench.gateway.server"
START_SECONDS = 60.0

ENV_ALLOWLIST = (
    *("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
"""Environment variables of the host that the gateway's process inherits. Other variables may contain secrets."""


@dataclass(frozen=True)
class Gateway:
    """A running model gateway.

    Attributes:
        address: `http://127.0.0.1:PORT`, or None unless `GatewayConfig.loopback` is set.
        socket: unix socket that serves the same API.
        token: the agent's credential in place of the key; valid for this gateway only.
        usage: `usage.jsonl`, appended to with every request; see `calls.read_calls`.
        log: standard error of the process, normally empty.
    """

    address: str | None
    socket: Path
    token: str = field(repr=False)
    usage: Path
    log: Path
    child: Child


@contextmanager
def start_gateway(config: GatewayConfig, folder: Path) -> Iterator[Gateway]:
    """Run a gateway in a process of its own, and stop it on exit.

    Args:
        config: the provider, the allowed models and the budgets.
        folder: existing directory in which `usage.jsonl` and `gateway.log` are written. Usage already recorded there
            counts towards the budgets.

    Raises:
        InputError: a setting is invalid, or the host does not have the key.
        InfrastructureError: the process did not start.
    """
    prices = load_prices()
    config.check(prices)
    config.renew()
    key = config.read_key()
    token = f"ptb-{secrets.token_urlsafe(24)}"
    usage, log = folder / USAGE, folder / LOG
    # The socket gets a directory of its own: its path must not exceed 107 bytes, and the file system that holds the
    # runs may not support sockets.
    with tempfile.TemporaryDirectory(prefix="ptb-gateway-") as directory:
        socket = Path(directory, "gateway.sock")
        # The fields of `server.StartupMessage`, which is not imported here because it loads an HTTP library.
        message = {
            "config": config.model_dump(mode="json"),
            "key": key,
            "token": token,
            "prices": prices.model_dump(mode="json"),
            "socket": str(socket),
            "usage": str(usage.absolute()),
        }
        environment = {name: os.environ[name] for name in ENV_ALLOWLIST if name in os.environ}
        with run_child(
            *(SERVER, json.dumps(message), log, START_SECONDS),
            name="gateway",
            cause="gateway_failed",
            environment=environment,
        ) as child:
            port = json.loads(child.ready_line)["port"]
            address = f"http://127.0.0.1:{port}" if port is not None else None
            yield Gateway(address, socket, token, usage, log, child)
