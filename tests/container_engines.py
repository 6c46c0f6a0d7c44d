"""Podman and docker with separate storage for tests, and a small image; all removed after the session.

They are installed where that is possible; `engine` skips with the reason where it is not.
"""

import atexit
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from functools import cache
from pathlib import Path

import pytest

from posttrainbench.errors import InputError
from posttrainbench.sandbox import Sandbox
from posttrainbench.sandbox.bubblewrap import Bubblewrap
from posttrainbench.sandbox.containers import Docker, Podman
from posttrainbench.sandbox.process import Process

PACKAGES = {"podman": ["podman", "runc"], "docker": ["docker.io"]}
PROGRAMS = {"podman": "podman", "docker": "dockerd"}
KINDS = {"bubblewrap": Bubblewrap, "podman": Podman, "docker": Docker, "process": Process}
ISOLATING = ["bubblewrap", "podman", "docker"]
CONTAINERS_CONF = '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\n'
"""Without systemd, podman's own defaults do not work."""


def backend(name: str, image: str | None = None) -> Sandbox:
    """Return a backend; skip the test if it does not work on this machine."""
    reason = _why_not(name)
    if reason is not None:
        pytest.skip(f"{name} cannot be used here: {reason}")
    return KINDS[name](image)


@cache
def _why_not(name: str) -> str | None:
    """Install and start an engine. Return why that failed, or None."""
    if name == "process":
        return None
    if name in PACKAGES:
        if os.geteuid() != 0:
            return "starting it takes root"
        if shutil.which(PROGRAMS[name]) is None:
            _install(PACKAGES[name])
        if shutil.which(PROGRAMS[name]) is None:
            return f"{PROGRAMS[name]} is missing, and could not be installed"
        _start_podman() if name == "podman" else _start_docker()
    try:
        KINDS[name]().check()
    except InputError as error:
        return str(error)
    return None


def _install(packages: list[str]) -> None:
    if shutil.which("apt-get") is not None:
        command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(command, env=environment, capture_output=True, check=False, timeout=240)


def _start_podman() -> None:
    """Configure podman, which has no daemon, with temporary storage; child processes of the tests share it."""
    if Path("/run/systemd/system").exists() or "CONTAINERS_STORAGE_CONF" in os.environ:
        return
    folder = Path(tempfile.mkdtemp(prefix="ptb-podman-"))
    (folder / "containers.conf").write_text(CONTAINERS_CONF)
    lines = ["[storage]", 'driver = "overlay"', f'graphroot = "{folder}/storage"', f'runroot = "{folder}/run"']
    (folder / "storage.conf").write_text("\n".join(lines))
    os.environ["CONTAINERS_CONF"] = str(folder / "containers.conf")
    os.environ["CONTAINERS_STORAGE_CONF"] = str(folder / "storage.conf")

    atexit.register(_remove_later, 'podman rm --all --force; umount --recursive --lazy "$1/storage/overlay"', folder)


def _start_docker() -> None:
    """Start a docker daemon in the foreground, unless one is already running."""
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        return
    folder = Path(tempfile.mkdtemp(prefix="ptb-docker-"))
    words = ["--iptables=false", "--ip6tables=false", "--bridge=none", "--exec-opt", "native.cgroupdriver=cgroupfs"]
    words += ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "-p", f"{folder}/pid"]
    with (folder / "log").open("w") as log:
        daemon = subprocess.Popen(
            ["dockerd", *words, "-H", f"unix://{folder}/socket"], stdout=log, stderr=log, start_new_session=True
        )
    os.environ["DOCKER_HOST"] = f"unix://{folder}/socket"

    atexit.register(_remove_later, f'kill {daemon.pid}; sleep 20; umount --lazy "$1/data"', folder)
    for _ in range(300):
        if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)


def _remove_later(commands: str, folder: Path) -> None:
    """Remove a folder after some commands, in a process of its own: a worker is killed ten seconds after its end."""
    script = f'exec </dev/null >/dev/null 2>&1; {commands}; rm -rf "$1"'
    subprocess.Popen(["sh", "-c", script, "sh", folder], start_new_session=True)


def small_root(folder: Path) -> Path:
    """Create a root directory with a shell and a Python, copied from this machine."""
    for name in ("usr/bin", "usr/lib", "etc", "proc", "dev", "tmp", "run", "sys"):
        (folder / name).mkdir(parents=True)
    (folder / "etc" / "passwd").write_text("image:x:0:0::/:/bin/sh\n")
    for link in ("bin", "lib"):
        (folder / link).symlink_to(f"usr/{link}")
    python = Path(sys.base_prefix, "bin", f"python{sysconfig.get_python_version()}").resolve()
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    ignored = shutil.ignore_patterns("site-packages", "dist-packages", "test", "idlelib", "ensurepip", "__pycache__")
    shutil.copytree(library, folder / library.relative_to("/"), ignore=ignored, symlinks=True)
    programs = [python, *(Path("/usr/bin", name).resolve() for name in ("dash", "true", "id"))]
    modules = sorted((library / "lib-dynload").glob("*.so"))
    for path in {*programs, *_libraries([*programs, *modules])}:
        target = folder / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy(path, target)
    for name, target in (("sh", "dash"), ("python3", str(python))):
        (folder / "usr" / "bin" / name).symlink_to(target)
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    return folder


def _libraries(programs: list[Path]) -> set[Path]:
    """Return the shared libraries of programs, including the dynamic linker."""
    found = set()
    for program in programs:
        said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        found |= {Path(word) for line in said.splitlines() for word in line.split() if word.startswith("/")}
    return found
