"""The grader service: how much it grades, and what it writes down."""

import asyncio
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Response
from tokenizers import Tokenizer

from posttrainbench import catalog
from posttrainbench.benchmarks import Grade, GraderError, Item
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.errors import InputError
from posttrainbench.feedback.grader_request import CHARACTERS_PER_TOKEN, RequestError, parse_request, token_limit
from posttrainbench.feedback.grader_server import GraderService, serve
from posttrainbench.files import read_jsonl
from posttrainbench.run.prepare import RunRequest, create_run

ITEMS = [Item(id=f"tiny/test/{number}", question="Say good.", answer="good", target={}) for number in range(2)]
HASH = hashlib.sha256(b"weights").hexdigest()


class Counting:
    """A grader that counts what it is asked."""

    def __init__(self) -> None:
        self.asks = 0

    def usage(self) -> dict[str, Any]:
        return {"name": "counting", "asks": self.asks, "input_tokens": 0, "output_tokens": 0, "cost": None}


async def grade(answer: str, item: Item, grader: Any) -> Grade:
    if answer in ("refused", "outage"):
        raise GraderError("no verdict", outage=answer == "outage")
    if answer == "bug":
        raise KeyError("bug")
    if answer == "slow":
        await asyncio.sleep(60)
    grader.asks += 1
    return Grade(float(answer == item.answer))


def service(log: Path, passes: int = 2) -> GraderService:
    return GraderService(ITEMS, grade, lambda scores: (sum(scores) / len(scores), 0.0), Counting(), passes, log)


def ask(one: GraderService, *answers: str, **more: Any) -> tuple[int, dict[str, Any]]:
    body = {"answers": [{"id": ITEMS[at].id, "answer": text} for at, text in enumerate(answers)], **more}

    async def call() -> Response:
        request = make_mocked_request("POST", "/grade")
        request._read_bytes = json.dumps(body).encode()
        return await one.handle(request)

    response = asyncio.run(call())
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body)


def test_so_many_answers_are_graded_and_no_more(tmp_path: Path) -> None:
    one = service(tmp_path / "log")
    assert ask(one, "good", "bad")[1] == {
        "accuracy": 0.5,
        "stderr": 0.0,
        "scores": {"tiny/test/0": 1.0, "tiny/test/1": 0.0},
        "left": 2,
    }
    assert ask(one, "good")[1]["left"] == 1
    status, said = ask(one, "good", "good")
    assert (status, said) == (429, {"error": "Only 1 more answers can be graded in this run, not 2."})
    assert ask(one, "good")[1]["left"] == 0
    assert [entry["left"] for entry in read_jsonl(tmp_path / "log")] == [2, 1, 0]


def test_outage_of_the_grader_is_refunded_three_times(tmp_path: Path) -> None:
    left = []
    for _ in range(4):
        status, said = ask(service(tmp_path / "log"), "outage")  # refunds are counted after a restart, too
        assert status == 503
        left.append(list(read_jsonl(tmp_path / "log"))[-1]["left"])
    assert "the call was charged" in said["error"]
    assert left == [4, 4, 4, 3]
    assert ask(service(tmp_path / "log"), "good")[1]["left"] == 2


@pytest.mark.parametrize("answer", ["refused", "bug"])
def test_call_that_an_answer_spoils_is_charged_and_logged(answer: str, tmp_path: Path) -> None:
    one = service(tmp_path / "log")
    status, said = ask(one, "good", answer)
    assert (status, "the call was charged" in said["error"]) == (503 if answer == "refused" else 500, True)
    assert ("tiny/test/1" in said["error"]) == (answer == "refused")
    [entry] = read_jsonl(tmp_path / "log")
    assert (entry["score"], entry["charged"], entry["left"]) == (None, 2, 2)


