"""No isolation: the command runs as the user, on the user's files, with the user's network.

Only for machines where nothing better works, and only after `--insecure-no-sandbox`. Covers: an environment without
the host's variables, and that the whole process tree ends, also when the orchestrator is killed. Does not cover
anything else: the agent can read and change whatever the user can, and one that kills its supervisor escapes even the
end of the tree. Every result says so.
"""

import contextlib
import os
import subprocess
import sys
from typing import Literal

from posttrainbench.errors import InfrastructureError
from posttrainbench.sandbox.base import Mount


class SupervisedProcess:
    """A command under `posttrainbench.sandbox.supervisor`, told to end through a pipe."""

    def __init__(self, popen: subprocess.Popen[bytes], control: int) -> None:
        self.popen = popen
        self._control: int | None = control

    def kill(self, grace: float) -> None:
        """See `SandboxProcess.kill`: closing the control pipe makes the supervisor end all its descendants."""
        if self._control is not None:
            with contextlib.suppress(BrokenPipeError):  # it has ended already, and with it the tree
                os.write(self._control, f"{grace}\n".encode())
            os.close(self._control)
            self._control = None
        self.popen.wait()

    def broke(self) -> bool:
        """See `SandboxProcess.broke`: there is nothing that could."""
        return False


class Process:
    """The backend `process`."""

    name = "process"
    isolation: Literal["none"] = "none"
    network: Literal["host"] = "host"

    def check(self) -> None:
        """See `Sandbox.check`: nothing can be missing."""

    def locate(self, mount: Mount) -> str:
        """See `Sandbox.locate`: everything is where it is."""
        return str(mount.source)

    def start(
        self, argv: list[str], mounts: list[Mount], environment: dict[str, str], workdir: str
    ) -> SupervisedProcess:
        """See `Sandbox.start`."""
        read, write = os.pipe()
        supervisor = [sys.executable, "-P", "-m", "posttrainbench.sandbox.supervisor", str(read), *argv]
        try:
            popen = subprocess.Popen(
                supervisor,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                cwd=workdir,
                pass_fds=[read],
                start_new_session=True,
            )
        except OSError as error:
            os.close(write)
            raise InfrastructureError("sandbox_failed", f"The agent's process did not start: {error}") from None
        finally:
            os.close(read)
        return SupervisedProcess(popen, write)
