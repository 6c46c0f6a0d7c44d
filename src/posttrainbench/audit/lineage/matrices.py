"""Analyze each matrix by a sample of its rows: its arrangement relative to the base, and its slopes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from posttrainbench.audit.lineage.checkpoint import EMBEDDING, Checkpoint, coarsened, matrix
from posttrainbench.audit.lineage.pair import Pair, Sample
from posttrainbench.audit.lineage.slopes import Slopes, slopes
from posttrainbench.audit.lineage.streaming import threads
from posttrainbench.audit.lineage.symmetry import COLUMNS, SCALED, arrange, fit, unscaled
from posttrainbench.catalog.thresholds import Thresholds
from posttrainbench.untrusted import UnreadableError, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS_READ = 512  # columns used if the matrix matches the base's without rearranging
SMALLEST = 8  # smallest number of rows and of columns of a matrix that is analyzed


@dataclass(frozen=True)
class MatrixAnalysis:
    """Result for one matrix; `how` and `columns` are those of `symmetry.Arranged`."""

    how: str
    slopes: Slopes
    columns: NDArray[np.intp] | None


def analyze_matrices(
    candidate: Checkpoint, pair: Pair, common: dict[str, tuple[int, ...]], thresholds: Thresholds
) -> dict[str, MatrixAnalysis]:
    """Return the analysis of each matrix by name.

    The embedding comes first, because it shows whether the residual stream is permuted.
    """
    names = [name for name, shape in common.items() if len(shape) > 1 and min(matrix(shape)) >= SMALLEST]

    def analyze(name: str, hidden: NDArray[np.intp] | None) -> MatrixAnalysis:
        rows = matrix(common[name])[0]  # further rows of the candidate are not compared

        def trimmed(sample: Sample) -> Sample:
            size = int(np.searchsorted(sample.chosen, rows))
            return replace(
                sample, chosen=sample.chosen[:size], base=sample.base[:size], forbidden=sample.forbidden[:size]
            )

        sample = trimmed(pair.sample(name, COLUMNS_READ))
        arranged = fit(sample.base, candidate.rows(name, sample.chosen, COLUMNS_READ), thresholds.cosine)
        if arranged is None or arranged.how:  # finding the arrangement takes whole rows
            sample = trimmed(pair.sample(name))
            read: Callable[..., NDArray[np.float32]] = partial(candidate.rows, name)
            arranged = arrange(sample.base, read, rows, sample.chosen, thresholds.cosine, hidden)
        forbidden = unscaled(sample.forbidden, sample.base) if SCALED in arranged.how else sample.forbidden
        delta = arranged.rows - coarsened(sample.base, sample.dtype, candidate.tensors[name].dtype)
        try:
            return MatrixAnalysis(arranged.how, slopes(delta, forbidden - sample.base, sample.base), arranged.columns)
        except np.linalg.LinAlgError:
            raise UnreadableError(f"the tensor {printable(name[:100])} contains NaN or infinite values") from None

    rest = [name for name in names if name != EMBEDDING]
    with (
        threadpool_limits(1, "blas"),
        ThreadPoolExecutor(threads()) as pool,
    ):  # BLAS threads inside our threads would compete for cores
        first = {name: analyze(name, None) for name in names if name == EMBEDDING}
        hidden = next((embedding.columns for embedding in first.values() if COLUMNS in embedding.how), None)
        return first | dict(zip(rest, pool.map(lambda name: analyze(name, hidden), rest), strict=True))
