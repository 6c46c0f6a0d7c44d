"""The reader for `codex exec --json` (Codex CLI 0.169).

Its items name no model call. What is said or thought begins a turn, and so does a command after another one's result:
calls that were made in parallel are therefore shown as turns of their own. Tokens are printed once a turn's end, as the
sums of the whole thread; a resumed thread counts on.
"""

from typing import Any

from msgspec import Struct

from posttrainbench.trajectory.atif import Result, ToolCall
from posttrainbench.trajectory.events import EventDecoder
from posttrainbench.trajectory.reader import Reader, Usage
from posttrainbench.trajectory.values import content_text


class Item(Struct):
    """The fields of all kinds of items."""

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
    """A process begins, or resumes, a thread."""

    thread_id: str


class TurnStarted(Struct, tag="turn.started"):
    """A prompt is being worked on."""


class Tokens(Struct):
    """Sums of a thread."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0


class TurnCompleted(Struct, tag="turn.completed"):
    """A prompt has been worked on."""

    usage: Tokens | None = None


class Failed(Struct):
    """An error."""

    message: str = ""


class TurnFailed(Struct, tag="turn.failed"):
    """A prompt could not be worked on to the end; our own `react` tells here too what it used."""

    error: Failed
    usage: Tokens | None = None


class ItemStarted(Struct, tag="item.started"):
    """Something is under way."""

    item: Item


class ItemUpdated(Struct, tag="item.updated"):
    """Something has changed."""

    item: Item


class ItemCompleted(Struct, tag="item.completed"):
    """Something is done."""

    item: Item


class Error(Struct, tag="error"):
    """Trouble with the model's provider."""

    message: str = ""


Known = ThreadStarted | TurnStarted | TurnCompleted | TurnFailed | ItemStarted | ItemUpdated | ItemCompleted | Error

CALLS = {"command_execution", "file_change", "mcp_tool_call", "web_search", "collab_tool_call"}
SAID = {"agent_message", "plan", "reasoning", "error"}


class Codex(Reader[Known]):
    """See the module's docstring."""

    decoder = EventDecoder[Known](Known)

    def __init__(self, prompt: str = "", text_limit: int | None = None) -> None:
        super().__init__(prompt, text_limit)
        self._thread = ""
        self._processes = 0
        self._others = Usage()  # of earlier threads
        self._own = Usage()
        self._todo: Any = None

    def read(self, t: float, event: Known) -> str | None:
        """See `Reader.read`."""
        match event:
            case ItemStarted(item) | ItemUpdated(item) | ItemCompleted(item):
                return self._item(t, item, done=isinstance(event, ItemCompleted))
            case ThreadStarted(thread):
                self._processes += 1
                if thread != self._thread:
                    self._others, self._own = self._others + self._own, Usage()
                    self._thread = thread
            case TurnCompleted(Tokens() as tokens):
                self._count(tokens)
                self.facts.usage_complete = True
                self.window().end()
            case TurnFailed(Failed(message), tokens):
                if tokens is not None:
                    self._count(tokens)
                self.tell(t, message, extra={"error": True})
            case Error(message):
                self.tell(t, message, extra={"error": True})
            case TurnStarted() | TurnCompleted():
                self.facts.usage_complete = False
                self.window().end()
        return None

    def _count(self, tokens: Tokens) -> None:
        """The thread's sums so far."""
        self._own = Usage(tokens.input_tokens, tokens.output_tokens, tokens.cached_input_tokens)
        self.facts.usage = self._others + self._own

    def _item(self, t: float, item: Item, done: bool) -> str | None:
        window = self.window()
        if item.type in CALLS:
            self._tool(t, item, done)
        elif item.type == "todo_list":
            self._todo_list(t, item)
        elif item.type not in SAID:
            return f"item/{item.type}"
        elif not done:
            pass
        elif item.type == "error":
            self.tell(t, item.message, extra={"error": True})
        else:
            if window.answered or (window.current and window.current.message):
                window.end()
            add = self.think if item.type == "reasoning" else self.say
            add(t, window, item.text)
        return None

    def _tool(self, t: float, item: Item, done: bool) -> None:
        window = self.window()
        call_id = self._call_id(item)
        if not window.waits_for(call_id):
            if window.answered:
                window.end()
            self.call(t, window, _call(item, call_id))
        if done:
            self.answer(t, window, call_id, _result(item))

    def _todo_list(self, t: float, item: Item) -> None:
        """The plan, whenever it has changed."""
        if item.items == self._todo:
            return
        self._todo = item.items
        window = self.window()
        if window.answered:
            window.end()
        call_id = self._call_id(item)
        self.call(t, window, ToolCall(call_id, "todo_list", {"items": item.items}))
        self.answer(t, window, call_id, Result())

    def _call_id(self, item: Item) -> str:
        """A process numbers its items from 0; a resumed one does so again."""
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
    if item.exit_code is not None:
        extra["exit_code"] = item.exit_code
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
