"""A small agent: a chat model with one tool, `bash`. Runs inside the sandbox, stands alone (standard library only).

    python react_loop.py --model MODEL [--effort EFFORT] [--resume] < PROMPT

The model is asked at `OPENAI_BASE_URL` with the token `OPENAI_API_KEY`. What is said is kept in `~/.react`, so that
`--resume` goes on with it. Ends when the model answers without calling the tool.

Does not cover: summaries of a conversation that outgrows the model's context; the outputs of its oldest commands are
left out instead.
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
KEPT_OUTPUT = 20_000
"""Characters of a command's output that the model sees: the first and the last half of them."""
DEFAULT_SECONDS = 600
CONTEXT_CHARACTERS = 400_000
"""Beyond about this much, outputs of old commands are left out."""
SHORT = 200
"""Characters that stay of an output that is left out."""
WAITS = (1, 2, 5, 10, 20, 40, 60)
"""Seconds before the next try, after an error that may pass."""
PASSING = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
REPLY_SECONDS = 1800

SYSTEM = (
    "You work alone in a Linux sandbox, through the tool `bash`. Every call is a new shell in the same working "
    "directory; a command that takes long can be started in the background with its output in a file. Nobody answers "
    "questions. Your work ends with your first answer that calls no tool, so give one only when all is done."
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
                "timeout": {"type": "number", "description": f"seconds, {DEFAULT_SECONDS} if not given"},
            },
            "required": ["command"],
        },
    },
}

Message = dict[str, Any]


def main() -> int:
    """Ask, run, answer, until the model is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--effort", default=None)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    messages = _history() if args.resume else []
    new = [] if messages else [{"role": "system", "content": SYSTEM}]
    _add(messages, *new, {"role": "user", "content": sys.stdin.read()}, anew=True)
    # One of its own for every process, since the sums of each begin at 0: those of one thread would count on.
    tell({"type": "thread.started", "thread_id": str(uuid.uuid4())})
    tell({"type": "turn.started"})
    used = {"input_tokens": 0, "cached_input_tokens": 0, "output_tokens": 0, "reasoning_output_tokens": 0}
    number = 0
    while True:
        try:
            reply = ask(args.model, args.effort, fitted(messages))
        except ModelError as error:
            tell({"type": "turn.failed", "error": {"message": str(error)}, "usage": used})
            return 1
        count(used, reply.usage)
        message = reply.message
        _add(messages, message)
        for kind, text in (("reasoning", message.get("reasoning_content")), ("agent_message", message.get("content"))):
            if text:
                number += 1
                tell({"type": "item.completed", "item": {"id": f"item_{number}", "type": kind, "text": text}})
        calls = message.get("tool_calls") or []
        if not calls:
            tell({"type": "turn.completed", "usage": used})
            return 0
        for call in calls:
            number += 1
            _add(messages, {"role": "tool", "tool_call_id": call["id"], "content": carry_out(call, f"item_{number}")})


class ModelError(Exception):
    """The model cannot be asked, however often one tries."""


@dataclass
class Reply:
    """What the model said, as it is given back to it with the next request, and what that took."""

    message: Message = field(default_factory=lambda: {"role": "assistant", "content": None})
    usage: dict[str, Any] = field(default_factory=dict)
    finished: bool = False

    def add(self, chunk: dict[str, Any]) -> None:
        """One event of the stream."""
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
            for key in part.keys() - {"index", "id", "type", "function"}:  # such as a provider's signature
                call[key] = part[key]


def ask(model: str, effort: str | None, messages: list[Message]) -> Reply:
    """One reply of the model.

    Raises:
        ModelError: there is none.
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
    for wait in (*WAITS, None):
        try:
            with urllib.request.urlopen(request, timeout=REPLY_SECONDS) as response:  # noqa: S310
                reply = read(response)
            if reply.finished:
                return reply
            problem = "the answer was cut off"
        except urllib.error.HTTPError as error:
            problem = f"HTTP {error.code}: {error.read(2000).decode(errors='replace')[:500]}"
            if error.code not in PASSING or error.headers.get("x-should-retry") == "false":
                raise ModelError(problem) from None
        except (OSError, ValueError, http.client.HTTPException) as error:  # cut off in the middle, or no connection
            problem = f"{type(error).__name__}: {error}"
        if wait is None:
            raise ModelError(problem)
        tell({"type": "error", "message": f"{problem}; trying again in {wait} s"})
        time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def read(response: Iterable[bytes]) -> Reply:
    """The reply out of a stream of server-sent events.

    Raises:
        ValueError: an event is no JSON object.
    """
    reply = Reply()
    for line in response:
        if line.startswith(b"data:") and (data := line[5:].strip()) != b"[DONE]":
            reply.add(json.loads(data))
    return reply


