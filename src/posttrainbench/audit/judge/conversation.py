"""A judge's conversation with a model: tools are called, their answers quoted as material, until there is a verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from posttrainbench.audit.judge.answer import judged
from posttrainbench.audit.judge.directed import directed
from posttrainbench.audit.judge.records import Answer, Judged
from posttrainbench.audit.judge.review import Review
from posttrainbench.audit.judge.task import TOOL_CALLS, ReviewTask, quoted
from posttrainbench.audit.judge.text import visible
from posttrainbench.audit.judge.tools import KINDS, Tools
from posttrainbench.errors import one_line
from posttrainbench.records import Evidence

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage, ModelOutput
    from inspect_ai.tool import ToolCall, ToolInfo

VERDICT = "verdict"
REMINDERS = 3
"""Replies without a call, and verdicts of the wrong form, that are borne."""

CONTEXT_CHARACTERS = 600_000
"""Beyond this the oldest answers of tools are left out."""

SHRINKS = 3
"""How often the limit is halved when the model says that its context is full."""

QUOTED = 200
LEFT_OUT = frozenset({"$defs", "title", "default", "minimum", "maximum"})
"""Of a JSON schema, what is checked here and not by the provider."""
GIVEN = ("prepare/", "reference/")

Generate = Callable[["list[ChatMessage]", "list[ToolInfo]"], Awaitable["ModelOutput"]]
"""One request to the model, with whatever tries that takes."""


class NoVerdictError(Exception):
    """The judge came to no verdict; the message says why."""


@dataclass
class Conversation:
    """One vote's conversation.

    Attributes:
        mark: delimiter of the material.
        exposed: phrases that told a reviewer what to find, in what the tools showed.
    """

    generate: Generate
    review: Review
    task: ReviewTask
    mark: str
    tools: Tools = field(init=False)
    exposed: list[Evidence] = field(default_factory=list)
    _limit: int = field(init=False)
    _shrinks: int = 0
    _patience: int = REMINDERS
    _corrected: bool = False

    def __post_init__(self) -> None:
        self.tools = Tools(self.review)
        self._limit = CONTEXT_CHARACTERS

    async def run(self, instructions: str) -> list[Judged]:
        """Talk until there is a verdict.

        Raises:
            NoVerdictError: there is none.
        """
        from inspect_ai.model import ChatMessageSystem, ChatMessageUser

        messages: list[ChatMessage] = [
            ChatMessageSystem(content=instructions),
            ChatMessageUser(content=f"The delimiter of the material is {self.mark}. Begin."),
        ]
        while True:
            output = await self._ask(messages)
            messages.append(output.message)
            calls = output.message.tool_calls or []
            if not calls:
                self._lose_patience("it called no tool and gave no verdict")
                messages.append(ChatMessageUser(content="Call a tool, or `verdict` to end."))
                continue
            decided = None
            for call in calls:
                if call.function == VERDICT:
                    decided, text = self._verdict(call)
                else:
                    text = await asyncio.to_thread(self._call, call)
                messages.append(_tool_message(call, text))
            if decided is not None:
                return decided

    async def _ask(self, messages: list[ChatMessage]) -> ModelOutput:
        spent = self.tools.calls.total() >= TOOL_CALLS
        offered = [tool_info(VERDICT, Answer)] if spent else _all_tools()
        while True:
            output = await self.generate(shortened(messages, self._limit), offered)
            if output.stop_reason != "model_length":
                return output
            self._shrinks += 1
            if self._shrinks > SHRINKS:
                raise NoVerdictError("the run does not fit into its context")
            self._limit //= 2

    def _call(self, call: ToolCall) -> str:
        if self.tools.calls.total() >= TOOL_CALLS:
            return "No more calls are left; call `verdict`."
        if call.parse_error:
            return f"The call could not be read: {visible(call.parse_error)[:QUOTED]}"
        text = self.tools.call(call.function, call.arguments)
        self._watch(call, text)
        return quoted(self.mark, text)

    def _watch(self, call: ToolCall, text: str) -> None:
        """Keep what tells a reviewer what to find; what the host itself gave the agent is left out."""
        file = str(call.arguments.get("file", ""))
        if file.startswith(GIVEN):
            return
        for line in text.split("\n"):
            if not line.startswith(GIVEN) and (phrase := directed(line)):
                self.exposed.append(Evidence(file=file or call.function, text=phrase[:QUOTED]))

    def _verdict(self, call: ToolCall) -> tuple[list[Judged] | None, str]:
        try:
            answer = Answer.model_validate(call.arguments)
        except ValidationError as error:
            problem = call.parse_error or one_line(error)
            self._lose_patience(f"its verdict has the wrong form: {problem}")
            return None, f"The verdict has the wrong form: {problem} Call `verdict` again."
        decided = judged(answer, self.task, self.review)
        wrong = [(one.rule, bad) for one in decided for bad in one.rejected if not one.evidence or one.note]
        if (missing := [one.rule for one in decided if one.note]) and not self._corrected:
            self._corrected = True
            told = [f"{rule}: {bad.citation.file}:{bad.citation.line}: {bad.reason}" for rule, bad in wrong]
            told += [f"{rule}: {next(one.note for one in decided if one.rule == rule)}" for rule in missing]
            return None, quoted(self.mark, "\n".join(told)) + "\nCorrect this and call `verdict` once more."
        return decided, "Thank you."

    def _lose_patience(self, why: str) -> None:
        self._patience -= 1
        if self._patience < 0:
            raise NoVerdictError(why)


def shortened(messages: list[ChatMessage], limit: int) -> list[ChatMessage]:
    """The messages, the oldest answers of tools left out where all together would be longer than `limit` characters."""
    excess = sum(len(message.text) for message in messages) - limit
    kept: list[ChatMessage] = []
    for message in messages:
        if excess > 0 and message.role == "tool" and len(message.text) > QUOTED:
            excess -= len(message.text)
            message = message.model_copy(update={"content": "[left out; call the tool again if you need it]"})
        kept.append(message)
    return kept


def tool_info(name: str, arguments: type[BaseModel]) -> ToolInfo:
    """A tool as it is offered to the model."""
    from inspect_ai.tool import ToolInfo, ToolParams

    schema = arguments.model_json_schema()
    flat = _inlined(schema, schema.get("$defs", {}))
    description = " ".join((arguments.__doc__ or "").split())
    if name == VERDICT:
        description = "End the review with one entry for each rule."
    # Strict servers want every argument to be required, and none to have a default; without one, ours is taken.
    parameters = ToolParams(properties=flat.get("properties", {}), required=list(flat.get("properties", {})))
    return ToolInfo(name=name, description=description, parameters=parameters)


def _all_tools() -> list[ToolInfo]:
    return [*(tool_info(name, kind) for name, kind in KINDS.items()), tool_info(VERDICT, Answer)]


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A JSON schema without references, defaults and bounds: not every provider knows them."""
    if isinstance(schema, list):
        return [_inlined(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        return _inlined({**target, **{key: value for key, value in schema.items() if key != "$ref"}}, definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items() if key not in LEFT_OUT}


def _tool_message(call: ToolCall, text: str) -> ChatMessage:
    from inspect_ai.model import ChatMessageTool

    return ChatMessageTool(content=text, tool_call_id=call.id, function=call.function)
