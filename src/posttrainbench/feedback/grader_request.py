"""Read a request to the grader service within fixed bounds, and cut its answers as the evaluation cuts completions."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from posttrainbench.errors import one_line
from posttrainbench.records import Record

CHARACTERS_PER_TOKEN = 8
"""Answers are first cut to this number of characters per token. English text has about 4.5. Only text that repeats
itself has more, and repetitions are cut before grading anyway."""
BYTES_PER_TOKEN = 12
"""Bound of a token's text in a request. JSON writes a character that is not ASCII as 6 or 12 bytes."""
BYTES_PER_ANSWER = 1024
"""Bound of what a request contains for an answer besides its text: keys, id, white space."""
MAX_MARKUP = 128
"""Maximum bytes outside of strings, for each answer: braces, colons, commas, white space."""
MAX_STRINGS = 4
"""Maximum number of strings for each answer: two keys and two values."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A JSON string, or an unterminated one up to the end, so that the search takes linear time."""

Cut = Callable[[str], str]
"""Returns the part of an answer that is graded."""


class RequestError(Exception):
    """The request is not valid; the message is shown to the client."""


class Answer(Record):
    """One answer to grade."""

    id: str
    answer: str


class GradeRequest(Record):
    """Request of a client.

    Attributes:
        answers: the answers to grade.
        checkpoint: hash of the weights that produced the answers, as claimed by the client.
    """

    answers: Annotated[list[Answer], Field(min_length=1)]
    checkpoint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


def largest_request(items: int, max_tokens: int) -> int:
    """Return the maximum bytes of a request: all items, each with an answer of `max_tokens`."""
    return (items + 1) * (max_tokens * BYTES_PER_TOKEN + BYTES_PER_ANSWER)


def parse_request(body: bytes, items: int) -> GradeRequest:
    """Parse a request with at most one answer for each item.

    The number of values is bounded before the parser creates an object for each of them: a megabyte of empty lists
    takes a hundred megabytes of memory.

    Raises:
        RequestError: the request is not valid.
    """
    markup = len(body)
    for number, string in enumerate(_STRING.finditer(body)):
        markup -= string.end() - string.start()
        if number > MAX_STRINGS * (items + 1):
            break
    if markup > MAX_MARKUP * (items + 1):
        raise RequestError(f"The request is not valid: it contains more than {items} answers, or unknown keys.")
    try:
        return GradeRequest.model_validate_json(body)
    except ValidationError as error:
        raise RequestError(f"The request is not valid: {one_line(error)}") from None


def token_limit(tokenizer: Path, max_tokens: int) -> Cut:
    """Return a function that cuts a text after `max_tokens` tokens, as the evaluation does.

    Args:
        tokenizer: `tokenizer.json` of the base model.
        max_tokens: the benchmark's limit of a completion.
    """
    from tokenizers import Tokenizer

    base = Tokenizer.from_file(str(tokenizer))

    def cut(text: str) -> str:
        text = text[: max_tokens * CHARACTERS_PER_TOKEN]
        if len(text.encode(errors="replace")) <= max_tokens:  # a token has at least one byte
            return text
        offsets = base.encode(text, add_special_tokens=False).offsets
        return text if len(offsets) <= max_tokens else text[: offsets[max_tokens - 1][1]]

    return cut
