"""Services of the host for a run's `evaluate.py`: each a process of its own that listens on a unix socket.

A service is `python -m MODULE`. It reads its order, one JSON line, on standard input, prints `ready` when it listens,
and ends when standard input closes: with the run, however that ends.
"""

import json
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.errors import InfrastructureError

START_SECONDS = 120.0
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Kind:
    """What sets one service apart from another.

    Attributes:
        name: in messages.
        module: what its process runs.
        variable: of the sandbox's environment, which names the socket.
        role: of the socket's mount.
    """

    name: str
    module: str
    variable: str
    role: str


@dataclass(frozen=True)
class HostService:
    """A running service.

    Attributes:
        socket: on which `evaluate.py` reaches it.
        log: what the process prints, if anything.
    """

    kind: Kind
    socket: Path
    log: Path
    process: "subprocess.Popen[bytes]"

    def check(self) -> None:
        """Whether it is still there.

        Raises:
            InfrastructureError: its process has ended.
        """
        if (code := self.process.poll()) is not None:
            raise InfrastructureError("service_failed", f"The {self.kind.name} ended with code {code}; see {self.log}.")


@contextmanager
def start_service(kind: Kind, order: Mapping[str, object], log: Path) -> Iterator[HostService]:
    """Run a service in a process of its own, and stop it on leaving.

    Args:
        order: what it is told; the path of its socket is added.
        log: the file that what it prints is added to.

    Raises:
        InfrastructureError: the process did not start.
    """
    with tempfile.TemporaryDirectory(prefix="ptb-service-") as place:  # short, as a socket's path must be
        socket = Path(place, "socket")
        with log.open("ab") as log_file:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", kind.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_file,
                start_new_session=True,  # Ctrl-C reaches the run alone, which stops the service in order
            )
        service = HostService(kind, socket, log, process)
        try:
            _wait_ready(service, json.dumps({**order, "socket": str(socket)}))
            yield service
        finally:
            _stop(process)


def _wait_ready(service: HostService, order: str) -> None:
    process = service.process
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
    if line.strip() != b"ready":
        raise InfrastructureError("service_failed", f"The {service.kind.name} did not start; see {service.log}.")


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
