"""Fixes what a run is, and lays out the kit and the prompt that its agent will find."""

import json
import os
import platform
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from jinja2 import PackageLoader, StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from posttrainbench import catalog
from posttrainbench.benchmarks import load_benchmark
from posttrainbench.engines.base import load_engine
from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.evaluation.evaluate import load_items, model_sha256
from posttrainbench.evaluation.plan import DEFAULT_GRADER
from posttrainbench.files import fsync_dir, sha256_bytes, write_json
from posttrainbench.records import AgentSpec, RunLimits, RunSpec, Task
from posttrainbench.run.directory import Run, now
from posttrainbench.run.gpus import require_gpus
from posttrainbench.run.network import Network, choose_network
from posttrainbench.run.session import require_agent
from posttrainbench.run.watch import Watch
from posttrainbench.sandbox import Mount, load_sandbox

LIBRARIES = ("posttrainbench", "torch", "transformers", "inspect_ai", "numpy")
FREE_BYTES = 200 * 2**20
SHARE = 0.9
"""Of the machine's memory and free disk, what an agent may use that is given no limit."""
PROCESSES = 16384
"""And its processes and threads at a time."""
PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Order:
    """What a user asks of a run; None leaves a choice to the suite.

    Attributes:
        agent: `NAME` or `NAME?key=value&...`.
        suite: its id; None for the first that has both the model and the benchmark.
        budget: seconds.
        image: what the sandbox's root is made of.
        limits: of the agent; those not given are shares of what the machine has.
        gpus: indices, or how many.
        deny_test_data: in addition to what the suite withholds; likewise `deny_instruct` and `cold_cache`.
        engine_settings: the engine's; with another engine than the suite's, all that it gets.
        prompt: a template in place of our prompt, with the same variables as `kit/prompt.md.jinja`.
    """

    agent: str
    model: str
    benchmark: str
    suite: str | None = None
    budget: float | None = None
    seed: int = 0
    sandbox: str = "bubblewrap"
    image: str | None = None
    limits: RunLimits = field(default_factory=RunLimits)
    gpus: list[int] | int | None = None
    network: Network | None = None
    deny_test_data: bool = False
    deny_instruct: bool = False
    cold_cache: bool = False
    engine: str | None = None
    engine_settings: Mapping[str, str] = field(default_factory=dict)
    grader: str = DEFAULT_GRADER
    prompt: str | None = None


def create_run(order: Order, out: Path | None) -> Run:
    """Check what is asked for, and write `run.json` into a new directory.

    Args:
        order: what is wanted.
        out: the run's directory, which must not exist or be empty; None for `runs/default/RUN`.

    Raises:
        InputError: something is unknown, missing on this machine, or in the way. Nothing has been changed then.
    """
    suite = catalog.suite_of(order.model, order.benchmark, order.suite)
    agent_spec = catalog.agent_spec(order.agent)
    backend = load_sandbox(order.sandbox, order.image)
    launch = require_agent(agent_spec, backend)
    engine = order.engine or suite.engine
    load_engine(engine)
    backend.check()
    if catalog.find(catalog.benchmarks(), order.benchmark, "benchmark").graded:
        from posttrainbench.evaluation.grader import ModelGrader

        ModelGrader(order.grader)  # a key that is missing is told before the agent has spent hours
    identity = _identity(agent_spec, order)
    root = (out or Path("runs", "default", identity)).absolute()
    _require_room(root)
    base = catalog.find(catalog.models(), order.model, "model")
    weights = base.directory
    gpus = suite.gpus if order.gpus is None else order.gpus
    require_gpus(gpus, f"The suite {suite.id} gives an agent" if order.gpus is None else "The run is to have")
    network = choose_network(order.network, order.deny_test_data or order.deny_instruct, suite, backend)
    suite_settings = suite.engine_settings if engine == suite.engine else {}
    spec = RunSpec(
        run=identity,
        created=now(),
        agent=agent_spec,
        model=order.model,
        benchmark=order.benchmark,
        suite=suite.id,
        budget=order.budget or suite.budget,
        seed=order.seed,
        rules=suite.rules,
        sandbox=order.sandbox,
        image=str(Path(order.image).absolute()) if order.image and Path(order.image).exists() else order.image,
        limits=_limits(order.limits, root),
        gpus=gpus,
        network=network,
        hosts=suite.hosts if network == "allowlist" else [],
        deny_test_data=order.deny_test_data or "test_data" in suite.deny,
        deny_instruct=order.deny_instruct or "instruct" in suite.deny,
        cold_cache=order.cold_cache or suite.cold_cache,
        engine=engine,
        engine_settings=suite_settings | dict(order.engine_settings),
        grader=order.grader,
        prompt=order.prompt,
        prompt_sha256="",
        kit_sha256="",
        model_sha256=model_sha256(weights),
        versions={"python": platform.python_version()} | _versions() | launch.versions,
        host={"system": platform.platform(), "machine": platform.machine(), "cpus": str(os.cpu_count())},
    )
    kit = kit_files(spec, root)
    spec = spec.model_copy(
        update={
            "kit_sha256": sha256_bytes(json.dumps(kit_manifest(kit)).encode()),
            "prompt_sha256": sha256_bytes(render_prompt(spec, root).encode()),
        }
    )
    try:
        root.mkdir(parents=True, exist_ok=True)
        write_json(root / "run.json", spec)
        fsync_dir(root.parent)
    except OSError as error:
        raise InputError(f"{root} cannot be written ({error.strerror}); choose another directory: --out DIR.") from None
    return Run(root)


