"""Checks an image as a run would use it: in a sandbox, without network, its root read-only."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from posttrainbench import catalog
from posttrainbench.agents.programs import Program
from posttrainbench.errors import InfrastructureError
from posttrainbench.images import probe
from posttrainbench.images.pins import Variant, VariantName, load_variant
from posttrainbench.run.prepare import Order, create_run, kit_files
from posttrainbench.sandbox import Mount, Sandbox, load_sandbox

MODEL, BENCHMARK = "micro-base", "micro-math"
ITEMS = 2
SECONDS = 900.0
PATH = "/usr/local/bin:/usr/bin:/bin"
"""Of a run's sandbox."""


@dataclass(frozen=True)
class Checked:
    """One thing that an image must have.

    Attributes:
        what: such as `torch` or `codex`.
        wanted: its version, or what it must do.
        found: the image's; None where there is none.
    """

    what: str
    wanted: str
    found: str | None
    ok: bool


def check_image(image: str, backend: str, name: VariantName) -> list[Checked]:
    """Look for everything that a variant pins, and run `evaluate.py` of a kit on the micro model.

    Args:
        image: as `--image` of `ptb run` takes it.
        backend: the sandbox that it is for.
        name: the variant that it should be.

    Raises:
        InputError: the backend or the image is not there.
        InfrastructureError: the sandbox failed.
    """
    variant = load_variant(name)
    sandbox = load_sandbox(backend, image)
    sandbox.check()
    with tempfile.TemporaryDirectory(prefix="ptb-image-") as place:
        folder = Path(place)
        return [*_pins(sandbox, variant, folder), _kit(sandbox, image, folder)]


def _pins(sandbox: Sandbox, variant: Variant, folder: Path) -> list[Checked]:
    environments = {"python3": variant.python_packages()}
    environments |= {f"/opt/{name}/bin/python": packages for name, packages in variant.apart.items()}
    programs = variant.programs()
    wanted = {
        "packages": {interpreter: list(packages) for interpreter, packages in environments.items()},
        "commands": {program.command: program.package for program in programs},
    }
    mount = Mount("run/ptb/probe.py", Path(probe.__file__))
    _, out, errors = _run(sandbox, folder, [sandbox.locate(mount), json.dumps(wanted)], [mount])
    try:
        found = json.loads(out)
    except ValueError:
        raise InfrastructureError("sandbox_failed", f"Nothing can be run in the image: {errors[-300:]}") from None
    python = found["python"]
    checked = [Checked("python", variant.python, python, python.startswith(f"{variant.python}."))]
    for interpreter, packages in environments.items():
        for package, version in packages.items():
            there = found["packages"][interpreter][package]
            same = there is not None and there.split("+")[0] == version  # torch names its build behind a plus
            checked.append(Checked(package, version, there, same))
    return [*checked, *(_command(program, *found["commands"][program.command]) for program in programs)]


def _command(program: Program, version: str | None, said: str) -> Checked:
    """A command line must be the pinned one, and start."""
    if version == program.version and program.version not in said:
        return Checked(program.command, program.version, f"{version}, but it does not start", False)
    return Checked(program.command, program.version, version, version == program.version)


def _kit(sandbox: Sandbox, image: str, folder: Path) -> Checked:
    run = create_run(Order("recipe-noop", MODEL, BENCHMARK, sandbox=sandbox.name, image=image), folder / "run")
    kit = folder / "kit"
    for name, content in kit_files(run.spec, run.root).items():
        (kit / name).parent.mkdir(parents=True, exist_ok=True)
        (kit / name).write_bytes(content)
    model = Mount("model", catalog.find(catalog.models(), MODEL, "model").directory)
    shown = [Mount("kit", kit), model]
    words = [f"{sandbox.locate(shown[0])}/evaluate.py", "--model-path", sandbox.locate(model), "--limit", str(ITEMS)]
    code, out, errors = _run(sandbox, folder, words, shown)
    wanted = f"evaluates {MODEL}"
    if code == 0 and out.strip().startswith('{"accuracy": '):
        return Checked("evaluate.py", wanted, out.strip(), True)
    reason = next(iter(reversed(errors.strip().splitlines())), f"it ended with {code}")
    return Checked("evaluate.py", wanted, reason[:200], False)


def _run(sandbox: Sandbox, folder: Path, words: list[str], shown: list[Mount]) -> tuple[int, str, str]:
    """Run the image's Python as an agent would; its exit code and output."""
    workspace = folder / "workspace"
    (workspace / ".home").mkdir(parents=True, exist_ok=True)
    mount = Mount("workspace", workspace, writable=True)
    seen = sandbox.locate(mount)
    environment = {"PATH": PATH, "HOME": f"{seen}/.home", "LANG": "C.UTF-8", "HF_HUB_OFFLINE": "1"}
    process = sandbox.start([sandbox.python, *words], [mount, *shown], environment, seen)
    try:
        out, errors = process.popen.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise InfrastructureError("sandbox_failed", f"The image answered nothing in {SECONDS:g} s.") from None
    finally:
        process.kill(0)
    return process.popen.returncode, out.decode(errors="replace"), errors.decode(errors="replace")
