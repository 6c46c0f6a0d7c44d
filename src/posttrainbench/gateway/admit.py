"""Decide which requests are forwarded to the provider.

Covers: models outside of the allowed ones, wherever a body can name one; JSON that two parsers may read differently;
responses that are produced after the connection ends, or charged at other prices than the known ones; in runs with a
closed network, requests that make the provider use the network for the agent (see `body_summary`).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from posttrainbench.gateway.body_summary import EMPTY, SWITCHES, BodySummary, summarize_body
from posttrainbench.gateway.protocols import Endpoint, ErrorKind


class RefusedError(Exception):
    """The gateway answers the request itself, with an error.

    Attributes:
        message: one sentence for the agent.
        model: the requested model, if it is the reason.
        body_summary: summary of the request's body, if it could be parsed.
    """

    def __init__(self, kind: ErrorKind, message: str, model: str = "", body_summary: BodySummary | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.model = model
        self.body_summary = body_summary


@dataclass(frozen=True)
class AdmittedRequest:
    """A request that may be forwarded.

    Attributes:
        body: the bytes to forward: the agent's own, except for streams whose usage must be requested.
    """

    endpoint: Endpoint
    model: str
    streamed: bool
    body: bytes
    body_summary: BodySummary = EMPTY


def admit(endpoint: Endpoint, body: bytes, patterns: list[str], provider_tools: bool = False) -> AdmittedRequest:
    """Check a request's body.

    Args:
        endpoint: the endpoint that the path names.
        body: JSON, decompressed.
        patterns: shell-style patterns of the allowed models.
        provider_tools: whether the provider may run tools that use the network.

    Raises:
        RefusedError: the request must not be forwarded.
    """
    content = _parse(body)
    model = endpoint.model or content.get("model")
    if not isinstance(model, str) or not model:
        raise RefusedError("request", "The request does not name a model.")
    for name in (model, *_models(content)):
        plain = name.removeprefix("models/")
        if not any(fnmatchcase(plain, pattern) for pattern in patterns):
            allowed = ", ".join(patterns)
            message = f"The model {plain[:100]!r} is not allowed in this run; allowed: {allowed}."
            raise RefusedError("refused", message, plain)
    for key, values in REFUSED.items():
        if content.get(key) in values:
            raise RefusedError("request", f"`{key}: {json.dumps(content[key])}` is not available in this run.")
    streamed = content.get("stream") is True if endpoint.streamed is None else endpoint.streamed
    summary = summarize_body(content)
    if summary.provider_tools and not provider_tools:
        message = (
            "This run's network is closed, so tools that the provider runs are not available: "
            f"{', '.join(summary.provider_tools)}."
        )
        raise RefusedError("request", message, model.removeprefix("models/"), summary)
    admitted = AdmittedRequest(endpoint, model, streamed, body, summary)
    return _with_usage(admitted, content) if endpoint.name == "chat" and streamed else admitted


REFUSED: dict[str, tuple[Any, ...]] = {
    "background": (True,),  # the response and its usage would arrive through another endpoint
    "service_tier": ("priority", "fast"),  # charged above the standard price
    "speed": ("fast",),
}
"""Key of a body -> values that are refused."""


MAX_BRACKETS = 2**20
"""Number of `[` and `{` in a body, each of which takes up to 200 bytes of memory while the body is parsed."""


def _parse(body: bytes) -> dict[str, Any]:
    if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
        raise RefusedError("request", f"The request contains more than {MAX_BRACKETS:,} opening brackets.")
    try:
        content = json.loads(body.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise RefusedError("request", "The request must be a JSON object in UTF-8 without repeated keys.") from None
    if not isinstance(content, dict):
        raise RefusedError("request", "The request must be a JSON object.")
    for key in content:
        if key.lower() in EXACT_KEYS and key not in EXACT_KEYS:
            raise RefusedError("request", f"The key {key!r} must be written {key.lower()!r}.")
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key is repeated")
    return content


EXACT_KEYS = frozenset({"model", "models", "fallbacks", "stream", "stream_options", "tools", *REFUSED, *SWITCHES})
"""Keys that must be in lower case, since some JSON libraries ignore case."""


def _models(content: dict[str, Any]) -> Iterator[str]:
    """Yield every model that the provider may call for a body: its own, fallbacks, and models inside of tools."""
    if isinstance(name := content.get("model"), str):
        yield name
    for key in ("models", "fallbacks", "tools"):
        entries = content.get(key)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(name := entry.get("model"), str):
                yield name
            elif isinstance(entry, str) and key != "tools":
                yield entry


def _with_usage(admitted: AdmittedRequest, content: dict[str, Any]) -> AdmittedRequest:
    """Request the usage at the end of a Chat Completions stream, which omits it by default."""
    options = content.get("stream_options")
    options = options if isinstance(options, dict) else {}
    if options.get("include_usage") is True:
        return admitted
    content["stream_options"] = {**options, "include_usage": True}
    return replace(admitted, body=json.dumps(content).encode())
