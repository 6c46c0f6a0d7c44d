"""A request in a form that is independent of the API, and the reply to it."""

from dataclasses import dataclass, field
from typing import Any

from fake_models.scenario import Call, Say, Shell

SHELLS = ("Bash", "bash", "run_shell_command", "exec_command", "shell_command", "shell")


@dataclass(frozen=True)
class ParsedRequest:
    """A request.

    Attributes:
        said: texts of the user, in order, without results of tools.
        tools: name -> JSON schema of its arguments.
        size: characters of the request.
        system: the system prompt; set for Chat Completions only.
        results: results of tools so far, in order; set for Chat Completions only.
    """

    model: str
    stream: bool
    said: list[str]
    tools: dict[str, dict[str, Any]]
    size: int
    chunk_usage: bool = True
    system: str = ""
    results: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tokens:
    """The reported usage."""

    prompt: int
    cached: int
    reasoning: int
    answer: int


@dataclass(frozen=True)
class Reply:
    """A reply to a request, with the agent's own names of tools and the token usage."""

    turn: Say
    request: ParsedRequest
    identity: str
    tokens: Tokens
    calls: list[Call] = field(default_factory=list)

    def pieces(self, text: str) -> list[str]:
        """Split a text into the chunks in which it is streamed."""
        return [text[start : start + self.turn.piece] for start in range(0, len(text), self.turn.piece)]


def reply(turn: Say, request: ParsedRequest, identity: str) -> Reply:
    """Return the reply to a request."""
    calls = [_shell(call, request) if isinstance(call, Shell) else call for call in turn.calls]
    written = len(turn.text) + sum(len(str(call.arguments)) for call in calls)
    prompt = max(request.size // 4, turn.cached)
    tokens = Tokens(prompt, turn.cached, len(turn.reasoning) // 4, max(written // 4, 1))
    return Reply(turn, request, identity, tokens, calls)


def _shell(call: Shell, request: ParsedRequest) -> Call:
    name = next((name for name in SHELLS if name in request.tools), None)
    if name is None:
        raise LookupError(f"no shell among the tools {sorted(request.tools)}")
    schema = request.tools[name]
    properties = schema.get("properties", {})
    key = "cmd" if "cmd" in properties else "command"
    is_list = properties.get(key, {}).get("type") == "array"
    arguments: dict[str, Any] = {key: ["bash", "-lc", call.command] if is_list else call.command}
    if "description" in properties:
        arguments["description"] = "Run a command"
    if "yield_time_ms" in properties:  # otherwise codex returns to its model while a command is still running
        arguments["yield_time_ms"] = 30_000
    return Call(name, arguments)
