"""Which code a pickle would call when it is loaded, read from its opcodes. Nothing is loaded.

Covers: plain pickles, PyTorch's zip files, several pickles in one file, names put together by STACK_GLOBAL. Does not
cover: what the called code itself would do, and names that only memoised values hold together in unusual orders.
"""

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from posttrainbench.audit.untrusted import open_regular

SUFFIXES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
LIMIT = 64 * 2**20
"""Bytes of a pickle that are read: opcodes are few, and a tensor's data lies elsewhere."""
_RUNS = {
    "os", "posix", "nt", "sys", "subprocess", "socket", "shutil", "pty", "runpy", "importlib", "ctypes", "code",
    "pickle", "webbrowser", "multiprocessing", "asyncio", "platform", "pip", "types", "marshal", "_posixsubprocess",
}  # fmt: skip
_BUILTINS = {"eval", "exec", "compile", "open", "__import__", "getattr", "setattr", "input", "breakpoint", "globals"}


def dangerous_calls(path: Path) -> list[str]:
    """The names in a pickle by which loading it would run foreign code, sorted; empty for tensors and settings.

    Raises:
        UnreadableError: it cannot be opened.
    """
    names: set[str] = set()
    with open_regular(path) as file:
        for data in _pickles(file):
            names.update(name for name in _globals(data) if _runs(name))
    return sorted(names)


def _runs(name: str) -> bool:
    module, _, attribute = name.partition(" ")
    if module in ("builtins", "__builtin__"):
        return attribute.split(".")[0] in _BUILTINS
    return module.split(".")[0] in _RUNS


def _pickles(file: BinaryIO) -> Iterator[bytes]:
    if file.read(2) == b"PK":
        file.seek(0)
        try:
            with zipfile.ZipFile(file) as archive:
                for entry in archive.infolist():
                    if entry.filename.endswith(".pkl"):
                        with archive.open(entry) as one:
                            yield one.read(LIMIT)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError):
            return
    else:
        file.seek(0)
        yield file.read(LIMIT)


def _globals(data: bytes) -> Iterator[str]:
    """`MODULE NAME` of every global that the opcodes name, of all pickles that follow one another."""
    strings: list[str] = []
    start = 0
    while start < len(data):
        try:
            for opcode, argument, place in pickletools.genops(data[start:]):
                if opcode.name in ("GLOBAL", "INST"):
                    yield str(argument)
                elif opcode.name == "STACK_GLOBAL":
                    yield " ".join(strings[-2:])
                elif isinstance(argument, str):
                    strings = [*strings[-1:], argument]
                if opcode.name == "STOP":
                    start += (place or 0) + 1
                    break
            else:
                return
        except Exception:  # pickletools has no exception of its own; what follows is no pickle
            return
