"""The evidence of a run is read once per audit and shared by all detectors."""

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from behavior_evidence import TRAIN, Case, write_file
from posttrainbench.audit import detectors, evidence
from posttrainbench.audit.contamination.scan import index
from posttrainbench.benchmarks import Item
from posttrainbench.catalog import rule_sets

ITEM = Item(
    "demo/test/0",
    "Janet baked 14 trays of 37 muffins for the school fair and sold 12 of them on Monday. How many were left?",
    "42",
    {},
)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A run whose trace, scripts, requests and template all concern several detectors."""
    rows = json.dumps({"question": ITEM.question, "answer": "42"})
    return Case(
        tmp_path,
        network="recorded",
        files={"train.py": TRAIN, "train.jsonl": rows, "notes.md": "nothing to report"},
        steps=[write_file("gone.py", f"ROWS = [{ITEM.question!r}]\nprint(ROWS)"), "python gone.py", "python train.py"],
        requests=[{"host": "huggingface.co"}, {"host": "api.openai.com", "kind": "hosted_model", "method": "POST"}],
        items=[ITEM],
        messages=["I am done."],
    )


def test_each_record_is_read_once_per_audit(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    run = case.evidence()
    (run.solve / "final_model").mkdir()
    (run.solve / "final_model" / "chat_template.jinja").write_text(ITEM.question)
    counts: Counter[str] = Counter()
    system_open = os.open

    def counting_open(path: Any, *args: Any, **kwargs: Any) -> int:
        if isinstance(path, Path) and path.parent == run.solve:
            counts[path.name] += 1
        return system_open(path, *args, **kwargs)

    def counting(module: Any, name: str) -> None:
        function = getattr(module, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            counts[name] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, wrapper)

    monkeypatch.setattr(os, "open", counting_open)
    for module, name in ((evidence, "read_scripts"), (evidence, "walk"), (index, "build_index")):
        counting(module, name)
    findings, coverage, _ = detectors.run_detectors(run, rule_sets()["v1.2"], [])
    assert not [entry for entry in coverage if entry.failed]
    assert {one.detector for one in findings} >= {"contamination", "template", "hosted", "statements"}
    once = ("trajectory.json", "egress.jsonl", "read_scripts", "walk", "build_index")
    assert {name: counts[name] for name in once} == dict.fromkeys(once, 1)


def test_a_replaced_copy_reads_again(case: Case) -> None:
    run = case.evidence()
    assert run.trace.present
    assert run.egress.total == 2
    assert run.scripts.scripts.keys() == {"train.py"}
    assert [entry.relative for entry in run.workspace_files] == ["notes.md", "train.jsonl", "train.py"]
    (run.solve / "trajectory.json").unlink()
    (run.solve / "egress.jsonl").unlink()
    (run.workspace / "train.py").unlink()
    assert run.trace.present, "cached"
    copy = replace(run, test_items=[])
    assert copy.trace.present is copy.egress.present is False
    assert copy.scripts.scripts == {}
    assert [entry.relative for entry in copy.workspace_files] == ["notes.md", "train.jsonl"]
    assert (len(copy.test_item_index.items), len(run.test_item_index.items)) == (0, 1)


def test_missing_evidence_is_empty(case: Case) -> None:
    run = case.evidence()
    absent = replace(run, workspace=run.root / "none", solve=run.root / "none")
    assert absent.workspace_files == []
    assert absent.scripts.scripts == {}
    assert absent.integrity is None
    assert not absent.trace.present
    link = run.root / "link"
    link.symlink_to(run.workspace)
    assert replace(run, workspace=link).workspace_files == []


def test_the_trace_holds_messages_and_tools(case: Case) -> None:
    trace = case.evidence().trace
    assert [text for _, text in trace.messages] == ["I am done."]
    assert trace.tools == {"write", "bash"}
