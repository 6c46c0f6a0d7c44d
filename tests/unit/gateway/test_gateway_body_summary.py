"""What is noted of a request, and what the provider must not do outside for an agent whose network is closed."""

import json
from typing import Any

import pytest

from posttrainbench.gateway.admit import RefusedError, admit
from posttrainbench.gateway.body_summary import MAX_NAMES, BodySummary, summarize_body
from posttrainbench.gateway.protocols import PROTOCOLS, Endpoint, ProtocolName


def endpoint(protocol: ProtocolName, path: str) -> Endpoint:
    found = PROTOCOLS[protocol].endpoint(path)
    assert found is not None
    return found


ENDPOINTS = {
    "messages": endpoint("anthropic", "/v1/messages"),
    "responses": endpoint("openai", "/v1/responses"),
    "chat": endpoint("openai", "/v1/chat/completions"),
    "gemini": endpoint("gemini", "/v1beta/models/m:generateContent"),
}
URL = "https://example.com/x"


def user(*parts: dict[str, Any], content: str = "content") -> list[dict[str, Any]]:
    return [{"role": "user", content: list(parts)}]


def result(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t", "content": list(parts)}


OUTSIDE: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "web search": ("messages", {"tools": [{"type": "web_search_20250305", "name": "s"}]}, ["web_search_20250305"]),
    "web fetch": ("messages", {"tools": [{"type": "web_fetch_20250910", "name": "f"}]}, ["web_fetch_20250910"]),
    "code": ("messages", {"tools": [{"type": "code_execution_20250825", "name": "c"}]}, ["code_execution_20250825"]),
    "connector": ("messages", {"mcp_servers": [{"type": "url", "url": URL}]}, ["mcp_servers"]),
    "image": ("messages", {"messages": user({"type": "image", "source": {"type": "url", "url": URL}})}, ["address"]),
    "image in a result": (
        "messages",
        {"messages": user(result({"type": "image", "source": {"type": "url", "url": URL}}))},
        ["address"],
    ),
    "several": (
        "responses",
        {"tools": [{"type": kind} for kind in ("web_search", "function", "mcp", "code_interpreter", "web_search")]},
        ["web_search", "mcp", "code_interpreter"],
    ),
    "hidden in a namespace": (
        "responses",
        {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "web_search_preview"}]}]},
        ["web_search_preview"],
    ),
    "file": ("responses", {"input": user({"type": "input_file", "file_url": URL})}, ["address"]),
    "image of a response": ("responses", {"input": user({"type": "input_image", "image_url": URL})}, ["address"]),
    "image of a chat": ("chat", {"messages": user({"type": "image_url", "image_url": {"url": URL}})}, ["address"]),
    "search options": ("chat", {"web_search_options": {"user_location": None}}, ["web_search_options"]),
    "plugins": ("chat", {"plugins": [{"id": "web"}]}, ["plugins"]),
    "switch": ("chat", {"enable_search": True}, ["enable_search"]),
    "builtin": (
        "chat",
        {"tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}]},
        ["builtin_function"],
    ),
    "google": ("gemini", {"tools": [{"googleSearch": {}}, {"url_context": {}}]}, ["googleSearch", "url_context"]),
    "beside functions": ("gemini", {"tools": [{"functionDeclarations": [], "codeExecution": {}}]}, ["codeExecution"]),
    "no list": ("gemini", {"tools": {"googleSearch": {}}}, ["googleSearch"]),
    "video": ("gemini", {"contents": user({"fileData": {"fileUri": URL}}, content="parts")}, ["address"]),
    "nonsense": ("messages", {"tools": ["web_search"]}, ["unknown"]),
    "no type": ("messages", {"tools": [{"type": ["web_search"], "name": "x"}]}, ["unknown"]),
}

INSIDE: dict[str, tuple[str, dict[str, Any], int]] = {
    "nothing": ("messages", {}, 0),
    "own functions": (
        "messages",
        {"tools": [{"name": "Bash", "input_schema": {}}, {"type": "custom", "name": "x"}]},
        2,
    ),
    "what the client runs": (
        "messages",
        {
            "tools": [
                {"type": kind, "name": "x"} for kind in ("bash_20250124", "text_editor_20250728", "memory_20250818")
            ]
        },
        3,
    ),
    "an address as an argument": (
        "messages",
        {"messages": user({"type": "tool_use", "name": "WebFetch", "input": {"url": URL, "content": {"url": URL}}})},
        0,
    ),
    "an address as text": ("messages", {"messages": user({"type": "text", "text": URL})}, 0),
    "an image": ("messages", {"messages": user({"type": "image", "source": {"type": "base64", "data": "AAAA"}})}, 0),
    "an image of a chat": (
        "chat",
        {"messages": user({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}})},
        0,
    ),
    "functions": ("chat", {"tools": [{"type": "function", "function": {"name": "bash"}}]}, 1),
    "switched off": ("chat", {"enable_search": False, "plugins": []}, 0),
    "codex": ("responses", {"tools": [{"type": "function", "name": "exec"}, {"type": "namespace", "tools": []}]}, 2),
    "an argument of a call": (
        "responses",
        {"input": [{"type": "function_call", "arguments": json.dumps({"url": URL}), "name": "web_search"}]},
        0,
    ),
    "declarations": ("gemini", {"tools": [{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}]}, 2),
    "arguments of a function": (
        "gemini",
        {
            "contents": user(
                {"functionCall": {"name": "f", "args": {"url": URL, "parts": [{"fileUri": URL}]}}}, content="parts"
            )
        },
        0,
    ),
}


