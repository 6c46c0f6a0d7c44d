"""Hostile output: conversion does not raise, loses nothing, and writes valid ATIF."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posttrainbench.errors import InputError
from posttrainbench.trajectory import FORMATS, RecordingInfo, conversion, convert
from posttrainbench.trajectory.reader import SUBAGENTS, UNKNOWN_NAMES
from posttrainbench.trajectory.window import HELD_STEPS
from support import examples
from trajectory_recordings import (
    CLAUDE,
    CLAUDE_INIT,
    PROMPT,
    RECORDINGS,
    STARTED,
    claude_block,
    claude_call,
    claude_result,
    converted,
    problems,
    write_output,
)

ABOUT = RecordingInfo("run", "agent", "1.0", STARTED, PROMPT)
EVENTS = [(format, event) for format, events in RECORDINGS.values() for event in events]
ORIGINAL_TEXT = [
    "Assistant — turn 1",
    "  a line of text",
    "  Tool call — Bash (call1)",
    '    {"command": "ls"}',
    "User — turn 2",
    "  Tool result — call1",
    "    a file",
]
JSON_FORMATS = [name for name in FORMATS if name not in ("plain", "original-text")]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["t1", "tool_use", "text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def spoiled_recordings(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Generate a recording with replaced values and lost, repeated, truncated and reordered events."""
    format = draw(st.sampled_from(JSON_FORMATS))
    own = [event for name, event in EVENTS if name == format]
    lines = []
    for event in draw(st.lists(st.sampled_from(own), max_size=12)):
        changed = json.loads(json.dumps(event))
        for _ in range(draw(st.integers(0, 2))):
            place: Any = changed
            while isinstance(place, dict) and place:
                key = draw(st.sampled_from(sorted(place)))
                if not isinstance(place[key], dict) or draw(st.booleans()):
                    place[key] = draw(values)
                    break
                place = place[key]
        text = json.dumps(changed)
        lines.append(text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 9)) == 0 else text)
    return format, lines


@pytest.mark.slow
@given(recording=spoiled_recordings())
@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_spoiled_recordings_become_valid_trajectories(recording: tuple[str, list[str]], tmp_path: Path) -> None:
    format, lines = recording
    converted(tmp_path, format, lines)


@pytest.mark.parametrize("format", JSON_FORMATS)
@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "null",
        "[1]",
        "words",
        '{"type": 5}',
        '{"type": "result", "result": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"type": "x", "n": ' + "9" * 5000 + "}",
        '{"type": "x", "n": NaN, "m": 1e999}',
        '{"type": "assistant", "message": 5}',
        '{"a": "\\ud800"}',
        '{"\\ud800": 1}',
        "\x00\x1b[2J",
    ],
)
def test_garbage_survives(format: str, line: str, tmp_path: Path) -> None:
    made, summary = converted(tmp_path, format, [line, *dict(RECORDINGS.values())[format]])
    assert summary.text_lines + sum(summary.unknown.values()) == 1
    assert len(made["steps"]) == summary.steps > 2


def test_unknown_events_are_kept_and_counted(tmp_path: Path) -> None:
    event = {"type": "system", "subtype": "telepathy", "thought": "\ud83d half", "n": None, "big": 10**30}
    made, summary = converted(tmp_path, "claude-code", [*CLAUDE[:4], event, *CLAUDE[4:], event, {"no": "type"}])
    assert summary.unknown == {"system/telepathy": 2, "no type": 1}
    assert made["extra"]["unknown_events"] == summary.unknown
    kept = [step["extra"]["event"] for step in made["steps"] if "event" in step.get("extra", {})]
    assert kept[0] == event | {"thought": "\ufffd half", "big": str(10**30)}
    calls = [step["tool_calls"] for step in made["steps"] if "tool_calls" in step]
    assert [len(one) for one in calls] == [1, 2]  # an event in the middle of a turn does not end it


def test_unknown_block_of_a_known_event_is_kept(tmp_path: Path) -> None:
    made, summary = converted(tmp_path, "claude-code", [claude_block("m1", {"type": "smell", "of": "rain"})])
    assert summary.unknown == {"assistant/smell": 1}
    assert made["steps"][-1]["extra"]["event"]["message"]["content"] == [{"type": "smell", "of": "rain"}]


def test_half_a_surrogate_pair_does_not_lose_the_event(tmp_path: Path) -> None:
    line = json.dumps(claude_block("m1", {"type": "text", "text": "cut \ud83d"}))
    made, summary = converted(tmp_path, "claude-code", [line])
    assert made["steps"][1]["message"] == "cut \ufffd"
    assert summary.unknown == {}


