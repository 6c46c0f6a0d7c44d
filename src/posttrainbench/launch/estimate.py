"""Estimate what the runs of an experiment will cost, from their budgets and from earlier runs."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from posttrainbench import catalog
from posttrainbench.errors import InputError
from posttrainbench.files import read_jsonl
from posttrainbench.launch.standing import Standing
from posttrainbench.records import Experiment, JournalEntry, ModelUsage, RunSpec, Stage
from posttrainbench.run.directory import EARLIER
from posttrainbench.run.preflight import COPIES, KEPT_COPIES, weights_size
from posttrainbench.usage.prices import cost

MAX_EARLIER = 2000
"""Earlier runs that are read."""


@dataclass(frozen=True)
class Dollars:
    """Estimated price of the model calls of an agent's runs.

    Attributes:
        low, median, high: US dollars of all runs together: as if each cost as much as the first quartile, the median
            and the third quartile of the earlier runs.
        earlier: number of earlier runs with a known price.
    """

    low: float
    median: float
    high: float
    earlier: int


@dataclass(frozen=True)
class Costs:
    """Estimated costs.

    Attributes:
        runs: number of runs.
        agent_hours: hours of all agents, if each uses its whole budget.
        gpus: GPUs of an agent.
        evaluation_hours: hours of all evaluations, from earlier runs; None if there are none.
        dollars: by agent; agents without a model, or without earlier runs of known price, are missing.
        unknown: agents with a model for which nothing is known.
        disk: bytes; None if a model is not on this machine.
    """

    runs: int
    agent_hours: float
    gpus: int
    evaluation_hours: float | None
    dollars: dict[str, Dollars] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    disk: int | None = None

    @property
    def gpu_hours(self) -> float:
        """GPU-hours of the agents, and of the evaluations if they are known."""
        return self.gpus * (self.agent_hours + (self.evaluation_hours or 0.0))


@dataclass(frozen=True)
class _Earlier:
    """Usage of an earlier run."""

    spec: RunSpec
    dollars: float | None
    evaluation: float | None


def estimate(experiment: Experiment, due: Sequence[Standing], root: Path) -> Costs:
    """Return the estimated costs of the runs that are to be executed.

    Args:
        experiment: the experiment.
        due: its runs that are to be executed.
        root: its directory; earlier runs are those in it and in the directories beside it.
    """
    earlier = list(_earlier_runs(root))
    evaluations = [_evaluation(entry.key.benchmark, entry.key.model, earlier) for entry in due]
    known = [seconds for seconds in evaluations if seconds is not None]
    dollars: dict[str, Dollars] = {}
    unknown = []
    for agent in dict.fromkeys(entry.key.agent for entry in due):
        runs = sum(entry.key.agent == agent for entry in due)
        prices = [
            run.dollars * experiment.budget / run.spec.budget
            for run in earlier
            if run.spec.agent.name == agent and run.dollars is not None
        ]
        if prices:
            low, median, high = statistics.quantiles(prices, n=4) if len(prices) > 3 else _spread(prices)
            dollars[agent] = Dollars(max(0.0, low) * runs, median * runs, high * runs, len(prices))
        elif "model" in catalog.agent_spec(agent).settings:
            unknown.append(agent)
    gpus = experiment.gpus if isinstance(experiment.gpus, int) else len(experiment.gpus)
    return Costs(
        runs=len(due),
        agent_hours=len(due) * experiment.budget / 3600,
        gpus=gpus,
        evaluation_hours=sum(known) / 3600 if len(known) == len(due) else None,
        dollars=dollars,
        unknown=unknown,
        disk=_disk(experiment, due),
    )


def _spread(prices: Sequence[float]) -> tuple[float, float, float]:
    return min(prices), statistics.median(prices), max(prices)


def _evaluation(benchmark: str, model: str, earlier: Sequence[_Earlier]) -> float | None:
    times = [
        run.evaluation
        for run in earlier
        if (run.spec.benchmark, run.spec.model) == (benchmark, model) and run.evaluation is not None
    ]
    return statistics.median(times) if times else None


def _disk(experiment: Experiment, due: Sequence[Standing]) -> int | None:
    """Return the size of the checkpoints that the runs keep."""
    suite = catalog.find(catalog.suites(), experiment.suite, "suite")
    copies = COPIES + KEPT_COPIES * suite.keep_evaluated
    try:
        sizes = {name: weights_size(catalog.find(catalog.models(), name, "model")) for name in experiment.models}
    except (InputError, OSError, ValueError, KeyError):
        return None
    return sum(copies * sizes[entry.key.model] for entry in due)


def _earlier_runs(root: Path) -> Iterable[_Earlier]:
    """Yield what earlier runs used. Runs that cannot be read are skipped."""
    files = (file for depth in ("*", "*/*") for file in root.absolute().parent.glob(f"{depth}/run.json"))
    for number, file in enumerate(files):
        if number >= MAX_EARLIER:
            return
        if EARLIER.search(file.parent.name) or not (file.parent / Stage.SOLVE.folder / "outcome.json").exists():
            continue
        try:
            spec = RunSpec.model_validate_json(file.read_text())
            yield _Earlier(spec, _dollars(spec, file.parent), _evaluation_seconds(file.parent))
        except (OSError, ValidationError, UnicodeDecodeError):
            continue


def _dollars(spec: RunSpec, root: Path) -> float | None:
    path = root / Stage.SOLVE.folder / "usage.json"
    if not path.exists():
        return None
    usage = ModelUsage.model_validate_json(path.read_text())
    now = cost(spec.agent.settings.get("model", ""), usage.input, usage.cached, usage.output, usage.cache_write)
    return now if now is not None else None if usage.unpriced else usage.cost


def _evaluation_seconds(root: Path) -> float | None:
    """Return the time of the stages after the agent's work; None if they are not all done."""
    seconds: dict[Stage, float] = {}
    for line in read_jsonl(root / "journal.jsonl"):
        entry = JournalEntry.model_validate(line)
        if entry.event == "done" and entry.seconds is not None:
            seconds[entry.stage] = entry.seconds
    if Stage.EVALUATE not in seconds:
        return None
    return sum(seconds.get(stage, 0.0) for stage in (Stage.COLLECT, Stage.AUDIT, Stage.EVALUATE))
