"""Usage errors of the command line as one sentence: missing or unknown words, and values of the wrong type.

Newer versions of Typer contain their own copy of Click, so the errors are recognized by their attributes.
"""

import re
from typing import Any

from posttrainbench.untrusted import printable

NO_INPUT = "The command asks a question, and standard input is closed; run it in a terminal."


def is_usage_error(error: Exception) -> bool:
    """Return True for an error that Typer found in the command line."""
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def is_request_for_help(error: Exception) -> bool:
    """Return True if a group was called without a command, and has printed its help."""
    return type(error).__name__ == "NoArgsIsHelpError"


def usage_sentence(error: Any) -> str:
    """Return one sentence about a usage error, with the fix."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "ptb COMMAND"
    message = " ".join(printable(error.format_message()).split()).rstrip(".")
    message = re.sub(r"Value error, |, unable to parse string as an? \w+$", "", message)
    if possibilities := getattr(error, "possibilities", None):
        return f"No such option: {printable(error.option_name)}; did you mean {' or '.join(sorted(possibilities))}?"
    if message.endswith("?"):
        return message.replace(". Did you mean", "; did you mean")
    if (
        context is not None
        and type(error).__name__ == "MissingParameter"
        and getattr(error.param, "param_type_name", "") == "argument"
    ):
        words = [param.metavar or param.name.upper() for param in context.command.params if _is_required(param)]
        return f"{message}; write `{' '.join([command, *words])}`, and see `{command} --help`."
    return f"{message}; see `{command} --help`."


def _is_required(param: Any) -> bool:
    return param.param_type_name == "argument" and bool(param.required)
