"""`ptb doctor`."""

import importlib.util
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.cli.places import complete_suites
from posttrainbench.errors import InfrastructureError, InputError

if TYPE_CHECKING:
    from posttrainbench.run.preflight import CheckResult

KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "HF_TOKEN")
FREE_BYTES = 2**30
STATE_WIDTH = len("missing ")
AGENT = "recipe-noop"
"""Agent of the checks of a suite; it needs no program and no key."""
OF_A_RUN = ("task", "agent", "agent needs", "seed", "output", "kit and prompt", "limits")
"""Checks of `ptb run` that say nothing about the machine and the suite."""
PULL = re.compile(r"(?:run|and) `ptb data pull ([^`\s]+)( --weights)?`")
"""Advice in a problem: what to pull, and whether with weights."""


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        name: subject of the check.
        state: `missing` makes the command fail, `note` does not.
        found: what is on this machine.
        fix: how to fix it; "" for nothing to do.
    """

    name: str
    state: Literal["ok", "note", "missing"]
    found: str
    fix: str = ""


def doctor(
    suite: Annotated[
        str | None,
        typer.Option(
            help="Check what would keep this machine from running this suite.",
            show_default=False,
            autocompletion=complete_suites,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Check this machine for everything that `ptb run` needs, and show how to fix what is missing.

    With --suite, make the checks of `ptb run --dry-run` for every base model and benchmark of the suite.

    Exit codes: 0 `ptb run` works on this machine, 1 something is missing.

    Example:  [bold]ptb doctor[/bold]
    """
    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.report.layout import Paragraph

    with Console(stderr=True).status("checking this machine" if suite is None else f"checking the runs of {suite}"):
        checks = [check() for check in CHECKS] if suite is None else _of_suite(suite)
    following = "ptb demo --quick" if suite is None else f"ptb launch --suite {suite} --agent AGENT --dry-run"
    if json:
        print_json([{"name": c.name, "state": c.state, "found": c.found, "fix": c.fix} for c in checks])
    else:
        style = {"ok": "green", "note": "yellow", "missing": "red"}
        console = Console(highlight=False)
        indent = STATE_WIDTH + 2 + max(len(check.name) for check in checks)
        for check in checks:
            head = Text.assemble((f"{check.state:<8}", style[check.state]), check.name)
            text = Text.assemble(check.found, ": " if check.found and check.fix else "", (check.fix, "bold"))
            console.print(Paragraph(text, indent, head), soft_wrap=True)
        if not any(check.state == "missing" for check in checks):
            console.print(f"\n  Next: {following}", markup=False, highlight=False)
    if any(check.state == "missing" for check in checks):
        raise typer.Exit(1)


def _of_suite(name: str) -> list[Check]:
    """Return the checks of all runs of a suite, without those of an agent; each distinct result once."""
    from posttrainbench import catalog
    from posttrainbench.run.prepare import check_request
    from posttrainbench.run.request import RunRequest

    suite = catalog.find(catalog.suites(), name, "suite")
    cells = [(model, benchmark) for model in suite.models for benchmark in suite.benchmarks]
    requests = [RunRequest(AGENT, model, benchmark, suite.id) for model, benchmark in cells]
    results = dict.fromkeys(result for request in requests for result in check_request(request, None))
    checks, pulls = [*_training(name)], _pulls(results)
    if len(pulls) > 1:
        weights = " --weights" if any(pulls.values()) else ""
        absent = f"{', '.join(pulls)} are not complete on this machine"
        checks.append(Check("data and models", "missing", absent, f"run `ptb data pull {name}{weights}`."))
    for check in dict.fromkeys(result.name for result in results if result.name not in OF_A_RUN):
        problems = [result.text for result in results if (result.name, result.state) == (check, "problem")]
        if len(pulls) > 1:
            combined = [text for text in problems if PULL.search(text)]
            problems = [text for text in problems if text not in combined]
            if combined and not problems:
                continue  # the line above says it
        found = [result.text for result in results if (result.name, result.state) == (check, "ok")]
        checks += [Check(check, "missing", "", text) for text in problems]
        if found and not problems:
            checks.append(Check(check, "ok", found[0] if len(found) == 1 else f"{len(found)} checked"))
    return checks


def _pulls(results: "Iterable[CheckResult]") -> dict[str, bool]:
    """Return the names that problems advise to pull, and whether with weights."""
    found: dict[str, bool] = {}
    for result in results:
        if result.state == "problem" and (advice := PULL.search(result.text)):
            found[advice[1]] = found.get(advice[1], False) or advice[2] is not None
    return found


