"""A request cannot make the provider refuse the right key, nor choose another account than the key's."""

import pytest
from yarl import URL

from posttrainbench.gateway.headers import query, to_provider

KEY = {"x-api-key": "the-key"}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "openai-organization",
            "OpenAI-Project",
            "Origin",
            "Referer",
            "CF-Connecting-IP",
            "CDN-Loop",
            "X-Forwarded-Port",
        ),
        *("If-None-Match", "Range", "Sec-Fetch-Mode", "x-goog-user-project", "X-Goog-IAM-Authorization-Token"),
        *("x-amz-security-token", "authorization", "X-API-Key", "api-key", "x-goog-api-key"),
    ],
)
def test_headers_that_change_whose_request_it_is_are_not_sent(name: str) -> None:
    assert dict(to_provider({name: "other", "content-type": "application/json"}, KEY)) == {
        "content-type": "application/json",
        "Accept-Encoding": "identity",
        "x-api-key": "the-key",
    }


@pytest.mark.parametrize(
    "name",
    [
        *(
            "anthropic-version",
            "anthropic-beta",
            "OpenAI-Beta",
            "originator",
            "session_id",
            "x-stainless-lang",
            "x-app",
        ),
        *("x-goog-api-client", "http-referer", "x-title", "user-agent", "accept", "chatgpt-account-id"),
    ],
)
def test_headers_of_clients_are_sent(name: str) -> None:
    assert to_provider({name: "value"}, KEY)[name] == "value"


@pytest.mark.parametrize(
    ("sent", "forwarded"),
    [
        ("?alt=sse&key=x", "?alt=sse"),
        ("?access_token=x&beta=true", "?beta=true"),
        ("?%6bey=x&userProject=y&quotaUser=z&%24userProject=y", ""),
        ("?api-version=2025&monkey=1", "?api-version=2025&monkey=1"),
        ("", ""),
    ],
)
def test_query_parameters(sent: str, forwarded: str) -> None:
    assert query(URL(f"http://x/v1/messages{sent}", encoded=True)) == forwarded
