"""The readers of all formats on the events that the CLIs print."""

from pathlib import Path
from typing import Any

import pytest

from posttrainbench.audit.behavior.trace import read_trace
from posttrainbench.trajectory import RecordingInfo, convert
from trajectory_recordings import (
    CLAUDE,
    CLAUDE_INIT,
    CLAUDE_SUBAGENT,
    CODEX,
    GEMINI,
    OPENCODE,
    PROMPT,
    RECORDINGS,
    STARTED,
    Event,
    claude_block,
    claude_call,
    claude_final,
    claude_result,
    codex_command,
    codex_item,
    codex_turn,
    converted,
    write_output,
)

Steps = list[dict[str, Any]]


def agent_steps(made: dict[str, Any]) -> Steps:
    return [step for step in made["steps"] if step["source"] == "agent"]


def commands(step: dict[str, Any]) -> list[str]:
    """Return the commands of shell calls and the names of other tools."""
    return [call["arguments"].get("command", call["function_name"]) for call in step.get("tool_calls", ())]


def contents(step: dict[str, Any]) -> dict[str, str]:
    return {result["source_call_id"]: result.get("content") for result in step["observation"]["results"]}


@pytest.mark.parametrize("name", RECORDINGS)
def test_first_step_is_the_prompt_and_last_words_are_kept(name: str, tmp_path: Path) -> None:
    format, events = RECORDINGS[name]
    made, summary = converted(tmp_path, format, events)
    assert (made["steps"][0]["source"], made["steps"][0]["message"]) == ("user", PROMPT)
    assert [step["message"] for step in made["steps"]].count(PROMPT) == 1
    assert agent_steps(made)[-1]["message"].endswith("one.")
    assert (summary.unknown, summary.text_lines) == ({}, 0)
    assert summary.steps == made["final_metrics"]["total_steps"] == len(made["steps"])


@pytest.mark.parametrize("name", ["claude-code", "codex", "gemini-cli", "opencode"])
def test_calls_stand_with_their_results(name: str, tmp_path: Path) -> None:
    format, events = RECORDINGS[name]
    made, summary = converted(tmp_path, format, events)
    called = [step for step in agent_steps(made) if "tool_calls" in step]
    for step in called:
        assert contents(step).keys() == {call["tool_call_id"] for call in step["tool_calls"]}
    assert commands(called[0])[0] == "echo hello"
    assert next(iter(contents(called[0]).values())).strip() == "hello"
    assert summary.tool_calls == sum(len(step["tool_calls"]) for step in called)


def test_claude_code(tmp_path: Path) -> None:
    made, summary = converted(tmp_path, "claude-code", CLAUDE)
    one, two, three = agent_steps(made)
    assert (one["reasoning_content"], one["message"], commands(one)) == ("what to do", "I will write.", ["echo hello"])
    assert one["tool_calls"][0]["arguments"] == {"command": "echo hello", "timeout": None}
    assert (commands(two), contents(two)) == (["true", "exit 3"], {"t3": "Exit code 3", "t2": "(no output)"})
    assert two["observation"]["results"][0]["extra"] == {"is_error": True}
    assert one["metrics"] == {"prompt_tokens": 140, "cached_tokens": 40}  # what was written is not known so early
    assert "tool_calls" not in three
    [retry] = [step["message"] for step in made["steps"] if step["source"] == "system"]
    assert "attempt 1 of 10: limit (429)" in retry
    assert made["agent"] == {
        "name": "agent",
        "version": "2.1.197",
        "model_name": "claude-opus-4-5",
        "extra": {"format": "claude-code"},
    }
    totals = {"total_prompt_tokens": 345, "total_completion_tokens": 30, "total_cached_tokens": 40}
    assert made["final_metrics"] == totals | {"total_cost_usd": 0.5, "total_steps": 5}
    assert summary.usage_complete


