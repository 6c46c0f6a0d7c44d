"""Safetensors files without torch: a strictly checked header, and values in pieces, in constant memory.

bfloat16, which numpy lacks, is handled as its 16 bits. Nothing here trusts a file: every length, offset and
shape is checked against the file's real size before a byte of data is touched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posttrainbench.audit.untrusted import UnreadableError, open_regular, parse_json, printable, read_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADER_LIMIT = 100 * 2**20
JSON_LIMIT = 50 * 2**20
ELEMENTS = 2**20  # of a tensor that are in memory at a time
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"

# Bytes per element. Types of the format that are not listed (sub-byte ones) are refused.
WIDTHS = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip
# What weights may be, with the number of explicit bits of the mantissa.
PRECISION = {"BF16": 7, "F16": 10, "F32": 23}
_EXPONENT = {"BF16": 0x7F80, "F16": 0x7C00, "F32": 0x7F800000}


@dataclass(frozen=True)
class Tensor:
    """Where a tensor's values lie in a file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    offset: int

    @property
    def elements(self) -> int:
        """The number of values."""
        return math.prod(self.shape)


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name.

    Raises:
        UnreadableError: it is no complete and well-formed safetensors file.
    """
    with open_regular(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, HEADER_LIMIT):
            raise UnreadableError("it is no safetensors file, or it is cut off in its header")
        header = parse_json(file.read(length))
    if not isinstance(header, dict):
        raise UnreadableError("its header is no JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise UnreadableError("the metadata in its header are no strings")
    tensors = {name: _tensor(name, entry, path, 8 + length) for name, entry in header.items()}
    end = 8 + length
    for tensor in sorted(tensors.values(), key=lambda one: (one.offset, one.elements)):
        if tensor.offset != end:
            raise UnreadableError(f"its tensor {printable(tensor.name)} does not begin where the one before ends")
        end += tensor.elements * WIDTHS[tensor.dtype]
    if end > size:
        raise UnreadableError(f"it is cut off: {size} bytes instead of {end}")
    if end < size:
        raise UnreadableError(f"{size - end} bytes follow its last tensor")
    return tensors


def _tensor(name: str, entry: Any, path: Path, base: int) -> Tensor:
    try:
        dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        numbers = [*shape, start, end]
        if not all(type(number) is int and 0 <= number < 2**60 for number in numbers) or len(shape) > 16:
            raise ValueError
        if end - start != math.prod(shape) * WIDTHS[dtype]:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise UnreadableError(f"the header entry of its tensor {printable(name[:100])} is impossible") from None
    return Tensor(name, dtype, tuple(shape), path, base + start)


def read_checkpoint(directory: Path) -> dict[str, Tensor]:
    """The tensors of a trusted checkpoint, in one file or in shards. Links, as in the Hub's cache, are
    followed.

    Raises:
        UnreadableError: a file of it is missing or malformed.
    """
    if (directory / SINGLE).exists():
        return read_header((directory / SINGLE).resolve())
    index = read_json((directory / INDEX).resolve(), JSON_LIMIT)
    files = sorted(set(index["weight_map"].values()))
    return {name: tensor for file in files for name, tensor in read_header((directory / file).resolve()).items()}


def values(tensor: Tensor, elements: int | None = None) -> Iterator[NDArray[Any]]:
    """The tensor's bits in pieces, `elements` of them or all: uint16 for BF16 and F16, uint32 for F32."""
    import numpy as np

    kind = np.dtype(f"<u{WIDTHS[tensor.dtype]}")
    count = tensor.elements if elements is None else elements
    with open_regular(tensor.path) as file:
        for start in range(0, count, ELEMENTS):
            file.seek(tensor.offset + start * kind.itemsize)
            wanted = min(ELEMENTS, count - start)
            data = file.read(wanted * kind.itemsize)
            if len(data) != wanted * kind.itemsize:
                raise UnreadableError("it is cut off")
            yield np.frombuffer(data, kind)


def all_finite(tensor: Tensor) -> bool:
    """Whether a tensor of a type in `PRECISION` holds neither NaN nor infinity."""
    exponent = _EXPONENT[tensor.dtype]
    return not any(bool(((bits & exponent) == exponent).any()) for bits in values(tensor))


def rounded(bits: NDArray[Any], dtype: str, common: str) -> NDArray[Any]:
    """Bits of type `dtype` as bits of `common`, a type of no more precision; rounded to nearest even."""
    import numpy as np

    if dtype == common:
        return bits
    if dtype == "BF16":
        wide = (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    else:
        wide = bits.view(np.float16 if dtype == "F16" else np.float32).astype(np.float32)
    if common == "F32":
        return wide.view(np.uint32)
    if common == "F16":
        with np.errstate(over="ignore"):
            return wide.astype(np.float16).view(np.uint16)
    raw = wide.view(np.uint32)
    return ((raw + np.uint32(0x7FFF) + ((raw >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16)
