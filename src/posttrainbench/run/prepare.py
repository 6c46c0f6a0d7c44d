"""Create runs, and the prepare stage: the kit and the prompt of the agent."""

import json
import os
import platform
import secrets
import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from posttrainbench import catalog
from posttrainbench.benchmarks.canaries import with_canaries
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.engines.base import load_engine
from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.evaluation.items import load_items
from posttrainbench.files import close_to_others, fsync_dir, require_existing, sha256_bytes, write_json
from posttrainbench.records import RunSpec, Task
from posttrainbench.run.canaries import canary_pool, new_draw
from posttrainbench.run.directory import Run, now
from posttrainbench.run.preflight import CheckResult, examine, require
from posttrainbench.run.progress import ProgressListener, format_duration
from posttrainbench.run.request import RunRequest, Subject
from posttrainbench.sandbox import Mount, load_sandbox

LIBRARIES = ("posttrainbench", "torch", "transformers", "inspect_ai", "numpy")
PATH_CHECKS = ("output",)
"""Checks that depend on the directory of the run."""
PACKAGE = Path(__file__).parent.parent
SUBMISSION_CHECK = (
    "__init__.py",
    "errors.py",
    "untrusted.py",
    "engines/sampling.py",
    *(f"submission/{name}.py" for name in "__init__ canonical checks facts names tensors tokens".split()),
)
"""Modules of this package that the kit carries, so that `evaluate.py` decides as the final check does."""

BUILT_IN_PROMPT = PACKAGE / "kit" / "prompt.md.jinja"


def check_request(request: RunRequest, out: Path | None, skipped: Collection[str] = ()) -> list[CheckResult]:
    """Run all checks of a request, except for the skipped ones. Nothing is changed."""
    return list(examine(_subject(request, out), skipped))


def create_run(request: RunRequest, out: Path | None) -> Run:
    """Check a request and write `run.json` into a new run directory.

    Args:
        request: the request.
        out: the run directory, which must be empty or not exist; None for `runs/default/RUN`.

    Raises:
        InputError: something is unknown, missing on this machine, or in the way. Nothing was changed.
    """
    subject = _subject(request, out)
    require(subject)
    return _write(subject)


def create_runs(requests: Mapping[Path, RunRequest], skipped: Collection[str] = ()) -> list[Run]:
    """Check several requests, then write their run directories. None is written if there is any problem.

    Requests that differ only in their seeds are checked once, except for their directories.

    Args:
        requests: run directory -> request.
        skipped: names of checks that are left out, for runs on another machine.

    Raises:
        InputError: see `create_run`.
    """
    subjects = [_subject(request, path) for path, request in requests.items()]
    checked: list[RunRequest] = []
    for subject in subjects:
        alike = replace(subject.request, seed=0)
        if alike in checked and subject.request.seed >= 0:
            require(subject, only=PATH_CHECKS)
        else:
            require(subject, skipped)
            checked.append(alike)
    return [_write(subject) for subject in subjects]


def _write(subject: Subject) -> Run:
    spec, root = subject.specification, subject.root
    new = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
        close_to_others(root)
        write_json(root / "run.json", spec)
        fsync_dir(root.parent)
    except OSError as error:
        if new:
            shutil.rmtree(root, ignore_errors=True)
        raise InputError(f"{root} cannot be written ({error.strerror}); choose another directory with --out.") from None
    return Run(root)


def _subject(request: RunRequest, out: Path | None) -> Subject:
    identity = _identity(request)
    root = (out or Path("runs", "default", identity)).absolute()
    return Subject(request, root, lambda subject: _specification(subject, identity))


def _specification(subject: Subject, identity: str) -> RunSpec:
    """Return the content of `run.json`.

    Raises:
        PtbError: kit or prompt cannot be rendered.
    """
    request, suite, image = subject.request, subject.suite, subject.request.image
    network = subject.network
    spec = RunSpec(
        run=identity,
        created=now(),
        agent=subject.agent,
        model=request.model,
        benchmark=request.benchmark,
        suite=suite.id,
        budget=subject.budget,
        seed=request.seed,
        rules=suite.rules,
        sandbox=request.sandbox,
        image=str(Path(image).absolute()) if image and Path(image).exists() else image,
        limits=subject.limits,
        gpus=subject.gpus,
        network=network,
        hosts=suite.hosts if network == "allowlist" else [],
        deny_test_data=request.deny_test_data or "test_data" in suite.deny,
        deny_instruct=request.deny_instruct or "instruct" in suite.deny,
        cold_cache=request.cold_cache or suite.cold_cache,
        provenance=request.provenance,
        engine=subject.engine,
        engine_settings=subject.engine_settings,
        grader=request.grader,
        canaries=request.canaries or new_draw(suite, request.benchmark),
        prompt=request.prompt,
        prompt_sha256="",
        kit_sha256="",
        model_sha256=subject.model_sha256,
        versions={"python": platform.python_version()} | _versions() | subject.launch.versions,
        host={"system": platform.platform(), "machine": platform.machine(), "cpus": str(os.cpu_count())},
    )
    kit = kit_files(spec, subject.root)
    return spec.model_copy(
        update={
            "kit_sha256": sha256_bytes(json.dumps(kit_manifest(kit)).encode()),
            "prompt_version": sha256_bytes(spec.prompt.encode() if spec.prompt else BUILT_IN_PROMPT.read_bytes()),
            "prompt_sha256": sha256_bytes(render_prompt(spec, subject.root).encode()),
        }
    )


