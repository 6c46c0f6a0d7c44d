"""Keep the machine code of compiled kernels on disk, so that it is compiled once for each machine and version.

Kernels are looked for in these directories, in this order, and written to the first of them that is writable:

1. `NUMBA_CACHE_DIR`, if it is set;
2. `__pycache__` beside their source, where `python -m posttrainbench.audit.compile_kernels` puts them at install time;
3. the user's cache directory (`XDG_CACHE_HOME`, else `~/.cache`);
4. a private directory of the user below the directory for temporary files.

The directory's name depends on the sources, because Numba does not notice changes in functions that a kernel calls.
Numba stores the code for each type of processor, version of Python and version of Numba separately. What is missing,
damaged or not writable is compiled again, which takes about 20 seconds for all kernels, and is never an error.

The files are code that this process executes: no agent may have write access to these directories.
"""

import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import IndexDataCacheFile, NullCache
from numba.core.compiler import CompileResult
from typing_extensions import override

_SETTINGS: Any = numba.config
_File: Any = IndexDataCacheFile
_Compiled: Any = CompileResult
_NAME = "kernels"
_BESIDE = "__pycache__"
_PRIVATE = 0o700


def cached(kernel: Any, sources: Sequence[Path]) -> Any:
    """Return a kernel (made by `numba.njit`) whose machine code is kept on disk.

    Args:
        kernel: the kernel.
        sources: the files in one directory that its code depends on.
    """
    kernel._cache = KernelCache(kernel.py_func, directories(tuple(sources)))
    return kernel


@lru_cache(maxsize=4)
def directories(sources: tuple[Path, ...]) -> list[Path]:
    """Return the directories to look for kernels in, in their order.

    Args:
        sources: the files in one directory that the kernels' code depends on.
    """
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    package = sources[0].parent
    name = f"{_NAME}-{package.name}-{digest[:16]}"
    found = [package / _BESIDE / name]
    if chosen := _SETTINGS.CACHE_DIR:
        found.insert(0, Path(chosen) / name)
    with suppress(RuntimeError):  # the user has no home directory
        found.append(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "posttrainbench" / name)
    return [*found, _private() / name]


def are_compiled(sources: Sequence[Path]) -> bool:
    """Return True if kernels of these sources were compiled before, perhaps for another processor."""
    return any(any(path.glob("*.nbi")) for path in directories(tuple(sources)))


def _private() -> Path:
    return Path(tempfile.gettempdir()) / f"posttrainbench-{os.getuid()}"


def _is_trusted(place: Path) -> bool:
    """Return False for the directory for temporary files if another user can write to it."""
    if place.parent != _private():
        return True
    try:
        status = place.parent.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and (status.st_uid, stat.S_IMODE(status.st_mode)) == (os.getuid(), _PRIVATE)


class KernelCache(NullCache):
    """The machine code of one kernel, in several directories.

    Args:
        function: the kernel's source.
        places: directories to read from, and to write to the first that is writable.
    """

    def __init__(self, function: Any, places: Iterable[Path]) -> None:
        version = f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}"
        name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}.{version}"
        self._files = [(place, _File(str(place), name, place.name)) for place in places]

    @property
    @override
    def cache_path(self) -> str:
        return str(self._files[0][0])

    @override
    def load_overload(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        key = sig, target_context.codegen().magic_tuple()
        for place, file in self._files:
            try:
                if _is_trusted(place) and (payload := file.load(key)) is not None:
                    return _Compiled._rebuild(target_context, *payload)
            except Exception:  # noqa: S112 - a damaged file raises any exception; the kernel is compiled again
                continue
        return None

    @override
    def save_overload(self, sig: Any, cres: Any) -> None:
        if cres.lifted or cres.library.has_dynamic_globals:
            return
        key, payload = (sig, cres.codegen.magic_tuple()), cres._reduce()
        for place, file in self._files:
            if _save(place, file, key, payload):
                return


def _save(place: Path, file: Any, key: Any, payload: Any) -> bool:
    """Write machine code to a directory; return False if it is not writable."""
    if sys.dont_write_bytecode and place.parent.name == _BESIDE:
        return False
    try:
        if place.parent == _private():
            place.parent.mkdir(mode=_PRIVATE, exist_ok=True)
        if not _is_trusted(place):
            return False
        place.mkdir(parents=True, exist_ok=True)
        try:
            file.save(key, payload)
        except OSError:
            raise
        except Exception:  # the index is damaged
            file.flush()
            file.save(key, payload)
    except OSError:
        return False
    return True
