"""Records of the canary measurement."""

from pydantic import Field

from posttrainbench.records.base import Record


class CanaryScore(Record):
    """The log-likelihoods of one generated item.

    Attributes:
        id: the item's id in its pool.
        drawn: whether the item was in the kit's test file.
        question: model -> log-likelihood of the prompt. Models are `submission`, `base` and, if this machine has it,
            `instruct`.
        answer: model -> log-likelihood of the reference answer after the prompt.
    """

    id: str
    drawn: bool
    question: dict[str, float]
    answer: dict[str, float]


class CanaryScores(Record):
    """`audit/canaries.json`: the measurement on one submission.

    Attributes:
        weights_sha256: the submission's weights.
        unchanged: whether the submission has the base model's weight files; then nothing was measured.
        scores: one for each item of the pool.
    """

    weights_sha256: str
    unchanged: bool = False
    scores: list[CanaryScore] = Field(default_factory=list)
