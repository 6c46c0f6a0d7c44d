"""`experiment.yaml`: the definition of an experiment."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, field_validator

from posttrainbench.records.base import Record
from posttrainbench.records.spec import MAX_BUDGET, MIN_BUDGET, MIN_BYTES, RunLimits
from posttrainbench.records.units import parse_budget, parse_size

EXPERIMENT_FILE = "experiment.yaml"
"""Name of the file in the directory of an experiment."""
MAX_RUNS = 100_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def _seeds(value: Any) -> Any:
    """Turn a number of seeds N into the seeds 0 to N - 1."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_RUNS:
        return list(range(value))
    if not isinstance(value, list):
        raise ValueError("should be a number of seeds, such as 3, or a list of seeds, such as [0, 3, 7]")
    return value


def _names(value: Any) -> Any:
    if not isinstance(value, list):
        raise ValueError(f"should be a list, such as [{value if isinstance(value, str) else 'NAME'}]")
    return value


def _seconds(value: Any) -> Any:
    return parse_budget(value) if isinstance(value, str) else value


def _bytes(value: Any) -> Any:
    return parse_size(value) if isinstance(value, str) else value


def _limits(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _bytes(entry) if key in ("memory", "disk") else entry for key, entry in value.items()}


Names = Annotated[list[str], BeforeValidator(_names), Field(min_length=1)]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=MIN_BUDGET, le=MAX_BUDGET)]


class RunKey(NamedTuple):
    """One run of an experiment, by what defines it."""

    agent: str
    model: str
    benchmark: str
    seed: int


class Placement(Record):
    """Where and how the runs of an experiment are executed. It has no effect on scores.

    Attributes:
        launcher: entry point in `posttrainbench.launchers`, such as `local`.
        concurrency: maximum number of runs at a time; None for the launcher's default.
        evaluations: `local`, on a machine without GPUs: number of runs that are evaluated at a time, beside the agents.
        split_evaluation: execute the audit and the evaluation of a run as a job of its own, so that the agent's GPUs
            are free for the next agent. `local` always does so.
        evaluation_time: seconds that a job may take in addition to the agent's budget.
        cpus: CPUs of a job; None for the scheduler's default.
        memory: bytes of a job; None for the scheduler's default.
        gpus: GPUs of a job; None for those of the agent.
        partition: Slurm partition.
        account: Slurm account, or accounting group of HTCondor.
        constraint: Slurm node feature, or requirements of HTCondor (a ClassAd expression).
        address: address of a Ray cluster; None for one on this machine.
        options: other options of the scheduler, such as `{qos: low}`.
    """

    launcher: str = "local"
    concurrency: int | None = Field(default=None, gt=0)
    evaluations: int | None = Field(default=None, gt=0)
    split_evaluation: bool = False
    evaluation_time: Seconds = 4 * 3600.0
    cpus: int | None = Field(default=None, gt=0)
    memory: Annotated[int | None, BeforeValidator(_bytes)] = Field(default=None, ge=MIN_BYTES)
    gpus: int | None = Field(default=None, ge=0)
    partition: str | None = None
    account: str | None = None
    constraint: str | None = None
    address: str | None = None
    options: dict[str, str] = Field(default_factory=dict)


Part = Literal["agent", "evaluation", "all"]
"""Part of a run that a job executes: the stages up to the end of the agent, the stages after it, or all."""
Ending = Literal["done", "failed", "refused", "busy", "interrupted"]
"""How a job ended: its part of the run is done; it failed through no fault of the agent; the run cannot be executed as
it is; another job executes it; a person, a signal or the scheduler ended the job."""


class Execution(Record):
    """A line of `executions.jsonl`: a job that executes the run was submitted, began or ended.

    A job that began and has no line for its end was killed, or still works.

    Attributes:
        time: ISO 8601, UTC.
        job: id of the job; the lines of one job have the same.
        host: name of the machine; in a job of Slurm, of the node.
        gpus: `CUDA_VISIBLE_DEVICES` of the job.
        ending: how the job ended.
        text: the reason, unless `ending` is `done`.
    """

    time: str
    event: Literal["submitted", "begin", "end"]
    part: Part
    launcher: str
    job: str
    host: str = ""
    gpus: str | None = None
    ending: Ending | None = None
    text: str = ""


class Experiment(Record):
    """`experiment.yaml`: a set of runs, one for each agent, model, benchmark and seed, and how they are executed.

    The experiment is the directory that contains this file and the directories of the runs. A directory whose name ends
    in `.attempt-N` holds an earlier attempt at a run that was repeated; it counts nowhere.

    None stands for the value of the suite or of the machine. Attributes without an explanation are those of `run.json`.

    Attributes:
        name: name of the directory.
        suite: id of the suite.
        agents: as for `ptb run --agent`.
        models: ids of base models.
        benchmarks: ids of benchmarks.
        seeds: seeds of the agents. In an input file, a number N stands for the seeds 0 to N - 1.
        budget: seconds. In an input file, also a text such as `10h`.
        gpus: indices of the agent's GPUs, or a number of GPUs.
        limits: resource limits of the agent. In an input file, sizes are also texts such as `64G`.
        provenance: record file provenance, where the sandbox can.
        prompt: prompt template that replaces the built-in one; see `docs/running.md`.
        off_target: benchmarks on which each submission is also evaluated, without effect on its score.
        retries: how often a run that failed through no fault of its agent is tried again. An agent that had already
            worked is started over with its whole budget, which the result counts.
        placement: where the runs are executed.
    """

    name: str
    suite: str
    agents: Names
    models: Names
    benchmarks: Names
    seeds: Annotated[list[int], BeforeValidator(_seeds), Field(min_length=1)]
    budget: Seconds
    gpus: list[int] | int
    sandbox: str = "bubblewrap"
    image: str | None = None
    limits: Annotated[RunLimits, BeforeValidator(_limits)] = RunLimits()
    network: Literal["open", "allowlist", "none"] | None = None
    deny_test_data: bool = False
    deny_instruct: bool = False
    cold_cache: bool = False
    provenance: bool = True
    engine: str | None = None
    engine_settings: dict[str, str] = Field(default_factory=dict)
    grader: str | None = None
    prompt: str | None = None
    off_target: list[str] = Field(default_factory=list)
    retries: Annotated[int, Field(ge=0, le=100)] = 2
    placement: Placement = Placement()

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not NAME.fullmatch(name) or re.search(r"\.attempt-\d+$", name):
            raise ValueError("should consist of letters, digits, `.`, `_` and `-`, beginning with a letter or digit")
        return name

    @field_validator("agents", "models", "benchmarks", "seeds", "off_target")
    @classmethod
    def _distinct(cls, values: list[Any]) -> list[Any]:
        """Refuse values that occur twice, because each run has a directory of its own."""
        twice = [value for number, value in enumerate(values) if value in values[:number]]
        if twice:
            raise ValueError(f"`{twice[0]}` is listed twice")
        return values

    @field_validator("seeds", "gpus")
    @classmethod
    def _not_negative(cls, value: list[int] | int) -> list[int] | int:
        if min([value] if isinstance(value, int) else value, default=0) < 0:
            raise ValueError("use whole numbers from 0")
        return value

    def run_keys(self) -> Iterator[RunKey]:
        """Yield all runs. Neighbors differ in their agents, and all agents, models and benchmarks precede a new seed.

        An experiment that is stopped early has therefore treated its agents alike.
        """
        for seed in self.seeds:
            for benchmark in self.benchmarks:
                for model in self.models:
                    for agent in self.agents:
                        yield RunKey(agent, model, benchmark, seed)
