"""A small agent: a chat model with one tool, `bash`. Runs inside the sandbox, with the standard library only.

    python react_loop.py --model MODEL [--effort EFFORT] [--resume] < PROMPT

The model is called at `OPENAI_BASE_URL` with the token `OPENAI_API_KEY`. The conversation is stored in `~/.react`, so
that `--resume` continues it. Exits when the model replies without calling the tool.

Does not cover: summarizing a conversation that exceeds the model's context; the outputs of the oldest commands are
truncated instead.
"""

import argparse
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HISTORY = Path.home() / ".react" / "messages.jsonl"
MAX_OUTPUT = 20_000
"""Bytes of a command's output that the model receives: half from the start, half from the end."""
DEFAULT_SECONDS = 600
CONTEXT_CHARACTERS = 400_000
"""Approximate size of a conversation above which outputs of old commands are truncated."""
TRUNCATED_CHARACTERS = 200
"""Length to which an old output is truncated."""
RETRY_SECONDS = (1, 2, 5, 10, 20, 40, 60)
"""Pauses before retries of a temporary error."""
TEMPORARY_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
REPLY_SECONDS = 1800

SYSTEM = (
    "You work alone in a Linux sandbox, through the tool `bash`. Every call starts a new shell in the same working "
    "directory; start long commands in the background and write their output to a file. Nobody can answer questions. "
    "The session ends with your first reply that does not call the tool, so reply that way only when you are done."
)
BASH = {
    "type": "function",
    "function": {
        "name": "bash",
        "description": "Run a command with bash; returns its output, standard error included, and its exit code.",
        "parameters": {
            "type": "object",
            "properties": {
                "command": {"type": "string"},
                "timeout": {"type": "number", "description": f"seconds, default {DEFAULT_SECONDS}"},
            },
            "required": ["command"],
        },
    },
}

Message = dict[str, Any]


