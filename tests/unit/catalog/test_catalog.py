"""The catalog: every entry is whole and refers to what there is; wrong names are answered with the nearest."""

import re
from itertools import pairwise

import pytest
from pydantic import ValidationError

from posttrainbench import catalog
from posttrainbench.agents import load_scaffold
from posttrainbench.audit.detectors import load_detectors
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.engines import load_engine
from posttrainbench.errors import InputError
from posttrainbench.records import AgentSpec
from posttrainbench.sandbox import load_sandbox

SHELVES = [
    catalog.suites,
    catalog.models,
    catalog.benchmarks,
    catalog.agents,
    catalog.rule_sets,
    catalog.libraries,
]


@pytest.mark.parametrize("shelf", SHELVES)
def test_entries_have_the_names_of_their_files(shelf) -> None:
    folder = {catalog.rule_sets: "rules"}.get(shelf, shelf.__name__)
    assert list(shelf()) == sorted(path.stem for path in (catalog.HERE / folder).glob("*.yaml"))
    assert all(entry.title for entry in shelf().values())


@pytest.mark.parametrize("suite", catalog.suites().values(), ids=catalog.suites())
def test_suite_refers_to_what_there_is(suite: catalog.Suite) -> None:
    for model in suite.models:
        assert catalog.models()[model].instruct in catalog.models()
    for benchmark in suite.benchmarks:
        assert benchmark in catalog.benchmarks()
    rules = catalog.rule_sets()[suite.rules].rules
    assert set(suite.required) <= set(rules)
    assert load_engine(suite.engine).name == suite.engine
    for name in [*suite.demo.agents, *suite.demo.repeats] if suite.demo else []:
        assert catalog.agent_spec(name)
    for name in suite.benchmarks:
        facts = catalog.benchmarks()[name]
        assert len(suite.tries) <= 1 + len(facts.retry_max_tokens), "every rung of the ladder has a limit"
        assert facts.retry_max_tokens == sorted(facts.retry_max_tokens, reverse=True)
        assert all(limit < facts.max_tokens for limit in facts.retry_max_tokens)
    checked = {
        getattr(__import__(one.__module__, fromlist=["RULE"]), "RULE", None) for one in load_detectors()[0].values()
    }
    assert set(suite.required) <= checked


@pytest.mark.parametrize("name", catalog.benchmarks())
def test_benchmark_has_the_code_of_its_name(name: str) -> None:
    benchmark, facts = load_benchmark(name), catalog.benchmarks()[name]
    assert benchmark.id == name
    assert set(benchmark.sources) <= {"train", "test"}
    assert all(re.fullmatch(r"[0-9a-f]{40}", source.revision) for source in benchmark.sources.values())
    if not benchmark.sources:
        assert set(facts.sha256) == {"train", "test"}, "what is generated is pinned"


@pytest.mark.parametrize("name", catalog.agents())
def test_agent_has_a_scaffold(name: str) -> None:
    spec = catalog.agent_spec(name)
    if name == "recipe":
        with pytest.raises(InputError, match="script=PATH"):
            load_scaffold(spec.scaffold).launch(spec, load_sandbox("process"))
    elif not spec.settings:
        with pytest.raises(InputError, match="a model is required"):
            load_scaffold(spec.scaffold).launch(spec, load_sandbox("process"))
    else:
        assert load_scaffold(spec.scaffold).launch(spec, load_sandbox("process")).argv


@pytest.mark.parametrize("name", [name for name, model in catalog.models().items() if model.hub])
def test_model_on_the_hub_is_pinned(name: str) -> None:
    model = catalog.models()[name]
    assert model.hub is not None
    assert model.hub.split("/")[1] == name
    assert model.revision is not None
    if model.instruct:
        assert catalog.models()[model.instruct].family == model.family


@pytest.mark.parametrize("name", [name for name, model in catalog.models().items() if model.path])
def test_model_in_the_package_is_whole(name: str) -> None:
    model = catalog.models()[name]
    assert model.tokenizer_directory == model.directory
    for file in (
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "generation_config.json",
    ):
        assert (model.directory / file).is_file()
    assert model.instruct or (model.directory / "chat_template.jinja").is_file()


@pytest.mark.parametrize(
    ("text", "name", "settings"),
    [
        ("recipe-sft", "recipe-sft", {"script": "sft"}),
        ("recipe-sft?steps=25", "recipe-sft?steps=25", {"script": "sft", "steps": "25"}),
        (
            "recipe-sft?steps=25&batch_size=8",
            "recipe-sft?steps=25&batch_size=8",
            {"script": "sft", "steps": "25", "batch_size": "8"},
        ),
        ("recipe-sft?script=noop", "recipe-sft?script=noop", {"script": "noop"}),
        ("recipe?script=a=b.py", "recipe?script=a=b.py", {"script": "a=b.py"}),
    ],
)
def test_agent_with_settings(text: str, name: str, settings: dict[str, str]) -> None:
    assert catalog.agent_spec(text) == AgentSpec(name=name, scaffold="recipe", settings=settings)


@pytest.mark.parametrize(
    "text", ["recipe-sft?steps", "recipe-sft?=1", "recipe-sft?steps=", "recipe-sft?a=1&&b=2", "recipe-sft?a=1&b"]
)
def test_settings_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="is not a setting; write recipe-sft\\?key=value"):
        catalog.agent_spec(text)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("recipe-sftt", "Unknown agent `recipe-sftt`; did you mean `recipe-sft`?"),
        ("Recipe-noop", "did you mean `recipe-noop`?"),
        ("zzz", "choose one of: claude-code, codex, "),
        ("", "choose one of: claude-code, codex, "),
    ],
)
def test_unknown_agent(wrong: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        catalog.agent_spec(wrong)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("model", "benchmark", "message"),
    [
        ("micro-bas", "micro-math", "did you mean `micro-base`?"),
        ("micro-instruct", "micro-math", "`micro-instruct` is not a base model; choose from Qwen3-1.7B-Base, "),
        ("micro-base", "micro-mat", "did you mean `micro-math`?"),
    ],
)
def test_no_suite(model: str, benchmark: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        catalog.suite_of(model, benchmark)
    assert message in str(error.value)


def test_suite_of_a_pair() -> None:
    assert catalog.suite_of("micro-base", "micro-math").id == "micro"


OFFICIAL = {"v1": 28, "v1.1": 28, "v1.2": 24}


@pytest.mark.parametrize(("name", "cells"), OFFICIAL.items())
def test_official_suite(name: str, cells: int) -> None:
    suite = catalog.suites()[name]
    assert len(suite.models) * len(suite.benchmarks) == cells
    assert (suite.budget, suite.gpus, suite.tries) == (36000, 1, [4, 3, 2])
    assert ("bfcl" in suite.benchmarks) == (name != "v1.2")
    assert [one.hub for one in catalog.base_models(suite)] == [
        *("Qwen/Qwen3-1.7B-Base", "Qwen/Qwen3-4B-Base", "HuggingFaceTB/SmolLM3-3B-Base", "google/gemma-3-4b-pt")
    ]
    assert [catalog.instruct_of(one).hub for one in catalog.base_models(suite)] == [
        *("Qwen/Qwen3-1.7B", "Qwen/Qwen3-4B", "HuggingFaceTB/SmolLM3-3B", "google/gemma-3-4b-it")
    ]


def test_evaluation_seeds() -> None:
    seeds = {name: catalog.suites()[name].evaluation_seeds for name in OFFICIAL}
    assert seeds["v1.2"] == [72332, 87681, 38992, 92201, 13818]
    assert seeds["v1"] == seeds["v1.1"] == seeds["v1.2"][:1]
    assert [name for name, facts in catalog.benchmarks().items() if facts.every_seed] == ["gpqamain"]


LIMITS = {
    "aime2025": (30, 16000, [12000, 8000]),
    "gsm8k": (1319, 4000, [3000, 2000]),
    "gpqamain": (448, 16000, [12000, 8000]),
    "humaneval": (164, 4000, [3000, 2000]),
    "bfcl": (100, 16000, [12000, 8000]),
    "arenahardwriting": (250, 16384, [12288, 8192]),
    "healthbench": (245, 16384, [12288, 8192]),
}


@pytest.mark.parametrize("name", LIMITS)
def test_official_benchmark(name: str) -> None:
    facts = catalog.benchmarks()[name]
    assert (facts.test_items, facts.max_tokens, facts.retry_max_tokens) == LIMITS[name]
    assert load_benchmark(name).graded == (name in ("arenahardwriting", "healthbench"))


def test_v1_and_its_clarification_differ_in_words_alone() -> None:
    old, new = catalog.rule_sets()["v1"].rules, catalog.rule_sets()["v1.1"].rules
    for name, rule in old.items():
        assert rule.model_copy(update={"text": ""}) == new[name].model_copy(update={"text": ""})
        assert rule.text != new[name].text
    assert all(not rule.text and rule.effect == "report" for name, rule in new.items() if name not in old)


def test_a_stricter_rule_set_flags_whatever_a_laxer_one_does() -> None:
    sets = [catalog.rule_sets()[name] for name in ("v1", "v1.1", "v1.2", "strict")]
    for lax, hard in pairwise(sets):
        assert lax.rules.keys() <= hard.rules.keys()
        for name, rule in lax.rules.items():
            assert hard.rules[name].level.rank <= rule.level.rank
            assert hard.rules[name].tolerance <= rule.tolerance
            assert hard.rules[name].attempts >= rule.attempts
            assert (hard.rules[name].effect, rule.effect) != ("report", "reset")


def test_measuring_thresholds_are_the_same_for_all_rule_sets() -> None:
    rules = {"id": "own", "title": "Own", "rules": {}}
    assert catalog.RuleSet.model_validate(rules | {"lineage": {"suspect_rho": 0.4}}).lineage.suspect_rho == 0.4
    with pytest.raises(ValidationError, match="the same for all rule sets"):
        catalog.RuleSet.model_validate(rules | {"lineage": {"cosine": 0.5}})


def test_suite_of_a_pair_in_several() -> None:
    assert catalog.suite_of("Qwen3-4B-Base", "gsm8k").id == "v1"
    assert catalog.suite_of("Qwen3-4B-Base", "gsm8k", "v1.2").id == "v1.2"


@pytest.mark.parametrize(
    ("model", "benchmark", "suite", "message"),
    [
        ("Qwen3-4B-Base", "bfcl", "v1.2", "The suite v1.2 does not have `bfcl`; its benchmarks are: aime2025, "),
        ("micro-base", "gsm8k", "v1", "The suite v1 does not have `micro-base`; its models are: Qwen3-1.7B-Base, "),
        ("Qwen3-4B-Base", "gsm8k", "v1.3", "Unknown suite `v1.3`; did you mean `v1"),
        ("micro-base", "gsm8k", None, "No suite has both `micro-base` and `gsm8k`"),
    ],
)
def test_pair_that_is_not_in_the_suite(model: str, benchmark: str, suite: str | None, message: str) -> None:
    with pytest.raises(InputError) as error:
        catalog.suite_of(model, benchmark, suite)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("model", "benchmark", "suite", "chosen"),
    [
        ("Qwen3-4B-Base", "gsm8k", None, "v1"),
        ("micro-base", "gsm8k", None, "micro"),
        ("Qwen3-4B-Base", "micro-math", None, "v1"),
        ("micro-base", "gsm8k", "v1.2", "v1.2"),
    ],
)
def test_any_base_model_is_evaluated_on_any_benchmark(
    model: str, benchmark: str, suite: str | None, chosen: str
) -> None:
    assert catalog.evaluation_suite(model, benchmark, suite).id == chosen


def test_evaluation_needs_a_base_model_and_a_benchmark() -> None:
    for model, benchmark, message in (
        ("micro-instruct", "gsm8k", "not a base model"),
        ("micro-base", "gsm9k", "Unknown benchmark"),
    ):
        with pytest.raises(InputError, match=message):
            catalog.evaluation_suite(model, benchmark)


@pytest.mark.parametrize("load", [load_scaffold, load_sandbox, load_engine, load_benchmark])
def test_unknown_extension(load) -> None:
    with pytest.raises(InputError, match=r"`absent` is not among the installed .*; choose from: "):
        load("absent")
