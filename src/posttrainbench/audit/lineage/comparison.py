"""Compare a candidate with its base model and one forbidden checkpoint: statistics, then the verdict."""

from __future__ import annotations

import time

import numpy as np

from posttrainbench.audit.lineage.checkpoint import Checkpoint, matrix
from posttrainbench.audit.lineage.matrices import MatrixAnalysis, analyze_matrices
from posttrainbench.audit.lineage.pair import Pair, common_shape
from posttrainbench.audit.lineage.records import LayerFacts, Lineage, Statistics, TensorFacts
from posttrainbench.audit.lineage.slopes import least_slope, middle
from posttrainbench.audit.lineage.streaming import Sums, add_up, correlation
from posttrainbench.audit.lineage.symmetry import NONE
from posttrainbench.audit.lineage.verdict import THRESHOLDS, decide
from posttrainbench.catalog.thresholds import Thresholds
from posttrainbench.untrusted import UnreadableError, printable

_MAYBE_IDENTICAL = 0.8  # share equal as bfloat16; float16 tensors can be identical and still differ after rounding


def compare(candidate: Checkpoint, pair: Pair, thresholds: Thresholds = THRESHOLDS) -> Lineage:
    """Compare a candidate with a base model and a forbidden checkpoint.

    Raises:
        UnreadableError: the candidate cannot be compared: it has no floating-point weights, or NaN, or none of the
            weights that differ between base model and forbidden checkpoint.
    """
    started = time.perf_counter()
    shapes = {name: pair.shape(name) for name in candidate.tensors}
    common = {
        name: part
        for name, shape in shapes.items()
        if shape is not None and (part := common_shape(candidate.tensors[name].shape, shape)) is not None
    }
    counts = {name: matrix(shape)[0] * matrix(shape)[1] for name, shape in common.items()}
    counts = {name: count for name, count in counts.items() if count}
    if not any(tensor.elements for tensor in candidate.tensors.values()):
        raise UnreadableError("it contains no floating-point weights")
    if lost := sorted(name for name in candidate.skipped if pair.shape(name) is not None):
        raise UnreadableError(f"its tensor {printable(lost[0][:100])} is {candidate.skipped[lost[0]]}")
    sums = add_up({name: pair.triple(candidate, name, count) for name, count in counts.items()})
    analyses = analyze_matrices(candidate, pair, common, thresholds)
    equal = {name: _equal(pair, candidate, name, counts[name], tensor) for name, tensor in sums.items()}
    foreign = {name: pair.only_forbidden(candidate, name) for name in sorted(candidate.tensors.keys() - counts.keys())}

    tensors = [
        _tensor(name, sums[name], equal[name], analyses.get(name), pair.sampled) for name in sorted(counts)
    ] + [
        TensorFacts(
            name=printable(name), elements=candidate.tensors[name].elements, equal_base=0.0,
            equal_forbidden=float(same), identical="against" if same else "", arrangement=NONE,
        )
        for name, same in foreign.items()
    ]  # fmt: skip
    proofs = [
        name
        for name, (base, forbidden) in equal.items()
        if forbidden and not base
        and counts[name] >= thresholds.tensor_elements
        and pair.differing(name, counts[name]) >= thresholds.tensor_differing
    ]  # fmt: skip
    proofs += [
        name
        for name, same in foreign.items()
        if same and candidate.tensors[name].elements >= thresholds.tensor_elements
    ]
    unchanged = bool(equal) and all(base for base, _ in equal.values()) and not foreign
    statistics = _statistics(candidate, pair, counts, sums, analyses, len(proofs))
    if not statistics.differing and not proofs and statistics.unmatched < thresholds.strange_share and not unchanged:
        raise UnreadableError(f"it has none of the weights in which {pair.forbidden} differs from the base model")
    verdict, reasons = decide(statistics, unchanged, pair.forbidden, thresholds)
    return Lineage(
        verdict=verdict,
        forbidden=pair.forbidden,
        reasons=reasons,
        statistics=statistics,
        tensors=tensors,
        skipped={printable(name): why for name, why in candidate.skipped.items()},
        seconds=time.perf_counter() - started,
    )