@contextmanager
def served(one: GraderService, folder: Path) -> Iterator[Callable[[], HTTPConnection]]:
    """Serve in a thread, and yield a function that connects."""
    loop, stopped, path = asyncio.new_event_loop(), asyncio.Event(), folder / "s"
    ready = threading.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(one, path, stopped, ready.set),), daemon=True)
    thread.start()
    assert ready.wait(10)

    def connect() -> HTTPConnection:
        connection = HTTPConnection("localhost", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(10)
        connection.sock.connect(str(path))
        return connection

    try:
        yield connect
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(10)
        loop.close()


def post(connection: HTTPConnection, body: bytes) -> tuple[int, dict[str, Any]]:
    connection.request("POST", "/grade", body)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def request_of(*answers: str) -> bytes:
    return json.dumps({"answers": [{"id": ITEMS[at].id, "answer": text} for at, text in enumerate(answers)]}).encode()


def test_client_that_hangs_up_is_charged_and_logged(tmp_path: Path) -> None:
    with served(service(tmp_path / "log"), tmp_path) as connect:
        gone = connect()
        gone.request("POST", "/grade", request_of("good", "slow"))
        time.sleep(0.5)
        gone.close()
        assert post(connect(), request_of("good"))[1]["left"] == 1
    first, _ = read_jsonl(tmp_path / "log")
    assert (first["error"], first["charged"], first["asks"], first["left"]) == ("the client disconnected", 2, 1, 2)


def test_client_that_hangs_up_before_its_call_was_accepted_pays_nothing(tmp_path: Path) -> None:
    with served(service(tmp_path / "log"), tmp_path) as connect:
        gone = connect()
        gone.putrequest("POST", "/grade")
        gone.putheader("Content-Length", "100")
        gone.endheaders(b'{"answers"')
        time.sleep(0.2)
        gone.close()
        assert post(connect(), request_of("good"))[1]["left"] == 3
    assert len(list(read_jsonl(tmp_path / "log"))) == 1


def test_bodies_and_connections_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posttrainbench.feedback.grader_server.MAX_CONNECTIONS", 3)
    monkeypatch.setattr("posttrainbench.feedback.grader_server.BODY_SECONDS", 0.3)
    with served(service(tmp_path / "log"), tmp_path) as connect:
        assert post(connect(), request_of("x" * 2**21))[0] == 413
        slow = connect()
        slow.putrequest("POST", "/grade")
        slow.putheader("Content-Length", "100")
        slow.endheaders(b'{"answers"')
        assert slow.getresponse().status == 408
        slow.close()
        time.sleep(0.2)
        idle = [connect() for _ in range(30)]
        assert post(connect(), request_of("good"))[0] == 200
        for connection in idle:
            connection.close()


@pytest.mark.parametrize(
    "body",
    [
        b'{"answers": [' + b"[]," * 10_000 + b"[]]}",
        b'{"answers": [' + b'{"id":"","answer":""},' * 10_000 + b"{}]}",
        b"[" * 100_000,
        b'{"answers": [{"id": "tiny/test/0", "answer": "good", "more": [' + b"1," * 10_000 + b"1]}]}",
        b'{"answers": [{"id": "tiny/test/0", "answer": "good"',
        b'"' * 10_001,
        b"",
    ],
)
def test_request_with_too_many_values_is_refused_before_it_is_parsed(body: bytes) -> None:
    with pytest.raises(RequestError, match="not valid"):
        parse_request(body, len(ITEMS))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", [b'"', b'\\"', b'"",', b"[],", b'{"', b"\\"])
def test_hostile_request_takes_little_time(piece: bytes) -> None:
    """A search with quadratic time would take hours for these."""
    with pytest.raises(RequestError, match="not valid"):
        parse_request(b'{"answers": ["' + piece * (10**7 // len(piece)), len(ITEMS))


def test_braces_and_quotes_in_an_answer_are_text() -> None:
    text = '{"a": [1, 2, "x\\\\"], \\"' + "[{,}]" * 1000 + "\n\u00e9\U0001f600"
    for body in (request_of(text, text), json.dumps(json.loads(request_of(text, text)), indent=4).encode()):
        assert [answer.answer for answer in parse_request(body, len(ITEMS)).answers] == [text, text]


def test_answers_are_cut_to_the_tokens_of_a_completion(tmp_path: Path) -> None:
    base = catalog.find(catalog.models(), "micro-base", "model").directory / "tokenizer.json"
    tokens, text = Tokenizer.from_file(str(base)), "3 plus 4 is 7, says the note. " * 400
    cut = token_limit(base, 50)
    assert text.startswith(cut(text))
    assert len(tokens.encode(cut(text), add_special_tokens=False).ids) == 50
    within = cut(text)
    assert (cut(within), cut("short"), cut("")) == (within, "short", "")
    assert len(cut(" " * 10**6)) <= 50 * CHARACTERS_PER_TOKEN
    seen: list[str] = []

    async def note(answer: str, item: Item, grader: Any) -> Grade:
        seen.append(answer)
        return Grade(1.0)

    one = GraderService(ITEMS, note, lambda scores: (1.0, 0.0), Counting(), 2, tmp_path / "log", cut)
    assert ask(one, text)[0] == 200
    assert seen == [within]


def test_what_was_graded_counts_after_a_restart(tmp_path: Path) -> None:
    ask(service(tmp_path / "log"), "good", "bad")
    assert ask(service(tmp_path / "log"), "good")[1]["left"] == 1


def test_log_tells_which_checkpoint_by_the_callers_word_and_which_answers_by_ours(tmp_path: Path) -> None:
    one = service(tmp_path / "log")
    ask(one, "good", checkpoint=HASH)
    ask(one, "good")
    ask(one, "bad")
    first, second, third = read_jsonl(tmp_path / "log")
    assert (first["checkpoint"], second["checkpoint"]) == (HASH, None)
    assert first["answers_sha256"] == second["answers_sha256"] != third["answers_sha256"]


@pytest.mark.parametrize("word", ["", "x" * 64, HASH + "0", 5])
def test_hash_that_is_none_is_refused(word: object, tmp_path: Path) -> None:
    assert ask(service(tmp_path / "log"), "good", checkpoint=word)[0] == 400
    assert not (tmp_path / "log").exists()


def test_missing_key_of_the_grader_is_told_before_a_run_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of any graded benchmark; here the micro one is said to be."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    benchmark = replace(load_benchmark("micro-math"), grade=grade)
    monkeypatch.setattr("posttrainbench.run.preflight.load_benchmark", lambda name: benchmark)
    with pytest.raises(InputError, match="grader openai/gpt-5-mini"):
        create_run(RunRequest("recipe-noop", "micro-base", "micro-math"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_address_of_a_grader_with_a_password_is_not_stored_even_if_nothing_is_graded(tmp_path: Path) -> None:
    request = RunRequest("recipe-noop", "micro-base", "micro-math", grader="https://me:secret@host/v1#m")
    with pytest.raises(InputError, match="must be a model's name") as refused:
        create_run(request, tmp_path / "run")
    assert "secret" not in str(refused.value)
    assert not (tmp_path / "run").exists()
