"""The catalog: every entry is whole and refers to what there is; wrong names are answered with the nearest."""

from pathlib import Path

import pytest

from posttrainbench import catalog
from posttrainbench.agents import load_scaffold
from posttrainbench.audit.base import detectors
from posttrainbench.benchmarks import load_benchmark
from posttrainbench.engines import load_engine
from posttrainbench.errors import InputError
from posttrainbench.records import AgentSpec
from posttrainbench.sandbox import load_sandbox

SHELVES = [catalog.suites, catalog.models, catalog.benchmarks, catalog.agents, catalog.rule_sets]


@pytest.mark.parametrize("shelf", SHELVES)
def test_entries_have_the_names_of_their_files(shelf) -> None:
    folder = {catalog.rule_sets: "rules"}.get(shelf, shelf.__name__)
    assert set(shelf()) == {path.stem for path in (catalog.HERE / folder).glob("*.yaml")}
    assert all(entry.title for entry in shelf().values())


@pytest.mark.parametrize("suite", catalog.suites().values(), ids=catalog.suites())
def test_suite_refers_to_what_there_is(suite: catalog.Suite) -> None:
    for model in suite.models:
        assert catalog.models()[model].instruct in catalog.models()
    for benchmark in suite.benchmarks:
        assert benchmark in catalog.benchmarks()
    rules = catalog.rule_sets()[suite.rules].rules
    assert set(suite.required) <= set(rules)
    assert callable(load_engine(suite.engine))
    for name in [*suite.demo.agents, *suite.demo.repeats]:
        assert catalog.agent_spec(name)
    checked = {getattr(__import__(one.__module__, fromlist=["RULE"]), "RULE", None) for one in detectors().values()}
    assert set(rules) <= checked


@pytest.mark.parametrize("name", catalog.benchmarks())
def test_benchmark_has_the_code_of_its_name(name: str) -> None:
    assert load_benchmark(name).id == name


@pytest.mark.parametrize("name", catalog.agents())
def test_agent_has_a_scaffold(name: str) -> None:
    spec = catalog.agent_spec(name)
    if name == "recipe":
        with pytest.raises(InputError, match="script=PATH"):
            load_scaffold(spec.scaffold).launch(spec, load_sandbox("process"))
    else:
        assert load_scaffold(spec.scaffold).launch(spec, load_sandbox("process")).argv


@pytest.mark.parametrize("name", catalog.models())
def test_model_is_whole(name: str) -> None:
    model = catalog.models()[name]
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
    with pytest.raises(InputError, match="is no setting; write recipe-sft\\?key=value"):
        catalog.agent_spec(text)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("recipe-sftt", "There is no agent `recipe-sftt`; did you mean `recipe-sft`?"),
        ("Recipe-noop", "did you mean `recipe-noop`?"),
        ("zzz", "choose one of: recipe-cheat-swap, "),
        ("", "choose one of: recipe-cheat-swap, "),
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
        ("micro-instruct", "micro-math", "`micro-instruct` is no base model; choose one of: micro-base"),
        ("micro-base", "micro-mat", "did you mean `micro-math`?"),
    ],
)
def test_no_suite(model: str, benchmark: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        catalog.suite_of(model, benchmark)
    assert message in str(error.value)


def test_suite_of_a_pair() -> None:
    assert catalog.suite_of("micro-base", "micro-math").id == "micro"


BROKEN_ENTRIES = {
    "no YAML": "id: [",
    "a list": "- 1",
    "empty": "",
    "a key too many": "id: x\ntitle: t\nscaffold: recipe\ncolour: red",
    "a key too few": "id: x\ntitle: t",
    "a wrong type": "id: x\ntitle: t\nscaffold: recipe\nsettings: [1]",
}


@pytest.mark.parametrize("content", BROKEN_ENTRIES.values(), ids=BROKEN_ENTRIES)
def test_broken_entry_is_named_in_one_line(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "x.yaml").write_text(content)
    monkeypatch.setattr(catalog, "HERE", tmp_path)
    catalog._load.cache_clear()
    try:
        with pytest.raises(InputError) as error:
            catalog.agents()
    finally:
        catalog._load.cache_clear()
    assert str(tmp_path / "agents" / "x.yaml") in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("load", [load_scaffold, load_sandbox, load_engine, load_benchmark])
def test_unknown_extension(load) -> None:
    with pytest.raises(InputError, match=r"`absent` is none of the installed .*; choose one of: "):
        load("absent")
