"""The small image, built with podman from Debian's packages, checked and used. Takes two to three minutes.

What is not built here: the full image, which needs CUDA's base image and some 30 GB, and Apptainer's.
"""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from container_engines import backend, small_root
from posttrainbench.images.pins import load_variant
from posttrainbench.records import Status
from posttrainbench.run.prepare import RunRequest, create_run
from support import agent, command, printed, ptb, settle

pytestmark = pytest.mark.sandbox

BASE, IMAGE = "localhost/ptb-test-base:1", "localhost/ptb-test-small:1"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Debian's smallest root, as an image."""
    backend("podman")
    if shutil.which("debootstrap") is None:
        subprocess.run(["apt-get", "install", "--yes", "debootstrap"], capture_output=True, check=False, timeout=240)
    if shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is missing, and could not be installed")
    root = tmp_path_factory.mktemp("debian") / "root"
    words = ["debootstrap", "--variant=minbase", "bookworm", root]
    made = subprocess.run(words, capture_output=True, text=True, check=False, timeout=400)
    if made.returncode != 0:
        pytest.skip(f"Debian's packages cannot be had here: {made.stdout[-200:]}")
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
        subprocess.run(["podman", "import", "-", BASE], stdin=tar.stdout, check=True, capture_output=True)
    shutil.rmtree(root)
    return BASE


def here() -> list[str]:
    """Return podman options with which a build uses the same package indexes as `pip` on this machine."""
    options = ["--network", "host", "--pull=never"]
    certificates = os.environ.get("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt")
    if Path(certificates).is_file():
        options += ["--volume", f"{certificates}:/etc/host-certificates.crt:ro"]
        for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "PIP_CERT"):
            options += ["--env", f"{name}=/etc/host-certificates.crt"]
    wheels = Path(os.environ.get("PIP_FIND_LINKS") or "/nonexistent")
    if list(wheels.glob("torch-*+cpu-cp311-*.whl")):
        options += ["--build-arg", "TORCH_BACKEND=", "--volume", f"{wheels}:{wheels}:ro"]
        return [*options, "--env", f"UV_FIND_LINKS={wheels}"]
    try:
        socket.create_connection(("download.pytorch.org", 443), 10).close()
    except OSError:
        pytest.skip("no build of torch for CPUs can be had here")
    return options


@pytest.fixture(scope="module")
def image(base: str) -> str:
    words = command("image", "build", "--variant", "small", "--base", base, "--tag", IMAGE, "--", *here())
    built = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=800)
    assert built.returncode == 0, built.stderr[-2000:]
    assert built.stdout == ""
    return IMAGE


@pytest.mark.training
def test_built_image_has_every_pin_and_evaluates(image: str) -> None:
    said = ptb("image", "check", image, "--variant", "small", "--json")
    rows = json.loads(said.stdout)
    assert [row for row in rows if not row["ok"]] == []
    assert said.returncode == 0
    variant = load_variant("small")
    names = {"python", "evaluate.py", *variant.python_packages(), *(one.command for one in variant.programs())}
    assert {row["what"] for row in rows} == names
    said = ptb("image", "check", image, "--variant", "full", "--json")
    assert said.returncode == 1
    missing = {row["what"] for row in json.loads(said.stdout) if not row["ok"]}
    assert {"vllm", "trl", "claude", "codex", "opencode"} <= missing
    assert "torch" not in missing


def test_image_labels(image: str) -> None:
    said = subprocess.run(
        ["podman", "image", "inspect", "--format", "{{json .Labels}}", image],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(said.stdout)["org.posttrainbench.variant"] == "small"


@pytest.mark.training
@pytest.mark.usefixtures("short_evaluations")
def test_agent_works_in_the_image(image: str, tmp_path: Path) -> None:
    source = """
import platform
import torch, transformers
print(platform.freedesktop_os_release()["ID"], platform.python_version(), torch.__version__)
done = subprocess.run(["gemini", "--version"], capture_output=True, text=True)
print(done.stdout.strip())
command = ["python3", f"{task['kit']}/evaluate.py", "--model-path", task["base_model"], "--limit", "2"]
print(subprocess.run(command, capture_output=True, text=True).stdout.strip())
shutil.copytree(base, final)
"""
    request = RunRequest(agent(tmp_path, source), "micro-base", "micro-math", budget=200, sandbox="podman", image=image)
    run = create_run(request, tmp_path / "run")
    result = settle(run)
    assert result.status is Status.SCORED, result.reasons
    system, gemini, evaluated = printed(run)
    assert system.startswith("debian 3.11.")
    assert gemini == next(one.version for one in load_variant("small").programs())
    assert json.loads(evaluated)["accuracy"] == 0.0
    assert run.spec.image == image


SEALED = """
id: sealed-micro
title: A sealed suite
models: [micro-base]
benchmarks: [micro-math]
budget: 100
gpus: 0
rules: v1
required: []
evaluation_seeds: [0]
tries: [1]
engine: transformers
threads: 1
feedback: sealed
sealed_evaluations: 1
"""


@pytest.mark.training
def test_evaluator_of_a_sealed_suite_is_reached_from_the_image(
    image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container's user differs from the host's and must still reach its socket."""
    (tmp_path / "catalog" / "suites").mkdir(parents=True)
    (tmp_path / "catalog" / "suites" / "sealed-micro.yaml").write_text(SEALED)
    monkeypatch.setenv("PTB_CATALOG", str(tmp_path / "catalog"))
    source = """
shutil.copytree(base, final)
command = ["python3", f"{task['kit']}/evaluate.py", "--model-path", "final_model"]
done = subprocess.run(command, capture_output=True, text=True)
print(done.returncode, done.stdout.strip() or done.stderr)
"""
    request = RunRequest(
        *(agent(tmp_path, source), "micro-base", "micro-math", "sealed-micro"), sandbox="podman", image=image
    )
    run = create_run(request, tmp_path / "run")
    result = settle(run)
    [said] = printed(run)
    assert json.loads(said.removeprefix("0 ")) == {"accuracy": result.raw_score, "items": 200, "left": 0}


def test_image_without_the_pins_fails_the_check(
    tmp_path: Path, ptb_here: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    """A root with only a Python, in bubblewrap."""
    root = small_root(tmp_path / "root")
    said = ptb_here("image", "check", root, "--sandbox", "bubblewrap", "--variant", "small", "--json")
    assert said.returncode == 1
    rows = {row["what"]: row for row in json.loads(said.stdout)}
    assert rows["torch"] == {"what": "torch", "wanted": rows["torch"]["wanted"], "found": None, "ok": False}
    assert not rows["gemini"]["ok"]
    assert not rows["evaluate.py"]["ok"]
