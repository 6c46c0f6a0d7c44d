"""API keys from the file `.env` in the working directory, for this process and its helpers; never for an agent."""

import io
import logging
import os
import sys
from pathlib import Path

from posttrainbench.errors import InputError, one_line
from posttrainbench.run.recorder import SECRET_NAMES
from posttrainbench.untrusted import printable

MAX_BYTES = 2**20
MAX_LINES = 3
"""Invalid lines that are named."""


def read_keys(path: Path) -> tuple[list[str], list[int]]:
    """Set the environment variables of a file that are keys and are not set yet. Other lines are ignored.

    Names of keys end with KEY, TOKEN, SECRET or PASSWORD, so that their values are redacted wherever text is recorded.

    Returns:
        The names of the variables that were set, and the numbers of the lines that cannot be read.

    Raises:
        InputError: the file cannot be read.
    """
    if not path.is_file():
        return [], []
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # warns of such lines in its own words

    try:
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                raise InputError(f"{path} is larger than {MAX_BYTES // 2**20} MiB; keep only lines NAME=VALUE in it.")
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({one_line(error).rstrip('.')}); fix or remove it.") from None
    values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    invalid = [binding.original.line for binding in parse_stream(io.StringIO(text)) if binding.error]
    keys = {
        name: value
        for name, value in values.items()
        if value and name.upper().endswith(SECRET_NAMES) and not os.environ.get(name) and "\0" not in name + value
    }
    os.environ.update(keys)
    return sorted(keys), invalid


def announce_keys(path: Path) -> None:
    """Read keys, and say on standard error which ones, and which lines of the file are not valid."""
    names, invalid = read_keys(path)
    for line in invalid[:MAX_LINES]:
        print(f"ptb: Line {line} of {path} is ignored: it is not NAME=VALUE.", file=sys.stderr)
    if names:
        print(f"ptb: {', '.join(map(printable, names))} read from {path}; agents never see keys.", file=sys.stderr)