def require_sandbox(spec: RunSpec) -> None:
    """Check that the run's sandbox works on this machine.

    Raises:
        InputError: it does not work; the message says how to fix that.
    """
    load_sandbox(spec.sandbox, spec.image).check()


def prepare(run: Run, out: Path, listener: ProgressListener) -> None:
    """Run the stage `prepare`: write `kit/`, its manifest `kit.json` and `prompt.md`, checked against `run.json`."""
    listener.on_message("creating the kit")
    files = kit_files(run.spec, run.root)
    manifest = kit_manifest(files)
    prompt = render_prompt(run.spec, run.root)
    if sha256_bytes(json.dumps(manifest).encode()) != run.spec.kit_sha256:
        raise InfrastructureError("kit_changed", "This installation creates another kit than the run was created with.")
    if sha256_bytes(prompt.encode()) != run.spec.prompt_sha256:
        raise InfrastructureError(
            "kit_changed", "This installation renders another prompt than the run was created with."
        )
    for name, content in files.items():
        path = out / "kit" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    write_json(out / "kit.json", dict(manifest))
    (out / "prompt.md").write_text(prompt)


def run_mounts(root: Path, model: str) -> dict[str, Mount]:
    """Return the mounts of every agent, by role: workspace, kit, deadline, base model and instruct counterpart."""
    base = catalog.find(catalog.models(), model, "model")
    mounts = {
        "workspace": Mount("workspace", root / "workspace", writable=True),
        # Inside the workspace, so that the audit sees the files in it.
        "tmp": Mount("tmp", root / "workspace" / ".tmp", writable=True),
        "shm": Mount("dev/shm", root / "workspace" / ".shm", writable=True),
        "kit": Mount("kit", root / "prepare" / "kit"),
        "deadline": Mount("run/ptb/deadline", root / "solve.partial" / "deadline"),
    }
    # The counterpart of an official model may be missing: only the audit's weight comparison needs it.
    for entry in (base, catalog.instruct_of(base)):
        if directory := base.directory if entry is base else local_directory(entry):
            mounts[f"models/{entry.id}"] = Mount(f"models/{entry.id}", _linked_root(directory))
    return mounts


def _linked_root(directory: Path) -> Path:
    """Return a directory that contains all link targets of a model: in the Hub's cache, the whole repository folder."""
    return directory.parents[1] if directory.parent.name == "snapshots" else directory


def local_directory(model: catalog.Model) -> Path | None:
    """Return the directory of a model's checkpoint; None if it is not on this machine."""
    try:
        return model.directory
    except InputError:
        return None


def task(spec: RunSpec, root: Path) -> Task:
    """Return the content of `kit/task.json`, with paths inside the sandbox."""
    sandbox = load_sandbox(spec.sandbox, spec.image)
    paths = {}
    for role, mount in run_mounts(root, spec.model).items():
        paths[role] = sandbox.locate(mount)
        if role.startswith("models/"):
            directory = catalog.find(catalog.models(), role.removeprefix("models/"), "model").directory
            paths[role] += "".join(f"/{part}" for part in directory.relative_to(mount.source).parts)
    models = {role.removeprefix("models/"): path for role, path in paths.items() if role.startswith("models/")}
    return task_at(spec, paths["workspace"], paths["kit"], models)


def task_at(spec: RunSpec, workspace: str, kit: str, models: Mapping[str, str]) -> Task:
    """Return the content of `kit/task.json` for these paths.

    Args:
        spec: the run.
        workspace: the agent's working directory, as the agent sees it.
        kit: directory of the kit, likewise.
        models: model id -> directory, likewise; with the base model.
    """
    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    suite = catalog.find(catalog.suites(), spec.suite, "suite")
    return Task(
        model=spec.model,
        benchmark=spec.benchmark,
        budget=spec.budget,
        seed=spec.seed,
        max_tokens=min(facts.max_tokens, suite.max_tokens or facts.max_tokens),
        evaluation_seed=suite.evaluation_seeds[0],
        engine=spec.engine,
        dtype=suite.dtype,
        workspace=workspace,
        kit=kit,
        base_model=models[spec.model],
        submission=f"{workspace}/final_model",
        models=dict(models),
        feedback=suite.feedback,
        evaluations=suite.sealed_evaluations,
    )


