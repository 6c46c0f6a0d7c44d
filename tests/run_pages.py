"""Runs with every kind of file, whose texts can be chosen, and a reader of the pages written about them."""

import json
import re
import zipfile
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from posttrainbench.records import RunSpec
from posttrainbench.trajectory import write_trajectory
from trajectory_recordings import (
    CLAUDE_INIT,
    PROMPT,
    STARTED,
    claude_block,
    claude_call,
    claude_result,
    make_recorded_run,
    write_output,
)

DATA = re.compile(r'ptb\.data\("([a-z0-9-]+)",(.*)\);\n', re.DOTALL)
SHA = "0" * 64


def write_full_run(root: Path, text: str) -> Path:
    """Write a flagged run with all records; `text` stands in every field that an agent or a model can write."""
    make_recorded_run(root, [])
    spec = json.loads((root / "run.json").read_text())
    spec["agent"] = {"name": f"agent {text}", "scaffold": "claude-code"}
    spec |= {"rules": "v1", "model": "micro-base", "benchmark": "micro-math", "suite": "micro"}
    (root / "run.json").write_text(json.dumps(spec))
    write_trace_of(root, text)
    start = STARTED.timestamp()
    _lines(
        root / "journal.jsonl",
        _event("prepare", "start", 0), _event("prepare", "done", 1, seconds=1.0),
        _event("solve", "start", 1), _event("solve", "failed", 3, seconds=2.0, cause="sandbox_failed", detail=text),
        _event("solve", "again", 4), _event("solve", "start", 5), _event("solve", "done", 65, seconds=60.0),
        _event("collect", "start", 65), _event("collect", "done", 66, seconds=1.0),
    )  # fmt: skip
    sample = {"processes": 2, "memory": 10**9, "cpu": 0.5, "disk": 10**6, "free_memory": 1, "free_disk": 1}
    gpus = [{"index": 0, "memory": 10**9, "busy": 0.5}]
    _lines(
        root / "solve" / "monitor.jsonl",
        *({"t": float(t), **sample, "sent": t, "received": t * 10**6, "gpus": gpus} for t in range(1, 900)),
    )
    _lines(
        root / "solve" / "evaluations.jsonl",
        {"time": start + 3, "items": 20, "score": 0.25, "checkpoint": text},
        {"time": start + 4, "items": 20, "score": 0.75, "checkpoint": SHA},
        {"time": text, "items": 20, "score": 0.75, "checkpoint": SHA},
    )
    request = {
        "path": text,
        "port": 443,
        "method": "GET",
        "sent": 10,
        "received": 20,
        "seconds": 0.1,
        "kind": "dataset",
    }
    _lines(
        root / "solve" / "egress.jsonl",
        request | {"time": start + 1, "host": text, "path": text, "status": 200, "decision": "allowed", "repo": text},
        request
        | {"time": start + 2, "host": "hub", "path": text, "status": None, "decision": "denied", "reason": text},
    )
    process = {"command": text, "seconds": 1, "cpu_seconds": 1, "memory": 1, "background": True}
    _json(
        root / "solve" / "outcome.json",
        end="exited", exit_code=0, seconds=60.0, output_bytes=1, output_dropped=0, isolation="namespaces",
        network="recorded", processes=[process], trajectory_warning=text,
        starts=[{"t": 0.0, "why": "task", "exit_code": 0, "seconds": 60.0, "model_calls": 3}],
    )  # fmt: skip
    _json(
        root / "submission" / "manifest.json",
        state="accepted", files={text: SHA, "model.safetensors": SHA}, refused=[{"path": text, "reason": text}],
        problems=[], facts=[text],
    )  # fmt: skip
    _write_audit(root, text)
    _write_evaluation(root, text)
    workspace = root / "workspace"
    workspace.mkdir()
    (workspace / "train.py").write_text("\n".join(f"line {number} {text}" for number in range(1, 4)))
    (workspace / "long.jsonl").write_text("\n".join(f"row {number} {text}" for number in range(1, 4001)))
    (workspace / "weights.bin").write_bytes(b"\0" * 100)
    (workspace / "passwd").symlink_to("/etc/passwd")
    (workspace / re.sub(r"[/\0]", "", text)[:60]).write_text(text)
    _json(
        root / "result.json",
        run="run", status="base_fallback", score=0.0, raw_score=0.5, base_score=0.0, instruct_score=0.9,
        verdict={"model_substitution": "flagged", "test_data_in_training": "clean"}, reasons=[text], evidence=[],
        notes=[text],
    )  # fmt: skip
    return root


