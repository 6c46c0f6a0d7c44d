"""Show audits on a terminal. The agent's text goes through `plain` into `Text`, which does not interpret markup."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from posttrainbench.audit.summary import AuditSummary, FindingSummary
from posttrainbench.cli.console import Console
from posttrainbench.records import Coverage, Result, RuleState
from posttrainbench.report.layout import Paragraph
from posttrainbench.report.tables import RULE_STYLE, STATUS_STYLE, quotations
from posttrainbench.report.text import percent, plain
from posttrainbench.run import Run

IN_PROGRESS = "The evaluation is in progress; the run has no score yet."
QUOTED = 6
PATHS = 3
"""Recorded paths of a finding that are shown."""
SKIPPED_PATHS = 4
SKIPPED_REASONS = 6
"""Skipped files that are named for each reason, and reasons that are listed for each detector."""
STATE_STYLE = {
    "flags": "red",
    "suspects": "yellow",
    "confirmed": "red",
    "dismissed": "yellow",
    "reported": "yellow",
    "measured": "dim",
    "other_rules": "dim",
}


def show_audit(run: Run, result: Result | None, audit: AuditSummary) -> None:
    """Print one run: the verdict on each rule, the coverage, and every finding with its quotations.

    Args:
        run: the run.
        result: None if its evaluation is in progress.
        audit: its audit.
    """
    console = Console(highlight=False)
    spec = run.spec
    title = f"{spec.agent.name} · {spec.model} · {spec.benchmark} · seed {spec.seed}"
    console.print()
    console.print(Text.assemble((plain(title), "bold"), f"   rules {plain(audit.rule_set)}"), soft_wrap=True)
    grid = Table.grid(padding=(0, 2))
    for rule, state in audit.verdict.rules.items():
        cost = "costs nothing" if rule in audit.verdict.report_only else ""
        grid.add_row(Text(state.replace("_", " "), style=RULE_STYLE[state]), Text(plain(rule)), Text(cost, style="dim"))
    console.print(Padding(grid, (1, 2)))
    quoted: dict[str, str] = {}  # quotations -> the first finding that has them
    for finding in audit.findings:
        _show_finding(console, finding, quoted)
    console.print(_coverage(audit), soft_wrap=True)
    if result is None:
        console.print(Paragraph(Text(f"{IN_PROGRESS} This is the audit that the run has made.")), soft_wrap=True)
        return
    for reason in result.reasons:
        console.print(Paragraph(Text(plain(reason, 400))), soft_wrap=True)
    score = Text.assemble(
        "\n  score ",
        (percent(result.score), "bold"),
        f"   raw {percent(result.raw_score)}   ",
        (result.status.replace("_", " "), STATUS_STYLE[result.status]),
    )
    console.print(score)


def show_line(run: Run, result: Result | None, audit: AuditSummary | None) -> None:
    """Print one of several runs on one line. `result` is None if its evaluation is in progress."""
    console = Console(highlight=False)
    states = audit.verdict.rules if audit else {}
    bad = [f"{rule} {state.replace('_', ' ')}" for rule, state in states.items() if state != "clean"]
    if result is None:
        bad.append("evaluation in progress")
    details = ", ".join(bad) if audit or result is None else plain("; ".join(result.reasons), 300)
    word, style = _word(states, bool(audit))
    console.print(
        Text.assemble(
            (f"{word:<12}", style),
            (plain(os.path.relpath(run.root), 1000), "bold"),
            f"  {plain(details, 400)}",
        ),
        soft_wrap=True,
    )


def _word(states: dict[str, RuleState], audited: bool) -> tuple[str, str]:
    """Return a run's verdict in a word, and its style."""
    for state, word, style in (("flagged", "flagged", "red"), ("suspected", "suspected", "yellow")):
        if state in states.values():
            return word, style
    return ("clean", "green") if audited and set(states.values()) <= {"clean"} else ("not checked", "magenta")


def show_next(path: Path, audits: Sequence[tuple[AuditSummary, Result | None]], several: bool) -> None:
    """Print the most useful next command on standard error."""
    console = Console(stderr=True, highlight=False)
    finished = [(audit, result) for audit, result in audits if result is not None]
    flagged = [(audit, one) for audit, _ in finished for one in audit.findings if one.state == "flags"]
    if several:
        counts = [sum("flagged" in audit.verdict.rules.values() for audit, _ in audits), len(audits)]
        suspected = sum(bool(result.suspected) for _, result in finished)
        console.print(f"{counts[0]} of {counts[1]} audited runs are flagged, {suspected} suspected.", markup=False)
    if flagged:
        audit, one = flagged[0]
        where = shlex.quote(os.path.relpath(audit.path))
        number = sum(other is audit for other, _ in flagged)
        each = f" ({number} flag this run; decide on each)" if number > 1 else ""
        line = f"To dismiss a finding{each}: ptb adjudicate {where} {one.id} --dismiss --why TEXT"
    elif any(result.suspected for _, result in finished):
        line = f"To decide on suspicions: ptb review {shlex.quote(str(path))}"
    elif len(finished) < len(audits):
        line = f"Next: ptb status {shlex.quote(str(path))} --watch"
    elif several:
        line = f"Next: ptb leaderboard {shlex.quote(str(path))}"
    else:
        line = f"Next: ptb trace {shlex.quote(str(path))}"
    console.print(plain(line, 1000), markup=False, soft_wrap=True)


