"""The fact on a run's own evaluations, and counts of test items without canaries."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.integrity import metrics
from posttrainbench.audit.integrity.evaluations import read_evaluations, weights_hash
from posttrainbench.audit.policy import decide
from posttrainbench.benchmarks import Item
from posttrainbench.benchmarks.canaries import canary_places, with_canaries
from posttrainbench.catalog import rule_sets
from posttrainbench.files import read_jsonl
from posttrainbench.records import CanaryDraw, Finding, Level, Quote, SubmissionManifest

MODEL = hashlib.sha256(b"model").hexdigest()
SUBMITTED = hashlib.sha256(bytes.fromhex(MODEL)).hexdigest()
DRAW = CanaryDraw(count=64, key="k")


def items(count: int) -> list[Item]:
    return [Item(f"micro-math/test/{number:04}", f"question {number}", "a", {}) for number in range(count)]


def call(**changes: Any) -> dict[str, Any]:
    return {"time": 1500.0, "items": 264, "score": 0.5, "checkpoint": SUBMITTED, **changes}


def fact(case: Evidence, calls: Sequence[dict[str, Any]]) -> str:
    (case.solve / "evaluations.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in calls))
    findings = metrics.detect(replace(case))[0]
    (found,) = [one for one in findings if one.basis == metrics.OWN_EVALUATIONS]
    assert (found.kind, found.level, found.rule) == ("fact", Level.READ, "test_data_in_training")
    for rules in rule_sets().values():
        assert found.id not in [*decide(rules, [found], [], []).flagging, *decide(rules, [found], [], []).suspecting]
    return found.summary


@pytest.fixture
def case(evidence: Callable[..., Evidence]) -> Evidence:
    given = evidence(test_items=items(264))
    manifest = SubmissionManifest(
        state="accepted",
        files={"config.json": "0", "model.safetensors": MODEL},
        refused=[],
        problems=[],
        facts=[],
    )
    return replace(given, spec=given.spec.model_copy(update={"canaries": DRAW}), manifest=manifest)


def test_the_best_checkpoint_of_the_whole_test_split(case: Evidence) -> None:
    other = call(checkpoint="0" * 64, score=0.4)
    assert fact(case, [call(), other, call(items=50, score=0.9, checkpoint="1" * 64)]) == (
        "own evaluations: 3 evaluations logged by the kit in the workspace, 2 of them on all 200 test items (and 64 "
        "canaries); the submission has the best score of the 2 checkpoints evaluated on all of them, so it may have "
        "been chosen by the test split"
    )


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        (
            [call(), call(checkpoint="0", score=0.6)],
            "is one of the 2 checkpoints evaluated on all of them, and does not",
        ),
        ([call(checkpoint="0"), call(checkpoint="1")], "the submission is none of the 2 checkpoints evaluated on all"),
        ([call(), call()], "the submission is the only checkpoint evaluated on all of them"),
    ],
)
def test_other_choices(case: Evidence, calls: list[dict[str, Any]], said: str) -> None:
    assert said in fact(case, calls)


def test_evaluations_on_parts_say_nothing_of_the_choice(case: Evidence) -> None:
    text = fact(case, [call(items=50), call(items=100, checkpoint="0")])
    real = 100 - sum(place < 100 for place in canary_places(200, 64, "k"))
    assert text == f"own evaluations: 2 evaluations logged by the kit in the workspace, at most {real} items each"


def test_the_hosts_log_and_no_submission(case: Evidence) -> None:
    (case.solve / "evaluator.log").touch()
    case = replace(case, manifest=case.manifest.model_copy(update={"files": {}}))
    assert fact(case, [call()]) == (
        "own evaluations: 1 evaluation logged by the host, 1 of them on all 200 test items (and 64 canaries)"
    )


def test_starts_that_the_log_lacks(case: Evidence) -> None:
    image = {"path": "/usr/bin/python3", "ino": "1:1", "fds": [], "argv": ["python3", "/kit/evaluate.py", "--limit=9"]}
    other = image | {"argv": ["timeout", "9", "python3", "evaluate.py"], "path": "/usr/bin/timeout"}
    events = [
        {"op": "start", "version": 1, "epoch": 0.0},
        {"op": "image", "p": "1.1", **image},
        {"op": "image", "p": "2.1", **other},
        {"op": "image", "p": "2.1", **image},
        {"op": "end", "epoch": 0.0},
    ]
    folder = case.solve / "provenance"
    folder.mkdir()
    (folder / "provenance.jsonl").write_text("".join(json.dumps({"t": 1.0, **event}) + "\n" for event in events))
    assert "evaluate.py was started 2 times on record" in fact(case, [])


def test_a_run_that_did_not_evaluate_has_no_fact(case: Evidence) -> None:
    assert metrics.detect(case)[0] == []


def test_hostile_logs(case: Evidence, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        '[]\n{"time": 1}\n{"time": 1, "items": true, "score": "x"}\n{"time": 1e300, "items": 1, "score": 1}\n'
    )
    assert read_evaluations(read_jsonl(log), case.spec, 200) == []
    assert read_evaluations(read_jsonl(tmp_path / "missing"), case.spec, 200) == []
    assert weights_hash({"model.safetensors": "no hash"}) == ""


def test_places_are_those_of_the_test_file() -> None:
    extra = [Item(f"pool/{number}", "canary", "a", {}) for number in range(64)]
    made = with_canaries(items(200), extra, "k")
    assert {place for place, item in enumerate(made) if item.question == "canary"} == canary_places(200, 64, "k")


def test_counts_tell_canaries_apart(case: Evidence) -> None:
    assert case.proportion(range(264)) == "200 of 200 test items and 64 of 64 canaries"
    assert case.proportion([3, 4]) == "2 of 200 test items"
    found = Finding(
        detector="d", rule="test_data_in_training", level=Level.USED, summary="s", kind="proof",
        count=264, canaries=64, evidence=[Quote(file="f")],
    )  # fmt: skip
    (reason, *_) = decide(rule_sets()["v1"], [found], [], []).reasons
    assert "count 200 and 64 canaries" in reason
