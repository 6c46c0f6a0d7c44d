"""Suites, base models, benchmarks, agents and rule sets as versioned YAML files.

The files in this folder are the built-in catalog. A user's directories and installed packages add to it.
"""

import difflib
from typing import TypeVar, cast

from posttrainbench.catalog.entries import (
    Agent,
    BenchmarkFacts,
    DemoPlan,
    Entry,
    GenericData,
    Model,
    PublishedRepository,
    PublishedTestSet,
    Rule,
    RuleSet,
    Suite,
)
from posttrainbench.catalog.libraries import Library
from posttrainbench.catalog.loading import HERE, catalogs, load_shelf, use_catalogs
from posttrainbench.catalog.templating import read_template
from posttrainbench.errors import InputError
from posttrainbench.records import AgentSpec
from posttrainbench.redaction import URL_USER, has_credentials

__all__ = [
    "HERE",
    "Agent",
    "BenchmarkFacts",
    "DemoPlan",
    "Entry",
    "GenericData",
    "Library",
    "Model",
    "PublishedRepository",
    "PublishedTestSet",
    "Rule",
    "RuleSet",
    "Suite",
    "agent_spec",
    "agents",
    "base_models",
    "benchmarks",
    "chat_template",
    "evaluation_suite",
    "find",
    "instruct_of",
    "libraries",
    "models",
    "rule_sets",
    "suite_of",
    "suites",
    "use_catalogs",
]

EntryT = TypeVar("EntryT", bound=Entry)


def suites() -> dict[str, Suite]:
    """Return all suites by id."""
    return cast(dict[str, Suite], load_shelf("suites", catalogs()))


def models() -> dict[str, Model]:
    """Return all models by id, including instruct counterparts."""
    return cast(dict[str, Model], load_shelf("models", catalogs()))


def benchmarks() -> dict[str, BenchmarkFacts]:
    """Return the facts of all benchmarks by id."""
    return cast(dict[str, BenchmarkFacts], load_shelf("benchmarks", catalogs()))


def agents() -> dict[str, Agent]:
    """Return all agents by id."""
    return cast(dict[str, Agent], load_shelf("agents", catalogs()))


def libraries() -> dict[str, Library]:
    """Return what is known of libraries, by id."""
    return cast(dict[str, Library], load_shelf("libraries", catalogs()))


def rule_sets() -> dict[str, RuleSet]:
    """Return all rule sets by id."""
    return cast(dict[str, RuleSet], load_shelf("rules", catalogs()))


def find(entries: dict[str, EntryT], entry_id: str, kind: str) -> EntryT:
    """Return the entry with an id.

    Args:
        kind: kind of the entry, for the message.

    Raises:
        InputError: the id is unknown; the message suggests the closest id, or lists all.
    """
    if entry_id in entries:
        return entries[entry_id]
    near = difflib.get_close_matches(entry_id, entries, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"choose one of: {', '.join(entries)}."
    raise InputError(f"Unknown {kind} `{entry_id}`; {hint}")


def base_models(suite: Suite) -> list[Model]:
    """Return the base models of a suite."""
    return [find(models(), model, "model") for model in suite.models]


def instruct_of(base: Model) -> Model:
    """Return the instruct counterpart of a base model; a model without one is its own counterpart."""
    return find(models(), base.instruct or base.id, "model")


def chat_template(base: Model, tools: bool = False) -> str:
    """Return the chat template for a base model and all models trained from it.

    Args:
        base: a base model; the template is that of its instruct counterpart.
        tools: for items with tools, for which the base model can name another template in the catalog.

    Raises:
        InputError: the counterpart's tokenizer files are not on this machine, or have no template.
    """
    if tools and base.tools_template_file:
        return base.tools_template_file.read_text(encoding="utf-8")
    return read_template(instruct_of(base).tokenizer_directory, tools)


def suite_of(model: str, benchmark: str, suite: str | None = None) -> Suite:
    """Return the suite that contains both a base model and a benchmark.

    Args:
        suite: id of the suite, which must contain both. Default: the first one that does, in the order of
            `ptb catalog suites`: built-in suites by name, so that v1, whose scores are published, precedes v1.1.

    Raises:
        InputError: an id is unknown, the model is not a base model, or no suite contains both.
    """
    _require_base_model(model)
    find(benchmarks(), benchmark, "benchmark")
    if suite is not None:
        chosen = find(suites(), suite, "suite")
        for name, held, shelf in ((model, chosen.models, "models"), (benchmark, chosen.benchmarks, "benchmarks")):
            if name not in held:
                raise InputError(f"The suite {suite} does not have `{name}`; its {shelf} are: {', '.join(held)}.")
        return chosen
    for one in suites().values():
        if model in one.models and benchmark in one.benchmarks:
            return one
    raise InputError(f"No suite has both `{model}` and `{benchmark}`; see `ptb catalog suites`.")


def evaluation_suite(model: str, benchmark: str, suite: str | None = None) -> Suite:
    """Return the suite whose settings apply to the evaluation of a checkpoint.

    Args:
        model: a base model of the catalog, on any benchmark of it.
        suite: id of a suite, which need not contain either. Default: the first one that contains both, otherwise the
            first with the base model, otherwise the first with the benchmark.

    Raises:
        InputError: an id is unknown, the model is not a base model, or no suite contains either.
    """
    _require_base_model(model)
    find(benchmarks(), benchmark, "benchmark")
    if suite is not None:
        return find(suites(), suite, "suite")
    ranked = [(model in one.models) * 2 + (benchmark in one.benchmarks) for one in suites().values()]
    if not any(ranked):
        raise InputError(f"No suite has `{model}` or `{benchmark}`; give --suite, whose settings are then used.")
    return list(suites().values())[ranked.index(max(ranked))]


def _require_base_model(model: str) -> None:
    if find(models(), model, "model").instruct is None:
        bases = ", ".join(name for name, entry in models().items() if entry.instruct)
        raise InputError(f"`{model}` is not a base model; choose from {bases}.")


def agent_spec(name: str) -> AgentSpec:
    """Resolve `NAME`, `NAME/MODEL` or either with `?key=value&key=value` to a scaffold with its settings.

    `/MODEL` chooses the model of an agent that leaves it open; MODEL may contain slashes.

    Raises:
        InputError: the agent is unknown, a setting is not `key=value`, or a URL in the settings contains a password.
    """
    agent_id, _, query = name.partition("?")
    entry, slash, model = agent_id.partition("/")
    url = query.partition("base_url=")[2].partition("&")[0]
    if URL_USER.search(name) or has_credentials(url):
        # The rest of the name is not repeated.
        raise InputError(
            f"Agent `{entry}`: base_url and other URLs must not contain a user, a password or a query; put the key "
            "into an environment variable and name it by key_variable."
        )
    agent = find(agents(), entry if slash else agent_id, "agent")
    settings = dict(agent.settings)
    if slash:
        if settings.keys() & {"model", "script"}:
            raise InputError(f"`{agent_id}` is not an agent: `{entry}` does not take a model; write `{entry}`.")
        if not model:
            raise InputError(f"`{agent_id}` is not an agent: the model is missing; write `{entry}/MODEL`.")
        settings["model"] = model
    for pair in query.split("&") if query else []:
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise InputError(f"`{pair}` in agent `{name}` is not a setting; write {agent_id}?key=value&key=value.")
        settings[key] = value
    return AgentSpec(name=name, scaffold=agent.scaffold, settings=settings)
