"""Find mistakes before the agent's time starts.

`CHECKS` is the one list of checks. `ptb run --dry-run` prints it; creating a run requires all of it; and the stage
`solve` requires it again right before the agent starts, because the machine may have changed since the run was created.
"""

import json
import math
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from posttrainbench import catalog
from posttrainbench.benchmarks.data import stored_items
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.benchmarks.verify import check_model
from posttrainbench.engines import load_engine
from posttrainbench.errors import InfrastructureError, InputError, one_line, shell_quoted
from posttrainbench.evaluation.evaluate import require_libraries
from posttrainbench.evaluation.items import load_items
from posttrainbench.hub.models import WEIGHTS_INDEX, model_record
from posttrainbench.records import Baseline
from posttrainbench.records.spec import MAX_BUDGET, MIN_BUDGET, MIN_BYTES, MIN_CPUS, MIN_PROCESSES
from posttrainbench.redaction import require_no_credentials
from posttrainbench.run.directory import Run
from posttrainbench.run.evaluate import published_baseline
from posttrainbench.run.gpus import require_gpus
from posttrainbench.run.progress import format_duration
from posttrainbench.run.request import Subject, request_of
from posttrainbench.run.session import require_needs
from posttrainbench.sandbox import load_sandbox
from posttrainbench.sandbox.provenance.launch import Availability, recording_available

MIN_FREE_BYTES = 200 * 2**20
COPIES, KEPT_COPIES = 2, 2
"""Copies of a checkpoint that must fit on the disk: the agent's and the one that is evaluated; and, in a suite that
keeps the last whole one, that one and its replacement."""
State = Literal["ok", "problem", "not_checked"]


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        examine: returns what was found; raises `PtbError` with the problem and its fix.
        again: whether an existing run is checked again.
    """

    name: str
    examine: Callable[[Subject], str]
    again: bool = True


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes:
        state: `not_checked` if an earlier problem prevents the check.
        text: what was found, or the problem with its fix.
    """

    name: str
    state: State
    text: str


def examine(subject: Subject, skipped: Collection[str] = (), only: Collection[str] = ()) -> Iterator[CheckResult]:
    """Yield the result of every check.

    Args:
        subject: the run.
        skipped: names of checks that are left out.
        only: names of the only checks that are made; empty for all.
    """
    problems: list[str] = []
    for check in CHECKS:
        if (subject.run and not check.again) or check.name in skipped or (only and check.name not in only):
            continue
        try:
            yield CheckResult(check.name, "ok", check.examine(subject))
        except _NotCheckedError as error:
            yield CheckResult(check.name, "not_checked", str(error))
        except Exception as error:
            text = one_line(error)
            if not isinstance(error, InputError | InfrastructureError):
                text = f"This could not be checked ({type(error).__name__}): {text}"
            if text in problems or (problems and check.examine is _kit):
                yield CheckResult(check.name, "not_checked", "because of a problem above")
            else:
                problems.append(text)
                yield CheckResult(check.name, "problem", text)


def require(subject: Subject, skipped: Collection[str] = (), only: Collection[str] = ()) -> None:
    """Require that every check succeeds. Arguments as for `examine`. Provenance is not needed and not checked.

    Raises:
        InputError: the first problem.
    """
    for result in examine(subject, {*skipped, "provenance"}, only):
        if result.state == "problem":
            raise InputError(result.text)


def require_ready(run: Run) -> None:
    """Check again, right before the agent starts, that nothing on this machine can spoil its work.

    Raises:
        InfrastructureError: the first problem. The agent has not been started.
    """
    spec = run.spec
    for result in examine(Subject(request_of(spec), run.root, lambda subject: spec, spec)):
        if result.state == "problem":
            raise InfrastructureError("not_ready", f"The agent was not started: {result.text}")


class _NotCheckedError(Exception):
    """The check does not apply."""


def _task(subject: Subject) -> str:
    return f"{subject.request.model} on {subject.request.benchmark}, suite {subject.suite.id}"


def _agent(subject: Subject) -> str:
    versions = subject.launch.versions
    if subject.run:
        for program, version in versions.items():
            if (recorded := subject.run.versions.get(program, version)) != version:
                raise InputError(
                    f"The run was created with {program} {recorded}, but {version} would start; install the version "
                    "of posttrainbench that created the run."
                )
    programs = ", ".join(f"{program} {version}" for program, version in versions.items())
    return f"{subject.agent.name}{f' ({programs})' if programs else ''}"


def _needs(subject: Subject) -> str:
    return ", ".join(require_needs(subject.agent)) or "nothing"


def _budget(subject: Subject) -> str:
    budget = subject.budget
    if isinstance(budget, bool) or not isinstance(budget, int | float):
        raise InputError(f"The budget must be a number of seconds, not `{budget!r:.40}`.")
    if not MIN_BUDGET <= budget <= MAX_BUDGET:
        raise InputError(f"A budget of {budget:g} s is probably a mistake; use a value from 1s to 720h.")
    return format_duration(budget)


def _seed(subject: Subject) -> str:
    seed = subject.request.seed
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"The seed must be a whole number from 0, not `{seed!r:.40}`.")
    return str(seed)


def _limits(subject: Subject) -> str:
    requested = subject.request.limits
    for name, size in (("memory", requested.memory), ("disk", requested.disk)):
        if size is not None and size < MIN_BYTES:
            raise InputError(f"No agent can work with a {name} limit of {size} bytes; use at least 64M.")
    if requested.processes is not None and requested.processes < MIN_PROCESSES:
        raise InputError(f"No agent can work with {requested.processes} processes; use at least {MIN_PROCESSES}.")
    if requested.cpus is not None and not MIN_CPUS <= requested.cpus < math.inf:
        raise InputError(f"A limit of {requested.cpus:g} CPUs is not possible; use a number from {MIN_CPUS}.")
    limits = subject.limits
    cpus = f", {limits.cpus:g} CPUs" if limits.cpus else ""
    return f"{_size(limits.memory)} memory, {_size(limits.disk)} disk, {limits.processes} processes{cpus}"


def _output(subject: Subject) -> str:
    root = subject.root
    if (root / "run.json").exists():
        raise InputError(
            f"{root} already contains a run; continue it with `ptb resume {shell_quoted(root)}`, or choose another "
            "--out directory."
        )
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"{root} exists and is not an empty directory; choose another directory with --out.")
    if not os.access(subject.disk, os.W_OK):
        raise InputError(f"{subject.disk} is not writable; choose another directory with --out.")
    return str(root)


def _data(subject: Subject) -> str:
    name = subject.request.benchmark
    facts = catalog.find(catalog.benchmarks(), name, "benchmark")
    for split in load_benchmark(name).sources:
        stored_items(name, split)  # notices a file that has changed since this process read it
    test, train = (len(load_items(facts, split)) for split in ("test", "train"))
    if not test:
        raise InputError(f"The benchmark {name} has no test items; run `ptb data pull {name}`.")
    return f"{test} test items, {train} train items"


def _base(subject: Subject) -> str:
    model = subject.base
    _require_weights(model)
    if model.hub and model_record(model.id) and (pulled := check_model(model)).state != "whole":
        raise InputError(f"The model {model.id} is damaged: {pulled.detail}")
    if subject.run and subject.model_sha256 != subject.run.model_sha256:
        raise InputError(f"The files of the model {model.id} have changed since the run was created; restore them.")
    return f"{model.id}, {_size(weights_size(model))}"


def _instruct(subject: Subject) -> str:
    name = subject.request.benchmark
    if published_baseline(subject.suite.id, subject.base.id, name, Baseline.INSTRUCT):
        return "its score is published"
    model = catalog.instruct_of(subject.base)
    _require_weights(model)
    return model.id


def _disk(subject: Subject) -> str:
    weights = weights_size(subject.base)
    limit = subject.request.limits.disk
    if limit is not None and limit < weights:
        raise InputError(
            f"A disk limit of {_size(limit)} has no room for one checkpoint of {subject.base.id} ({_size(weights)}); "
            "raise it with --disk."
        )
    copies = COPIES + KEPT_COPIES * subject.suite.keep_evaluated
    free, need = shutil.disk_usage(subject.disk).free, MIN_FREE_BYTES + copies * weights
    if free < need:
        raise InputError(
            f"The disk of {subject.disk} has {free / 2**20:.0f} MB left, and a run needs {need / 2**20:.0f} MB; "
            "free some space, or choose another directory with --out."
        )
    return f"{_size(free)} free"