def _training(suite: str) -> Iterator[Check]:
    """Yield a note for each shipped recipe of a suite, `recipe-...-SUITE`, that lacks packages on this machine."""
    from posttrainbench import catalog
    from posttrainbench.agents.recipe import missing_packages

    for agent in catalog.agents().values():
        missing = missing_packages(agent.settings.get("script", ""))
        if missing and agent.scaffold == "recipe" and agent.id.endswith(f"-{suite}"):
            text = f"{agent.id} needs {' and '.join(missing)} in the sandbox (an image may have them)"
            yield Check("training", "note", text, "pip install 'posttrainbench[training]'")


def _python() -> Check:
    found = f"{platform.python_version()} at {sys.executable}"
    return Check("Python", "ok" if sys.version_info >= (3, 11) else "missing", found)


def _libraries() -> Check:
    wanted = ("torch", "transformers", "inspect_ai", "openai", "starlette", "uvicorn")
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        return Check("libraries", "missing", f"missing: {', '.join(missing)}", "pip install 'posttrainbench[local]'")
    return Check("libraries", "ok", ", ".join(f"{name} {version(name)}" for name in wanted[:3]))


def _sandbox() -> Check:
    from posttrainbench.sandbox import load_sandbox

    try:
        load_sandbox("bubblewrap").check()
    except (InputError, InfrastructureError) as error:
        return Check("sandbox", "missing", "bubblewrap", str(error))
    return Check("sandbox", "ok", "bubblewrap works: isolated namespaces, no network")


def _provenance() -> Check:
    from posttrainbench.sandbox import load_sandbox
    from posttrainbench.sandbox.provenance.launch import recording_available

    engines = [name for name in ("podman", "docker") if shutil.which(name) is not None]
    found = {name: recording_available(load_sandbox(name)) for name in ("bubblewrap", *engines)}
    able = ", ".join(name for name, each in found.items() if each.works)
    unable = "; ".join(f"{name} ({_first_sentence(each.reason)})" for name, each in found.items() if not each.works)
    text = f"file provenance can be recorded in {able}" if able else "file provenance cannot be recorded"
    if found["bubblewrap"].works:
        return Check("provenance", "ok", f"{text}; not in {unable}" if unable else text)
    return Check("provenance", "note", text, unable)


def _first_sentence(text: str) -> str:
    """Return the first sentence of a message of another program, without its full stop."""
    return re.split(r"[.?!](?:\s|$)", " ".join(text.split()), maxsplit=1)[0]


def _gpu() -> Check:
    cards = sorted(Path("/dev").glob("nvidia[0-9]*"))
    if cards:
        return Check("GPU", "ok", f"{len(cards)} NVIDIA device(s)")
    return Check("GPU", "note", "none; the micro suite does not need one")


def _disk() -> Check:
    disk = shutil.disk_usage(Path.cwd())
    found = f"{disk.free / 2**30:.1f} GiB free here"
    if disk.free < FREE_BYTES:
        return Check("disk", "missing", found, "free some space: runs are written to the current directory")
    return Check("disk", "ok", found)


def _keys() -> Check:
    present = [key for key in KEYS if os.environ.get(key)]
    if present:
        return Check("keys", "ok", f"set: {', '.join(present)} (not visible in sandboxes)")
    return Check("keys", "note", "none set; recipe agents do not need one")


def _data() -> Check:
    from posttrainbench import catalog
    from posttrainbench.evaluation.items import load_items

    suite = catalog.suites()["micro"]
    try:
        counts = {name: len(load_items(catalog.benchmarks()[name], "test")) for name in suite.benchmarks}
    except InfrastructureError as error:
        return Check("data", "missing", str(error), "reinstall posttrainbench")
    models = [each for base in catalog.base_models(suite) for each in (base, catalog.instruct_of(base))]
    absent = [model.id for model in models if not (model.directory / "model.safetensors").is_file()]
    if absent:
        return Check("data", "missing", f"weights are missing: {', '.join(absent)}", "reinstall posttrainbench")
    return Check("data", "ok", ", ".join(f"{name} {count} items" for name, count in counts.items()))


CHECKS: list[Callable[[], Check]] = [_python, _libraries, _sandbox, _provenance, _gpu, _disk, _keys, _data]
