"""Compile the kernels of the scanner once, keep them on disk, and run them without the global interpreter lock."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numba
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from posttrainbench.audit.kernel_cache import are_compiled, cached

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of arrays and numbers, so that threads can run it in parallel."""
    return _compile(function, "never")


def inlined(function: Function) -> Function:
    """Compile a function into each of its callers, which saves the reference counting of passing arrays."""
    return _compile(function, "always")


def compiled_before() -> bool:
    """Return True if the kernels are on disk, so that a scan starts at once."""
    return are_compiled(_sources())


def _compile(function: Function, inline: Literal["never", "always"]) -> Function:
    return cast("Function", cached(numba.njit(nogil=True, inline=inline)(function), _sources()))


@lru_cache(maxsize=1)
def _sources() -> tuple[Path, ...]:
    """Return all modules of this package: kernels call functions of other modules."""
    return tuple(sorted(Path(__file__).parent.glob("*.py")))


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