def _limits(given: RunLimits, root: Path) -> RunLimits:
    """What is given, and for the rest what keeps an agent from taking the whole machine down."""
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    default = {
        "memory": int(SHARE * psutil.virtual_memory().total),
        "processes": PROCESSES,
        "disk": int(SHARE * shutil.disk_usage(existing).free),
    }
    return RunLimits(**default | given.model_dump(exclude_none=True))


def require_sandbox(spec: RunSpec) -> None:
    """Check that a backend works here, before anything that needs it is touched.

    Raises:
        InputError: it does not; the message says how to mend that.
    """
    load_sandbox(spec.sandbox, spec.image).check()


def prepare(run: Run, out: Path, watch: Watch) -> None:
    """The stage `prepare`: `kit/`, `kit.json` (its manifest) and `prompt.md`, as `run.json` has them by hash."""
    watch.say("laying out the kit")
    files = kit_files(run.spec, run.root)
    manifest = kit_manifest(files)
    prompt = render_prompt(run.spec, run.root)
    if sha256_bytes(json.dumps(manifest).encode()) != run.spec.kit_sha256:
        raise InfrastructureError("kit_changed", "This installation makes another kit than the run was created with.")
    if sha256_bytes(prompt.encode()) != run.spec.prompt_sha256:
        raise InfrastructureError("kit_changed", "This installation renders another prompt than the run's.")
    for name, content in files.items():
        path = out / "kit" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    write_json(out / "kit.json", dict(manifest))
    (out / "prompt.md").write_text(prompt)


def run_mounts(root: Path, model: str) -> dict[str, Mount]:
    """What every agent sees: its workspace, the kit, and the model cache with the base model and its counterpart."""
    base = catalog.find(catalog.models(), model, "model")
    mounts = {
        "workspace": Mount("workspace", root / "workspace", writable=True),
        # Inside the workspace, so that the audit sees what an agent leaves there.
        "tmp": Mount("tmp", root / "workspace" / ".tmp", writable=True),
        "shm": Mount("dev/shm", root / "workspace" / ".shm", writable=True),
        "kit": Mount("kit", root / "prepare" / "kit"),
        "deadline": Mount("run/ptb/deadline", root / "solve.partial" / "deadline"),
    }
    # The counterpart of an official model need not be here: nothing but the audit's comparison wants its weights.
    for shown in (base, catalog.instruct_of(base)):
        if directory := base.directory if shown is base else local_directory(shown):
            mounts[f"models/{shown.id}"] = Mount(f"models/{shown.id}", _whole(directory))
    return mounts


def _whole(directory: Path) -> Path:
    """The directory with all that its files link to: of the Hub's cache, a model's whole folder."""
    return directory.parents[1] if directory.parent.name == "snapshots" else directory


def local_directory(model: catalog.Model) -> Path | None:
    """Where a model's checkpoint lies; None where it is not on this machine."""
    try:
        return model.directory
    except InputError:
        return None


def task(spec: RunSpec, root: Path) -> Task:
    """The facts that the agent is given, with paths as its sandbox shows them."""
    sandbox = load_sandbox(spec.sandbox, spec.image)
    seen = {}
    for role, mount in run_mounts(root, spec.model).items():
        seen[role] = sandbox.locate(mount)
        if role.startswith("models/"):
            directory = catalog.find(catalog.models(), role.removeprefix("models/"), "model").directory
            seen[role] += "".join(f"/{part}" for part in directory.relative_to(mount.source).parts)
    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    suite = catalog.find(catalog.suites(), spec.suite, "suite")
    return Task(
        model=spec.model,
        benchmark=spec.benchmark,
        budget=spec.budget,
        seed=spec.seed,
        max_tokens=facts.max_tokens,
        evaluation_seed=suite.evaluation_seeds[0],
        engine=spec.engine,
        workspace=seen["workspace"],
        kit=seen["kit"],
        base_model=seen[f"models/{spec.model}"],
        submission=f"{seen['workspace']}/final_model",
        models={role.removeprefix("models/"): path for role, path in seen.items() if role.startswith("models/")},
        feedback=suite.feedback,
        evaluations=suite.sealed_evaluations,
    )


