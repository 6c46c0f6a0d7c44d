"""OpenAI Chat Completions, as the many compatible providers offer it."""

import json
from typing import Any

from fake_models.parsed_request import ParsedRequest, Reply
from fake_models.responses import error as error
from fake_models.scenario import Fail as Fail


def ask(body: dict[str, Any], size: int) -> ParsedRequest:
    said = []
    for message in body["messages"]:
        if message["role"] == "user":
            content = message["content"]
            said += [content] if isinstance(content, str) else [part["text"] for part in content if "text" in part]
    tools = {tool["function"]["name"]: tool["function"].get("parameters", {}) for tool in body.get("tools", [])}
    counted = (body.get("stream_options") or {}).get("include_usage") is True
    system = "\n".join(_text(message) for message in body["messages"] if message["role"] in ("system", "developer"))
    results = tuple(_text(message) for message in body["messages"] if message["role"] == "tool")
    return ParsedRequest(body["model"], body.get("stream", False), said, tools, size, counted, system, results)


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def calls(reply: Reply) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{reply.identity}{number}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for number, call in enumerate(reply.calls)
    ]


def usage(reply: Reply) -> dict[str, Any]:
    output = reply.tokens.answer + reply.tokens.reasoning
    return {
        "prompt_tokens": reply.tokens.prompt,
        "completion_tokens": output,
        "total_tokens": reply.tokens.prompt + output,
        "prompt_tokens_details": {"cached_tokens": reply.tokens.cached},
        "completion_tokens_details": {"reasoning_tokens": reply.tokens.reasoning},
    }


def _head(reply: Reply, kind: str) -> dict[str, Any]:
    identity = f"chatcmpl-{reply.identity}"
    return {"id": identity, "object": kind, "created": 1_760_000_000, "model": reply.request.model}


def _finish(reply: Reply) -> str:
    return "tool_calls" if reply.calls else "content_filter" if reply.turn.refusal else "stop"


def message(reply: Reply) -> dict[str, Any]:
    key = "refusal" if reply.turn.refusal else "content"
    said: dict[str, Any] = {"role": "assistant", "content": None, key: reply.turn.text or None}
    if reply.turn.reasoning:
        said["reasoning_content"] = reply.turn.reasoning
    if reply.calls:
        said["tool_calls"] = calls(reply)
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": _finish(reply)}
    return {**_head(reply, "chat.completion"), "choices": [choice], "usage": usage(reply)}


def events(reply: Reply) -> list[dict[str, Any]]:
    key = "refusal" if reply.turn.refusal else "content"
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in reply.pieces(reply.turn.reasoning)]
    deltas += [{key: piece} for piece in reply.pieces(reply.turn.text)]
    for index, call in enumerate(calls(reply)):
        begun = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        deltas.append({"tool_calls": [begun]})
        for piece in reply.pieces(call["function"]["arguments"]):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    head = _head(reply, "chat.completion.chunk")
    found = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    found.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": _finish(reply)}]})
    if reply.request.chunk_usage:
        found = [{**chunk, "usage": None} for chunk in found]
        found.append({**head, "choices": [], "usage": usage(reply)})
    return [*found, {}]


def encode(event: dict[str, Any]) -> bytes:
    return b"data: " + (json.dumps(event).encode() if event else b"[DONE]") + b"\n\n"


OVERLOADED = {"error": {"message": "The engine is overloaded.", "type": "overloaded_error", "code": "overloaded"}}
