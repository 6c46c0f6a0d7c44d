"""Undo weight changes that preserve a network's function: permuted neurons or heads, rescaled rows and columns.

Rows of the base are matched with the candidate's, then columns; then row and column factors are divided out. Rotations
of the residual stream are not undone: such a candidate matches the base in no arrangement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]
    Order = NDArray[np.intp]

ROWS, COLUMNS, SCALED, NONE = "rows permuted", "columns permuted", "rescaled", "none"
MAX_SEARCHED = 32768  # rows or columns; vocabularies, which have more, are not permuted
_PIECE = 1024
_MIN_ROUGHLY_EXPLAINED = 0.2  # share explained in the quick test, below which the full fit is skipped
_MIN_SCALED = 0.003
"""Distance to the base, relative to its length, below which factors are not divided out: training with weight decay
shrinks the rows of tokens that do not occur by up to two thousandths."""
_MIN_EXPLAINED = 0.5  # share of the squared distance to the base that the factors must explain to be divided out


@dataclass(frozen=True)
class Arranged:
    """Rows of the candidate in the base's order.

    Attributes:
        rows: the candidate's rows that match the base's, with columns in the base's order and factors divided out.
        how: changes that were undone (some of `ROWS`, `COLUMNS` and `SCALED`), or `NONE` if nothing matches.
        columns: the order of the columns, if they are permuted.
    """

    rows: Matrix
    how: str
    columns: Order | None = None


def arrange(
    base: Matrix,
    rows: Callable[[Order | slice], Matrix],
    count: int,
    chosen: Order,
    least: float,
    hidden: Order | None = None,
) -> Arranged:
    """Bring a candidate's matrix into the base's arrangement.

    Args:
        base: sampled rows of the base's matrix; shape (len(chosen), columns).
        rows: reads rows of the candidate's matrix.
        count: number of rows of the candidate's matrix.
        chosen: row numbers of `base`.
        least: minimum cosine for rows to match.
        hidden: permutation of the residual stream, known from another matrix.
    """
    in_place = rows(chosen)
    if arranged := fit(base, in_place, least):
        return arranged
    # In a vocabulary only columns can be permuted, because token ids fix the rows.
    whole = rows(slice(count)) if count <= MAX_SEARCHED else in_place
    for columns in (None, hidden) if hidden is not None and len(hidden) == whole.shape[1] else (None,):
        ordered = whole if columns is None else whole[:, columns]
        places: list[tuple[Order, str]] = [(np.arange(len(base)) if whole is in_place else chosen, "")]
        if hidden is not None and len(hidden) == len(whole):
            places.append((hidden[chosen], ROWS))
        for place, moved in places:
            if arranged := fit(base, ordered[place], least, columns, moved):
                return arranged
            if columns is None and (order := _match(base.T, ordered[place].T, least)) is not None:
                arranged = fit(base, ordered[place][:, order], least, order, moved)
                if arranged:
                    return arranged
        match = _match(base, ordered, least)
        if match is not None and (arranged := fit(base, ordered[match], least, columns, ROWS)):
            return arranged
    return Arranged(in_place, NONE)


def fit(base: Matrix, rows: Matrix, least: float, columns: Order | None = None, moved: str = "") -> Arranged | None:
    """Return the arrangement if rows match the base's, as they are or after dividing out factors; else None."""
    changes = [moved] if moved else []
    if columns is not None:
        changes.append(COLUMNS)
    even = _without_decay(rows, base)
    if _may_be_scaled(even, base):
        plain = unscaled(rows, base)
        near, far = float(((plain - base) ** 2).sum()), float(((even - base) ** 2).sum())
        if near < _MIN_EXPLAINED * far and cosine(plain, base) >= least:
            return Arranged(plain, ", ".join([*changes, SCALED]), columns)
    return Arranged(even, ", ".join(changes), columns) if cosine(even, base) >= least else None


def _without_decay(rows: Matrix, base: Matrix) -> Matrix:
    """Divide out the one factor by which most rows are smaller, as weight decay leaves them."""
    sizes = np.einsum("ij,ij->i", base, base)
    shrunk = np.einsum("ij,ij->i", rows, base)[sizes > 0] / sizes[sizes > 0]
    factor = float(np.median(shrunk)) if len(shrunk) else 1.0
    return (rows / factor).astype(np.float32) if 0 < factor < 1 - _MIN_SCALED else rows


def _may_be_scaled(rows: Matrix, base: Matrix) -> bool:
    """Return True if factors per row or per column explain part of a large distance to the base; a quick test."""
    distance = rows - base
    far = float(np.vdot(distance, distance))
    if far < _MIN_SCALED**2 * float(np.vdot(base, base)):
        return False
    explained = 0.0
    for axes in ("ij,ij->i", "ij,ij->j"):
        size = np.einsum(axes, base, base)
        explained += float((np.einsum(axes, distance, base) ** 2 / np.where(size > 0, size, 1)).sum())
    return explained > _MIN_ROUGHLY_EXPLAINED * far


def cosine(first: Matrix, second: Matrix) -> float:
    """Return the cosine of two matrices as vectors; 1 if both are zero."""
    size = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    return float(np.vdot(first, second)) / size if size else float(not first.any() and not second.any())


def unscaled(rows: Matrix, base: Matrix) -> Matrix:
    """Divide out a factor per row and one per column, fitted to the logarithms of the ratios to the base.

    The result does not depend on factors applied before, so a rescaled copy gives the same result as its original. Only
    the larger half of each row of the base is used, because ratios of small weights are noise.
    """
    size = np.abs(base)
    counted = (size >= np.median(size, axis=1, keepdims=True)) & (size > 0) & (rows != 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(counted, np.log(np.abs(rows)) - np.log(size), 0)
    down, across = np.maximum(counted.sum(0), 1), np.maximum(counted.sum(1), 1)
    row, column = np.zeros(rows.shape[0]), np.zeros(rows.shape[1])
    for _ in range(4):
        row = (np.where(counted, logs - column, 0)).sum(1) / across
        column = (np.where(counted, logs - row[:, None], 0)).sum(0) / down
    with np.errstate(over="ignore"):
        result = (rows * np.exp(-row[:, None] - column)).astype(np.float32)
    result *= np.where((result * base).sum(1, keepdims=True) < 0, -1, 1).astype(np.float32)
    result *= np.where((result * base).sum(0) < 0, -1, 1).astype(np.float32)
    return result


def _match(wanted: Matrix, among: Matrix, least: float) -> Order | None:
    """Return for each wanted row the row nearest in angle, up to sign; None unless they match and nearly all differ."""
    if max(len(wanted), len(among)) > MAX_SEARCHED or wanted.shape[1] < 8:  # shorter rows are similar by chance
        return None
    empty = int(np.linalg.norm(among, axis=1).argmin())
    wanted, among = _unit(wanted), _unit(among)
    best = np.zeros(len(wanted), np.intp)
    fit = np.zeros(len(wanted), np.float32)
    for start in range(0, len(wanted), _PIECE):
        likeness = np.abs(wanted[start : start + _PIECE] @ among.T)
        best[start : start + _PIECE] = likeness.argmax(1)
        fit[start : start + _PIECE] = likeness.max(1)
    nonzero = np.linalg.norm(wanted, axis=1) > 0
    if not nonzero.any() or float(np.median(fit[nonzero])) < least:
        return None
    if len(np.unique(best[nonzero])) < 0.9 * nonzero.sum():
        return None
    best[~nonzero] = empty  # a row of zeros has no angle
    return best


def _unit(rows: Matrix) -> Matrix:
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(size > 0, size, 1)).astype(np.float32)
