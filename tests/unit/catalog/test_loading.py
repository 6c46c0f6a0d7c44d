"""Catalogs of users and of packages: what they add, and how what is wrong with them is said."""

import importlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from posttrainbench import catalog
from posttrainbench.catalog import loading
from posttrainbench.errors import InputError
from support import assert_refused

Write = Callable[[str, str], Path]

AGENT = "id: {id}\ntitle: t\nscaffold: recipe\n"
MODEL = "id: {id}\ntitle: t\nfamily: qwen3\n"
SUITE = """\
id: {id}
title: t
models: [{model}]
benchmarks: [{benchmark}]
budget: 60
gpus: 0
rules: {rules}
required: [{required}]
evaluation_seeds: [0]
tries: [1]
engine: transformers
"""


def suite(name: str, **names: str) -> str:
    defaults = {"model": "micro-base", "benchmark": "micro-math", "rules": "v1", "required": "model_substitution"}
    return SUITE.format(id=name, **(defaults | names))


def refusal(load: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        load()
    assert "\n" not in str(error.value)
    assert str(error.value).endswith((".", "?"))
    return str(error.value)


def test_entries_add_to_the_built_in_ones(write: Write) -> None:
    write("agents/mine", AGENT.format(id="mine"))
    write("agents/other", AGENT.format(id="other").replace("t\n", "other\n", 1))
    assert [*catalog.agents()][-2:] == ["mine", "other"]
    assert "recipe-noop" in catalog.agents()


def test_suite_over_built_in_and_own_entries(write: Write, mine: Path) -> None:
    write("models/my-base", MODEL.format(id="my-base") + "path: checkpoints/base\ninstruct: micro-instruct\n")
    write("suites/my-suite", suite("my-suite", model="my-base"))
    assert catalog.suite_of("my-base", "micro-math").id == "my-suite"
    assert catalog.models()["my-base"].directory == mine / "checkpoints" / "base"
    assert catalog.models()["micro-base"].directory == catalog.HERE / "micro-models" / "micro-base"
    assert "tool" not in catalog.chat_template(catalog.models()["my-base"])


def test_templates_of_a_catalog_of_ones_own(write: Write, mine: Path) -> None:
    (mine / "templates").mkdir()
    (mine / "templates" / "mine.jinja").write_text("with tools")
    write(
        "models/my-base",
        MODEL.format(id="my-base") + "path: base\ninstruct: micro-instruct\ntools_template: mine.jinja\n",
    )
    base = catalog.models()["my-base"]
    assert catalog.chat_template(base, tools=True) == "with tools"
    assert catalog.chat_template(base) == catalog.chat_template(catalog.models()["micro-base"])


def test_own_model_uses_a_built_in_template_and_a_linked_directory(write: Write, mine: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (mine / "base").symlink_to(tmp_path / "elsewhere")
    fields = "path: base\ninstruct: micro-instruct\ntools_template: smollm2_tools.jinja\n"
    write("models/my-base", MODEL.format(id="my-base") + fields)
    base = catalog.models()["my-base"]
    assert catalog.chat_template(base, tools=True) == catalog.chat_template(
        catalog.models()["SmolLM2-135M"], tools=True
    )
    assert base.directory == (tmp_path / "elsewhere").resolve()  # a link would be refused like one of a submission


def test_several_catalogs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(loading.VARIABLE, "")
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        (folder / "agents").mkdir(parents=True)
        (folder / "agents" / f"{folder.name}.yml").write_text(AGENT.format(id=folder.name))
    monkeypatch.chdir(tmp_path)
    catalog.use_catalogs([Path("one"), Path("two")])
    assert os.environ[loading.VARIABLE] == f"{folders[0]}{os.pathsep}{folders[1]}"
    assert {"one", "two"} <= set(catalog.agents())


def test_installed_package_brings_a_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_package" / "entries" / "agents").mkdir(parents=True)
    (tmp_path / "their_package" / "__init__.py").touch()
    (tmp_path / "their_package" / "entries" / "agents" / "theirs.yaml").write_text(AGENT.format(id="theirs"))
    (tmp_path / "theirs-1.dist-info").mkdir()
    (tmp_path / "theirs-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    points = tmp_path / "theirs-1.dist-info" / "entry_points.txt"
    points.write_text("[posttrainbench.catalogs]\ntheirs = their_package.entries\n")
    monkeypatch.syspath_prepend(tmp_path)
    loading._installed.cache_clear()
    try:
        assert "theirs" in catalog.agents()
        points.write_text("[posttrainbench.catalogs]\ntheirs = their_package.absent\n")
        loading._installed.cache_clear()
        assert "`theirs` (their_package.absent)" in refusal(catalog.agents)
        (tmp_path / "their_package" / "absent.py").write_text("raise RuntimeError('too old')")
        loading._installed.cache_clear()
        importlib.invalidate_caches()
        assert "`theirs` (their_package.absent) of an installed package cannot be loaded: too old" in refusal(
            catalog.agents
        )
    finally:
        loading._installed.cache_clear()
        for name in [name for name in sys.modules if name.startswith("their_package")]:
            del sys.modules[name]


def test_same_id_twice_names_both_files(write: Write) -> None:
    file = write("agents/recipe-noop", AGENT.format(id="recipe-noop"))
    message = refusal(catalog.agents)
    assert str(file) in message
    assert str(catalog.HERE / "agents" / "recipe-noop.yaml") in message
    assert "`recipe-noop`" in message


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("absent", "does not exist; give the directory of a catalog"),
        (".", "is not a catalog; it needs"),
    ],
)
def test_directory_that_is_no_catalog(name: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(loading.VARIABLE, str(tmp_path / name))
    assert problem in refusal(catalog.agents)


WRONG = {
    "no YAML": ("agents/x", "id: [", ["cannot be read as YAML"]),
    "a list": ("agents/x", "- 1", ["should contain keys with values, such as `id: x`"]),
    "empty": ("agents/x", "", ["should contain keys with values"]),
    "no text": ("agents/x", "id: \udcff", ["cannot be read as YAML"]),
    "a key too many": (
        "agents/x",
        AGENT.format(id="x") + "setings: {}",
        ["`setings` is an unknown key", "`settings`?"],
    ),
    "a key unlike any": (
        "agents/x",
        AGENT.format(id="x") + "qqq: 1",
        ["`qqq` is an unknown key (choose from id, "],
    ),
    "keys too few": ("agents/x", "id: x", ["`title` is missing", "`scaffold` is missing"]),
    "a wrong type": ("agents/x", AGENT.format(id="x") + "settings: [1]", ["`settings` should be a valid dictionary"]),
    "a wrong type inside": (
        "agents/x",
        AGENT.format(id="x") + "settings: {steps: 1}",
        ["`settings.steps` should be a valid string"],
    ),
    "an id unlike the file": ("agents/x", AGENT.format(id="y"), ["`id` should be `x`"]),
    "an id that is a path": ("agents/x", AGENT.format(id="../x"), ["`id` should match"]),
    "two faults": (
        "suites/x",
        suite("x").replace("budget: 60", "budget: -1").replace("tries: [1]", "tries: [1, 0]"),
        ["`budget` should be greater than 0", "`tries.1` should be greater than 0"],
    ),
    "no seeds": ("suites/x", suite("x").replace("[0]", "[]"), ["`evaluation_seeds` "]),
    "a wrong word": ("suites/x", suite("x") + "feedback: none", ["`feedback` should be 'open'"]),
    "no place": ("models/x", MODEL.format(id="x"), ["exactly one of `path` and `hub`"]),
    "two places": ("models/x", MODEL.format(id="x") + "path: a\nhub: a/b", ["exactly one of `path` and `hub`"]),
    "a branch": ("models/x", MODEL.format(id="x") + "hub: a/b\nrevision: main", ["`revision` should match"]),
    "a revision of a path": ("models/x", MODEL.format(id="x") + f"path: a\nrevision: {'0' * 40}", ["`revision`"]),
    "an address": ("models/x", MODEL.format(id="x") + "hub: https://hub/a/b", ["`hub` should match"]),
    "a template of no base model": ("models/x", MODEL.format(id="x") + "path: a\ntools_template: a", ["base model"]),
    "an unknown model": (
        "suites/x",
        suite("x", model="micro-bas"),
        ["`models` names the unknown `micro-bas` (did you mean `micro-base`?)"],
    ),
    "no base model": ("suites/x", suite("x", model="micro-instruct"), ["`micro-instruct` has no `instruct`"]),
    "an unknown benchmark": (
        "suites/x",
        suite("x", benchmark="qqq"),
        ["`benchmarks` names the unknown `qqq`", "micro-math"],
    ),
    "an unknown rule set": ("suites/x", suite("x", rules="qqq"), ["`rules` names the unknown `qqq`"]),
    "an unknown rule": ("suites/x", suite("x", required="qqq"), ["`required` names the unknown `qqq`"]),
    "an unknown agent": ("suites/x", suite("x") + "demo: {agents: [qqq]}", ["`demo.agents` names the unknown `qqq`"]),
    "an unknown counterpart": (
        "models/x",
        MODEL.format(id="x") + "path: a\ninstruct: qqq",
        ["`instruct` names the unknown `qqq`"],
    ),
    "an absent template": (
        "models/x",
        MODEL.format(id="x") + "path: a\ninstruct: micro-instruct\ntools_template: a.jinja",
        ["`tools_template` names a.jinja"],
    ),
}


@pytest.mark.parametrize(("place", "content", "mentions"), WRONG.values(), ids=WRONG)
def test_wrong_entry(place: str, content: str, mentions: list[str], write: Write, mine: Path) -> None:
    file = write(place, "")
    file.write_bytes(content.encode(errors="surrogateescape"))
    shelf = {"agents": catalog.agents, "suites": catalog.suites, "models": catalog.models}[place.split("/")[0]]
    message = refusal(shelf)
    assert str(file) in message
    for mention in mentions:
        assert mention in message


def test_wrong_entry_on_the_command_line(write: Write, ptb_here: Callable[..., Any]) -> None:
    file = write("suites/x", suite("x").replace("budget: 60\n", ""))
    assert_refused(ptb_here("catalog", "suites"), str(file), "`budget` is missing")


def test_catalog_named_by_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ptb_here: Callable[..., Any]
) -> None:
    monkeypatch.setenv(loading.VARIABLE, "")
    for name in ("one", "two"):
        (tmp_path / name / "agents").mkdir(parents=True)
        (tmp_path / name / "agents" / f"{name}.yaml").write_text(AGENT.format(id=name))
    options = ("--catalog", tmp_path / "one", "--catalog", tmp_path / "two")
    assert ptb_here(*options, "catalog", "agents", "two").stdout.startswith("id: two\n")
    assert_refused(ptb_here("--catalog", tmp_path / "three", "catalog"), "three does not exist")


def test_own_entries_on_the_command_line(write: Write, ptb_here: Callable[..., Any]) -> None:
    write("suites/x", re.sub("title: t", "title: Only sums", suite("x")))
    said = ptb_here("catalog", "suites")
    assert said.returncode == 0
    assert "Only sums" in said.stdout
