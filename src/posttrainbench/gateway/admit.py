"""Which requests go on to the provider.

Covers: other models than the allowed ones, wherever a body can name one; JSON that two parsers may read differently;
answers that are produced after the connection ends, or charged at other prices than those that are metered; where the
run's network is closed, what the provider would do outside in the agent's place (see `contents`).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from posttrainbench.gateway.contents import NOTHING, SWITCHES, Contents, contents
from posttrainbench.gateway.protocols import Endpoint, ErrorKind


class RefusedError(Exception):
    """The gateway answers itself, with a clear error.

    Attributes:
        message: one sentence for the agent to read.
        model: what the request asked for, where that is why.
        contents: of the request, where it could be read.
    """

    def __init__(self, kind: ErrorKind, message: str, model: str = "", contents: Contents | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.model = model
        self.contents = contents


@dataclass(frozen=True)
class Admitted:
    """A request that may go on.

    Attributes:
        body: what is sent on: the agent's own bytes, but where a stream's usage had to be asked for.
    """

    endpoint: Endpoint
    model: str
    streamed: bool
    body: bytes
    contents: Contents = NOTHING


def admit(endpoint: Endpoint, body: bytes, patterns: list[str], provider_tools: bool = False) -> Admitted:
    """Check one request's body.

    Args:
        endpoint: what the path asks for.
        body: JSON, decompressed.
        patterns: shell-style patterns of the allowed models.
        provider_tools: whether the provider may do things outside for the model.

    Raises:
        RefusedError: it must not go on.
    """
    content = _parse(body)
    named = list(_models(content))
    model = endpoint.model or content.get("model")
    if not isinstance(model, str) or not model:
        raise RefusedError("request", "The request names no model.")
    for name in (model, *named):
        plain = name.removeprefix("models/")
        if not any(fnmatchcase(plain, pattern) for pattern in patterns):
            allowed = ", ".join(patterns)
            message = f"The model {plain[:100]!r} is not allowed in this run; allowed: {allowed}."
            raise RefusedError("refused", message, plain)
    for key, values in REFUSED.items():
        if content.get(key) in values:
            raise RefusedError("request", f"`{key}: {json.dumps(content[key])}` is not available in this run.")
    streamed = content.get("stream") is True if endpoint.streamed is None else endpoint.streamed
    found = contents(content)
    if found.provider_tools and not provider_tools:
        message = (
            f"This run's network is closed, so the provider's own tools are too: {', '.join(found.provider_tools)}."
        )
        raise RefusedError("request", message, model.removeprefix("models/"), found)
    admitted = Admitted(endpoint, model, streamed, body, found)
    return _with_usage(admitted, content) if endpoint.name == "chat" and streamed else admitted


REFUSED: dict[str, tuple[Any, ...]] = {
    "background": (True,),  # the answer, and its usage, would come through another path
    "service_tier": ("priority", "fast"),  # charged at more than the standard price
    "speed": ("fast",),
}


def _parse(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise RefusedError("request", "The request must be a JSON object in UTF-8 without repeated keys.") from None
    if not isinstance(content, dict):
        raise RefusedError("request", "The request must be a JSON object.")
    for key in content:
        if key.lower() in EXACT and key not in EXACT:  # some JSON libraries ignore the case of keys
            raise RefusedError("request", f"The key {key!r} must be written {key.lower()!r}.")
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key is repeated")
    return content


EXACT = frozenset({"model", "models", "fallbacks", "stream", "stream_options", "tools", *REFUSED, *SWITCHES})


def _models(content: dict[str, Any]) -> Iterator[str]:
    """Every model that the body may make the provider call: its own, fall-backs, and models inside of tools."""
    if isinstance(name := content.get("model"), str):
        yield name
    for key in ("models", "fallbacks", "tools"):
        entries = content.get(key)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(name := entry.get("model"), str):
                yield name
            elif isinstance(entry, str) and key != "tools":
                yield entry


def _with_usage(admitted: Admitted, content: dict[str, Any]) -> Admitted:
    """Ask for the usage at the stream's end: without it this API streams uncounted."""
    options = content.get("stream_options")
    options = options if isinstance(options, dict) else {}
    if options.get("include_usage") is True:
        return admitted
    content["stream_options"] = {**options, "include_usage": True}
    return replace(admitted, body=json.dumps(content, ensure_ascii=False).encode())
