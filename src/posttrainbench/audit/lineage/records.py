"""Results of a comparison, as printed and stored."""

from enum import StrEnum

from pydantic import ConfigDict

from posttrainbench.records import Record


class LineageVerdict(StrEnum):
    """Verdicts on a candidate's descent, the most severe first."""

    PROOF = "proof"
    NOT_BASE_DERIVED = "not_base_derived"
    SUSPECT = "suspect"
    CLEAN = "clean"
    BASE_UNCHANGED = "base_unchanged"


def _json_key(field: str) -> str:
    return field.replace("forbidden", "against").replace("unmatched", "strange")


class LineageRecord(Record):
    """Base of the stored records. In JSON, `forbidden` is spelled `against` and `unmatched` is spelled `strange`."""

    model_config = ConfigDict(alias_generator=_json_key, validate_by_name=True, serialize_by_alias=True)


class TensorFacts(LineageRecord):
    """One tensor of the candidate, compared with the base model's and the forbidden checkpoint's.

    Attributes:
        elements: number of weights compared.
        equal_base: share of weights equal to the base model's, as bfloat16.
        equal_forbidden: share of weights equal to the forbidden checkpoint's, as bfloat16.
        identical: "base", "against", "both" or "": whose tensor is bit-identical after rounding to the coarser type.
        norm: Euclidean norm of the tensor.
        cosine_base: cosine with the base model's tensor, without rearranging.
        rho: correlation of (candidate - base) with (forbidden - base), both orthogonal to the base.
        alpha: slope of the same regression.
        slope: slope in the weak singular directions of (forbidden - base); only for matrices. See `slopes`.
        arrangement: how rows or columns were rearranged to match the base model's, "" if they were not, "none" if
            nothing matches.
    """

    name: str
    elements: int
    equal_base: float
    equal_forbidden: float
    identical: str
    norm: float | None = None
    cosine_base: float | None = None
    rho: float | None = None
    alpha: float | None = None
    slope: float | None = None
    arrangement: str = ""


class LayerFacts(LineageRecord):
    """Slope and spread in one layer; `layer` is -1 for all tensors outside the layers."""

    layer: int
    cells: int
    slope: float
    spread: float


class Statistics(LineageRecord):
    """The whole candidate, compared with one forbidden checkpoint.

    Attributes:
        elements: number of weights of the candidate.
        compared: how many of them the base model and the forbidden checkpoint have too.
        differing: how many of the compared weights differ between base model and forbidden checkpoint, as bfloat16.
        share_base: share of the differing weights that equal the base model's.
        share_forbidden: share of the differing weights that equal the forbidden checkpoint's.
        identical: number of tensors bit-identical to the forbidden checkpoint's and not to the base model's.
        norm_base: norm of (candidate - base), relative to the norm of the base.
        norm_forbidden: norm of (candidate - forbidden), relative to the norm of the base.
        cosine_base: cosine with the base model, without rearranging.
        rho, alpha: as in `TensorFacts`, over all tensors.
        slope: median slope over all cells (the weak bands of each matrix).
        slope_spread: relative spread of the slope: 1.48 times the median absolute deviation, divided by the median.
        slope_cells: number of cells.
        slope_error: standard error of the slope, estimated from its spread.
        steepest: largest slope of a single matrix that has it in all bands, minus four standard errors.
        rank_base: median rank of (candidate - base), as a share of the maximum rank; low for merged adapters.
        rank_forbidden: median rank of (candidate - forbidden), likewise.
        rank_pair: median rank of (forbidden - base), likewise.
        unmatched: share of the weights in matrices that match the base model's under no arrangement, or that have
            another shape.
        rearranged: number of matrices whose rows or columns are permuted or rescaled.
        sampled: True if shares and correlations come from the rows in a reference pack, not from all weights.
    """

    elements: int
    compared: int
    differing: int
    share_base: float
    share_forbidden: float
    identical: int
    norm_base: float
    norm_forbidden: float
    cosine_base: float
    rho: float
    alpha: float
    slope: float
    slope_spread: float
    slope_cells: int
    slope_error: float
    steepest: float
    rank_base: float
    rank_forbidden: float
    rank_pair: float
    unmatched: float
    rearranged: int
    layers: list[LayerFacts]
    sampled: bool


class Lineage(LineageRecord):
    """Verdict on a candidate against one forbidden checkpoint; `reasons` lists sentences, the strongest first."""

    verdict: LineageVerdict
    forbidden: str
    reasons: list[str]
    statistics: Statistics
    tensors: list[TensorFacts]
    skipped: dict[str, str]
    seconds: float