def write_trace_of(root: Path, text: str) -> None:
    """Write a trace with a prompt, a thought, calls, a failure, a subagent, an unknown event and plain output."""
    events: list[Any] = [
        CLAUDE_INIT,
        claude_block("m1", {"type": "thinking", "thinking": text, "signature": "x"}),
        claude_block("m1", {"type": "text", "text": text}),
        claude_call("m1", "t1", f"python evaluate.py {text}"),
        claude_result("t1", text, is_error=True),
        claude_block("m2", {"type": "tool_use", "id": "s1", "name": "Task", "input": {"description": text}}),
        {"type": "system", "subtype": "task_started", "tool_use_id": "s1", "subagent_type": "x", "description": text},
        claude_block("m3", {"type": "text", "text": f"in the subagent {text}"}, parent="s1"),
        claude_result("s1", f"report {text}"),
        claude_block(
            "m4", {"type": "tool_use", "id": "t4", "name": text[:200], "input": {text: text, "__proto__": text}}
        ),
        claude_result("t4", text),
        {"type": "unheard", "text": text},
        ("stderr", text),
        claude_block("m5", {"type": "text", "text": "Done."}),
    ]
    solve = root / "solve"
    write_output(solve / "output.jsonl", events)
    (solve / "prompt.md").write_text(PROMPT)
    spec = RunSpec.model_validate_json((root / "run.json").read_text())
    write_trajectory(spec, PROMPT, solve / "output.jsonl", solve / "trajectory.json", "claude-code", STARTED)


def _write_audit(root: Path, text: str) -> None:
    tensors = [
        {"file": "submission", "text": f"tensor layers.{number}.weight", "item": text, "item_text": text}
        for number in range(38)
    ]
    quotes = [
        {"file": "workspace/train.py", "line": 2, "text": text, "item": text, "item_text": text},
        {"file": "workspace/long.jsonl", "line": 3990, "text": text},
        {"file": "solve/trajectory.json", "line": 3, "text": text},
        {"file": text, "line": 1, "text": text},
    ]
    path = [
        {"file": f"/data/{text}"},
        {"operation": "reads", "process": f"python {text}", "pid": 41, "seconds": 11.0},
        {"operation": "executes", "process": text, "pid": 41, "seconds": 65.0},
        {"operation": text, "file": "workspace/long.jsonl", "seconds": 72.5},
    ]
    finding = {"rule": "model_substitution", "level": "IN_WEIGHTS", "outcome": "succeeded", "count": 38}
    _lines(
        root / "audit" / "findings.jsonl",
        finding | {"detector": "weights", "kind": "proof", "summary": text, "evidence": tensors, "id": "a" * 12},
        finding
        | {"detector": text, "kind": "indication", "summary": text, "evidence": quotes, "id": "b" * 12}
        | {"paths": [{"steps": path}] * 4},
        finding
        | {"detector": "other", "kind": "fact", "summary": text, "count": 0, "evidence": quotes, "id": "c" * 12},
    )
    covered = {"documents": 3, "size": 10**6, "seconds": 1.0}
    coverage = [
        covered | {"detector": text, "rule": "model_substitution", "checked": True, "skipped": []},
        covered | {"detector": "x", "rule": "test_data_in_training", "checked": False, "skipped": [], "note": text},
    ]
    (root / "audit" / "coverage.json").write_text(json.dumps(coverage))
    _json(
        root / "audit" / "verdict.json",
        rule_set="v1", rules={"test_data_in_training": "clean", "model_substitution": "flagged"}, reasons=[text],
        required=[], flagging=["a" * 12, "b" * 12],
    )  # fmt: skip


def _write_evaluation(root: Path, text: str) -> None:
    scores = {f"micro-math/test/{number:04}": float(number % 2) for number in range(60)} | {f"last {text}": 0.5}
    common = {"benchmark": "micro-math", "stderr": 0.1, "seeds": {"0": 0.5}, "eval-config": {}, "seconds": 1.0}
    _json(root / "evaluate" / "metrics.json", score=0.5, items=scores, **common)
    _json(root / "evaluate" / "base.json", score=0.0, items=dict.fromkeys(scores, 0.25), **common)
    (root / "evaluate" / "logs").mkdir()
    with zipfile.ZipFile(root / "evaluate" / "logs" / "micro-math-seed0.eval", "w", zipfile.ZIP_DEFLATED) as log:
        for name, score in scores.items():
            sample = {
                "id": name,
                "input": [{"role": "system", "content": text}, {"role": "user", "content": [{"text": text}]}],
                "target": f"target {text}",
                "metadata": {"target": {"number": 1}},
                "output": {"completion": f"answer {text}"},
                "scores": {"scorer": {"value": score}},
            }
            log.writestr(f"samples/{list(scores).index(name)}_epoch_1.json", json.dumps(sample))


def _event(stage: str, event: str, after: int, **more: Any) -> dict[str, Any]:
    return {"time": f"2026-01-02T03:{4 + after // 60:02}:{after % 60:02}+00:00", "stage": stage, "event": event, **more}


def _lines(path: Path, *rows: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _json(path: Path, **values: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(values))


def read_data(path: Path) -> Any:
    """Return the value of a data file; check that its text cannot leave the script or the string."""
    content = path.read_text()
    match = DATA.fullmatch(content)
    assert match, content[:200]
    assert content.isascii()
    assert not set("<>&") & set(match[2])
    return json.loads(match[2])


def strings(value: Any) -> list[str]:
    """Return all strings of a JSON value, including keys."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(text for one in value.values() for text in strings(one))]
    return [text for one in value for text in strings(one)] if isinstance(value, list) else []


@dataclass
class Page(HTMLParser):
    """What an HTML page consists of."""

    tags: set[str] = field(default_factory=set)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


def read_page(path: Path) -> Page:
    """Parse a page."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.text = " ".join(page.text.split())
    return page
