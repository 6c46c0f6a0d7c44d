"""Find the code that a pickle would call when loaded, from its opcodes. Nothing is loaded.

Covers: plain pickles, PyTorch's zip files, several pickles in one file, names assembled by STACK_GLOBAL.

Does not cover: what the called code would do; names that are assembled from memoized values in unusual orders.
"""

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from posttrainbench.untrusted import UnreadableError, open_regular, printable

SUFFIXES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
LIMIT = 64 * 2**20
"""Maximum bytes read of a pickle; tensor data is stored elsewhere."""
_RUNS = {
    "os", "posix", "nt", "sys", "subprocess", "socket", "shutil", "pty", "runpy", "importlib", "ctypes", "code",
    "pickle", "webbrowser", "multiprocessing", "asyncio", "platform", "pip", "types", "marshal", "_posixsubprocess",
}  # fmt: skip
_BUILTINS = {"eval", "exec", "compile", "open", "__import__", "getattr", "setattr", "input", "breakpoint", "globals"}


def dangerous_calls(path: Path) -> list[str]:
    """Return the sorted names in a pickle that would run code on loading; empty for tensors and settings.

    Raises:
        UnreadableError: the file cannot be opened.
    """
    names: set[str] = set()
    with open_regular(path) as file:
        for data in _pickles(file):
            names.update(name for name in _globals(data) if _runs(name))
    return sorted(names)


def dangerous_pickles(paths: list[Path]) -> dict[str, str]:
    """Return file name -> calls, for the pickles among `paths` that would run code on loading."""
    calls = {}
    for path in paths:
        if path.suffix.lower() in SUFFIXES:
            try:
                names = dangerous_calls(path)
            except UnreadableError:
                continue
            if names:
                calls[printable(path.name)] = printable(", ".join(names))[:300]
    return calls


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
                        with archive.open(entry) as member:
                            yield member.read(LIMIT)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError):
            return
    else:
        file.seek(0)
        yield file.read(LIMIT)


def _globals(data: bytes) -> Iterator[str]:
    """Yield `MODULE NAME` of every global that the opcodes of consecutive pickles name."""
    strings: list[str] = []
    start = 0
    while start < len(data):
        try:
            for opcode, argument, position in pickletools.genops(data[start:]):
                if opcode.name in ("GLOBAL", "INST"):
                    yield str(argument)
                elif opcode.name == "STACK_GLOBAL":
                    yield " ".join(strings[-2:])
                elif isinstance(argument, str):
                    strings = [*strings[-1:], argument]
                if opcode.name == "STOP":
                    start += (position or 0) + 1
                    break
            else:
                return
        except Exception:  # pickletools has no exception class; what follows is not a pickle
            return
