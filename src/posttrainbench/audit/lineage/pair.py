"""The pair that a candidate is compared with: its base model and a forbidden checkpoint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from typing_extensions import override

from posttrainbench.audit.lineage.checkpoint import HEAD, Checkpoint, matrix
from posttrainbench.audit.lineage.streaming import Bits, differences

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posttrainbench.submission.tensors import Tensor

ROWS = 64
"""Number of rows of each matrix that the statistics per matrix use, and that a reference pack holds."""


def chosen_rows(name: str, rows: int) -> NDArray[np.intp]:
    """Return the sampled row numbers of a matrix, ascending: all rows, or `ROWS` of them, seeded by name and size."""
    if rows <= ROWS:
        return np.arange(rows)
    seed = int.from_bytes(hashlib.sha256(f"{name} {rows}".encode()).digest()[:8], "little")
    return np.sort(np.random.default_rng(seed).choice(rows, ROWS, replace=False))


@dataclass(frozen=True)
class Sample:
    """Sampled rows of one matrix in both models.

    Attributes:
        chosen: row numbers; shape (rows,).
        base: the base model's rows; shape (rows, columns).
        forbidden: the forbidden checkpoint's rows; shape (rows, columns).
        dtype: type in which the base model stores them.
    """

    chosen: NDArray[np.intp]
    base: NDArray[np.float32]
    forbidden: NDArray[np.float32]
    dtype: str


class Pair(Protocol):
    """A base model and a forbidden checkpoint, as whole checkpoints or as a reference pack.

    Attributes:
        forbidden: name of the forbidden checkpoint.
        sampled: True if only sampled rows, and hashes of the whole tensors, are available.
    """

    forbidden: str
    sampled: bool

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape that both have in common, or None if one lacks the tensor or the shapes do not fit."""

    def triple(self, candidate: Checkpoint, name: str, count: int) -> tuple[Bits, Bits, Bits]:
        """Return the first `count` weights of candidate, base and forbidden; in a sampled pair, those in its rows."""

    def sample(self, name: str, columns: int | None = None) -> Sample:
        """Return the sampled rows of a matrix, whole or only their first `columns`."""

    def equal(self, candidate: Checkpoint, name: str, count: int) -> tuple[bool, bool]:
        """Compare the first `count` weights bit for bit with base and with forbidden, in the coarser of two types."""

    def differing(self, name: str, count: int) -> int:
        """Count the first `count` weights that differ between base and forbidden; a sampled pair ignores `count`."""

    def only_forbidden(self, candidate: Checkpoint, name: str) -> bool:
        """Return True if a tensor equals the forbidden checkpoint's, and the base lacks it or has another shape."""


def common_shape(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the shape of the common rows, or None if the shapes differ in more than the number of rows."""
    if not first or not second or first[1:] != second[1:] or (len(first) == 1 and first != second):
        return None
    return (min(first[0], second[0]), *first[1:])


class CheckpointPair(Pair):
    """A pair of whole checkpoints."""

    sampled = False

    def __init__(self, base: Checkpoint, forbidden: Checkpoint) -> None:
        self._base, self._forbidden = base, forbidden
        self.forbidden = forbidden.name

    @override
    def shape(self, name: str) -> tuple[int, ...] | None:
        pair = self._tensors(name)
        return common_shape(pair[0].shape, pair[1].shape) if pair else None

    @override
    def triple(self, candidate: Checkpoint, name: str, count: int) -> tuple[Bits, Bits, Bits]:
        return (_bits(candidate, name, count), _bits(self._base, name, count), _bits(self._forbidden, name, count))

    @override
    def sample(self, name: str, columns: int | None = None) -> Sample:
        shape = self.shape(name)
        assert shape is not None  # noqa: S101 - callers ask for names of the pair
        chosen = chosen_rows(name, matrix(shape)[0])
        sides = [(side, side.counterpart(name) or name) for side in (self._base, self._forbidden)]
        base, forbidden = (side.rows(own_name, chosen, columns) for side, own_name in sides)
        return Sample(chosen, base, forbidden, self._base.tensors[sides[0][1]].dtype)

    @override
    def equal(self, candidate: Checkpoint, name: str, count: int) -> tuple[bool, bool]:
        own, base, forbidden = self.triple(candidate, name, count)
        return not differences(own, base), not differences(own, forbidden)

    @override
    def differing(self, name: str, count: int) -> int:
        return differences(_bits(self._base, name, count), _bits(self._forbidden, name, count))

    @override
    def only_forbidden(self, candidate: Checkpoint, name: str) -> bool:
        tensor, other = candidate.tensors[name], self._forbidden.tensors.get(name)
        if other is None or other.shape != tensor.shape or name == HEAD:
            return False
        return not differences(_bits(candidate, name, tensor.elements), _bits(self._forbidden, name, tensor.elements))

    def _tensors(self, name: str) -> tuple[Tensor, Tensor] | None:
        base, forbidden = self._base.counterpart(name), self._forbidden.counterpart(name)
        return (self._base.tensors[base], self._forbidden.tensors[forbidden]) if base and forbidden else None


def _bits(checkpoint: Checkpoint, name: str, count: int) -> Bits:
    own_name = checkpoint.counterpart(name) or name
    return Bits(checkpoint.bits(own_name)[:count], checkpoint.tensors[own_name].dtype)
