"""Compile the kernels once, cache them on disk, and run them without the global interpreter lock.

The machine code is stored in the user's cache directory (`XDG_CACHE_HOME`, else `~/.cache`; `NUMBA_CACHE_DIR` takes
precedence), in a directory whose name depends on the source of all modules in this package, because Numba does not
notice changes in functions that a kernel calls. If that directory is not writable, every process compiles the kernels
again, which takes several seconds.
"""

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numba
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of arrays and numbers, so that threads can run it in parallel."""
    return _compile(function, "never")


def inlined(function: Function) -> Function:
    """Compile a function into each of its callers, which saves the reference counting of passing arrays."""
    return _compile(function, "always")


def _compile(function: Function, inline: Literal["never", "always"]) -> Function:
    config: Any = numba.config
    directory, before = _directory(), config.CACHE_DIR
    config.CACHE_DIR = before or directory
    try:
        made: Any = numba.njit(cache=bool(before or directory), nogil=True, inline=inline)(function)
    finally:
        config.CACHE_DIR = before
    return cast("Function", made)


@lru_cache(maxsize=1)
def _directory() -> str:
    """Return the cache directory for these sources, or "" if it is not writable."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        path = base / "posttrainbench" / f"kernels-{digest.hexdigest()[:16]}"
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return ""
    return str(path) if os.access(path, os.W_OK) else ""


@intrinsic
def _load8(_context: Any, array: Any, index: Any) -> Any:
    """Read eight bytes of a byte array from `index` on as a little-endian number, without a bounds check."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        start = builder.gep(data, [args[1]], source_etype=ir.IntType(8))
        return builder.load(builder.bitcast(start, ir.IntType(64).as_pointer()), align=1, typ=ir.IntType(64))

    return types.uint64(array, types.int64), generate


@intrinsic
def _zero_bits(_context: Any, value: Any) -> Any:
    """Count the trailing zero bits of a number above zero."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


load8: Any = _load8
zero_bits: Any = _zero_bits
