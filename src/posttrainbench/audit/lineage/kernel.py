"""Compiled kernel of the pass over the weights: equal weights and inner products of three tensors.

The arrays hold bits as uint16 (bfloat16) or uint32 (float32), in any mixture. float16, for which numba has no
arithmetic, is widened to float32 by the caller.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

from posttrainbench.audit.kernel_cache import cached

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

FIELDS = 10
"""Number of sums per triple: the fields of `streaming.Sums` after `elements`, in order."""
_BLOCK = 4096
_WIDE, _HALF = ir.IntType(32), ir.Constant(ir.IntType(32), 16)


def _round(builder: Any, bits: Any) -> Any:
    """Emit float32 bits rounded to nearest-even bfloat16, in a 32-bit integer."""
    odd = builder.and_(builder.lshr(bits, _HALF), ir.Constant(_WIDE, 1))
    return builder.lshr(builder.add(builder.add(bits, ir.Constant(_WIDE, 0x7FFF)), odd), _HALF)


def _value_code(context: Any, bits: Any, like: Any) -> Any:
    """Emit the value of bits as float32, rounded to the type of `like` if that is coarser."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = arguments[0]
        if bits.bitwidth == 16:  # bfloat16 is the upper half of float32
            value = builder.shl(builder.zext(value, _WIDE), _HALF)
        elif like.bitwidth == 16:
            value = builder.shl(_round(builder, value), _HALF)
        return builder.bitcast(value, ir.FloatType())

    return types.float32(bits, like), generate


def _short_code(context: Any, bits: Any) -> Any:
    """Emit the bits as bfloat16, in a 32-bit integer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (value,) = arguments
        return builder.zext(value, _WIDE) if bits.bitwidth == 16 else _round(builder, value)

    return types.uint32(bits), generate


_value: Any = intrinsic(_value_code)
_short: Any = intrinsic(_short_code)


def _add_sums(
    candidate: NDArray[Any], base: NDArray[Any], forbidden: NDArray[Any], sums: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    for start in range(0, candidate.size, _BLOCK):
        own = candidate[start : start + _BLOCK]
        original = base[start : start + _BLOCK]
        other = forbidden[start : start + _BLOCK]
        bb = bd = br = dd = rr = dr = np.float32(0)
        equal_base = equal_forbidden = equal_pair = equal_all = np.int32(0)
        for index in range(own.size):
            m, o, a = own[index], original[index], other[index]
            b = _value(o, o)
            # Rounding to a coarser type than the base's must not make unrelated models look alike: see slopes.py.
            d = _value(m, m) - _value(o, m)
            r = _value(a, a) - b
            bb += b * b
            bd += b * d
            br += b * r
            dd += d * d
            rr += r * r
            dr += d * r
            x, y, z = _short(m), _short(o), _short(a)
            equal_base += np.int32(x == y)
            equal_forbidden += np.int32(x == z)
            equal_pair += np.int32(y == z)
            equal_all += np.int32((x == y) & (x == z))
        sums[0] += equal_base
        sums[1] += equal_forbidden
        sums[2] += equal_pair
        sums[3] += equal_all
        sums[4] += bb
        sums[5] += bd
        sums[6] += br
        sums[7] += dd
        sums[8] += rr
        sums[9] += dr


# Reassociation lets the compiler vectorize the sums. `nnan` and `ninf` stay off: NaN and infinity must propagate.
add_sums = cast(
    "Callable[[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.float64]], None]",
    cached(njit(nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")(_add_sums), [Path(__file__)]),
)
"""Add the sums over three flat arrays of equal length (candidate, base, forbidden) to an array of shape (FIELDS,)."""