def _sandbox(subject: Subject) -> str:
    sandbox, image = subject.sandbox, subject.request.image
    sandbox.check()
    return f"{sandbox.name}{f', image {image}' if image else ''}"


def _engine(subject: Subject) -> str:
    require_libraries()
    engine, settings = load_engine(subject.engine), subject.engine_settings
    engine.require_settings(settings)
    try:
        versions = engine.versions(settings)
    except (InputError, InfrastructureError):
        raise
    except Exception as error:  # code of another package
        raise InputError(
            f"The engine {engine.name} does not work ({one_line(error).rstrip('.')}); reinstall it, or choose another "
            "one with --engine."
        ) from error
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{engine.name}{f' ({found})' if found else ''}"


def _grader(subject: Subject) -> str:
    require_no_credentials(subject.request.grader, "grader", "PTB_GRADER_API_KEY")  # `run.json` stores it in any case
    if not load_benchmark(subject.request.benchmark).graded:
        raise _NotCheckedError("the benchmark needs none")
    from posttrainbench.evaluation.grader import ModelGrader

    return ModelGrader(subject.request.grader).name


def _gpus(subject: Subject) -> str:
    gpus = subject.gpus
    if min([gpus] if isinstance(gpus, int) else gpus, default=0) < 0:
        raise InputError(f"{gpus} are not valid GPUs; use indices from 0, or a number of GPUs.")
    of_suite = subject.request.gpus is None
    require_gpus(gpus, f"The suite {subject.suite.id} gives an agent" if of_suite else "The run requests")
    if isinstance(gpus, int):
        return f"{gpus} free ones" if gpus else "none"
    return ", ".join(map(str, gpus)) or "none"


def _network(subject: Subject) -> str:
    return "the host's" if subject.sandbox.network == "host" and subject.network else subject.network


def _provenance(subject: Subject) -> str:
    if not subject.request.provenance:
        return "off"
    found = _recording(subject.sandbox.name, subject.request.image)
    return "recorded" if found.works else f"unavailable: {found.reason}"


@cache
def _recording(sandbox: str, image: str | None) -> Availability:
    """Record one command; once for all runs, since it takes up to a second."""
    return recording_available(load_sandbox(sandbox, image))


def _kit(subject: Subject) -> str:
    return f"prompt {subject.specification.prompt_sha256[:12]}, kit {subject.specification.kit_sha256[:12]}"


CHECKS: Sequence[Check] = (
    Check("task", _task),
    Check("agent", _agent),
    Check("agent needs", _needs),
    Check("budget", _budget),
    Check("seed", _seed),
    Check("limits", _limits),
    Check("output", _output, again=False),
    Check("benchmark data", _data),
    Check("base model", _base),
    Check("instruct model", _instruct),
    Check("disk", _disk),
    Check("sandbox", _sandbox),
    Check("engine", _engine),
    Check("grader", _grader),
    Check("GPUs", _gpus),
    Check("network", _network, again=False),
    Check("provenance", _provenance, again=False),
    Check("kit and prompt", _kit, again=False),
)
"""Cheap checks of the request first."""


def _require_weights(model: catalog.Model) -> None:
    """Check that a model's files are there and that its weights are not truncated.

    Raises:
        InputError: they are not.
    """
    from safetensors import SafetensorError, safe_open

    folder = model.directory
    for name in ("config.json", *_weight_files(folder)):
        try:
            if name.endswith(".safetensors"):
                with safe_open(folder / name, framework="numpy"):
                    pass
            elif not (folder / name).is_file():
                raise FileNotFoundError("No such file")
        except (OSError, SafetensorError) as error:
            fix = f"run `ptb data pull {model.id} --weights`" if model.hub else "restore it"
            raise InputError(
                f"The file {name} of the model {model.id} in {folder} is missing or damaged "
                f"({one_line(error).rstrip('.')}); {fix}."
            ) from None


def _weight_files(folder: Path) -> list[str]:
    index = folder / WEIGHTS_INDEX
    if not index.is_file():
        return ["model.safetensors"]
    return sorted(set(json.loads(index.read_bytes())["weight_map"].values()))


def weights_size(model: catalog.Model) -> int:
    """Return the size of a model's weight files in bytes."""
    return sum((model.directory / name).stat().st_size for name in _weight_files(model.directory))


def _size(size: int | None) -> str:
    if size is None:
        return "unlimited"
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"
