"""Run directories for the tests of the behavior detectors: a workspace, a trajectory, a record of requests."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from posttrainbench.audit.evidence import Evidence
from posttrainbench.benchmarks import Item
from posttrainbench.records import (
    AgentEnd,
    AgentSpec,
    Coverage,
    Finding,
    Outcome,
    RunSpec,
    SubmissionManifest,
)

KIT, WORKSPACE = "/ptb/kit", "/ptb/workspace"
ITEMS = 100

TRAIN = """
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

rows = load_dataset("json", data_files="train.jsonl", split="train")
trainer = SFTTrainer(model="base", train_dataset=rows, args=SFTConfig(output_dir="final_model"))
trainer.train()
"""
"""Trains on `train.jsonl`."""

Network = Literal["none", "recorded", "host"]
Detect = Callable[[Evidence], tuple[list[Finding], Coverage | list[Coverage]]]


@dataclass(frozen=True)
class Command:
    """A command with its output and exit code."""

    text: str
    output: str = ""
    code: int = 0


@dataclass(frozen=True)
class Call:
    """A call of a tool other than the shell."""

    tool: str
    arguments: Mapping[str, Any]
    output: str = "ok"


@dataclass
class Case:
    """Description of a run.

    Attributes:
        steps: commands (as text if their output does not matter) and other calls, in order.
        requests: lines of `egress.jsonl`, as differences from an answered GET.
        calls: lines of `usage.jsonl`, as differences from an answered call of the scaffold.
        items: test items; 100 generated ones if empty.
        messages: messages of the agent.
        trace: False for a run without a trajectory.
    """

    root: Path
    benchmark: str = "gsm8k"
    model: str = "Qwen3-1.7B-Base"
    network: Network = "none"
    files: dict[str, str] = field(default_factory=dict)
    steps: list[str | Command | Call] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    trace: bool = True

    def evidence(self) -> Evidence:
        """Write the run to disk and return its evidence."""
        workspace, solve, kit = (self.root / name for name in ("workspace", "solve", "prepare/kit"))
        for folder in (workspace, solve, kit):
            folder.mkdir(parents=True, exist_ok=True)
        (kit / "task.json").write_text(json.dumps({"kit": KIT, "workspace": WORKSPACE}))
        for name, text in self.files.items():
            (workspace / name).parent.mkdir(parents=True, exist_ok=True)
            (workspace / name).write_text(text)
        if self.trace:
            write_trace(solve / "trajectory.json", self.steps, self.messages)
        if self.network == "recorded":
            _lines(solve / "egress.jsonl", (REQUEST | request for request in self.requests))
        if self.calls:
            _lines(solve / "usage.jsonl", (MODEL_CALL | call for call in self.calls))
        spec = SPEC.model_copy(update={"benchmark": self.benchmark, "model": self.model})
        outcome = OUTCOME.model_copy(update={"network": self.network})
        items = self.items or [Item(f"t/{n}", f"question {n}", "a", {}) for n in range(ITEMS)]
        return replace(_base(self.root, workspace, kit, solve), spec=spec, outcome=outcome, test_items=items)


def write_trace(path: Path, steps: Iterable[str | Command | Call], messages: Iterable[str] = ()) -> None:
    """Write a trajectory as the project does: one step per line."""
    lines = [{"step_id": 1, "source": "agent", "message": text} for text in messages]
    for number, step in enumerate(steps):
        extra: dict[str, Any] = {}
        if isinstance(step, Call):
            call, output = {"function_name": step.tool, "arguments": dict(step.arguments)}, step.output
        else:
            command = Command(step) if isinstance(step, str) else step
            call, output = {"function_name": "bash", "arguments": {"command": command.text}}, command.output
            extra = {"exit_code": command.code}
        result = {"source_call_id": f"c{number}", "content": output, "extra": extra}
        lines.append(
            {
                "step_id": number + 2,
                "timestamp": f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}.000+00:00",
                "source": "agent",
                "message": "",
                "tool_calls": [{"tool_call_id": f"c{number}", **call}],
                "observation": {"results": [result]},
            }
        )
    body = ",\n".join(json.dumps(line, separators=(",", ":")) for line in lines)
    path.write_text(f'{{"schema_version":"ATIF-v1.7","session_id":"s","steps":[\n{body}\n],"agent":{{}}}}\n')


def write_file(name: str, text: str) -> Call:
    """Return a call in which the agent writes a file with its own tool."""
    return Call("Write", {"file_path": f"{WORKSPACE}/{name}", "content": text})


def reached(findings: Iterable[Finding], rule: str) -> set[tuple[str, str]]:
    """Return (level, outcome) of the findings on a rule with a count above 0."""
    return {(finding.level.value, finding.outcome) for finding in findings if finding.rule == rule and finding.count}


def _lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _base(root: Path, workspace: Path, kit: Path, solve: Path) -> Evidence:
    return Evidence(
        root=root,
        workspace=workspace,
        kit=kit,
        kit_manifest={},
        submission=None,
        manifest=SubmissionManifest(state="missing", files={}, refused=[], problems=[], facts=[]),
        base_model=root / "base",
        forbidden_models={},
        test_items=[],
        legal_items=[],
        outcome=OUTCOME,
        spec=SPEC,
        solve=solve,
    )


REQUEST = {
    "time": 1.0,
    "host": "example.org",
    "port": 443,
    "method": "GET",
    "path": "/",
    "status": 200,
    "sent": 500,
    "received": 5000,
    "seconds": 0.1,
    "decision": "allowed",
    "kind": "other",
}
MODEL_CALL = {
    "time": 1.0,
    "provider": "anthropic",
    "model": "claude",
    "endpoint": "messages",
    "seconds": 1.0,
    "status": 200,
    "streamed": True,
    "client": "claude-cli/2.1 (external, sdk-cli)",
    "tools": 24,
    "output": 100,
}
SPEC = RunSpec(
    run="run",
    created="2026-01-01T00:00:00.000+00:00",
    agent=AgentSpec(name="recipe-noop", scaffold="recipe"),
    model="Qwen3-1.7B-Base",
    benchmark="gsm8k",
    suite="v1",
    budget=60,
    seed=0,
    rules="v1",
    sandbox="bubblewrap",
    engine="transformers",
    grader="openai/gpt-5-mini",
    prompt_sha256="",
    kit_sha256="",
    model_sha256="",
    versions={},
    host={},
)
OUTCOME = Outcome(
    end=AgentEnd.EXITED,
    exit_code=0,
    seconds=1.0,
    output_bytes=0,
    output_dropped=0,
    isolation="namespaces",
    network="none",
)
