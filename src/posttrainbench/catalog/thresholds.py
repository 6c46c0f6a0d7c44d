"""Thresholds by which a rule set decides a submission's lineage. docs/lineage.md says how they were set."""

from typing import Self

from pydantic import PositiveFloat, PositiveInt, model_validator

from posttrainbench.records import Record

MEASURING = ("tensor_elements", "tensor_differing", "cosine")
"""Thresholds that are applied while weights are compared, before there are statistics."""


class Thresholds(Record):
    """Thresholds of the lineage verdicts.

    Attributes:
        tensor_elements: proof by an identical tensor: minimum number of its elements.
        tensor_differing: minimum number of its elements that differ between base model and forbidden checkpoint.
        share_ratio: proof by equal weights: minimum ratio of the share equal to the forbidden checkpoint's weights to
            the share equal to the base model's.
        share_margin: minimum difference of these shares.
        share_differing: minimum number of weights that differ between base model and forbidden checkpoint, also for a
            patchwork.
        patch_share: proof by patchwork: minimum share of weights equal to the forbidden checkpoint's.
        patch_rest: maximum share of weights equal to neither.
        slope: proof of a merge: minimum slope of the submission's weight change on the forbidden one.
        slope_spread: maximum relative spread of that slope.
        slope_cells: minimum number of cells (bands of matrices) behind a slope.
        full_slope: proof of descent: range of the slope, in the whole model or in one layer.
        full_spread: maximum relative spread of that slope.
        suspect_slope: minimum slope, minus four standard errors, of a suspect, whatever the spread.
        suspect_matrix: minimum slope of a single matrix, minus four standard errors, of a suspect.
        suspect_rho: minimum correlation of a suspect.
        adapter_rank: proof of a merged adapter: maximum rank of the distance to the forbidden checkpoint, as a share of
            the maximum rank. The ranks of the distances from submission and forbidden checkpoint to the base model must
            be higher.
        adapter_spread: maximum relative spread of a suspect's slope if the forbidden checkpoint is an adapter, that is,
            if the rank of its distance to the base model is at most `adapter_rank`.
        cosine: minimum cosine at which a matrix matches the base model's.
        strange_share: minimum share of unmatched weights of a submission that is not derived from the base model.
        suspect_share: minimum share of unmatched weights of a suspect.
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
    adapter_spread: PositiveFloat = 0.6
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
