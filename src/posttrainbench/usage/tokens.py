"""Parse the token usage of a request from the four formats in which providers report it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Usage:
    """Tokens of one request.

    Attributes:
        input: all prompt tokens, including the next three.
        cached: prompt tokens read from the provider's cache.
        cache_write: prompt tokens written to the cache for five minutes.
        cache_write_1h: prompt tokens written to the cache for an hour.
        output: generated tokens, including reasoning.
        reasoning: output tokens spent on reasoning.
    """

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0


def anthropic_usage(report: dict[str, Any]) -> Usage:
    """Parse `usage` of Anthropic's Messages, whose input tokens exclude those read from or written to the cache."""
    cached = _count(report, "cache_read_input_tokens")
    written = _count(report, "cache_creation_input_tokens")
    hour = min(_count(_part(report, "cache_creation"), "ephemeral_1h_input_tokens"), written)
    return Usage(
        input=_count(report, "input_tokens") + cached + written,
        cached=cached,
        cache_write=written - hour,
        cache_write_1h=hour,
        output=_count(report, "output_tokens"),
        reasoning=_count(_part(report, "output_tokens_details"), "thinking_tokens"),
    )


def responses_usage(report: dict[str, Any]) -> Usage:
    """Parse `usage` of OpenAI's Responses."""
    return _openai(report, "input_tokens", "output_tokens")


def chat_usage(report: dict[str, Any]) -> Usage:
    """Parse `usage` of OpenAI's Chat Completions and of compatible APIs."""
    return _openai(report, "prompt_tokens", "completion_tokens")


def gemini_usage(report: dict[str, Any]) -> Usage:
    """Parse Gemini's `usageMetadata`, whose output tokens exclude those spent on reasoning."""
    reasoning = _count(report, "thoughtsTokenCount")
    return Usage(
        input=_count(report, "promptTokenCount") + _count(report, "toolUsePromptTokenCount"),
        cached=_count(report, "cachedContentTokenCount"),
        output=_count(report, "candidatesTokenCount") + reasoning,
        reasoning=reasoning,
    )


def _openai(report: dict[str, Any], prompt: str, answer: str) -> Usage:
    details = _part(report, f"{prompt}_details")
    return Usage(
        input=_count(report, prompt),
        # Some compatible providers report it one level up.
        cached=_count(details, "cached_tokens") or _count(report, "cached_tokens"),
        cache_write=_count(details, "cache_write_tokens"),
        output=_count(report, answer),
        reasoning=_count(_part(report, f"{answer}_details"), "reasoning_tokens"),
    )


def _count(report: dict[str, Any], key: str) -> int:
    value = report.get(key)
    return value if isinstance(value, int) and value > 0 else 0


def _part(report: dict[str, Any], key: str) -> dict[str, Any]:
    value = report.get(key)
    return value if isinstance(value, dict) else {}