def kit_files(spec: RunSpec, root: Path) -> dict[str, bytes]:
    """Return the kit's files: relative path -> content."""
    return kit_files_for(spec, task(spec, root))


def kit_files_for(spec: RunSpec, described: Task) -> dict[str, bytes]:
    """Return the kit's files for a task: relative path -> content."""
    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    base = catalog.find(catalog.models(), spec.model, "model")
    suite = catalog.find(catalog.suites(), spec.suite, "suite")
    benchmark = load_benchmark(spec.benchmark)
    splits = {
        "train": load_items(facts, "train"),
        "test": benchmark.build_prompts(load_items(facts, "test"), suite.evaluation_seeds[0]),
    }
    if spec.canaries:
        drawn = benchmark.build_prompts(canary_pool(spec).drawn, suite.evaluation_seeds[0])
        splits["test"] = with_canaries(splits["test"], drawn, spec.canaries.key)
    tools = any(item.tools for item in splits["test"])
    files = {
        "evaluate.py": (PACKAGE / "kit" / "evaluate.py").read_bytes(),
        "timer.sh": (PACKAGE / "kit" / "timer.sh").read_bytes(),
        "task.json": described.model_dump_json(indent=2).encode(),
        "templates/chat_template.jinja": catalog.chat_template(base, tools=tools).encode(),
        "evaluation_code/scorer.py": benchmark.scorer.read_bytes(),
    }
    for name, source in load_engine(spec.engine).kit.items():
        files[f"evaluation_code/engine/{name}"] = source.read_bytes()
    for name in SUBMISSION_CHECK:
        files[f"evaluation_code/posttrainbench/{name}"] = (PACKAGE / name).read_bytes()
    for split, items in splits.items():
        if items and not (split == "test" and suite.feedback == "sealed"):
            rows = [json.dumps(item.row, ensure_ascii=False) for item in items]
            files[f"data/{split}.jsonl"] = ("\n".join(rows) + "\n").encode()
    return files


def kit_manifest(files: dict[str, bytes]) -> dict[str, str]:
    """Return relative path -> SHA-256 of each file, sorted by path."""
    return {name: sha256_bytes(content) for name, content in sorted(files.items())}


def render_prompt(spec: RunSpec, root: Path) -> str:
    """Render the prompt from the rule set and the facts of the task.

    Raises:
        InputError: the user's own template cannot be rendered.
    """
    network = spec.network if load_sandbox(spec.sandbox, spec.image).network == "none" else "none"
    keep_evaluated = catalog.find(catalog.suites(), spec.suite, "suite").keep_evaluated
    return render_prompt_for(spec, task(spec, root), network, keep_evaluated)


def render_prompt_for(spec: RunSpec, described: Task, network: str, keep_evaluated: bool) -> str:
    """Render the prompt for a task.

    Args:
        spec: the run.
        described: the facts of the task.
        network: access through the recording proxy; `none` says nothing about the network.
        keep_evaluated: whether the host keeps the last whole model that the agent evaluated.

    Raises:
        InputError: see `render_prompt`.
    """
    # Slow to import, and most processes of a run import this module without rendering a prompt.
    from jinja2 import PackageLoader, StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    rules = catalog.find(catalog.rule_sets(), spec.rules, "rule set")
    environment = SandboxedEnvironment(  # a template may come from another user's run.json
        loader=PackageLoader("posttrainbench", "kit"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # plain text for a model
    )
    values = {
        **described.model_dump(exclude={"budget"}),
        "budget": f"{spec.budget:g}",
        "time_limit": format_duration(spec.budget),
        "title": facts.title,
        "metric": facts.metric,
        "train_items": facts.train_items,
        "test_items": facts.test_items + (spec.canaries.count if spec.canaries else 0),
        "scored_items": facts.test_items,
        "network": network,
        "hosts": spec.hosts,
        "deny_test_data": spec.deny_test_data,
        "deny_instruct": spec.deny_instruct,
        "keep_evaluated": keep_evaluated,
        "rules": [rule.text for rule in rules.rules.values() if rule.text],
    }
    if spec.prompt is None:
        return environment.get_template("prompt.md.jinja").render(values)
    try:
        return environment.from_string(spec.prompt).render(values)
    except TemplateError as error:
        raise InputError(f"The prompt file is not a valid template: {one_line(error)}") from None


def read_prompt(path: Path) -> str:
    """Read a user's own prompt template.

    Raises:
        InputError: the file does not exist or cannot be read.
    """
    require_existing(path, "--prompt-file FILE")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The prompt file {path} cannot be read: {one_line(error)}") from None


def _identity(request: RunRequest) -> str:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    agent = request.agent.partition("?")[0] if "@" in request.agent else request.agent  # a URL may have a password
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in agent)[:60]
    return f"{name}-{request.model}-{request.benchmark}-seed{request.seed}-{stamp}-{secrets.token_hex(2)}"


def _versions() -> dict[str, str]:
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions
