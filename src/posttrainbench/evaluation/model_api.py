"""Connect to a model of Inspect's, or to a server with OpenAI's chat completions API, and read the errors of both.

Used for graders and judges. A model's name is that of any Inspect model, such as `openai/gpt-5-mini`, or `URL#MODEL`
for a server, such as `http://localhost:8000/v1#my-model`. Keys are read only from the environment.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Literal

from posttrainbench.errors import InputError, one_line
from posttrainbench.redaction import Redactor

if TYPE_CHECKING:
    from inspect_ai.model import Model

_MARKUP = re.compile(r"\[/?(?:bold|blue)\]")


def is_url(name: str) -> bool:
    """Return True if the name of a model is `URL#MODEL`."""
    return name.startswith(("http://", "https://"))


def connect(
    name: str,
    role: Literal["grader", "judge"],
    key_variable: str,
    *,
    max_tokens: int,
    connections: int,
    seconds: int,
    effort: Literal["medium"],
) -> Model:
    """Return a model that never retries on its own. No request is sent.

    Args:
        name: of an Inspect model, or `URL#MODEL`.
        role: what the model is for; named in messages.
        key_variable: environment variable with the optional key for a URL.
        max_tokens: limit of one reply, including reasoning.
        connections: concurrent requests.
        seconds: timeout of one reply.
        effort: reasoning effort; servers at a URL use their own default.

    Raises:
        InputError: the name is invalid, or the API key of its provider is not set.
    """
    from inspect_ai.model import GenerateConfig, get_model

    config = GenerateConfig(
        max_tokens=max_tokens,
        reasoning_effort=None if is_url(name) else effort,
        max_connections=connections,
        max_retries=0,
        attempt_timeout=seconds,
    )
    if not is_url(name):
        # The client of these two would otherwise retry without a record.
        own: dict[str, Any] = {"max_retries": 0} if name.split("/")[0] in ("openai", "openai-api") else {}
        try:
            return get_model(name, memoize=False, config=config, **own)
        except Exception as error:
            variables = list(dict.fromkeys(re.findall(r"[A-Z][A-Z0-9_]*_(?:KEY|TOKEN)", str(error))))
            keys = f" ({' or '.join(variables)})" if variables else ""
            reason = "" if variables else f" {error_message(error)}"
            raise InputError(
                f"The {role} {name} is not available; set its key in the environment{keys}, or choose another model."
                f"{reason}"
            ) from None
    url, _, model = name.partition("#")
    if not model:
        raise InputError(f"The {role} {name} does not name a model; write URL#MODEL.")
    return get_model(
        f"openai-api/{role}/{model}",
        memoize=False,
        config=config,
        base_url=url,
        api_key=os.environ.get(key_variable) or "none",
        max_retries=0,
    )


def provider_error(error: Exception) -> Exception:
    """Return the provider's own error if Inspect wrapped one, else the cause of a failed retry, else the error."""
    from tenacity import RetryError

    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, Exception) and isinstance(getattr(inner, "status_code", None), int):
            return inner
        inner = inner.__cause__ or inner.__context__
    return error.__cause__ if isinstance(error, RetryError) and isinstance(error.__cause__, Exception) else error


def status_of(error: Exception) -> int | None:
    """Return the HTTP status of a provider's error, if it has one."""
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def error_message(error: Exception) -> str:
    """Return an error's message on one line, without Inspect's markup and with API keys redacted."""
    keys = [value for name, value in os.environ.items() if name.endswith(("_KEY", "_TOKEN"))]
    return Redactor(keys).line(_MARKUP.sub("", one_line(error)))
