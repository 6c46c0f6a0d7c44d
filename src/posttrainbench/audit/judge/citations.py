"""Are a judge's quotations where it says they are?

Covers: the file exists in the copy, and the quotation stands in it near the line, white space apart; a line of the
trajectory is also searched as the text that its JSON holds. Does not cover: whether it proves what it is quoted for.
"""

import json
from typing import Any

from posttrainbench.audit.judge.records import Citation, Rejected
from posttrainbench.audit.judge.review import Review
from posttrainbench.audit.judge.text import normal, read_lines
from posttrainbench.records import Evidence

NEAR = 5
"""Lines by which a citation may be off."""

SHORTEST = 10
"""Characters of a quotation, white space apart; a shorter one stands everywhere."""

KEPT = 400
"""Characters of a quotation in the evidence."""

NO_EVIDENCE = {
    "audit/": "a detector's finding is no evidence; quote what it points to",
    "reference/": "the test items are no evidence; quote what the agent made of them",
    "prepare/": "what the agent was given is no evidence; quote what it made of it",
}
"""What is not the agent's doing."""


def check(review: Review, citations: list[Citation]) -> tuple[list[Evidence], list[Rejected]]:
    """The citations that check out, as evidence with the line where the quotation begins, and the others."""
    good: list[Evidence] = []
    bad: list[Rejected] = []
    for citation in citations:
        found = _find(review, citation)
        if isinstance(found, int):
            good.append(Evidence(file=citation.file, line=found, text=normal(citation.quote)[:KEPT]))
        else:
            bad.append(Rejected(citation=citation, reason=found))
    return good, bad


def _find(review: Review, citation: Citation) -> int | str:
    """The line where the quotation begins, or why it is no evidence."""
    quote = normal(citation.quote)
    if citation.file not in review.files:
        return "there is no such file"
    for folder, why in NO_EVIDENCE.items():
        if citation.file.startswith(folder):
            return why
    if len(quote.replace(" ", "")) < SHORTEST:
        return f"a quotation needs {SHORTEST} characters"
    length = citation.quote.count("\n") + 1
    first = max(1, citation.line - NEAR)
    lines = read_lines(review.root / citation.file, first, 2 * NEAR + 2 * length)
    starts = range(first, min(citation.line + NEAR + 1, first + len(lines)))
    for start in sorted(starts, key=lambda line: abs(line - citation.line)):
        if _begins(lines[start - first :][: length + NEAR], quote):
            return start
    return f"the quotation does not stand within {NEAR} lines of line {citation.line}"


def _begins(lines: list[str], quote: str) -> bool:
    """Whether the quotation begins in the first of these lines."""
    if any(quote in text for text in _readings(lines[0])):
        return True
    at = normal("\n".join(lines)).find(quote)
    return 0 <= at < len(normal(lines[0]))


def _readings(line: str) -> list[str]:
    """A line as it stands and, where it is JSON, all that its strings say."""
    found = [normal(line)]
    try:
        value = json.loads(line.strip().removesuffix(","))
    except (ValueError, RecursionError):
        return found
    return found + [normal(text) for text in _strings(value)]


def _strings(value: Any) -> list[str]:
    pending, found = [value], []
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, dict):
            pending += one.values()
        elif isinstance(one, list):
            pending += one
    return found
