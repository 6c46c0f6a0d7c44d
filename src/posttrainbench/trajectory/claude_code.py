"""The reader for `claude --print --verbose --output-format stream-json` (Claude Code 2.1).

The CLI prints a model message block by block; blocks with the same message id form one turn. Messages of subagents
contain the id of the call that started them, and become embedded trajectories. A block's usage is as of the start of
its message: its prompt tokens are correct, but its completion tokens are not; only the final totals have these.
"""

from typing import Any

from msgspec import Struct, field
from typing_extensions import override

from posttrainbench.trajectory.atif import Metrics, Result, Step, ToolCall
from posttrainbench.trajectory.events import EventDecoder
from posttrainbench.trajectory.reader import Reader, Usage
from posttrainbench.trajectory.values import content_text
from posttrainbench.trajectory.window import Window

PROGRESS_EVENTS = {"thinking_tokens", "task_progress", "task_updated", "status", "hook_started", "hook_progress"}
"""Subtypes of `system` events that report progress; the outcome is printed in another event."""


class System(Struct, tag="system"):
    """A message of the CLI; contains the fields of all subtypes that are read."""

    subtype: str
    model: str | None = None
    claude_code_version: str | None = None
    tool_use_id: str | None = None
    description: str | None = None
    subagent_type: str | None = None
    status: Any = None
    summary: str | None = None
    attempt: int | None = None
    max_retries: int | None = None
    error: Any = None
    error_status: Any = None


class Block(Struct):
    """A content block; contains the fields of all types."""

    type: str
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: Any = None
    tool_use_id: str = ""
    content: Any = None
    is_error: bool | None = None


class Tokens(Struct):
    """Usage as in Anthropic's API: the three input counts add up to the prompt tokens."""

    input_tokens: int = 0
    cache_creation_input_tokens: int | None = 0
    cache_read_input_tokens: int | None = 0
    output_tokens: int = 0


class ModelMessage(Struct):
    """A part of a model message."""

    id: str
    content: list[Block]
    model: str | None = None
    stop_reason: str | None = None
    usage: Tokens | None = None


class Assistant(Struct, tag="assistant"):
    """Output of the model."""

    message: ModelMessage
    parent_tool_use_id: str | None = None


class UserMessage(Struct):
    """Content of a `User` event: tool results and prompts."""

    content: str | list[Block]


class User(Struct, tag="user"):
    """Input of the model."""

    message: UserMessage
    parent_tool_use_id: str | None = None


class ModelUsage(Struct):
    """Totals of one model since the process started, including subagents."""

    inputTokens: int = 0  # noqa: N815
    outputTokens: int = 0  # noqa: N815
    cacheReadInputTokens: int = 0  # noqa: N815
    cacheCreationInputTokens: int = 0  # noqa: N815


class Final(Struct, tag="result"):
    """End of a turn, with totals since the process started; a process can print several."""

    subtype: str = ""
    is_error: bool = False
    result: Any = None
    errors: Any = None
    total_cost_usd: float | None = None
    modelUsage: dict[str, ModelUsage] = field(default_factory=dict)  # noqa: N815


class ToolProgress(Struct, tag="tool_progress"):
    """A tool is still running; the result is printed in another event."""


class RateLimit(Struct, tag="rate_limit_event"):
    """State of the account's rate limits; printed when it changes."""

    rate_limit_info: Any = None


Known = System | Assistant | User | Final | ToolProgress | RateLimit


