"""Our sandboxes as Inspect's: `sandbox="ptb"` in a task; for another backend,
`sandbox=SandboxEnvironmentSpec("ptb", PtbSandboxConfig(backend="podman", image="IMAGE"))`.

Every command gets a sandbox of its own over one working directory, `/workspace`, which lasts as long as the sample.
Covers: all that the backend covers, at every call. Does not cover: processes that go on between two calls (they end
with the command that started them), and commands as another user.

Code that a benchmark of ours has a model write does not go this way: a start for each program would take some 0.1 s,
and `executor` keeps runners that take thousands of programs.
"""

import os
import posixpath
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Literal, overload

import anyio.to_thread
from inspect_ai.util import (
    ExecResult,
    OutputLimitExceededError,
    SandboxEnvironment,
    SandboxEnvironmentConfigType,
    SandboxEnvironmentLimits,
    concurrency,
    sandboxenv,
)
from inspect_ai.util._sandbox.environment import SandboxUserUnsupportedError
from pydantic import BaseModel

from posttrainbench.errors import InputError
from posttrainbench.sandbox.base import Limits, Mount, Sandbox, SandboxProcess, load_sandbox

LIMITS = Limits(memory=8 * 2**30, processes=512, disk=16 * 2**30)
PATH = "/usr/local/bin:/usr/bin:/bin"
PARALLEL = 16
"""Commands at a time, of all samples."""
CHUNK = 2**16

READ = """
if [ ! -e "$1" ]; then exit 3; elif [ -d "$1" ]; then exit 4; elif [ ! -r "$1" ]; then exit 5; fi
exec cat -- "$1"
"""
WRITE = """
if [ -d "$1" ]; then exit 4; fi
mkdir -p -- "$(dirname -- "$1")" && cat > "$1" || exit 5
"""
"""Files are reached from inside: what is in them, and where their links lead, is up to programs."""
ERRORS: dict[int, type[OSError]] = {3: FileNotFoundError, 4: IsADirectoryError, 5: PermissionError}


class PtbSandboxConfig(BaseModel, frozen=True, extra="forbid"):
    """Which of our backends, and what its root is made of; see `load_sandbox`."""

    backend: str = "bubblewrap"
    image: str | None = None


