"""Commands of which all is known: what they read, and that they start nothing beside what is followed."""

import re
from collections.abc import Callable

from posttrainbench.audit.conduct import commands
from posttrainbench.audit.conduct.commands import unwrapped
from posttrainbench.audit.conduct.shell import Simple

# Programs that start no other and keep no data, beside those that `commands` follows.
_HARMLESS = frozenset(
    "ls cd pwd echo printf mkdir rmdir touch wc du df free nvidia-smi ps top uptime sleep wait kill date which type "
    "uname whoami id env set true false test [ [[ tree stat file basename dirname realpath readlink pip pip3 hostname "
    "lscpu nproc seq jobs chmod md5sum sha256sum pgrep exit ulimit unset cp mv ln rm rsync install comm join diff curl "
    "wget hf huggingface-cli".split()
)
_WRITES_FILES = frozenset("gzip gunzip xz zstd split dd".split())


def is_known(command: Simple, is_script: Callable[[str, str], bool]) -> bool:
    """Whether a command is known.

    Args:
        command: it.
        is_script: whether a path, from a directory, is a program whose text is known.
    """
    words = unwrapped(command)
    if not words:
        return True
    program = words[0].rsplit("/", 1)[-1]
    if commands.PYTHON.match(program):
        return _starts_known(words[1:], command, is_script)
    if program in commands.LAUNCHERS:
        return any(word.endswith(".py") for word in words) and "-m" not in words
    if program in ("bash", "sh", "source", "."):
        named = next((word for word in words[1:] if not word.startswith("-")), None)
        is_text = any(word.startswith("-") and word.endswith("c") for word in words[1:2]) or named is None
        return is_text or is_script(named or "", command.cwd)
    if program == "find":
        return not any(word.startswith(("-exec", "-ok", "-fprint", "-fls")) for word in words)
    if program in _WRITES_FILES or (program in ("awk", "gawk") and any(">" in word for word in words)):
        return False
    if program in ("sort", "shuf", "iconv", "mlr", "yq") and any(re.match("-o|-i|--out|--in", w) for w in words):
        return False
    if program in commands.TRAINERS or program in commands.FILTERS or program in _HARMLESS:
        return True
    return is_script(words[0], command.cwd)


def _starts_known(words: list[str], command: Simple, is_script: Callable[[str, str], bool]) -> bool:
    """Whether a program of Python is one of the trace's, or the kit's."""
    while words and words[0].startswith("-") and words[0] not in ("-", "-c", "-m"):
        words = words[2:] if words[0] in ("-W", "-X") else words[1:]
    if not words or words[0] == "-":
        return command.text is not None
    if words[0] == "-c":
        return True
    if words[0] == "-m":
        return len(words) > 1 and (words[1] in ("pip", "json.tool") or bool(commands.TRAINING_MODULES.match(words[1])))
    return is_script(words[0], command.cwd)
