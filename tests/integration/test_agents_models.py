"""Agents and their models: one short call, failing providers and gateways, budgets, keys, and the grader service."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fake_models import clis
from fake_models.login import login_service
from fake_models.scenario import Fail, Say, Scenario, Shell
from fake_models.server import KEY, FakeModels, Received, fake_models
from posttrainbench import catalog
from posttrainbench.agents.codex_login import RENEWAL_VARIABLE
from posttrainbench.agents.providers import PROVIDERS
from posttrainbench.audit.provenance import read_graph
from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.files import read_jsonl
from posttrainbench.gateway import Gateway, GatewayConfig, start_gateway
from posttrainbench.records import AgentEnd, ModelUsage, Outcome, Stage, Status
from posttrainbench.redaction import MARK
from posttrainbench.run import Run, restart, session
from posttrainbench.run.agent_check import CheckResult, check_agent
from posttrainbench.run.prepare import RunRequest, create_run, read_prompt
from posttrainbench.run.restart import MAX_IDLE_REPROMPTS
from posttrainbench.sandbox import load_sandbox
from posttrainbench.sandbox.provenance.state import record_files
from support import agent, journal_entries, make_run, printed, settle, side_by_side

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("short_evaluations")]

SAVE = Shell("cp -r /models/micro-base final_model")
LOOK = Shell("ls")
"""Of an agent that leaves no model, so that there is nothing to evaluate."""
READY: Scenario = [Say("ready")]


@pytest.fixture(scope="module", autouse=True)
def real_keys() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for provider in PROVIDERS.values():
            patch.setenv(provider.key_variable, KEY)
        patch.setenv("CLAUDE_CODE_OAUTH_TOKEN", KEY)
        yield


@pytest.fixture
def serve() -> Iterator[Callable[[Scenario], FakeModels]]:
    with ExitStack() as stack:
        yield lambda scenario: stack.enter_context(fake_models({"": scenario}))


@pytest.fixture(scope="module")
def programs() -> Iterator[None]:
    try:
        place = clis.install()
    except clis.CannotInstallError as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{place}:{os.environ['PATH']}")
        yield


def react(fake: FakeModels, **settings: object) -> str:
    more = "".join(f"&{key}={value}" for key, value in settings.items())
    return f"react/zai/glm-5?base_url={fake.url}/v1{more}"


def outcome(run: Run) -> Outcome:
    return Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text())


def usage(run: Run) -> ModelUsage:
    return ModelUsage.model_validate_json((run.stage(Stage.SOLVE) / "usage.json").read_text())


CHECKS: dict[str, tuple[str, Callable[[Received], Any], Any]] = {
    "claude-code/claude-opus-4-6?effort=low": ("", lambda asked: asked.body["output_config"], {"effort": "low"}),
    "claude-code/anthropic/claude-opus-4-6?login=subscription": (
        "",
        lambda asked: "oauth" in asked.headers["anthropic-beta"] and asked.headers["Authorization"],
        f"Bearer {KEY}",
    ),
    "claude-code/zai/glm-5": ("", lambda asked: asked.headers["Authorization"], f"Bearer {KEY}"),
    "claude-code/claude-opus-4-5?arguments=--append-system-prompt 'Be brief.'": (
        "",
        lambda asked: "Be brief." in repr(asked.body["system"]),
        True,
    ),
    "codex/gpt-5.2?effort=xhigh": ("/v1", lambda asked: asked.body["reasoning"]["effort"], "xhigh"),
    "gemini-cli/gemini-3.1-pro-preview?effort=low": (
        "",
        lambda asked: asked.body["generationConfig"]["thinkingConfig"]["thinkingLevel"],
        "LOW",
    ),
    "opencode/openai/gpt-5.2?effort=high": ("/v1", lambda asked: asked.body["reasoning"]["effort"], "high"),
    "opencode/anthropic/claude-opus-4-6": ("", lambda asked: asked.path, "/v1/messages"),
    "opencode/google/gemini-3.1-pro-preview": ("", lambda asked: asked.headers["x-goog-api-key"], KEY),
    "opencode/minimax/MiniMax-M2": ("", lambda asked: asked.path, "/v1/messages"),
    "opencode/zai/a-model-that-is-new": ("/v1", lambda asked: asked.path, "/v1/chat/completions"),
    "react/openai/gpt-5.2?effort=low": ("/v1", lambda asked: asked.body["reasoning_effort"], "low"),
}


Check = tuple[CheckResult, list[Received]]


@pytest.fixture(scope="module")
def checks(request: pytest.FixtureRequest, real_keys: None, programs: None) -> Iterator[dict[str, "Future[Check]"]]:
    """A check of every agent that the chosen tests need, made side by side, and what its model's provider received."""

    def check(name: str) -> Check:
        with fake_models({"": READY}) as fake:
            base_url = f"{'&' if '?' in name else '?'}base_url={fake.url}{CHECKS[name][0]}"
            return check_agent(catalog.agent_spec(name + base_url), load_sandbox("bubblewrap")), fake.received

    chosen = [item.callspec.params.get("checked") for item in request.session.items if hasattr(item, "callspec")]
    with side_by_side(4) as pool:
        yield {name: pool.submit(check, name) for name in CHECKS if name in chosen}


