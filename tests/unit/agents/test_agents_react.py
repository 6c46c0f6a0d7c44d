"""The small agent's loop: streams put together, commands run, a conversation kept and resumed."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.agents import react_loop
from posttrainbench.agents.react_loop import Reply, read, run, truncated
from support import eventually, marked


def event(**delta: Any) -> bytes:
    finish = delta.pop("finish", None)
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).encode() + b"\n"


def call(index: int, arguments: str, **more: Any) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": arguments, **more.pop("function", {})}, **more}


def test_a_stream_is_put_together() -> None:
    reply = read(
        [
            event(role="assistant", content=""),
            b"\n",
            b": a comment\n",
            event(reasoning_content="Hm."),
            event(content="I lo"),
            event(content="ok."),
            event(tool_calls=[call(0, "", id="a", type="function", function={"name": "bash"})]),
            event(tool_calls=[call(0, '{"comm')]),
            event(tool_calls=[call(0, 'and": "ls"}'), call(1, "{}", id="b", function={"name": "bash"})]),
            event(finish="tool_calls"),
            b'data: {"choices": [], "usage": {"prompt_tokens": 7}}\n',
            b"data: [DONE]\n",
        ]
    )
    assert reply.finished
    assert reply.usage == {"prompt_tokens": 7}
    assert reply.message == {
        "role": "assistant",
        "content": "I look.",
        "reasoning_content": "Hm.",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}},
            {"id": "b", "type": "function", "function": {"name": "bash", "arguments": "{}"}},
        ],
    }


def test_a_stream_that_ends_early_is_not_finished() -> None:
    assert not read([event(content="Words that break")]).finished


def test_a_providers_own_fields_of_a_call_are_given_back() -> None:
    reply = Reply()
    reply.add({"choices": [{"delta": {"tool_calls": [call(0, "{}", id="a", extra_content={"signature": "x"})]}}]})
    assert reply.message["tool_calls"][0]["extra_content"] == {"signature": "x"}


def test_commands_are_run_and_long_outputs_shortened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("echo out; echo err >&2; exit 3", 60) == (3, "out\nerr\n")
    monkeypatch.setattr(react_loop, "MAX_OUTPUT", 20)
    code, output = run("printf '%s' 0123456789abcdefghijklmnopqrstuvwxyz", 60)
    assert (code, output) == (0, "0123456789\n[... 16 bytes removed ...]\nqrstuvwxyz")


def test_a_command_that_times_out_is_killed_with_its_children() -> None:
    marker = f"600.{secrets.randbelow(10**12):012}"  # in the arguments of both processes: process ids are reused
    code, output = run(f"sleep {marker} & kill -0 $! && echo running; sleep {marker}", 0.3)
    assert (code, output) == (None, "running\n")
    eventually(lambda: not marked(marker))


def test_a_call_that_cannot_be_read_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ("{", "[]", '{"cmd": "ls"}', '{"command": "ls", "timeout": "soon"}'):
        told = react_loop.run_tool_call({"id": "a", "function": {"name": "bash", "arguments": arguments}}, "item_1")
        assert told.startswith("The call could not be read")
    assert capsys.readouterr().out == ""


def test_the_oldest_outputs_are_left_out_when_it_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(react_loop, "CONTEXT_CHARACTERS", 3000)
    messages = [
        {"role": "system", "content": "s" * 500},
        {"role": "tool", "tool_call_id": "a", "content": "1" * 1500},
        {"role": "tool", "tool_call_id": "b", "content": "2" * 1500},
    ]
    first, second, third = truncated(messages)
    assert first == messages[0]
    assert second["content"] == "1" * react_loop.TRUNCATED_CHARACTERS + "\n[the rest of this old output was removed]"
    assert third == messages[2]
    assert messages[1]["content"] == "1" * 1500  # what is kept is whole


def test_a_conversation_is_resumed_without_what_a_sudden_end_tore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = tmp_path / "messages.jsonl"
    monkeypatch.setattr(react_loop, "HISTORY", history)
    said = {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}, {"id": "b"}]}
    answer = {"role": "tool", "tool_call_id": "a", "content": "done"}
    history.write_text(f'{json.dumps(said)}\n{json.dumps(answer)}\n{{"role": "tool", "tool_ca')
    lost = {"role": "tool", "tool_call_id": "b", "content": "[the output was lost]"}
    assert react_loop._history() == [said, lost, answer]
