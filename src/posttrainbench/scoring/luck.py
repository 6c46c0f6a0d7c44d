"""Compare the scores of trivial answers with those of instruct models."""

from collections.abc import Mapping

from posttrainbench.records import TrivialAnswer

SHARE = 1 / 3
ROUNDING = 1e-9

NOTE = (
    "trivial: the best of six answers that know nothing (empty, the most frequent answer, always the same letter, the "
    "prompt, a refusal, a fixed function call)."
)
_TEXTS = {
    TrivialAnswer.EMPTY: "an empty answer",
    TrivialAnswer.MOST_FREQUENT: "always giving the most frequent answer",
    TrivialAnswer.SAME_LETTER: "always giving the same letter",
    TrivialAnswer.ECHO: "repeating the prompt",
    TrivialAnswer.REFUSAL: "a refusal",
    TrivialAnswer.FIXED_CALL: "a fixed function call",
}


def luck_warning(
    benchmark: str, trivial: Mapping[TrivialAnswer, float], instruct: Mapping[str, float | None]
) -> str | None:
    """Return a warning if a trivial answer earns more than a third of an instruct model's score, else None.

    Args:
        trivial: trivial answer -> its score.
        instruct: base model -> score of its instruct counterpart; None if not known.
    """
    if not trivial:
        return None
    best = max(trivial, key=lambda answer: trivial[answer])
    score = trivial[best]
    near = [
        f"{100 * reference:.1f} ({model})"
        for model, reference in instruct.items()
        if reference is not None and score > SHARE * reference + ROUNDING
    ]
    if not near:
        return None
    return (
        f"On {benchmark}, {_TEXTS[best]} scores {100 * score:.1f} percent, more than a third of the instruct score of "
        f"{', '.join(near)}; a score of this size does not show any ability."
    )
