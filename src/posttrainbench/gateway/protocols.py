"""The three families of model APIs: their paths, credentials and error formats."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

ProtocolName = Literal["anthropic", "openai", "gemini"]

ErrorKind = Literal["request", "key", "refused", "path", "budget", "upstream"]
"""Reason for refusing a request: invalid request, invalid token, model not allowed, unknown path, used-up budget,
unreachable provider."""

STATUS: Mapping[ErrorKind, int] = MappingProxyType(
    {"request": 400, "key": 401, "refused": 403, "path": 404, "budget": 429, "upstream": 502}
)


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of a model API.

    Attributes:
        name: name in `usage.jsonl`.
        path: path below the provider's base URL.
        model: the model, if the path names it; otherwise the body does.
        streamed: whether the response is a stream, if the path determines it; otherwise the body does.
        free: the provider does not charge for calls.
    """

    name: str
    path: str
    model: str | None = None
    streamed: bool | None = None
    free: bool = False


@dataclass(frozen=True)
class Protocol:
    """A family of model APIs.

    Attributes:
        base_url: default base URL.
        key_variable: default environment variable of the host that holds the key.
        key_header: header in which the provider expects the key.
        token_headers: headers in which agents may send the run's token, in lower case; in `authorization` it is
            `Bearer TOKEN`.
    """

    name: ProtocolName
    base_url: str
    key_variable: str
    key_header: str
    token_headers: tuple[str, ...]

    def endpoint(self, path: str) -> Endpoint | None:
        """Return the endpoint of a percent-encoded path, or None if agents may not call it."""
        if self.name == "gemini":
            return _gemini_endpoint(path)
        return FIXED_ENDPOINTS[self.name].get(path)

    def key_headers(self, key: str, bearer: bool) -> dict[str, str]:
        """Return the header that carries the key."""
        if bearer or self.key_header == "authorization":
            return {"authorization": f"Bearer {key}"}
        return {self.key_header: key}

    def error(self, kind: ErrorKind, message: str) -> dict[str, Any]:
        """Return the body of an error response in this API's format."""
        if self.name == "anthropic":
            return {"type": "error", "error": {"type": ANTHROPIC_ERRORS[kind], "message": message}}
        if self.name == "openai":
            name = OPENAI_ERRORS[kind]
            return {"error": {"message": message, "type": name, "param": None, "code": name}}
        error = {"code": STATUS[kind], "message": message, "status": GEMINI_ERRORS[kind]}
        return {"error": {**error, "details": [DAILY_QUOTA_USED]} if kind == "budget" else error}


PROTOCOLS: Mapping[ProtocolName, Protocol] = MappingProxyType(
    {
        "anthropic": Protocol(
            "anthropic",
            "https://api.anthropic.com",
            "ANTHROPIC_API_KEY",
            "x-api-key",
            ("x-api-key", "authorization"),
        ),
        "openai": Protocol(
            "openai",
            "https://api.openai.com/v1",
            "OPENAI_API_KEY",
            "authorization",
            ("authorization",),
        ),
        "gemini": Protocol(
            "gemini",
            "https://generativelanguage.googleapis.com",
            "GEMINI_API_KEY",
            "x-goog-api-key",
            ("x-goog-api-key", "authorization"),
        ),
    }
)

FIXED_ENDPOINTS: Mapping[str, Mapping[str, Endpoint]] = MappingProxyType(
    {
        "anthropic": {
            "/v1/messages": Endpoint("messages", "/v1/messages"),
            "/v1/messages/count_tokens": Endpoint("count_tokens", "/v1/messages/count_tokens", free=True),
        },
        # The version is part of the base URL, since compatible providers use different ones.
        "openai": {
            "/v1/responses": Endpoint("responses", "/responses"),
            "/v1/chat/completions": Endpoint("chat", "/chat/completions"),
        },
    }
)

# A model's name must not contain slashes or percent signs, which could form another path.
GEMINI_PATH = re.compile(
    r"/(?:v1|v1beta|v1alpha)/models/([A-Za-z0-9._-]+):(generateContent|streamGenerateContent|countTokens)"
)


def _gemini_endpoint(path: str) -> Endpoint | None:
    match = GEMINI_PATH.fullmatch(path)
    if match is None:
        return None
    model, method = match.groups()
    return Endpoint(method, path, model, method == "streamGenerateContent", free=method == "countTokens")


ANTHROPIC_ERRORS: Mapping[ErrorKind, str] = MappingProxyType(
    {
        "request": "invalid_request_error",
        "key": "authentication_error",
        "refused": "permission_error",
        "path": "not_found_error",
        "budget": "rate_limit_error",
        "upstream": "api_error",
    }
)
OPENAI_ERRORS: Mapping[ErrorKind, str] = MappingProxyType(
    {
        "request": "invalid_request_error",
        "key": "invalid_api_key",
        "refused": "model_not_allowed",
        "path": "not_found",
        "budget": "insufficient_quota",
        "upstream": "server_error",
    }
)
GEMINI_ERRORS: Mapping[ErrorKind, str] = MappingProxyType(
    {
        "request": "INVALID_ARGUMENT",
        "key": "UNAUTHENTICATED",
        "refused": "PERMISSION_DENIED",
        "path": "NOT_FOUND",
        "budget": "RESOURCE_EXHAUSTED",
        "upstream": "UNAVAILABLE",
    }
)

# Google's clients wait and retry after a 429 response, unless its details name a daily quota.
DAILY_QUOTA_USED: dict[str, Any] = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaMetric": "run_budget", "quotaId": "RunBudgetPerDay"}],
}
