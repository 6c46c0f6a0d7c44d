"""Exceptions shared by all packages. `run/errors.py` maps each failure to its effect on the score."""

import shlex
import textwrap
from pathlib import Path


def shell_quoted(path: Path) -> str:
    """Return a path as a shell reads it, for commands in messages, which users paste."""
    return shlex.quote(str(path))


def one_line(error: BaseException) -> str:
    """Return the message of an exception as one line of at most 500 characters, ending with a full stop.

    For a validation error, return the location and the message of its first problem.
    """
    problems = getattr(error, "errors", None)
    if callable(problems) and (first := next(iter(problems()), None)):
        location = ".".join(str(part) for part in first["loc"])
        text = f"{location}: {first['msg']}" if location else str(first["msg"])
    else:
        text = str(error) or type(error).__name__
    text = textwrap.shorten(text, 500, placeholder=" ...")
    return text if text.endswith((".", "!", "?")) else f"{text}."


class PtbError(Exception):
    """Base class of the errors that are shown to users as one plain sentence."""


class InputError(PtbError):
    """The user's input is wrong, or this machine lacks something that the command needs.

    Raised before anything is changed. The message is one sentence that includes the fix; the command exits with 2.
    Must not be raised for anything that an agent or a submission did.
    """


class InfrastructureError(PtbError):
    """The machine, the network, a quota or a helper process failed. Never a failure of the agent.

    Attributes:
        cause: a key of the table in `run/errors.py`, such as `engine_failed`.
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause
