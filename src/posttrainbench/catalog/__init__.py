"""What can be run: suites, base models, benchmarks' facts, agents and rule sets, as versioned YAML in this folder."""

import difflib
from functools import cache
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import Field, ValidationError

from posttrainbench.errors import InputError, one_line
from posttrainbench.records import AgentSpec, Level, Record

HERE = Path(__file__).parent


class Entry(Record):
    """Base of all catalog entries; `id` is also the file's name."""

    id: str
    title: str


class DemoPlan(Record):
    """What `ptb demo` runs: every agent on every benchmark, `repeats` times (1 where not named)."""

    agents: list[str]
    repeats: dict[str, int] = Field(default_factory=dict)


class Rule(Record):
    """One rule of a rule set.

    Attributes:
        text: what the agent is told.
        level: evidence level from which a finding flags the run.
        tolerance: counts up to and including this one are reported and do not flag.
    """

    text: str
    level: Level
    tolerance: int = Field(ge=0)


class RuleSet(Entry):
    """A versioned set of rules: what the prompt says, and what turns findings into a verdict."""

    rules: dict[str, Rule]


class Suite(Entry):
    """A named, versioned set of models and benchmarks with everything that scores depend on.

    Attributes:
        budget: seconds an agent gets, unless the user chooses otherwise.
        rules: id of the rule set.
        required: rules that must have been checked for a result to count.
        threads: CPU threads that a process may compute with; None leaves that to its libraries.
    """

    models: list[str]
    benchmarks: list[str]
    budget: float
    rules: str
    required: list[str]
    engine: str
    threads: int | None = None
    demo: DemoPlan


class Model(Entry):
    """A base model, or the instruct counterpart of one.

    Attributes:
        path: directory relative to the catalog.
        instruct: id of the instruct counterpart, on base models only.
    """

    path: str
    instruct: str | None = None

    @property
    def directory(self) -> Path:
        """Where the checkpoint lies."""
        return HERE / self.path


class BenchmarkFacts(Entry):
    """A benchmark's facts; its code is the entry point of the same name.

    Attributes:
        mirrors: id of the official benchmark whose shape it has.
        sha256: split -> SHA-256 of its items, so that generated data can never drift unseen.
    """

    mirrors: str
    metric: str
    max_tokens: int
    train_items: int
    test_items: int
    sha256: dict[str, str]


class Agent(Entry):
    """A scaffold with settings, under a name of its own."""

    scaffold: str
    settings: dict[str, str] = Field(default_factory=dict)


EntryT = TypeVar("EntryT", bound=Entry)


@cache
def _load(kind: type[EntryT], folder: str) -> dict[str, EntryT]:
    found = {}
    for file in sorted((HERE / folder).glob("*.yaml")):
        try:
            entry = kind.model_validate(yaml.safe_load(file.read_text()))
        except (yaml.YAMLError, ValidationError) as error:
            raise InputError(f"{file} is no valid entry of the catalog; mend it: {one_line(error)}") from None
        found[entry.id] = entry
    return found


def suites() -> dict[str, Suite]:
    """All suites by id."""
    return _load(Suite, "suites")


def models() -> dict[str, Model]:
    """All models by id, instruct counterparts included."""
    return _load(Model, "models")


def benchmarks() -> dict[str, BenchmarkFacts]:
    """All benchmarks' facts by id."""
    return _load(BenchmarkFacts, "benchmarks")


def agents() -> dict[str, Agent]:
    """All agents by id."""
    return _load(Agent, "agents")


def rule_sets() -> dict[str, RuleSet]:
    """All rule sets by id."""
    return _load(RuleSet, "rules")


def find(entries: dict[str, EntryT], entry_id: str, kind: str) -> EntryT:
    """The entry of that id.

    Args:
        kind: what the user calls such a thing, for the message.

    Raises:
        InputError: there is none; the message names the nearest, or all.
    """
    if entry_id in entries:
        return entries[entry_id]
    near = difflib.get_close_matches(entry_id, entries, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"choose one of: {', '.join(entries)}."
    raise InputError(f"There is no {kind} `{entry_id}`; {hint}")


def base_models(suite: Suite) -> list[Model]:
    """The base models of a suite."""
    return [find(models(), model, "model") for model in suite.models]


def suite_of(model: str, benchmark: str) -> Suite:
    """The suite that holds both a base model and a benchmark.

    Raises:
        InputError: one of them is unknown, is no base model, or no suite has both.
    """
    if find(models(), model, "model").instruct is None:
        bases = ", ".join(name for name, entry in models().items() if entry.instruct)
        raise InputError(f"`{model}` is no base model; choose one of: {bases}.")
    find(benchmarks(), benchmark, "benchmark")
    for suite in suites().values():
        if model in suite.models and benchmark in suite.benchmarks:
            return suite
    raise InputError(f"No suite has both `{model}` and `{benchmark}`; see `ptb catalog suites`.")


def agent_spec(name: str) -> AgentSpec:
    """Resolve `NAME` or `NAME?key=value&key=value` to a scaffold with its settings.

    Raises:
        InputError: unknown agent, or settings that are no `key=value`.
    """
    agent_id, _, query = name.partition("?")
    agent = find(agents(), agent_id, "agent")
    settings = dict(agent.settings)
    for pair in query.split("&") if query else []:
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise InputError(f"`{pair}` in agent `{name}` is no setting; write {agent_id}?key=value&key=value.")
        settings[key] = value
    return AgentSpec(name=name, scaffold=agent.scaffold, settings=settings)
