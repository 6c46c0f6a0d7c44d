"""Summarize a request's body: its tools, its system prompt, and what it makes the provider do on the network.

Covers: tools that the provider runs (web search, page fetches, code execution, remote MCP servers) in the four APIs and
in common extensions of compatible providers; images and documents given by URL, which the provider fetches. A tool of
an unknown type counts as one that the provider runs.

Does not cover: models that always search the web, such as those with `search` in their names.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

MAX_NAME_LENGTH = 60
MAX_NAMES = 20

LOCAL_PREFIXES = ("bash_", "text_editor_", "computer_", "memory_", "tool_search_tool_", "advisor_")
"""Prefixes of Anthropic's types of tools that the client runs, or that use only the request itself."""
LOCAL_TYPES = frozenset({"function", "custom", "local_shell", "apply_patch", "tool_search"})
"""Types of tools that the client runs, in OpenAI's two APIs and compatible ones."""
LOCAL_KEYS = frozenset({"functionDeclarations", "function_declarations", "computerUse", "computer_use"})
"""Keys of tools that the client runs, in Gemini's API."""

SWITCHES = ("mcp_servers", "web_search_options", "plugins", "enable_search", "search_parameters")
"""Keys of a body that make the provider use the network, whatever its tools: of Anthropic, OpenAI, OpenRouter, Alibaba
and xAI."""

BILLING = "x-anthropic-billing-header"
"""Prefix of a block in Claude Code's system prompt that is metadata and may differ between requests."""

CONVERSATION = ("messages", "input", "contents")
MODEL_ITEMS = frozenset({"function_call", "custom_tool_call", "local_shell_call", "reasoning"})
"""Types of the entries without a role that the model wrote, in the Responses API."""
PARTS = frozenset(
    "content parts output source file image_url video_url audio_url "
    "fileData file_data functionResponse function_response".split()
)
"""Keys that contain content. The arguments of tool calls are excluded: a URL in them is only text."""
ADDRESSES = frozenset({"url", "image_url", "video_url", "audio_url", "file_url", "fileUri", "file_uri"})


@dataclass(frozen=True)
class BodySummary:
    """Facts about a request's body.

    Attributes:
        tools: number of tools offered to the model.
        provider_tools: what the provider does on the network, such as `web_search_20250305` or `address`; bounded.
        system_sha256: hash of the system prompt; None without a system prompt.
        replies: number of the model's earlier replies in the conversation, bounded; 0 at the start of a conversation.
    """

    tools: int = 0
    provider_tools: tuple[str, ...] = ()
    system_sha256: str | None = None
    replies: int = 0


EMPTY = BodySummary()


def summarize_body(body: dict[str, Any]) -> BodySummary:
    """Summarize a parsed body of any of the four APIs."""
    tools = body.get("tools")
    tools = tools if isinstance(tools, list) else [] if tools is None else [tools]
    names = dict.fromkeys([*_provider_tools(tools), *(key for key in SWITCHES if body.get(key))])
    if _has_address(body):
        names["address"] = None
    return BodySummary(sum(map(_count, tools)), tuple(names)[:MAX_NAMES], _system_sha256(body), _replies(body))


def _count(tool: Any) -> int:
    """Return the number of functions in a tool: 1, or more for a Gemini tool, which contains all functions."""
    functions = (
        (tool.get("functionDeclarations") or tool.get("function_declarations")) if isinstance(tool, dict) else None
    )
    return len(functions) if isinstance(functions, list) else 1


def _provider_tools(tools: list[Any]) -> Iterator[str]:
    for tool in tools:
        kind = tool.get("type") if isinstance(tool, dict) else tool
        if not isinstance(tool, dict) or (kind is not None and not isinstance(kind, str)):
            yield "unknown"
        elif kind == "namespace" and isinstance(inner := tool.get("tools"), list):
            yield from _provider_tools(inner)
        elif kind is not None:
            if kind not in LOCAL_TYPES and not kind.startswith(LOCAL_PREFIXES):
                yield _name(kind)
        elif "name" not in tool:  # a Gemini tool; Anthropic's client tools have a name and may lack a type
            yield from (_name(key) for key in tool if key not in LOCAL_KEYS)


def _name(text: str) -> str:
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in text[:MAX_NAME_LENGTH])


def _has_address(body: dict[str, Any]) -> bool:
    """Return whether the conversation contains a URL that the provider would fetch."""
    stack: list[Any] = [body.get(key) for key in CONVERSATION]
    while stack:
        part = stack.pop()
        if isinstance(part, list):
            stack += part
        elif isinstance(part, dict):
            for key, value in part.items():
                if isinstance(value, str):
                    if key in ADDRESSES and value and not value.startswith("data:"):
                        return True
                elif key in PARTS:
                    stack.append(value)
    return False


def _replies(body: dict[str, Any]) -> int:
    """Return the number of entries of the conversation that the model wrote: messages, calls of tools, reasoning."""
    entries = [
        entry
        for key in CONVERSATION
        for entry in (body[key] if isinstance(body.get(key), list) else ())
        if isinstance(entry, dict)
    ]
    return sum(entry.get("role") in ("assistant", "model") or entry.get("type") in MODEL_ITEMS for entry in entries)


def _system_sha256(body: dict[str, Any]) -> str | None:
    """Return the SHA-256 of the system prompt as JSON, which distinguishes requests of different clients."""
    prompts = [
        body[key] for key in ("system", "instructions", "systemInstruction", "system_instruction") if body.get(key)
    ]
    for key in ("messages", "input"):
        messages = body.get(key)
        for message in messages if isinstance(messages, list) else ():
            if not isinstance(message, dict) or message.get("role") not in ("system", "developer"):
                break
            prompts.append(message.get("content"))
    prompts = [_without_billing(prompt) for prompt in prompts]
    return sha256(json.dumps(prompts, ensure_ascii=False).encode(errors="replace")).hexdigest() if prompts else None


def _without_billing(prompt: Any) -> Any:
    if not isinstance(prompt, list):
        return prompt
    return [
        block for block in prompt if not (isinstance(block, dict) and str(block.get("text", "")).startswith(BILLING))
    ]
