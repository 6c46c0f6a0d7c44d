"""Write a suite as tasks of Harbor: one directory for each base model and benchmark.

Harbor starts the agent in a container that it builds from `environment/`, and the verifier in another one, which it
builds from `tests/` after the agent's container has ended. The agent's container has the kit, the base model and the
workspace; the verifier's has this package, the description of the run and a copy of the workspace.

Covers: the prompt, the kit with its evaluation, the time limit, and a verifier that collects, audits, evaluates and
settles as `ptb run` does. Does not cover what only a host of this package offers: recorded network access, file
provenance, records of model calls, the grader service and the evaluator of sealed suites.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from posttrainbench import __version__, catalog
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.errors import InputError
from posttrainbench.evaluation.plan import DEFAULT_GRADER
from posttrainbench.files import require_no_file, sha256_bytes, write_json, write_text
from posttrainbench.records import AgentSpec, RunSpec
from posttrainbench.run.canaries import new_draw
from posttrainbench.run.directory import now
from posttrainbench.run.prepare import kit_files_for, kit_manifest, render_prompt_for, task_at

SCHEMA = "1.4"
"""Version of Harbor's task format."""
WORKSPACE, KIT, MODELS = "/workspace", "/kit", "/models"
"""Directories in the agent's container; the verifier gets a copy of the workspace at the same path."""
RUN = "run"
"""Directory beside the verifier's script: `run.json` and the stage `prepare`."""
VLLM = "/opt/vllm/bin/python"
"""Interpreter with vLLM in the image for agents."""
PYTHON = "/opt/posttrainbench"
"""The verifier's environment."""
GRADED = "its answers are graded by a model, for which evaluate.py needs a host's grader service"
SUBMISSION_CHECK_SECONDS = 3600
EVALUATION_SECONDS = 4 * 3600
"""Time limit of a verifier, in addition to `SUBMISSION_CHECK_SECONDS`."""
NETWORK_MODES = {"open": "public", "allowlist": "allowlist", "none": "no-network"}
NETWORK_TEXTS = {
    "open": "The public internet can be reached.",
    "allowlist": "Only these hosts can be reached: {}.",
    "none": "There is no internet access.",
}
TEST_SCRIPT = f"""#!/bin/sh
# Grade what the agent left in {WORKSPACE}. Only this script writes the reward; without a grade there is none.
rm -rf /logs/verifier/reward.txt /logs/verifier/reward.json
exec {PYTHON}/bin/ptb harbor verify "$(dirname "$0")/{RUN}" --workspace {WORKSPACE} --out /logs/verifier%s
"""


@dataclass(frozen=True)
class HarborExport:
    """What was written.

    Attributes:
        tasks: the task directories.
        left_out: benchmark -> why it was left out.
    """

    tasks: list[Path]
    left_out: dict[str, str]


def export_suite(
    suite_id: str,
    out: Path,
    containerfile: str,
    *,
    models: Sequence[str] = (),
    benchmarks: Sequence[str] = (),
    budget: float | None = None,
    package: str = "",
    require_audit: bool = False,
) -> HarborExport:
    """Write one task directory for each base model and benchmark of a suite.

    Args:
        suite_id: the suite.
        out: a new or empty directory.
        containerfile: definition of the agents' image, to which the task is added.
        models: base models; all if empty.
        benchmarks: likewise.
        budget: time limit of the agent in seconds; None for the suite's.
        package: what pip installs in the verifier: a requirement, or a wheel file, which is copied into each task.
        require_audit: give no reward if a rule that the suite requires could not be checked.

    Raises:
        InputError: something is unknown or missing on this machine, or `out` is in the way. Incomplete tasks are
            removed.
    """
    suite = catalog.find(catalog.suites(), suite_id, "suite")
    if suite.feedback == "sealed":
        raise InputError(f"{suite.id} has sealed feedback, which needs a host while the agent works; choose another.")
    _require_members("model", models, suite.models, suite.id)
    _require_members("benchmark", benchmarks, suite.benchmarks, suite.id)
    if Path(package).suffix == ".whl" and not Path(package).is_file():
        raise InputError(f"The wheel {package} does not exist; build it with `pip wheel --no-deps .`.")
    _require_empty(out)
    left_out, tasks = {}, []
    for benchmark in benchmarks or suite.benchmarks:
        if load_benchmark(benchmark).graded:
            left_out[benchmark] = GRADED
            continue
        for model in models or suite.models:
            folder = out / f"{suite.id}-{model}-{benchmark}"
            partial = folder.with_name(f".{folder.name}.partial")
            try:
                _write_task(
                    partial, _specification(suite, model, benchmark, budget), containerfile, package, require_audit
                )
                partial.rename(folder)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            tasks.append(folder)
    if not tasks:
        raise InputError(f"No benchmark can be exported: {'; '.join(f'{b}: {why}' for b, why in left_out.items())}.")
    return HarborExport(tasks, left_out)


