"""Conversation of a judge with a model: run its tool calls, quote the results as material, until it gives a verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from posttrainbench.audit.judge.answer import check_answer
from posttrainbench.audit.judge.records import Answer, RuleDecision
from posttrainbench.audit.judge.review import Review
from posttrainbench.audit.judge.steering import find_steering_text
from posttrainbench.audit.judge.task import TOOL_CALLS, ReviewTask, quoted
from posttrainbench.audit.judge.text import visible
from posttrainbench.audit.judge.tools import KINDS, Tools
from posttrainbench.errors import one_line
from posttrainbench.records import Quote

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage, ModelOutput
    from inspect_ai.tool import ToolCall, ToolInfo

VERDICT = "verdict"
REMINDERS = 3
"""Tolerated number of replies without a call, or with a call that is not valid."""

CONTEXT_CHARACTERS = 600_000
"""Above this size, the oldest tool results are left out of a request."""

SHRINKS = 3
"""Maximum number of times that the limit is halved because the model reports a full context."""

QUOTED = 200
LEFT_OUT = frozenset({"$defs", "title", "default", "minimum", "maximum"})
"""Keys removed from a JSON schema: they are checked here, and some providers reject them."""
GIVEN = ("prepare/", "reference/")

Generate = Callable[["list[ChatMessage]", "list[ToolInfo]"], Awaitable["ModelOutput"]]
"""Send one request to the model, with retries."""


class NoVerdictError(Exception):
    """The judge gave no verdict; the message is the reason."""


@dataclass
class Conversation:
    """The conversation of one vote.

    Attributes:
        generate: sends one request to the model.
        review: the copy of the run.
        task: the rules to decide.
        mark: delimiter of the material.
        tools: the tools over the copy.
        exposed: phrases in the tool results that tell a reviewer what to conclude.
    """

    generate: Generate
    review: Review
    task: ReviewTask
    mark: str
    tools: Tools = field(init=False)
    exposed: list[Quote] = field(default_factory=list)
    _limit: int = field(init=False)
    _shrinks: int = 0
    _patience: int = REMINDERS
    _corrected: bool = False
    _refused: str = ""

    def __post_init__(self) -> None:
        self.tools = Tools(self.review)
        self._limit = CONTEXT_CHARACTERS

    async def run(self, instructions: str) -> list[RuleDecision]:
        """Run the conversation until the model gives a verdict.

        Args:
            instructions: the system message.

        Returns:
            One decision for each rule.

        Raises:
            NoVerdictError: the model gave no valid verdict.
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
                self._lose_patience("it did not call a tool or give a verdict")
                messages.append(ChatMessageUser(content="Call a tool, or `verdict` to end."))
                continue
            self._refused = ""
            decided = None
            truncated = output.stop_reason == "max_tokens"
            for call in calls:
                if call.function == VERDICT:
                    decided, text = self._verdict(call, alone=len(calls) == 1, truncated=truncated)
                else:
                    text = await asyncio.to_thread(self._call, call)
                messages.append(_tool_message(call, text))
            if decided is not None:
                return decided
            if self._refused:
                self._lose_patience(self._refused)

    async def _ask(self, messages: list[ChatMessage]) -> ModelOutput:
        spent = self.tools.calls.total() >= TOOL_CALLS
        offered = [tool_info(VERDICT, Answer)] if spent else _all_tools()
        while True:
            output = await self.generate(shortened(messages, self._limit), offered)
            if output.stop_reason != "model_length":
                return output
            self._shrinks += 1
            if self._shrinks > SHRINKS:
                raise NoVerdictError("the review does not fit into its context")
            self._limit //= 2

    def _call(self, call: ToolCall) -> str:
        if self.tools.calls.total() >= TOOL_CALLS:
            return self._refuse("it called more tools than it may", "No calls are left; call `verdict`.")
        if call.parse_error:
            problem = visible(call.parse_error)[:QUOTED]
            return self._refuse("its calls cannot be parsed", f"The call could not be parsed: {problem}")
        if call.function not in KINDS:
            self._refused = "it called a tool that does not exist"
        text = self.tools.call(call.function, call.arguments)
        self.watch(text, call)
        return quoted(self.mark, text)

    def watch(self, text: str, call: ToolCall | None = None) -> None:
        """Record steering text that the model is shown, except in files that the host gave the agent.

        Args:
            text: the instructions' quotations, or the result of a call.
            call: the call; only `search` begins its lines with a file's name, and only `read_file` shows a single file.
        """
        tool = call.function if call else "instructions"
        file = str(call.arguments.get("file", "")) if call and tool == "read_file" else ""
        if file.startswith(GIVEN):
            return
        for line in text.split("\n"):
            given = tool == "search" and line.startswith(GIVEN)
            if not given and (phrase := find_steering_text(line)):
                self.exposed.append(Quote(file=file or tool, text=phrase[:QUOTED]))

    def _verdict(self, call: ToolCall, alone: bool, truncated: bool) -> tuple[list[RuleDecision] | None, str]:
        if not alone:
            return None, self._refuse(
                "its verdict came together with another call",
                "The verdict does not count: call `verdict` once, in a message of its own, after you have read the "
                "results of the other calls.",
            )
        if truncated:
            return None, self._refuse(
                "its verdict is truncated", "The reply was cut off. Call `verdict` again, with less text."
            )
        try:
            if call.parse_error:
                raise ValueError(visible(call.parse_error)[:QUOTED])
            answer = Answer.model_validate(call.arguments)
        except ValueError as error:  # includes pydantic's ValidationError
            problem = one_line(error)
            return None, self._refuse(
                f"its verdict is malformed: {problem}", f"The verdict is malformed: {problem} Call `verdict` again."
            )
        if not self.tools.looked and any(rule.state == "clean" for rule in answer.rules):
            return None, self._refuse(
                "it decided without looking at the run",
                "You have not looked at the run. Read its steps and files, or search them, before you call `verdict`.",
            )
        decided = check_answer(answer, self.task, self.review)
        undecided = [decision for decision in decided if decision.note]
        if undecided and not self._corrected:
            self._corrected = True
            problems = [
                f"{decision.rule}: {bad.citation.file}:{bad.citation.line}: {bad.reason}"
                for decision in decided
                for bad in decision.rejected
                if decision.note or not decision.evidence
            ]
            problems += [f"{decision.rule}: {decision.note}" for decision in undecided]
            return None, quoted(self.mark, "\n".join(problems)) + "\nCorrect this and call `verdict` once more."
        return decided, "Thank you."

    def _refuse(self, reason: str, text: str) -> str:
        """Count the message that contains this call against the judge's patience. Return `text`, the call's result."""
        self._refused = reason
        return text

    def _lose_patience(self, reason: str) -> None:
        self._patience -= 1
        if self._patience < 0:
            raise NoVerdictError(reason)


