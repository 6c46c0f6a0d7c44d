"""The real agent CLIs, at pinned versions, each through a whole micro run against a local fake model.

One run an agent, all of them side by side, serves all tests: it fine-tunes and evaluates, its model's stream is cut, it
ends with time left and is asked to go on, and its deadline meets it in the middle of a tool call.
"""

import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import Future
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
from posttrainbench.audit.provenance import read_graph
from posttrainbench.catalog import agent_spec
from posttrainbench.files import read_jsonl
from posttrainbench.gateway import GatewayConfig
from posttrainbench.records import AgentEnd, ModelUsage, Outcome, OutputLine, Result, Stage, Status
from posttrainbench.run import Run
from posttrainbench.sandbox.provenance.state import record_files
from support import side_by_side

BUDGET = 1800
"""Seconds, which no run needs on a machine that is not loaded: its time is up as soon as the agent is asleep."""
PATIENCE = BUDGET + 100

pytestmark = [pytest.mark.sandbox, pytest.mark.training, pytest.mark.timeout(PATIENCE + 300)]

PLANTED = "planted-0f3c1d9a7b5e"
"""A secret of the host's that no program asks for."""

PROMPT = Path(kit.__file__).with_name("prompt.md.jinja")

TRAIN = """cat > train.py <<'PROGRAM'
import common
from types import SimpleNamespace
task = common.load_task()
args = SimpleNamespace(steps=30, learning_rate=2e-3, batch_size=16)
common.fine_tune(task, common.read_rows(task, "train")[:600], args)
PROGRAM
python train.py && touch trained"""
WAIT = "for i in 1 2 3 4 5; do [ -e trained ] && break; sleep 1; done; ls"
"""Of an agent that does not wait for a long command by itself. It is repeated; each call is shorter than any limit."""
# Packed, since one of the agents refuses commands with backticks in them.
LIBRARY = f"base64 -d > common.py <<< {b64encode((RECIPES / 'common.py').read_bytes()).decode()}"
SPY = "env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'; ls -la / /run/ptb"


def scenario(workspace: Path) -> Scenario:
    """Return the turns of the model of an agent that works in this directory."""

    def there(name: str) -> Callable[[], bool]:
        return lambda: (workspace / name).exists()

    return [
        Say("What time is left?", calls=(Shell("sh /kit/timer.sh"), Shell(SPY)), reasoning="first things first"),
        Say("I write a program.", calls=(Shell(LIBRARY),)),
        Say("I train.", calls=(Shell(TRAIN),)),
        Say("I wait for it.", calls=(Shell(WAIT),), until=there("trained")),
        Say("I measure.", calls=(Shell("python /kit/evaluate.py --model-path final_model --limit 4; touch measured"),)),
        Say("I wait for that, too.", calls=(Shell(WAIT.replace("trained", "measured")),), until=there("measured")),
        Say("Words that break off somewhere. " * 4, ends="cut"),
        Say("All done."),
        Say("More, then.", calls=(Shell("date > second.txt"),)),
        Say("I sleep.", calls=(Shell("echo asleep > asleep.txt; sleep 600; echo woken > woken.txt"),)),
    ]


PARTS = ("timer.sh", "environ", "common.py", "train.py", "trained", "evaluate.py", "second.txt")
"""Of each command that ends by itself."""

PROGRAM = """
import sys
from pathlib import Path
agent, out, budget, prompt, tests = sys.argv[1:]
sys.path.append(tests)
from engine_here import short_evaluations
from posttrainbench.records import Stage
from posttrainbench.run import agent_run, pipeline
from posttrainbench.run.prepare import RunRequest, create_run, read_prompt
from posttrainbench.run.solve import solve
from posttrainbench.run.progress import ProgressListener

request = RunRequest(agent, "micro-base", "micro-math", budget=float(budget), prompt=read_prompt(Path(prompt)))
run = create_run(request, Path(out))
real = agent_run.clock
agent_run.clock = lambda: real() + (float(budget) if (run.workspace / "asleep.txt").exists() else 0)
pipeline.STAGES[Stage.SOLVE] = solve  # here, where the clock is changed
with short_evaluations(24):
    print(pipeline.advance(run, ProgressListener()).model_dump_json())
"""
"""Carries a run out. Its time is up as soon as the agent is asleep, whenever that is.

The engine is started in a process of its own by other tests.
"""


@dataclass(frozen=True)
class Agent:
    """An agent under test: its name without settings, and the path behind a compatible provider's address."""

    name: str
    base: str = ""

    @property
    def scaffold(self) -> str:
        return self.name.partition("/")[0]


AGENTS = (
    Agent("claude-code/claude-opus-4-5"),
    Agent("codex/gpt-5.1-codex-max", "/v1"),
    Agent("gemini-cli/gemini-2.5-pro"),
    Agent("opencode/zai/glm-5", "/v1"),
    Agent("react/zai/glm-5", "/v1"),
)
PROGRAMS = {"claude-code": "claude", "codex": "codex", "gemini-cli": "gemini", "opencode": "opencode"}

every_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.scaffold)


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


Runs = dict[Agent, "Future[Done]"]


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
    with side_by_side(len(AGENTS)) as pool, ExitStack() as stack:

        def start(agent: Agent) -> Future[Done]:
            fake = stack.enter_context(fake_models({"whole": scenario(root / agent.scaffold / "workspace")}))
            return pool.submit(carry_out, agent, fake, programs, root / agent.scaffold, environment)

        yield {
            agent: start(agent) for agent in AGENTS if agent in chosen and (programs or agent.scaffold not in PROGRAMS)
        }


def _parameters(item: pytest.Item) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec is not None and item.fspath == Path(__file__) else {}


