"""Rendering of trajectories, and safety of the output for a terminal."""

import math
import re
import textwrap
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posttrainbench.trajectory import Line, reader_for
from posttrainbench.trajectory.render import Selection, View, format_time, render_line
from posttrainbench.trajectory.terminal import LINE_CHARACTERS, excerpt, printable, printable_lines
from trajectory_recordings import (
    CLAUDE,
    CLAUDE_SUBAGENT,
    CODEX,
    GEMINI,
    OPENCODE,
    Event,
    claude_block,
    claude_call,
    claude_result,
)

HOSTILE = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J\x1b[H \x9b31m \x08\x08 gone \x00 \u202e desrever \u200b \u2028"


def as_lines(events: list[Event]) -> Iterator[Line]:
    import json

    return (Line(float(number), "stdout", json.dumps(event)) for number, event in enumerate(events))


def shown(format: str, events: list[Event], view: View | None = None) -> str:
    view = view or View(Selection())
    steps = reader_for(format).steps(as_lines(events))
    return "\n".join(text.plain for timed in steps if view.select(timed) for text in view.render(timed))


@given(st.text())
def test_nothing_but_printable_characters(text: str) -> None:
    assert all(line.isprintable() and len(line) <= LINE_CHARACTERS for line in printable_lines(text))


def test_hostile_text_stays_readable() -> None:
    line = printable(HOSTILE)
    assert line.isprintable()
    assert line.split() == ["red", "]0;title", "gone", "desrever"]


def test_stacked_combining_marks() -> None:
    assert printable("a" + "\u0301" * 50) == "a\u0301\u0301"


def test_indentation_is_kept_and_progress_bars_are_lines() -> None:
    assert printable_lines("if x:\n\tgo\r\n10%\r20%\n\n") == ["if x:", "    go", "10%", "20%"]


def test_long_lines_are_cut() -> None:
    assert printable("x" * 10**6) == "x" * (LINE_CHARACTERS - 1) + "…"
    assert printable("x" * LINE_CHARACTERS) == "x" * LINE_CHARACTERS


def test_excerpt() -> None:
    lines = [str(number) for number in range(10)]
    assert excerpt(lines, 2, 1) == ["0", "1", "… 7 lines", "9"]
    assert excerpt(lines, 2, 1, re.compile("5")) == ["0", "1", "… 3 lines", "5", "… 3 lines", "9"]
    assert excerpt(lines, 5, 4) == lines
    assert excerpt(lines, 2, 0) == ["0", "1", "… 8 lines"]


@pytest.mark.parametrize(
    ("format", "events"),
    [("claude-code", CLAUDE), ("codex", CODEX), ("gemini-cli", GEMINI), ("opencode", OPENCODE)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_all_is_shown(format: str, events: list[Event]) -> None:
    text = shown(format, events)
    for word in ("I will write.", "echo hello", "hello", "exit 3", "failed", "All done."):
        assert word in text
    assert all(letter.isprintable() or letter == "\n" for letter in text)


def test_subagents_are_named() -> None:
    text = shown("claude-code", CLAUDE_SUBAGENT, view=(view := View(Selection())))
    assert "⤷ t1" in text
    view.subagents = {"t1": {"description": "look \x1b[2Jaround"}}
    assert "⤷ look around" in shown("claude-code", CLAUDE_SUBAGENT, view)


@pytest.mark.parametrize(
    ("format", "events", "shell"),
    [
        ("claude-code", CLAUDE, "bash"),
        ("codex", CODEX, "bash"),
        ("gemini-cli", GEMINI, "shell"),
        ("opencode", OPENCODE, "bash"),
        ("codex", CODEX, "command_execution"),
    ],
)
def test_tools(format: str, events: list[Event], shell: str) -> None:
    text = shown(format, events, View(Selection(tools=frozenset({shell}))))
    assert "echo hello" in text
    assert "exit 3" in text
    for word in ("I will write.", "what to do", "All done.", "file_change"):
        assert word not in text


def test_tools_of_another_name() -> None:
    assert shown("codex", CODEX, View(Selection(tools=frozenset({"read"})))) == ""
    assert "file_change" in shown("codex", CODEX, View(Selection(tools=frozenset({"file_change"}))))


@pytest.mark.parametrize("word", ["what to do", "I will", "echo hello", "^hello$"])
def test_grep_looks_everywhere(word: str) -> None:
    text = shown("claude-code", CLAUDE, View(Selection(grep=re.compile(word))))
    assert "echo hello" in text
    assert "All done." not in text


def test_grep_shows_a_match_in_what_is_left_out() -> None:
    output = "\n".join(f"line {number}" for number in range(100))
    events = [claude_call("m1", "t1", "x"), claude_result("t1", output)]
    assert "line 50" not in shown("claude-code", events)
    assert "line 50" in shown("claude-code", events, View(Selection(grep=re.compile("line 50"))))
    assert "line 50" in shown("claude-code", events, View(Selection(), full=True))


def test_times() -> None:
    text = shown("claude-code", CLAUDE, View(Selection(start=5, end=9)))
    assert "Both at once." in text
    assert "I will write." not in text
    assert "All done." not in text
    assert Selection(start=1, end=2).matches_line(Line(2.0, "stdout", "x"))
    assert not Selection(start=1, end=2).matches_line(Line(2.5, "stdout", "x"))
    assert Selection().end == math.inf


def test_result_that_comes_after_its_step_is_shown_with_its_tool() -> None:
    """As with `--follow`: open steps are shown while the agent waits for a command."""
    call, result = as_lines([claude_call("m1", "t1", "sleep 9"), claude_result("t1", "slept")])
    view = View(Selection(tools=frozenset({"bash"})))
    texts = [
        [text.plain for text in view.render(timed)]
        for timed in reader_for("claude-code").steps([call, None, result])
        if view.select(timed)
    ]
    assert ["sleep 9" in "\n".join(one) for one in texts] == [True, False]
    assert "result of Bash" in "\n".join(texts[1])
    assert "slept" in "\n".join(texts[1])


def test_unknown_events_are_shown() -> None:
    text = shown("codex", [{"type": "telepathy", "thought": "\x1b[2J?"}])
    assert "unknown event telepathy" in text
    assert '"thought"' in text
    assert "\x1b" not in text


def test_clock_and_lines() -> None:
    assert [format_time(seconds) for seconds in (0, 59.96, 3725.25)] == ["0:00:00.0", "0:01:00.0", "1:02:05.2"]
    assert render_line(Line(1.25, "stderr", f"{HOSTILE}")).plain.startswith("      1.2 s  red")


def test_prose_is_wrapped_and_commands_are_not() -> None:
    said = claude_block("m1", {"type": "text", "text": "* " + "word " * 40})
    events = [said, claude_call("m2", "1", "echo " + "long " * 40)]
    whole = shown("claude-code", events)
    wrapped = shown("claude-code", events, View(Selection(), width=60))
    assert wrapped.split() == whole.split()
    prose = [line for line in wrapped.splitlines() if "word" in line]
    assert len(prose) > 3
    assert all(len(line) <= 60 for line in prose)
    assert all(line.startswith("    word") for line in prose[1:])
    assert [line for line in wrapped.splitlines() if "long" in line] == [
        line for line in whole.splitlines() if "long" in line
    ]


def test_wrapped_prose_is_wrapped_once() -> None:
    paragraph = " ".join(f"word{number}" for number in range(40))
    code = ["```", "x" * 70, "y = 1", "```"]
    text = [*textwrap.wrap(paragraph, 72), "", "short line", "next line", *code, *textwrap.wrap(f"* {paragraph}", 72)]
    step = claude_block("m1", {"type": "text", "text": "\n".join(text)})
    lines = shown("claude-code", [step], View(Selection(), width=60)).splitlines()
    prose = [line for line in lines if "word" in line]
    assert " ".join(" ".join(prose).split()) == f"{paragraph} * {paragraph}"
    ends = [number for number, line in enumerate(prose) if "word39" in line]
    assert all(len(line) > 45 for number, line in enumerate(prose) if number not in ends)
    assert [line.strip() for line in lines if line.strip() in (*code, "short line", "next line")] == [
        "short line", "next line", *code
    ]  # fmt: skip
