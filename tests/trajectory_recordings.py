"""Recordings of agents, as lists of the events that each CLI prints, and a validator for ATIF trajectories."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema

from posttrainbench import trajectory
from posttrainbench.records import AgentSpec, RunSpec
from posttrainbench.trajectory import RecordingInfo, Summary, convert

Event = dict[str, Any]
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PROMPT = "Post-train the model."
SCHEMA = json.loads(Path(trajectory.__file__).with_name("atif-1.7.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def claude_block(message: str, block: Event, parent: str | None = None, tokens: int = 100) -> Event:
    usage = {"input_tokens": tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 40}
    whole = {"id": message, "role": "assistant", "model": "claude-opus-4-5", "content": [block], "stop_reason": None}
    return {
        "type": "assistant",
        "message": whole | {"usage": usage | {"output_tokens": 1}},
        "parent_tool_use_id": parent,
        "session_id": "s",
    }


def claude_result(call: str, content: Any, parent: str | None = None, is_error: bool = False) -> Event:
    block = {"tool_use_id": call, "type": "tool_result", "content": content, "is_error": is_error}
    return {"type": "user", "message": {"role": "user", "content": [block]}, "parent_tool_use_id": parent}


def claude_call(message: str, call: str, command: str, parent: str | None = None) -> Event:
    block = {"type": "tool_use", "id": call, "name": "Bash", "input": {"command": command, "timeout": None}}
    return claude_block(message, block, parent)


def claude_final(prompt: int, written: int, cost: float) -> Event:
    used = {"inputTokens": prompt, "outputTokens": written, "cacheReadInputTokens": 40, "cacheCreationInputTokens": 5}
    return {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": "All done.",
        "total_cost_usd": cost,
        "modelUsage": {"claude-opus-4-5": used},
    }


CLAUDE_INIT = {
    "type": "system",
    "subtype": "init",
    "model": "claude-opus-4-5",
    "claude_code_version": "2.1.197",
    "tools": ["Bash"],
}

CLAUDE: list[Event] = [
    CLAUDE_INIT,
    {"type": "system", "subtype": "thinking_tokens", "estimated_tokens": 3},
    claude_block("m1", {"type": "thinking", "thinking": "what to do", "signature": "x"}),
    claude_block("m1", {"type": "text", "text": "I will write."}),
    claude_call("m1", "t1", "echo hello"),
    claude_result("t1", "hello"),
    claude_block("m2", {"type": "text", "text": "Both at once."}),
    claude_call("m2", "t2", "true"),
    claude_call("m2", "t3", "exit 3"),
    claude_result("t3", "Exit code 3", is_error=True),
    claude_result("t2", "(no output)"),
    {"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 10, "error_status": 429, "error": "limit"},
    claude_block("m3", {"type": "text", "text": "All done."}),
    claude_final(300, 30, 0.5),
]

CLAUDE_SUBAGENT: list[Event] = [
    CLAUDE_INIT,
    claude_block("m1", {"type": "tool_use", "id": "t1", "name": "Task", "input": {"description": "look"}}),
    {
        "type": "system",
        "subtype": "task_started",
        "tool_use_id": "t1",
        "description": "look",
        "subagent_type": "general-purpose",
    },
    {
        "type": "user",
        "message": {"role": "user", "content": [{"type": "text", "text": "look around"}]},
        "parent_tool_use_id": "t1",
    },
    claude_call("m2", "t2", "ls", parent="t1"),
    claude_call("m9", "t9", "date"),
    claude_result("t2", "files", parent="t1"),
    claude_result("t9", "today"),
    claude_result("t1", [{"type": "text", "text": "report"}, {"type": "text", "text": "end"}]),
    claude_block("m3", {"type": "text", "text": "Done."}),
    claude_final(300, 30, 0.5),
]


def codex_item(event: str, identity: str, kind: str, **fields: Any) -> Event:
    return {"type": f"item.{event}", "item": {"id": identity, "type": kind, **fields}}


def codex_command(identity: str, command: str, output: str, code: int) -> list[Event]:
    kind, status = "command_execution", "completed" if code == 0 else "failed"
    begun = {"command": command, "aggregated_output": "", "exit_code": None, "status": "in_progress"}
    ended = {"command": command, "aggregated_output": output, "exit_code": code, "status": status}
    return [codex_item("started", identity, kind, **begun), codex_item("completed", identity, kind, **ended)]


def codex_turn(prompt: int, written: int) -> Event:
    return {
        "type": "turn.completed",
        "usage": {"input_tokens": prompt, "cached_input_tokens": 40, "output_tokens": written},
    }


CODEX: list[Event] = [
    {"type": "thread.started", "thread_id": "a"},
    {"type": "turn.started"},
    codex_item("completed", "item_1", "reasoning", text="what to do"),
    codex_item("completed", "item_2", "agent_message", text="I will write."),
    *codex_command("item_3", "echo hello", "hello\n", 0),
    *codex_command("item_4", "exit 3", "", 3),
    codex_item("completed", "item_5", "file_change", changes=[{"path": "x", "kind": "add"}], status="completed"),
    {"type": "error", "message": "Reconnecting... 1/5"},
    codex_item("completed", "item_6", "agent_message", text="All done."),
    codex_turn(300, 30),
]

GEMINI: list[Event] = [
    {"type": "init", "session_id": "s", "model": "gemini-2.5-pro"},
    {"type": "message", "role": "user", "content": PROMPT},
    {"type": "message", "role": "assistant", "content": "I will ", "delta": True},
    {"type": "message", "role": "assistant", "content": "write.", "delta": True},
    {"type": "tool_use", "tool_name": "run_shell_command", "tool_id": "c1", "parameters": {"command": "echo hello"}},
    {"type": "tool_use", "tool_name": "run_shell_command", "tool_id": "c2", "parameters": {"command": "exit 3"}},
    {"type": "tool_result", "tool_id": "c1", "status": "success", "output": "hello"},
    {"type": "tool_result", "tool_id": "c2", "status": "error", "error": {"type": "x", "message": "it failed"}},
    {"type": "message", "role": "assistant", "content": "All done.", "delta": True},
    {
        "type": "result",
        "status": "success",
        "stats": {"total_tokens": 333, "input_tokens": 300, "output_tokens": 30, "cached": 40},
    },
]


def opencode_event(kind: str, **part: Any) -> Event:
    return {"type": kind, "timestamp": 1795263028444, "sessionID": "s", "part": {"messageID": "m", **part}}


def opencode_tool(call: str, command: str, output: str, code: int) -> Event:
    state = {"status": "completed", "input": {"command": command}, "output": output, "metadata": {"exit": code}}
    return opencode_event("tool_use", tool="bash", callID=call, state=state)


def opencode_finish(prompt: int, written: int, cost: float) -> Event:
    tokens = {"total": 0, "input": prompt, "output": written, "reasoning": 2, "cache": {"write": 10, "read": 40}}
    return opencode_event("step_finish", reason="tool-calls", tokens=tokens, cost=cost)


OPENCODE: list[Event] = [
    opencode_event("step_start"),
    opencode_event("reasoning", text="what to do"),
    opencode_event("text", text="I will write."),
    opencode_tool("c1", "echo hello", "hello\n", 0),
    opencode_tool("c2", "exit 3", "", 3),
    opencode_finish(100, 8, 0.2),
    opencode_event("step_start"),
    opencode_event("text", text="All done."),
    opencode_finish(100, 18, 0.3),
    {"type": "error", "sessionID": "s", "error": {"name": "APIError", "data": {"message": "bad request"}}},
]

RECORDINGS: dict[str, tuple[str, list[Event]]] = {
    "claude-code": ("claude-code", CLAUDE),
    "claude-code with a subagent": ("claude-code", CLAUDE_SUBAGENT),
    "codex": ("codex", CODEX),
    "gemini-cli": ("gemini-cli", GEMINI),
    "opencode": ("opencode", OPENCODE),
}
"""Name -> format and events."""


def write_output(path: Path, lines: Iterable[str | Event | tuple[str, str]], every: float = 0.5) -> Path:
    """Write an `output.jsonl` of events and lines of standard output, or (stream, line), one `every` seconds."""
    with path.open("w") as file:
        for number, line in enumerate(lines):
            stream, text = line if isinstance(line, tuple) else ("stdout", line)
            text = text if isinstance(text, str) else json.dumps(text)
            entry = {"t": round(number * every, 3), "stream": stream, "line": text}
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
    return path


def converted(
    folder: Path, format: str, lines: Sequence[str | Event | tuple[str, str]]
) -> tuple[dict[str, Any], Summary]:
    """Convert lines to a trajectory, assert that it is valid ATIF, and return it."""
    output = write_output(folder / "output.jsonl", lines)
    summary = convert(
        output, format, folder / "trajectory.json", info=RecordingInfo("run", "agent", "1.0", STARTED, PROMPT)
    )
    made = json.loads((folder / "trajectory.json").read_text())
    assert problems(made) == []
    return made, summary


def problems(made: dict[str, Any]) -> list[str]:
    """Return the violations of ATIF 1.7: of the schema, and of the rules that a schema cannot express."""
    found = [error.message[:300] for error in VALIDATOR.iter_errors(made)]
    if found:
        return found
    embedded = made.get("subagent_trajectories", [])
    names = [one["trajectory_id"] for one in embedded]
    if len(set(names)) != len(names):
        found.append("subagents share an id")
    for one in [made, *embedded]:
        if [step["step_id"] for step in one["steps"]] != list(range(1, len(one["steps"]) + 1)):
            found.append("step ids have gaps")
        for step in one["steps"]:
            datetime.fromisoformat(step.get("timestamp", "2026-01-01"))
            calls = {call["tool_call_id"] for call in step.get("tool_calls", ())}
            for result in step.get("observation", {"results": []})["results"]:
                if result.get("source_call_id", next(iter(calls), None)) not in calls | {None}:
                    found.append(f"step {step['step_id']} has a result of a call of another step")
                for ref in result.get("subagent_trajectory_ref", ()):
                    if ref.get("trajectory_id") not in names:
                        found.append(f"step {step['step_id']} refers to a missing subagent")
    return found


def make_recorded_run(root: Path, lines: Iterable[str | Event | tuple[str, str]], folder: str = "solve") -> Path:
    """Create the run directory of an agent that has printed these lines."""
    spec = RunSpec(
        run="run",
        created=STARTED.isoformat(),
        agent=AgentSpec(name="agent", scaffold="recipe"),
        **dict.fromkeys(("model", "benchmark", "suite", "rules", "sandbox", "engine", "grader"), "x"),
        **dict.fromkeys(("prompt_sha256", "kit_sha256", "model_sha256"), "x"),
        budget=60,
        seed=0,
        versions={},
        host={},
    )
    (root / folder).mkdir(parents=True)
    (root / "run.json").write_text(spec.model_dump_json())
    (root / folder / "prompt.md").write_text(PROMPT)
    write_output(root / folder / "output.jsonl", lines)
    return root
