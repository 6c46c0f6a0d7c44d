"""The micro benchmarks' items: always the same, held apart, and answered by their own reference answers."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from posttrainbench.benchmarks import micro_calls, micro_choice, micro_code, micro_math
from posttrainbench.benchmarks.micro_world import ASPECTS, MOST_SHARED, PLACES, TEST_ITEMS, TEST_PLACES, word_ngrams
from posttrainbench.benchmarks.scorers import choice, code, number, tool_call

MODULES = (micro_math, micro_calls, micro_code, micro_choice)
SCORES: dict[ModuleType, Callable[[str, dict[str, Any]], bool]] = {
    micro_math: number.score,
    micro_calls: tool_call.score,
    micro_choice: choice.score,
}
DIGEST = (
    "import hashlib, json; from posttrainbench.benchmarks import {name} as module; "
    "print(hashlib.sha256(json.dumps([module.generate('test'), module.generate('train')]).encode()).hexdigest())"
)


def _name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


@pytest.fixture(params=MODULES, ids=_name)
def module(request: pytest.FixtureRequest) -> ModuleType:
    found: ModuleType = request.param
    return found


def test_same_items_in_another_process(module: ModuleType) -> None:
    here = hashlib.sha256(json.dumps([module.generate("test"), module.generate("train")]).encode()).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", DIGEST.format(name=_name(module))],
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == here


def test_shape(module: ModuleType) -> None:
    test, train = module.generate("test"), module.generate("train")
    assert len(test) == TEST_ITEMS
    assert len(train) == module.TRAIN_ITEMS
    prefix = _name(module).replace("_", "-")
    assert test[7]["id"] == f"{prefix}/test/0007"
    assert len({item["id"] for item in test + train}) == len(test) + len(train)
    assert all(item["question"].endswith(f"\n{module.ENDING}") for item in test + train)


def test_splits_are_held_apart(module: ModuleType) -> None:
    test, train = module.generate("test"), module.generate("train")
    questions = [" ".join(item["question"].lower().split()) for item in test + train]
    assert len(set(questions)) == len(questions)

    holders: dict[tuple[str, ...], list[int]] = {}
    for number_, item in enumerate(train):
        for gram in word_ngrams(item["question"].removesuffix(module.ENDING)):
            holders.setdefault(gram, []).append(number_)
    for item in test:
        grams = word_ngrams(item["question"].removesuffix(module.ENDING))
        shared: dict[int, int] = {}
        for gram in grams:
            for number_ in holders.get(gram, ()):
                shared[number_] = shared.get(number_, 0) + 1
        assert max(shared.values(), default=0) <= MOST_SHARED * len(grams)


def test_no_place_is_in_both_splits_of_choice() -> None:
    held = PLACES[-TEST_PLACES:]
    test, train = micro_choice.generate("test"), micro_choice.generate("train")
    assert not any(place in item["question"] for item in train for place in held)
    read = [item for item in test if any(place in item["question"] for place in held)]
    unread = [item for item in test if any(place in item["question"] for place in micro_choice.UNREAD_PLACES)]
    assert len(unread) == micro_choice.UNREAD
    assert len(read) + len(unread) == len(test)
    assert not set(micro_choice.UNREAD_PLACES) & set(PLACES)
    assert not any(place in item["question"] for item in train for place in micro_choice.UNREAD_PLACES)
    assert len(held) * len(ASPECTS) >= TEST_ITEMS


def test_reference_answers_are_right(module: ModuleType) -> None:
    items = module.generate("test") + module.generate("train")
    if module is micro_code:
        items = items[:60] + items[-60:]
        lines = [
            json.dumps(
                {
                    "source": code.program(item["answer"], item["target"]),
                    "function": item["target"]["function"],
                    "calls": item["target"]["calls"],
                }
            )
            for item in items
        ]
        ran = subprocess.run(
            [sys.executable, "-I", code.__file__],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            check=True,
        )
        answers = [json.loads(line) for line in ran.stdout.splitlines()]
        assert len(answers) == len(items)
        assert all(
            code.verdict(answer["returned"], item["target"]) for answer, item in zip(answers, items, strict=True)
        )
        return
    assert all(SCORES[module](item["answer"], item["target"]) for item in items)


def test_programs_do_something() -> None:
    for item in micro_code.generate("test"):
        outputs = item["target"]["outputs"]
        assert [[output] for output in outputs] != item["target"]["calls"]
        assert any(output != outputs[0] for output in outputs)


def test_shipped_models_are_of_these_items() -> None:
    folder = Path(micro_math.__file__).parents[1] / "catalog" / "micro-models"
    manifest = json.loads((folder / "manifest.json").read_text())
    for module in MODULES:
        items = json.dumps(module.generate("train")).encode()
        assert manifest["items"][_name(module)] == hashlib.sha256(items).hexdigest(), "rebuild: make micro-model"
    sources = (Path(micro_math.__file__).parent, Path(__file__).parents[3] / "scripts" / "micro_model")
    for name, digest in manifest["made_by"].items():
        [source] = [folder_ / name for folder_ in sources if (folder_ / name).is_file()]
        assert hashlib.sha256(source.read_bytes()).hexdigest() == digest, f"{name} changed: make micro-model"
    files = {str(path.relative_to(folder)) for path in folder.glob("micro-*/*")}
    assert files == set(manifest["made"])
    for name, digest in manifest["made"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
