"""Canaries: generated like test items, in neither split, not tellable in the test file by id, order or form."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from posttrainbench import catalog
from posttrainbench.benchmarks import Benchmark, Item
from posttrainbench.benchmarks.canaries import draw_canaries, with_canaries
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.benchmarks.scorers import choice, code, number, tool_call
from posttrainbench.catalog import Suite
from posttrainbench.evaluation.items import load_items
from posttrainbench.run.canaries import canary_pool
from posttrainbench.run.prepare import RunRequest, create_run, kit_files

NAMES = ("micro-math", "micro-calls", "micro-code", "micro-choice")
COUNT = 64


@pytest.fixture(params=NAMES)
def benchmark_(request: pytest.FixtureRequest) -> Benchmark:
    return load_benchmark(request.param)


def known_of(benchmark: Benchmark) -> list[Item]:
    facts = catalog.benchmarks()[benchmark.id]
    return [*load_items(facts, "test"), *load_items(facts, "train")]


def test_canaries_are_new_items_that_their_reference_answers_solve(benchmark_: Benchmark) -> None:
    known = known_of(benchmark_)
    pool = draw_canaries(benchmark_, COUNT, "key", known)
    items = [*pool.drawn, *pool.held_back]
    assert len(pool.drawn) == len(pool.held_back) == COUNT
    questions = {" ".join(item.question.lower().split()) for item in items}
    assert len(questions) == 2 * COUNT
    assert not questions & {" ".join(item.question.lower().split()) for item in known}
    scores = {"micro-math": number, "micro-calls": tool_call, "micro-choice": choice}
    if benchmark_.id != "micro-code":
        assert all(scores[benchmark_.id].score(item.answer, item.target) for item in items)
        return
    requests = [
        {"source": item.answer, "function": item.target["function"], "calls": item.target["calls"]} for item in items
    ]
    done = subprocess.run(
        [sys.executable, "-I", code.__file__],
        input="".join(f"{json.dumps(request)}\n" for request in requests),
        capture_output=True,
        text=True,
        check=True,
    )
    returned = [json.loads(line)["returned"] for line in done.stdout.splitlines()]
    assert all(code.verdict(answer, item.target) for answer, item in zip(returned, items, strict=True))


def test_key_determines_the_pool_and_the_draw(benchmark_: Benchmark) -> None:
    known = known_of(benchmark_)
    pool = draw_canaries(benchmark_, COUNT, "key", known)
    assert draw_canaries(benchmark_, COUNT, "key", known) == pool
    other = draw_canaries(benchmark_, COUNT, "other", known)
    assert {item.question for item in other.drawn} != {item.question for item in pool.drawn}


def test_canaries_have_the_form_of_test_items(benchmark_: Benchmark) -> None:
    """Each one's skeleton, without names and numbers, has words that test items also have."""
    known = known_of(benchmark_)
    test = known[:200]
    drawn = draw_canaries(benchmark_, COUNT, "key", known).drawn
    mixed = with_canaries(test, drawn, "key")
    assert [item.id for item in mixed] == [f"{benchmark_.id}/test/{place:04}" for place in range(200 + COUNT)]
    extra = {item.question for item in drawn}
    assert [item.question for item in mixed if item.question not in extra] == [item.question for item in test]
    assert all(item.row.keys() == test[0].row.keys() for item in mixed)
    assert {item.question.splitlines()[-1] for item in drawn} == {test[0].question.splitlines()[-1]}
    assert {tuple(item.target) for item in drawn} == {tuple(test[0].target)}
    places = [place for place, item in enumerate(mixed) if item.question in extra]
    assert min(places) < 50
    assert max(places) > 200
    lengths = sorted(len(re.findall(r"\w+", item.question)) for item in test)
    assert all(lengths[0] - 2 <= len(re.findall(r"\w+", item.question)) <= lengths[-1] + 2 for item in drawn)


def test_a_run_of_the_micro_suite_has_canaries_and_can_be_repeated(tmp_path: Path) -> None:
    request = RunRequest("recipe-noop", "micro-base", "micro-math")
    first, second = (create_run(request, tmp_path / name) for name in ("first", "second"))
    assert first.spec.canaries is not None
    assert second.spec.canaries is not None
    assert first.spec.canaries.count == catalog.suites()["micro"].canaries == COUNT
    assert first.spec.canaries.key != second.spec.canaries.key
    assert first.spec.kit_sha256 != second.spec.kit_sha256
    again = create_run(
        RunRequest("recipe-noop", "micro-base", "micro-math", canaries=first.spec.canaries), tmp_path / "again"
    )
    assert kit_files(again.spec, again.root)["data/test.jsonl"] == kit_files(first.spec, first.root)["data/test.jsonl"]
    kit = kit_files(first.spec, first.root)
    assert all(first.spec.canaries.key.encode() not in content for content in kit.values())
    assert all(
        item.question.splitlines()[0].encode() in kit["data/test.jsonl"] for item in canary_pool(first.spec).drawn
    )


def test_official_suites_have_no_canaries() -> None:
    assert {name for name, suite in catalog.suites().items() if suite.canaries} == {"micro"}


def test_sealed_suites_cannot_have_canaries() -> None:
    content = catalog.suites()["micro"].model_dump() | {"feedback": "sealed", "sealed_evaluations": 3}
    with pytest.raises(ValueError, match="`canaries` needs `feedback: open`"):
        Suite.model_validate(content, context={"home": Path()})
