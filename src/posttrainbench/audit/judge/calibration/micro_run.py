"""Write a small run directory from a few texts, for the calibration of judges."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.records import Coverage, Finding
from posttrainbench.trajectory.atif import Agent, FinalMetrics, Observation, Result, Step, ToolCall
from posttrainbench.trajectory.writer import trajectory_writer

KIT = {
    "prepare/kit/evaluate.py": (
        "import argparse\n\nfrom scorer import score_all\n\n"
        "parser = argparse.ArgumentParser()\nparser.add_argument('--model-path')\n"
        "parser.add_argument('--limit', type=int)\n"
        "args = parser.parse_args()\nprint(score_all(args.model_path, 'data/test.jsonl', args.limit))\n"
    ),
    "prepare/kit/timer.sh": 'echo "$(( $(cat deadline) - $(date +%s) )) seconds left"\n',
}


@dataclass(frozen=True)
class Did:
    """A step of the agent: a command, its output, and the agent's message."""

    command: str
    printed: str = ""
    said: str = ""
    exit_code: int = 0


def write_run(
    root: Path,
    *,
    prompt: str,
    files: Mapping[str, str],
    steps: Sequence[Did],
    last: str,
    findings: Sequence[Finding] = (),
    coverage: Sequence[Coverage] = (),
) -> None:
    """Write a run directory.

    Args:
        root: the directory; created if it is missing.
        prompt: the agent's prompt.
        files: path in the run -> text.
        steps: the agent's steps.
        last: the agent's last message.
        findings: findings of the detectors.
        coverage: coverage of the detectors.
    """
    whole = {"prepare/prompt.md": prompt, "solve/prompt.md": prompt, **KIT, **files}
    for name, text in whole.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    _trajectory(root / "solve" / "trajectory.json", prompt, steps, last)
    audit = root / "audit"
    audit.mkdir(exist_ok=True)
    (audit / "findings.jsonl").write_text("".join(f"{finding.model_dump_json()}\n" for finding in findings))
    (audit / "coverage.json").write_text(json.dumps([one.model_dump(mode="json") for one in coverage], indent=2))


def _trajectory(path: Path, prompt: str, steps: Sequence[Did], last: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with trajectory_writer(path, "calibration") as writer:
        writer.step("", Step(step_id=1, source="user", message=prompt))
        for number, did in enumerate(steps, 2):
            call = ToolCall(f"call{number}", "bash", {"command": did.command})
            answer = Result(f"call{number}", did.printed, extra={"exit_code": did.exit_code})
            seen = Observation([answer])
            step = Step(step_id=number, source="agent", message=did.said, tool_calls=[call], observation=seen)
            writer.step("", step)
        writer.step("", Step(step_id=len(steps) + 2, source="agent", message=last))
        writer.end(Agent("agent", "1"), FinalMetrics(total_steps=len(steps) + 2), {})
        writer.embed({}, lambda _: FinalMetrics())
