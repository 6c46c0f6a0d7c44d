"""Usage and errors are read from answers in pieces cut anywhere."""

import json
from types import ModuleType

import pytest

from fake_models import anthropic, chat, gemini, responses
from fake_models.parsed_request import ParsedRequest, reply
from fake_models.scenario import Call, Say
from posttrainbench.gateway.response_reader import NO_CONTENT, NO_LAST_EVENT, NOT_JSON, ResponseReader
from posttrainbench.usage.calls import WITHHELD
from posttrainbench.usage.tokens import Usage

PROTOCOLS = {
    "messages": anthropic,
    "responses": responses,
    "chat": chat,
    "streamGenerateContent": gemini,
}

# The model talks about usage itself, which must not be counted.
TURN = Say(
    'The field "usage": {"input_tokens": 999999} is\n\ndata: {"usage": {"output_tokens": 1}}\n in it.',
    calls=(Call("bash", {"command": "ls", "usage": {"input_tokens": 7}}),),
    reasoning="let me think about this for a while",
    cached=50,
    piece=7,
)


def answered(protocol: ModuleType) -> tuple[bytes, bytes, Usage]:
    """A stream, the same as one message, and what both used."""
    made = reply(TURN, ParsedRequest("m", True, ["x"], {}, 1000), "1")
    tokens = made.tokens
    # Anthropic counts thinking among the output without saying how much of it.
    reasoning = 0 if protocol is anthropic else tokens.reasoning
    usage = Usage(250, cached=50, output=tokens.answer + tokens.reasoning, reasoning=reasoning)
    stream = b"".join(map(protocol.encode, protocol.events(made)))
    return stream, json.dumps(protocol.message(made), indent=1).encode(), usage


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 10**6])
@pytest.mark.parametrize("endpoint", PROTOCOLS)
def test_usage_of_a_stream(endpoint: str, size: int) -> None:
    stream, _, usage = answered(PROTOCOLS[endpoint])
    answer = ResponseReader(endpoint, stream=True)
    for start in range(0, len(stream), size):
        answer.feed(stream[start : start + size])
    answer.finish()
    assert (answer.usage, answer.complete, answer.error) == (usage, True, None)


@pytest.mark.parametrize("endpoint", PROTOCOLS)
def test_usage_of_a_whole_answer(endpoint: str) -> None:
    _, whole, usage = answered(PROTOCOLS[endpoint])
    answer = ResponseReader(endpoint, stream=False)
    for start in range(0, len(whole), 10):
        answer.feed(whole[start : start + 10])
    assert answer.usage is None
    answer.finish()
    assert (answer.usage, answer.complete) == (usage, True)


def test_usage_of_a_gemini_stream_that_is_an_array() -> None:
    made = reply(TURN, ParsedRequest("m", True, ["x"], {}, 1000), "1")
    answer = ResponseReader("streamGenerateContent", stream=False)
    answer.feed(json.dumps(gemini.events(made)).encode())
    answer.finish()
    assert answer.usage == answered(gemini)[2]


