"""Checks before an agent's time starts: when a run is created, and again right before the agent starts."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from posttrainbench import catalog
from posttrainbench.engines import Engine, load_engine
from posttrainbench.errors import InputError
from posttrainbench.records import RunLimits, Stage, Status
from posttrainbench.run import Run
from posttrainbench.run.attempts import count_restarts, needs_again
from posttrainbench.run.pipeline import advance
from posttrainbench.run.preflight import CHECKS, require_ready
from posttrainbench.run.prepare import check_request, create_run, create_runs
from posttrainbench.run.progress import ProgressListener
from posttrainbench.run.request import RunRequest
from support import contents

pytestmark = pytest.mark.sandbox
REQUEST = RunRequest("recipe-noop", "micro-base", "micro-math", budget=30)


def refused(folder: Path, **changed: Any) -> str:
    """The problem of a request; nothing is left of it."""
    with pytest.raises(InputError) as error:
        create_run(replace(REQUEST, **changed), folder / "run")
    assert contents(folder) == {}
    return str(error.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"budget": 0}, "A budget of 0 s is probably a mistake; use a value from 1s to 720h."),
        ({"budget": -5.0}, "A budget of -5 s"),
        ({"budget": float("nan")}, "A budget of nan s"),
        ({"budget": float("inf")}, "A budget of inf s"),
        ({"budget": 3.6e12}, "A budget of 3.6e+12 s"),
        ({"budget": "10m"}, "must be a number of seconds, not `'10m'`"),
        ({"budget": True}, "must be a number of seconds"),
        ({"seed": -1}, "The seed must be a whole number from 0, not `-1`."),
        ({"limits": RunLimits(memory=1024)}, "No agent can work with a memory limit of 1024 bytes"),
        ({"limits": RunLimits(disk=1)}, "No agent can work with a disk limit of 1 bytes"),
        ({"limits": RunLimits(processes=1)}, "No agent can work with 1 processes; use at least 16."),
        ({"limits": RunLimits(cpus=float("inf"))}, "A limit of inf CPUs is not possible"),
        ({"gpus": -1}, "-1 are not valid GPUs"),
        ({"gpus": 4096}, "4096 GPUs, but this machine has"),
        ({"engine_settings": {"memory": "1"}}, "The engine transformers has no setting `memory`"),
        ({"engine": "vllm", "engine_settings": {"memory": "1"}}, "has no setting `memory`; it has these"),
        ({"engine": "vllm", "engine_settings": {"memory_fraction": "90"}}, "a number above 0 and up to 1, not `90`"),
        ({"engine": "vllm", "engine_settings": {"max_model_len": "4k"}}, "a whole number above zero, not `4k`"),
        ({"engine": "vllm", "engine_settings": {"enforce_eager": "yes"}}, "must be 0 or 1, not `yes`"),
        ({"engine": "vllm", "engine_settings": {"python": "/no/python"}}, "/no/python cannot be run"),
        ({"engine": "vlm"}, "`vlm` is not among the installed engines"),
        ({"agent": "recipe-sft?bogus=1"}, "`bogus` is not a setting of the recipe sft; choose from: steps"),
        ({"agent": "recipe-sft?steps=abc"}, "steps must be a whole number above zero, not `abc`"),
        ({"agent": "recipe-sft?steps=0"}, "steps must be a whole number above zero, not `0`"),
        ({"agent": "recipe-sft?learning_rate=nan"}, "learning_rate must be a number above zero, not `nan`"),
        ({"agent": "recipe-noop?steps=1"}, "`steps` is not a setting of the recipe noop; it has none"),
        ({"agent": "recipe?script=common"}, "needs a Python script that exists"),
        ({"agent": "recipe?script=../settings"}, "needs a Python script that exists"),
        ({"prompt": "{{ nothing }}"}, "The prompt file is not a valid template"),
        ({"sandbox": "process", "network": "none"}, "cannot restrict it"),
    ],
    ids=str,
)
def test_mistakes_in_a_request(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert said in refused(tmp_path, **changed)


@pytest.mark.parametrize("scaffold", ["claude-code", "codex", "gemini-cli", "opencode", "react"])
def test_unknown_settings_of_every_agent_with_a_model(scaffold: str, tmp_path: Path) -> None:
    for name in (f"{scaffold}/openrouter/m?bogus=1", f"{scaffold}/openrouter/m?base_url=http://x&bogus=1"):
        assert f"`bogus` is not a setting of {scaffold}" in refused(tmp_path, agent=name)


def test_every_scaffold_is_tried() -> None:
    tried = {"claude-code", "codex", "gemini-cli", "opencode", "react", "recipe"}
    assert {agent.scaffold for agent in catalog.agents().values()} == tried


def test_a_sound_request_has_no_problem_and_writes_nothing(tmp_path: Path) -> None:
    results = check_request(replace(REQUEST, agent="recipe-sft?steps=5&learning_rate=1e-3"), tmp_path / "run")
    assert [result.name for result in results] == [check.name for check in CHECKS]
    assert {result.name: result.state for result in results if result.state != "ok"} == {"grader": "not_checked"}
    assert contents(tmp_path) == {}


def test_all_problems_are_shown_once(tmp_path: Path) -> None:
    request = replace(REQUEST, agent="recipe-sft?bogus=1", engine="vllm", gpus=4096)
    states = {result.name: result.state for result in check_request(request, tmp_path / "run")}
    assert {name for name, state in states.items() if state == "problem"} == {"agent", "engine", "GPUs"}
    assert {name for name, state in states.items() if state == "not_checked"} == {
        "agent needs",
        "grader",
        "kit and prompt",
    }


def test_none_of_several_runs_is_made_if_one_has_a_problem(tmp_path: Path) -> None:
    requests = {tmp_path / "one": REQUEST, tmp_path / "two": replace(REQUEST, agent="recipe-sft?steps=x")}
    with pytest.raises(InputError, match="steps must be"):
        create_runs(requests)
    assert contents(tmp_path) == {}


@pytest.fixture
def own_model(tmp_path: Path, ptb_here: object, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog of the user with a copy of the base model and a suite for it."""
    home = tmp_path / "catalog"
    source = catalog.models()["micro-base"].directory
    for folder in ("models", "suites"):
        (home / folder).mkdir(parents=True)
    weights = Path(shutil.copytree(source, home / "weights"))
    (home / "models" / "mine.yaml").write_text(
        "{id: mine, title: mine, family: llama, path: weights, instruct: micro-instruct}"
    )
    suite = catalog.suites()["micro"].model_dump(mode="json", exclude={"demo"})
    (home / "suites" / "own.yaml").write_text(json.dumps(suite | {"id": "own", "models": ["mine"]}))
    monkeypatch.setenv("PTB_CATALOG", str(home))
    return weights


