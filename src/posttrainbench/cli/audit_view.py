"""How audits look on a terminal. All that an agent wrote goes through `plain` into `Text`, which reads no markup."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from posttrainbench.audit.summary import AuditSummary, JudgedFinding
from posttrainbench.records import Evidence, Result
from posttrainbench.report.tables import RULE_STYLE, STATUS_STYLE, percent
from posttrainbench.report.text import plain
from posttrainbench.run import Run

QUOTED = 6
STATE_STYLE = {
    "flags": "red",
    "confirmed": "red",
    "dismissed": "yellow",
    "reported": "yellow",
    "measured": "dim",
    "other_rules": "dim",
}


def show_audit(run: Run, result: Result, audit: AuditSummary) -> None:
    """One run: the verdict on each rule, what was looked at, and every finding with its quotations."""
    console = Console(highlight=False)
    spec = run.spec
    title = f"{spec.agent.name} · {spec.model} · {spec.benchmark} · seed {spec.seed}"
    console.print()
    console.print(Text.assemble((plain(title), "bold"), f"   rules {plain(audit.rule_set)}"))
    grid = Table.grid(padding=(0, 2))
    for rule, state in audit.verdict.rules.items():
        cost = "costs nothing" if rule in audit.verdict.report_only else ""
        grid.add_row(Text(state.replace("_", " "), style=RULE_STYLE[state]), Text(plain(rule)), Text(cost, style="dim"))
    console.print(Padding(grid, (1, 2)))
    for finding in audit.findings:
        _show_finding(console, finding)
    console.print(_coverage(audit))
    for reason in result.reasons:
        console.print(Padding(Text(plain(reason, 400)), (0, 2)))
    score = Text.assemble(
        "\n  score ",
        (percent(result.score), "bold"),
        f"   raw {percent(result.raw_score)}   ",
        (result.status.replace("_", " "), STATUS_STYLE[result.status]),
    )
    console.print(score)


def show_line(run: Run, result: Result, audit: AuditSummary | None) -> None:
    """One run of several, on one line."""
    console = Console(highlight=False)
    states = audit.verdict.rules if audit else {}
    bad = [f"{rule} {state.replace('_', ' ')}" for rule, state in states.items() if state != "clean"]
    said = ", ".join(bad) if audit else plain("; ".join(result.reasons), 300)
    style = "red" if "flagged" in states.values() else "magenta" if bad or not audit else "green"
    console.print(
        Text.assemble(
            (f"{'flagged' if style == 'red' else 'clean' if style == 'green' else 'not checked':<12}", style),
            (plain(os.path.relpath(run.root), 1000), "bold"),
            f"  {plain(said, 400)}",
        )
    )


def show_next(path: Path, audits: Sequence[tuple[AuditSummary, Result]], several: bool) -> None:
    """The command that is most useful after this, on standard error."""
    console = Console(stderr=True, highlight=False)
    flagged = [(audit, one) for audit, _ in audits for one in audit.findings if one.state == "flags"]
    if several:
        counts = [sum("flagged" in audit.verdict.rules.values() for audit, _ in audits), len(audits)]
        console.print(f"{counts[0]} of {counts[1]} audited runs are flagged.", markup=False)
    if flagged:
        audit, one = flagged[0]
        where = shlex.quote(os.path.relpath(audit.path))
        line = f"To overrule a finding: ptb adjudicate {where} {one.id} --dismiss --why TEXT"
    elif several:
        line = f"Next: ptb leaderboard {shlex.quote(str(path))}"
    else:
        line = f"Next: ptb trace {shlex.quote(str(path))}"
    console.print(plain(line, 1000), markup=False, soft_wrap=True)


def _show_finding(console: Console, finding: JudgedFinding) -> None:
    head = Text.assemble(
        (f"{finding.state.replace('_', ' ')}  ", STATE_STYLE[finding.state]),
        (finding.id, "bold"),
        f"  {plain(finding.rule)}  {finding.level.value}",
        "  attempted" if finding.outcome == "attempted" else "",
        f"  {plain(finding.summary, 300)}  ({plain(finding.detector)})",
    )
    console.print(Padding(head, (0, 2)))
    if finding.adjudication:
        console.print(Padding(Text(plain(finding.adjudication, 400), style="yellow"), (0, 4)))
    if finding.state in ("measured", "other_rules"):
        return
    table = Table(box=None, expand=True, pad_edge=False, show_header=False)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    for quotation in finding.evidence[:QUOTED]:
        table.add_row(_found(quotation), _matched(quotation))
    if len(finding.evidence) > QUOTED:
        table.add_row(Text(f"and {len(finding.evidence) - QUOTED} more: --json", style="dim"))
    console.print(Padding(table, (0, 4, 1, 4)))


def _found(quotation: Evidence) -> Text:
    place = plain(quotation.file) + (f":{quotation.line}" if quotation.line is not None else "")
    return Text.assemble((place, "dim"), f"\n{plain(quotation.text)}" if quotation.text else "")


def _matched(quotation: Evidence) -> Text:
    return Text.assemble(
        (plain(quotation.item), "dim"), f"\n{plain(quotation.item_text)}" if quotation.item_text else ""
    )


def _coverage(audit: AuditSummary) -> Padding:
    table = Table(box=None, pad_edge=False)
    for column in ("detector", "rule", "checked", "looked at", "skipped"):
        table.add_column(column, overflow="fold")
    for one in audit.coverage:
        table.add_row(
            Text(plain(one.detector)),
            Text(plain(one.rule)),
            Text("yes" if one.checked else f"no: {plain(one.note, 200)}", style="green" if one.checked else "magenta"),
            f"{one.documents:,}, {one.size / 1e6:,.1f} MB",
            f"{len(one.skipped):,}",
        )
    return Padding(table, (0, 2, 1, 2))
