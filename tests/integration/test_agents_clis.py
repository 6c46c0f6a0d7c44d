"""The real agent CLIs, at pinned versions, each through whole micro runs against a local fake model.

Two runs an agent, all of them side by side: an honest one, which fine-tunes, evaluates, ends with time left and is
asked to go on; and an unlucky one, whose model's stream is cut, and which its deadline meets in the middle of a tool
call.
"""

import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fake_models import clis
from fake_models.scenario import Say, Scenario, Shell
from fake_models.server import KEY, FakeModels, fake_models
from posttrainbench import kit
from posttrainbench.agents import load_scaffold
from posttrainbench.agents.recipe import RECIPES
from posttrainbench.catalog import agent_spec
from posttrainbench.files import read_jsonl
from posttrainbench.gateway import GatewayConfig
from posttrainbench.records import AgentEnd, ModelUsage, Outcome, OutputLine, Result, Stage, Status
from posttrainbench.run import Run

pytestmark = [pytest.mark.sandbox, pytest.mark.training]

PLANTED = "planted-0f3c1d9a7b5e"
"""A secret of the host's that no program asks for."""

PROMPT = Path(kit.__file__).with_name("prompt.md.jinja")

TRAIN = """cat > train.py <<'PROGRAM'
import common
task = common.load_task()
args = common.arguments("", steps=30)
common.fine_tune(task, common.read_rows(task, "train")[:600], args)
PROGRAM
python train.py && touch trained"""
WAIT = "until [ -e trained ]; do sleep 0.1; done"
"""Of an agent that does not wait for a long command by itself."""
# Packed, since one of the agents refuses commands with backticks in them.
LIBRARY = f"base64 -d > common.py <<< {b64encode((RECIPES / 'common.py').read_bytes()).decode()}"
SPY = "env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'; ls -la / /run/ptb"

HONEST: Scenario = [
    Say("What time is left?", calls=(Shell("sh /kit/timer.sh"), Shell(SPY)), reasoning="first things first"),
    Say("I write a program.", calls=(Shell(LIBRARY),)),
    Say("I train.", calls=(Shell(TRAIN),)),
    Say("I wait for it.", calls=(Shell(WAIT),)),
    Say("I measure.", calls=(Shell("python /kit/evaluate.py --model-path final_model --limit 20"),)),
    Say("All done."),
    Say("More, then.", calls=(Shell("date > second.txt"),)),
    Say("All done again."),
]
UNLUCKY: Scenario = [
    Say("I save.", calls=(Shell("cp -r /models/micro-base final_model; echo saved > saved.txt"),)),
    Say("Words that break off somewhere. " * 4, ends="cut"),
    Say("I wait.", calls=(Shell("echo waiting > waiting.txt; sleep 600; echo woken > woken.txt"),)),
]
HONEST_SECONDS = 240
UNLUCKY_SECONDS = 25

PROGRAM = """
import json, sys
from dataclasses import replace
from pathlib import Path
from posttrainbench.records import Stage
from posttrainbench.run import pipeline, work
from posttrainbench.run.prepare import Order, create_run, read_prompt
from posttrainbench.run.solve import solve
from posttrainbench.run.watch import Watch

pipeline.STAGES[Stage.SOLVE] = solve  # here, where what is changed counts
real = work.restart
work.restart = lambda ended: real(replace(ended, reprompt=None) if ended.worked_before else ended)
agent, out, budget, prompt = sys.argv[1:]
order = Order(agent, "micro-base", "micro-math", budget=float(budget), prompt=read_prompt(Path(prompt)))
print(pipeline.advance(create_run(order, Path(out)), Watch()).model_dump_json())
"""
"""Carries a run out. An agent with time left is asked again and again; here only once."""


@dataclass(frozen=True)
class Agent:
    """An agent under test: its name without settings, and the path behind a compatible provider's address."""

    name: str
    base: str = ""


