"""Complete a model that a run obtained to what a submission could contain of it.

A full or partial checkpoint gets the base model's tensors where it has none. A low-rank adapter (PEFT's LoRA) becomes
the base model with the adapter merged into it; its matrices are computed when they are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from posttrainbench.audit.lineage.checkpoint import EMBEDDING, Checkpoint
from posttrainbench.audit.lineage.pair import common_shape
from posttrainbench.audit.lineage.streaming import PIECE, Bits, differences
from posttrainbench.untrusted import UnreadableError, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posttrainbench.submission.tensors import Tensor

_FACTOR = re.compile(r"(.+)\.lora_([AB])(?:\.\w+)?\.weight")
_SAVED = re.compile(r"\.modules_to_save(?:\.default)?\.")
_WIDTH = ("model.norm.weight", EMBEDDING)
"""Tensors whose last dimension tells models of other sizes apart."""


class UnrelatedError(Exception):
    """A model has no matrix of the base model's shapes, so that a submission cannot contain its weights."""


@dataclass
class MergedAdapter(Checkpoint):
    """A base model with a low-rank adapter.

    Attributes:
        base: the base model.
        factors: name of a tensor -> the adapter's factors, A (rank, columns) and B (rows, rank).
        scale: factor of their product.
    """

    base: Checkpoint | None = None
    factors: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=dict)
    scale: float = 1.0

    @override
    def bits(self, name: str) -> NDArray[Any]:
        if name not in self.factors:
            return super().bits(name)
        return np.ascontiguousarray(self.rows(name)).view(np.uint32).reshape(-1)

    @override
    def rows(
        self, name: str, chosen: NDArray[np.intp] | slice = slice(None), columns: int | None = None
    ) -> NDArray[np.float32]:
        if self.base is None or name not in self.factors:
            return super().rows(name, chosen, columns)
        first, second = self.factors[name]
        change = np.float32(self.scale) * (second[chosen] @ first[:, :columns])
        merged: NDArray[np.float32] = self.base.rows(name, chosen, columns) + change
        return merged


def completed(base: Checkpoint, files: Sequence[Path], name: str, scale: float = 1.0) -> Checkpoint:
    """Return a model with the base model's tensors in place of those that it lacks.

    Args:
        base: the base model.
        files: the model's safetensors files.
        name: display name.
        scale: factor of an adapter's change.

    Raises:
        UnrelatedError: it has no matrix of the base model's shapes.
        UnreadableError: its files are malformed, or its weights have a type that is not compared.
    """
    model = Checkpoint.of_files(files, name)
    factors, plain = _split(model)
    widths = [(base.tensors.get(each), plain.get(each)) for each in _WIDTH]
    if any(own and other and own.shape[-1] != other.shape[-1] for own, other in widths):
        raise UnrelatedError
    if model.skipped:
        first, reason = min(model.skipped.items())
        raise UnreadableError(f"its tensor {printable(first[:100])} is {reason}")
    tensors = dict(base.tensors)
    matrices = 0
    for each, tensor in plain.items():
        own = base.counterpart(each)
        if own is None or common_shape(tensor.shape, base.tensors[own].shape) is not None:
            tensors[each] = tensor
            matrices += own is not None and len(tensor.shape) > 1
    fitting = {each: pair for each, pair in factors.items() if _fits(base, each, *pair)}
    if not matrices and not fitting:
        modules = {each.removesuffix(".weight") for each in base.tensors}
        if any(each not in base.tensors and each.rpartition(".")[0] in modules for each in plain):
            raise UnreadableError("it is an adapter of a kind that is not read")
        raise UnrelatedError
    if not fitting:
        return Checkpoint(name, tensors, {})
    tensors |= {each: replace(base.tensors[each], dtype="F32") for each in fitting}
    return MergedAdapter(name, tensors, {}, base=base, factors=fitting, scale=scale)


def equals(model: Checkpoint, base: Checkpoint) -> bool:
    """Return whether all tensors that a model shares with the base model are equal, in the coarser of two types."""
    for name, tensor in model.tensors.items():
        own = base.counterpart(name)
        if own is None:
            return False
        shape = common_shape(tensor.shape, base.tensors[own].shape)
        if shape is None:
            return False
        count = int(np.prod(shape))
        one, other = Bits(model.bits(name)[:count], tensor.dtype), Bits(base.bits(own)[:count], base.tensors[own].dtype)
        for start in range(0, count, PIECE):  # stops at the first difference
            part = slice(start, start + PIECE)
            if differences(Bits(one.bits[part], one.dtype), Bits(other.bits[part], other.dtype)):
                return False
    return True


def _split(model: Checkpoint) -> tuple[dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]], dict[str, Tensor]]:
    """Return an adapter's factors by the name of the tensor that they change, and the other tensors."""
    halves: dict[str, dict[str, str]] = {}
    plain = {}
    for name, tensor in model.tensors.items():
        match = _FACTOR.fullmatch(name)
        if match is None:
            plain[_SAVED.sub(".", name)] = tensor
        elif len(tensor.shape) == 2:
            halves.setdefault(f"{match[1]}.weight", {})[match[2]] = name
    factors = {
        target: (model.rows(both["A"]), model.rows(both["B"])) for target, both in halves.items() if len(both) == 2
    }
    return factors, plain


def _fits(base: Checkpoint, name: str, first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    shape = (second.shape[0], first.shape[1])
    return name in base.tensors and base.tensors[name].shape == shape and first.shape[0] == second.shape[1]
