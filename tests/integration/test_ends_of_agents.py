"""A failure of the model's provider, or of a start, never becomes a score, whatever the agent's exit code."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from fake_models.scenario import Fail, Raw, Say, Scenario, Turn
from fake_models.server import KEY, FakeModels, fake_models
from posttrainbench.agents.base import NO_ACCESS, Access, Launch
from posttrainbench.agents.react import React
from posttrainbench.records import AgentEnd, AgentSpec, Outcome, Result, Stage, Status
from posttrainbench.run import Run, restart
from posttrainbench.sandbox import Sandbox
from support import journal_entries, make_run, settle

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("solve_here", "solving_only")]

PROGRAM = """
import json, os, sys, time, urllib.request
code, calls = int(sys.argv[1]), sys.argv[2:]
for name in calls:
    client, _, path = name.partition("#")
    body = {"model": "glm-5", "stream": "stream" in client, "messages": [{"role": "user", "content": "go on"}]}
    body["tools"] = [{"type": "function", "function": {"name": "bash", "parameters": {}}}]
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + (path or "/chat/completions"),
        json.dumps(body).encode(),
        {
            "content-type": "application/json",
            "user-agent": client,
            "authorization": "Bearer " + os.environ["OPENAI_API_KEY"],
        },
    )
    try:
        urllib.request.urlopen(request, timeout=20).read()
    except Exception as error:
        print(type(error).__name__, error, flush=True)
time.sleep(600 if code < 0 else 0)
sys.exit(code)
"""
"""An agent that makes the calls in its arguments and exits with a code; it waits for its deadline if that is -1."""

OWN = "scaffold/1.0"
STREAMED = "scaffold/2.0 (stream)"
GOOD = Say("I look.")
FAILURES: dict[str, Turn] = {
    "429": Fail(429, "Rate limit reached"),
    "529": Fail(529, "Overloaded"),
    "402": Fail(402, "You exceeded your current quota"),
    "401": Fail(401, "Incorrect API key"),
    "cut stream": Say("Words that break off somewhere. " * 9, ends="cut"),
    "empty choices": Raw(json.dumps({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 0}})),
    "half a JSON": Raw('{"choices": ['),
    "stream that only ends": Raw("data: [DONE]\n\n", "text/event-stream"),
}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAI_API_KEY", KEY)
    monkeypatch.setattr(restart, "BACKOFF_SECONDS", ())


@pytest.fixture
def serve() -> Iterator[Callable[[Scenario], FakeModels]]:
    with ExitStack() as stack:
        yield lambda scenario: stack.enter_context(fake_models({"": scenario}))


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace the command of the scaffold `react`."""
    original = React.launch

    def use(*argv: str) -> None:
        def launch(self: React, spec: AgentSpec, sandbox: Sandbox, access: Access = NO_ACCESS) -> Launch:
            command = [sandbox.python, "-c", PROGRAM, *argv] if argv[0].lstrip("-").isdigit() else list(argv)
            return replace(original(self, spec, sandbox, access), argv=command, resume=None)

        monkeypatch.setattr(React, "launch", launch)

    return use


def run_of(fake: FakeModels, tmp_path: Path, budget: float = 30) -> tuple[Run, Result]:
    run = make_run(tmp_path / "run", f"react/zai/glm-5?base_url={fake.url}/v1", budget=budget)
    return run, settle(run)


def outcome(run: Run) -> Outcome:
    return Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text())


def assert_excluded(run: Run, result: Result, cause: str) -> None:
    assert result.status is Status.INFRASTRUCTURE_ERROR, result
    assert result.score is None
    assert [entry.cause for entry in journal_entries(run, Stage.SOLVE) if entry.event == "failed"] == [cause]


@pytest.mark.parametrize("begun", [False, True], ids=["from the start", "in the middle"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_provider_is_not_a_score_although_the_agent_exits_with_0(
    failure: str,
    begun: bool,
    serve: Callable[[Scenario], FakeModels],
    program: Callable[..., None],
    tmp_path: Path,
) -> None:
    client = STREAMED if "stream" in failure else OWN
    program("0", *[client] * (2 + begun))
    run, result = run_of(serve([GOOD] * begun + [FAILURES[failure]]), tmp_path)
    assert_excluded(run, result, "provider_failed")
    assert "The model's provider failed: " in result.reasons[0]


@pytest.mark.parametrize("failure", ["429", "cut stream"])
def test_an_outage_until_the_deadline_is_not_a_score(
    failure: str, serve: Callable[[Scenario], FakeModels], program: Callable[..., None], tmp_path: Path
) -> None:
    program("-1", STREAMED, STREAMED)
    run, result = run_of(serve([GOOD, FAILURES[failure]]), tmp_path, budget=5)
    assert_excluded(run, result, "provider_failed")
    assert "more than the 10% that the suite allows" in result.reasons[0]


def test_the_built_in_agent_that_retries_until_its_deadline_has_no_score(
    serve: Callable[[Scenario], FakeModels], tmp_path: Path
) -> None:
    run, result = run_of(serve([Fail(429, "Rate limit reached")]), tmp_path, budget=5)
    assert_excluded(run, result, "provider_failed")
    assert "HTTP 429" in result.reasons[0]
    assert "model calls succeeded." in result.reasons[0]


def test_a_program_that_cannot_start_is_quoted(
    serve: Callable[[Scenario], FakeModels], program: Callable[..., None], tmp_path: Path
) -> None:
    program("sh", "-c", "echo \"Error: unknown option '--output-format'\" >&2; exit 1")
    run, result = run_of(serve([GOOD]), tmp_path)
    assert_excluded(run, result, "agent_not_started")
    assert "it made no model call. Its last output: Error: unknown option '--output-format'" in result.reasons[0]


@pytest.mark.parametrize(
    ("scenario", "calls"),
    [
        ([GOOD, Fail(400, "messages: Your credit balance is too low is not a role")], [OWN] * 3),
        ([GOOD, Fail(413, "too large")], [OWN] * 3),
        ([GOOD, Fail(429, "Rate limit reached")], [OWN, *["curl/8.5.0"] * 3]),
        ([GOOD, GOOD], [OWN, f"{OWN}#/no/such/path", f"{OWN}#/no/such/path"]),
    ],
    ids=["bad requests", "large requests", "calls of another program", "refused requests"],
)
def test_an_agent_cannot_void_its_run(
    scenario: Scenario,
    calls: list[str],
    serve: Callable[[Scenario], FakeModels],
    program: Callable[..., None],
    tmp_path: Path,
) -> None:
    program("-1", *calls)
    run, result = run_of(serve(scenario), tmp_path, budget=5)
    assert result.status is Status.NOT_AUDITED, result.reasons
    assert (outcome(run).end, outcome(run).provider_away_seconds) == (AgentEnd.DEADLINE, 0.0)


def test_a_short_outage_is_recorded(
    serve: Callable[[Scenario], FakeModels], program: Callable[..., None], tmp_path: Path
) -> None:
    program("0", OWN, OWN, OWN)
    run, result = run_of(serve([GOOD, Fail(529, "Overloaded"), replace(GOOD, wait=0.2), GOOD]), tmp_path)
    assert result.status is Status.NOT_AUDITED, result.reasons
    assert 0.0 < outcome(run).provider_away_seconds < 3.0
