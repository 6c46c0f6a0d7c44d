"""The grader service: how much it grades, and what it writes down."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Response

from posttrainbench.benchmarks import Grade, GraderError, Item
from posttrainbench.errors import InputError
from posttrainbench.files import read_jsonl
from posttrainbench.gateway.grading_server import Service
from posttrainbench.run.prepare import Order, create_run

ITEMS = [Item(id=f"tiny/test/{number}", question="Say good.", answer="good", target={}) for number in range(2)]
HASH = hashlib.sha256(b"weights").hexdigest()


class Counting:
    """A grader that counts what it is asked."""

    def __init__(self) -> None:
        self.asks = 0

    def usage(self) -> dict[str, Any]:
        return {"name": "counting", "asks": self.asks, "input_tokens": 0, "output_tokens": 0, "cost": None}


async def grade(answer: str, item: Item, grader: Any) -> Grade:
    if answer == "broken":
        raise GraderError("no verdict")
    grader.asks += 1
    return Grade(float(answer == item.answer))


def service(log: Path, passes: int = 2) -> Service:
    return Service(ITEMS, grade, lambda scores: (sum(scores) / len(scores), 0.0), Counting(), passes, log)


def ask(one: Service, *answers: str, **more: Any) -> tuple[int, dict[str, Any]]:
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
    assert (status, said) == (429, {"error": "The grader grades 1 more answers in this run, not 2."})
    assert ask(one, "good")[1]["left"] == 0
    assert [entry["left"] for entry in read_jsonl(tmp_path / "log")] == [2, 1, 0]


def test_grader_that_fails_uses_nothing_up(tmp_path: Path) -> None:
    one = service(tmp_path / "log")
    assert ask(one, "broken")[0] == 503
    assert ask(one, "good")[1]["left"] == 3


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
    from posttrainbench import catalog

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    facts = catalog.benchmarks()["micro-math"].model_copy(update={"graded": True})
    monkeypatch.setattr(catalog, "benchmarks", lambda: {"micro-math": facts})
    with pytest.raises(InputError, match="grader openai/gpt-5-mini"):
        create_run(Order("recipe-noop", "micro-base", "micro-math"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
