"""Sandboxes with an image as root: its programs are visible, and the host's are not."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from container_engines import backend, small_root
from posttrainbench.errors import InputError
from posttrainbench.sandbox import Mount, load_sandbox
from posttrainbench.sandbox.checks import check_isolation

CODE = "import os; print(open('/etc/passwd').read().strip(), sorted(os.listdir('/usr/bin')), os.getcwd())"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_root(tmp_path_factory.mktemp("image") / "root")


@pytest.fixture(scope="module")
def image(root: Path) -> Callable[[str], str]:
    """Import the root as an image of an engine."""

    def make(name: str) -> str:
        backend(name)
        if name == "bubblewrap":
            return str(root)
        with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
            subprocess.run([name, "import", "-", "ptb-small:test"], stdin=tar.stdout, check=True, capture_output=True)
        return "ptb-small:test"

    return make


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ["bubblewrap", "podman", "docker"])
def test_image_is_the_root_and_isolates(name: str, image: Callable[[str], str], tmp_path: Path) -> None:
    sandbox = backend(name, image(name))
    sandbox.check()
    workspace = Mount("workspace", tmp_path, writable=True)
    argv = [sandbox.python, "-I", "-c", CODE]
    process = sandbox.start(argv, [workspace], {"PATH": "/usr/bin"}, "/workspace")
    out, errors = process.popen.communicate(timeout=60)
    process.kill(0)
    programs = sorted(["dash", "id", "python3", "sh", "true"])
    shown = out.decode()
    assert "image:x:0:0" in shown, errors.decode()
    assert set(programs) <= set(shown.split("[")[1].split("]")[0].replace("'", "").split(", "))
    assert "bash" not in shown
    assert shown.strip().endswith("/workspace")
    assert [one.name for one in check_isolation(sandbox) if not one.blocked] == []


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ["bubblewrap", "podman", "docker"])
def test_missing_image_is_refused(name: str) -> None:
    backend(name)
    with pytest.raises(InputError, match="no-such-image"):
        backend(name, "no-such-image").check()


def test_image_without_a_sandbox_is_refused() -> None:
    with pytest.raises(InputError, match="does not use images"):
        load_sandbox("process", "image")