class ClaudeCode(Reader[Known]):
    """Reader for Claude Code's stream-json output."""

    decoder = EventDecoder[Known](Known)

    def __init__(self, prompt: str = "", text_limit: int | None = None) -> None:
        super().__init__(prompt, text_limit)
        self._messages: dict[str, str] = {}  # thread -> message id of its current turn
        self._process = Usage()

    @override
    def on_event(self, t: float, event: Known) -> str | None:
        match event:
            case Assistant(message, parent):
                return self._assistant(t, message, self.window(parent or ""))
            case User(message, parent):
                return self._user(t, message.content, self.window(parent or ""))
            case System():
                return self._system(t, event)
            case Final():
                self._final(t, event)
            case RateLimit(info):
                self._rate_limit(t, info)
            case ToolProgress():
                pass
        return None

    @override
    def on_prompt(self) -> None:
        self.facts.usage += self._process
        self._process = Usage()

    @override
    def on_end(self) -> None:
        self.on_prompt()

    def _assistant(self, t: float, message: ModelMessage, window: Window) -> str | None:
        if message.model == "<synthetic>":
            text = "\n".join(block.text for block in message.content)
            window.add_step(t, Step(step_id=0, source="system", message=text, extra={"error": True}))
            return None
        if window.current is None or self._messages.get(window.thread) != message.id:
            self._begin(t, message, window)
        unknown = None
        for block in message.content:
            if block.type == "text":
                self.add_text(t, window, block.text)
            elif block.type == "thinking":
                self.add_reasoning(t, window, block.thinking)
            elif block.type in ("tool_use", "server_tool_use"):
                arguments = block.input if isinstance(block.input, dict) else {"input": block.input}
                self.add_call(t, window, ToolCall(block.id, block.name, arguments))
            elif block.type.endswith("_tool_result"):
                self.add_result(t, window, block.tool_use_id, Result(content=content_text(block.content)))
            elif block.type != "redacted_thinking":
                unknown = f"assistant/{block.type}"[:80]
        if window.current is not None and message.usage is not None:
            window.current.metrics = _metrics(message)
        return unknown

    def _begin(self, t: float, message: ModelMessage, window: Window) -> None:
        self._messages[window.thread] = message.id
        self.facts.usage_complete = False
        self.facts.model = self.facts.model or message.model
        other = message.model if message.model != self.facts.model else None
        window.begin_turn(t, Step(step_id=0, source="agent", message="", model_name=other))

    def _user(self, t: float, content: str | list[Block], window: Window) -> str | None:
        unknown = None
        texts = [content] if isinstance(content, str) else []
        for block in content if isinstance(content, list) else []:
            if block.type == "tool_result":
                extra = {"is_error": True} if block.is_error else None
                self.add_result(t, window, block.tool_use_id, Result(content=content_text(block.content), extra=extra))
            elif block.type == "text":
                texts.append(block.text)
            else:
                unknown = f"user/{block.type}"[:80]
        if texts:
            window.add_step(t, Step(step_id=0, source="user", message="\n".join(texts)))
        return unknown

    def _system(self, t: float, event: System) -> str | None:
        kind = event.subtype
        if kind == "init":
            self.facts.model = event.model or self.facts.model
            self.facts.version = event.claude_code_version or self.facts.version
        elif kind == "task_started":
            if event.tool_use_id and event.subagent_type:
                about = {"type": event.subagent_type, "description": event.description}
                self.facts.subagents[self.window(event.tool_use_id).thread] = about
        elif kind == "task_notification":
            self.add_system_step(t, f"task {event.status}: {event.summary}", extra={"call_id": event.tool_use_id})
        elif kind == "api_retry":
            reason = f"{event.error} ({event.error_status})"
            self.add_system_step(t, f"model call failed, attempt {event.attempt} of {event.max_retries}: {reason}")
        elif kind == "compact_boundary":
            self.add_system_step(t, "the conversation was compacted")
        elif kind not in PROGRESS_EVENTS:
            return f"system/{kind}"[:80]
        return None

    def _final(self, t: float, event: Final) -> None:
        self.window().end_turn()
        totals = event.modelUsage.values()
        cached = sum(model.cacheReadInputTokens for model in totals)
        prompt = cached + sum(model.inputTokens + model.cacheCreationInputTokens for model in totals)
        completion = sum(model.outputTokens for model in totals)
        if event.modelUsage:
            self._process = Usage(prompt, completion, cached, event.total_cost_usd)
            self.facts.usage_complete = True
        errors = content_text(event.errors or None)
        if event.is_error or errors or event.subtype not in ("", "success"):
            text = event.result if isinstance(event.result, str) else event.subtype
            self.add_system_step(t, f"ended: {text}" + (f"\n{errors}" if errors else ""), extra={"error": True})

    def _rate_limit(self, t: float, info: Any) -> None:
        """Report a limit that was reached or will be soon; requests that are allowed are the normal case."""
        if not isinstance(info, dict) or info.get("status") != "allowed":
            self.add_system_step(t, f"rate limit: {content_text(info)}")


def _metrics(message: ModelMessage) -> Metrics:
    usage = message.usage or Tokens()
    cached, created = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return Metrics(
        prompt_tokens=usage.input_tokens + cached + created,
        completion_tokens=usage.output_tokens if message.stop_reason else None,
        cached_tokens=cached,
        extra={"cache_creation_input_tokens": created} if created else None,
    )
