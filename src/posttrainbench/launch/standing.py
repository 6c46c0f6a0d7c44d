"""The runs of an experiment: their directories, and what there is to do for each."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from posttrainbench.errors import InputError, one_line, shell_quoted
from posttrainbench.evaluation.plan import DEFAULT_GRADER
from posttrainbench.launch.job import executions, failures
from posttrainbench.records import Experiment, Part, Placement, RunKey, RunLimits, RunSpec, Stage, Status
from posttrainbench.run.directory import Run, is_busy, set_aside
from posttrainbench.run.off_target import missing_off_target
from posttrainbench.run.request import RunRequest
from posttrainbench.run.status import agent_state

MAX_AGENT = 60
SHARE = 0.9
"""Share of a job's memory that the agent may use; the rest is for the processes that supervise it."""


class State(StrEnum):
    """What there is to do for a run."""

    NEW = "new"
    CONTINUE = "continue"  # it began, and nothing failed
    RETRY = "retry"  # it failed through no fault of the agent, or its process was killed
    GIVEN_UP = "given up"  # it failed more often than the experiment permits
    RUNNING = "running"
    DONE = "done"
    DAMAGED = "damaged"

    @property
    def is_due(self) -> bool:
        """True if a launcher has to execute the run."""
        return self in (State.NEW, State.CONTINUE, State.RETRY)


@dataclass(frozen=True)
class Standing:
    """The state of one run.

    Attributes:
        root: its directory, which may not exist.
        failures: number of executions that failed or were killed.
        text: why it is not done, if there is a reason.
    """

    key: RunKey
    root: Path
    state: State
    failures: int = 0
    text: str = ""


def run_directories(experiment: Experiment, root: Path) -> dict[Path, RunKey]:
    """Return the directory of each run of an experiment."""
    agents = {agent: _folder_name(agent) for agent in experiment.agents}
    return {
        root / f"{agents[key.agent]}-{key.model}-{key.benchmark}-seed{key.seed}": key for key in experiment.run_keys()
    }


def _folder_name(agent: str) -> str:
    """Return an agent's name as part of a file name, with a hash unless it is the name itself."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", agent)[:MAX_AGENT]
    return plain if plain == agent else f"{plain}-{hashlib.sha256(agent.encode()).hexdigest()[:6]}"


def standing(key: RunKey, root: Path, retries: int, off_target: Sequence[str] = ()) -> Standing:
    """Return the state of a run. Nothing is changed.

    Args:
        retries: of the experiment.
        off_target: benchmarks on which the submission is also to be evaluated.
    """
    if not (root / "run.json").exists():
        return Standing(key, root, State.NEW)
    try:
        run = Run(root)
        if difference := _difference(key, run.spec):
            return Standing(key, root, State.DAMAGED, text=difference)
        return _existing(key, run, retries, off_target)
    except (InputError, OSError) as error:
        return Standing(key, root, State.DAMAGED, text=one_line(error))


def _existing(key: RunKey, run: Run, retries: int, off_target: Sequence[str]) -> Standing:
    result = run.result()
    settled = result is not None and result.status is not Status.INFRASTRUCTURE_ERROR
    if result is not None and settled and not missing_off_target(run, off_target):
        return Standing(key, run.root, State.DONE, text=str(result.status))
    running = is_busy(run)
    lines = executions(run.root)
    failed = failures(lines, running)
    last = next((line.text for line in reversed(lines) if line.event == "end" and line.text), "")
    text = last or (" ".join(result.reasons) if result is not None else "")
    if running:
        return Standing(key, run.root, State.RUNNING, failed)
    if failed > retries:
        return Standing(key, run.root, State.GIVEN_UP, failed, text)
    if failed:
        return Standing(key, run.root, State.RETRY, failed, text or "Its process was killed.")
    begun = result is not None or any(run.journal())
    return Standing(key, run.root, State.CONTINUE if begun else State.NEW, failed, text)


def _difference(key: RunKey, spec: RunSpec) -> str:
    existing = RunKey(spec.agent.name, spec.model, spec.benchmark, spec.seed)
    if existing == key:
        return ""
    return f"The directory contains another run: {', '.join(map(str, existing))}."


def next_part(run: Run, off_target: Sequence[str] = ()) -> Part | None:
    """Return the part of a run that is to be executed next; None if it is done.

    Args:
        off_target: benchmarks on which the submission is also to be evaluated.
    """
    if not run.is_done(Stage.SOLVE):
        return "agent"
    done = run.is_done(Stage.SETTLE) and not missing_off_target(run, off_target)
    return None if done else "evaluation"


def request_for(experiment: Experiment, key: RunKey) -> RunRequest:
    """Return the request for a run of an experiment."""
    limits = experiment.limits
    if limits.memory is None and experiment.placement.memory is not None:
        limits = RunLimits(**limits.model_dump() | {"memory": int(SHARE * experiment.placement.memory)})
    return RunRequest(
        agent=key.agent,
        model=key.model,
        benchmark=key.benchmark,
        suite=experiment.suite,
        budget=experiment.budget,
        seed=key.seed,
        sandbox=experiment.sandbox,
        image=experiment.image,
        limits=limits,
        gpus=experiment.gpus,
        network=experiment.network,
        deny_test_data=experiment.deny_test_data,
        deny_instruct=experiment.deny_instruct,
        cold_cache=experiment.cold_cache,
        provenance=experiment.provenance,
        engine=experiment.engine,
        engine_settings=experiment.engine_settings,
        grader=experiment.grader or DEFAULT_GRADER,
        prompt=experiment.prompt,
    )


def gpus_of_job(gpus: list[int] | int, placement: Placement) -> int:
    """Return the number of GPUs of a job whose agent has these GPUs."""
    if placement.gpus is not None:
        return placement.gpus
    return gpus if isinstance(gpus, int) else len(gpus)


def select(standings: Iterable[Standing], wanted: list[str]) -> list[Standing]:
    """Return the runs that `--rerun` names: those with a status, or whose directory's name matches a pattern.

    Raises:
        InputError: a word names no run.
    """
    found: dict[Path, Standing] = {}
    entries = list(standings)
    for word in wanted:
        status = word.replace("-", "_")
        if status in tuple(Status):
            matching = [entry for entry in entries if _status(entry) == status]
        else:
            matching = [entry for entry in entries if fnmatchcase(entry.root.name, word)]
        if not matching and status not in tuple(Status):
            raise InputError(
                f"`{word}` names no run of this experiment; give a status ({', '.join(Status)}), or the name of a "
                "run's directory, in which * matches any text."
            )
        found |= {entry.root: entry for entry in matching}
    for entry in found.values():
        if entry.state is State.RUNNING or _has_living_agent(entry.root):
            raise InputError(
                f"{entry.root} is running; end it with `ptb stop {shell_quoted(entry.root)}` before you repeat it."
            )
    return [entry for entry in found.values() if entry.root.exists()]


def _has_living_agent(root: Path) -> bool:
    try:
        return agent_state(Run(root)) == "running"
    except InputError:
        return False


def _status(entry: Standing) -> str | None:
    if entry.state is State.DONE:
        return entry.text
    if entry.state in (State.RETRY, State.GIVEN_UP):
        return str(Status.INFRASTRUCTURE_ERROR)
    return None


def keep_attempts(entries: Iterable[Standing]) -> None:
    """Rename the directories of runs, so that they are repeated and the earlier attempts are kept.

    Raises:
        InputError: a process works on a run.
    """
    for entry in entries:
        if entry.state is State.DAMAGED:
            set_aside(entry.root)
        else:
            with Run(entry.root).lock():
                set_aside(entry.root)
