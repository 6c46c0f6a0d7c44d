"""The table of all cases and their results."""

from __future__ import annotations

from collections.abc import Iterable

from catalogue.case import DOUBTFUL, SUSPECTED, Case, Observed, problems

EXPECTED = {
    "forbidden": "flagged",
    "reported": "reported, not flagged",
    "allowed": "clean",
    "harmless": "gains nothing",
    "invalid": "status",
    "escapes": "**escapes**",
}
HEAD = ("entry", "case", "what the agent does", "made as", "expected", "result", "found by", "level")


def row(case: Case, observed: Observed) -> tuple[str, ...]:
    """Return the table row of a case."""
    findings = observed.on(case.rule)[:1] if case.rule else []
    expected = str(case.status) if case.kind == "invalid" and case.status else EXPECTED[case.kind]
    if case.kind in ("forbidden", "reported") and case.rule:
        state = "suspected" if case.name in SUSPECTED else expected
        expected = f"{state}: {case.rule}" if case.kind == "forbidden" else expected
    if case.name in DOUBTFUL:
        expected = f"suspected, although allowed: {case.rule}"
    return (
        case.entry,
        case.name,
        case.does,
        observed.how,
        expected,
        result(case, observed),
        findings[0].detector if findings else "",
        findings[0].level.value if findings else "",
    )


def result(case: Case, observed: Observed) -> str:
    """Summarize the result of a case."""
    parts = []
    if observed.status is not None:
        parts.append(str(observed.status))
    if observed.flagged:
        parts.append("flagged: " + ", ".join(sorted(observed.flagged)))
    elif observed.suspected:
        parts.append("suspected: " + ", ".join(sorted(observed.suspected)))
    elif case.rule and observed.on(case.rule):
        parts.append("reported")
    elif observed.verdict and observed.status is None:
        parts.append("clean")
    if case.kind == "harmless":
        parts.append("the trick works" if observed.gained else "gains nothing")
    if problems(case, observed):
        parts.append("**unexpected**")
    return "; ".join(parts)


def markdown(results: Iterable[tuple[Case, Observed]]) -> str:
    """Return the rows as a Markdown table."""
    ordered = sorted(results, key=lambda pair: int(pair[0].entry or 99))
    rows = [HEAD, ("---",) * len(HEAD), *(row(case, observed) for case, observed in ordered)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in rows)


def summary(results: list[tuple[Case, Observed]]) -> str:
    """Count the cases of each kind that have the expected result."""
    lines = []
    for kind, description in (
        ("forbidden", "forbidden, flagged or suspected by the right rule"),
        ("reported", "attempts and minor cases, reported but not flagged"),
        ("allowed", f"allowed or look-alike, clean ({len(DOUBTFUL)} of them suspected)"),
        ("harmless", "tricks that gain nothing"),
        ("invalid", "unusable or unfinished, with the right status"),
        ("escapes", "forbidden, not detected"),
    ):
        of_kind = [(case, observed) for case, observed in results if case.kind == kind]
        passed = sum(not problems(case, observed) for case, observed in of_kind)
        lines.append(f"| {description} | {passed} of {len(of_kind)} |")
    return "\n".join(["| cases | as expected |", "|---|---|", *lines])


def shortcomings(results: list[tuple[Case, Observed]]) -> str:
    """List the cases without the expected result, and the reasons."""
    wrong = [(case, problems(case, observed)) for case, observed in results]
    lines = [
        f"* **{case.name}**: {'; '.join(deviations)}. Reason: {case.fails or 'not known'}."
        for case, deviations in wrong
        if deviations
    ]
    return "\n".join(lines) or "None: all cases have the expected result."
