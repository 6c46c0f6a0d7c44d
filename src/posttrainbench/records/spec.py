"""Records that define an agent, a run and a task."""

from typing import Literal

from pydantic import Field

from posttrainbench.records.base import Record

MIN_BUDGET, MAX_BUDGET = 1, 30 * 24 * 3600
"""Seconds. Anything else is a typing error."""
MIN_BYTES = 64 * 2**20
"""Minimum limit of memory and disk. A Python interpreter with its libraries needs about as much."""
MIN_PROCESSES = 16
"""Minimum limit of processes and threads."""
MIN_CPUS = 0.1


class AgentSpec(Record):
    """An agent as a run uses it: a scaffold with its settings.

    Attributes:
        name: as the user wrote it, including settings, such as `recipe-sft?steps=150`; leaderboard rows group by it.
        scaffold: entry point in `posttrainbench.agents`.
        settings: settings of the scaffold, from the catalog, overridden by those in `name`.
    """

    name: str
    scaffold: str
    settings: dict[str, str] = Field(default_factory=dict)


class RunLimits(Record):
    """Resource limits of all processes of an agent together; None for no limit. See `sandbox.Limits`.

    Values that no agent can work with are found by the checks before a run.
    """

    memory: int | None = None
    processes: int | None = None
    cpus: float | None = None
    disk: int | None = None


class CanaryDraw(Record):
    """The canaries of a run: extra items in the kit's test file that are not scored; see `benchmarks.canaries`.

    Attributes:
        count: number of extra items.
        key: secret that determines them. Agents never see `run.json`.
    """

    count: int = Field(gt=0)
    key: str


class RunSpec(Record):
    """`run.json`: everything that defines a run. Written before the run starts and never changed.

    Attributes:
        run: unique id of the run within its experiment; never parsed.
        model: catalog id of the base model.
        budget: wall-clock time limit of the agent, in seconds.
        seed: passed to the agent.
        rules: id of the rule set that the prompt states and the first audit applies.
        sandbox: entry point in `posttrainbench.sandboxes`.
        image: root file system of the sandbox; None for the host's programs.
        limits: resource limits of the agent.
        gpus: indices of the agent's GPUs as in `nvidia-smi`, or a number of GPUs to be reserved at its start.
        network: `open`: the public internet; `allowlist`: only `hosts`; `none`. All requests are recorded.
        hosts: host names for `allowlist`; `*.example.org` matches all subdomains.
        deny_test_data: block requests for the benchmark's test data.
        deny_instruct: block requests for the base model's instruct counterpart.
        cold_cache: hide this machine's model cache except for the base model.
        provenance: record file provenance, where the sandbox can.
        engine: entry point in `posttrainbench.engines`.
        engine_settings: settings of the engine.
        grader: model that grades open-ended answers.
        canaries: None if the kit's test file has none.
        prompt: the user's own prompt template; None for the built-in one, which states the rule set.
        prompt_version: SHA-256 of the prompt template; empty in runs of older versions.
        prompt_sha256: SHA-256 of the rendered prompt.
        kit_sha256: SHA-256 of the kit's manifest (relative path -> SHA-256 of each file).
        model_sha256: SHA-256 of the base model's weight files.
        versions: of this package, Python and the libraries that can affect a score.
        host: the machine where the run was created: system, architecture, CPU count.
    """

    run: str
    created: str
    agent: AgentSpec
    model: str
    benchmark: str
    suite: str
    budget: float = Field(gt=0)
    seed: int = Field(ge=0)
    rules: str
    sandbox: str
    image: str | None = None
    limits: RunLimits = RunLimits()
    gpus: list[int] | int = 0
    network: Literal["open", "allowlist", "none"] = "none"
    hosts: list[str] = Field(default_factory=list)
    deny_test_data: bool = False
    deny_instruct: bool = False
    cold_cache: bool = False
    provenance: bool = True
    engine: str
    engine_settings: dict[str, str] = Field(default_factory=dict)
    grader: str
    canaries: CanaryDraw | None = None
    prompt: str | None = None
    prompt_version: str = ""
    prompt_sha256: str
    kit_sha256: str
    model_sha256: str
    versions: dict[str, str]
    host: dict[str, str]


class Task(Record):
    """`kit/task.json`: the facts of the prompt in machine-readable form. Paths are inside the sandbox.

    Attributes:
        max_tokens: maximum length of a completion in the evaluation.
        evaluation_seed: first seed of the evaluation; matters only for submissions that sample.
        engine: engine of the evaluation.
        dtype: number format of weights and computations in the evaluation.
        models: id -> directory of every checkpoint in the model cache.
        feedback: `open`, or `sealed` if the kit has no test items and the host evaluates checkpoints.
        evaluations: number of evaluations if the feedback is sealed, else None: no limit.
    """

    model: str
    benchmark: str
    budget: float
    seed: int
    max_tokens: int
    evaluation_seed: int
    engine: str
    workspace: str
    kit: str
    base_model: str
    submission: str
    models: dict[str, str]
    feedback: Literal["open", "sealed"] = "open"
    evaluations: int | None = None
    dtype: str = "float32"
