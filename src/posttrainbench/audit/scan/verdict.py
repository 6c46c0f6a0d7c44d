"""From documents to a verdict on a corpus.

Legal text shares questions with test sets now and then. A corpus is flagged if it holds more than `TOLERANCE` distinct
test items, and more often than chance explains: more than the `CONFIDENCE` quantile of a Poisson distribution whose
mean is the background rate times the documents searched, where an item counts once for each document that holds it.
The rate is what was measured on legal text. As good as
verbatim copies do not turn up by chance, so for them the tolerance alone counts, however large the corpus: thinning
them out hides nothing. Fewer hits are reported, and the verdict stays clean.
"""

import math

TOLERANCE = 3
CONFIDENCE = 0.999
BACKGROUND = 2 / 52_526
"""Documents of legal text that hold a test item by n-grams or rewording."""

WORDLESS_BACKGROUND = 4 / 7_473
"""Documents of other word problems (the train split of GSM8K) with the same numbers and answer as a test item."""


def poisson_bound(mean: float) -> int:
    """The least number that chance stays at or below with probability `CONFIDENCE`."""
    if mean > 1000:  # where the terms below underflow; a normal distribution is as good there
        return math.ceil(mean + 3.0902 * math.sqrt(mean) + 2)
    term = total = math.exp(-mean)
    count = 0
    while total < CONFIDENCE:
        count += 1
        term *= mean / count
        total += term
    return count


def is_contaminated(
    documents: int,
    flagged: int,
    verbatim: int,
    items: int,
    wordless: int = 0,
    wordless_items: int = 0,
    *,
    tolerance: int = TOLERANCE,
    background: float = BACKGROUND,
    wordless_background: float = WORDLESS_BACKGROUND,
) -> bool:
    """Whether a corpus holds more of a test set than chance and tolerance explain.

    Args:
        documents: searched.
        flagged: how often an item stands in one of them.
        verbatim: how often as good as all of a unit does.
        items: distinct test items held.
        wordless: how often a document shares only numbers and answer with an item.
        wordless_items: distinct items of which that is so.
        tolerance: items that are tolerated; rule sets name their own, and the two rates.
        background: documents of legal text that hold an item, per document,
        wordless_background: and those that share numbers and answer with one.
    """
    chance = max(tolerance, poisson_bound(background * documents))
    by_text = items > tolerance and (flagged > chance or verbatim > tolerance)
    by_numbers = wordless_items > tolerance and wordless > max(
        tolerance, poisson_bound(wordless_background * documents)
    )
    return by_text or by_numbers
