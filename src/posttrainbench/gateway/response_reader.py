"""Read the usage and the error out of a provider's response while it is forwarded.

A response is fed as it arrives, in arbitrary chunks. Of a stream, only events that can contain usage or an error are
parsed; any other response is parsed once it is complete. A response that is not JSON, a stream without its last event
and a response without any content are errors of the provider, although their HTTP status is 200.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from posttrainbench.usage.calls import WITHHELD
from posttrainbench.usage.tokens import Usage, anthropic_usage, chat_usage, gemini_usage, responses_usage

MAX_BUFFERED_BYTES = 64 * 2**20
"""Size of one event, or of a response that is not a stream, above which the usage is not read."""

MARKS = (b'"usage"', b'"usageMetadata"', b'"error"')
"""Events without any of these are not parsed. Text written by the model cannot contain them: its quotes are escaped."""


NOT_JSON = "the response is not valid JSON"
NO_LAST_EVENT = "the stream ended without its last event"
NO_CONTENT = "the response is empty"

LAST_EVENTS: Mapping[str, re.Pattern[bytes]] = MappingProxyType(
    {
        "messages": re.compile(rb'"message_stop"|"stop_reason"\s*:\s*"'),
        "responses": re.compile(rb'"response\.(completed|incomplete|failed|done)"'),
        "chat": re.compile(rb'^data:\s*\[DONE\]|"finish_reason"\s*:\s*"'),
        "streamGenerateContent": re.compile(rb'"finishReason"\s*:\s*"|"blockReason"\s*:\s*"'),
    }
)
"""Endpoint -> the event that ends a stream. Like `MARKS`, these patterns cannot occur in the model's text."""
CONTENTS: Mapping[str, re.Pattern[bytes]] = MappingProxyType(
    {
        "messages": re.compile(rb'"content_block_start"|"content"\s*:\s*\[\s*\{'),
        "responses": re.compile(rb'"response\.output_item\.\w+"|"output"\s*:\s*\[\s*\{'),
        "chat": re.compile(rb'"choices"\s*:\s*\[\s*\{'),
        "generateContent": re.compile(rb'"parts"\s*:\s*\[\s*\{'),
        "streamGenerateContent": re.compile(rb'"parts"\s*:\s*\[\s*\{'),
    }
)
"""Endpoint -> the beginning of a reply's content."""
BLOCKED = re.compile(
    rb'"blockReason"\s*:\s*"|"stop_reason"\s*:\s*"refusal"|"finish_reason"\s*:\s*"content_filter"'
    rb'|"finishReason"\s*:\s*"(SAFETY|RECITATION|LANGUAGE|BLOCKLIST|PROHIBITED_CONTENT|SPII|MALFORMED_FUNCTION_CALL)"'
)


