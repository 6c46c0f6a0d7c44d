"""Recognize requests that make a model generate text, by method and path."""

import ipaddress
import re

from posttrainbench.gateway.egress.known_hosts import ASKED_BY_GET, is_space

_GENERATES = re.compile(
    r"/(chat/)?completions?\b|/messages\b(?!/count_tokens|/batches/\w+$)|/responses\b|:(stream)?generateContent|/generate\b|"
    r"/text[_-]generation|/invoke\b|/converse|:predict\b|/predictions\b|/chat\b|/hf-inference/models/|/conversation\b|"
    r"/ai/run/|/drivers/call\b|/(run|api)/predict\b|/gradio_api/(run|call)/|/(queue/join|api/queue/push)\b",
    re.IGNORECASE,
)
"""Paths at which known hosts generate text; other paths list models, count tokens or show the account."""
_BATCH = re.compile(
    r"/batches/?(\?|$)|:batchGenerateContent|/batchPredictionJobs/?(\?|$)|/batch/jobs/?(\?|$)|"
    r"/model-invocation-jobs?/?(\?|$)",
    re.IGNORECASE,
)
"""Paths at which jobs of many requests are started."""
_PROTOCOL = re.compile(
    r"/chat/completions/?(\?|$)|/v\d+(alpha|beta)?\d?/(completions|messages|responses)/?(\?|$)|"
    r":(stream|batch)?generateContent\b|/api/(generate|chat)/?(\?|$)|/generate_stream/?(\?|$)|"
    r"/gradio_api/(run|call)/(\w*chat\w*|\w*generat\w*|respond|completion)",
    re.IGNORECASE,
)
"""Paths of generative protocols, which identify a model's server whatever its host."""
_MODEL_SPACE = re.compile(
    r"chat|instruct|llm|gpt|qwen|llama|gemma|mistral|mixtral|deepseek|claude|phi-?[34]|falcon|yi-|glm|zephyr|command-r"
)
"""Parts of the names of Spaces that serve a language model."""


def generates(host: str, method: str, path: str | None) -> bool:
    """Return whether a request to a host of generative models may return generated text."""
    if method == "CONNECT":
        return True
    if method == "GET" and host in ASKED_BY_GET:
        return bool(path and path.strip("/") and not path.startswith(("/models", "/feed", "/account")))
    return method == "POST" and (_GENERATES.search(path or "") is not None or starts_batch(method, path))


def starts_batch(method: str, path: str | None) -> bool:
    """Return whether a request starts a job of many requests."""
    return method == "POST" and _BATCH.search(path or "") is not None


def is_generative_protocol(host: str, path: str) -> bool:
    """Return whether an address is one of a generative protocol on a public host, whatever that host is."""
    return _PROTOCOL.search(path) is not None and _is_public(host)


def is_model_space(host: str, path: str) -> bool:
    """Return whether an address asks a Space that serves a language model, judged by its path and its name."""
    return is_space(host) and (
        _PROTOCOL.search(path) is not None
        or (_GENERATES.search(path) is not None and _MODEL_SPACE.search(host) is not None)
    )


def is_model_name(name: str) -> bool:
    """Return whether the name of a Space, in lower case, is that of a program that serves a language model."""
    return _MODEL_SPACE.search(name) is not None


def _is_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".localhost", ".internal", ".lan", ".test", ".invalid"))
