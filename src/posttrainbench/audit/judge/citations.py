"""Check that a judge's quotations occur at the cited lines.

Covers: the file exists in the copy, and the quotation occurs near the cited line, except for white space. For lines of
JSON, as in the trajectory, the decoded strings are searched too.

Does not cover: whether the quotation proves the claim.
"""

import json
from typing import Any

from posttrainbench.audit.judge.records import Citation, Rejected
from posttrainbench.audit.judge.review import Review
from posttrainbench.audit.judge.text import normal, read_lines
from posttrainbench.records import Quote

NEAR = 5
"""Maximum distance in lines between a citation and its quotation."""

SHORTEST = 10
"""Minimum characters of a quotation without white space; shorter ones occur everywhere."""

KEPT = 400
"""Maximum characters of a quotation in the evidence."""

NO_EVIDENCE = {
    "audit/": "a detector's finding is not evidence; quote what it refers to",
    "reference/": "the test items are not evidence; quote how the agent used them",
    "prepare/": "what the agent received is not evidence; quote how it was used",
}
"""Folders of the copy that the agent did not write -> why their content is rejected as evidence."""


def check(review: Review, citations: list[Citation]) -> tuple[list[Quote], list[Rejected]]:
    """Return the valid citations as quotations, with the line where they begin, and the rejected citations."""
    good: list[Quote] = []
    bad: list[Rejected] = []
    for citation in citations:
        result = _locate(review, citation)
        if isinstance(result, int):
            good.append(Quote(file=citation.file, line=result, text=normal(citation.quote)[:KEPT]))
        else:
            bad.append(Rejected(citation=citation, reason=result))
    return good, bad


def _locate(review: Review, citation: Citation) -> int | str:
    """Return the line where the quotation begins, or the reason why it is rejected."""
    quote = normal(citation.quote)
    if citation.file not in review.files:
        return "the file does not exist"
    for folder, why in NO_EVIDENCE.items():
        if citation.file.startswith(folder):
            return why
    if len(quote.replace(" ", "")) < SHORTEST:
        return f"a quotation needs at least {SHORTEST} characters"
    length = citation.quote.count("\n") + 1
    first = max(1, citation.line - NEAR)
    lines = read_lines(review.root / citation.file, first, 2 * NEAR + 2 * length)
    starts = range(first, min(citation.line + NEAR + 1, first + len(lines)))
    for start in sorted(starts, key=lambda line: abs(line - citation.line)):
        if _begins(lines[start - first :][: length + NEAR], quote):
            return start
    return f"the quotation does not occur within {NEAR} lines of line {citation.line}"


def _begins(lines: list[str], quote: str) -> bool:
    """Return whether the quotation begins in the first of these lines."""
    if any(quote in text for text in _readings(lines[0])):
        return True
    at = normal("\n".join(lines)).find(quote)
    return 0 <= at < len(normal(lines[0]))


def _readings(line: str) -> list[str]:
    """Return a line and, if it is JSON, all strings in it, normalized."""
    raw = normal(line)
    try:
        value = json.loads(line.strip().removesuffix(","))
    except (ValueError, RecursionError):
        return [raw]
    return [raw] + [normal(text) for text in _strings(value)]


def _strings(value: Any) -> list[str]:
    pending, strings = [value], []
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            strings.append(part)
        elif isinstance(part, dict):
            pending += part.values()
        elif isinstance(part, list):
            pending += part
    return strings
