"""A user's request for a run, and what it amounts to with the defaults of the suite and this machine."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import psutil

from posttrainbench import catalog
from posttrainbench.agents import Launch
from posttrainbench.evaluation.evaluate import model_sha256
from posttrainbench.evaluation.plan import DEFAULT_GRADER
from posttrainbench.records import AgentSpec, CanaryDraw, RunLimits, RunSpec
from posttrainbench.records.spec import MIN_BYTES
from posttrainbench.run.network import Network, choose_network
from posttrainbench.run.session import require_launch
from posttrainbench.sandbox import Sandbox, load_sandbox

DEFAULT_SHARE = 0.9
"""Default limit of memory and disk, as a share of the machine's memory and free disk space."""
DEFAULT_PROCESSES = 16384
"""Default limit of processes and threads."""


@dataclass(frozen=True)
class RunRequest:
    """A user's request for a run. None selects the suite's value.

    Attributes:
        agent: `NAME` or `NAME?key=value&...`.
        suite: its id; None for the first suite with both the model and the benchmark.
        budget: seconds.
        image: root file system of the sandbox; None for the host's programs.
        limits: resource limits of the agent; missing ones are set to shares of the machine's resources.
        gpus: indices, or a number of GPUs.
        deny_test_data, deny_instruct, cold_cache: added to the suite's values.
        engine_settings: added to the suite's settings if the engine is the suite's.
        provenance: record file provenance, where the sandbox can.
        canaries: those of an existing run, to create the same kit; None to draw new ones if the suite has canaries.
        prompt: template that replaces the built-in prompt, with the variables of `kit/prompt.md.jinja`.
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
    provenance: bool = True
    canaries: CanaryDraw | None = None
    prompt: str | None = None


def request_of(spec: RunSpec) -> RunRequest:
    """Return the request that an existing run amounts to."""
    return RunRequest(
        agent=spec.agent.name,
        model=spec.model,
        benchmark=spec.benchmark,
        suite=spec.suite,
        budget=spec.budget,
        seed=spec.seed,
        sandbox=spec.sandbox,
        image=spec.image,
        limits=spec.limits,
        gpus=spec.gpus,
        engine=spec.engine,
        engine_settings=spec.engine_settings,
        grader=spec.grader,
        provenance=spec.provenance,
        canaries=spec.canaries,
    )


@dataclass(frozen=True)
class Subject:
    """A requested run, or an existing one whose agent is about to start.

    The properties raise `InputError` if the request names something unknown.

    Attributes:
        root: the run directory.
        compose: returns the specification of the run, for which it renders kit and prompt.
        run: specification of an existing run; None for a request.
    """

    request: RunRequest
    root: Path
    compose: "Callable[[Subject], RunSpec]"
    run: RunSpec | None = None

    @cached_property
    def suite(self) -> catalog.Suite:
        """The suite that contains the base model and the benchmark."""
        return catalog.suite_of(self.request.model, self.request.benchmark, self.request.suite)

    @cached_property
    def base(self) -> catalog.Model:
        """The base model."""
        return catalog.find(catalog.models(), self.request.model, "model")

    @cached_property
    def agent(self) -> AgentSpec:
        """The agent with its settings."""
        return self.run.agent if self.run else catalog.agent_spec(self.request.agent)

    @cached_property
    def sandbox(self) -> Sandbox:
        """The sandbox."""
        return load_sandbox(self.request.sandbox, self.request.image)

    @cached_property
    def launch(self) -> Launch:
        """The command that starts the agent, with placeholder model access."""
        return require_launch(self.agent, self.sandbox)

    @property
    def budget(self) -> float:
        """The time limit of the agent in seconds."""
        return self.suite.budget if self.request.budget is None else self.request.budget

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self.request.engine or self.suite.engine

    @property
    def engine_settings(self) -> dict[str, str]:
        """Settings of the engine: the suite's, if it is the suite's engine, and the requested ones."""
        if self.run:
            return self.run.engine_settings
        of_suite = self.suite.engine_settings if self.engine == self.suite.engine else {}
        return of_suite | dict(self.request.engine_settings)

    @property
    def gpus(self) -> list[int] | int:
        """The GPUs of the agent."""
        return self.suite.gpus if self.request.gpus is None else self.request.gpus

    @property
    def network(self) -> Network:
        """Network access of the agent."""
        denies = self.request.deny_test_data or self.request.deny_instruct
        return choose_network(self.request.network, denies, self.suite, self.sandbox)

    @property
    def disk(self) -> Path:
        """The existing directory on whose disk the run is."""
        return next(folder for folder in (self.root, *self.root.parents) if folder.exists())

    @cached_property
    def limits(self) -> RunLimits:
        """The requested limits, completed by defaults that protect the machine."""
        default = {
            "memory": int(DEFAULT_SHARE * psutil.virtual_memory().total),
            "processes": DEFAULT_PROCESSES,
            "disk": max(MIN_BYTES, int(DEFAULT_SHARE * shutil.disk_usage(self.disk).free)),
        }
        return RunLimits(**default | self.request.limits.model_dump(exclude_none=True))

    @cached_property
    def specification(self) -> RunSpec:
        """The content of `run.json`."""
        return self.compose(self)

    @cached_property
    def model_sha256(self) -> str:
        """Hash of the base model's files."""
        return model_sha256(self.base.directory)
