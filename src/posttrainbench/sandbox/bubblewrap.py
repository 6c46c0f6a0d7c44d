"""The embedded default: unprivileged Linux namespaces by bubblewrap.

Covers: own user, pid, mount, ipc, uts, cgroup and network namespaces (no network at all, not even the host's
loopback); a root file system that holds only `/usr`, a few files of `/etc`, this Python environment (all read-only)
and the mounts of the run; no capabilities, no nested user namespaces, an empty environment; the whole tree dies with
the orchestrator.

Does not cover: limits on memory, processes and disk; GPU devices; kernel bugs.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, Literal

import psutil

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.sandbox.base import Mount
from posttrainbench.sandbox.tree import end, signal_tree

ETC = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "localtime",
    "ssl/certs",
    "ssl/openssl.cnf",
    "mime.types",
)
ISOLATION = """
    --unshare-all --unshare-user --uid 1000 --gid 1000 --cap-drop ALL --disable-userns
    --die-with-parent --new-session --clearenv --hostname sandbox
""".split()
INSTALL = "install it (Debian and Ubuntu: `apt install bubblewrap`; Fedora: `dnf install bubblewrap`)"


class BubblewrapProcess:
    """A command under bubblewrap.

    Attributes:
        init: pid 1 of the command's pid namespace as the host sees it: when it is gone, so is everything inside.
    """

    def __init__(self, popen: subprocess.Popen[bytes], status: IO[str]) -> None:
        self.popen = popen
        self.status = status
        self.init = _init(status.readline())

    def kill(self, grace: float) -> None:
        """See `SandboxProcess.kill`. The kernel kills all of a pid namespace with its init, so nothing escapes."""
        if self.init is not None:
            if grace > 0 and self.popen.poll() is None:
                signal_tree(self.init, grace=grace)
            end(self.init)
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()

    def broke(self) -> bool:
        """See `SandboxProcess.broke`: bubblewrap tells the exit code only of a command that it could start."""
        with self.status:
            return "exit-code" not in self.status.read()


class Bubblewrap:
    """The backend `bubblewrap`."""

    name = "bubblewrap"
    isolation: Literal["namespaces"] = "namespaces"
    network: Literal["none"] = "none"

    def check(self) -> None:
        """See `Sandbox.check`."""
        if shutil.which("bwrap") is None:
            raise InputError(
                f"bubblewrap (`bwrap`) is missing; {INSTALL}, or run without isolation: --insecure-no-sandbox."
            )
        try:
            process = self.start(["/usr/bin/true"], [], {}, "/")
            _, errors = process.popen.communicate(timeout=30)
            process.kill(0)
        except (InfrastructureError, subprocess.TimeoutExpired) as error:
            raise InputError(f"bubblewrap does not work here: {error}") from None
        if process.popen.returncode != 0:
            said = errors.decode(errors="replace").strip() or f"exit code {process.popen.returncode}"
            raise InputError(
                f"bubblewrap does not work here ({said}); it must be version 0.8 or newer and the kernel must allow "
                "user namespaces (`sysctl kernel.unprivileged_userns_clone=1`, on Ubuntu also "
                "`kernel.apparmor_restrict_unprivileged_userns=0`)."
            )

    def locate(self, mount: Mount) -> str:
        """See `Sandbox.locate`."""
        return f"/{mount.role}"

    def start(
        self, argv: list[str], mounts: list[Mount], environment: dict[str, str], workdir: str
    ) -> BubblewrapProcess:
        """See `Sandbox.start`."""
        read, write = os.pipe()
        options = [*ISOLATION, "--json-status-fd", str(write), *_system(), "--proc", "/proc", "--dev", "/dev"]
        options += ["--tmpfs", "/tmp"]  # noqa: S108  (the sandbox's own)
        for mount in mounts:
            options += ["--bind" if mount.writable else "--ro-bind", str(mount.source), self.locate(mount)]
        options += _python()  # last, since it may lie below a mount, such as /tmp
        for name, value in environment.items():
            options += ["--setenv", name, value]
        options += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", workdir]
        # Variables and arguments of bubblewrap can be read inside, in /proc/1: no variable of the host's may be among
        # them, and the arguments, which name host paths, go through a descriptor.
        listed = os.memfd_create("options")
        os.write(listed, b"".join(option.encode() + b"\0" for option in options))
        os.lseek(listed, 0, os.SEEK_SET)
        try:
            popen = subprocess.Popen(
                [shutil.which("bwrap") or "bwrap", "--args", str(listed), "--", *argv],
                env={},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[write, listed],
                start_new_session=True,  # Ctrl-C reaches the orchestrator alone, which ends the tree in order
            )
        except OSError as error:
            os.close(read)
            raise InfrastructureError("sandbox_failed", f"bubblewrap could not be started: {error}") from None
        finally:
            os.close(write)
            os.close(listed)
        return BubblewrapProcess(popen, os.fdopen(read))


def _init(told: str) -> psutil.Process | None:
    """The namespace's init from what bubblewrap told; None where it failed or has already ended."""
    try:
        return psutil.Process(json.loads(told)["child-pid"])
    except (ValueError, KeyError, psutil.NoSuchProcess):
        return None


def _system() -> list[str]:
    """The system's programs and libraries, read-only, and nothing of anybody's home."""
    options = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/", name)
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            options += ["--ro-bind", str(path), str(path)]
    for name in ETC:
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return options


def _python() -> list[str]:
    """This Python environment, read-only, at its own place."""
    options = []
    for prefix in dict.fromkeys((sys.base_prefix, sys.prefix)):
        if not Path(prefix).is_relative_to("/usr"):
            options += ["--ro-bind", prefix, prefix]
    return options