def carry_out(call: dict[str, Any], identity: str) -> str:
    """Run what a tool call asks for; what the model is told of it."""
    try:
        arguments = json.loads(call["function"]["arguments"] or "{}")
        command, seconds = str(arguments["command"]), float(arguments.get("timeout") or DEFAULT_SECONDS)
    except (ValueError, KeyError, TypeError) as error:
        return f"The call could not be read ({type(error).__name__}: {error}); give `command`, a text."
    item = {"id": identity, "type": "command_execution", "command": command}
    tell({"type": "item.started", "item": {**item, "status": "in_progress"}})
    code, output = run(command, seconds)
    done = {"aggregated_output": output, "exit_code": code, "status": "completed" if code == 0 else "failed"}
    tell({"type": "item.completed", "item": {**item, **done}})
    ended = f"stopped after {seconds:g} seconds" if code is None else f"exit code {code}"
    return f"{output}\n[{ended}]"


def run(command: str, seconds: float) -> tuple[int | None, str]:
    """(exit code, or None when the time was up; the output, shortened in its middle)."""
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
        if size <= KEPT_OUTPUT:
            return code, file.read().decode(errors="replace")
        first = file.read(KEPT_OUTPUT // 2).decode(errors="replace")
        file.seek(size - KEPT_OUTPUT // 2)
        last = file.read().decode(errors="replace")
        return code, f"{first}\n[... {size - KEPT_OUTPUT} bytes left out ...]\n{last}"


def fitted(messages: list[Message]) -> list[Message]:
    """The messages, the outputs of the oldest commands left out where it would be too much."""
    excess = sum(len(json.dumps(message)) for message in messages) - CONTEXT_CHARACTERS
    kept = []
    for message in messages:
        content = message.get("content") or ""
        if excess > 0 and message["role"] == "tool" and len(content) > SHORT:
            excess -= len(content) - SHORT
            message = {**message, "content": f"{content[:SHORT]}\n[the rest of this old output is left out]"}
        kept.append(message)
    return kept


def count(used: dict[str, int], usage: dict[str, Any]) -> None:
    """Add a reply's tokens."""
    used["input_tokens"] += usage.get("prompt_tokens") or 0
    used["output_tokens"] += usage.get("completion_tokens") or 0
    used["cached_input_tokens"] += (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    used["reasoning_output_tokens"] += (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0


def tell(event: dict[str, Any]) -> None:
    """Print an event."""
    print(json.dumps(event), flush=True)


def _history() -> list[Message]:
    """What was said before. A call whose output a sudden end has lost gets one, since the API wants one."""
    messages: list[Message] = []
    if HISTORY.is_file():
        with HISTORY.open() as file, contextlib.suppress(ValueError):  # a line that was torn is the last
            for line in file:
                messages.append(json.loads(line))
    answered = {message.get("tool_call_id") for message in messages}
    whole: list[Message] = []
    for message in messages:
        whole.append(message)
        lost = [call["id"] for call in message.get("tool_calls") or [] if call["id"] not in answered]
        whole += [
            {"role": "tool", "tool_call_id": identity, "content": "[no output is left of it]"} for identity in lost
        ]
    return whole


def _add(messages: list[Message], *new: Message, anew: bool = False) -> None:
    """Add to the conversation and to its file; `anew`: write the file whole."""
    messages += new
    HISTORY.parent.mkdir(exist_ok=True)
    with HISTORY.open("w" if anew else "a") as file:
        file.writelines(json.dumps(message) + "\n" for message in (messages if anew else new))


if __name__ == "__main__":
    sys.exit(main())
