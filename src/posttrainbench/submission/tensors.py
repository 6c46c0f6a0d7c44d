"""Read safetensors files without torch: validate the header strictly, and stream values in constant memory.

bfloat16, which numpy lacks, is handled as 16-bit integers. Files are not trusted: every length, offset and shape is
checked against the file's size before data is read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posttrainbench.untrusted import UnreadableError, open_regular, parse_json, printable, read_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADER_LIMIT = 16 * 2**20
HEADERS_LIMIT = 8 * 2**20
"""Bytes of the headers of all weight files of a submission; those of the official base models have up to 0.1 MB."""
JSON_LIMIT = 50 * 2**20
"""Bytes of a tokenizer.json; the largest of the base models' takes 33 MB."""
JSON_CONTAINERS = 2 * 10**6
"""Objects and arrays in a tokenizer.json; the largest has half a million, one for each merge."""
SETTINGS_LIMIT = 8 * 2**20
"""Bytes of every other JSON file."""
SETTINGS_CONTAINERS = 200_000
"""Objects and arrays in every other JSON file, and in the header of a safetensors file."""
ELEMENTS = 2**20  # of a tensor in memory at a time
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"

# Bytes per element. Types of the format that are not listed (sub-byte ones) are refused.
WIDTHS = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip
# Accepted types of weights -> number of explicit mantissa bits.
PRECISION = {"BF16": 7, "F16": 10, "F32": 23}
_EXPONENT = {"BF16": 0x7F80, "F16": 0x7C00, "F32": 0x7F800000}


@dataclass(frozen=True)
class Tensor:
    """Location of a tensor's values in a file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    offset: int

    @property
    def elements(self) -> int:
        """The number of values."""
        return math.prod(self.shape)


def header_size(path: Path) -> int:
    """Return the size of a safetensors file's header in bytes, at most that of the file.

    Raises:
        UnreadableError: it is not a regular file that can be read.
    """
    with open_regular(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        return min(size, 8 + int.from_bytes(file.read(8), "little"))


def read_header(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name.

    Raises:
        UnreadableError: it is not a complete and valid safetensors file.
    """
    return read_metadata(path)[1]


def read_metadata(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return the metadata of a safetensors file, and its tensors by name; errors as for `read_header`."""
    with open_regular(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, HEADER_LIMIT):
            raise UnreadableError("it is not a safetensors file, or it is cut off in its header")
        text = file.read(length)
    header = parse_json(text, SETTINGS_CONTAINERS)
    if not isinstance(header, dict):
        raise UnreadableError("its header is not a JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise UnreadableError("the metadata in its header are not strings")
    tensors = {name: _tensor(name, entry, path, 8 + length) for name, entry in header.items()}
    end = 8 + length
    for tensor in sorted(tensors.values(), key=lambda one: (one.offset, one.elements)):
        if tensor.offset != end:
            raise UnreadableError(f"its tensor {printable(tensor.name)} does not begin where the previous tensor ends")
        end += tensor.elements * WIDTHS[tensor.dtype]
    if end > size:
        raise UnreadableError(f"it is cut off: {size} bytes instead of {end}")
    if end < size:
        raise UnreadableError(f"{size - end} bytes follow its last tensor")
    if b"-0" in text and "-0" in _integers(text):  # equal to 0 in Python, an error in the library
        raise UnreadableError("its header contains a negative zero")
    return metadata, tensors


def _integers(header: bytes) -> set[str]:
    """Return all integers in a valid header as they are written."""
    integers: set[str] = set()
    json.loads(header, parse_int=integers.add)
    return integers


def _tensor(name: str, entry: Any, path: Path, base: int) -> Tensor:
    try:
        dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        if len(entry) != 3 or not isinstance(shape, list):
            raise ValueError
        numbers = [*shape, start, end]
        if not all(type(number) is int and 0 <= number < 2**60 for number in numbers) or len(shape) > 16:
            raise ValueError
        if end - start != math.prod(shape) * WIDTHS[dtype]:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise UnreadableError(f"the header entry of its tensor {printable(name[:100])} is not valid") from None
    return Tensor(name, dtype, tuple(shape), path, base + start)


def read_checkpoint(directory: Path) -> dict[str, Tensor]:
    """Return the tensors of a trusted checkpoint, in one file or in shards. Links, as in the Hub's cache, are followed.

    Raises:
        UnreadableError: a file is missing or malformed.
    """
    if (directory / SINGLE).exists():
        return read_header((directory / SINGLE).resolve())
    index = read_json((directory / INDEX).resolve(), JSON_LIMIT)
    files = sorted(set(index["weight_map"].values()))
    return {name: tensor for file in files for name, tensor in read_header((directory / file).resolve()).items()}


def values(tensor: Tensor, elements: int | None = None) -> Iterator[NDArray[Any]]:
    """Yield the bits of all or the first `elements` values in pieces: uint16 for BF16 and F16, uint32 for F32."""
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
    """Return whether a tensor of a type in `PRECISION` contains neither NaN nor infinity."""
    exponent = _EXPONENT[tensor.dtype]
    return not any(bool(((bits & exponent) == exponent).any()) for bits in values(tensor))


def equal(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors of types in `PRECISION` have the same shape and values; their types may differ.

    Raises:
        UnreadableError: a file is cut off.
    """
    if one.shape != other.shape:
        return False
    pairs = zip(values(one), values(other), strict=True)
    if one.dtype == other.dtype:
        return all(bool((a == b).all()) for a, b in pairs)
    return all(bool((rounded(a, one.dtype, "F32") == rounded(b, other.dtype, "F32")).all()) for a, b in pairs)


def rounded(bits: NDArray[Any], dtype: str, common: str) -> NDArray[Any]:
    """Convert bits of type `dtype` to `common`, a type of equal or lower precision, rounding to nearest even."""
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
