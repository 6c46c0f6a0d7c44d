"""The one-line summary of an agent: each fact once."""

import re
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.errors import InputError
from posttrainbench.records import AgentEnd, Outcome, Stage
from posttrainbench.run import Run
from posttrainbench.run.status import agent_state, agent_summary, require_audited
from trajectory_recordings import make_recorded_run

SUMMARIES: list[tuple[AgentEnd, dict[str, Any], str]] = [
    (AgentEnd.EXITED, {}, "The agent exited."),
    (AgentEnd.DEADLINE, {"isolation": "none"}, "The agent was stopped at its deadline, and ran without a sandbox."),
    (AgentEnd.STOPPED, {}, ""),  # the result's notes say it
    (AgentEnd.STOPPED, {"isolation": "none"}, "The agent ran without a sandbox."),
    (AgentEnd.STOPPED, {"limit": "pids-limit"}, "The agent was stopped after reaching a limit (pids-limit)."),
]


@pytest.mark.parametrize(("end", "changes", "summary"), SUMMARIES)
def test_agent_summary(end: AgentEnd, changes: dict[str, Any], summary: str, tmp_path: Path) -> None:
    run = Run(make_recorded_run(tmp_path / "run", []))
    fields = {"exit_code": 0, "seconds": 1, "output_bytes": 0, "output_dropped": 0, "network": "none"}
    outcome = Outcome(end=end, **{**fields, "isolation": "namespaces", **changes})
    (run.root / "solve" / "outcome.json").write_text(outcome.model_dump_json())
    (run.root / "solve" / "monitor.jsonl").touch()
    assert agent_state(run) == end
    assert agent_summary(run) == summary


@pytest.mark.parametrize(
    ("done", "running", "advice"),
    [
        ([], True, "nothing to audit yet; wait until its agent has finished, or end it with `ptb stop"),
        ([], False, "nothing to audit yet; continue the run with `ptb resume"),
        ([Stage.COLLECT], False, "has not been audited; run `ptb audit"),
        ([Stage.COLLECT, Stage.AUDIT], False, ""),
    ],
)
def test_what_to_do_before_an_audit_can_be_changed(
    done: list[Stage], running: bool, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(make_recorded_run(tmp_path / "run", []))
    monkeypatch.setattr(Run, "is_done", lambda self, stage: stage in done)
    monkeypatch.setattr("posttrainbench.run.status.agent_state", lambda run: "running" if running else "exited")
    if not advice:
        require_audited(run)
        return
    with pytest.raises(InputError, match=re.escape(advice)):
        require_audited(run)