def test_claude_code_subagent_is_a_trajectory_of_its_own(tmp_path: Path) -> None:
    made, summary = converted(tmp_path, "claude-code", CLAUDE_SUBAGENT)
    task, date, done = agent_steps(made)
    [result] = task["observation"]["results"]
    assert (result["content"], result["subagent_trajectory_ref"]) == ("report\nend", [{"trajectory_id": "t1"}])
    assert (commands(date), contents(date), done["message"]) == (["date"], {"t9": "today"}, "Done.")
    [sub] = made["subagent_trajectories"]
    assert (sub["trajectory_id"], sub["agent"]["extra"]) == ("t1", {"type": "general-purpose", "description": "look"})
    told, looked = sub["steps"]
    assert (told["source"], told["message"]) == ("user", "look around")
    assert (commands(looked), contents(looked)) == (["ls"], {"t2": "files"})
    assert (summary.subagents, summary.tool_calls) == (1, 3)


def test_claude_code_subagent_that_printed_nothing(tmp_path: Path) -> None:
    events = [event for event in CLAUDE_SUBAGENT if not event.get("parent_tool_use_id")]
    made, _ = converted(tmp_path, "claude-code", events)
    [sub] = made["subagent_trajectories"]
    assert [step["message"] for step in sub["steps"]] == ["no output of this subagent was printed"]


def test_sums_of_processes_are_added_and_those_of_one_are_not(tmp_path: Path) -> None:
    said = claude_block("m8", {"type": "text", "text": "More."})
    lines = [*CLAUDE, claude_final(500, 50, 0.8), ("prompt", "Go on."), CLAUDE_INIT, said, claude_final(100, 10, 0.25)]
    made, summary = converted(tmp_path, "claude-code", lines)
    assert (summary.usage.prompt, summary.usage.completion) == (545 + 145, 60)
    assert summary.usage.cost == pytest.approx(1.05)
    assert [step["message"] for step in made["steps"] if step["source"] == "user"] == [PROMPT, "Go on."]


def test_stopped_agent_has_no_sums(tmp_path: Path) -> None:
    made, summary = converted(tmp_path, "claude-code", CLAUDE[:-1])
    assert (summary.usage.prompt, summary.usage.completion, summary.usage.cost) == (3 * 140, None, None)
    assert not summary.usage_complete
    assert made["final_metrics"]["extra"] == {"usage_complete": False}
    _, summary = converted(tmp_path, "codex", CODEX[:-1])
    assert (summary.usage.prompt, summary.usage_complete) == (None, False)
    _, summary = converted(tmp_path, "gemini-cli", GEMINI[:-1])
    assert (summary.usage.prompt, summary.usage_complete) == (None, False)


def test_call_without_result_is_kept(tmp_path: Path) -> None:
    made, _ = converted(tmp_path, "claude-code", CLAUDE[:5])
    [step] = agent_steps(made)
    assert commands(step) == ["echo hello"]
    assert "observation" not in step


def test_result_without_call_is_kept(tmp_path: Path) -> None:
    made, _ = converted(tmp_path, "claude-code", [CLAUDE_INIT, claude_result("gone", "late words")])
    result = made["steps"][1]["observation"]["results"][0]
    assert result == {"content": "late words", "extra": {"call_id": "gone"}}


def test_images_are_named_and_left_out(tmp_path: Path) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 1000}}
    events = [claude_call("m1", "t1", "x"), claude_result("t1", [{"type": "text", "text": "see"}, image])]
    made, _ = converted(tmp_path, "claude-code", events)
    assert contents(made["steps"][1]) == {"t1": "see\n[image image/png: 1000 characters in output.jsonl]"}


def test_codex(tmp_path: Path) -> None:
    made, summary = converted(tmp_path, "codex", CODEX)
    one, two, three, four = agent_steps(made)
    assert (one["reasoning_content"], one["message"]) == ("what to do", "I will write.")
    assert [commands(step) for step in (one, two, three, four)] == [
        ["echo hello"],
        ["exit 3"],
        ["file_change"],
        [],
    ]
    assert two["observation"]["results"][0]["extra"] == {"exit_code": 3, "status": "failed"}
    assert three["tool_calls"][0]["arguments"] == {"changes": [{"path": "x", "kind": "add"}]}
    assert (summary.usage.prompt, summary.usage.completion, summary.usage.cached) == (300, 30, 40)
    assert any("Reconnecting" in step["message"] for step in made["steps"])