@sandboxenv(name="ptb")
class PtbSandbox(SandboxEnvironment):
    """One sample's sandbox; see the module's docstring."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self.sandbox = sandbox
        self.folder = tempfile.TemporaryDirectory(prefix="ptb-inspect-", ignore_cleanup_errors=True)
        workspace = Path(self.folder.name, "workspace")
        self.mounts = [Mount("workspace", workspace, writable=True)]
        for role, name in (("tmp", ".tmp"), ("dev/shm", ".shm")):
            self.mounts.append(Mount(role, workspace / name, writable=True))
        for mount in self.mounts:
            mount.source.mkdir()
        self.workdir = sandbox.locate(self.mounts[0])
        self.environment = {
            "PATH": PATH,
            "HOME": self.workdir,
            "TMPDIR": sandbox.locate(self.mounts[1]),
            "LANG": "C.UTF-8",
        }

    @classmethod
    def config_deserialize(cls, config: dict[str, object]) -> BaseModel:
        """The configuration as a log has it."""
        return PtbSandboxConfig.model_validate(config)

    @classmethod
    async def task_init(cls, task_name: str, config: SandboxEnvironmentConfigType | None) -> None:
        """Prove that the backend isolates here.

        Raises:
            InputError: it does not.
        """
        await anyio.to_thread.run_sync(_backend(config).check)

    @classmethod
    async def sample_init(
        cls, task_name: str, config: SandboxEnvironmentConfigType | None, metadata: dict[str, str]
    ) -> dict[str, SandboxEnvironment]:
        """A sandbox with an empty working directory."""
        return {"default": cls(_backend(config))}

    @classmethod
    async def sample_cleanup(
        cls,
        task_name: str,
        config: SandboxEnvironmentConfigType | None,
        environments: dict[str, SandboxEnvironment],
        interrupted: bool,
    ) -> None:
        """Remove the working directory."""
        for environment in environments.values():
            environment.as_type(PtbSandbox).folder.cleanup()

    async def exec(
        self,
        cmd: list[str],
        input: str | bytes | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        timeout: int | None = None,
        timeout_retry: bool = True,
        concurrency: bool = True,
    ) -> ExecResult[str]:
        """See `SandboxEnvironment.exec`; a command that times out is not tried again."""
        if user is not None:
            raise SandboxUserUnsupportedError(f"A `ptb` sandbox has one user, and cannot execute as {user!r}.")
        limit = SandboxEnvironmentLimits.MAX_EXEC_OUTPUT_SIZE
        code, output, errors = await self._run(cmd, input, cwd, env or {}, timeout, limit)
        return ExecResult(code == 0, code, output.decode(errors="replace"), errors.decode(errors="replace"))

    async def write_file(self, file: str, contents: str | bytes) -> None:
        """See `SandboxEnvironment.write_file`."""
        await self._file(WRITE, file, contents)

    @overload
    async def read_file(self, file: str, text: Literal[True] = True) -> str: ...

    @overload
    async def read_file(self, file: str, text: Literal[False]) -> bytes: ...

    async def read_file(self, file: str, text: bool = True) -> str | bytes:
        """See `SandboxEnvironment.read_file`."""
        content = await self._file(READ, file, None)
        return content.decode() if text else content

    async def _file(self, script: str, file: str, contents: str | bytes | None) -> bytes:
        limit = SandboxEnvironmentLimits.MAX_READ_FILE_SIZE
        command = ["/bin/sh", "-c", script, "sh", posixpath.join(self.workdir, file)]
        code, output, errors = await self._run(command, contents, None, {}, None, limit)
        if code != 0:
            raise ERRORS.get(code, OSError)(f"{file}: {errors.decode(errors='replace').strip() or 'cannot be reached'}")
        return output

    async def _run(
        self,
        cmd: list[str],
        given: str | bytes | None,
        cwd: str | None,
        env: Mapping[str, str],
        timeout: float | None,
        limit: int,
    ) -> tuple[int, bytes, bytes]:
        """Exit code, standard output and standard error of a command in a new sandbox."""
        workdir = posixpath.join(self.workdir, cwd or "")
        data = given.encode() if isinstance(given, str) else given or b""

        def run() -> tuple[int, bytes, bytes]:
            process = self.sandbox.start(cmd, self.mounts, {**self.environment, **env}, workdir, limits=LIMITS)
            return _to_the_end(process, data, timeout, limit)

        async with concurrency("ptb-sandbox", PARALLEL):
            return await anyio.to_thread.run_sync(run, abandon_on_cancel=False)


def _backend(config: SandboxEnvironmentConfigType | None) -> Sandbox:
    """The backend that a task asks for.

    Raises:
        InputError: it asks in another way.
    """
    if config is not None and not isinstance(config, PtbSandboxConfig):
        raise InputError("A `ptb` sandbox is configured by a PtbSandboxConfig, or not at all.")
    chosen = config or PtbSandboxConfig()
    return load_sandbox(chosen.backend, chosen.image)


def _to_the_end(process: SandboxProcess, given: bytes, timeout: float | None, limit: int) -> tuple[int, bytes, bytes]:
    """Feed a command and read what it prints.

    Raises:
        TimeoutError: it takes too long; it is dead then.
        OutputLimitExceededError: it prints more than `limit` bytes; likewise.
    """
    kept: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    over = threading.Event()

    def read(name: str, stream: IO[bytes]) -> None:
        while chunk := os.read(stream.fileno(), CHUNK):
            if len(kept[name]) + len(chunk) > limit and not over.is_set():
                over.set()
                threading.Thread(target=process.kill, args=(0,)).start()
            if not over.is_set():
                kept[name] += chunk

    def feed(stream: IO[bytes]) -> None:
        try:
            stream.write(given)
            stream.close()
        except (BrokenPipeError, ValueError):
            return

    popen = process.popen
    if popen.stdin is None or popen.stdout is None or popen.stderr is None:
        raise RuntimeError("a sandbox must give all three streams as pipes")
    threads = [
        threading.Thread(target=read, args=pair) for pair in (("stdout", popen.stdout), ("stderr", popen.stderr))
    ]
    threads.append(threading.Thread(target=feed, args=(popen.stdin,)))
    for thread in threads:
        thread.start()
    try:
        popen.wait(timeout)
    except subprocess.TimeoutExpired:
        raise TimeoutError("The command takes too long.") from None
    finally:
        process.kill(0)
        for thread in threads:
            thread.join()
    if over.is_set():
        raise OutputLimitExceededError(f"{limit} bytes", bytes(kept["stdout"]).decode(errors="replace"))
    return popen.returncode, bytes(kept["stdout"]), bytes(kept["stderr"])