class ResponseReader:
    """Reads one response.

    Attributes:
        usage: the latest reported usage; None until one is reported.
        complete: the latest report is final, so it covers everything that is charged.
        events: number of `data:` lines so far.
        size: number of bytes so far.
        has_content: a part of the reply's content has arrived.
        error: the error that the provider reported inside the response, or the defect of the response.
    """

    def __init__(self, endpoint: str, stream: bool) -> None:
        """Create a reader.

        Args:
            endpoint: name of the endpoint, as in `protocols.Endpoint`.
            stream: whether the response is an event stream.
        """
        self.usage: Usage | None = None
        self.complete = False
        self.events = 0
        self.size = 0
        self.has_content = False
        self.error: str | None = None
        self._last_event = LAST_EVENTS.get(endpoint)
        self._content = CONTENTS.get(endpoint)
        self._ended = False
        self._blocked = False
        self._read = READERS[endpoint]
        self._stream = stream
        self._buffer = bytearray()
        self._overflowed = False

    def feed(self, data: bytes) -> None:
        """Read the next bytes."""
        self.size += len(data)
        if self._overflowed:
            return
        self._buffer += data
        if self._stream and b"\n" in data:
            *lines, rest = bytes(self._buffer).split(b"\n")
            self._buffer = bytearray(rest)
            for line in lines:
                self._line(line)
        if len(self._buffer) > MAX_BUFFERED_BYTES:
            self._buffer.clear()
            self._overflowed = True

    def finish(self) -> None:
        """Read the rest of a response that ended normally, and check that it is complete."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        defect = None
        if self._stream:
            self._line(rest)
            if self._last_event is not None and not self._ended:
                defect = NO_LAST_EVENT
        else:
            content = _parse(rest)
            # Without `alt=sse`, Gemini streams a JSON array of responses.
            for part in content if isinstance(content, list) else [content]:
                if isinstance(part, dict):
                    self._take(part)
            self._note_content(rest)
            self.complete = self.usage is not None
            if not isinstance(content, dict | list):
                defect = NOT_JSON
        if self.error is None and not self._overflowed:
            self.error = defect or self._missing_content()

    def _missing_content(self) -> str | None:
        """Return the defect of a response without content. A model may answer with nothing, but not with no tokens."""
        if self._content is None or self.has_content or (self.usage is not None and self.usage.output):
            return None
        return WITHHELD if self._blocked else NO_CONTENT

    def _note_content(self, text: bytes) -> None:
        if self._content is not None and not self.has_content:
            self.has_content = self._content.search(text) is not None
            self._blocked = self._blocked or BLOCKED.search(text) is not None

    def _line(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            return
        self.events += 1
        self._note_content(line)
        if self._last_event is not None and not self._ended:
            self._ended = self._last_event.search(line) is not None
        if any(mark in line for mark in MARKS):
            content = _parse(line[5:])
            if isinstance(content, dict):
                self._take(content)

    def _take(self, content: dict[str, Any]) -> None:
        self._read(self, content)
        if (error := _error(content)) is not None:
            self.error = error


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _error(content: dict[str, Any]) -> str | None:
    """Return the error that an event contains, as `type: message`, for all providers' formats."""
    response = content.get("response")
    error = content.get("error") or (response.get("error") if isinstance(response, dict) else None)
    if error is None and content.get("type") == "error":
        error = content
    if isinstance(error, dict):
        kind = error.get("type") or error.get("status") or error.get("code") or "error"
        return f"{kind}: {error.get('message', '')}"
    return str(error) if error else None


def _messages(reader: ResponseReader, content: dict[str, Any]) -> None:
    kind = content.get("type")
    message = content.get("message") if kind == "message_start" else content
    report = message.get("usage") if isinstance(message, dict) else None
    if not isinstance(report, dict):
        return
    usage = anthropic_usage(report)
    previous = reader.usage
    if kind == "message_delta" and previous is not None:
        usage = _merge_final(previous, usage)
    reader.usage = usage
    reader.complete = kind in ("message_delta", "message")


def _merge_final(previous: Usage, report: Usage) -> Usage:
    """Complete a stream's final report, which may omit the prompt's tokens or the lifetime of cached ones."""
    written = previous.cache_write + previous.cache_write_1h
    if not report.input:
        report = replace(report, input=previous.input, cached=previous.cached)
    elif report.cache_write + report.cache_write_1h != written:
        return report
    return replace(report, cache_write=previous.cache_write, cache_write_1h=previous.cache_write_1h)


def _responses(reader: ResponseReader, content: dict[str, Any]) -> None:
    response = content.get("response", content)
    report = response.get("usage") if isinstance(response, dict) else None
    if isinstance(report, dict):
        reader.usage = responses_usage(report)
        reader.complete = True


def _chat(reader: ResponseReader, content: dict[str, Any]) -> None:
    report = content.get("usage")
    if isinstance(report, dict):
        reader.usage = chat_usage(report)
        choices = content.get("choices")
        reader.complete = not choices or any(isinstance(each, dict) and each.get("finish_reason") for each in choices)


def _gemini(reader: ResponseReader, content: dict[str, Any]) -> None:
    report = content.get("usageMetadata")
    if isinstance(report, dict):
        reader.usage = gemini_usage(report)
        candidates = content.get("candidates")
        reader.complete = isinstance(candidates, list) and any(
            isinstance(each, dict) and "finishReason" in each for each in candidates
        )


def _free(reader: ResponseReader, content: dict[str, Any]) -> None:
    """Do nothing: the responses of free endpoints do not report usage."""


READERS: Mapping[str, Callable[[ResponseReader, dict[str, Any]], None]] = MappingProxyType(
    {
        "messages": _messages,
        "responses": _responses,
        "chat": _chat,
        "generateContent": _gemini,
        "streamGenerateContent": _gemini,
        "count_tokens": _free,
        "countTokens": _free,
    }
)
