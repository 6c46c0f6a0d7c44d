"""`ptb agents`: what it lists and refuses."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from posttrainbench import catalog
from posttrainbench.agents.providers import PROVIDERS
from posttrainbench.cli.agents import app
from posttrainbench.errors import InputError


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with one key and no CLI."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GEMINI_API_KEY", "a-key-of-mine")


def test_every_agent_is_listed_with_what_it_needs() -> None:
    said = CliRunner().invoke(app, ["--json"])
    rows = {row["name"]: row for row in json.loads(said.stdout)}
    assert set(rows) == set(catalog.agents())
    assert rows["recipe-sft"]["ready"]
    assert (rows["recipe"]["needs"], rows["recipe"]["ready"]) == (["a Python script, recipe?script=PATH"], True)
    assert rows["react"]["ready"]  # with the one key that is here
    assert rows["claude-code"]["needs"] == ["claude 2.1.197", "the key ANTHROPIC_API_KEY"]
    assert not rows["claude-code"]["ready"]
    [no_program] = rows["gemini-cli"]["problems"]
    assert no_program == "gemini is not on this machine; run `ptb agents install gemini-cli`."
    assert "a-key-of-mine" not in said.stdout


def test_an_agent_for_any_provider_is_not_ready_without_any_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in PROVIDERS.values():
        monkeypatch.delenv(provider.key_variable, raising=False)
    [row] = [row for row in json.loads(CliRunner().invoke(app, ["--json"]).stdout) if row["name"] == "react"]
    assert not row["ready"]
    assert row["problems"][0].startswith("No provider's key is set; put one into an environment variable such as ANTH")


def test_the_table_names_each_problem_once() -> None:
    said = CliRunner().invoke(app, [], env={"COLUMNS": "200"}).stdout
    assert said.count("run `ptb agents install codex`.") == 1
    assert "opencode/PROVIDER/MODEL" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "codx/gpt-5.2"], "did you mean `codex`"),
        (["check", "codex"], "a model is required; write codex/MODEL"),
        (["check", "codex/gpt-5.2"], "codex is not on this machine"),
        (["install", "react"], "`react` does not use a separate program"),
        (["install", "codex"], "npm is not on this machine"),
    ],
)
def test_what_cannot_be_done_is_refused(words: list[str], message: str) -> None:
    said = CliRunner().invoke(app, words)
    assert isinstance(said.exception, InputError)
    assert message in str(said.exception)