@pytest.mark.parametrize("endpoint", PROTOCOLS)
def test_a_stream_without_its_end_is_not_complete(endpoint: str) -> None:
    protocol = PROTOCOLS[endpoint]
    events = protocol.events(reply(TURN, ParsedRequest("m", True, ["x"], {}, 1000), "1"))
    answer = ResponseReader(endpoint, stream=True)
    for event in events[: len(events) // 2]:
        answer.feed(protocol.encode(event))
    assert not answer.complete
    assert answer.events == len(events) // 2


@pytest.mark.parametrize("endpoint", PROTOCOLS)
def test_an_error_in_the_middle_of_a_stream_is_read(endpoint: str) -> None:
    protocol = PROTOCOLS[endpoint]
    answer = ResponseReader(endpoint, stream=True)
    answer.feed(protocol.encode(protocol.OVERLOADED))
    assert answer.error is not None
    assert "overloaded" in answer.error
    assert not answer.complete


def sse(*events: dict) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def test_what_anthropic_writes_to_its_cache_is_kept_apart() -> None:
    start = {
        "input_tokens": 3,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 50,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
        "output_tokens": 1,
    }
    expected = Usage(153, cached=100, cache_write=20, cache_write_1h=30, output=9)
    for last in (
        {"output_tokens": 9},
        {**start, "output_tokens": 9},
        {**start, "output_tokens": 9, "cache_creation": {}},
    ):
        answer = ResponseReader("messages", stream=True)
        answer.feed(
            sse({"type": "message_start", "message": {"usage": start}}, {"type": "message_delta", "usage": last})
        )
        assert answer.usage == expected


def test_a_compatible_provider_may_tell_all_at_the_end() -> None:
    answer = ResponseReader("messages", stream=True)
    nothing = {"input_tokens": 0, "output_tokens": 0}
    last = {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 7}
    answer.feed(sse({"type": "message_start", "message": {"usage": nothing}}, {"type": "message_delta", "usage": last}))
    assert answer.usage == Usage(15, cached=5, output=7)


def test_a_compatible_provider_may_report_beside_the_last_choice() -> None:
    answer = ResponseReader("chat", stream=True)
    report = {"prompt_tokens": 5, "completion_tokens": 6, "cached_tokens": 2}
    answer.feed(sse({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": report}))
    assert (answer.usage, answer.complete) == (Usage(5, cached=2, output=6), True)


@pytest.mark.parametrize("endpoint", [*PROTOCOLS, "count_tokens", "countTokens"])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"data: {\n\n",
        b'data: {"usage": 3}\n\n',
        b'data: ["usage"]\n\n',
        b'data: {"usage": {"input_tokens": "x", "prompt_tokens": -3}}\n\n',
        b'{"usage": null, "usageMetadata": [], "error": null}',
        b'data: {"message": 3, "type": "message_start", "response": [], "error": {}, "usage": 1}\n\n',
        b'data: {"usageMetadata": {}, "candidates": [3], "choices": [3], "usage": {}}\n\n',
        b"data:" + b"[" * 100_000 + b'"usage"\n',
    ],
)
def test_nothing_that_a_provider_sends_is_a_failure(endpoint: str, stream: bool, data: bytes) -> None:
    answer = ResponseReader(endpoint, stream)
    answer.feed(data)
    answer.finish()
    assert answer.usage in (None, Usage())


def finished(endpoint: str, stream: bool, data: bytes) -> ResponseReader:
    reader = ResponseReader(endpoint, stream)
    reader.feed(data)
    reader.finish()
    return reader


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("endpoint", PROTOCOLS)
def test_a_complete_response_has_no_defect(endpoint: str, stream: bool) -> None:
    reader = finished(endpoint, stream, answered(PROTOCOLS[endpoint])[0 if stream else 1])
    assert (reader.error, reader.has_content) == (None, True)


@pytest.mark.parametrize("endpoint", PROTOCOLS)
def test_half_of_a_response_is_an_error(endpoint: str) -> None:
    stream, whole, _ = answered(PROTOCOLS[endpoint])
    assert finished(endpoint, False, whole[: len(whole) // 2]).error == NOT_JSON
    assert finished(endpoint, True, stream[: len(stream) // 2]).error == NO_LAST_EVENT
    assert finished(endpoint, False, b"").error == NOT_JSON
    assert finished(endpoint, True, b"").error == NO_LAST_EVENT


CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
NO_TOKENS = {"prompt_tokens": 1, "completion_tokens": 0}
CANDIDATE = {"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}


@pytest.mark.parametrize(
    ("endpoint", "stream", "data", "error"),
    [
        ("chat", False, json.dumps({"choices": [], "usage": NO_TOKENS}).encode(), NO_CONTENT),
        ("chat", False, b"{}", NO_CONTENT),
        ("chat", True, sse({"choices": [], "usage": NO_TOKENS}) + b"data: [DONE]\n\n", NO_CONTENT),
        ("chat", True, sse({"choices": [CHOICE]}), None),  # neither usage nor [DONE]
        ("chat", False, json.dumps({"choices": [CHOICE]}).encode(), None),
        ("chat", False, json.dumps({"choices": [CHOICE], "usage": NO_TOKENS}).encode(), None),
        ("messages", False, json.dumps({"type": "message", "content": []}).encode(), NO_CONTENT),
        # A model may end its turn without a word.
        (
            "messages",
            False,
            json.dumps({"type": "message", "content": [], "usage": {"output_tokens": 2}}).encode(),
            None,
        ),
        ("messages", False, b'{"type": "message", "content": [], "stop_reason": "refusal"}', WITHHELD),
        ("messages", True, sse({"type": "message_start", "message": {}}, {"type": "message_stop"}), NO_CONTENT),
        ("responses", False, json.dumps({"output": [], "usage": {"output_tokens": 0}}).encode(), NO_CONTENT),
        ("responses", True, sse({"type": "response.completed", "response": {"output": []}}), NO_CONTENT),
        ("generateContent", False, b'{"candidates": []}', NO_CONTENT),
        ("generateContent", False, b'{"promptFeedback": {"blockReason": "SAFETY"}}', WITHHELD),
        ("streamGenerateContent", True, sse({"candidates": [{"finishReason": "SAFETY"}]}), WITHHELD),
        ("streamGenerateContent", True, sse({"candidates": [CANDIDATE]}), None),
        ("count_tokens", False, b'{"input_tokens": 3}', None),
    ],
)
def test_an_empty_response_is_an_error(endpoint: str, stream: bool, data: bytes, error: str | None) -> None:
    assert finished(endpoint, stream, data).error == error


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posttrainbench.gateway.response_reader.MAX_BUFFERED_BYTES", 1000)
    answer = ResponseReader("messages", stream=True)
    for _ in range(100):
        answer.feed(b"x" * 100)
        assert len(answer._buffer) <= 1100
    answer.finish()
    assert answer.usage is None
