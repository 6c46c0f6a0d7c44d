"""Gemini generateContent."""

import json
from typing import Any

from fake_models.parsed_request import ParsedRequest, Reply
from fake_models.scenario import Fail

ERRORS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}


def ask(body: dict[str, Any], size: int) -> ParsedRequest:
    said = []
    for content in body["contents"]:
        if content.get("role", "user") == "user":
            said += [part["text"] for part in content["parts"] if "text" in part]
    declared = [each for tool in body.get("tools", []) for each in tool.get("functionDeclarations", [])]
    tools = {each["name"]: each.get("parametersJsonSchema") or each.get("parameters") or {} for each in declared}
    return ParsedRequest(body["model"], body["stream"], said, tools, size)


def _usage(reply: Reply, answer: int) -> dict[str, Any]:
    tokens = reply.tokens
    found = {"promptTokenCount": tokens.prompt, "candidatesTokenCount": answer}
    found["totalTokenCount"] = tokens.prompt + answer + tokens.reasoning
    if tokens.reasoning:
        found["thoughtsTokenCount"] = tokens.reasoning
    if tokens.cached:
        found["cachedContentTokenCount"] = tokens.cached
    return found


def _chunk(reply: Reply, parts: list[dict[str, Any]], last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if last:
        candidate["finishReason"] = "SAFETY" if reply.turn.refusal else "STOP"
    return {
        "candidates": [candidate],
        "usageMetadata": _usage(reply, reply.tokens.answer if last else 1),
        "modelVersion": reply.request.model,
        "responseId": f"r{reply.identity}",
    }


def _calls(reply: Reply) -> list[dict[str, Any]]:
    return [{"functionCall": {"name": call.name, "args": call.arguments}} for call in reply.calls]


def message(reply: Reply) -> dict[str, Any]:
    parts = [{"text": reply.turn.reasoning, "thought": True}] if reply.turn.reasoning else []
    parts += [{"text": reply.turn.text}] if reply.turn.text else []
    return _chunk(reply, [*parts, *_calls(reply)], last=True)


def events(reply: Reply) -> list[dict[str, Any]]:
    parts = [{"text": piece, "thought": True} for piece in reply.pieces(reply.turn.reasoning)]
    parts += [{"text": piece} for piece in reply.pieces(reply.turn.text)]
    parts += _calls(reply)
    return [_chunk(reply, [part], last=False) for part in parts] + [_chunk(reply, [{"text": ""}], last=True)]


def error(fail: Fail) -> dict[str, Any]:
    return {"error": {"code": fail.status, "message": fail.message, "status": ERRORS.get(fail.status, "INTERNAL")}}


def encode(event: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\r\n\r\n"


OVERLOADED = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
