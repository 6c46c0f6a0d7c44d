"""API keys from the file `.env` in the working directory, for this process and its helpers; never for an agent."""

import os
import sys
from pathlib import Path

from posttrainbench.errors import InputError, one_line
from posttrainbench.run.recorder import SECRET_NAMES
from posttrainbench.untrusted import printable

MAX_BYTES = 2**20


def read_keys(path: Path) -> list[str]:
    """Set the environment variables of a file that are keys and are not set yet. Other lines are ignored.

    Names of keys end with KEY, TOKEN, SECRET or PASSWORD, so that their values are redacted wherever text is recorded.

    Returns:
        The names of the variables that were set.

    Raises:
        InputError: the file cannot be read.
    """
    if not path.is_file():
        return []
    from dotenv import dotenv_values

    try:
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                raise InputError(f"{path} is larger than {MAX_BYTES // 2**20} MiB; keep only lines NAME=VALUE in it.")
            values = dotenv_values(stream=file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({one_line(error).rstrip('.')}); fix or remove it.") from None
    keys = {
        name: value
        for name, value in values.items()
        if value and name.upper().endswith(SECRET_NAMES) and not os.environ.get(name) and "\0" not in name + value
    }
    os.environ.update(keys)
    return sorted(keys)


def announce_keys(path: Path) -> None:
    """Read keys, and say on standard error which ones."""
    if names := read_keys(path):
        print(f"ptb: {', '.join(map(printable, names))} read from {path}; agents never see keys.", file=sys.stderr)