@pytest.mark.parametrize(("api", "body", "names"), OUTSIDE.values(), ids=OUTSIDE)
def test_what_the_provider_would_do_outside_is_refused_or_noted(
    api: str, body: dict[str, Any], names: list[str]
) -> None:
    sent = json.dumps({"model": "m", **body}).encode()
    with pytest.raises(RefusedError, match="network is closed") as refused:
        admit(ENDPOINTS[api], sent, ["m"])
    assert refused.value.kind == "request"
    assert ", ".join(names) in refused.value.message
    assert refused.value.body_summary is not None
    assert list(refused.value.body_summary.provider_tools) == names
    admitted = admit(ENDPOINTS[api], sent, ["m"], provider_tools=True)
    assert list(admitted.body_summary.provider_tools) == names
    assert admitted.body == sent


@pytest.mark.parametrize(("api", "body", "tools"), INSIDE.values(), ids=INSIDE)
def test_what_stays_inside_passes(api: str, body: dict[str, Any], tools: int) -> None:
    sent = json.dumps({"model": "m", **body}).encode()
    admitted = admit(ENDPOINTS[api], sent, ["m"])
    assert admitted.body_summary == BodySummary(tools, replies=admitted.body_summary.replies)
    assert admitted.body == sent


@pytest.mark.parametrize("key", ["Tools", "MCP_servers", "Enable_Search"])
def test_keys_in_another_case_are_refused(key: str) -> None:
    with pytest.raises(RefusedError, match="must be written"):
        admit(ENDPOINTS["messages"], json.dumps({"model": "m", key: [1]}).encode(), ["m"])


def test_names_of_tools_are_bounded_and_plain() -> None:
    found = summarize_body({"tools": [{"type": f"web\n\u202e{number}{'x' * 1000}"} for number in range(100)]})
    assert found.tools == 100
    assert len(found.provider_tools) == MAX_NAMES
    assert all(len(name) <= 60 and name.isprintable() and name.isascii() for name in found.provider_tools)


SYSTEMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "messages": ({"system": "Be good."}, {"system": "Be bad."}),
    "blocks": ({"system": [{"type": "text", "text": "a"}]}, {"system": [{"type": "text", "text": "b"}]}),
    "responses": ({"instructions": "Be good."}, {"instructions": "Be bad."}),
    "chat": ({"messages": [{"role": "system", "content": "a"}]}, {"messages": [{"role": "system", "content": "b"}]}),
    "developer": (
        {"input": [{"role": "developer", "content": "a"}]},
        {"input": [{"role": "developer", "content": "b"}]},
    ),
    "gemini": ({"systemInstruction": {"parts": [{"text": "a"}]}}, {"systemInstruction": {"parts": [{"text": "b"}]}}),
}


@pytest.mark.parametrize(("one", "other"), SYSTEMS.values(), ids=SYSTEMS)
def test_system_prompts_are_told_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = summarize_body(one).system_sha256, summarize_body(other).system_sha256
    assert first is not None
    assert second is not None
    assert first != second
    more = {**one, "model": "other", "temperature": 1}
    for key in ("messages", "input"):
        if key in one:
            more[key] = [*one[key], {"role": "user", "content": "Hello"}, {"role": "system", "content": "later"}]
    assert summarize_body(more).system_sha256 == first


def test_no_system_prompt_has_no_hash() -> None:
    assert summarize_body({"messages": [{"role": "user", "content": "Hello"}]}).system_sha256 is None
    assert summarize_body({"system": "", "messages": "nonsense", "tools": None}) == BodySummary()


def test_a_billing_note_is_no_part_of_the_system_prompt() -> None:
    def body(note: str) -> dict[str, Any]:
        return {"system": [{"type": "text", "text": f"x-anthropic-billing-header: {note};"}, {"text": "Be good."}]}

    assert summarize_body(body("cch=1")).system_sha256 == summarize_body(body("cch=2")).system_sha256