AGENTS = (
    Agent("claude-code/claude-opus-4-5"),
    Agent("codex/gpt-5.1-codex-max", "/v1"),
    Agent("gemini-cli/gemini-2.5-pro"),
    Agent("opencode/zai/glm-5", "/v1"),
    Agent("react/zai/glm-5", "/v1"),
)
PROGRAMS = {"claude-code": "claude", "codex": "codex", "gemini-cli": "gemini", "opencode": "opencode"}

every_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name.partition("/")[0])


@dataclass(frozen=True)
class Done:
    """A run that has ended, and what its model was asked."""

    run: Run
    result: Result
    outcome: Outcome
    usage: ModelUsage
    fake: FakeModels
    seconds: float

    def file(self, name: str) -> Path:
        return self.run.stage(Stage.SOLVE) / name

    def workspace(self, name: str) -> Path:
        return self.run.workspace / name


Runs = dict[tuple[Agent, str], "Future[Done]"]


@pytest.fixture(scope="module")
def programs() -> Path | None:
    try:
        return clis.install()
    except clis.CannotInstallError:
        return None


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, programs: Path | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    """Every run that the chosen tests need, under way."""
    root = tmp_path_factory.mktemp("runs")
    chosen = {item.callspec.params["agent"] for item in request.session.items if "agent" in _parameters(item)}
    keys = {gateway_config(agent).key_variable or "": KEY for agent in AGENTS}
    environment = {**os.environ, **keys, "MY_HOST_TOKEN": PLANTED, "HF_TOKEN": PLANTED}
    with ThreadPoolExecutor(6) as pool, ExitStack() as stack:

        def start(agent: Agent, kind: str) -> Future[Done]:
            fake = stack.enter_context(fake_models({"honest": HONEST, "unlucky": UNLUCKY}))
            out = root / f"{agent.name.partition('/')[0]}-{kind}"
            return pool.submit(carry_out, agent, kind, fake, programs, out, environment)

        yield {
            (agent, kind): start(agent, kind)
            for agent in AGENTS
            if agent in chosen and (programs or agent.name.startswith("react"))
            for kind in ("honest", "unlucky")
        }


def _parameters(item: pytest.Item) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec is not None and item.fspath == Path(__file__) else {}


def carry_out(
    agent: Agent, kind: str, fake: FakeModels, programs: Path | None, out: Path, environment: dict[str, str]
) -> Done:
    scaffold = agent.name.partition("/")[0]
    config = gateway_config(agent)
    settings = f"base_url={fake.url}{agent.base}"
    if scaffold in PROGRAMS:
        settings += f"&path={programs}/{PROGRAMS[scaffold]}"
    if kind == "honest":
        settings += "&reprompt=0.1"
    name = f"{scaffold}/{config.provider}/{config.models[0]}?{settings}"
    budget = HONEST_SECONDS if kind == "honest" else UNLUCKY_SECONDS
    prompt = out.with_suffix(".md")
    prompt.write_text(f"{PROMPT.read_text()}\nscenario:{kind}\n")
    began = time.monotonic()
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, out, str(budget), prompt],
        capture_output=True,
        text=True,
        env=environment,
        timeout=HONEST_SECONDS + 60,
    )
    seconds = time.monotonic() - began
    assert said.returncode == 0, said.stderr + said.stdout
    run = Run(out)
    outcome = Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text())
    usage = ModelUsage.model_validate_json((run.stage(Stage.SOLVE) / "usage.json").read_text())
    return Done(run, Result.model_validate_json(said.stdout.splitlines()[-1]), outcome, usage, fake, seconds)


def gateway_config(agent: Agent) -> GatewayConfig:
    spec = agent_spec(agent.name)
    config = load_scaffold(spec.scaffold).gateway(spec)
    assert config is not None
    return config


def finished(runs: Runs, agent: Agent, kind: str) -> Done:
    if (agent, kind) not in runs:
        pytest.skip("the CLIs cannot be installed here: no npm, or npm has no network")
    return runs[agent, kind].result()


