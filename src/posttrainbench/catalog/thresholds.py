"""The thresholds by which a rule set judges a submission's descent. How each was set, and on what: docs/lineage.md."""

from typing import Self

from pydantic import PositiveFloat, PositiveInt, model_validator

from posttrainbench.records import Record

MEASURING = ("tensor_elements", "tensor_differing", "cosine")
"""Thresholds that act while weights are compared, before there are statistics to judge."""


class Thresholds(Record):
    """What the verdicts on descent are drawn from.

    Attributes:
        tensor_elements: elements that a tensor needs for its equality to be proof,
        tensor_differing: and how many of them must differ between base and forbidden checkpoint.
        share_ratio: proof by shares of equal weights: at least so many times as many as of the base's,
        share_margin: and by so much more, of all that tell the two apart,
        share_differing: which must be so many.
        patch_share: proof by patchwork: so large a share is equal to the forbidden checkpoint's,
        patch_rest: and at most this share to neither.
        slope: proof by slope: the forbidden difference is in the candidate at least so many times,
        slope_spread: and the same in all parts, up to this relative spread,
        slope_cells: of which there must be so many.
        full_slope: proof by descent: the difference is in the candidate, or in one layer, this many times,
        full_spread: up to this relative spread, in as many parts.
        suspect_slope: slope, less four standard errors, from which a candidate is suspect, whatever the spread.
        suspect_matrix: slope of a single matrix, less four standard errors, from which it is.
        suspect_rho: correlation from which it is.
        adapter_rank: proof by adapter: the rank of the distance to the forbidden checkpoint, as a share of the
            greatest possible, is at most this, and those of the distance to the base and between the two are not.
        cosine: below this a tensor is not the base's in any arrangement,
        strange_share: and from this share of such weights on, the candidate does not derive from the base.
        suspect_share: share of such weights from which it is suspect.
    """

    tensor_elements: PositiveInt = 64
    tensor_differing: PositiveInt = 8
    share_ratio: PositiveFloat = 10.0
    share_margin: PositiveFloat = 0.1
    share_differing: PositiveInt = 1000
    patch_share: PositiveFloat = 0.1
    patch_rest: PositiveFloat = 0.01
    slope: PositiveFloat = 0.02
    slope_spread: PositiveFloat = 0.04
    slope_cells: PositiveInt = 12
    full_slope: tuple[float, float] = (0.9, 1.1)
    full_spread: PositiveFloat = 0.05
    suspect_slope: PositiveFloat = 0.12
    suspect_matrix: PositiveFloat = 0.6
    suspect_rho: PositiveFloat = 0.6
    adapter_rank: PositiveFloat = 0.5
    cosine: PositiveFloat = 0.8
    strange_share: PositiveFloat = 0.5
    suspect_share: PositiveFloat = 0.05


class JudgingThresholds(Thresholds):
    """As a rule set has them: all but the measuring ones are its own, so that stored statistics can be judged again."""

    @model_validator(mode="after")
    def _measured_alike(self) -> Self:
        for name in MEASURING:
            if getattr(self, name) != Thresholds.model_fields[name].default:
                raise ValueError(f"`{name}` acts while weights are compared and is the same for all rule sets")
        return self
