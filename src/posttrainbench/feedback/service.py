"""Run a feedback service of the host for a run's `evaluate.py`, in a process of its own that serves a unix socket.

A service is `python -m MODULE`, a helper process as in `child_process`: it reads its startup message, one JSON line,
from standard input, prints `ready` when it listens, and exits when standard input closes.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.child_process import Child, run_child
from posttrainbench.errors import InfrastructureError

START_SECONDS = 120.0


@dataclass(frozen=True)
class ServiceKind:
    """Definition of a service.

    Attributes:
        name: used in error messages.
        module: name of the module that its process runs.
        variable: environment variable of the sandbox with the socket's path.
        role: role of the socket's mount.
    """

    name: str
    module: str
    variable: str
    role: str


@dataclass(frozen=True)
class HostService:
    """A running service.

    Attributes:
        kind: its definition.
        socket: the unix socket at which `evaluate.py` reaches it.
        log: file with the output of its process.
        child: its process.
    """

    kind: ServiceKind
    socket: Path
    log: Path
    child: Child


@contextmanager
def start_service(kind: ServiceKind, message: Mapping[str, object], log: Path) -> Iterator[HostService]:
    """Run a service until the context exits.

    Args:
        kind: the service.
        message: its startup message; the path of its socket is added.
        log: file that the output of its process is appended to.

    Yields:
        The service, once it is ready.

    Raises:
        InfrastructureError: the process did not start.
    """
    # The path of a unix socket must be short, so it cannot lie in the run directory.
    with tempfile.TemporaryDirectory(prefix="ptb-service-") as folder:
        socket = Path(folder, "socket")
        line = json.dumps({**message, "socket": str(socket)})
        with run_child(kind.module, line, log, START_SECONDS, name=kind.name, cause="service_failed") as child:
            if child.ready_line != b"ready\n":
                raise InfrastructureError("service_failed", f"The {kind.name} did not start; its log is {log}.")
            yield HostService(kind, socket, log, child)
