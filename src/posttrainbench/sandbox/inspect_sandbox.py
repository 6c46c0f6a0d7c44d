"""Our sandboxes as Inspect sandbox environments: `sandbox="ptb"` in a task; for another backend,
`sandbox=SandboxEnvironmentSpec("ptb", PtbSandboxConfig(backend="podman", image="IMAGE"))`.

Every command runs in a new sandbox with one shared working directory, `/workspace`, which exists until the sample ends.
Covers: everything that the backend covers, for each command. Does not cover: processes that outlive a command (they are
killed with it) and commands as another user.

The code benchmarks of this package do not use it: starting a sandbox takes about 0.1 s for each program, while the
runners of `executor` execute thousands of programs.
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
from typing_extensions import override

from posttrainbench.errors import InputError
from posttrainbench.sandbox.base import Limits, Mount, Sandbox, SandboxProcess, load_sandbox

LIMITS = Limits(memory=8 * 2**30, processes=512, disk=16 * 2**30)
PATH = "/usr/local/bin:/usr/bin:/bin"
PARALLEL = 16
"""Maximum number of concurrent commands of all samples."""
CHUNK = 2**16

READ = """
if [ ! -e "$1" ]; then exit 3; elif [ -d "$1" ]; then exit 4; elif [ ! -r "$1" ]; then exit 5; fi
exec cat -- "$1"
"""
WRITE = """
if [ -d "$1" ]; then exit 4; fi
mkdir -p -- "$(dirname -- "$1")" && cat > "$1" || exit 5
"""
"""Files are accessed from inside the sandbox, because programs control their content and links."""
ERRORS: dict[int, type[OSError]] = {3: FileNotFoundError, 4: IsADirectoryError, 5: PermissionError}


class PtbSandboxConfig(BaseModel, frozen=True, extra="forbid"):
    """Backend and image; see `load_sandbox`."""

    backend: str = "bubblewrap"
    image: str | None = None


@sandboxenv(name="ptb")
class PtbSandbox(SandboxEnvironment):
    """The sandbox of one sample."""

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
        """Return the configuration, given its fields in a log."""
        return PtbSandboxConfig.model_validate(config)

    @classmethod
    async def task_init(cls, task_name: str, config: SandboxEnvironmentConfigType | None) -> None:
        """Check that the backend isolates on this machine.

        Raises:
            InputError: it does not.
        """
        await anyio.to_thread.run_sync(_backend(config).check)

    @classmethod
    async def sample_init(
        cls, task_name: str, config: SandboxEnvironmentConfigType | None, metadata: dict[str, str]
    ) -> dict[str, SandboxEnvironment]:
        """Return a sandbox with an empty working directory."""
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

    @override
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
        if user is not None:
            raise SandboxUserUnsupportedError(f"A `ptb` sandbox has only one user; it cannot run commands as {user!r}.")
        limit = SandboxEnvironmentLimits.MAX_EXEC_OUTPUT_SIZE
        code, output, errors = await self._run(cmd, input, cwd, env or {}, timeout, limit)
        return ExecResult(code == 0, code, output.decode(errors="replace"), errors.decode(errors="replace"))

    @override
    async def write_file(self, file: str, contents: str | bytes) -> None:
        await self._file(WRITE, file, contents)

    @overload
    async def read_file(self, file: str, text: Literal[True] = True) -> str: ...

    @overload
    async def read_file(self, file: str, text: Literal[False]) -> bytes: ...

    @override
    async def read_file(self, file: str, text: bool = True) -> str | bytes:
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
        stdin: str | bytes | None,
        cwd: str | None,
        env: Mapping[str, str],
        timeout: float | None,
        limit: int,
    ) -> tuple[int, bytes, bytes]:
        """Run a command in a new sandbox. Return exit code, standard output and standard error."""
        workdir = posixpath.join(self.workdir, cwd or "")
        data = stdin.encode() if isinstance(stdin, str) else stdin or b""

        def run() -> tuple[int, bytes, bytes]:
            process = self.sandbox.start(cmd, self.mounts, {**self.environment, **env}, workdir, limits=LIMITS)
            return _communicate(process, data, timeout, limit)

        async with concurrency("ptb-sandbox", PARALLEL):
            return await anyio.to_thread.run_sync(run, abandon_on_cancel=False)


def _backend(config: SandboxEnvironmentConfigType | None) -> Sandbox:
    """Load the backend that a task configures.

    Raises:
        InputError: the configuration has another type.
    """
    if config is not None and not isinstance(config, PtbSandboxConfig):
        raise InputError("The configuration of a `ptb` sandbox must be a PtbSandboxConfig or None.")
    chosen = config or PtbSandboxConfig()
    return load_sandbox(chosen.backend, chosen.image)


def _communicate(process: SandboxProcess, stdin: bytes, timeout: float | None, limit: int) -> tuple[int, bytes, bytes]:
    """Write a command's standard input and read its output. The command is dead on return.

    Raises:
        TimeoutError: the command exceeded `timeout` seconds.
        OutputLimitExceededError: the command printed more than `limit` bytes.
    """
    output: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    too_long = threading.Event()

    def read(name: str, stream: IO[bytes]) -> None:
        while chunk := os.read(stream.fileno(), CHUNK):
            if len(output[name]) + len(chunk) > limit and not too_long.is_set():
                too_long.set()
                threading.Thread(target=process.kill, args=(0,)).start()
            if not too_long.is_set():
                output[name] += chunk

    def feed(stream: IO[bytes]) -> None:
        try:
            stream.write(stdin)
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
        raise TimeoutError("The command exceeded its time limit.") from None
    finally:
        process.kill(0)
        for thread in threads:
            thread.join()
    if too_long.is_set():
        raise OutputLimitExceededError(f"{limit} bytes", bytes(output["stdout"]).decode(errors="replace"))
    return popen.returncode, bytes(output["stdout"]), bytes(output["stderr"])
