"""Trivial answers: what they are, their scores, and the warning about benchmarks on which they score high."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from posttrainbench import catalog
from posttrainbench.benchmarks import Item
from posttrainbench.benchmarks.importing import import_files
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.benchmarks.trivial import echo, trivial_answers
from posttrainbench.catalog import loading
from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.evaluation import trivial as module
from posttrainbench.evaluation.baselines import cache_directory
from posttrainbench.evaluation.items import _load
from posttrainbench.evaluation.trivial import known_trivial_scores, needs_grader, trivial_scores
from posttrainbench.records import TrivialAnswer
from posttrainbench.sandbox import load_sandbox
from posttrainbench.scoring.luck import luck_warning
from support import assert_refused

MICRO = catalog.suites()["micro"]
FACTS = """\
id: capitals
title: Capitals
metric: the answer
max_tokens: 32
test_items: {count}
{more}data:
  files: {{test: capitals/test.jsonl}}
  question: "{{{{ question }}}}"
  answer: answer
  scorer: {scorer}
"""
Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a benchmark `capitals` from pairs of a question and an answer."""
    for name in ("benchmarks", "capitals"):
        (tmp_path / "catalog" / name).mkdir(parents=True)
    monkeypatch.setenv(loading.VARIABLE, str(tmp_path / "catalog"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def put(pairs: list[tuple[str, str]], scorer: str, more: str = "") -> None:
        facts = FACTS.format(count=len(pairs), scorer=scorer, more=more)
        (tmp_path / "catalog" / "benchmarks" / "capitals.yaml").write_text(facts)
        lines = [json.dumps({"question": question, "answer": answer}) + "\n" for question, answer in pairs]
        (tmp_path / "catalog" / "capitals" / "test.jsonl").write_text("".join(lines))
        loading.load_shelf.cache_clear()
        _load.cache_clear()

    yield put
    loading.load_shelf.cache_clear()
    _load.cache_clear()


def item(answer: str, target: dict[str, Any]) -> Item:
    return Item("x/test/0", "Why?", answer, target)


def test_the_answers_are_built_from_the_items() -> None:
    choices = trivial_answers([item(f"ANSWER: {letter}", {"letter": letter}) for letter in "BDBD"])
    assert choices[TrivialAnswer.MOST_FREQUENT] == ["ANSWER: B"]  # the first of two equally frequent ones
    assert choices[TrivialAnswer.SAME_LETTER] == ["ANSWER: B", "ANSWER: D"]
    names = ("sum", "plot", "plot")
    calls = trivial_answers([item("", {"name": name, "arguments": {"n": n}}) for n, name in enumerate(names)])
    call = '{"name": "plot", "arguments": {}}'
    assert calls[TrivialAnswer.FIXED_CALL] == [call, f"<tool_call>\n{call}\n</tool_call>"]
    assert set(choices) == set(calls) == set(TrivialAnswer)
    asked = replace(item("", {}), messages=[{"role": "system", "content": "One."}, {"role": "user", "content": "Two."}])
    assert (echo(asked), echo(item("", {}))) == ("One.\n\nTwo.", "Why?")


def test_scores_are_those_of_the_benchmarks_own_scorer(write: Write) -> None:
    write([(f"Question {number}", letter) for number, letter in enumerate("ACABC" + "C" * 5)], "choice")
    result = trivial_scores("capitals", MICRO, None, load_sandbox("bubblewrap"))
    assert (result.items, result.seeds) == (10, MICRO.evaluation_seeds[:1])
    expected = dict.fromkeys(TrivialAnswer, 0.0) | dict.fromkeys(("most_frequent", "same_letter"), 0.7)
    assert result.scores == expected == known_trivial_scores("capitals", MICRO)
    assert trivial_scores("capitals", MICRO, 4, load_sandbox("bubblewrap")).scores[TrivialAnswer.SAME_LETTER] == 0.5
    write([("Other items", "A")], "choice")
    assert known_trivial_scores("capitals", MICRO) == {}


def test_a_scorer_that_accepts_the_prompt_is_seen(write: Write) -> None:
    write([("Repeat this.\\nANSWER: one".replace("\\n", "\n"), "one"), ("What is it?", "two")], "exact")
    scores = trivial_scores("capitals", MICRO, None, load_sandbox("bubblewrap")).scores
    assert (scores[TrivialAnswer.ECHO], scores[TrivialAnswer.REFUSAL]) == (0.5, 0.0)


def test_damaged_stored_scores_are_computed_again(write: Write) -> None:
    write([("What is it?", "7"), ("And this?", "8")], "number")
    first = trivial_scores("capitals", MICRO, None, load_sandbox("bubblewrap"))
    [path] = cache_directory().glob("trivial-capitals-*.json")
    path.write_text("{")
    assert known_trivial_scores("capitals", MICRO) == {}
    assert trivial_scores("capitals", MICRO, None, load_sandbox("bubblewrap")) == first
    assert path.read_text() != "{"


def test_an_item_without_a_score_is_not_a_zero(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    from inspect_ai import task_with
    from inspect_ai.scorer import mean, scorer

    @scorer(metrics=[mean()])
    def silent() -> Any:
        async def score(state: object, target: object) -> None:
            return None

        return score

    write([("What is it?", "7")], "number")
    real = load_benchmark("capitals")
    unscored = replace(real, task=lambda items, services: task_with(real.task(items, services), scorer=silent()))
    monkeypatch.setattr(module, "load_benchmark", lambda name: unscored)
    with pytest.raises(InfrastructureError, match="The scorer of capitals did not score capitals/test/0000"):
        trivial_scores("capitals", MICRO, None, load_sandbox("bubblewrap"))
    assert not list(cache_directory().glob("trivial-capitals-*"))


def test_graded_benchmarks_have_no_scores() -> None:
    for name in ("arenahardwriting", "healthbench"):
        with pytest.raises(InputError, match=f"{name} is scored by a grader model, so its trivial answers cannot be"):
            trivial_scores(name, catalog.suites()["v1"], None, load_sandbox("bubblewrap"))
        assert known_trivial_scores(name, catalog.suites()["v1"]) == {}
    assert needs_grader("gsm8k") is None


def test_benchmarks_that_are_not_here_have_no_known_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_DATA", str(tmp_path))
    _load.cache_clear()
    assert known_trivial_scores("gpqamain", catalog.suites()["v1"]) == {}
    assert known_trivial_scores("nonesuch", MICRO) == {}


@pytest.mark.parametrize("name", ["micro-math", "micro-calls"])  # `test_command` has micro-choice
def test_the_catalog_has_the_computed_scores(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    facts = catalog.benchmarks()[name]
    assert trivial_scores(name, MICRO, None, load_sandbox("bubblewrap")).scores == pytest.approx(facts.trivial)


@pytest.mark.skipif(not os.environ.get("PTB_TEST_DATA"), reason="PTB_TEST_DATA names no directory with the real data")
@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("gsm8k", {"test": ["gsm8k_test.jsonl"], "train": ["gsm8k_train.jsonl"]}),
        ("bfcl", {"test": ["bfcl_exec_simple.jsonl", "bfcl_exec_simple_answers.jsonl"]}),
    ],
)
def test_the_catalog_has_the_scores_of_the_published_items(
    name: str, files: dict[Any, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PTB_DATA", str(tmp_path / "data"))
    for split, names in files.items():
        import_files(name, [Path(os.environ["PTB_TEST_DATA"]) / one for one in names], split)
    _load.cache_clear()
    computed = trivial_scores(name, catalog.suites()["v1"], None, load_sandbox("bubblewrap")).scores
    assert computed == pytest.approx(catalog.benchmarks()[name].trivial, abs=5e-5)


@pytest.mark.sandbox
def test_programs_run_in_the_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    scores = trivial_scores("micro-code", MICRO, 2, load_sandbox("bubblewrap")).scores
    # One of two reference programs, which have different functions.
    assert scores == dict.fromkeys(TrivialAnswer, 0.0) | {TrivialAnswer.MOST_FREQUENT: 0.5}


def test_a_broken_sandbox_is_not_a_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise InfrastructureError("sandbox_failed", "The code runner does not work.")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sandbox = load_sandbox("bubblewrap")
    monkeypatch.setattr(type(sandbox), "start", fail)
    with pytest.raises(InfrastructureError, match="code runner"):
        trivial_scores("micro-code", MICRO, 2, sandbox)
    assert not list(cache_directory().glob("trivial-*"))


def test_luck_is_warned_of_above_a_third() -> None:
    scores = {TrivialAnswer.EMPTY: 0.0, TrivialAnswer.SAME_LETTER: 0.31}
    warning = luck_warning("gpqamain", scores, {"small": 0.86, "large": 0.95, "lost": None})
    assert warning == (
        "On gpqamain, always giving the same letter scores 31.0 percent, more than a third of the instruct score of "
        "86.0 (small); a score of this size does not show any ability."
    )
    assert luck_warning("b", {TrivialAnswer.ECHO: 0.25}, {"m": 0.75}) is None  # exactly a third
    assert luck_warning("b", {TrivialAnswer.ECHO: 0.2}, {"m": 0.6}) is None  # the same, with rounding
    assert luck_warning("b", {TrivialAnswer.ECHO: 0.0}, {"m": 0.0}) is None
    assert luck_warning("b", {}, {"m": 0.1}) is None
    assert luck_warning("b", scores, {"m": None}) is None


Ptb = Callable[..., "subprocess.CompletedProcess[str]"]


def test_command(write: Write, ptb_here: Ptb) -> None:
    given = ("baseline", "--suite", "v1", "--kind", "trivial")
    assert_refused(ptb_here(*given, "--benchmark", "healthbench"), "cannot be scored without a grader")
    for option in (("--engine", "vllm"), ("--model", "Qwen3-4B-Base"), ("--grader", "openai/x")):
        assert_refused(ptb_here(*given, *option), "--kind trivial uses no model, engine or grader")
    assert_refused(ptb_here(*given[:-1], "luck"), "choose from base, few_shot, instruct, trivial")
    done = ptb_here("baseline", "--suite", "micro", "--kind", "trivial", "--benchmark", "micro-choice", "--json")
    [row] = json.loads(done.stdout)
    assert row["scores"] == pytest.approx(catalog.benchmarks()["micro-choice"].trivial)
    assert (row["scores"]["same_letter"], row["note"]) == (0.31, None)
    done = ptb_here("baseline", "--suite", "micro", "--kind", "trivial", "--benchmark", "micro-choice")
    assert "31.0" in done.stdout
    assert "Not compared with the instruct model" in done.stdout


def test_catalog_shows_the_scores(write: Write, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PTB_DATA", str(tmp_path / "none"))
    _load.cache_clear()

    def shown(name: str) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(ptb_here("catalog", "benchmarks", name, "--json").stdout)
        return fields

    micro = shown("micro-choice")
    assert micro["trivial"]["same_letter"] == 0.31
    assert micro["trivial_note"].startswith("Not compared: no instruct score is published")
    assert shown("gsm8k")["trivial_note"] is None  # compared with the published scores
    assert shown("gsm8k")["trivial"]["empty"] == 0
    assert "without a grader" in shown("healthbench")["trivial_note"]
    assert shown("gpqamain")["trivial"] == {}
    assert "run `ptb baseline --kind trivial --suite v1 --benchmark gpqamain`" in shown("gpqamain")["trivial_note"]
    text = ptb_here("catalog", "benchmarks", "micro-choice").stdout
    assert "same_letter: 0.31" in text
    write([("What?", "A")], "choice", more="trivial: {same_letter: 1.5}\n")
    assert_refused(ptb_here("catalog", "benchmarks", "capitals"), "trivial.same_letter")
