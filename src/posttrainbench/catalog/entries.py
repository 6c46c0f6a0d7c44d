"""What the files of a catalog hold. Keys that are not named here are refused."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from posttrainbench.catalog.thresholds import JudgingThresholds
from posttrainbench.errors import InputError
from posttrainbench.records import Level, Record

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""An id: it names files and directories too."""

USUAL_HOSTS = tuple(
    """
    huggingface.co *.huggingface.co hf.co *.hf.co *.xethub.hf.co
    pypi.org files.pythonhosted.org download.pytorch.org pypi.nvidia.com wheels.vllm.ai registry.npmjs.org
    github.com raw.githubusercontent.com codeload.github.com objects.githubusercontent.com
    release-assets.githubusercontent.com deb.debian.org archive.ubuntu.com security.ubuntu.com
    """.split()
)
"""What an allowlist holds where a suite does not say: models, data sets, packages and sources."""

Split = Literal["train", "test"]
Positive = Annotated[int, Field(gt=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Entry(Record):
    """Base of all entries.

    Attributes:
        id: also the name of its file.
        title: what it is, on one line.
    """

    id: Name
    title: str = Field(min_length=1)
    _home: Path = PrivateAttr(default=Path())

    def model_post_init(self, context: Any) -> None:
        """Remembers which catalog the entry is from."""
        if isinstance(context, dict):
            self._home = context["home"]

    @property
    def home(self) -> Path:
        """Directory of the catalog that holds the entry; its paths are relative to it."""
        return self._home


class DemoPlan(Record):
    """What `ptb demo` runs: every agent on every benchmark, `repeats` times (1 where not named)."""

    agents: list[str]
    repeats: dict[str, Positive] = Field(default_factory=dict)


class Background(Record):
    """How often legal text holds a test item by chance: documents with one, per document. See docs/contamination.md.

    Attributes:
        text: by its words.
        numbers: by its numbers and answer alone.
    """

    text: Annotated[float, Field(ge=0, lt=1)]
    numbers: Annotated[float, Field(ge=0, lt=1)]


class Rule(Record):
    """One rule of a rule set.

    Attributes:
        text: what the agent is told; empty for what it is not told.
        level: evidence level from which a finding flags the run.
        tolerance: counts up to and including this one are reported and do not flag.
        background: what chance explains in a corpus, beside the tolerance; for the rule on test data.
        attempts: whether a finding flags that is an attempt without success, such as a refused request.
        effect: what a flagged rule costs; `reset`: the score is the base model's; `report`: nothing, it is shown.
        needs: detectors, by name, all of which must have seen what they need before the rule is clean; where none is
            named, any one of those that speak on the rule.
    """

    text: str = ""
    level: Level
    tolerance: int = Field(default=0, ge=0)
    background: Background | None = None
    attempts: bool = False
    effect: Literal["reset", "report"] = "reset"
    needs: list[str] = Field(default_factory=list)


class RuleSet(Entry):
    """A versioned set of rules: what the prompt says, and what turns findings into a verdict.

    Attributes:
        rules: by name, in the order in which the agent is told.
        lineage: what a submission's descent is judged by; those not given are the calibrated ones.
        agreement: share of a judge's votes above which its findings count.
    """

    rules: dict[str, Rule]
    agreement: Annotated[float, Field(ge=0, lt=1)] = 0.5
    lineage: JudgingThresholds = JudgingThresholds()


class Suite(Entry):
    """A named, versioned set of models and benchmarks with everything that scores depend on.

    Attributes:
        models: ids of its base models.
        benchmarks: ids of its benchmarks.
        budget: seconds an agent gets, unless the user chooses otherwise.
        gpus: GPUs an agent gets.
        rules: id of the rule set.
        required: rules that must have been checked for a result to count.
        evaluation_seeds: seeds of the final evaluation, whose scores are averaged. Only the first is used where seeds
            make no difference or the grader's price forbids it: greedy decoding and graded benchmarks. Benchmarks with
            `every_seed` use all of them always.
        tries: how often an evaluation that fails is tried: at the benchmark's `max_tokens`, then at each of its
            `retry_max_tokens`.
        engine: entry point in `posttrainbench.engines`.
        engine_settings: what the engine is started with, such as `memory_fraction`.
        threads: CPU threads that a process may compute with; None leaves that to its libraries.
        feedback: what an agent may see of its own score; `open`: it has the test items, and evaluates itself; `sealed`:
            it has none, and the host evaluates its checkpoints, `sealed_evaluations` times.
        sealed_evaluations: given where the feedback is sealed, and only there.
        grader_passes: of benchmarks that a model grades, how many answers of an agent's it grades while the agent
            works, in multiples of the benchmark's items.
        network: what an agent reaches of the internet, unless the user chooses otherwise: `open`: all that is public,
            `allowlist`: `hosts`, `none`. All requests are recorded.
        hosts: names, `*.example.org` for all below one; what `allowlist` means.
        deny: what the network withholds: the benchmark's `test_data`, the base model's `instruct` counterpart.
        cold_cache: whether an agent is shown nothing of the machine's model cache but the base model.
        demo: what `ptb demo` runs, on suites that have one.
    """

    models: list[str] = Field(min_length=1)
    benchmarks: list[str] = Field(min_length=1)
    budget: float = Field(gt=0)
    gpus: int = Field(ge=0)
    rules: str
    required: list[str]
    evaluation_seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    tries: list[Positive] = Field(min_length=1)
    engine: str
    engine_settings: dict[str, str] = Field(default_factory=dict)
    threads: Positive | None = None
    feedback: Literal["open", "sealed"] = "open"
    sealed_evaluations: Positive | None = None
    grader_passes: Positive = 20
    network: Literal["open", "allowlist", "none"] = "open"
    hosts: list[str] = Field(default_factory=lambda: list(USUAL_HOSTS))
    deny: list[Literal["test_data", "instruct"]] = Field(default_factory=list)
    cold_cache: bool = False
    demo: DemoPlan | None = None

    @model_validator(mode="after")
    def _sealed_with_a_number(self) -> Self:
        if (self.feedback == "sealed") != (self.sealed_evaluations is not None):
            raise ValueError("`sealed_evaluations` should be given with `feedback: sealed`, and only then")
        return self


class Model(Entry):
    """A base model, or the instruct counterpart of one: a directory of the catalog, or a repository on the Hub.

    Attributes:
        family: architecture family, such as `qwen3`.
        path: directory relative to the catalog.
        hub: model repository on the Hub.
        revision: its commit; where none is given, the first `ptb data pull` takes the branch `main` and keeps to it.
        instruct: id of the instruct counterpart, on base models only. Its chat template is used for both.
        tools_template: file in the catalog's `templates`, used in place of the counterpart's template for benchmarks
            with tools; on base models only.
    """

    family: str
    path: str | None = None
    hub: str | None = Field(default=None, pattern=r"^[\w.-]+/[\w.-]+$")
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    instruct: str | None = None
    tools_template: str | None = None

    @model_validator(mode="after")
    def _one_place(self, info: ValidationInfo) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError("exactly one of `path` and `hub` should be given")
        if self.revision and not self.hub:
            raise ValueError("`revision` belongs to `hub`")
        if self.tools_template and not self.instruct:
            raise ValueError("`tools_template` belongs to a base model, one with `instruct`")
        return self

    @property
    def directory(self) -> Path:
        """Where the whole checkpoint lies.

        Raises:
            InputError: it is on the Hub and not on this machine.
        """
        return self._files(weights=True)

    @property
    def tokenizer_directory(self) -> Path:
        """Where its configuration, tokenizer and chat template lie, with the weights or without.

        Raises:
            InputError: it is on the Hub and not on this machine.
        """
        return self._files(weights=False)

    def _files(self, weights: bool) -> Path:
        if self.path is not None:
            return self.home / self.path
        from posttrainbench import hub

        record = None if self.revision else hub.model_record(self.id)
        commit = self.revision or (record.revision if record else None)
        folder = hub.local_snapshot(self.hub or "", commit) if commit else None
        if folder is None or not (hub.has_weights(folder) if weights else hub.has_tokenizer(folder)):
            flag = " --weights" if weights else ""
            raise InputError(f"The model {self.id} is not on this machine; run `ptb data pull {self.id}{flag}`.")
        return folder


class GenericData(Record):
    """The items of a benchmark that needs no Python: rows of JSONL files, a template, and one of our scorers.

    Attributes:
        files: split -> JSONL file, relative to the catalog.
        question: Jinja template of the user's message over a row's keys, such as `{{ question }}`. It should ask for a
            last line `ANSWER: ...`, which is what the scorers read.
        answer: key of the row that holds the answer.
        scorer: how the answer is compared: the `number`, the letter of a `choice`, or the `exact` text.
    """

    files: dict[Split, str]
    question: str
    answer: str
    scorer: Literal["number", "choice", "exact"]

    @model_validator(mode="after")
    def _has_a_test_split(self) -> Self:
        if "test" not in self.files:
            raise ValueError("`files` should name a file for the split `test`")
        return self


class BenchmarkFacts(Entry):
    """A benchmark's facts; its code is the entry point of the same name, unless it has `data`.

    Attributes:
        metric: what is measured, in words.
        max_tokens: limit of one completion.
        retry_max_tokens: lower limits of an evaluation that failed at `max_tokens`, in order.
        train_items: how many items the train split has.
        test_items: how many items the test split has.
        sha256: split -> SHA-256 of its items, so that data can never drift unseen; a split that is not named here is
            held to what was first pulled or imported.
        mirrors: id of the official benchmark whose shape it has.
        every_seed: whether all seeds of a suite count even where decoding is greedy, since they change the questions.
        graded: whether a model grades the answers.
        test_repositories: where the test items can be had, as `destinations.is_among` takes it.
        data: the items, for benchmarks without code of their own.
    """

    metric: str
    max_tokens: Positive
    retry_max_tokens: list[Positive] = Field(default_factory=list)
    train_items: int = Field(default=0, ge=0)
    test_items: Positive
    sha256: dict[Split, Sha256] = Field(default_factory=dict)
    mirrors: str | None = None
    every_seed: bool = False
    graded: bool = False
    test_repositories: list[str] = Field(default_factory=list)
    data: GenericData | None = None


class Agent(Entry):
    """A scaffold with settings, under a name of its own."""

    scaffold: str
    settings: dict[str, str] = Field(default_factory=dict)
