"""Filter headers and query parameters in both directions."""

from collections.abc import Mapping
from urllib.parse import unquote_plus

from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer trailers "
    "transfer-encoding upgrade".split()
)

NOT_SENT = HOP_BY_HOP | frozenset(
    "host content-length content-encoding accept-encoding expect cookie authorization x-api-key x-goog-api-key "
    "api-key x-goog-user-project openai-organization openai-project x-http-method-override origin referer range "
    "forwarded via x-real-ip true-client-ip cdn-loop".split()
)
NOT_SENT_PREFIXES = ("x-forwarded-", "cf-", "sec-", "if-", "x-goog-iam-", "x-amz-", "x-appengine-", "fastly-")
"""Besides what belongs to the sandbox: headers that choose another account than the key's, or for which providers and
their proxies refuse a request (401, 403) although the key is right. Such a refusal would count as the provider's."""

NOT_SENT_PARAMETERS = frozenset(
    "key access_token oauth_token bearer_token authuser userproject quotauser user_project quota_user".split()
)
"""Query parameters in lower case, without Google's prefix `$`."""

NOT_RETURNED = HOP_BY_HOP | frozenset("set-cookie alt-svc strict-transport-security".split())


def to_provider(headers: Mapping[str, str], key: Mapping[str, str]) -> CIMultiDict[str]:
    """Return the agent's headers for the provider, with the real key in place of tokens and cookies."""
    sent = _without(headers, NOT_SENT)
    for name in [name for name in sent if name.lower().startswith(NOT_SENT_PREFIXES)]:
        sent.popall(name, None)
    sent.setdefault(hdrs.CONTENT_TYPE, "application/json")
    sent[hdrs.ACCEPT_ENCODING] = "identity"  # the usage is read from the forwarded bytes
    sent.update(key)
    return sent


def to_agent(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return the provider's headers for the agent."""
    return _without(headers, NOT_RETURNED)


def query(url: URL) -> str:
    """Return the query string with its question mark, without `NOT_SENT_PARAMETERS`; "" if it is empty."""
    parts = [part for part in url.raw_query_string.split("&") if part]
    names = (unquote_plus(part.split("=")[0]).lower().removeprefix("$") for part in parts)
    retained = [part for part, name in zip(parts, names, strict=True) if name not in NOT_SENT_PARAMETERS]
    return "?" + "&".join(retained) if retained else ""


def _without(headers: Mapping[str, str], names: frozenset[str]) -> CIMultiDict[str]:
    named_in_connection = {name.strip().lower() for name in headers.get(hdrs.CONNECTION, "").split(",")}
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in names | named_in_connection
    )