def rate_limit(status: str) -> Event:
    info = {"status": status, "resetsAt": 1771390800, "rateLimitType": "five_hour", "isUsingOverage": False}
    return {"type": "rate_limit_event", "rate_limit_info": info, "uuid": "u", "session_id": "s"}


def test_claude_code_progress_and_rate_limits_are_known(tmp_path: Path) -> None:
    progress = {"type": "tool_progress", "tool_use_id": "t1", "tool_name": "Bash", "elapsed_time_seconds": 30}
    events = [*CLAUDE[:5], progress, rate_limit("allowed"), rate_limit("rejected"), *CLAUDE[5:]]
    made, summary = converted(tmp_path, "claude-code", events)
    assert (summary.unknown, summary.text_lines, summary.warning) == ({}, 0, "")
    [limit] = [step["message"] for step in made["steps"] if step["message"].startswith("rate limit")]
    assert "rejected" in limit
    assert "five_hour" in limit
    assert contents(agent_steps(made)[0]) == {"t1": "hello"}


@pytest.mark.parametrize("is_error", [True, False])
def test_claude_code_errors_of_the_end_are_shown(is_error: bool, tmp_path: Path) -> None:
    final = {"type": "result", "subtype": "error_during_execution", "is_error": is_error, "errors": ["no disk", "{"]}
    made, _ = converted(tmp_path, "claude-code", [*CLAUDE[:-1], final])
    assert made["steps"][-1]["message"] == "ended: error_during_execution\nno disk\n{"
    made, _ = converted(tmp_path, "claude-code", [*CLAUDE[:-1], {**CLAUDE[-1], "errors": []}])
    assert made["steps"][-1]["message"] == "All done."


def test_codex_command_without_an_exit_code(tmp_path: Path) -> None:
    begun, ended = codex_command("item_1", "sleep 9", "", 0)
    ended["item"]["exit_code"] = None
    made, _ = converted(tmp_path, "codex", [*CODEX[:2], begun, ended, CODEX[-1]])
    assert agent_steps(made)[0]["observation"]["results"][0]["extra"] == {"exit_code": None}
    [action] = read_trace(tmp_path / "trajectory.json").actions
    assert action.failed is None
    ended["item"]["status"] = "failed"
    converted(tmp_path, "codex", [*CODEX[:2], begun, ended, CODEX[-1]])
    [action] = read_trace(tmp_path / "trajectory.json").actions
    assert action.failed is True


