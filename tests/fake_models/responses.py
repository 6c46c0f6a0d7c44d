"""OpenAI Responses."""

import json
from typing import Any

from fake_models.parsed_request import ParsedRequest, Reply
from fake_models.scenario import Fail

ERRORS = {401: "invalid_api_key", 429: "rate_limit_exceeded", 503: "server_is_overloaded"}


def ask(body: dict[str, Any], size: int) -> ParsedRequest:
    said = []
    content = body["input"]
    for item in [{"role": "user", "content": content}] if isinstance(content, str) else content:
        if item.get("role") == "user":
            parts = item["content"]
            said += [parts] if isinstance(parts, str) else [part["text"] for part in parts if "text" in part]
    tools = {tool["name"]: tool.get("parameters", {}) for tool in body.get("tools", []) if "name" in tool}
    return ParsedRequest(body["model"], body.get("stream", False), said, tools, size)


def items(reply: Reply) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if reply.turn.reasoning:
        summary = [{"type": "summary_text", "text": reply.turn.reasoning}]
        found.append({"id": f"rs_{reply.identity}", "type": "reasoning", "summary": summary})
    if reply.turn.text:
        part: dict[str, Any] = {"type": "output_text", "text": reply.turn.text, "annotations": [], "logprobs": []}
        if reply.turn.refusal:
            part = {"type": "refusal", "refusal": reply.turn.text}
        found.append(
            {
                "id": f"msg_{reply.identity}",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [part],
            }
        )
    for number, call in enumerate(reply.calls):
        found.append(
            {
                "id": f"fc_{reply.identity}{number}",
                "type": "function_call",
                "status": "completed",
                "call_id": f"call_{reply.identity}{number}",
                "name": call.name,
                "arguments": json.dumps(call.arguments),
            }
        )
    return found


def message(reply: Reply) -> dict[str, Any]:
    tokens = reply.tokens
    output = tokens.answer + tokens.reasoning
    return {
        "id": f"resp_{reply.identity}",
        "object": "response",
        "created_at": 1_760_000_000,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": reply.request.model,
        "output": items(reply),
        "parallel_tool_calls": True,
        "service_tier": "default",
        "usage": {
            "input_tokens": tokens.prompt,
            "input_tokens_details": {"cached_tokens": tokens.cached},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
            "total_tokens": tokens.prompt + output,
        },
    }


def events(reply: Reply) -> list[dict[str, Any]]:
    whole = message(reply)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    found: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(whole["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        middle, empty = _item(reply, item, place)
        opened = {**item, **empty, **({} if item["type"] == "reasoning" else {"status": "in_progress"})}
        found.append({"type": "response.output_item.added", "output_index": index, "item": opened})
        found += middle
        found.append({"type": "response.output_item.done", "output_index": index, "item": item})
    found.append({"type": "response.completed", "response": whole})
    return [{**event, "sequence_number": number} for number, event in enumerate(found)]


def _item(reply: Reply, item: dict[str, Any], place: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The events between an item's first and last, and what it is without when it begins."""
    if item["type"] == "function_call":
        name, text = "response.function_call_arguments", item["arguments"]
        deltas = [{"type": f"{name}.delta", **place, "delta": piece} for piece in reply.pieces(text)]
        return [*deltas, {"type": f"{name}.done", **place, "arguments": text}], {"arguments": ""}
    if item["type"] == "reasoning":
        part = item["summary"][0]
        name, place = "response.reasoning_summary", {**place, "summary_index": 0}
        deltas = [{"type": f"{name}_text.delta", **place, "delta": piece} for piece in reply.pieces(part["text"])]
        return [
            {"type": f"{name}_part.added", **place, "part": {**part, "text": ""}},
            *deltas,
            {"type": f"{name}_text.done", **place, "text": part["text"]},
            {"type": f"{name}_part.done", **place, "part": part},
        ], {"summary": []}
    part = item["content"][0]
    key = "refusal" if part["type"] == "refusal" else "text"
    name = "response.refusal" if key == "refusal" else "response.output_text"
    place = {**place, "content_index": 0}
    deltas = [{"type": f"{name}.delta", **place, "delta": piece} for piece in reply.pieces(part[key])]
    return [
        {"type": "response.content_part.added", **place, "part": {**part, key: ""}},
        *deltas,
        {"type": f"{name}.done", **place, key: part[key]},
        {"type": "response.content_part.done", **place, "part": part},
    ], {"content": []}


def error(fail: Fail) -> dict[str, Any]:
    name = ERRORS.get(fail.status, "server_error")
    return {"error": {"message": fail.message, "type": name, "param": None, "code": name}}


def encode(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


OVERLOADED = {
    "type": "response.failed",
    "response": {
        "id": "resp_failed",
        "object": "response",
        "status": "failed",
        "error": {"code": "server_is_overloaded", "message": "Our servers are currently overloaded."},
        "output": [],
        "usage": None,
    },
}
