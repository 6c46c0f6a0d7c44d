"""Models of the catalog's files. Unknown keys are refused."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from posttrainbench.catalog.thresholds import JudgingThresholds
from posttrainbench.errors import InputError
from posttrainbench.records import Level, Record, TrivialAnswer
from posttrainbench.records.spec import MAX_BUDGET

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""An id; also used in names of files and directories."""

MAX_CANARIES = 128

USUAL_HOSTS = tuple(
    """
    huggingface.co *.huggingface.co hf.co *.hf.co *.xethub.hf.co
    pypi.org files.pythonhosted.org download.pytorch.org pypi.nvidia.com wheels.vllm.ai registry.npmjs.org
    github.com raw.githubusercontent.com codeload.github.com objects.githubusercontent.com
    release-assets.githubusercontent.com deb.debian.org archive.ubuntu.com security.ubuntu.com
    """.split()
)
"""Default `hosts` of a suite: models, datasets, packages and source code."""


def _regular_expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"should be a regular expression: {error}") from None
    return text


Split = Literal["train", "test"]
Positive = Annotated[int, Field(gt=0)]
Pattern = Annotated[str, AfterValidator(_regular_expression)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Entry(Record):
    """Base of all entries.

    Attributes:
        id: name of the entry and of its file.
        title: one line.
    """

    id: Name
    title: str = Field(min_length=1)
    _home: Path = PrivateAttr(default=Path())

    def model_post_init(self, context: Any) -> None:
        """Store the catalog's directory."""
        if isinstance(context, dict):
            self._home = context["home"]

    @property
    def home(self) -> Path:
        """Directory of the entry's catalog; paths in the entry are relative to it."""
        return self._home


class DemoPlan(Record):
    """The runs of `ptb demo`: every agent on every benchmark, `repeats` times (default 1).

    Attributes:
        benchmarks: of the suite; empty for all.
    """

    agents: list[str]
    benchmarks: list[str] = Field(default_factory=list)
    repeats: dict[str, Positive] = Field(default_factory=dict)


class Background(Record):
    """Rate of chance matches in legal text: share of documents that match a test item. See docs/contamination.md.

    Attributes:
        text: matches of the words.
        numbers: matches of only the numbers and the answer.
    """

    text: Annotated[float, Field(ge=0, lt=1)]
    numbers: Annotated[float, Field(ge=0, lt=1)]


class Rule(Record):
    """One rule of a rule set.

    Attributes:
        text: text of the rule in the agent's prompt; empty if the prompt omits the rule.
        level: evidence level from which a finding flags the run.
        tolerance: findings with a count up to this one are reported and do not flag. Of test items, at most 5 percent
            of the test set are tolerated.
        background: chance matches to expect in addition to the tolerance; for the rule on test data.
        attempts: whether unsuccessful attempts, such as a refused request, flag the run.
        effect: effect of a flag: `reset` sets the score to the base model's, `report` only reports it.
    """

    text: str = ""
    level: Level
    tolerance: int = Field(default=0, ge=0)
    background: Background | None = None
    attempts: bool = False
    effect: Literal["reset", "report"] = "reset"


class RuleSet(Entry):
    """A versioned set of rules: their texts in the prompt, and how findings become a verdict.

    Attributes:
        rules: name -> rule, in the order of the prompt.
        lineage: thresholds of the lineage detector; the defaults are calibrated.
        agreement: minimum share of a judge's votes, exclusive, for its findings to count.
        indications: number of independent indications that flag a rule without a proof.
    """

    rules: dict[str, Rule]
    agreement: Annotated[float, Field(ge=0, lt=1)] = 0.5
    indications: Positive = 2
    lineage: JudgingThresholds = JudgingThresholds()


class Suite(Entry):
    """A named, versioned set of models and benchmarks with everything that scores depend on.

    Attributes:
        models: ids of its base models.
        benchmarks: ids of its benchmarks.
        budget: time limit of the agent in seconds, unless the user overrides it.
        gpus: number of GPUs of the agent.
        rules: id of the rule set.
        required: rules that must have been checked for a result to count.
        tolerates: detectors whose evidence may be missing, such as `provenance` where the kernel cannot record it.
        evaluation_seeds: seeds of the final evaluation, whose scores are averaged. Only the first is used for greedy
            decoding, where seeds make no difference, and for graded benchmarks, because of the cost. Benchmarks with
            `every_seed` always use all of them.
        tries: number of tries of an evaluation at the benchmark's `max_tokens`, then at each of its
            `retry_max_tokens`.
        max_tokens: limit of one completion where a benchmark's own limits are higher; None for those limits.
        engine: entry point in `posttrainbench.engines`.
        engine_settings: settings of the engine, such as `memory_fraction`.
        threads: number of CPU threads of a process; None for the libraries' default.
        dtype: number format of weights and computations in evaluations.
        feedback: `open`: the agent has the test items and evaluates itself; `sealed`: it does not have them, and the
            host evaluates its checkpoints up to `sealed_evaluations` times.
        sealed_evaluations: required with sealed feedback, otherwise not allowed.
        canaries: number of generated items that are added to the kit's test file and not scored; a submission that was
            trained on the file knows them better than items that were held back. 0 for none. Benchmarks that cannot
            generate items have none.
        grader_passes: limit on the answers that the grader service grades for an agent on a graded benchmark, in
            multiples of the number of test items.
        max_provider_away: share of the budget for which the agent's model provider may be unavailable; above it, the
            run is an infrastructure error.
        give_back: whether the time that the host waits for a failing model provider, up to `max_provider_away`, is
            added to the agent's time.
        reprompt: share of the budget. The session of an agent that exits with more time than this left and without a
            whole submission, or while its background work lives, is resumed; null for never.
        keep_evaluated: whether the last whole `final_model` that the agent evaluated with `evaluate.py` is used if the
            final one is missing or torn.
        network: network access of the agent, unless the user overrides it: `open`: the public internet; `allowlist`:
            only `hosts`; `none`. All requests are recorded.
        hosts: host names for `allowlist`; `*.example.org` matches all subdomains.
        deny: what the network blocks: the benchmark's `test_data`, the base model's `instruct` counterpart.
        cold_cache: hide this machine's model cache from the agent, except for the base model.
        demo: the runs of `ptb demo`, if the suite supports it.
    """

    models: list[str] = Field(min_length=1)
    benchmarks: list[str] = Field(min_length=1)
    budget: float = Field(gt=0, le=MAX_BUDGET)
    gpus: int = Field(ge=0)
    rules: str
    required: list[str]
    tolerates: list[str] = Field(default_factory=lambda: ["provenance"])
    evaluation_seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    tries: list[Positive] = Field(min_length=1)
    max_tokens: Positive | None = None
    engine: str
    engine_settings: dict[str, str] = Field(default_factory=dict)
    threads: Positive | None = None
    dtype: Literal["bfloat16", "float16", "float32"] = "float32"
    feedback: Literal["open", "sealed"] = "open"
    sealed_evaluations: Positive | None = None
    canaries: int = Field(default=0, ge=0, le=MAX_CANARIES)
    grader_passes: Positive = 20
    max_provider_away: float = Field(default=0.1, ge=0, le=1)
    give_back: bool = False
    reprompt: Annotated[float, Field(gt=0, lt=1)] | None = 0.1
    keep_evaluated: bool = False
    network: Literal["open", "allowlist", "none"] = "open"
    hosts: list[str] = Field(default_factory=lambda: list(USUAL_HOSTS))
    deny: list[Literal["test_data", "instruct"]] = Field(default_factory=list)
    cold_cache: bool = False
    demo: DemoPlan | None = None

    @model_validator(mode="after")
    def _sealed_with_a_number(self) -> Self:
        if (self.feedback == "sealed") != (self.sealed_evaluations is not None):
            raise ValueError("`sealed_evaluations` should be given with `feedback: sealed`, and only then")
        if self.canaries and self.feedback == "sealed":
            raise ValueError("`canaries` needs `feedback: open`, because a sealed kit has no test file")
        return self


class Model(Entry):
    """A base model, or the instruct counterpart of one: a directory of the catalog, or a repository on the Hub.

    Attributes:
        family: architecture family, such as `qwen3`.
        path: directory relative to the catalog.
        hub: model repository on the Hub.
        revision: commit; if missing, the first `ptb data pull` takes the newest commit of `main` and records it.
        instruct: id of the instruct counterpart; only for base models. Its chat template is used for both.
        tools_template: file in `templates` of the catalog, or of the built-in one, that replaces the counterpart's
            template for benchmarks with tools; only for base models.
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
        """Directory of the complete checkpoint.

        Raises:
            InputError: the model has not been pulled to this machine.
        """
        return self._files(weights=True)

    @property
    def tokenizer_directory(self) -> Path:
        """Directory of the configuration, tokenizer and chat template, with or without weights.

        Raises:
            InputError: the model has not been pulled to this machine.
        """
        return self._files(weights=False)

    @property
    def tools_template_file(self) -> Path | None:
        """File of `tools_template`, which the built-in catalog may provide; None without one."""
        if self.tools_template is None:
            return None
        own = self.home / "templates" / self.tools_template
        return own if own.is_file() else Path(__file__).with_name("templates") / self.tools_template

    def _files(self, weights: bool) -> Path:
        if self.path is not None:
            return (self.home / self.path).resolve()  # baselines are checked like submissions, which may not be links
        from posttrainbench.hub.models import has_tokenizer, has_weights, local_snapshot, model_record

        record = None if self.revision else model_record(self.id)
        commit = self.revision or (record.revision if record else None)
        folder = local_snapshot(self.hub or "", commit) if commit else None
        if folder is None or not (has_weights(folder) if weights else has_tokenizer(folder)):
            flag = " --weights" if weights else ""
            raise InputError(f"The model {self.id} is not on this machine; run `ptb data pull {self.id}{flag}`.")
        return folder


class GenericData(Record):
    """The items of a benchmark without Python code: rows of JSONL files, a template, and a built-in scorer.

    Attributes:
        files: split -> JSONL file, relative to the catalog.
        question: Jinja template of the user's message over the keys of a row, such as `{{ question }}`. It should ask
            for a last line `ANSWER: ...`, which the scorers read.
        answer: key of the answer in a row.
        scorer: compares the `number`, the letter of a `choice`, or the `exact` text.
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


class PublishedRepository(Record):
    """A repository that holds test items of a benchmark. In a catalog, a plain string stands for one with only a name.

    Attributes:
        name: shell-style pattern of `OWNER/NAME` on the Hub or ModelScope, `github.com/OWNER/NAME`, or `HOST/FOLDER` of
            a file store; case is ignored.
        splits: pattern of the splits that hold test items; other splits may be used.
        files: pattern of the configurations or file paths that hold test items; None for the whole repository.
        evidence: whether loading it is evidence that test items were read. False for patterns that may also match
            legal data: such repositories are only withheld.
    """

    name: str
    splits: str = "*"
    files: str | None = None
    evidence: bool = True

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("name", "splits", "files")
    @classmethod
    def _lower(cls, value: str | None) -> str | None:
        return value.lower() if value else value

    @property
    def pattern(self) -> str:
        """`NAME` or `NAME:FILES`, as `gateway.egress.destinations.matches_repository` takes it.

        `files` is used where both `files` and `splits` are given.
        """
        files = self.files or (f"*{self.splits}*" if self.splits != "*" else None)
        return self.name if files is None else f"{self.name}:{files}"


class PublishedTestSet(Record):
    """Everywhere a benchmark's test items are published, translations and renamed copies included.

    Attributes:
        repositories: repositories that hold them.
        addresses: regular expressions of web addresses and file names under which they are published.
        packages: Python modules whose functions return them.
        others: regular expressions of files in these places that hold none of them.
    """

    repositories: list[PublishedRepository] = Field(default_factory=list)
    addresses: list[Pattern] = Field(default_factory=list)
    packages: list[str] = Field(default_factory=list)
    others: list[Pattern] = Field(default_factory=list)


class BenchmarkFacts(Entry):
    """Facts of a benchmark; its code is the entry point of the same name, unless it has `data`.

    Attributes:
        metric: description of the score.
        max_tokens: limit of one completion.
        retry_max_tokens: lower limits for an evaluation that failed at `max_tokens`, in order.
        train_items: number of items in the train split.
        test_items: number of items in the test split.
        sha256: split -> SHA-256 of its items. A split without a hash is checked against its first pull or import.
        mirrors: id of the official benchmark with the same format.
        every_seed: use all seeds of a suite even with greedy decoding, since the seed changes the questions.
        trivial: trivial answer -> its score on the test items, as computed by `ptb baseline --kind trivial`; only for
            benchmarks whose questions do not depend on the seed.
        test_set: where the test items are published; the benchmark's own repository need not be listed here, see
            `benchmarks.test_sets`.
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
    trivial: dict[TrivialAnswer, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    test_set: PublishedTestSet = Field(default_factory=PublishedTestSet)
    data: GenericData | None = None


class Agent(Entry):
    """A named combination of a scaffold and settings."""

    scaffold: str
    settings: dict[str, str] = Field(default_factory=dict)
