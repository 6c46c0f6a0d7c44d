"""Start and stop a run's egress proxy, and configure the sandbox to use it."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.child_process import Child, run_child
from posttrainbench.gateway.egress.policy import EgressPolicy

LEDGER = "egress.jsonl"
LOG = "egress.log"
SERVER = "posttrainbench.gateway.egress.server"
START_SECONDS = 60.0
ENV_ALLOWLIST = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables of the host that the proxy's process inherits."""

CA_BUNDLE_VARIABLES = tuple(
    "SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS PIP_CERT GIT_SSL_CAINFO "
    "AWS_CA_BUNDLE CARGO_HTTP_CAINFO npm_config_cafile".split()
)
"""Environment variables that name the file of trusted certificate authorities, for common programs."""


@dataclass(frozen=True)
class Egress:
    """A running egress proxy.

    Attributes:
        socket: unix socket that takes over connections of the sandbox.
        authorities: PEM file of all certificate authorities that the sandbox must trust, the run's own included.
        ledger: `egress.jsonl`, appended to with every request.
        log: standard error of the process, normally empty.
    """

    socket: Path
    authorities: Path
    ledger: Path
    log: Path
    child: Child


def environment(port: int, authorities: str) -> dict[str, str]:
    """Return the environment variables that make programs in a sandbox use and trust the proxy.

    Args:
        port: port of the sandbox's loopback on which the forwarder listens.
        authorities: path of `Egress.authorities` inside the sandbox.
    """
    proxy, direct = f"http://127.0.0.1:{port}", "127.0.0.1,localhost,::1"
    variables = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "ALL_PROXY": proxy, "NO_PROXY": direct}
    return {
        **variables,
        **{name.lower(): value for name, value in variables.items()},
        **dict.fromkeys(CA_BUNDLE_VARIABLES, authorities),
        "NODE_USE_ENV_PROXY": "1",
    }


@contextmanager
def start_egress(policy: EgressPolicy, folder: Path, keys: list[str]) -> Iterator[Egress]:
    """Run an egress proxy in a process of its own, and stop it on exit.

    Args:
        policy: the network policy to enforce.
        folder: existing directory in which `egress.jsonl` and `egress.log` are written.
        keys: secrets to redact from these files.

    Raises:
        InfrastructureError: the process did not start.
    """
    ledger, log = folder / LEDGER, folder / LOG
    # The path of a unix socket must be short (107 bytes), so it gets a directory of its own.
    with tempfile.TemporaryDirectory(prefix="ptb-egress-") as directory:
        socket, authorities = Path(directory, "egress.sock"), Path(directory, "authorities.pem")
        # The fields of `server.StartupMessage`, which is not imported here because it loads an HTTP library.
        message = {
            "policy": policy.model_dump(mode="json"),
            "socket": str(socket),
            "ledger": str(ledger.absolute()),
            "keys": keys,
        }
        variables = {name: os.environ[name] for name in ENV_ALLOWLIST if name in os.environ}
        with run_child(
            *(SERVER, json.dumps(message), log, START_SECONDS),
            name="egress proxy",
            cause="egress_failed",
            environment=variables,
        ) as child:
            authorities.write_text(json.loads(child.ready_line)["authority"])
            authorities.chmod(0o644)
            yield Egress(socket, authorities, ledger, log, child)
