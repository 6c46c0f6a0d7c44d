"""The reader for `codex exec --json` (Codex CLI 0.169).

Items do not identify their model call. A message or a thought starts a new turn, and so does a command after a result;
parallel calls therefore appear as separate turns. Tokens are printed at the end of a turn, as totals of the thread; a
resumed thread continues its totals.
"""

from typing import Any

from msgspec import Struct
from typing_extensions import override

from posttrainbench.trajectory.atif import Result, ToolCall
from posttrainbench.trajectory.events import EventDecoder
from posttrainbench.trajectory.reader import Reader, Usage
from posttrainbench.trajectory.values import content_text


class Item(Struct):
    """An item; contains the fields of all types."""

    id: str
    type: str
    text: str = ""
    message: str = ""
    command: str = ""
    aggregated_output: str = ""
    exit_code: int | None = None
    status: str = ""
    changes: Any = None
    server: str = ""
    tool: str = ""
    arguments: Any = None
    result: Any = None
    error: Any = None
    query: str = ""
    action: Any = None
    items: Any = None
    prompt: str | None = None
    receiver_thread_ids: Any = None
    agents_states: Any = None


class ThreadStarted(Struct, tag="thread.started"):
    """A process starts or resumes a thread."""

    thread_id: str


class TurnStarted(Struct, tag="turn.started"):
    """The agent starts working on a prompt."""


class Tokens(Struct):
    """Token totals of a thread."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0


class TurnCompleted(Struct, tag="turn.completed"):
    """The agent has finished working on a prompt."""

    usage: Tokens | None = None


class Failed(Struct):
    """An error."""

    message: str = ""


class TurnFailed(Struct, tag="turn.failed"):
    """The agent failed on a prompt; our own `react` agent includes its usage."""

    error: Failed
    usage: Tokens | None = None


class ItemStarted(Struct, tag="item.started"):
    """An item has started."""

    item: Item


class ItemUpdated(Struct, tag="item.updated"):
    """An item has changed."""

    item: Item


class ItemCompleted(Struct, tag="item.completed"):
    """An item is complete."""

    item: Item


class Error(Struct, tag="error"):
    """An error of the model's provider."""

    message: str = ""


Known = ThreadStarted | TurnStarted | TurnCompleted | TurnFailed | ItemStarted | ItemUpdated | ItemCompleted | Error

CALLS = {"command_execution", "file_change", "mcp_tool_call", "web_search", "collab_tool_call"}
MESSAGES = {"agent_message", "plan", "reasoning", "error"}


class Codex(Reader[Known]):
    """Reader for Codex's JSON output."""

    decoder = EventDecoder[Known](Known)

    def __init__(self, prompt: str = "", text_limit: int | None = None) -> None:
        super().__init__(prompt, text_limit)
        self._thread = ""
        self._processes = 0
        self._earlier = Usage()  # usage of earlier threads
        self._own = Usage()
        self._todo_items: Any = None

    @override
    def on_event(self, t: float, event: Known) -> str | None:
        match event:
            case ItemStarted(item) | ItemUpdated(item) | ItemCompleted(item):
                return self._item(t, item, is_complete=isinstance(event, ItemCompleted))
            case ThreadStarted(thread):
                self._processes += 1
                if thread != self._thread:
                    self._earlier, self._own = self._earlier + self._own, Usage()
                    self._thread = thread
            case TurnCompleted(Tokens() as tokens):
                self._count(tokens)
                self.facts.usage_complete = True
                self.window().end_turn()
            case TurnFailed(Failed(message), tokens):
                if tokens is not None:
                    self._count(tokens)
                self.add_system_step(t, message, extra={"error": True})
            case Error(message):
                self.add_system_step(t, message, extra={"error": True})
            case TurnStarted() | TurnCompleted():
                self.facts.usage_complete = False
                self.window().end_turn()
        return None

    def _count(self, tokens: Tokens) -> None:
        """Update the usage from the thread's totals."""
        self._own = Usage(tokens.input_tokens, tokens.output_tokens, tokens.cached_input_tokens)
        self.facts.usage = self._earlier + self._own

    def _item(self, t: float, item: Item, is_complete: bool) -> str | None:
        window = self.window()
        if item.type in CALLS:
            self._tool(t, item, is_complete)
        elif item.type == "todo_list":
            self._todo_list(t, item)
        elif item.type not in MESSAGES:
            return f"item/{item.type}"
        elif not is_complete:
            pass
        elif item.type == "error":
            self.add_system_step(t, item.message, extra={"error": True})
        else:
            if window.has_result or (window.current and window.current.message):
                window.end_turn()
            add = self.add_reasoning if item.type == "reasoning" else self.add_text
            add(t, window, item.text)
        return None

    def _tool(self, t: float, item: Item, is_complete: bool) -> None:
        window = self.window()
        call_id = self._call_id(item)
        if not window.is_waiting_for(call_id):
            if window.has_result:
                window.end_turn()
            self.add_call(t, window, _call(item, call_id))
        if is_complete:
            self.add_result(t, window, call_id, _result(item))

    def _todo_list(self, t: float, item: Item) -> None:
        """Record the plan as a call if it has changed."""
        if item.items == self._todo_items:
            return
        self._todo_items = item.items
        window = self.window()
        if window.has_result:
            window.end_turn()
        call_id = self._call_id(item)
        self.add_call(t, window, ToolCall(call_id, "todo_list", {"items": item.items}))
        self.add_result(t, window, call_id, Result())

    def _call_id(self, item: Item) -> str:
        """Return a unique call id: each process numbers its items from 0, even if it resumes a thread."""
        return item.id if self._processes < 2 else f"{item.id}.{self._processes}"


def _call(item: Item, call_id: str) -> ToolCall:
    extra = None
    arguments: dict[str, Any]
    name = item.type
    if item.type == "command_execution":
        arguments = {"command": item.command}
    elif item.type == "file_change":
        arguments = {"changes": item.changes}
    elif item.type == "web_search":
        arguments = {"query": item.query, "action": item.action}
    elif item.type == "mcp_tool_call":
        name, extra = item.tool, {"server": item.server}
        arguments = item.arguments if isinstance(item.arguments, dict) else {"arguments": item.arguments}
    else:
        name, arguments = item.tool, {"prompt": item.prompt, "receivers": item.receiver_thread_ids}
    return ToolCall(call_id, name, arguments, extra)


def _result(item: Item) -> Result:
    extra: dict[str, Any] = {}
    if item.type == "command_execution" or item.exit_code is not None:
        extra["exit_code"] = item.exit_code  # None for a command that did not end by itself
    if item.status not in ("", "completed"):
        extra["status"] = item.status
    if item.type == "command_execution":
        content: str | None = item.aggregated_output
    elif item.error:
        content = content_text(item.error)
    elif item.type == "mcp_tool_call" and isinstance(item.result, dict):
        content = content_text(item.result.get("content"))
    else:
        content = content_text(item.agents_states)
    return Result(content=content, extra=extra or None)