def test_a_base_model_that_is_damaged_or_changed(own_model: Path, tmp_path: Path) -> None:
    request = replace(REQUEST, model="mine")
    run = create_run(request, tmp_path / "run")
    require_ready(run)
    whole = (own_model / "model.safetensors").read_bytes()
    for content in (whole[:-1000], b"", None):
        (own_model / "model.safetensors").unlink()
        if content is not None:
            (own_model / "model.safetensors").write_bytes(content)
        with pytest.raises(InputError, match=r"model\.safetensors of the model mine .* is missing or damaged"):
            create_run(request, tmp_path / "other")
    (own_model / "model.safetensors").write_bytes(whole)
    (own_model / "config.json").write_text((own_model / "config.json").read_text() + "\n")
    before = contents(run.root)
    result = advance(run, ProgressListener())
    assert result.status is Status.INFRASTRUCTURE_ERROR
    assert "The files of the model mine have changed since the run was created; restore them." in result.reasons[0]
    assert not run.workspace.exists()
    assert before.items() <= contents(run.root).items()


def broken_engine(name: str) -> Engine:
    """An engine of another package, whose library is broken."""

    def versions(settings: object) -> dict[str, str]:
        raise RuntimeError("libcudart.so is missing")

    return replace(load_engine(name), versions=versions)


def test_a_machine_that_changes_before_the_agent_starts_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "agent.py"
    script.write_text("print('ready')")
    run = create_run(replace(REQUEST, agent=f"recipe?script={script}&any=1"), tmp_path / "run")
    for spoil, said in (
        ("engine", "The engine transformers does not work (libcudart.so is missing)"),
        ("script", "needs a Python script that exists"),
    ):
        with monkeypatch.context() as patch:
            if spoil == "engine":
                patch.setattr("posttrainbench.run.preflight.load_engine", broken_engine)
            else:
                script.rename(tmp_path / "away")
            result = advance(run, ProgressListener())
        assert (result.status, result.score, result.restarts) == (Status.INFRASTRUCTURE_ERROR, None, 0)
        assert said in result.reasons[0]
        assert not run.workspace.exists()
        assert (count_restarts(run), needs_again(run), run.next_stage()) == (0, False, Stage.SOLVE)
    (tmp_path / "away").rename(script)
    require_ready(Run(run.root))