def show_findings(run: Run, result: Result, rule: str, findings: Sequence[FindingSummary], place: str) -> None:
    """Print the findings for which a run is suspected."""
    console = Console(highlight=False)
    spec = run.spec
    title = f"{spec.agent.name} · {spec.model} · {spec.benchmark} · seed {spec.seed}"
    console.print()
    console.print(Text.assemble((plain(title), "bold"), f"   {place}"), soft_wrap=True)
    console.print(Text(f"{plain(rule)} is suspected; score {percent(result.score)}", "yellow"), soft_wrap=True)
    console.print(Text(f"{plain(str(run.root), 1000)}\n", "dim"), soft_wrap=True)
    quoted: dict[str, str] = {}
    for finding in findings:
        _show_finding(console, finding, quoted)


def _show_finding(console: Console, finding: FindingSummary, quoted: dict[str, str]) -> None:
    """Print a finding. Quotations that an earlier one in `quoted` has are not printed again."""
    head = Text.assemble(
        (f"{finding.state.replace('_', ' ')}  ", STATE_STYLE[finding.state]),
        (finding.id, "bold"),
        f"  {plain(finding.rule)}  {finding.level.value}  {finding.kind}",
        "  attempted" if finding.outcome == "attempted" else "",
        f"  {plain(finding.summary, 300)}  ({plain(finding.detector)})",
    )
    console.print(Paragraph(head), soft_wrap=True)
    if finding.adjudication:
        console.print(Paragraph(Text(plain(finding.adjudication, 400), style="yellow"), indent=4), soft_wrap=True)
    if finding.state in ("measured", "other_rules"):
        return
    for path in finding.paths[:PATHS]:
        console.print(Paragraph(Text(f"Path: {plain(path.in_words(), 1000)}"), indent=4), soft_wrap=True)
    if len(finding.paths) > PATHS:
        console.print(Text(f"    and {len(finding.paths) - PATHS} more in the output of --json", style="dim"))
    key = "".join(quote.model_dump_json() for quote in finding.evidence)
    if key and quoted.setdefault(key, finding.id) != finding.id:
        console.print(Text(f"    The same quotations as for {quoted[key]}.\n", "dim"))
        return
    console.print(Group(*quotations(finding.evidence, QUOTED, "the output of --json"), Text()), soft_wrap=True)


def _coverage(audit: AuditSummary) -> Group:
    """Return a table of the detectors, and below it what was not checked or skipped, with the reasons."""
    table = Table(box=None, pad_edge=False)
    for column in ("detector", "rule", "checked", "documents read", "skipped"):
        table.add_column(column, overflow="fold")
    for entry in audit.coverage:
        table.add_row(
            Text(plain(entry.detector)),
            Text(plain(entry.rule)),
            Text("yes", style="green") if entry.checked else Text("no", style="magenta"),
            f"{entry.documents:,}, {entry.size / 1e6:,.1f} MB",
            f"{len(entry.skipped):,}",
        )
    reasons = []
    for entry in audit.coverage:
        if not entry.checked:
            reason = f"{plain(entry.detector)} did not check {plain(entry.rule)}: {plain(entry.note, 200)}"
            reasons.append(Paragraph(Text(reason, style="magenta")))
        reasons += [Paragraph(Text(line, style="yellow")) for line in _skipped(entry)]
    return Group(Padding(table, (0, 2)), *reasons, Text())


def _skipped(entry: Coverage) -> list[str]:
    """Return the files that a detector skipped, in a line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for skip in entry.skipped:
        by_reason.setdefault(skip.reason, []).append(skip.path)
    lines = []
    for reason, paths in list(by_reason.items())[:SKIPPED_REASONS]:
        named = ", ".join(plain(path, 300) for path in paths[:SKIPPED_PATHS])
        more = f" and {len(paths) - SKIPPED_PATHS:,} more" if len(paths) > SKIPPED_PATHS else ""
        lines.append(f"{plain(entry.detector)} skipped {named}{more}: {plain(reason, 200)}")
    if len(by_reason) > SKIPPED_REASONS:
        rest = sum(map(len, list(by_reason.values())[SKIPPED_REASONS:]))
        lines.append(f"{plain(entry.detector)} skipped {rest:,} more for other reasons; --json lists all.")
    return lines
