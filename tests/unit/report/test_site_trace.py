"""The data of the trace viewer: order, pages, marks and texts."""

import json
from pathlib import Path
from typing import Any

from posttrainbench.report.site.run_data import visible
from posttrainbench.report.site.trace_data import PAGE_STEPS, write_trace
from posttrainbench.report.site.trace_page import write_trace_page
from posttrainbench.run import Run
from run_pages import read_data, write_full_run
from trajectory_recordings import CLAUDE_SUBAGENT, RECORDINGS, STARTED, claude_block, converted, make_recorded_run


def test_every_format_is_shown_whole(tmp_path: Path) -> None:
    for number, (format, events) in enumerate(RECORDINGS.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        made, summary = converted(folder, format, events)
        trace = write_trace(folder / "trajectory.json", folder / "trace")
        subagents = made.get("subagent_trajectories", [])
        assert trace.steps == sum(len(one["steps"]) for one in [made, *subagents])
        assert trace.subagents == summary.subagents
        index = read_data(folder / "trace" / "index.js")
        shown = read_data(folder / "trace" / "0.js")
        assert len(index["thread"]) == len(shown) == trace.steps
        expected = {step["message"] for one in [made, *subagents] for step in one["steps"] if step["message"]}
        assert {step["message"] for step in shown if "message" in step} == {text.rstrip("\r") for text in expected}


def test_a_subagent_follows_the_step_that_called_it(tmp_path: Path) -> None:
    converted(tmp_path, "claude-code", CLAUDE_SUBAGENT)
    trace = write_trace(tmp_path / "trajectory.json", tmp_path / "trace")
    index = read_data(tmp_path / "trace" / "index.js")
    assert index["depth"] == [0, 0, 1, 1, 0, 0]
    assert index["threads"] == ["", "look · general-purpose"]
    assert trace.anchors == {2: "step-1", 3: "step-2", 8: "step-1.1", 9: "step-1.2", 4: "step-3", 5: "step-4"}


def test_failures_and_evaluations_are_marked(tmp_path: Path) -> None:
    run = write_full_run(tmp_path / "run", "words")
    evaluations = [(STARTED.timestamp() + 2.1, 0.25, 20), (STARTED.timestamp() - 99, 0.5, 20)]
    trace = write_trace(run / "solve" / "trajectory.json", tmp_path / "trace", evaluations)
    index = read_data(tmp_path / "trace" / "index.js")
    assert index["flags"][:2] == [0, 3]  # evaluate.py is called, and fails
    assert [(one.anchor, one.score) for one in trace.scores] == [("step-2", 0.25)]  # the other was before the start
    assert (trace.failed, trace.evaluations) == (1, 1)
    assert index["tools"] == ["Bash", "Task", "words"]


def test_long_traces_come_in_pages(tmp_path: Path) -> None:
    events = [claude_block(f"m{number}", {"type": "text", "text": f"turn {number}"}) for number in range(100)]
    events[50] = claude_block("m50", {"type": "text", "text": "x" * 300_000})
    converted(tmp_path, "claude-code", events)
    trace = write_trace(tmp_path / "trajectory.json", tmp_path / "trace")
    index = read_data(tmp_path / "trace" / "index.js")
    pages = [read_data(tmp_path / "trace" / f"{number}.js") for number in range(trace.pages)]
    assert index["pages"] == [sum(map(len, pages[:number])) for number in range(trace.pages)]
    assert max(map(len, pages)) == PAGE_STEPS
    [long] = [step["message"] for page in pages for step in page if len(step["message"]) > 1000]
    assert long.endswith("x\n… 100,000 more characters")
    assert len(list((tmp_path / "trace").iterdir())) == trace.pages + 1


def test_a_broken_line_is_skipped(tmp_path: Path) -> None:
    converted(tmp_path, "claude-code", CLAUDE_SUBAGENT)
    lines = (tmp_path / "trajectory.json").read_bytes().split(b"\n")
    lines[2] = lines[2][:40]
    (tmp_path / "trajectory.json").write_bytes(b"\n".join(lines))
    assert write_trace(tmp_path / "trajectory.json", tmp_path / "trace").steps == 5


def test_strange_values_are_shown_as_text(tmp_path: Path) -> None:
    step: dict[str, Any] = {
        "step_id": 1, "source": "nobody", "timestamp": "never", "message": ["a", 1], "metrics": {"prompt_tokens": "x"},
        "tool_calls": [{"function_name": None, "arguments": [1]}, 7], "observation": {"results": [{"content": {}}, 3]},
    }  # fmt: skip
    (tmp_path / "t.json").write_text(
        '{"schema_version":"x","steps":[\n' + json.dumps(step, separators=(",", ":")) + "\n]}"
    )
    write_trace(tmp_path / "t.json", tmp_path / "trace")
    assert read_data(tmp_path / "trace" / "0.js") == [
        {
            "message": '["a", 1]',
            "calls": [{"name": "?", "arguments": [["arguments", "[1]"]]}],
            "results": [{"text": "{}"}],
        }
    ]


def test_the_trace_of_a_working_agent(tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "run", ["first", ("stderr", "second")], folder="solve.partial")
    trace = write_trace_page(Run(run), tmp_path / "site", 3, "a run", [], "")
    assert not isinstance(trace, str)
    assert trace.steps == 2
    assert (tmp_path / "site" / "trajectory.json").is_file()


def test_visible_text() -> None:
    assert visible("a\tb\r\nc\rd") == "a\tb\nc\nd"
    assert visible("\x1b[31mred\x1b[0m\x1b]0;title\x07\x00") == "red0;title"
    assert (
        visible("caf\u00e9 \u202etxet\u202c z\u0301\u0302\u0303 \u200b日本 \ud800") == "café txet z\u0301\u0302 日本 "
    )
    assert visible("a\u2028b\u00a0c") == "a\nb c"
    assert visible("12345", 3) == "123\n… 2 more characters"
