"""Starting and stopping a run's egress proxy, and what its sandbox needs to use it."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.gateway.egress.policy import EgressPolicy

LEDGER = "egress.jsonl"
LOG = "egress.log"
REHEARSAL = "PTB_EGRESS_REHEARSAL"
START_SECONDS = 60.0
STOP_SECONDS = 10.0
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")

BUNDLE_VARIABLES = tuple(
    "SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS PIP_CERT GIT_SSL_CAINFO "
    "AWS_CA_BUNDLE CARGO_HTTP_CAINFO npm_config_cafile".split()
)
"""Where programs look for the authorities that they trust."""


@dataclass(frozen=True)
class Rehearsal:
    """Servers on this machine in place of the internet's, for tests: the environment variable
    `PTB_EGRESS_REHEARSAL` names a JSON file of these two. A sandbox has no part of the host's environment.

    Attributes:
        hosts: name -> `ADDRESS:PORT`, which is then connected to unchecked.
        root: PEM of an authority that signed for them.
    """

    hosts: dict[str, str] = field(default_factory=dict)
    root: str | None = None


@dataclass(frozen=True)
class Egress:
    """A running proxy.

    Attributes:
        socket: the unix socket through which connections are handed over to it.
        authorities: PEM file of all authorities that the sandbox is to trust, the run's own among them.
        ledger: `egress.jsonl`, which grows with every request.
        log: what the process prints, if anything.
    """

    socket: Path
    authorities: Path
    ledger: Path
    log: Path
    process: "subprocess.Popen[bytes]"

    def check(self) -> None:
        """Whether it is still there.

        Raises:
            InfrastructureError: its process has ended.
        """
        if (code := self.process.poll()) is not None:
            raise InfrastructureError("egress_failed", f"The egress proxy ended with code {code}; see {self.log}.")


def environment(port: int, authorities: str) -> dict[str, str]:
    """The variables by which programs in a sandbox find the proxy and trust it.

    Args:
        port: on which the forwarder listens.
        authorities: `Egress.authorities` as the sandbox shows it.
    """
    proxy, direct = f"http://127.0.0.1:{port}", "127.0.0.1,localhost,::1"
    named = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "ALL_PROXY": proxy, "NO_PROXY": direct}
    return {
        **named,
        **{name.lower(): value for name, value in named.items()},
        **dict.fromkeys(BUNDLE_VARIABLES, authorities),
        "NODE_USE_ENV_PROXY": "1",
    }


@contextmanager
def start_egress(
    policy: EgressPolicy, folder: Path, keys: list[str], rehearsal: Rehearsal | None = None
) -> Iterator[Egress]:
    """Run a proxy in a process of its own, and stop it on leaving.

    Args:
        policy: what it lets pass.
        folder: an existing directory, where `egress.jsonl` and `egress.log` are written.
        keys: what must not appear in these.
        rehearsal: for tests; by default as the environment has it.

    Raises:
        InputError: the environment's rehearsal cannot be read.
        InfrastructureError: the process did not start.
    """
    rehearsal = rehearsal or _rehearsal()
    ledger, log = folder / LEDGER, folder / LOG
    with tempfile.TemporaryDirectory(prefix="ptb-egress-") as place:  # short, as a socket's path must be
        socket, authorities = Path(place, "egress.sock"), Path(place, "authorities.pem")
        # As `server.Order`, which this process does not import: it brings an HTTP library with it.
        order = {
            "policy": policy.model_dump(mode="json"),
            "socket": str(socket),
            "ledger": str(ledger.absolute()),
            "keys": keys,
            "rehearsed": rehearsal.hosts,
            "root": rehearsal.root,
        }
        with log.open("ab") as log_file:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "posttrainbench.gateway.egress.server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_file,
                env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
                start_new_session=True,  # Ctrl-C reaches the run alone, which stops the proxy in order
            )
        try:
            authorities.write_text(_wait_ready(process, json.dumps(order), log))
            authorities.chmod(0o644)
            yield Egress(socket, authorities, ledger, log, process)
        finally:
            _stop(process)


def _rehearsal() -> Rehearsal:
    file = os.environ.get(REHEARSAL)
    if not file:
        return Rehearsal()
    try:
        return Rehearsal(**json.loads(Path(file).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{REHEARSAL} names {file}, which cannot be read: {one_line(error)}") from None


def _wait_ready(process: "subprocess.Popen[bytes]", order: str, log: Path) -> str:
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
        raise InfrastructureError("egress_failed", f"The egress proxy did not start; its log is {log}.")
    authority: str = json.loads(line)["authority"]
    return authority


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
