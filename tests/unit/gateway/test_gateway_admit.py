"""Which requests go on, and under which name a forbidden model could hide."""

import json
from typing import Any

import pytest

from posttrainbench.gateway.admit import RefusedError, admit
from posttrainbench.gateway.protocols import PROTOCOLS, STATUS, ErrorKind, ProtocolName

MESSAGES = PROTOCOLS["anthropic"].endpoint("/v1/messages")
CHAT = PROTOCOLS["openai"].endpoint("/v1/chat/completions")
GENERATE = PROTOCOLS["gemini"].endpoint("/v1beta/models/gemini-2.5-pro:generateContent")
assert MESSAGES is not None
assert CHAT is not None
assert GENERATE is not None


def body(**content: Any) -> bytes:
    return json.dumps(content).encode()


@pytest.mark.parametrize("patterns", [["claude-opus-4-6"], ["claude-*"], ["other", "claude-opus-4-?"]])
def test_allowed_models_pass_unchanged(patterns: list[str]) -> None:
    sent = b'{ "model" : "claude-opus-4-6", "stream":true, "messages": [{"content": "\\u00e9\xc3\xa9"}] }'
    admitted = admit(MESSAGES, sent, patterns)
    assert admitted.body == sent
    assert (admitted.model, admitted.streamed) == ("claude-opus-4-6", True)


@pytest.mark.parametrize(
    "content",
    [
        {"model": "gpt-5"},
        {"model": "CLAUDE-opus"},
        {"model": "x-claude-opus"},
        {"model": "claude-a", "models": ["claude-a", "gpt-5"]},
        {"model": "claude-a", "fallbacks": [{"model": "gpt-5"}]},
        {"model": "claude-a", "fallbacks": ["gpt-5"]},
        {"model": "claude-a", "tools": [{"type": "advisor", "model": "gpt-5"}]},
    ],
)
def test_other_models_are_refused_wherever_they_are_named(content: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="allowed: claude-a, claude-b-\\*") as refused:
        admit(MESSAGES, body(**content), ["claude-a", "claude-b-*"])
    assert refused.value.kind == "refused"


def test_a_tools_own_argument_may_be_called_model() -> None:
    schema = {"type": "object", "properties": {"model": {"type": "string", "enum": ["gpt-5"]}}}
    history = [{"role": "assistant", "content": [{"type": "tool_use", "input": {"model": "gpt2"}}]}]
    content = body(model="claude-a", tools=[{"name": "task", "input_schema": schema}], messages=history)
    assert admit(MESSAGES, content, ["claude-a"]).body == content


def test_a_path_and_a_body_that_name_different_models_are_refused() -> None:
    assert admit(GENERATE, body(contents=[]), ["gemini-2.5-*"]).model == "gemini-2.5-pro"
    assert admit(GENERATE, body(model="models/gemini-2.5-pro"), ["gemini-2.5-pro"]).model == "gemini-2.5-pro"
    with pytest.raises(RefusedError):
        admit(GENERATE, body(model="models/gemini-9"), ["gemini-2.5-*"])


@pytest.mark.parametrize(
    "sent",
    [
        b'{"model": "claude-a", "model": "gpt-5"}',
        b'{"model": "gpt-5", "model": "claude-a"}',
        b'{"model": "claude-a", "\\u006dodel": "gpt-5"}',
        b'{"model": "claude-a", "Model": "gpt-5"}',
        b'{"model": "claude-a", "STREAM": true}',
        b'{"model": "claude-a", "messages": [{"role": "user", "role": "system"}]}',
        b'{"model": "claude-a"} {"model": "gpt-5"}',
        b"\xff\xfe{\x00}\x00",
        '{"model": "claude-a"}'.encode("utf-16"),
        b"[]",
        b'"claude-a"',
        b"",
        b"[" * 100_000,
        b'{"model": 3}',
        b'{"model": null}',
        b'{"model": ""}',
        b"{}",
        b'{"model": "claude-a", "n": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(sent: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        admit(MESSAGES, sent, ["*"])
    assert refused.value.kind == "request"


@pytest.mark.parametrize("extra", [{"background": True}, {"service_tier": "priority"}, {"speed": "fast"}])
def test_what_cannot_be_metered_is_refused(extra: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match=next(iter(extra))):
        admit(CHAT, body(model="m", **extra), ["m"])


@pytest.mark.parametrize("extra", [{"background": False}, {"service_tier": "auto"}, {"speed": "standard"}])
def test_what_can_be_metered_passes(extra: dict[str, Any]) -> None:
    assert admit(CHAT, body(model="m", **extra), ["m"]).body == body(model="m", **extra)


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"other": 1}, "nonsense"])
def test_a_chat_stream_is_asked_for_its_usage(options: Any) -> None:
    content = {"model": "m", "stream": True, "messages": [{"content": "é"}], "stream_options": options}
    sent = json.loads(admit(CHAT, body(**content), ["m"]).body)
    assert sent.pop("stream_options")["include_usage"] is True
    assert sent == {key: value for key, value in content.items() if key != "stream_options"}


@pytest.mark.parametrize(
    "options", [{"stream_options": {"include_usage": True}, "stream": True}, {"stream": False}, {}]
)
def test_a_chat_that_tells_its_usage_passes_unchanged(options: dict[str, Any]) -> None:
    content = b" " + body(model="m", **options)
    assert admit(CHAT, content, ["m"]).body == content


@pytest.mark.parametrize(
    ("protocol", "path"),
    [
        ("anthropic", "/v1/messages/batches"),
        ("anthropic", "/v1/files"),
        ("anthropic", "/v1/messages/"),
        ("anthropic", "/v1/messages/../models"),
        ("anthropic", "/v1/%6dessages"),
        ("anthropic", "//v1/messages"),
        ("openai", "/v1/models"),
        ("openai", "/v1/fine_tuning/jobs"),
        ("openai", "/v1/responses/resp_1"),
        ("openai", "/v1/embeddings"),
        ("openai", "/v1/messages"),
        ("gemini", "/v1beta/models/m:embedContent"),
        ("gemini", "/v1beta/models/m%2F..:generateContent"),
        ("gemini", "/v1beta/models/a/b:generateContent"),
        ("gemini", "/v1beta/tunedModels/m:generateContent"),
        ("gemini", "/v1beta/models/m:generateContent\n"),
        ("gemini", "/v1beta/models/m"),
        ("gemini", "/upload/v1beta/files"),
    ],
)
def test_only_model_calls_have_a_path(protocol: ProtocolName, path: str) -> None:
    assert PROTOCOLS[protocol].endpoint(path) is None


@pytest.mark.parametrize("kind", STATUS)
def test_errors_have_their_providers_shape(kind: ErrorKind) -> None:
    anthropic = PROTOCOLS["anthropic"].error(kind, "why")
    assert anthropic["type"] == "error"
    assert anthropic["error"]["message"] == "why"
    openai = PROTOCOLS["openai"].error(kind, "why")["error"]
    assert (openai["message"], openai["param"], openai["type"]) == ("why", None, openai["code"])
    gemini = PROTOCOLS["gemini"].error(kind, "why")["error"]
    assert (gemini["message"], gemini["code"]) == ("why", STATUS[kind])


def test_half_of_a_surrogate_pair_in_a_stream_goes_on_as_it_came() -> None:
    sent = body(model="gpt-5", stream=True, messages=[{"role": "user", "content": "\ud83d"}])
    admitted = admit(CHAT, sent, ["gpt-5"])
    assert json.loads(admitted.body)["messages"][0]["content"] == "\ud83d"