@every_agent
def test_a_whole_micro_run_gets_a_real_score(runs: Runs, agent: Agent) -> None:
    done = finished(runs, agent, "honest")
    assert done.result.status is Status.SCORED, done.result.reasons
    assert done.result.raw_score is not None
    assert done.result.base_score is not None
    assert done.result.raw_score > done.result.base_score  # it has learned something
    [own] = read_jsonl(done.file("evaluations.jsonl"))
    assert own["items"] == 20
    printed = done.file("output.jsonl").read_text()
    assert "seconds left" in printed
    assert done.outcome.network == "none"
    assert done.usage.failed == 0
    assert done.usage.first_call is not None
    program = PROGRAMS.get(agent.name.partition("/")[0])
    if program:
        assert done.run.spec.versions[agent.name.partition("/")[0]] in {cli.version for cli in clis.CLIS}


@every_agent
def test_it_is_asked_once_more_and_goes_on_with_its_session(runs: Runs, agent: Agent) -> None:
    done = finished(runs, agent, "honest")
    assert [start.why for start in done.outcome.starts] == ["task", "time_left"]
    assert [start.exit_code for start in done.outcome.starts] == [0, 0]
    assert done.outcome.end is AgentEnd.EXITED
    assert done.workspace("second.txt").exists()
    last = json.dumps(done.fake.received[-1].body)
    assert "You have ended your work" in last
    assert "Post-train a language model" in last  # the session's own beginning
    told = [
        line
        for line in map(OutputLine.model_validate, read_jsonl(done.file("output.jsonl")))
        if line.stream == "prompt"
    ]
    assert len(told) == 1


@every_agent
def test_a_trajectory_is_made_of_it(runs: Runs, agent: Agent) -> None:
    done = finished(runs, agent, "honest")
    trajectory = json.loads(done.file("trajectory.json").read_text())
    steps = trajectory["steps"]
    assert [step["source"] for step in steps].count("user") == 2
    calls = [call for step in steps for call in step.get("tool_calls") or []]
    assert len(calls) >= 5
    assert trajectory["extra"]["unknown_events"] == {}
    assert "All done again." in steps[-1]["message"]


@every_agent
def test_no_key_reaches_any_file(runs: Runs, agent: Agent) -> None:
    """The agent looks for keys wherever it can, and the host has two."""
    for kind in ("honest", "unlucky"):
        done = finished(runs, agent, kind)
        files = [path for path in done.run.root.rglob("*") if path.is_file() and not path.is_symlink()]
        assert len(files) > 20
        for secret in (KEY, PLANTED):
            assert [path for path in files if secret.encode() in path.read_bytes()] == []
        assert "PTB_KIT=/kit" in done.file("output.jsonl").read_text() or kind == "unlucky"


@every_agent
def test_a_cut_stream_is_survived(runs: Runs, agent: Agent) -> None:
    done = finished(runs, agent, "unlucky")
    assert done.workspace("saved.txt").exists()
    assert done.usage.failed == 1
    assert done.usage.estimated == 1
    assert {start.why for start in done.outcome.starts} <= {"task", "provider_failed"}


@every_agent
def test_at_the_deadline_a_tool_call_is_ended_and_the_snapshot_scored(runs: Runs, agent: Agent) -> None:
    done = finished(runs, agent, "unlucky")
    assert done.workspace("waiting.txt").exists()
    assert not done.workspace("woken.txt").exists()
    assert done.outcome.end is AgentEnd.DEADLINE
    assert done.outcome.exit_code is None
    assert done.outcome.seconds >= UNLUCKY_SECONDS
    assert done.result.status is Status.SCORED, done.result.reasons
    assert done.result.raw_score == done.result.base_score  # it had only copied the base model


@every_agent
def test_figures(runs: Runs, agent: Agent, record_property: Any) -> None:
    """Not a measurement to rely on, with four runs side by side: `--junit-xml` keeps what was seen."""
    done = finished(runs, agent, "honest")
    assert done.usage.requests >= len(HONEST)
    record_property("first_call", done.usage.first_call)
    record_property("agent_seconds", round(done.outcome.seconds, 1))
    record_property("run_seconds", round(done.seconds, 1))
