"""Check an image as a run uses it: in a sandbox, without network, with a read-only root."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.agents.programs import Program
from posttrainbench.errors import InfrastructureError
from posttrainbench.images import probe
from posttrainbench.images.pins import Variant, VariantName, load_variant
from posttrainbench.run.prepare import create_run, kit_files, run_mounts, task
from posttrainbench.run.request import RunRequest
from posttrainbench.sandbox import Mount, Sandbox, load_sandbox

MODEL, BENCHMARK = "micro-base", "micro-math"
ITEMS = 2
SECONDS = 900.0
PATH = "/usr/local/bin:/usr/bin:/bin"
"""`PATH` in a run's sandbox."""


@dataclass(frozen=True)
class ComponentCheck:
    """The check of one component of an image.

    Attributes:
        name: the component, such as `torch` or `codex`.
        expected: its version, or the expected result.
        actual: version or result in the image; None if the component is missing.
        ok: True if the check passed.
    """

    name: str
    expected: str
    actual: str | None
    ok: bool


def check_image(image: str, backend: str, name: VariantName) -> list[ComponentCheck]:
    """Check the versions of everything that a variant pins, and run a kit's `evaluate.py` on the micro model.

    Args:
        image: image as in `ptb run --image`.
        backend: sandbox backend to start it in.
        name: the expected variant.

    Raises:
        InputError: the backend or the image is missing.
        InfrastructureError: the sandbox failed.
    """
    variant = load_variant(name)
    sandbox = load_sandbox(backend, image)
    sandbox.check()
    with tempfile.TemporaryDirectory(prefix="ptb-image-") as scratch:
        folder = Path(scratch)
        return [*_pins(sandbox, variant, folder), _kit(sandbox, image, folder)]


def _pins(sandbox: Sandbox, variant: Variant, folder: Path) -> list[ComponentCheck]:
    environments = {"python3": variant.python_packages()}
    environments |= {f"/opt/{name}/bin/python": packages for name, packages in variant.separate.items()}
    programs = variant.programs()
    query = {
        "packages": {interpreter: list(packages) for interpreter, packages in environments.items()},
        "commands": {program.command: program.package for program in programs},
    }
    mount = Mount("run/ptb/probe.py", Path(probe.__file__))
    _, out, errors = _run(sandbox, folder, [sandbox.locate(mount), json.dumps(query)], [mount])
    try:
        versions = json.loads(out)
    except ValueError:
        raise InfrastructureError("sandbox_failed", f"The image cannot run a Python program: {errors[-300:]}") from None
    python = versions["python"]
    results = [ComponentCheck("python", variant.python, python, python.startswith(f"{variant.python}."))]
    for interpreter, packages in environments.items():
        for package, version in packages.items():
            installed = versions["packages"][interpreter][package]
            same = installed is not None and installed.split("+")[0] == version  # torch appends "+BUILD"
            results.append(ComponentCheck(package, version, installed, same))
    return [*results, *(_command(program, *versions["commands"][program.command]) for program in programs)]


def _command(program: Program, version: str | None, output: str) -> ComponentCheck:
    """Check that a command line has the pinned version and starts."""
    if version == program.version and program.version not in output:
        return ComponentCheck(program.command, program.version, f"{version}, but it does not start", False)
    return ComponentCheck(program.command, program.version, version, version == program.version)


def _kit(sandbox: Sandbox, image: str, folder: Path) -> ComponentCheck:
    run = create_run(RunRequest("recipe-noop", MODEL, BENCHMARK, sandbox=sandbox.name, image=image), folder / "run")
    kit = folder / "kit"
    for name, content in kit_files(run.spec, run.root).items():
        (kit / name).parent.mkdir(parents=True, exist_ok=True)
        (kit / name).write_bytes(content)
    models = [mount for role, mount in run_mounts(run.root, MODEL).items() if role.startswith("models/")]
    mounts = [Mount("kit", kit), *models]
    model = task(run.spec, run.root).base_model
    argv = [f"{sandbox.locate(mounts[0])}/evaluate.py", "--model-path", model, "--limit", str(ITEMS)]
    code, out, errors = _run(sandbox, folder, argv, mounts)
    expected = f"evaluates {MODEL}"
    if code == 0 and out.strip().startswith('{"accuracy": '):
        return ComponentCheck("evaluate.py", expected, out.strip(), True)
    reason = next(iter(reversed(errors.strip().splitlines())), f"it exited with code {code}")
    return ComponentCheck("evaluate.py", expected, reason[:200], False)


def _run(sandbox: Sandbox, folder: Path, argv: list[str], mounts: list[Mount]) -> tuple[int, str, str]:
    """Run the image's Python as an agent would. Return exit code, standard output and standard error."""
    workspace = folder / "workspace"
    (workspace / ".home").mkdir(parents=True, exist_ok=True)
    mount = Mount("workspace", workspace, writable=True)
    workdir = sandbox.locate(mount)
    environment = {"PATH": PATH, "HOME": f"{workdir}/.home", "LANG": "C.UTF-8", "HF_HUB_OFFLINE": "1"}
    process = sandbox.start([sandbox.python, *argv], [mount, *mounts], environment, workdir)
    try:
        out, errors = process.popen.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise InfrastructureError("sandbox_failed", f"The image did not respond within {SECONDS:g} s.") from None
    finally:
        process.kill(0)
    return process.popen.returncode, out.decode(errors="replace"), errors.decode(errors="replace")
