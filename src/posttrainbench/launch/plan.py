"""Plan a launch: the state of every run, the results of the checks before new ones, and the costs."""

import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from posttrainbench import catalog
from posttrainbench.errors import InfrastructureError, InputError, PtbError, one_line
from posttrainbench.evaluation.items import load_items
from posttrainbench.launch.base import MACHINE_CHECKS, Launcher, LaunchOrder, load_launcher
from posttrainbench.launch.estimate import Costs, estimate
from posttrainbench.launch.node_answers import NodeAnswer, NodeProblem, describe, merged
from posttrainbench.launch.node_checks import NODE_SECONDS, command
from posttrainbench.launch.standing import Standing, State, gpus_of_job, request_for, run_directories, standing
from posttrainbench.records import Experiment, Placement, RunKey
from posttrainbench.run.directory import Run
from posttrainbench.run.prepare import check_request, create_runs

DATA_CHECKS = ("benchmark data", "base model", "instruct model")
"""Checks whose problems mean that data is missing on this machine."""
COMMON = frozenset({"launcher", "concurrency", "options", "evaluation_time", "gpus", "cpus", "memory"})
"""Fields of `Placement` that may be set for every launcher."""


@dataclass(frozen=True)
class Problem:
    """A problem that prevents some runs.

    Attributes:
        check: name of the check.
        text: the problem with its fix.
        keys: the runs, or an empty list if it concerns all.
    """

    check: str
    text: str
    keys: Sequence[RunKey] = ()


@dataclass(frozen=True)
class Plan:
    """The plan of a launch.

    Attributes:
        root: directory of the experiment.
        standings: of all runs.
        problems: what prevents runs; empty if the launch can start.
        missing: new runs whose data is not on this machine.
        notes: facts about the launcher.
    """

    experiment: Experiment
    root: Path
    standings: Sequence[Standing]
    problems: Sequence[Problem]
    missing: frozenset[Path]
    notes: Sequence[str]
    costs: Costs

    @property
    def due(self) -> list[Standing]:
        """The runs that are to be executed."""
        return [entry for entry in self.standings if entry.state.is_due]

    def counts(self) -> dict[str, int]:
        """Return the number of runs in each state, with `missing data` in place of `new` where data is missing."""
        return dict(Counter(self.state(entry) for entry in self.standings))

    def state(self, entry: Standing) -> str:
        """Return the state of a run in words."""
        return "missing data" if entry.root in self.missing else str(entry.state)


def standings(experiment: Experiment, root: Path) -> list[Standing]:
    """Return the states of all runs of an experiment."""
    return [
        standing(key, path, experiment.retries, experiment.off_target)
        for path, key in run_directories(experiment, root).items()
    ]


ON_NODES = "GPUs, limits and sandbox are checked on each node, right before an agent starts there"
"""Reason shown for skipped checks of the machine: nodes may differ from this one; see `MACHINE_CHECKS`."""


def make_plan(experiment: Experiment, root: Path, repeated: Sequence[Standing] = (), with_nodes: bool = False) -> Plan:
    """Examine an experiment. Nothing is changed.

    Args:
        experiment: the experiment.
        root: its directory.
        repeated: runs that are to be repeated.
        with_nodes: also make the checks on the nodes of a cluster.

    Raises:
        InputError: the launcher is unknown, or cannot do what is asked.
    """
    again = {entry.root for entry in repeated}
    entries = [
        Standing(entry.key, entry.root, State.NEW) if entry.root in again else entry
        for entry in standings(experiment, root)
    ]
    launcher = load_launcher(experiment.placement.launcher)
    require_options(launcher, experiment.placement)
    problems = list(_damaged(entries))
    notes = []
    for result in launcher.check(_order(experiment, root, [])):
        if result.state == "problem":
            problems.append(Problem(result.name, result.text))
        else:
            notes.append(result.text)
    answers = _ask_nodes(launcher, experiment, root) if with_nodes and launcher.elsewhere and not problems else []
    if launcher.elsewhere:
        notes += describe(answers) or [ON_NODES]
    new = [entry for entry in entries if entry.state is State.NEW]
    found, missing = _examine(experiment, new, launcher)
    due = [entry for entry in entries if entry.state.is_due]
    costs = estimate(experiment, due, root)
    problems += [*found, *_off_target(experiment), *_disk(costs, root, due)]
    here = {problem.text for problem in problems}
    for one in merged([replace(answer, problems=_others(answer, here)) for answer in answers]):
        problems.append(Problem(one.check, one.text, one.keys))
    return Plan(experiment, root, entries, problems, frozenset(missing), notes, costs)


def _ask_nodes(launcher: Launcher, experiment: Experiment, root: Path) -> list[NodeAnswer]:
    """Return the answers of a cluster's nodes; empty if the cluster fails."""
    try:
        answers = launcher.check_nodes(_order(experiment, root, []), command(experiment, root), NODE_SECONDS)
    except (InputError, InfrastructureError) as error:
        return [NodeAnswer("the cluster", False, reason=str(error))]
    return list(answers)