def carry_out(agent: Agent, fake: FakeModels, programs: Path | None, out: Path, environment: dict[str, str]) -> Done:
    config = gateway_config(agent)
    settings = f"base_url={fake.url}{agent.base}&reprompt=0.1"
    if agent.scaffold in PROGRAMS:
        settings += f"&path={programs}/{PROGRAMS[agent.scaffold]}"
    name = f"{agent.scaffold}/{config.provider}/{config.models[0]}?{settings}"
    prompt = out.with_suffix(".md")
    prompt.write_text(f"{PROMPT.read_text()}\nscenario:whole\n")
    began = time.monotonic()
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, out, str(BUDGET), prompt, Path(__file__).parents[1]],
        capture_output=True,
        text=True,
        env=environment,
        timeout=PATIENCE,
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


def finished(runs: Runs, agent: Agent) -> Done:
    if agent not in runs:
        pytest.skip("the CLIs cannot be installed here: no npm, or npm has no network")
    return runs[agent].result()


def test_gemini_hides_the_tools_of_its_provider(runs: Runs) -> None:
    done = finished(runs, AGENTS[2])
    declared = [
        {declaration["name"] for tool in request.body["tools"] for declaration in tool["functionDeclarations"]}
        for request in done.fake.received
        if request.body.get("tools")
    ]
    assert declared
    for names in declared:
        assert "run_shell_command" in names
        assert not names & {"google_web_search", "web_fetch"}
    assert "tools.exclude" not in done.file("output.jsonl").read_text()


@every_agent
def test_a_whole_micro_run_gets_a_real_score(runs: Runs, agent: Agent) -> None:
    done = finished(runs, agent)
    assert done.result.status is Status.SCORED, done.result.reasons
    assert done.result.raw_score is not None
    assert done.result.base_score is not None
    assert done.result.raw_score > done.result.base_score  # it has learned something
    [own] = read_jsonl(done.file("evaluations.jsonl"))
    assert own["items"] == 4
    printed = done.file("output.jsonl").read_text()
    assert "seconds left" in printed
    assert done.outcome.network == "none"
    assert done.usage.first_call is not None
    if agent.scaffold in PROGRAMS:
        assert done.run.spec.versions[agent.scaffold] in {cli.version for cli in clis.CLIS}


@every_agent
def test_a_cut_stream_is_survived(runs: Runs, agent: Agent) -> None:
    done = finished(runs, agent)
    assert (done.usage.failed, done.usage.estimated) == (1, 1)
    assert done.workspace("second.txt").exists()


@every_agent
def test_it_is_asked_once_more_and_goes_on_with_its_session(runs: Runs, agent: Agent) -> None:
    done = finished(runs, agent)
    reasons = [start.why for start in done.outcome.starts]
    # One of the CLIs gives up where the others ask their provider again.
    assert reasons in (["task", "time_left"], ["task", "provider_failed", "time_left"])
    assert done.outcome.starts[-2].exit_code == 0
    last = json.dumps(done.fake.received[-1].body)
    assert "You stopped working before the deadline." in last
    assert "Post-train a language model" in last  # the session's own beginning
    lines = map(OutputLine.model_validate, read_jsonl(done.file("output.jsonl")))
    assert len([line for line in lines if line.stream == "prompt"]) == len(reasons) - 1
    assert (done.outcome.provenance, done.outcome.provenance_note) == ("recorded", "")
    assert len(records := record_files(done.file("provenance"))) == len(reasons)
    assert read_graph(*records).missing == []


@every_agent
def test_at_the_deadline_a_tool_call_is_ended_and_the_snapshot_scored(runs: Runs, agent: Agent) -> None:
    done = finished(runs, agent)
    assert done.workspace("asleep.txt").exists()
    assert not done.workspace("woken.txt").exists()
    assert done.outcome.end is AgentEnd.DEADLINE
    assert done.outcome.exit_code is None
    assert done.result.status is Status.SCORED, done.result.reasons


@every_agent
def test_a_trajectory_is_made_of_it(runs: Runs, agent: Agent) -> None:
    done = finished(runs, agent)
    trajectory = json.loads(done.file("trajectory.json").read_text())
    steps = trajectory["steps"]
    assert [step["source"] for step in steps].count("user") == len(done.outcome.starts)
    calls = [call for step in steps for call in step.get("tool_calls") or []]
    commands = [json.dumps(call["arguments"]) for call in calls]
    # The command that was ended stands in it only if the CLI tells of commands before they end.
    # Of two at a time, either may be told first.
    assert [part for part in PARTS if any(part in command for command in commands)] == list(PARTS)
    assert trajectory["extra"]["unknown_events"] == {}
    assert "I sleep." in " ".join(step["message"] for step in steps[-3:])


@every_agent
def test_no_key_reaches_any_file(runs: Runs, agent: Agent) -> None:
    """The agent looks for keys wherever it can, and the host has two."""
    done = finished(runs, agent)
    files = [path for path in done.run.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {"usage.jsonl", "gateway.log", "output.jsonl", "trajectory.json"} <= {path.name for path in files}
    assert any(".home" in path.parts for path in files)
    for secret in (KEY, PLANTED):
        assert [path for path in files if secret.encode() in path.read_bytes()] == []
    assert "PTB_KIT=/kit" in done.file("output.jsonl").read_text()


@every_agent
def test_figures(runs: Runs, agent: Agent, record_property: Any) -> None:
    """Not to rely on, with all runs side by side; kept by `-o junit_family=xunit1 --junit-xml FILE`."""
    done = finished(runs, agent)
    assert done.usage.requests >= len(scenario(done.run.workspace))
    record_property("first_call", done.usage.first_call)
    record_property("agent_seconds", round(done.outcome.seconds, 1))
    record_property("run_seconds", round(done.seconds, 1))
