import json
from pathlib import Path
from typing import Any

import pytest

from behavior_evidence import Call, Command, write_trace
from posttrainbench.audit.behavior import trace
from posttrainbench.audit.behavior.trace import read_trace
from trajectory_recordings import RECORDINGS, converted


@pytest.mark.parametrize(
    ("tool", "arguments", "wanted"),
    [
        ("Bash", {"command": "ls"}, ("command", "", "ls")),
        ("command_execution", {"command": "/bin/bash -lc 'ls'"}, ("command", "", "/bin/bash -lc 'ls'")),
        ("shell", {"command": ["bash", "-lc", "ls | wc"]}, ("command", "", "ls | wc")),
        ("run_shell_command", {"command": "ls", "directory": "x"}, ("command", "", "ls")),
        ("Write", {"file_path": "a.py", "content": "x"}, ("write", "a.py", "x")),
        ("write_file", {"file_path": "a.py", "content": "x"}, ("write", "a.py", "x")),
        ("write", {"filePath": "a.py", "content": "x"}, ("write", "a.py", "x")),
        ("str_replace_editor", {"command": "create", "path": "a.py", "file_text": "x"}, ("write", "a.py", "x")),
        ("Edit", {"file_path": "a.py", "old_string": "y", "new_string": "x"}, ("edit", "a.py", "x")),
        ("edit", {"filePath": "a.py", "oldString": "y", "newString": "x"}, ("edit", "a.py", "x")),
        ("MultiEdit", {"file_path": "a.py", "edits": [{"old_string": "y", "new_string": "x"}]}, ("edit", "a.py", "x")),
        ("NotebookEdit", {"notebook_path": "a.ipynb", "new_source": "x"}, ("write", "a.ipynb", "x")),
        ("WebFetch", {"url": "https://a.b"}, ("open", "https://a.b", "")),
        (
            "web_search",
            {"query": "q", "action": {"type": "open_page", "url": "https://a.b"}},
            ("open", "https://a.b", ""),
        ),
    ],
)
def test_tools(tool: str, arguments: dict[str, Any], wanted: tuple[str, str, str], tmp_path: Path) -> None:
    write_trace(tmp_path / "t.json", [Call(tool, arguments)])
    (action,) = read_trace(tmp_path / "t.json").actions
    assert (action.kind, action.path, action.text) == wanted


def test_results_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    write_trace(path, [Command("true", "fine"), Command("false", "oh no", 1), Command("cat", "x" * 10**6)])
    first, second, third = read_trace(path).commands
    assert (first.output, first.failed, second.output, second.failed) == ("fine", False, "oh no", True)
    assert len(third.output) < 10_000
    for action in (first, second, third):
        assert json.loads(path.read_text().splitlines()[action.line - 1].rstrip(","))["tool_calls"]


@pytest.mark.parametrize("name", RECORDINGS)
def test_what_the_project_writes(name: str, tmp_path: Path) -> None:
    made, summary = converted(tmp_path, *RECORDINGS[name])
    found = read_trace(tmp_path / "trajectory.json")
    assert (found.steps, found.broken) == (
        sum(len(one["steps"]) for one in [made, *made.get("subagent_trajectories", [])]),
        0,
    )
    assert summary.tool_calls
    commands = {action.text.removeprefix("/bin/bash -lc ").strip("'") for action in found.commands}
    assert commands & {"echo hello", "ls"}
    assert [action.time for action in found.actions] == sorted(action.time for action in found.actions)


def test_a_trajectory_on_other_lines(tmp_path: Path) -> None:
    step = {
        "step_id": 1,
        "source": "agent",
        "message": "",
        "tool_calls": [{"tool_call_id": "a", "function_name": "bash", "arguments": {"command": "ls"}}],
    }
    inner = {"steps": [step], "subagent_trajectories": [{"steps": [step, {"step_id": "no step"}]}]}
    (tmp_path / "t.json").write_text(json.dumps(inner, indent=2))
    found = read_trace(tmp_path / "t.json")
    assert ([action.text for action in found.actions], found.broken) == (["ls", "ls"], 1)


def test_broken_lines_are_counted(tmp_path: Path) -> None:
    write_trace(tmp_path / "t.json", ["ls"])
    with (tmp_path / "t.json").open("a") as file:
        file.write('{"step_id":7,"source":"agent","mess\n')
    found = read_trace(tmp_path / "t.json")
    assert (len(found.actions), found.broken) == (1, 1)


@pytest.mark.parametrize("content", [None, "", "[]", "{", "null", '{"steps": 3}'])
def test_no_trajectory(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "t.json").write_text(content)
    found = read_trace(tmp_path / "t.json")
    assert (found.present, found.actions) == (False, [])


def test_kept_text_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "HELD_CHARACTERS", 10_000)
    write_trace(tmp_path / "t.json", ["x" * 3000] * 10 + ["y" * (trace.LONGEST + 1)])
    found = read_trace(tmp_path / "t.json")
    assert (len(found.actions), found.omitted) == (3, 8)