def _require_members(kind: str, chosen: Sequence[str], members: Sequence[str], suite: str) -> None:
    if unknown := [name for name in chosen if name not in members]:
        raise InputError(f"{suite} has no {kind} {', '.join(unknown)}; choose from {', '.join(members)}.")


def _require_empty(out: Path) -> None:
    require_no_file(out, "--out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        taken = any(out.iterdir())
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); choose another directory with --out.") from None
    if taken:
        raise InputError(f"{out} is not empty; choose another directory with --out.")


def _specification(suite: catalog.Suite, model: str, benchmark: str, budget: float | None) -> RunSpec:
    """Return the `run.json` of a task, without hashes. The verifier's container is its sandbox."""
    return RunSpec(
        run=f"harbor-{suite.id}-{model}-{benchmark}",
        created=now(),
        agent=AgentSpec(name="harbor", scaffold="harbor"),
        model=model,
        benchmark=benchmark,
        suite=suite.id,
        budget=suite.budget if budget is None else budget,
        seed=0,
        rules=suite.rules,
        sandbox="process",
        gpus=suite.gpus,
        network=suite.network,
        hosts=suite.hosts if suite.network == "allowlist" else [],
        provenance=False,
        engine=suite.engine,
        engine_settings={"python": VLLM} | suite.engine_settings if suite.engine == "vllm" else suite.engine_settings,
        grader=DEFAULT_GRADER,
        canaries=new_draw(suite, benchmark),
        prompt_sha256="",
        kit_sha256="",
        model_sha256="",
        versions={"posttrainbench": __version__},
        host={},
    )


def _write_task(folder: Path, spec: RunSpec, containerfile: str, package: str, require_audit: bool) -> None:
    base = catalog.find(catalog.models(), spec.model, "model")
    described = task_at(spec, WORKSPACE, KIT, {spec.model: f"{MODELS}/{spec.model}"})
    kit = kit_files_for(spec, described)
    manifest = kit_manifest(kit)
    prompt = render_prompt_for(spec, described, network="none", keep_evaluated=False)
    access = NETWORK_TEXTS[spec.network].format(", ".join(spec.hosts))
    instruction = f"{prompt.rstrip()}\n\n# Network\n\n{access}\n"
    spec = spec.model_copy(
        update={
            "kit_sha256": sha256_bytes(json.dumps(manifest).encode()),
            "prompt_sha256": sha256_bytes(instruction.encode()),
        }
    )
    environment, tests = folder / "environment", folder / "tests"
    for place in (environment / "kit", tests / RUN / "prepare" / "kit"):
        for name, content in kit.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
    write_json(tests / RUN / "run.json", spec)
    write_json(tests / RUN / "prepare" / "kit.json", dict(manifest))
    write_text(tests / RUN / "prepare" / "prompt.md", instruction)
    write_text(folder / "instruction.md", instruction)
    write_text(folder / "task.toml", task_toml(spec))
    if base.path is not None:
        shutil.copytree(base.directory, environment / "model")
    write_text(environment / "Dockerfile", f"{containerfile}\n{_agent_lines(spec, base)}")
    write_text(tests / "test.sh", TEST_SCRIPT % (" --require-audit" if require_audit else ""))
    (tests / "test.sh").chmod(0o755)
    requirement = package or f"posttrainbench[local]=={__version__}"
    if (wheel := Path(package)).suffix == ".whl":
        shutil.copyfile(wheel, tests / wheel.name)
        requirement = f"/tests/{wheel.name}[local]"
    write_text(tests / "Dockerfile", f"{containerfile}\n{_verifier_lines(spec, requirement)}")


