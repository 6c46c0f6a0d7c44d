"""The reader for `opencode run --format json` (OpenCode 1.18).

Every turn of the model is a step with its tokens and cost. A call is printed once, with its result. The activity of
subagents is not printed; the result's `extra` contains the subagent's session id.
"""

from typing import Any

from msgspec import Struct, field
from typing_extensions import override

from posttrainbench.trajectory.atif import Metrics, Result, Step, ToolCall
from posttrainbench.trajectory.events import EventDecoder
from posttrainbench.trajectory.reader import Reader
from posttrainbench.trajectory.values import content_text


class StartPart(Struct):
    """Message id of a turn."""

    messageID: str = ""  # noqa: N815


class StepStart(Struct, tag="step_start"):
    """Start of a turn."""

    part: StartPart


class TextPart(Struct):
    """Text of a turn."""

    text: str
    messageID: str = ""  # noqa: N815


class Text(Struct, tag="text"):
    """A message of the model."""

    part: TextPart


class Reasoning(Struct, tag="reasoning"):
    """A thought of the model; printed with `--thinking`."""

    part: TextPart


class ToolState(Struct):
    """State of a tool call."""

    status: str = ""
    input: dict[str, Any] = field(default_factory=dict)
    output: Any = None
    error: Any = None
    metadata: dict[str, Any] | None = None


class ToolPart(Struct):
    """A tool call."""

    tool: str
    callID: str  # noqa: N815
    state: ToolState


class ToolUse(Struct, tag="tool_use"):
    """Event with a tool call and its result."""

    part: ToolPart


class Cache(Struct):
    """Prompt tokens written to and read from the provider's cache."""

    write: int = 0
    read: int = 0


class Tokens(Struct):
    """Tokens of a turn; the counts do not overlap."""

    input: int = 0
    output: int = 0
    reasoning: int = 0
    cache: Cache = field(default_factory=Cache)


class FinishPart(Struct):
    """Usage of a turn."""

    tokens: Tokens | None = None
    cost: float | None = None


class StepFinish(Struct, tag="step_finish"):
    """End of a turn."""

    part: FinishPart


class Error(Struct, tag="error"):
    """An error, such as one of the model's provider."""

    error: Any = None


Known = StepStart | Text | Reasoning | ToolUse | StepFinish | Error


class OpenCode(Reader[Known]):
    """Reader for OpenCode's JSON output."""

    decoder = EventDecoder[Known](Known)

    @override
    def on_event(self, t: float, event: Known) -> str | None:
        window = self.window()
        match event:
            case Text(part):
                self.add_text(t, window, part.text)
            case Reasoning(part):
                self.add_reasoning(t, window, part.text)
            case ToolUse(part):
                self._tool(t, part)
            case StepStart():
                window.begin_turn(t, Step(step_id=0, source="agent", message=""))
            case StepFinish(part):
                if window.current is not None:
                    window.current.metrics = _metrics(part)
                window.end_turn()
            case Error(error):
                self.add_system_step(t, _message(error), extra={"error": True})
        return None

    def _tool(self, t: float, part: ToolPart) -> None:
        window, state = self.window(), part.state
        if not window.is_waiting_for(part.callID):
            self.add_call(t, window, ToolCall(part.callID, part.tool, state.input))
        if state.status not in ("completed", "error"):
            return
        extra: dict[str, Any] = {}
        metadata = state.metadata or {}
        if isinstance(code := metadata.get("exit"), int):
            extra["exit_code"] = code
        if isinstance(session := metadata.get("sessionId"), str):
            extra["session_id"] = session
        if state.status == "error":
            extra["is_error"] = True
        content = content_text(state.output if state.status == "completed" else state.error)
        self.add_result(t, window, part.callID, Result(content=content, extra=extra or None))


def _metrics(part: FinishPart) -> Metrics:
    if (tokens := part.tokens) is None:
        return Metrics(cost_usd=part.cost)
    return Metrics(
        prompt_tokens=tokens.input + tokens.cache.read + tokens.cache.write,
        completion_tokens=tokens.output + tokens.reasoning,
        cached_tokens=tokens.cache.read,
        cost_usd=part.cost,
    )


def _message(error: Any) -> str:
    if isinstance(error, dict):
        data = error.get("data")
        if isinstance(data, dict) and isinstance(message := data.get("message"), str):
            return f"{error.get('name')}: {message}"
    return content_text(error) or "error"