def main() -> int:
    """Call the model and run its commands until it replies without one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--effort", default=None)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    messages = _history() if args.resume else []
    new = [] if messages else [{"role": "system", "content": SYSTEM}]
    _add(messages, *new, {"role": "user", "content": sys.stdin.read()}, rewrite=True)
    # Each process is a new thread: token counts start at 0, whereas those of one thread accumulate.
    emit({"type": "thread.started", "thread_id": str(uuid.uuid4())})
    emit({"type": "turn.started"})
    totals = {"input_tokens": 0, "cached_input_tokens": 0, "output_tokens": 0, "reasoning_output_tokens": 0}
    number = 0
    while True:
        try:
            reply = ask(args.model, args.effort, truncated(messages))
        except ModelError as error:
            emit({"type": "turn.failed", "error": {"message": str(error)}, "usage": totals})
            return 1
        add_usage(totals, reply.usage)
        message = reply.message
        _add(messages, message)
        for kind, text in (("reasoning", message.get("reasoning_content")), ("agent_message", message.get("content"))):
            if text:
                number += 1
                emit({"type": "item.completed", "item": {"id": f"item_{number}", "type": kind, "text": text}})
        calls = message.get("tool_calls") or []
        if not calls:
            emit({"type": "turn.completed", "usage": totals})
            return 0
        for call in calls:
            number += 1
            _add(
                messages, {"role": "tool", "tool_call_id": call["id"], "content": run_tool_call(call, f"item_{number}")}
            )


class ModelError(Exception):
    """The model did not answer, despite retries."""


@dataclass
class Reply:
    """A reply of the model, in the form in which the next request repeats it, and its token usage."""

    message: Message = field(default_factory=lambda: {"role": "assistant", "content": None})
    usage: dict[str, Any] = field(default_factory=dict)
    finished: bool = False

    def add(self, chunk: dict[str, Any]) -> None:
        """Add an event of the stream."""
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk.get("choices") or []:
            self.finished = self.finished or bool(choice.get("finish_reason"))
            for key, value in (choice.get("delta") or {}).items():
                if key == "tool_calls":
                    self._add_calls(value or [])
                elif isinstance(value, str) and key != "role":
                    self.message[key] = (self.message.get(key) or "") + value

    def _add_calls(self, parts: list[dict[str, Any]]) -> None:
        calls = self.message.setdefault("tool_calls", [])
        for part in parts:
            function = part.get("function") or {}
            if part.get("index", len(calls)) >= len(calls):
                calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
            call = calls[part.get("index", -1)]
            call["id"] = part.get("id") or call["id"]
            call["function"]["name"] += function.get("name") or ""
            call["function"]["arguments"] += function.get("arguments") or ""
            for key in part.keys() - {"index", "id", "type", "function"}:  # such as a provider's signature of the call
                call[key] = part[key]


def ask(model: str, effort: str | None, messages: list[Message]) -> Reply:
    """Call the model.

    Raises:
        ModelError: the model did not answer.
    """
    body: dict[str, Any] = {"model": model, "messages": messages, "tools": [BASH], "stream": True}
    body["stream_options"] = {"include_usage": True}
    if effort:
        body["reasoning_effort"] = effort
    request = urllib.request.Request(  # noqa: S310  (the gateway's own address)
        f"{os.environ['OPENAI_BASE_URL']}/chat/completions",
        data=json.dumps(body).encode(),
        headers={
            "content-type": "application/json",
            "authorization": f"Bearer {os.environ['OPENAI_API_KEY']}",
            "user-agent": "ptb-react/1",
        },
    )
    for wait in (*RETRY_SECONDS, None):
        try:
            with urllib.request.urlopen(request, timeout=REPLY_SECONDS) as response:  # noqa: S310
                reply = read(response)
            if reply.finished:
                return reply
            problem = "the answer was cut off"
        except urllib.error.HTTPError as error:
            problem = f"HTTP {error.code}: {error.read(2000).decode(errors='replace')[:500]}"
            if error.code not in TEMPORARY_STATUSES or error.headers.get("x-should-retry") == "false":
                raise ModelError(problem) from None
        except (
            OSError,
            ValueError,
            http.client.HTTPException,
        ) as error:  # the stream was cut off, or the connection failed
            problem = f"{type(error).__name__}: {error}"
        if wait is None:
            raise ModelError(problem)
        emit({"type": "error", "message": f"{problem}; trying again in {wait} s"})
        time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def read(response: Iterable[bytes]) -> Reply:
    """Read a reply from a stream of server-sent events.

    Raises:
        ValueError: an event is not a JSON object.
    """
    reply = Reply()
    for line in response:
        if line.startswith(b"data:") and (data := line[5:].strip()) != b"[DONE]":
            reply.add(json.loads(data))
    return reply


def run_tool_call(call: dict[str, Any], identity: str) -> str:
    """Run the command of a tool call and return its output for the model."""
    try:
        arguments = json.loads(call["function"]["arguments"] or "{}")
        command, seconds = str(arguments["command"]), float(arguments.get("timeout") or DEFAULT_SECONDS)
    except (ValueError, KeyError, TypeError) as error:
        return f"The call could not be read ({type(error).__name__}: {error}); the argument `command` must be a string."
    item = {"id": identity, "type": "command_execution", "command": command}
    emit({"type": "item.started", "item": {**item, "status": "in_progress"}})
    code, output = run(command, seconds)
    done = {"aggregated_output": output, "exit_code": code, "status": "completed" if code == 0 else "failed"}
    emit({"type": "item.completed", "item": {**item, **done}})
    ended = f"stopped after {seconds:g} seconds" if code is None else f"exit code {code}"
    return f"{output}\n[{ended}]"


def run(command: str, seconds: float) -> tuple[int | None, str]:
    """Run a command; return its exit code, or None if it timed out, and its output, shortened in the middle."""
    with tempfile.TemporaryFile() as file:
        process = subprocess.Popen(
            ["bash", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code: int | None
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if size <= MAX_OUTPUT:
            return code, file.read().decode(errors="replace")
        first = file.read(MAX_OUTPUT // 2).decode(errors="replace")
        file.seek(size - MAX_OUTPUT // 2)
        last = file.read().decode(errors="replace")
        return code, f"{first}\n[... {size - MAX_OUTPUT} bytes removed ...]\n{last}"


def truncated(messages: list[Message]) -> list[Message]:
    """Return the messages, with the outputs of the oldest commands truncated if the conversation is too long."""
    excess = sum(len(json.dumps(message)) for message in messages) - CONTEXT_CHARACTERS
    result = []
    for message in messages:
        content = message.get("content") or ""
        if excess > 0 and message["role"] == "tool" and len(content) > TRUNCATED_CHARACTERS:
            excess -= len(content) - TRUNCATED_CHARACTERS
            message = {
                **message,
                "content": f"{content[:TRUNCATED_CHARACTERS]}\n[the rest of this old output was removed]",
            }
        result.append(message)
    return result


def add_usage(totals: dict[str, int], usage: dict[str, Any]) -> None:
    """Add a reply's tokens to the totals."""
    totals["input_tokens"] += usage.get("prompt_tokens") or 0
    totals["output_tokens"] += usage.get("completion_tokens") or 0
    totals["cached_input_tokens"] += (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    totals["reasoning_output_tokens"] += (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0


def emit(event: dict[str, Any]) -> None:
    """Print an event."""
    print(json.dumps(event), flush=True)


def _history() -> list[Message]:
    """Return the stored conversation, with placeholders for missing tool outputs, which the API requires."""
    messages: list[Message] = []
    if HISTORY.is_file():
        with HISTORY.open() as file, contextlib.suppress(ValueError):  # only the last line can be incomplete
            for line in file:
                messages.append(json.loads(line))
    answered = {message.get("tool_call_id") for message in messages}
    complete: list[Message] = []
    for message in messages:
        complete.append(message)
        missing = [call["id"] for call in message.get("tool_calls") or [] if call["id"] not in answered]
        complete += [
            {"role": "tool", "tool_call_id": identity, "content": "[the output was lost]"} for identity in missing
        ]
    return complete


def _add(messages: list[Message], *new: Message, rewrite: bool = False) -> None:
    """Append messages to the conversation and its file; `rewrite` replaces the file by the whole conversation."""
    messages += new
    HISTORY.parent.mkdir(exist_ok=True)
    with HISTORY.open("w" if rewrite else "a") as file:
        file.writelines(json.dumps(message) + "\n" for message in (messages if rewrite else new))


if __name__ == "__main__":
    sys.exit(main())