def _others(answer: NodeAnswer, texts: Collection[str]) -> list[NodeProblem]:
    """Return the problems of a node that this machine does not have too."""
    return [problem for problem in answer.problems if problem.text not in texts]


def create_due_runs(plan: Plan) -> list[Run]:
    """Create the new runs of a plan, and return all runs that are to be executed.

    Raises:
        InputError: something has changed since the plan was made.
    """
    launcher = load_launcher(plan.experiment.placement.launcher)
    skipped = MACHINE_CHECKS if launcher.elsewhere else ()
    new = [entry for entry in plan.due if not (entry.root / "run.json").exists()]
    create_runs({entry.root: request_for(plan.experiment, entry.key) for entry in new}, skipped)
    return [Run(entry.root) for entry in plan.due]


def order_of(plan: Plan, runs: Sequence[Run]) -> LaunchOrder:
    """Return the order for the launcher."""
    return _order(plan.experiment, plan.root, runs)


def require_options(launcher: Launcher, placement: Placement) -> None:
    """Check that a launcher can do what is asked.

    Raises:
        InputError: it does not have an option.
    """
    for field, info in Placement.model_fields.items():
        if field in COMMON or field in launcher.options:
            continue
        if getattr(placement, field) != info.get_default(call_default_factory=True):
            raise InputError(f"The launcher {launcher.name} has no {field.replace('_', '-')}; leave it out.")


def _order(experiment: Experiment, root: Path, runs: Sequence[Run]) -> LaunchOrder:
    placement = experiment.placement
    gpus = gpus_of_job(experiment.gpus, placement)
    return LaunchOrder(runs, root, placement, experiment.retries, gpus, experiment.budget, tuple(experiment.off_target))


def _damaged(entries: Sequence[Standing]) -> Iterator[Problem]:
    for entry in entries:
        if entry.state is State.DAMAGED:
            fix = f"`--rerun {entry.root.name}` sets it aside and starts it again."
            yield Problem("run", f"{entry.root.name}: {entry.text} {fix}", [entry.key])


def _examine(experiment: Experiment, new: Sequence[Standing], launcher: Launcher) -> tuple[list[Problem], set[Path]]:
    """Check new runs, those that differ only in their seeds once. Return the problems, and the runs without data."""
    groups: dict[tuple[str, str, str], list[Standing]] = {}
    for entry in new:
        groups.setdefault(entry.key[:3], []).append(entry)
    found: dict[tuple[str, str], list[RunKey]] = {}
    missing: set[Path] = set()
    skipped = MACHINE_CHECKS if launcher.elsewhere else frozenset()
    for group in groups.values():
        absent = [entry for entry in group if not (entry.root / "run.json").exists()]
        first = (absent or group)[0]
        without_path = set() if absent else {"output"}  # it has been created, or its directory will be set aside
        for result in check_request(request_for(experiment, first.key), first.root, skipped | without_path):
            if result.state != "problem":
                continue
            found.setdefault((result.name, result.text), []).extend(entry.key for entry in group)
            if result.name in DATA_CHECKS:
                missing |= {entry.root for entry in group}
    return [Problem(name, text, keys) for (name, text), keys in found.items()], missing


def _off_target(experiment: Experiment) -> Iterator[Problem]:
    """Yield problems of the data of benchmarks off target."""
    for name in experiment.off_target:
        try:
            if not load_items(catalog.find(catalog.benchmarks(), name, "benchmark"), "test"):
                yield Problem("off target", f"The benchmark {name} has no test items; run `ptb data pull {name}`.")
        except PtbError as error:
            yield Problem("off target", str(error))


def _disk(costs: Costs, root: Path, due: Sequence[Standing]) -> Iterator[Problem]:
    folder = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Problem("disk", f"The disk of {folder} cannot be read: {one_line(error)}")
        return
    if due and costs.disk is not None and costs.disk > free:
        yield Problem(
            "disk",
            f"{'The run needs' if len(due) == 1 else f'The {len(due)} runs need'} about {costs.disk / 2**30:.1f} GiB, "
            f"and the disk of {folder} has "
            f"{free / 2**30:.1f} GiB left; free some space, or launch fewer runs.",
        )


def concerned(problem: Problem, keys: Sequence[RunKey]) -> str:
    """Return which of the runs a problem concerns, in words: those of an agent, a model or a benchmark."""
    if not problem.keys or set(problem.keys) >= set(keys):
        return "all runs"
    parts = []
    for index in range(3):
        own = list(dict.fromkeys(key[index] for key in problem.keys))
        if len(own) < len({key[index] for key in keys}):
            parts.append(", ".join(map(str, own)))
    return "; ".join(parts) or f"{len(problem.keys)} run{'s' * (len(problem.keys) != 1)}"
