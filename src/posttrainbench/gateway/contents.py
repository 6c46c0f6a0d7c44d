"""What a request's body says besides its model: its tools, its system prompt, and what the provider is to do outside.

Covers: tools that the provider itself runs (web search, page fetches, code execution, remote MCP servers) in the four
APIs and in the usual extensions of compatible providers; images and documents that are named by an address, which the
provider fetches. A kind of tool that is not known counts as one that the provider runs.

Does not cover: a model that searches the web unasked, such as those with `search` in their names.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

LONGEST_NAME = 60
MOST_NAMES = 20

LOCAL = ("bash_", "text_editor_", "computer_", "memory_", "tool_search_tool_", "advisor_")
"""How Anthropic's names of tools begin that the client runs, or that reach nothing outside of the request."""
LOCAL_TYPES = frozenset({"function", "custom", "local_shell", "apply_patch", "tool_search"})
"""Types of tools that the client runs, in OpenAI's two APIs and those like them."""
LOCAL_KEYS = frozenset({"functionDeclarations", "function_declarations", "computerUse", "computer_use"})
"""Kinds of tools that the client runs, in Gemini's API."""

SWITCHES = ("mcp_servers", "web_search_options", "plugins", "enable_search", "search_parameters")
"""Keys of a body that make the provider look outside, whatever its tools: Anthropic's, OpenAI's, OpenRouter's,
Alibaba's and xAI's."""

BILLING = "x-anthropic-billing-header"
"""How a block of Claude Code's system prompt begins that is no prompt, and may differ from request to request."""

CONVERSATION = ("messages", "input", "contents")
PARTS = frozenset(
    "content parts output source file image_url video_url audio_url "
    "fileData file_data functionResponse function_response".split()
)
"""Keys below which content stands. Arguments of calls are none of them: there an address is only text."""
ADDRESSES = frozenset({"url", "image_url", "video_url", "audio_url", "file_url", "fileUri", "file_uri"})


@dataclass(frozen=True)
class Contents:
    """What is noted of a request.

    Attributes:
        tools: how many are offered to the model.
        provider_tools: what the provider is to do outside, such as `web_search_20250305` or `address`; bounded.
        system_sha256: of the system prompt; None where there is none.
    """

    tools: int = 0
    provider_tools: tuple[str, ...] = ()
    system_sha256: str | None = None


NOTHING = Contents()


def contents(body: dict[str, Any]) -> Contents:
    """Look through a parsed body, of whichever of the four APIs."""
    tools = body.get("tools")
    tools = tools if isinstance(tools, list) else [] if tools is None else [tools]
    outside = dict.fromkeys([*_provider_tools(tools), *(key for key in SWITCHES if body.get(key))])
    if _has_address(body):
        outside["address"] = None
    return Contents(sum(map(_count, tools)), tuple(outside)[:MOST_NAMES], _system(body))


def _count(tool: Any) -> int:
    """1, or the functions of a Gemini tool, which holds them all."""
    found = (tool.get("functionDeclarations") or tool.get("function_declarations")) if isinstance(tool, dict) else None
    return len(found) if isinstance(found, list) else 1


def _provider_tools(tools: list[Any]) -> Iterator[str]:
    for tool in tools:
        kind = tool.get("type") if isinstance(tool, dict) else tool
        if not isinstance(tool, dict) or (kind is not None and not isinstance(kind, str)):
            yield "unknown"
        elif kind == "namespace" and isinstance(inner := tool.get("tools"), list):
            yield from _provider_tools(inner)
        elif kind is not None:
            if kind not in LOCAL_TYPES and not kind.startswith(LOCAL):
                yield _name(kind)
        elif "name" not in tool:  # Gemini's; Anthropic's own functions have a name and need no type
            yield from (_name(key) for key in tool if key not in LOCAL_KEYS)


def _name(text: str) -> str:
    return "".join(sign if sign.isascii() and sign.isprintable() else "?" for sign in text[:LONGEST_NAME])


def _has_address(body: dict[str, Any]) -> bool:
    """Whether the conversation names something that the provider would fetch."""
    left: list[Any] = [body.get(key) for key in CONVERSATION]
    while left:
        part = left.pop()
        if isinstance(part, list):
            left += part
        elif isinstance(part, dict):
            for key, value in part.items():
                if isinstance(value, str):
                    if key in ADDRESSES and value and not value.startswith("data:"):
                        return True
                elif key in PARTS:
                    left.append(value)
    return False


def _system(body: dict[str, Any]) -> str | None:
    """SHA-256 of the system prompt, as JSON, by which requests of one origin can be told from others."""
    said = [body[key] for key in ("system", "instructions", "systemInstruction", "system_instruction") if body.get(key)]
    for key in ("messages", "input"):
        messages = body.get(key)
        for message in messages if isinstance(messages, list) else ():
            if not isinstance(message, dict) or message.get("role") not in ("system", "developer"):
                break
            said.append(message.get("content"))
    said = [_without_billing(one) for one in said]
    return sha256(json.dumps(said, ensure_ascii=False).encode(errors="replace")).hexdigest() if said else None


def _without_billing(said: Any) -> Any:
    if not isinstance(said, list):
        return said
    return [one for one in said if not (isinstance(one, dict) and str(one.get("text", "")).startswith(BILLING))]
