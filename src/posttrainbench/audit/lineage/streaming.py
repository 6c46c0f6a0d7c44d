"""One pass over all weights: sums over each tensor and its two counterparts, computed in pieces on all cores."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from posttrainbench.submission.tensors import PRECISION, rounded
from posttrainbench.untrusted import UnreadableError, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIECE = 2**22  # elements


@dataclass(frozen=True)
class Bits:
    """Flat bits of a tensor, and their safetensors type."""

    bits: NDArray[Any]
    dtype: str

    def piece(self, start: int, stop: int) -> NDArray[Any]:
        """Return a slice in the kernel's format: aligned, bfloat16 as uint16, everything else as uint32 of float32."""
        part = self.bits[start:stop]
        if self.dtype == "F16":
            return rounded(part, "F16", "F32")
        return part if part.flags.aligned else part.copy()


@dataclass(frozen=True)
class Sums:
    """Sums over one or more tensors.

    Attributes:
        elements: number of weights.
        equal_base: weights equal in candidate and base, as bfloat16.
        equal_forbidden: weights equal in candidate and forbidden checkpoint.
        equal_pair: weights equal in base and forbidden checkpoint.
        equal_all: weights equal in all three.
        bb, bd, br, dd, rr, dr: inner products of base B, change D (candidate - base) and reference R (forbidden -
            base).
    """

    elements: int
    equal_base: float
    equal_forbidden: float
    equal_pair: float
    equal_all: float
    bb: float
    bd: float
    br: float
    dd: float
    rr: float
    dr: float

    @classmethod
    def total(cls, parts: Sequence[Sums]) -> Sums:
        """Return the sums over several tensors."""
        values = [[getattr(part, name) for name in cls.__dataclass_fields__] for part in parts]
        totals = [sum(column) for column in zip(*values, strict=True)]
        return cls(*totals) if parts else cls(0, *[0.0] * 10)

    def scaled(self, elements: int) -> Sums:
        """Estimate the sums of a whole tensor with `elements` weights from those of some of its rows."""
        factor = elements / self.elements if self.elements else 0.0
        return Sums(elements, *(getattr(self, name) * factor for name in list(self.__dataclass_fields__)[1:]))

    @property
    def differing(self) -> float:
        """Number of weights that differ between base and forbidden checkpoint."""
        return self.elements - self.equal_pair

    @property
    def share_base(self) -> float:
        """Share of the differing weights that equal the base's."""
        return (self.equal_base - self.equal_all) / max(self.differing, 1.0)

    @property
    def share_forbidden(self) -> float:
        """Share of the differing weights that equal the forbidden checkpoint's."""
        return (self.equal_forbidden - self.equal_all) / max(self.differing, 1.0)

    @property
    def norm(self) -> float:
        """Norm of the candidate."""
        return math.sqrt(max(self.bb + 2 * self.bd + self.dd, 0.0))

    @property
    def cosine_base(self) -> float:
        """Cosine of candidate and base."""
        size = self.norm * math.sqrt(self.bb)
        return (self.bb + self.bd) / size if size else float(self.dd == 0)

    @property
    def orthogonalized(self) -> tuple[float, float, float]:
        """DD, RR and DR after making D and R orthogonal to the base, because scaling down the base proves nothing."""
        bb = self.bb or 1.0
        return self.dd - self.bd**2 / bb, self.rr - self.br**2 / bb, self.dr - self.bd * self.br / bb

    @property
    def distance_forbidden(self) -> float:
        """Norm of (candidate - forbidden)."""
        return math.sqrt(max(self.dd - 2 * self.dr + self.rr, 0.0))


def correlation(dd: float, rr: float, dr: float) -> float:
    """Return the correlation of two vectors from their inner products; 0 if one of them is zero."""
    return dr / math.sqrt(dd * rr) if dd > 0 and rr > 0 else 0.0


def add_up(triples: dict[str, tuple[Bits, Bits, Bits]]) -> dict[str, Sums]:
    """Return the sums of each triple (candidate, base, forbidden) of arrays of equal length.

    Raises:
        UnreadableError: a tensor contains NaN, infinity or values whose squares overflow.
    """
    from posttrainbench.audit.lineage.kernel import FIELDS, add_sums

    def job(name: str, start: int) -> NDArray[np.float64]:
        sums = np.zeros(FIELDS)
        candidate, base, forbidden = (tensor.piece(start, start + PIECE) for tensor in triples[name])
        add_sums(candidate, base, forbidden, sums)
        return sums

    jobs = [(name, start) for name, triple in triples.items() for start in range(0, triple[0].bits.size, PIECE)]
    totals = {name: np.zeros(FIELDS) for name in triples}
    with ThreadPoolExecutor(threads()) as pool:
        for (name, _), sums in zip(jobs, pool.map(lambda arguments: job(*arguments), jobs), strict=True):
            totals[name] += sums
    for name, total in totals.items():
        if not np.isfinite(total).all():
            raise UnreadableError(
                f"the tensor {printable(name[:100])} contains NaN, infinite or extremely large values"
            )
    return {name: Sums(triples[name][0].bits.size, *map(float, total)) for name, total in totals.items()}


def differences(first: Bits, second: Bits) -> int:
    """Count the elements that differ after rounding to the coarser of the two types."""
    common = min(first.dtype, second.dtype, key=PRECISION.__getitem__)
    return sum(
        int(
            np.count_nonzero(
                rounded(first.bits[start : start + PIECE], first.dtype, common)
                != rounded(second.bits[start : start + PIECE], second.dtype, common)
            )
        )
        for start in range(0, first.bits.size, PIECE)
    )


def threads() -> int:
    """Return the number of threads to use."""
    return min(len(os.sched_getaffinity(0)), 16)