def task_toml(spec: RunSpec) -> str:
    """Return the content of `task.toml`."""
    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    network: dict[str, object] = {"network_mode": NETWORK_MODES[spec.network]}
    if spec.hosts:
        network["allowed_hosts"] = spec.hosts
    gpus = {"gpus": spec.gpus} if spec.gpus else {}
    # The agent can read the file; only its own clock depends on it, because Harbor ends the agent.
    deadline = f"test -s /run/ptb/deadline || awk '{{print $1 + {spec.budget:g}}}' /proc/uptime > /run/ptb/deadline"
    tables: dict[str, Mapping[str, object]] = {
        "": {"schema_version": SCHEMA, "artifacts": [WORKSPACE]},
        "task": {
            "name": f"posttrainbench/{spec.suite}-{spec.model}-{spec.benchmark}",
            "version": __version__,
            "description": f"Post-train {spec.model} for {facts.title}.",
            "keywords": ["post-training", spec.benchmark],
        },
        "metadata": {"suite": spec.suite, "model": spec.model, "benchmark": spec.benchmark, "rules": spec.rules},
        "agent": {"timeout_sec": spec.budget, "user": "agent"},
        "environment": {"build_timeout_sec": 7200.0, "workdir": WORKSPACE, **gpus, **network},
        "environment.healthcheck": {"command": deadline},
        "verifier": {
            "timeout_sec": float(SUBMISSION_CHECK_SECONDS + EVALUATION_SECONDS),
            "environment_mode": "separate",
            "user": "root",
        },
        "verifier.environment": {"build_timeout_sec": 7200.0, **gpus, "network_mode": "no-network"},
    }
    parts = []
    for name, values in tables.items():
        lines = [f"[{name}]"] if name else []
        lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _toml(value: object) -> str:
    """Return a value in TOML, whose strings, numbers and arrays of strings are written as in JSON."""
    return json.dumps(value, ensure_ascii=True)


def _agent_lines(spec: RunSpec, base: catalog.Model) -> str:
    """Return what the agent's image has beyond the image for agents: the task, which the agent cannot change."""
    place = f"{MODELS}/{spec.model}"
    lines = [
        "# The task.",
        "RUN useradd --create-home agent \\",
        f" && install -d -o agent -g agent {WORKSPACE} \\",
        " && install -d /run/ptb",
        f"COPY model {place}" if base.path is not None else _download(base, place),
        f"COPY kit {KIT}",
        f"RUN chmod -R u=rwX,go=rX {KIT} {MODELS}",
        f"WORKDIR {WORKSPACE}",
    ]
    return "\n".join(lines) + "\n"


def _download(model: catalog.Model, place: str) -> str:
    """Return the line that downloads a model when the image is built."""
    revision = f", revision={model.revision!r}" if model.revision else ""
    code = f"from huggingface_hub import snapshot_download as get; get({model.hub!r}{revision}, local_dir={place!r})"
    return f"RUN {json.dumps(['python3', '-c', code])}"


def _verifier_lines(spec: RunSpec, requirement: str) -> str:
    """Return what the verifier's image has beyond the image for agents."""
    base = catalog.find(catalog.models(), spec.model, "model")
    pulled = [f"{model.id} --weights" for model in (base, catalog.instruct_of(base)) if model.hub]
    if base.hub:
        pulled.append(spec.benchmark)
    lines = [
        "# The verifier.",
        "COPY . /tests",
        f"RUN uv venv --python /usr/bin/python3 {PYTHON} \\",
        f" && uv pip install --python {PYTHON}/bin/python --no-cache {json.dumps(requirement)}",
        *(f"RUN {PYTHON}/bin/ptb data pull {name}" for name in pulled),
        "ENV HF_HUB_OFFLINE=1",
    ]
    return "\n".join(lines) + "\n"
