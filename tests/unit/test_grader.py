"""The grader against a small server that answers like OpenAI's, or fails like it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from posttrainbench.audit.judge.model_judge import ModelJudge
from posttrainbench.benchmarks import GraderError, Item, Services
from posttrainbench.benchmarks.healthbench import BENCHMARK
from posttrainbench.errors import InputError
from posttrainbench.evaluation import grader as grader_module
from posttrainbench.evaluation.grader import ModelGrader
from posttrainbench.usage import prices

MESSAGES = [{"role": "system", "content": "Judge."}, {"role": "user", "content": "Is it so?"}]

Reply = Callable[[dict[str, Any]], Response]


def says(text: str, **choice: Any) -> Reply:
    """A completion of that text; `choice` replaces its other fields."""

    def reply(body: dict[str, Any]) -> Response:
        made = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}} | choice
        usage = {
            "prompt_tokens": 100,
            "completion_tokens": 10,
            "total_tokens": 110,
            "prompt_tokens_details": {"cached_tokens": 40},
        }
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": f"{body['model']}-2026-01-01"}
        return JSONResponse(answer | {"choices": [made], "usage": usage})

    return reply


def fails(status: int, message: str = "it went wrong", code: str = "error") -> Reply:
    return lambda _: JSONResponse({"error": {"message": message, "type": "error", "code": code}}, status)


class Server:
    """Grades by a list of replies, the last of them for ever, and keeps the requests; its other model answers."""

    def __init__(self) -> None:
        self.replies: list[Reply] = [says("yes")]
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.stuck = 0
        self.open = self.most_open = 0
        self.url = ""

    @property
    def grader(self) -> str:
        return f"{self.url}/v1#judge"

    async def complete(self, request: Request) -> Response:
        body = await request.json()
        if body["model"] == "answering":
            return says("An answer.")(body)
        self.bodies.append(body)
        self.keys.append(request.headers.get("authorization"))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        if self.stuck:
            self.stuck -= 1
            while not await request.is_disconnected():
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.01)
        self.open -= 1
        return reply(body)


@pytest.fixture
def server() -> Iterator[Server]:
    played = Server()
    app = Starlette(routes=[Route("/v1/chat/completions", played.complete, methods=["POST"])])
    served = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        played.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=served.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield played
        served.should_exit = served.force_exit = True
        thread.join(30)


@pytest.fixture
def keyless(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "PTB_GRADER_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def yes_or_no(reply: str) -> bool:
    if reply not in ("yes", "no"):
        raise ValueError("neither yes nor no")
    return reply == "yes"


def ask(server: Server, **options: Any) -> tuple[bool, ModelGrader]:
    grader = ModelGrader(server.grader, first_wait=0, **options)
    return asyncio.run(grader.ask(MESSAGES, yes_or_no)), grader


@pytest.mark.parametrize(("text", "verdict"), [("yes", True), ("no", False)])
def test_a_verdict_at_once(server: Server, keyless: None, text: str, verdict: bool) -> None:
    server.replies = [says(text)]
    said, grader = ask(server)
    assert said is verdict
    [body] = server.bodies
    assert body["model"] == "judge"
    assert body["messages"] == MESSAGES
    assert "temperature" not in body
    assert "reasoning_effort" not in body
    assert [one.tries for one in grader.asks] == [1]


@pytest.mark.parametrize(
    "bad",
    [
        says("perhaps"),
        says(""),
        says("yes", finish_reason="content_filter"),
        says("", message={"role": "assistant", "content": None, "refusal": "I will not judge this."}),
        says("yes", message={"role": "assistant", "content": None, "refusal": "yes"}),
        says("ye", finish_reason="length"),
        says("yes", finish_reason="length"),
        fails(500),
        fails(503),
        fails(429, "Rate limit reached", "rate_limit_exceeded"),
        fails(429, "You exceeded your current quota", "insufficient_quota"),
        fails(400),
        fails(400, "[/nothing] [bold"),
        lambda _: Response("no JSON", media_type="application/json"),
        lambda _: JSONResponse({"choices": []}),
    ],
)
def test_another_try_after_what_is_no_verdict(server: Server, keyless: None, bad: Reply) -> None:
    server.replies = [bad, bad, says("no")]
    said, grader = ask(server)
    assert said is False
    assert len(server.bodies) == 3
    assert [one.tries for one in grader.asks] == [3]
    assert grader.usage()["retries"] == 2


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (says("perhaps"), "neither yes nor no"),
        (fails(500), "it went wrong"),
        (says("", finish_reason="content_filter"), "refused"),
    ],
)
def test_tries_are_bounded(server: Server, keyless: None, bad: Reply, said: str) -> None:
    server.replies = [bad]
    with pytest.raises(GraderError, match=said) as caught:
        ask(server)
    assert str(grader_module.TRIES) in str(caught.value)
    assert len(server.bodies) == grader_module.TRIES


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_no_other_try_mends_is_not_tried_again(server: Server, keyless: None, status: int) -> None:
    server.replies = [fails(status)]
    with pytest.raises(GraderError, match="it went wrong"):
        ask(server)
    assert len(server.bodies) == 1


NO_JUDGEMENT = says("perhaps")
REFUSED = says("", finish_reason="content_filter")


@pytest.mark.parametrize(
    ("replies", "outage"),
    [
        ([fails(500)], True),
        ([fails(529)], True),
        ([fails(429)], True),
        ([fails(401)], True),
        ([fails(402)], True),
        ([fails(404)], True),
        ([fails(400, "flagged by the content policy")], False),
        ([fails(403, "flagged by the content policy")], False),
        ([fails(413)], False),
        ([NO_JUDGEMENT], False),
        ([REFUSED], False),
        ([says("yes", finish_reason="length")], False),
        ([REFUSED, fails(500)], False),
        ([fails(500), NO_JUDGEMENT], False),
    ],
)
def test_outage_is_a_failure_that_no_answer_can_cause(
    server: Server, keyless: None, replies: list[Reply], outage: bool
) -> None:
    server.replies = replies
    with pytest.raises(GraderError) as caught:
        ask(server)
    assert caught.value.outage is outage


def test_a_server_that_does_not_answer(server: Server, keyless: None) -> None:
    server.stuck = 1
    said, grader = ask(server, seconds=1)
    assert said is True
    assert grader.usage()["retries"] == 1


def test_a_server_that_is_not_there(keyless: None) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        grader = ModelGrader(f"http://127.0.0.1:{unused.getsockname()[1]}/v1#judge", first_wait=0)
        with pytest.raises(GraderError, match="Connection") as caught:
            asyncio.run(grader.ask(MESSAGES, yes_or_no))
    assert caught.value.outage


def test_waits_double_up_to_a_bound(keyless: None, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def generate(messages: object) -> None:
        raise RuntimeError("down")

    monkeypatch.setattr(grader_module, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(grader_module, "random", SimpleNamespace(uniform=lambda low, high: high))
    grader = ModelGrader("http://127.0.0.1:9/v1#judge")
    monkeypatch.setattr(grader, "_generate", generate)
    with pytest.raises(GraderError, match="down"):
        asyncio.run(grader.ask(MESSAGES, yes_or_no))
    assert waited == [2, 4, 8, 16, 32, 60, 60]


def test_usage_adds_up(server: Server, keyless: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "posttrainbench").mkdir()
    prices.user_file().write_text("models: {judge: {input: 10, cached: 1, output: 100}}")
    server.replies = [says("perhaps"), says("yes")]
    grader = ModelGrader(server.grader, first_wait=0)

    async def several() -> list[bool]:
        return [await grader.ask(MESSAGES, yes_or_no), await grader.ask(MESSAGES, yes_or_no)]

    assert asyncio.run(several()) == [True, True]
    one, other = grader.asks
    assert (one.tries, one.input_tokens, one.cached_tokens, one.output_tokens) == (2, 200, 80, 20)
    assert one.cost == pytest.approx((120 * 10 + 80 * 1 + 20 * 100) / 1e6)
    assert one.sha256 == other.sha256
    usage = grader.usage()
    assert usage == {
        "name": server.grader,
        "models": ["judge-2026-01-01"],
        "effort": None,
        "max_tokens": 49152,
        "prompt_sha256": usage["prompt_sha256"],
        "asks": 2,
        "retries": 1,
        "input_tokens": 300,
        "cached_tokens": 120,
        "output_tokens": 30,
        "cost": pytest.approx((180 * 10 + 120 * 1 + 30 * 100) / 1e6),
    }
    assert json.loads(json.dumps(usage)) == usage


def test_an_unknown_price_is_no_price(server: Server, keyless: None) -> None:
    _, grader = ask(server)
    assert grader.asks[0].cost is None
    assert grader.usage()["cost"] is None


def test_the_prompt_hash_is_that_of_the_instructions(server: Server, keyless: None) -> None:
    hashes = []
    for system, user in (("Judge.", "one"), ("Judge.", "two"), ("Judge well.", "one")):
        grader = ModelGrader(server.grader)
        asyncio.run(grader.ask([{"role": "system", "content": system}, {"role": "user", "content": user}], yes_or_no))
        hashes.append(grader.usage()["prompt_sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_many_at_a_time(server: Server, keyless: None) -> None:
    grader = ModelGrader(server.grader, first_wait=0)

    async def all_at_once() -> list[bool]:
        asked = [[*MESSAGES[:1], {"role": "user", "content": str(n)}] for n in range(50)]
        return list(await asyncio.gather(*(grader.ask(messages, yes_or_no) for messages in asked)))

    assert asyncio.run(all_at_once()) == [True] * 50
    assert len(grader.asks) == 50
    assert server.most_open > 4


def test_one_grader_serves_one_event_loop_after_the_other(server: Server, keyless: None) -> None:
    grader = ModelGrader(server.grader, first_wait=0)
    assert [asyncio.run(grader.ask(MESSAGES, yes_or_no)) for _ in range(3)] == [True] * 3
    assert grader.usage()["retries"] == 0


def test_a_closed_grader_opens_new_connections(server: Server, keyless: None) -> None:
    grader = ModelGrader(server.grader, first_wait=0)

    async def twice() -> list[bool]:
        verdicts = []
        for _ in range(2):
            verdicts.append(await grader.ask(MESSAGES, yes_or_no))
            await grader.aclose()
        await grader.aclose()
        return verdicts

    assert asyncio.run(twice()) == [True, True]
    assert grader.usage()["retries"] == 0


# -------------------------------------------------------------------------------------------------- names and keys


def test_the_key_is_the_environments_and_stays_there(
    server: Server, keyless: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTB_GRADER_API_KEY", "a-secret-of-the-host")
    server.replies = [fails(401, "Incorrect API key provided: a-secret-of-the-host")]
    grader = ModelGrader(server.grader)
    with pytest.raises(GraderError, match="Incorrect API key provided") as caught:
        asyncio.run(grader.ask(MESSAGES, yes_or_no))
    assert server.keys == ["Bearer a-secret-of-the-host"]
    assert "a-secret" not in str(caught.value)
    assert "a-secret" not in json.dumps(grader.usage())


def test_a_model_by_name_is_asked_with_medium_effort(
    server: Server, keyless: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    monkeypatch.setenv("SERVICE_API_KEY", "test")
    monkeypatch.setenv("SERVICE_BASE_URL", f"{server.url}/v1")
    assert ModelGrader("openai/gpt-5-mini").usage()["effort"] == "medium"
    server.replies = [fails(500), says("yes")]
    grader = ModelGrader("openai-api/service/judge", first_wait=0)
    assert asyncio.run(grader.ask(MESSAGES, yes_or_no))
    assert [body["reasoning_effort"] for body in server.bodies] == ["medium"] * 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("openai/gpt-5-mini", "OPENAI_API_KEY"),
        ("nonsense", "nonsense"),
        ("no-provider/model", "no-provider"),
        ("http://127.0.0.1:1/v1", "URL#MODEL"),
        ("http://127.0.0.1:1/v1#", "URL#MODEL"),
    ],
)
def test_a_grader_that_cannot_be_is_refused_at_once(keyless: None, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        ModelGrader(name)
    assert "[bold]" not in str(caught.value)


@pytest.mark.parametrize("model", [ModelGrader, ModelJudge])
def test_a_password_in_the_address_of_a_model_is_refused_and_not_repeated(
    model: Callable[[str], Any],
) -> None:
    with pytest.raises(InputError, match=r"must be a model's name, or URL#MODEL without a user, a password") as refused:
        model("https://me:secret@host/v1#m")
    assert "secret" not in str(refused.value)


# ------------------------------------------------------------------------------------------------- within an evaluation


def graded(server: Server, tmp_path: Path, replies: list[Reply]) -> Any:
    """Inspect's log of three health conversations, answered by a made-up model and graded over the server."""
    from inspect_ai import eval as inspect_eval
    from inspect_ai.model import get_model

    criteria = [{"criterion": "Is short", "points": 4}, {"criterion": "Is rude", "points": -1}]
    talk = [{"role": "user", "content": "I cough."}]
    items = [
        Item(f"x/{n}", "I cough.", "", {"conversation": talk, "criteria": criteria}, messages=talk) for n in range(3)
    ]
    server.replies = replies
    grader = ModelGrader(server.grader, first_wait=0)
    task = BENCHMARK.task(items, Services(grader=grader))
    model = get_model("openai-api/engine/answering", base_url=f"{server.url}/v1", api_key="none", memoize=False)
    [log] = inspect_eval(task, model=model, display="none", log_dir=str(tmp_path), score_display=False)
    return log


def test_a_task_is_graded_over_the_server(
    server: Server, keyless: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PTB_GRADER_API_KEY", "a-secret-of-the-host")
    log = graded(server, tmp_path, [fails(500), says('{"criteria_met": true}')])
    assert log.status == "success"
    assert "a-secret" not in log.model_dump_json()
    assert [sample.scores["healthbench-scorer"].value for sample in log.samples] == [0.75] * 3
    assert len(server.bodies) == 7


def test_a_grader_that_fails_is_no_score(server: Server, keyless: None, tmp_path: Path) -> None:
    log = graded(server, tmp_path, [says('{"criteria_met": false}'), fails(500)])
    assert log.status == "error"
    assert "GraderError" in log.error.traceback
