"""Project the candidate's weight change onto the forbidden one, in the weak singular directions.

With base B, candidate C and forbidden checkpoint F, let D = C - B and R = F - B, each row made orthogonal to the same
row of B. What two training runs have in common lies in the few strongest singular directions of R. In the weak
directions, R is the noise of one training run. Another run does not reproduce it, whereas a descendant of F contains it
with slope 1, and a merge of weight w with slope w, uniformly across matrices. The slope of D on R is therefore computed
in bands of R's singular directions, without the strongest quarter. Of an adapter's R, whose rank is low, only the
directions that it has are divided into bands.

If the base has a finer type than the other two, rounding the base would appear in both D and R, and two honest runs
with small steps would seem to share it. D is therefore computed from the base rounded to the candidate's type, and R
from the unrounded base. The remaining rounding error makes slopes too low, never too high.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

BANDS = 4
EVEN = 0.25
"""A matrix of the forbidden checkpoint that was trained further keeps at least this share of its middle slope in every
band: 0.37 or more in three measured cases. In long honest trainings of the embeddings alone on the forbidden
checkpoint's data, the weakest band loses it: 0.05 after 300 steps."""
_MIN_ENERGY = 1e-5  # share of R's squared norm below which a band is ignored
_PRESENT = 1e-7  # share of R's squared norm from which a direction counts as present
_RANK_ENERGY = 0.99  # share of a difference's squared norm that its rank must cover


@dataclass(frozen=True)
class Slopes:
    """Slopes and ranks of one matrix.

    Attributes:
        cells: slope in each band with enough energy.
        error: standard error of the matrix's slope under the hypothesis that D and R are unrelated.
        rank_base: rank of D, as a share of the maximum rank.
        rank_forbidden: rank of (candidate - forbidden), likewise.
        rank_pair: rank of R, likewise.
    """

    cells: list[float]
    error: float
    rank_base: float
    rank_forbidden: float
    rank_pair: float


def slopes(delta: Matrix, reference: Matrix, base: Matrix) -> Slopes:
    """Compute slopes and ranks of one matrix.

    Args:
        delta: rows of (candidate - base); shape (rows, columns).
        reference: rows of (forbidden - base); same shape.
        base: rows of the base; same shape.

    Raises:
        LinAlgError: the rows contain NaN or infinity.
    """
    change, other = _orthogonalized(delta, base), _orthogonalized(reference, base)
    own, cross, pair = (first @ second.T for first, second in ((change, change), (change, other), (other, other)))
    values, vectors = np.linalg.eigh(pair)
    along = (vectors * (cross @ vectors)).sum(0)
    across = (vectors * (own @ vectors)).sum(0)
    cells, variances = [], []
    if (total := float(values.sum())) > 0:
        first = int(np.searchsorted(values, _PRESENT * total))  # eigenvalues ascend: the last quarter is the strongest
        if len(values) - first >= min(delta.shape):  # full rank
            first = 0
        count = len(values) - first
        for band in range(BANDS - 1) if count >= BANDS else range(BANDS):
            part = slice(first + band * count // BANDS, first + (band + 1) * count // BANDS)
            energy = float(values[part].sum())
            if energy > _MIN_ENERGY * total:
                cells.append(float(along[part].sum()) / energy)
                numbers = (part.stop - part.start) * delta.shape[1]
                variances.append(max(float(across[part].sum()), 0.0) / energy / numbers)
    error = math.sqrt(sum(variances)) / max(len(variances), 1)
    return Slopes(
        cells,
        error,
        _rank(np.linalg.eigvalsh(own)),
        _rank(np.linalg.eigvalsh(own - cross - cross.T + pair)),
        _rank(values),
    )


def middle(cells: Sequence[float]) -> tuple[float, float]:
    """Return the median and relative spread of slopes; (0, infinity) for an empty sequence."""
    if not cells:
        return 0.0, math.inf
    slope = float(np.median(cells))
    deviation = 1.4826 * float(np.median(np.abs(np.asarray(cells) - slope)))
    return slope, deviation / abs(slope) if slope else math.inf


def least_slope(found: Slopes) -> float:
    """Return a lower bound of a matrix's slope, four standard errors below the median of its bands.

    If the slope is much lower in one band, the others are common to trainings on similar data, and that band decides.
    """
    slope, weakest = middle(found.cells)[0], min(found.cells, default=0.0)
    return (slope if weakest >= EVEN * slope else weakest) - 4 * found.error


def _orthogonalized(rows: Matrix, base: Matrix) -> NDArray[np.float64]:
    """Return the rows without their component along the base's rows, because scaling down the base proves nothing."""
    size = np.einsum("ij,ij->i", base, base)
    share = np.einsum("ij,ij->i", rows, base) / np.where(size > 0, size, 1)
    rest: Matrix = rows - share[:, None] * base
    return rest.astype(np.float64)


def _rank(values: NDArray[np.floating[Any]]) -> float:
    """Return the share of directions that cover `_RANK_ENERGY` of the sum; eigenvalues are in ascending order."""
    total = float(values.sum())
    if total <= 0:
        return 0.0
    return (int(np.searchsorted(np.cumsum(values[::-1]), _RANK_ENERGY * total)) + 1) / len(values)
