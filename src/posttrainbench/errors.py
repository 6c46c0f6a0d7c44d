"""The exceptions that cross rooms. What a failure means for a score is decided in one table, `run/errors.py`."""


def one_line(error: Exception) -> str:
    """What an exception says, on one line of bounded length, ending with a full stop.

    Of a validation error, the first problem: where it is, and what is wrong with it.
    """
    problems = getattr(error, "errors", None)
    if callable(problems) and (first := next(iter(problems()), None)):
        place = ".".join(str(part) for part in first["loc"])
        text = f"{place}: {first['msg']}" if place else str(first["msg"])
    else:
        text = str(error) or type(error).__name__
    text = " ".join(text.split())[:500]
    return text if text.endswith((".", "!", "?")) else f"{text}."


class PtbError(Exception):
    """Base of every error that reaches a user as one plain sentence."""


class InputError(PtbError):
    """The user's input is wrong, or this machine lacks what the command needs.

    Raised before anything is changed. The message is one sentence with the mend; the command exits with 2.
    It must not be raised for anything that an agent or a submission did.
    """


class InfrastructureError(PtbError):
    """The machine, the network, a quota or a helper process failed: never a failure of the agent.

    Attributes:
        cause: a key of the table in `run/errors.py`, such as `engine_failed`.
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause
