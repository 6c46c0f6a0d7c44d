"""Mounts: a run's own socket, and files that both sides write."""

import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from container_engines import ISOLATING, backend
from posttrainbench.sandbox import Mount

CONNECT = """
import socket
one = socket.socket(socket.AF_UNIX)
one.connect("/run/ptb/gateway.sock")
print(one.recv(100).decode())
"""
WRITE = """
import os, pathlib
pathlib.Path("made").write_text("x")
os.mkdir("folder", 0o700)
pathlib.Path("folder/inner").write_text("x")
os.chmod("folder/inner", 0)
print(pathlib.Path("there").read_text())
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Path]:
    """A socket with permissions for only its owner, and a server that sends a greeting."""
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()

        def answer() -> None:
            one, _ = listener.accept()
            one.sendall(b"hello")
            one.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield path
        thread.join(10)


def run(name: str, code: str, mounts: list[Mount], workdir: str) -> str:
    process = backend(name).start([sys.executable, "-I", "-c", code], mounts, {"PATH": "/usr/bin:/bin"}, workdir)
    out, errors = process.popen.communicate(timeout=60)
    process.kill(0)
    assert process.popen.returncode == 0, errors.decode()
    return out.decode().strip()


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ISOLATING)
def test_socket_of_the_run_is_reached(name: str, gateway: Path) -> None:
    assert run(name, CONNECT, [Mount("run/ptb/gateway.sock", gateway, writable=True)], "/") == "hello"


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ISOLATING)
def test_workspace_is_written_inside_and_read_outside(name: str, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir(mode=0o700)
    (workspace / "there").write_text("from the host")
    (workspace / "there").chmod(0o600)
    assert run(name, WRITE, [Mount("workspace", workspace, writable=True)], "/workspace") == "from the host"
    inner = workspace / "folder" / "inner"
    inner.chmod(0o600)
    assert inner.read_text() == "x"
    os.link(inner, tmp_path / "kept")
