"""What is asked for: an agent, a run, a task."""

from typing import Literal

from pydantic import Field

from posttrainbench.records.base import Record


class AgentSpec(Record):
    """An agent as a run uses it: a scaffold with its settings.

    Attributes:
        name: as the user wrote it, settings included, such as `recipe-sft?steps=150`; leaderboard rows group by it.
        scaffold: entry point in `posttrainbench.agents`.
        settings: what the scaffold is started with; values from the catalog, overridden by those in `name`.
    """

    name: str
    scaffold: str
    settings: dict[str, str] = Field(default_factory=dict)


class RunLimits(Record):
    """What an agent and all its processes may use together; None for no limit. As `sandbox.Limits`."""

    memory: int | None = Field(default=None, gt=0)
    processes: int | None = Field(default=None, gt=0)
    cpus: float | None = Field(default=None, gt=0)
    disk: int | None = Field(default=None, gt=0)


class RunSpec(Record):
    """`run.json`: all that defines a run, fixed before anything of it happens.

    Attributes:
        run: the run's identity, unique within its experiment; never parsed.
        model: base model's id in the catalog.
        budget: seconds of wall-clock time for the agent.
        seed: handed to the agent.
        rules: id of the rule set that the prompt states and the audit applies.
        sandbox: entry point in `posttrainbench.sandboxes`.
        image: what the sandbox's root is made of; None for the host's programs.
        limits: of the agent.
        gpus: those that it sees, as `nvidia-smi` counts; or how many, to be found free when it starts.
        network: what it reaches: `open`: all that is public; `allowlist`: `hosts`; `none`. All is recorded.
        hosts: names, `*.example.org` for all below one; for `allowlist`.
        deny_test_data: whether the proxy withholds the benchmark's test data.
        deny_instruct: whether it withholds the base model's instruct counterpart.
        cold_cache: whether nothing of this machine's model cache is shown but the base model.
        engine: entry point in `posttrainbench.engines`.
        engine_settings: what the engine is started with.
        grader: the model that grades open-ended answers.
        prompt: the user's own template of the prompt; None for ours, which states the rule set.
        prompt_sha256: of the prompt's text.
        kit_sha256: of the kit's manifest (relative path -> SHA-256 of each file).
        model_sha256: of the base model's weight files.
        versions: of this package, Python and the libraries that a score may depend on.
        host: where the run was created: system, machine, CPU count.
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
    engine: str
    engine_settings: dict[str, str] = Field(default_factory=dict)
    grader: str
    prompt: str | None = None
    prompt_sha256: str
    kit_sha256: str
    model_sha256: str
    versions: dict[str, str]
    host: dict[str, str]


class Task(Record):
    """`kit/task.json`: the prompt's facts for programs. Paths are as the sandbox shows them.

    Attributes:
        max_tokens: limit of one completion in the evaluation.
        evaluation_seed: the evaluation's first seed, which matters to submissions that sample.
        engine: what the evaluation generates with.
        models: id -> directory of every checkpoint in the model cache.
        feedback: `open`, or `sealed` where the kit has no test items and the host evaluates.
        evaluations: how many evaluations there are where it is sealed; None for as many as one likes.
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
