"""Recorded paths in sentences, on a terminal and in SARIF; findings without them."""

import json

import pytest

from posttrainbench.audit.policy import decide
from posttrainbench.audit.summary import FindingSummary, as_sarif, summarize
from posttrainbench.catalog import rule_sets
from posttrainbench.cli.audit_view import _show_finding
from posttrainbench.cli.console import Console
from posttrainbench.records import Finding, Level, PathStep, ProvenancePath, Quote, Result, Status

PATH = ProvenancePath(
    steps=[
        PathStep(file="/ptb/kit/data/test.jsonl"),
        PathStep(operation="reads", process="python mix.py", pid=3, seconds=4.0),
        PathStep(operation="passes arguments to", process=f"python {'x' * 100}", pid=3, seconds=4.5),
        PathStep(operation="sends", file="socket:[1]", seconds=5.0),
        PathStep(operation="receives", process="python train.py", pid=4, seconds=None),
        PathStep(operation="writes", file="workspace/final_model/model.safetensors", seconds=7261.0),
    ]
)
FOUND = Finding(
    detector="contamination",
    rule="test_data_in_training",
    level=Level.USED,
    summary="9 of 30 test items occur in mix.jsonl",
    count=9,
    kind="proof",
    evidence=[Quote(file="workspace/mix.jsonl", line=1)],
    paths=[PATH] * 4,
)


def test_a_path_in_words() -> None:
    assert PATH.in_words() == (
        "/ptb/kit/data/test.jsonl was read by `python mix.py` after 4s, which passed arguments to "
        f"`python {'x' * 70}...` after 4s, which sent to socket:[1] after 5s, which was received by `python train.py`, "
        "which wrote workspace/final_model/model.safetensors after 2h 1m"
    )


def test_a_finding_without_paths_loads_and_a_step_without_a_source_does_not() -> None:
    old = json.loads(FOUND.model_dump_json())
    del old["paths"]
    assert Finding.model_validate(old).paths == []
    with pytest.raises(ValueError, match="at least 1 item"):
        ProvenancePath(steps=[])


def test_paths_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _show_finding(Console(highlight=False), FindingSummary(**FOUND.model_dump(), state="flags"), {})
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count(f"Path: {PATH.in_words()}") == 3
    assert "and 1 more in the output of --json" in shown


def test_paths_in_sarif() -> None:
    rules = rule_sets()["v1"]
    verdict = decide(rules, [FOUND], [], [])
    summary = summarize("run", rules, [FOUND], [], verdict, [])
    result = Result(
        run="r",
        status=Status.BASE_FALLBACK,
        score=0.0,
        raw_score=0.0,
        base_score=0.0,
        instruct_score=None,
        verdict={},
        reasons=[],
        evidence=[],
    )
    [entry] = as_sarif([(summary, result)], [rules], "1")["runs"][0]["results"]
    assert f"mix.jsonl ({PATH.in_words()}) (USED)" in entry["message"]["text"]
    assert entry["properties"]["paths"][0]["steps"][1] == {
        "operation": "reads", "file": "", "process": "python mix.py", "pid": 3, "seconds": 4.0
    }  # fmt: skip
