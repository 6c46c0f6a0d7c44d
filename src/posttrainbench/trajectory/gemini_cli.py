"""The reader for `gemini --output-format stream-json` (Gemini CLI 0.61).

Text is printed in pieces; thoughts are not printed. A turn ends with the results of its calls. Tokens are printed once,
as totals of the process. Its output tokens exclude thoughts, which are computed here from the difference to the total.
"""

from typing import Any

from msgspec import Struct
from typing_extensions import override

from posttrainbench.trajectory.atif import Result, Step, ToolCall
from posttrainbench.trajectory.events import EventDecoder
from posttrainbench.trajectory.reader import Reader, Usage


class Init(Struct, tag="init"):
    """Start of a process."""

    model: str | None = None


class Message(Struct, tag="message"):
    """A message or a piece of it."""

    role: str
    content: str


class ToolUse(Struct, tag="tool_use"):
    """A tool call."""

    tool_name: str
    tool_id: str
    parameters: dict[str, Any]


class ErrorDetail(Struct):
    """Type and message of an error."""

    type: str = ""
    message: str = ""


class ToolResult(Struct, tag="tool_result"):
    """The result of a tool call."""

    tool_id: str
    status: str = ""
    output: str | None = None
    error: ErrorDetail | None = None


class Error(Struct, tag="error"):
    """A warning or an error of the CLI."""

    message: str = ""
    severity: str = ""


class Stats(Struct):
    """Token totals of a process."""

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached: int = 0


class Final(Struct, tag="result"):
    """End of a process."""

    status: str = ""
    error: ErrorDetail | None = None
    stats: Stats | None = None


Known = Init | Message | ToolUse | ToolResult | Error | Final


class GeminiCli(Reader[Known]):
    """Reader for Gemini CLI's stream-json output."""

    decoder = EventDecoder[Known](Known)

    @override
    def on_event(self, t: float, event: Known) -> str | None:
        window = self.window()
        match event:
            case Message("assistant", content):
                if window.current and window.current.tool_calls:
                    window.end_turn()
                self.add_text(t, window, content, joint="")
            case ToolUse(name, call_id, parameters):
                if window.has_result:
                    window.end_turn()
                self.add_call(t, window, ToolCall(call_id, name, parameters))
            case ToolResult(call_id, status, output, error):
                extra = {"is_error": True} if status == "error" else None
                text = error.message if output is None and error is not None else output
                self.add_result(t, window, call_id, Result(content=text, extra=extra))
            case Message("user", content):
                if content.strip() != self.last_prompt.strip():
                    window.end_turn()
                    window.add_step(t, Step(step_id=0, source="user", message=content))
            case Message(role):
                return f"message/{role}"[:80]
            case Error(message, severity):
                self.add_system_step(t, message, extra={"severity": severity})
            case Final(_, error, stats):
                window.end_turn()
                if error is not None:
                    self.add_system_step(t, error.message, extra={"error": True})
                if stats is not None:
                    completion = max(stats.output_tokens, stats.total_tokens - stats.input_tokens)
                    self.facts.usage += Usage(stats.input_tokens, completion, stats.cached)
                    self.facts.usage_complete = True
            case Init(model):
                self.facts.model = model or self.facts.model
                self.facts.usage_complete = False
        return None