def test_deep_arguments_become_text(tmp_path: Path) -> None:
    deep = json.loads('{"a": ' + "[" * 300 + "]" * 300 + "}")
    block = {"type": "tool_use", "id": "t", "name": "Bash", "input": deep}
    made, _ = converted(tmp_path, "claude-code", [claude_block("m1", block)])
    [call] = made["steps"][1]["tool_calls"]
    assert list(call["arguments"]) == ["nested too deeply"]


def test_names_of_unknown_events_are_bounded(tmp_path: Path) -> None:
    _, summary = converted(tmp_path, "codex", [{"type": f"{number}" * 100} for number in range(300)])
    assert len(summary.unknown) == UNKNOWN_NAMES + 1
    assert sum(summary.unknown.values()) == 300
    assert max(map(len, summary.unknown)) <= 80


def test_subagents_are_bounded(tmp_path: Path) -> None:
    events = [claude_call(f"m{number}", f"c{number}", "x", parent=f"t{number}") for number in range(SUBAGENTS + 50)]
    made, summary = converted(tmp_path, "claude-code", [CLAUDE_INIT, *events])
    assert len(made["subagent_trajectories"]) == SUBAGENTS + 1
    assert len(made["subagent_trajectories"][-1]["steps"]) == 50
    assert summary.tool_calls == SUBAGENTS + 50


def test_result_that_comes_too_late_is_a_step_of_its_own(tmp_path: Path) -> None:
    others = [claude_block(f"m{number}", {"type": "text", "text": "x"}) for number in range(1, HELD_STEPS + 2)]
    made, _ = converted(
        tmp_path, "claude-code", [claude_call("m0", "t0", "sleep"), *others, claude_result("t0", "at last")]
    )
    assert "observation" not in made["steps"][1]
    late = [step for step in made["steps"] if "observation" in step]
    assert [step["observation"]["results"] for step in late] == [[{"content": "at last", "extra": {"call_id": "t0"}}]]


def test_pieces_of_long_lines_are_joined(tmp_path: Path) -> None:
    output = tmp_path / "output.jsonl"
    text = json.dumps(CLAUDE[3])
    entries: list[dict[str, Any]] = [
        {"t": 1.0, "stream": "stdout", "line": text[:50], "more": True},
        {"t": 1.1, "stream": "stderr", "line": "a warning"},
        {"t": 1.2, "stream": "stdout", "line": text[50:90], "more": True},
        {"t": 1.3, "stream": "stdout", "line": text[90:]},
        {"t": 1.4, "stream": "stdout", "line": "the end, to", "more": True},
    ]
    output.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + '{"t": 9, "stream": "stdo')
    summary = convert(output, "claude-code", tmp_path / "t.json", info=ABOUT)
    made = json.loads((tmp_path / "t.json").read_text())
    assert problems(made) == []
    messages = [(step["source"], step["message"]) for step in made["steps"][1:]]
    assert ("agent", "I will write.") in messages
    assert ("system", "a warning") in messages
    assert ("system", '{"t": 9, "stream": "stdo') in messages
    assert ("system", "the end, to") in messages
    assert summary.text_lines == 3


def test_no_output_at_all(tmp_path: Path) -> None:
    summary = convert(tmp_path / "absent", "codex", tmp_path / "t.json", info=ABOUT)
    assert summary.steps == 1
    assert problems(json.loads((tmp_path / "t.json").read_text())) == []


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="claude-code"):
        convert(tmp_path / "output.jsonl", "klingon", tmp_path / "t.json", info=ABOUT)
    assert list(tmp_path.iterdir()) == []


def test_writing_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = write_output(tmp_path / "output.jsonl", CLAUDE)
    out = tmp_path / "trajectory.json"
    out.write_text("old")

    def fail(*_: object) -> bytes:
        raise OSError("disk full")

    monkeypatch.setattr(conversion, "_final", fail)
    with pytest.raises(OSError, match="disk full"):
        convert(output, "claude-code", out, info=ABOUT)
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["output.jsonl", "trajectory.json"]


@pytest.mark.parametrize("format", list(FORMATS))
def test_memory_does_not_grow_with_the_recording(format: str, tmp_path: Path) -> None:
    lines = {"plain": ["a line of text " * 10] * 10, "original-text": ORIGINAL_TEXT}
    events: list[Any] = lines[format] if format in lines else dict(RECORDINGS.values())[format]
    peaks = []
    for times in (40, 800):
        output = write_output(tmp_path / "output.jsonl", events * times)
        tracemalloc.start()
        convert(output, format, tmp_path / "t.json", info=ABOUT)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0] + 500_000, peaks
