"""A checkpoint's tensors under canonical names, as memory-mapped arrays of bits.

Memory use is constant, and only the pages used are read. Headers are validated first (`submission.tensors`). A mapped
file that shrinks kills the process with SIGBUS, so open only files that nobody is changing.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posttrainbench.submission.tensors import INDEX, JSON_LIMIT, PRECISION, SINGLE, WIDTHS, Tensor, read_header, rounded
from posttrainbench.untrusted import UnreadableError, open_regular, printable, read_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Prefixes that wrappers and multimodal classes add to tensor names, and their replacements.
_PREFIXES = (
    ("_orig_mod.", ""), ("module.", ""), ("base_model.model.", ""),
    ("model.language_model.", "model."), ("language_model.model.", "model."), ("language_model.lm_head.", "lm_head."),
    ("text_model.", "model."),
)  # fmt: skip
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"


def common_name(name: str) -> str:
    """Return a tensor's name without the prefixes of wrappers and multimodal classes."""
    changed = True
    while changed:
        changed = False
        for prefix, plain in _PREFIXES:
            if name.startswith(prefix):
                name, changed = plain + name.removeprefix(prefix), True
    return name


@dataclass
class Checkpoint:
    """A checkpoint of floating-point tensors.

    Attributes:
        name: display name.
        tensors: floating-point tensors by common name.
        skipped: common name -> reason why a tensor is not compared.
    """

    name: str
    tensors: dict[str, Tensor]
    skipped: dict[str, str]
    _maps: dict[Path, mmap.mmap] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, directory: Path, name: str) -> Checkpoint:
        """Open a checkpoint of one file or of shards, following links as in the Hub's cache.

        Raises:
            UnreadableError: a file is missing or malformed, or a tensor occurs twice.
        """
        return cls.of_files(_files(directory), name)

    @classmethod
    def of_files(cls, files: Sequence[Path], name: str) -> Checkpoint:
        """Open a checkpoint that consists of the given files; errors as for `open`."""
        tensors: dict[str, Tensor] = {}
        skipped = {}
        for file in files:
            for raw, tensor in read_header(file).items():
                common = common_name(raw)
                if common in tensors or common in skipped:
                    raise UnreadableError(f"the tensor {printable(common[:100])} occurs twice")
                if tensor.dtype in PRECISION:
                    tensors[common] = tensor
                else:
                    skipped[common] = f"of type {tensor.dtype}, which is not supported"
        return cls(name, tensors, skipped)

    @property
    def size(self) -> int:
        """Bytes of all compared tensors."""
        return sum(tensor.elements * WIDTHS[tensor.dtype] for tensor in self.tensors.values())

    def counterpart(self, name: str) -> str | None:
        """Return this checkpoint's name of the tensor that another calls `name`, or None if it has no such tensor.

        An output layer is matched with the embedding if the embeddings are tied.
        """
        if name in self.tensors:
            return name
        return EMBEDDING if name == HEAD and EMBEDDING in self.tensors else None

    def bits(self, name: str) -> NDArray[Any]:
        """Return a tensor's flat bits, read from disk on access: uint16 for BF16 and F16, uint32 for F32."""
        tensor = self.tensors[name]
        if tensor.path not in self._maps:
            with open_regular(tensor.path) as file:
                self._maps[tensor.path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        kind = np.dtype(f"<u{WIDTHS[tensor.dtype]}")
        return np.frombuffer(self._maps[tensor.path], kind, tensor.elements, tensor.offset)

    def rows(
        self, name: str, chosen: NDArray[np.intp] | slice = slice(None), columns: int | None = None
    ) -> NDArray[np.float32]:
        """Return rows of a tensor as float32; shape (rows, last dimension), or only the first `columns` of them."""
        tensor = self.tensors[name]
        table = self.bits(name).reshape(-1, tensor.shape[-1])[:, :columns][chosen]
        return rounded(np.ascontiguousarray(table), tensor.dtype, "F32").view(np.float32)

    def close(self) -> None:
        """Release the mapped files, except those that arrays still use."""
        self._maps.clear()


def matrix(shape: Sequence[int]) -> tuple[int, int]:
    """Return (rows, columns) of a shape, with all dimensions but the last merged into rows."""
    rows = 1
    for length in shape[:-1]:
        rows *= length
    return rows, shape[-1] if shape else 1


def coarsened(values: NDArray[np.float32], dtype: str, other: str) -> NDArray[np.float32]:
    """Return values of type `dtype` after a round trip through type `other`."""
    if PRECISION[dtype] <= PRECISION[other]:
        return values
    return rounded(rounded(values.view(np.uint32), "F32", other), other, "F32").view(np.float32)


def _files(directory: Path) -> list[Path]:
    if not directory.is_dir():
        raise UnreadableError("not a directory")
    if (directory / SINGLE).exists():
        return [(directory / SINGLE).resolve()]
    if not (directory / INDEX).exists():
        raise UnreadableError(f"it contains neither {SINGLE} nor {INDEX}")
    index = read_json((directory / INDEX).resolve(), JSON_LIMIT)
    names = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise UnreadableError(f"{INDEX} has no usable weight_map")
    files = sorted(set(names.values()))
    if any(Path(name).name != name for name in files):
        raise UnreadableError(f"{INDEX} names a file outside the directory")
    return [(directory / name).resolve() for name in files]
