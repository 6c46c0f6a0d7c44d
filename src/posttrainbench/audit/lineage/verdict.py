"""Decide a verdict from statistics, using only a rule set's thresholds.

The ranges of honest fine-tunes that the reasons quote were measured on micro models; see docs/lineage.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from posttrainbench.audit.lineage.records import Lineage, LineageVerdict, Statistics
from posttrainbench.catalog.thresholds import Thresholds

THRESHOLDS = Thresholds()
"""Thresholds for comparisons made without a rule set. docs/lineage.md says how they were set."""

_MOST_LAYERS = 8  # layers that a reason lists


def decide(
    statistics: Statistics, unchanged: bool, forbidden: str, thresholds: Thresholds
) -> tuple[LineageVerdict, list[str]]:
    """Return the verdict and its reasons, one sentence each, the strongest first.

    Args:
        statistics: the comparison with one forbidden checkpoint.
        unchanged: whether all tensors equal the base model's.
        forbidden: name of the forbidden checkpoint, quoted in the reasons.
        thresholds: limits of the rule set.
    """
    if reasons := list(_proof_reasons(statistics, forbidden, thresholds)):
        return LineageVerdict.PROOF, reasons
    if statistics.unmatched >= thresholds.strange_share:
        return LineageVerdict.NOT_BASE_DERIVED, [
            f"{_unmatched(statistics)}, so the submission was not trained from the base model; 0% in honest runs"
        ]
    if unchanged:
        return LineageVerdict.BASE_UNCHANGED, [
            "The submission is the unchanged base model: all tensors are equal, bit for bit or after rounding to "
            "another type"
        ]
    if reasons := list(_suspicion_reasons(statistics, forbidden, thresholds)):
        return LineageVerdict.SUSPECT, reasons
    return LineageVerdict.CLEAN, [
        f"{_regression(forbidden)} gives slope {statistics.slope:.3f} (r = {statistics.rho:.2f}); independent "
        "fine-tunes on other data give slopes below 0.07 and r below 0.4"
    ]


def worst(comparisons: Sequence[Lineage]) -> Lineage:
    """Return the comparison with the most severe verdict; of equal ones, the first."""
    return min(comparisons, key=lambda comparison: list(LineageVerdict).index(comparison.verdict))


def _proof_reasons(statistics: Statistics, forbidden: str, thresholds: Thresholds) -> Iterator[str]:
    if statistics.identical:
        yield (
            f"{statistics.identical} tensors are bit-identical to those of {forbidden} and differ from the base "
            "model's; independent fine-tunes have no such tensors"
        )
    base, other = statistics.share_base, statistics.share_forbidden
    enough = statistics.differing >= thresholds.share_differing
    where = f"Of the weights in which {forbidden} and the base model differ"
    if enough and other > thresholds.share_ratio * base and other - base > thresholds.share_margin:
        yield (
            f"{where}, {other:.1%} equal those of {forbidden} and {base:.1%} those of the base model (as bfloat16); in "
            "independent fine-tunes the first share is at most 2.2 percentage points larger"
        )
    elif enough and other >= thresholds.patch_share and base + other >= 1 - thresholds.patch_rest:
        yield (
            f"{where}, {other:.1%} equal those of {forbidden} and {base:.1%} those of the base model, which leaves "
            "almost none changed by training: a patchwork of the two; independent fine-tunes change at least 29%"
        )
    low, high = thresholds.full_slope
    contained = (
        f"The submission contains {statistics.slope:.1%} of the base-to-{forbidden} weight difference, uniformly "
        f"across matrices (spread {statistics.slope_spread:.1%}; independent fine-tunes: 7% or more)"
    )
    if statistics.slope_cells >= thresholds.slope_cells:
        if low <= statistics.slope <= high and statistics.slope_spread <= thresholds.full_spread:
            yield f"{contained}: it descends from {forbidden}"
        elif statistics.slope >= thresholds.slope and statistics.slope_spread <= thresholds.slope_spread:
            yield f"{contained}: it is a merge with {forbidden}, possibly trained further"
    layers = [
        layer.layer
        for layer in statistics.layers
        if low <= layer.slope <= high
        and layer.spread <= thresholds.full_spread
        and layer.cells >= thresholds.slope_cells
    ]
    if layers and statistics.slope < low:
        listed = ", ".join(map(str, layers[:_MOST_LAYERS])) + (", ..." if len(layers) > _MOST_LAYERS else "")
        yield (
            f"Layers that contain {low:.0%} to {high:.0%} of the base-to-{forbidden} weight difference uniformly, so "
            f"were copied from {forbidden} and possibly trained further: {listed}"
        )
    if 0 < statistics.rank_forbidden <= thresholds.adapter_rank < min(statistics.rank_base, statistics.rank_pair):
        yield (
            f"The submission differs from {forbidden} by a low-rank update (rank {statistics.rank_forbidden:.0%} of "
            f"the maximum; independent fine-tunes: 88% or more): it is {forbidden} with a merged adapter"
        )


def _suspicion_reasons(statistics: Statistics, forbidden: str, thresholds: Thresholds) -> Iterator[str]:
    # An adapter's few directions are common to trainings on its data, but not by the same share in all matrices.
    is_adapter = 0 < statistics.rank_pair <= thresholds.adapter_rank
    uniform = not is_adapter or statistics.slope_spread <= thresholds.adapter_spread
    if uniform and statistics.slope - 4 * statistics.slope_error >= thresholds.suspect_slope:
        yield (
            f"{_regression(forbidden)} gives slope {statistics.slope:.3f}; independent fine-tunes on other data give "
            f"below 0.07, fine-tunes on the data of {forbidden} 0.34 and more"
        )
    elif statistics.steepest >= thresholds.suspect_matrix:
        yield (
            f"{_regression(forbidden)} gives a slope of at least {statistics.steepest:.2f} in one matrix; independent "
            "fine-tunes on other data give at most 0.38"
        )
    if statistics.rho >= thresholds.suspect_rho:
        yield (
            f"The submission's weight change correlates with the base-to-{forbidden} change (r = {statistics.rho:.2f})"
            f"; independent fine-tunes on other data give r below 0.4, on the data of {forbidden} 0.51 to 0.77"
        )
    if statistics.rearranged:
        yield (
            f"Rows or columns of {statistics.rearranged} matrices are permuted or rescaled relative to the base "
            "model; training does not do this, hiding a model's origin does"
        )
    if statistics.unmatched >= thresholds.suspect_share:
        yield f"{_unmatched(statistics)}; 0% in honest runs"


def _regression(forbidden: str) -> str:
    return f"Regressing the submission's weight change on the base-to-{forbidden} change"


def _unmatched(statistics: Statistics) -> str:
    return (
        f"{statistics.unmatched:.0%} of the weights have another shape than the base model's, or do not match them "
        "under any permutation or rescaling"
    )
