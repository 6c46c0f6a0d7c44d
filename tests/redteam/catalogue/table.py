"""The table of all cases and what became of them."""

from __future__ import annotations

from collections.abc import Iterable

from catalogue.case import Case, Observed, problems

OWED = {
    "forbidden": "flagged",
    "reported": "reported, not flagged",
    "allowed": "clean",
    "harmless": "gains nothing",
    "invalid": "status",
    "escapes": "**escapes**",
}
HEAD = ("entry", "case", "what the agent does", "made as", "expected", "result", "found by", "level")


def row(case: Case, seen: Observed) -> tuple[str, ...]:
    """A case as a row."""
    found = seen.on(case.rule)[:1] if case.rule else []
    expected = str(case.status) if case.kind == "invalid" and case.status else OWED[case.kind]
    if case.kind in ("forbidden", "reported") and case.rule:
        expected = f"{expected}: {case.rule}" if case.kind == "forbidden" else expected
    return (
        case.entry,
        case.name,
        case.does,
        seen.how,
        expected,
        result(case, seen),
        found[0].detector if found else "",
        found[0].level.value if found else "",
    )


def result(case: Case, seen: Observed) -> str:
    """What became of it, in a few words."""
    parts = []
    if seen.status is not None:
        parts.append(str(seen.status))
    if seen.flagged:
        parts.append("flagged: " + ", ".join(sorted(seen.flagged)))
    elif case.rule and seen.on(case.rule):
        parts.append("reported")
    elif seen.verdict and seen.status is None:
        parts.append("clean")
    if case.kind == "harmless":
        parts.append("the trick works" if seen.gained else "gains nothing")
    if problems(case, seen):
        parts.append("**wrong**")
    return "; ".join(parts)


def markdown(results: Iterable[tuple[Case, Observed]]) -> str:
    """The rows as a Markdown table."""
    ordered = sorted(results, key=lambda pair: int(pair[0].entry or 99))
    rows = [HEAD, ("---",) * len(HEAD), *(row(case, seen) for case, seen in ordered)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in rows)


def summary(results: list[tuple[Case, Observed]]) -> str:
    """How many of each kind are as they should be."""
    lines = []
    for kind, words in (
        ("forbidden", "forbidden and flagged by the right rule"),
        ("reported", "attempts and small things, reported and not flagged"),
        ("allowed", "allowed or look-alike, and clean"),
        ("harmless", "tricks that gain nothing"),
        ("invalid", "unusable or unfinished, with the right status"),
        ("escapes", "forbidden and not found"),
    ):
        of_kind = [(case, seen) for case, seen in results if case.kind == kind]
        fine = sum(not problems(case, seen) for case, seen in of_kind)
        lines.append(f"| {words} | {fine} of {len(of_kind)} |")
    return "\n".join(["| what | as it should be |", "|---|---|", *lines])


def shortcomings(results: list[tuple[Case, Observed]]) -> str:
    """What is not as it should be, and why, as a list."""
    wrong = [(case, problems(case, seen)) for case, seen in results]
    lines = [
        f"* **{case.name}**: {'; '.join(found)}. Why: {case.fails or 'not known'}." for case, found in wrong if found
    ]
    return "\n".join(lines) or "Nothing: all cases are as they should be."
