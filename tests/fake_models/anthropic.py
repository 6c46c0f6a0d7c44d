"""Anthropic Messages."""

import json
from typing import Any

from fake_models.parsed_request import ParsedRequest, Reply
from fake_models.scenario import Fail

ERRORS = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}


def ask(body: dict[str, Any], size: int) -> ParsedRequest:
    said = []
    for message in body["messages"]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if message["role"] == "user":
            said += [part["text"] for part in parts if part["type"] == "text"]
    tools = {tool["name"]: tool.get("input_schema", {}) for tool in body.get("tools", [])}
    return ParsedRequest(body["model"], body.get("stream", False), said, tools, size)


def blocks(reply: Reply) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if reply.turn.reasoning:
        found.append({"type": "thinking", "thinking": reply.turn.reasoning, "signature": f"sig{reply.identity}"})
    if reply.turn.text:
        found.append({"type": "text", "text": reply.turn.text})
    for number, call in enumerate(reply.calls):
        identity = f"toolu_{reply.identity}{number}"
        found.append({"type": "tool_use", "id": identity, "name": call.name, "input": call.arguments})
    return found


def usage(reply: Reply, output: int) -> dict[str, Any]:
    return {
        "input_tokens": reply.tokens.prompt - reply.tokens.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": reply.tokens.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
    }


def message(reply: Reply) -> dict[str, Any]:
    stop = "refusal" if reply.turn.refusal else "tool_use" if reply.calls else "end_turn"
    return {
        "id": f"msg_{reply.identity}",
        "type": "message",
        "role": "assistant",
        "model": reply.request.model,
        "content": blocks(reply),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage(reply, reply.tokens.answer + reply.tokens.reasoning),
    }


def events(reply: Reply) -> list[dict[str, Any]]:
    whole = message(reply)
    start = {**whole, "content": [], "stop_reason": None, "usage": usage(reply, 1)}
    found: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        empty: dict[str, dict[str, Any]] = {
            "thinking": {"thinking": "", "signature": ""},
            "text": {"text": ""},
            "tool_use": {"input": {}},
        }
        opened = {**block, **empty[block["type"]]}
        found.append({"type": "content_block_start", "index": index, "content_block": opened})
        found += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in _deltas(reply, block)]
        found.append({"type": "content_block_stop", "index": index})
    final = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    found.append({"type": "message_delta", "delta": final, "usage": {"output_tokens": whole["usage"]["output_tokens"]}})
    found.append({"type": "message_stop"})
    return found


def _deltas(reply: Reply, block: dict[str, Any]) -> list[dict[str, Any]]:
    if block["type"] == "thinking":
        thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in reply.pieces(block["thinking"])]
        return [*thoughts, {"type": "signature_delta", "signature": block["signature"]}]
    if block["type"] == "text":
        return [{"type": "text_delta", "text": piece} for piece in reply.pieces(block["text"])]
    return [{"type": "input_json_delta", "partial_json": piece} for piece in reply.pieces(json.dumps(block["input"]))]


def error(fail: Fail) -> dict[str, Any]:
    return {"type": "error", "error": {"type": ERRORS.get(fail.status, "api_error"), "message": fail.message}}


def encode(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
