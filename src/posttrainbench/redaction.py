"""Redact secrets from text before it is logged.

Covers: known secrets, literal and percent-encoded, and beginnings and ends of them of at least half their length;
strings in the formats of common providers' keys; users with passwords in URLs.

Does not cover: secrets transformed in other ways (base64, reversed, split over lines), and shorter or inner parts.
"""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from posttrainbench.errors import InputError

MARK = "[redacted]"

MIN_LENGTH = 8
"""Known secrets shorter than this are ignored, because they would match unrelated text."""

# All lookaheads are bounded, so that matching takes linear time even on hostile lines.
SHAPES = (
    r"sk-ant-[A-Za-z0-9_-]{16,}",  # Anthropic
    r"sk-(?:proj|svcacct|admin|or-v1)-[A-Za-z0-9_-]{16,}",  # OpenAI, OpenRouter
    r"sk-(?=[A-Za-z_-]{0,100}[0-9])[A-Za-z0-9_-]{20,}",  # OpenAI and many providers with the same format
    r"AIza[A-Za-z0-9_-]{35}",  # Google
    r"ya29\.[A-Za-z0-9_-]{20,}",
    r"gh[pousr]_[A-Za-z0-9]{30,}",  # GitHub
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"glpat-[A-Za-z0-9_-]{20,}",  # GitLab
    r"hf_[A-Za-z0-9]{30,}",  # Hugging Face
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",  # AWS
    r"xai-[A-Za-z0-9]{40,}",
    r"gsk_[A-Za-z0-9]{40,}",  # Groq
    r"xox[abprs]-[A-Za-z0-9-]{20,}",  # Slack
    r"npm_[A-Za-z0-9]{36}",
    r"eyJ[A-Za-z0-9_-]{16,300}\.eyJ[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]+)?",  # JSON web tokens
)

SHAPED = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(SHAPES)})")

BEARER = re.compile(r"\b(Bearer\s{1,8})[A-Za-z0-9._~+/-]{16,}=*", re.IGNORECASE)

URL_USER = re.compile(r"(://)[^\s/?#@:\"'<>]{0,200}:[^\s/?#\"'<>]{1,200}@")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:[/\\]+", re.IGNORECASE)


def has_credentials(url: str) -> bool:
    """Return whether a URL contains a user, a password, or a query, which may contain a key.

    The URL may lack a scheme, end in `#MODEL`, or be malformed, as when a password contains `/` or `#`.
    """
    scheme = SCHEME.match(url)
    rest = (url[scheme.end() :] if scheme else url).replace("\\", "/")
    authority = rest.partition("/")[0]
    port = re.sub(r"\[[^\]]*\]", "", authority.partition("#")[0]).partition(":")[2]
    return "@" in authority or "?" in rest or (scheme is not None and not port.isdigit() and port != "")


def require_no_credentials(name: str, subject: str, variable: str) -> None:
    """Check the name of a model, which may be `URL#MODEL`. An error does not repeat it.

    Args:
        name: the name as the user gave it.
        subject: what the name is for, such as `grader`.
        variable: environment variable for the key.

    Raises:
        InputError: the name contains a user, a password or a query.
    """
    if has_credentials(name):
        raise InputError(
            f"The {subject} must be a model's name, or URL#MODEL without a user, a password and a query; put its key "
            f"into the environment variable {variable}."
        )


class Redactor:
    """Redacts secrets line by line; secrets do not contain line breaks."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Create a redactor.

        Args:
            known: secrets to redact whatever their format.
        """
        keys = {key for key in known if len(key) >= MIN_LENGTH}
        self._known = sorted(keys | {quote(key, safe="") for key in keys})

    def line(self, text: str) -> str:
        """Return `text` with every secret replaced by `MARK`."""
        pieces, done = [], 0
        for start, end in _merge(span for key in self._known for span in _parts_of_key(text, key)):
            pieces += [text[done:start], MARK]
            done = end
        text = "".join([*pieces, text[done:]])
        text = URL_USER.sub(rf"\g<1>{MARK}@", text)
        return BEARER.sub(rf"\g<1>{MARK}", SHAPED.sub(MARK, text))


def _parts_of_key(text: str, key: str) -> Iterator[tuple[int, int]]:
    """Yield where beginnings and ends of a key stand: at least `MIN_LENGTH` characters and half of the key."""
    length = max(MIN_LENGTH, len(key) // 2)
    start = text.find(key[:length])
    while start >= 0:
        size = length
        while size < len(key) and text.startswith(key[size], start + size):
            size += 1
        yield start, start + size
        start = text.find(key[:length], start + size)
    end = text.rfind(key[-length:]) + length
    while end >= length:
        size = length
        while size < len(key) and end > size and text[end - size - 1] == key[-size - 1]:
            size += 1
        yield end - size, end
        end = text.rfind(key[-length:], 0, end - size) + length


def _merge(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, with overlapping ones joined."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