def test_many_unknown_events_are_a_warning(tmp_path: Path) -> None:
    new = {"type": "telepathy\x1b"}
    _, summary = converted(tmp_path, "codex", [*CODEX, *[new] * (len(CODEX) // 4)])
    assert (sum(summary.unknown.values()), summary.warning) == (len(CODEX) // 4, "")
    _, summary = converted(tmp_path, "codex", [*CODEX, *[new] * (len(CODEX) // 4 + 1)])
    assert "events are unknown to the trajectory's reader (telepathy\\x1b)" in summary.warning


def test_codex_resumed_thread_continues_totals_and_restarts_item_numbers(tmp_path: Path) -> None:
    again = [CODEX[0], CODEX[1], *codex_command("item_3", "date", "today", 0), codex_turn(500, 50)]
    made, summary = converted(tmp_path, "codex", [*CODEX, ("prompt", "Go on."), *again])
    assert (summary.usage.prompt, summary.usage.completion) == (500, 50)
    ids = [call["tool_call_id"] for step in agent_steps(made) for call in step.get("tool_calls", ())]
    assert len(set(ids)) == len(ids) == 4
    other = [{"type": "thread.started", "thread_id": "b"}, codex_turn(7, 1)]
    _, summary = converted(tmp_path, "codex", [*CODEX, *other])
    assert (summary.usage.prompt, summary.usage.completion) == (307, 31)


def test_codex_tools_of_all_kinds(tmp_path: Path) -> None:
    plan = [{"text": "a", "completed": False}]
    done = [{"text": "a", "completed": True}]
    mcp = {"server": "files", "tool": "read", "arguments": {"path": "x"}}
    events = [
        codex_item("started", "1", "todo_list", items=plan),
        codex_item("updated", "1", "todo_list", items=done),
        codex_item("completed", "1", "todo_list", items=done),
        codex_item("started", "2", "mcp_tool_call", **mcp, status="in_progress"),
        codex_item("completed", "2", "mcp_tool_call", **mcp, result={"content": [{"text": "it"}]}, status="completed"),
        codex_item("completed", "3", "mcp_tool_call", **mcp, error={"message": "no such file"}, status="failed"),
        codex_item("completed", "4", "web_search", query="q", action={"type": "search"}),
        codex_item("completed", "5", "telepathy", thought="?"),
    ]
    made, summary = converted(tmp_path, "codex", events)
    called = [(call["function_name"], call["arguments"]) for s in agent_steps(made) for call in s["tool_calls"]]
    assert called == [
        ("todo_list", {"items": plan}),
        ("todo_list", {"items": done}),
        ("read", {"path": "x"}),
        ("read", {"path": "x"}),
        ("web_search", {"query": "q", "action": {"type": "search"}}),
    ]
    results = [result for s in agent_steps(made) for result in s["observation"]["results"]]
    assert [result.get("content") for result in results] == [None, None, "it", "no such file", None]
    assert summary.unknown == {"item/telepathy": 1}
    assert made["steps"][-1]["extra"]["event"]["item"]["thought"] == "?"


def test_gemini_cli(tmp_path: Path) -> None:
    made, summary = converted(tmp_path, "gemini-cli", GEMINI)
    one, two = agent_steps(made)
    assert (one["message"], commands(one)) == ("I will write.", ["echo hello", "exit 3"])
    assert contents(one) == {"c1": "hello", "c2": "it failed"}
    assert two["message"] == "All done."
    assert (summary.usage.prompt, summary.usage.completion, summary.usage.cached) == (300, 33, 40)
    assert made["agent"]["model_name"] == "gemini-2.5-pro"


def test_gemini_cli_sums_of_processes_are_added(tmp_path: Path) -> None:
    again = [GEMINI[0], {"type": "message", "role": "user", "content": "Go on.\n"}, *GEMINI[2:]]
    made, summary = converted(tmp_path, "gemini-cli", [*GEMINI, ("prompt", "Go on."), *again])
    assert summary.usage.prompt == 600
    assert [step["message"] for step in made["steps"] if step["source"] == "user"] == [PROMPT, "Go on."]


def test_opencode(tmp_path: Path) -> None:
    made, summary = converted(tmp_path, "opencode", OPENCODE)
    one, two = agent_steps(made)
    assert (one["reasoning_content"], one["message"], commands(one)) == (
        "what to do",
        "I will write.",
        ["echo hello", "exit 3"],
    )
    assert one["metrics"] == {"prompt_tokens": 150, "completion_tokens": 10, "cached_tokens": 40, "cost_usd": 0.2}
    assert one["observation"]["results"][1]["extra"] == {"exit_code": 3}
    assert (summary.usage.prompt, summary.usage.completion, summary.usage.cost) == (300, 30, 0.5)
    assert (two["message"], made["steps"][-1]["message"]) == ("All done.", "APIError: bad request")


def test_plain_output_is_split_at_pauses(tmp_path: Path) -> None:
    lines = ["one", ("stderr", "two"), "", '{"loss": 0.5}']
    made, summary = converted(tmp_path, "plain", lines)
    assert [step["message"] for step in agent_steps(made)] == ['one\ntwo\n\n{"loss": 0.5}']
    assert summary.text_lines == 4
    output = write_output(tmp_path / "slow.jsonl", lines, every=2)
    summary = convert(output, "plain", tmp_path / "slow.json", info=RecordingInfo("run", "a", "1", STARTED, PROMPT))
    assert summary.steps == 5