@pytest.mark.parametrize("checked", CHECKS)
def test_a_check_makes_one_real_call(checked: str, checks: dict[str, "Future[Check]"]) -> None:
    _, look, expected = CHECKS[checked]
    made, received = checks[checked].result()
    assert made.usage.requests >= 1
    assert made.usage.failed == 0
    main = max(received, key=lambda asked: len(json.dumps(asked.body)))
    assert look(main) == expected


def test_codex_works_with_a_subscription_which_is_renewed(
    programs: None, serve: Callable[[Scenario], FakeModels], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = tmp_path / "auth.json"
    tokens = {"access_token": "one-that-has-ended", "refresh_token": "first", "account_id": "acc-1"}
    login.write_text(json.dumps({"OPENAI_API_KEY": None, "tokens": tokens}))
    fake = serve(READY)
    with login_service(KEY) as service:
        monkeypatch.setenv(RENEWAL_VARIABLE, service.url)
        name = f"codex/openai/gpt-5.2?login=subscription&key_file={login}&base_url={fake.url}/v1"
        checked = check_agent(catalog.agent_spec(name), load_sandbox("bubblewrap"))
    assert checked.usage.failed == 0
    received = {name.lower(): value for name, value in fake.received[-1].headers.items()}
    assert (received["authorization"], received["chatgpt-account-id"]) == (f"Bearer {KEY}", "acc-1")
    kept = json.loads(login.read_text())["tokens"]
    assert (kept["access_token"], kept["refresh_token"]) == (KEY, "second")


def test_a_check_works_without_a_sandbox_too(serve: Callable[[Scenario], FakeModels]) -> None:
    checked = check_agent(catalog.agent_spec(react(serve(READY))), load_sandbox("process"))
    assert checked.usage.requests == 1


def test_a_check_tells_what_is_wrong(serve: Callable[[Scenario], FakeModels], monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = load_sandbox("bubblewrap")
    with pytest.raises(InfrastructureError, match=r"does not work: HTTP 404, .*no such model"):
        check_agent(catalog.agent_spec(react(serve([Fail(404, "no such model")]))), sandbox)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(InfrastructureError, match=rf"no connection to {closed} .*check base_url"):
            check_agent(catalog.agent_spec(f"react/zai/glm-5?base_url=http://{closed}/v1"), sandbox)
    with pytest.raises(InfrastructureError, match=r"HTTP 401, .*check the key\."):
        check_agent(catalog.agent_spec(react(serve([Fail(401, f"Incorrect API key provided: {KEY}.")]))), sandbox)
    with pytest.raises(InputError, match="has no model"):
        check_agent(catalog.agent_spec("recipe-noop"), sandbox)
    monkeypatch.delenv("ZAI_API_KEY")
    with pytest.raises(InputError, match="put it into the environment variable ZAI_API_KEY"):
        check_agent(catalog.agent_spec("react/zai/glm-5"), sandbox)


@pytest.mark.training
def test_a_wrong_key_is_no_failure_of_the_agents(serve: Callable[[Scenario], FakeModels], tmp_path: Path) -> None:
    fake = serve([Say("I save.", calls=(SAVE,)), Fail(401, f"Incorrect API key provided: {KEY}.")])
    run = make_run(tmp_path / "run", react(fake))
    result = settle(run)
    assert result.status is Status.INFRASTRUCTURE_ERROR
    assert "The model's provider failed: HTTP 401" in result.reasons[0]
    assert KEY not in result.reasons[0]
    assert not run.is_done(Stage.SOLVE)


@pytest.mark.training
def test_a_provider_that_comes_back_is_waited_for(
    serve: Callable[[Scenario], FakeModels], tmp_path: Path, solve_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent itself gives up at once; its session is resumed, and the suite gives the time back."""
    monkeypatch.setattr(restart, "BACKOFF_SECONDS", (0.5, 1.5))
    suites = {name: suite.model_copy(update={"give_back": True}) for name, suite in catalog.suites().items()}
    monkeypatch.setattr(catalog, "suites", lambda: suites)
    fake = serve(
        [
            Say("I save.", calls=(SAVE,)),
            Fail(418, "not now"),  # no status that the agent would try again by itself
            Fail(418, "not now"),
            Say("More.", calls=(Shell("date > later.txt"),)),
            Say("Done."),
        ]
    )
    run = make_run(tmp_path / "run", react(fake), budget=200)  # of which a tenth without the provider is allowed
    result = settle(run)
    assert result.status is Status.SCORED, result.reasons
    assert [start.why for start in outcome(run).starts] == ["task", "provider_failed", "provider_failed"]
    assert outcome(run).given_back_seconds == 2.0
    assert result.notes == [
        "The agent's deadline was moved by 2 seconds, in which the host waited for its model provider."
    ]
    assert result.verdict["evaluation_tampering"] == "clean"  # the deadline file was changed by the host
    record = json.loads((run.stage(Stage.SOLVE) / "integrity.json").read_text())
    assert record["deadline"] == record["deadline_after"]
    assert (run.workspace / "later.txt").exists()
    last = fake.received[-1].body["messages"]
    assert [message["role"] for message in last].count("user") == 3
    assert usage(run).failed == 2


@pytest.mark.training
def test_a_used_up_budget_ends_the_agent_and_not_the_run(
    serve: Callable[[Scenario], FakeModels], tmp_path: Path
) -> None:
    fake = serve([Say("I look.", calls=(LOOK,)), Say("Never said.")])
    run = make_run(tmp_path / "run", react(fake, max_tokens=10, reprompt=0.1))
    result = settle(run)
    assert result.status is Status.BASE_FALLBACK, result.reasons
    assert len(outcome(run).starts) == 1
    assert outcome(run).end is AgentEnd.CRASHED
    assert (usage(run).requests, usage(run).refused) == (1, 1)


@pytest.mark.training
def test_an_agent_whose_background_work_lives_is_resumed(
    serve: Callable[[Scenario], FakeModels], tmp_path: Path
) -> None:
    train = Shell("setsid sleep 300 >/dev/null 2>&1 &")
    wait = Say("I'll wait for the notification.", wait=4.0)
    fake = serve([Say("I save.", calls=(SAVE,)), Say("I train.", calls=(train,)), wait, Say("Done.", wait=4.0)])
    run = make_run(tmp_path / "run", react(fake))
    result = settle(run)
    assert result.status is Status.SCORED, result.reasons
    assert [start.why for start in outcome(run).starts] == ["task", "time_left"]
    assert (outcome(run).provenance, outcome(run).provenance_note) == ("recorded", "")
    assert len(records := record_files(run.stage(Stage.SOLVE) / "provenance")) == 2
    assert read_graph(*records).missing == []
    assert result.reprompts == 1
    assert [process.command for process in outcome(run).processes] == ["sleep 300"]
    assert result.notes[0].startswith("Background processes were ended with the agent: `sleep 300`")
    assert "background processes were ended" in str(fake.received[-1].body["messages"][-1])


@pytest.mark.training
def test_an_agent_without_a_submission_is_resumed_and_one_with_a_submission_is_not(
    serve: Callable[[Scenario], FakeModels], tmp_path: Path
) -> None:
    other = Shell("mkdir -p out && cp -r /models/micro-base out/checkpoint-5")
    fake = serve([Say("I train.", calls=(other,)), Say("Done.")])
    result = settle(make_run(tmp_path / "without", react(fake)))
    assert result.status is Status.BASE_FALLBACK
    assert result.reprompts == MAX_IDLE_REPROMPTS
    assert "does not contain a complete model" in str(fake.received[-1].body["messages"][-1])
    assert "A whole checkpoint lies in out/checkpoint-5; only final_model is evaluated." in result.reasons
    fake = serve([Say("I save.", calls=(SAVE,)), Say("Done.", wait=4.0)])
    result = settle(run := make_run(tmp_path / "with", react(fake)))
    assert (result.status, result.reprompts, result.notes) == (Status.SCORED, 0, [])
    assert outcome(run).processes == []


@pytest.mark.training
def test_an_agent_that_only_says_that_it_is_done_is_let_go(
    serve: Callable[[Scenario], FakeModels], tmp_path: Path
) -> None:
    fake = serve([Say("I save.", calls=(SAVE,)), *[Say("Done.")] * 9])
    run = make_run(tmp_path / "run", react(fake, reprompt=0.1))
    result = settle(run)
    assert result.status is Status.SCORED, result.reasons
    assert [start.why for start in outcome(run).starts] == ["task", *["time_left"] * MAX_IDLE_REPROMPTS]
    assert len(fake.received) == 2 + MAX_IDLE_REPROMPTS


@pytest.mark.training
def test_a_gateway_that_dies_is_no_failure_of_the_agents(
    serve: Callable[[Scenario], FakeModels], tmp_path: Path, solve_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage is tried again, and the second gateway lives."""
    started: list[Gateway] = []

    @contextmanager
    def one_dies(config: GatewayConfig, folder: Path) -> Iterator[Gateway]:
        with start_gateway(config, folder) as gateway:
            started.append(gateway)
            if len(started) == 1:
                gateway.child.popen.kill()
            yield gateway

    monkeypatch.setattr(session, "start_gateway", one_dies)
    fake = serve([Say("I look.", calls=(LOOK,)), Say("Done.")])
    run = make_run(tmp_path / "run", react(fake))
    result = settle(run)
    assert result.status is Status.BASE_FALLBACK, result.reasons
    assert [entry.cause for entry in journal_entries(run, Stage.SOLVE) if entry.event == "failed"] == ["gateway_failed"]
    assert len(started) == 2


@pytest.mark.training
def test_a_key_that_an_agent_prints_is_in_no_file_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot know one; here it does, and spells it out, alone and in the middle of a very long line."""
    secret = "planted-0f3c1d9a7b5e"
    monkeypatch.setenv("SOME_SERVICE_TOKEN", secret)
    half = len(secret) // 2
    spelled = f"key = {secret[:half]!r} + {secret[half:]!r}"
    run = make_run(
        tmp_path / "run",
        agent(
            tmp_path,
            f"shutil.copytree(base, final)\n{spelled}\nprint(key)\nprint(key, file=sys.stderr)\n"
            "print('x' * 5_000_000, key, 'y' * 5_000_000)\nprint('Authorization: Bearer ' + 'abcd' * 9)",
        ),
    )
    assert settle(run).status is Status.SCORED
    files = [path for path in run.root.rglob("*") if path.is_file()]
    assert [path for path in files if secret.encode() in path.read_bytes()] == []
    lines = printed(run)
    assert lines.count(MARK) == 2
    assert f"Authorization: Bearer {MARK}" in lines


@pytest.mark.training
def test_the_users_own_prompt_is_filled_and_handed_over(
    serve: Callable[[Scenario], FakeModels], solving_only: None, tmp_path: Path
) -> None:
    fake = serve([Say("Done.")])
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Train {{ model }} for {{ benchmark }} within {{ budget }} s: {{ submission }}")
    request = RunRequest(react(fake), "micro-base", "micro-math", budget=30, prompt=read_prompt(prompt))
    run = create_run(request, tmp_path / "run")
    settle(run)
    told = "Train micro-base for micro-math within 30 s: /workspace/final_model"
    assert fake.received[0].body["messages"][-1] == {"role": "user", "content": told}
    assert (run.stage(Stage.SOLVE) / "prompt.md").read_text() == told
    with pytest.raises(InputError, match="The prompt file is not a valid template: 'colour' is undefined"):
        create_run(replace(request, prompt="{{ colour }}"), tmp_path / "other")
    assert not (tmp_path / "other").exists()
    with pytest.raises(InputError, match=r"The prompt file .* cannot be read"):
        read_prompt(tmp_path)


def test_a_run_that_cannot_begin_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZAI_API_KEY")
    with pytest.raises(InputError, match="ZAI_API_KEY"):
        make_run(tmp_path / "run", "react/zai/glm-5")
    assert not (tmp_path / "run").exists()


# --- the grader service ------------------------------------------------------------------------------------------

MODULE = """
from pathlib import Path
from posttrainbench.benchmarks.base import Benchmark, Grade, Item
from posttrainbench.benchmarks.inspect_task import graded_task
import tiny_scorer

ITEMS = [Item(f"tiny/test/{number:04}", f"Say {number}.", "", {"wanted": number}) for number in range(4)]

async def grade(completion, item, grader):
    verdict = await grader.ask([{"role": "user", "content": f"{item.question} {completion}"}], tiny_scorer.parse)
    return Grade(verdict)

def task(items, services):
    return graded_task("tiny", items, lambda completion, item: grade(completion, item, services.grader))

BENCHMARK = Benchmark(
    id="tiny", load=lambda split: ITEMS if split == "test" else [], task=task, scorer=Path(tiny_scorer.__file__),
    grade=grade,
)
"""
SCORER = """
def parse(reply):
    return {"good": 1.0, "bad": 0.0}[reply]

async def grade(answer, target, ask):
    raise NotImplementedError("graded by the module that uses this one")
"""
SUITE = """
id: graded
title: A graded benchmark on the micro model
models: [micro-base]
benchmarks: [tiny]
budget: 60
gpus: 0
rules: v1
required: []
evaluation_seeds: [0]
tries: [1]
engine: transformers
threads: 1
"""
FACTS = "id: tiny\ntitle: Tiny\nmetric: by a grader\nmax_tokens: 8\ntest_items: 4\n"
MEDDLER = """python - <<'PROGRAM'
import http.client, json, os, socket
def ask(body, path="/grade"):
    line = http.client.HTTPConnection("x")
    line.sock = socket.socket(socket.AF_UNIX)
    line.sock.connect(os.environ["PTB_GRADER"])
    line.request("POST", path, json.dumps(body))
    reply = line.getresponse()
    print(reply.status, reply.read().decode())
item = {"id": "tiny/test/0001", "answer": "a poem, please"}
ask({"answers": [{**item, "id": "gsm8k/test/0001"}]})
ask({"answers": [item, item]})
ask({"answers": [{**item, "question": "What is the capital of France?"}]})
ask({"messages": [{"role": "user", "content": "Hello"}]})
ask({"answers": []})
ask({"answers": [item]}, "/v1/chat/completions")
ask({"answers": [item]})
PROGRAM"""


@pytest.fixture
def graded_catalog(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with a graded benchmark of four items, known here and in every process that is started."""
    package = tmp_path_factory.getbasetemp() / "tiny-package"  # for all tests: Python imports its modules once
    for name, content in {
        "tiny.py": MODULE,
        "tiny_scorer.py": SCORER,
        "tiny-1.dist-info/METADATA": "Name: tiny\nVersion: 1\n",
        "tiny-1.dist-info/entry_points.txt": "[posttrainbench.benchmarks]\ntiny = tiny:BENCHMARK\n",
        "catalog/suites/graded.yaml": SUITE,
        "catalog/benchmarks/tiny.yaml": FACTS,
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(content)
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.setenv("PYTHONPATH", str(package))
    monkeypatch.setenv("PTB_CATALOG", str(package / "catalog"))
    monkeypatch.setenv("PTB_GRADER_API_KEY", KEY)


@pytest.mark.training
def test_an_agent_has_its_answers_graded_and_cannot_use_the_grader_for_more(
    graded_catalog: None, serve: Callable[[Scenario], FakeModels], tmp_path: Path
) -> None:
    grader = serve([Say("good")])
    fake = serve(
        [
            Say("I save.", calls=(SAVE,)),
            Say("I measure.", calls=(Shell("python /kit/evaluate.py --model-path final_model --limit 3"),)),
            Say("I meddle.", calls=(Shell(MEDDLER),)),
            Say("Done."),
        ]
    )
    request = RunRequest(react(fake), "micro-base", "tiny", budget=60, grader=f"{grader.url}/v1#judge")
    run = create_run(request, tmp_path / "run")
    result = settle(run)
    assert result.status is Status.SCORED, result.reasons
    assert result.raw_score == 1.0
    said = "\n".join(printed(run))
    assert '{\\"accuracy\\": 1.0, \\"stderr\\": 0.0}' in said
    for refusal in (
        '403 {\\"error\\": \\"\'gsm8k/test/0001\' is not an item',
        '400 {\\"error\\": \\"A call may contain each item only once',
        "question: Extra inputs are not permitted",
        "answers: Field required",
        "List should have at least 1 item",
        "404: Not Found",
    ):
        assert refusal in said.replace('\\\\\\"', '\\"'), refusal
    own, meddled = read_jsonl(run.stage(Stage.SOLVE) / "evaluations.jsonl")
    assert (own["items"], own["score"], own["asks"]) == (3, 1.0, 3)
    assert (meddled["items"], meddled["asks"]) == (1, 1)
    assert own["input_tokens"] > 0
    assert own["grader"].endswith("#judge")
    assert "judge" not in json.dumps([asked.body.get("model") for asked in fake.received])


@pytest.mark.training
def test_no_verdict_is_no_score(
    graded_catalog: None,
    serve: Callable[[Scenario], FakeModels],
    tmp_path: Path,
) -> None:
    """A wrong key: nothing is a score, the agent is told, and the run is an infrastructure error."""
    grader = serve([Fail(401, f"Incorrect API key provided: {KEY}.")])
    fake = serve(
        [
            Say("I save.", calls=(SAVE,)),
            Say("I measure.", calls=(Shell("python /kit/evaluate.py --model-path final_model; echo ended $?"),)),
            Say("Done."),
        ]
    )
    request = RunRequest(react(fake), "micro-base", "tiny", budget=60, grader=f"{grader.url}/v1#judge")
    run = create_run(request, tmp_path / "run")
    result = settle(run)
    assert result.status is Status.INFRASTRUCTURE_ERROR
    said = "\n".join(printed(run))
    assert "The grader could not be reached and nothing was charged" in said
    assert "ended 1" in said
    [noted] = read_jsonl(run.stage(Stage.SOLVE) / "evaluations.jsonl")
    assert noted["score"] is None
    assert noted["error"] == "the grader could not be reached"
    assert KEY not in (run.stage(Stage.SOLVE) / "grading.log").read_text()