def _equal(pair: Pair, candidate: Checkpoint, name: str, count: int, sums: Sums) -> tuple[bool, bool]:
    """Return whether a tensor is bit-identical to the base's and to the forbidden checkpoint's.

    Tensors that mostly differ are not read again.
    """
    if max(sums.equal_base, sums.equal_forbidden) < _MAYBE_IDENTICAL * sums.elements:
        return False, False
    return pair.equal(candidate, name, count)


def _tensor(
    name: str, sums: Sums, equal: tuple[bool, bool], analysis: MatrixAnalysis | None, sampled: bool
) -> TensorFacts:
    dd, rr, dr = sums.orthogonalized
    return TensorFacts(
        name=printable(name),
        elements=sums.elements,
        equal_base=sums.equal_base / sums.elements,
        equal_forbidden=sums.equal_forbidden / sums.elements,
        identical={(True, True): "both", (True, False): "base", (False, True): "against"}.get(equal, ""),
        norm=None if sampled else sums.norm,
        cosine_base=sums.cosine_base,
        rho=correlation(dd, rr, dr),
        alpha=dr / rr if rr > 0 else 0.0,
        slope=middle(analysis.slopes.cells)[0] if analysis and analysis.slopes.cells else None,
        arrangement=analysis.how if analysis else "",
    )


def _statistics(
    candidate: Checkpoint,
    pair: Pair,
    counts: dict[str, int],
    sums: dict[str, Sums],
    analyses: dict[str, MatrixAnalysis],
    identical: int,
) -> Statistics:
    whole = [tensor.scaled(counts[name]) for name, tensor in sums.items()]
    total = Sums.total(whole)
    dd, rr, dr = np.array([tensor.orthogonalized for tensor in whole] or [(0.0, 0.0, 0.0)]).sum(0).tolist()
    elements = sum(tensor.elements for tensor in candidate.tensors.values())
    # Rows beyond the common vocabulary are new, not unmatched.
    unmatched = sum(candidate.tensors[name].elements for name in candidate.tensors if name not in counts)
    unmatched += sum(counts[name] for name, analysis in analyses.items() if analysis.how == NONE)
    matched = [analysis for analysis in analyses.values() if analysis.how != NONE]
    slope, spread = middle(cells := [cell for analysis in matched for cell in analysis.slopes.cells])
    length = total.bb**0.5 or 1.0
    return Statistics(
        elements=elements,
        compared=sum(counts.values()),
        differing=round(total.differing),
        share_base=total.share_base,
        share_forbidden=total.share_forbidden,
        identical=identical,
        norm_base=max(total.dd, 0.0) ** 0.5 / length,
        norm_forbidden=total.distance_forbidden / length,
        cosine_base=total.cosine_base,
        rho=correlation(dd, rr, dr),
        alpha=dr / rr if rr > 0 else 0.0,
        slope=slope,
        slope_spread=min(spread, 1e6),
        slope_cells=len(cells),
        slope_error=1.2533 * spread * abs(slope) / len(cells) ** 0.5 if slope else 0.0,
        steepest=max((least_slope(analysis.slopes) for analysis in matched), default=0.0),
        rank_base=_median([analysis.slopes.rank_base for analysis in matched]),
        rank_forbidden=_median([analysis.slopes.rank_forbidden for analysis in matched]),
        rank_pair=_median([analysis.slopes.rank_pair for analysis in matched]),
        unmatched=unmatched / elements,
        rearranged=sum(bool(analysis.how) for analysis in matched),
        layers=_layers({name: analysis for name, analysis in analyses.items() if analysis.how != NONE}),
        sampled=pair.sampled,
    )


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else 0.0


def _layers(analyses: dict[str, MatrixAnalysis]) -> list[LayerFacts]:
    cells: dict[int, list[float]] = {}
    for name, analysis in analyses.items():
        layer = next((int(part) for part in name.split(".") if part.isdecimal() and len(part) < 6), -1)
        cells.setdefault(layer, []).extend(analysis.slopes.cells)
    return [
        LayerFacts(layer=layer, cells=len(values), slope=middle(values)[0], spread=min(middle(values)[1], 1e6))
        for layer, values in sorted(cells.items())
    ]
