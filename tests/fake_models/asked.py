"""What a request asks for, whatever the protocol."""

from dataclasses import dataclass, field
from typing import Any

from fake_models.scenario import Call, Say, Shell

SHELLS = ("Bash", "bash", "run_shell_command", "exec_command", "shell_command", "shell")


@dataclass(frozen=True)
class Asked:
    """A request.

    Attributes:
        said: what the user's side says, in order; results of tools are not among it.
        tools: name -> JSON schema of its arguments.
        size: characters of the request.
        system: the instructions; read from chat completions alone.
        results: what tools answered so far, in order; read from chat completions alone.
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
    """The usage that is reported."""

    prompt: int
    cached: int
    reasoning: int
    answer: int


@dataclass(frozen=True)
class Reply:
    """An answer made ready for a request: tools by their real names, and the tokens that it costs."""

    turn: Say
    asked: Asked
    identity: str
    tokens: Tokens
    calls: list[Call] = field(default_factory=list)

    def pieces(self, text: str) -> list[str]:
        """A text in the pieces in which it is streamed."""
        return [text[start : start + self.turn.piece] for start in range(0, len(text), self.turn.piece)]


def reply(turn: Say, asked: Asked, identity: str) -> Reply:
    """Make an answer ready."""
    calls = [_shell(call, asked) if isinstance(call, Shell) else call for call in turn.calls]
    written = len(turn.text) + sum(len(str(call.arguments)) for call in calls)
    prompt = max(asked.size // 4, turn.cached)
    tokens = Tokens(prompt, turn.cached, len(turn.reasoning) // 4, max(written // 4, 1))
    return Reply(turn, asked, identity, tokens, calls)


def _shell(call: Shell, asked: Asked) -> Call:
    name = next((name for name in SHELLS if name in asked.tools), None)
    if name is None:
        raise LookupError(f"no shell among the tools {sorted(asked.tools)}")
    schema = asked.tools[name]
    properties = schema.get("properties", {})
    key = "cmd" if "cmd" in properties else "command"
    is_list = properties.get(key, {}).get("type") == "array"
    arguments: dict[str, Any] = {key: ["bash", "-lc", call.command] if is_list else call.command}
    if "description" in properties:
        arguments["description"] = "Run a command"
    if "yield_time_ms" in properties:  # else codex would let its model go on while a command still runs
        arguments["yield_time_ms"] = 30_000
    return Call(name, arguments)