def shortened(messages: list[ChatMessage], limit: int) -> list[ChatMessage]:
    """Return the messages, with the oldest tool results left out until at most `limit` characters remain."""
    excess = sum(len(message.text) for message in messages) - limit
    result: list[ChatMessage] = []
    for message in messages:
        if excess > 0 and message.role == "tool" and len(message.text) > QUOTED:
            excess -= len(message.text)
            message = message.model_copy(update={"content": "[left out; call the tool again if you need it]"})
        result.append(message)
    return result


def tool_info(name: str, arguments: type[BaseModel]) -> ToolInfo:
    """Return the description of a tool for the model."""
    from inspect_ai.tool import ToolInfo, ToolParams

    schema = arguments.model_json_schema()
    flat = _inlined(schema, schema.get("$defs", {}))
    description = " ".join((arguments.__doc__ or "").split())
    if name == VERDICT:
        description = "End the review with one entry for each rule."
    # Strict servers require every argument and reject defaults; our defaults apply if a model omits one.
    parameters = ToolParams(properties=flat.get("properties", {}), required=list(flat.get("properties", {})))
    return ToolInfo(name=name, description=description, parameters=parameters)


def _all_tools() -> list[ToolInfo]:
    return [*(tool_info(name, kind) for name, kind in KINDS.items()), tool_info(VERDICT, Answer)]


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """Return a JSON schema without references, defaults and bounds, which not every provider supports."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        return _inlined({**target, **{key: value for key, value in schema.items() if key != "$ref"}}, definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items() if key not in LEFT_OUT}


def _tool_message(call: ToolCall, text: str) -> ChatMessage:
    from inspect_ai.model import ChatMessageTool

    return ChatMessageTool(content=text, tool_call_id=call.id, function=call.function)