def kit_files(spec: RunSpec, root: Path) -> dict[str, bytes]:
    """The kit's files, relative path -> content."""
    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    base = catalog.find(catalog.models(), spec.model, "model")
    suite = catalog.find(catalog.suites(), spec.suite, "suite")
    benchmark = load_benchmark(spec.benchmark)
    splits = {
        "train": load_items(facts, "train"),
        "test": benchmark.pose(load_items(facts, "test"), suite.evaluation_seeds[0]),
    }
    tools = any(item.tools for item in splits["test"])
    files = {
        "evaluate.py": (PACKAGE / "kit" / "evaluate.py").read_bytes(),
        "timer.sh": (PACKAGE / "kit" / "timer.sh").read_bytes(),
        "task.json": task(spec, root).model_dump_json(indent=2).encode(),
        "templates/chat_template.jinja": catalog.chat_template(base, tools=tools).encode(),
        "evaluation_code/generation.py": _generation(spec.engine).read_bytes(),
        "evaluation_code/scorer.py": benchmark.scorer.read_bytes(),
    }
    for split, items in splits.items():
        if items and not (split == "test" and suite.feedback == "sealed"):
            rows = [json.dumps(item.row, ensure_ascii=False) for item in items]
            files[f"data/{split}.jsonl"] = ("\n".join(rows) + "\n").encode()
    return files


def _generation(engine: str) -> Path:
    """The kit's generator: in the agent's process, with the library that the final evaluation uses."""
    return PACKAGE / "engines" / "generation.py" if engine == "transformers" else PACKAGE / "kit" / "vllm_generation.py"


def kit_manifest(files: dict[str, bytes]) -> dict[str, str]:
    """Relative path -> SHA-256 of each file, in order."""
    return {name: sha256_bytes(content) for name, content in sorted(files.items())}


def render_prompt(spec: RunSpec, root: Path) -> str:
    """The prompt, from the rule set and the task's facts.

    Raises:
        InputError: the user's own template of it cannot be rendered.
    """
    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    rules = catalog.find(catalog.rule_sets(), spec.rules, "rule set")
    environment = SandboxedEnvironment(  # a user's template may have come with somebody else's run.json
        loader=PackageLoader("posttrainbench", "kit"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # plain text for a model
    )
    values = {
        **task(spec, root).model_dump(exclude={"budget"}),
        "budget": f"{spec.budget:g}",
        "title": facts.title,
        "metric": facts.metric,
        "train_items": facts.train_items,
        "test_items": facts.test_items,
        "network": spec.network if load_sandbox(spec.sandbox, spec.image).network == "none" else "none",
        "hosts": spec.hosts,
        "deny_test_data": spec.deny_test_data,
        "deny_instruct": spec.deny_instruct,
        "rules": [rule.text for rule in rules.rules.values() if rule.text],
    }
    if spec.prompt is None:
        return environment.get_template("prompt.md.jinja").render(values)
    try:
        return environment.from_string(spec.prompt).render(values)
    except TemplateError as error:
        raise InputError(f"The prompt file is no template that can be filled: {one_line(error)}") from None


def read_prompt(path: Path) -> str:
    """A user's own template of the prompt.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The prompt file {path} cannot be read: {one_line(error)}") from None


def _identity(agent: AgentSpec, order: Order) -> str:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in agent.name)[:60]
    return f"{name}-{order.model}-{order.benchmark}-seed{order.seed}-{stamp}-{secrets.token_hex(2)}"


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _require_room(root: Path) -> None:
    if (root / "run.json").exists():
        raise InputError(
            f"{root} already holds a run; continue it with `ptb resume {root}`, or choose another directory: --out DIR."
        )
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"{root} exists and is no empty directory; choose another directory: --out DIR.")
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    if not os.access(existing, os.W_OK):
        raise InputError(f"{existing} is not writable; choose another directory: --out DIR.")
    free = shutil.disk_usage(existing).free
    if free < FREE_BYTES:
        raise InputError(
            f"The disk that holds {existing} has {free / 2**20:.0f} MB left and a run needs {FREE_BYTES / 2**20:.0f}; "
            "free some space, or choose another directory: --out DIR."
        )
