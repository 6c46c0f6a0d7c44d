"""Rich tables for the terminal. Scores are shown in per cent.

Names, reasons and quotations may be written by an agent: all of them go through `plain` into `Text`, which
reads no markup.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from posttrainbench.records import Evidence, Result, RunSpec, Status
from posttrainbench.report.text import plain
from posttrainbench.scoring.board import BaselineRow, BenchmarkScore, Leaderboard, Row

QUOTATIONS = 5

STATUS_STYLE = {
    Status.SCORED: "green",
    Status.BASE_FALLBACK: "yellow",
    Status.INFRASTRUCTURE_ERROR: "magenta",
    Status.NOT_AUDITED: "magenta",
}
RULE_STYLE = {"clean": "green", "flagged": "bold red", "not_checked": "magenta"}


def percent(value: float | None) -> str:
    """A fraction in per cent with one decimal; an en dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f}"


def leaderboard_table(board: Leaderboard) -> Table:
    """The leaderboard: one row per agent, the baselines dim below. `*` marks what holds a reset run."""
    table = Table(title=Text(f"Leaderboard, suite {plain(board.suite)}, per cent"), title_justify="left")
    table.add_column("agent", overflow="fold")
    for name in ("overall", "95 % interval", "raw"):
        table.add_column(name, justify="right", no_wrap=True)
    for benchmark in board.benchmarks:
        table.add_column(Text(plain(benchmark)), justify="right")
    table.add_column("runs", justify="right")
    table.add_column("reset", justify="right")
    for row in board.rows:
        table.add_row(*_row(row, board.benchmarks))
    table.add_section()
    for name, baseline in (("instruct", board.baselines.instruct), ("base", board.baselines.base)):
        table.add_row(*_baseline(name, baseline, board.benchmarks), style="dim")
    notes = [f"{name}: {what}" for name, what in _missing(board)] + [plain(note, 400) for note in board.notes]
    if any(row.reset_cells for row in board.rows):
        notes.insert(0, "* holds runs that were reset to the base model's score; in brackets before that.")
    if notes:
        table.caption = Text("\n".join(notes))
        table.caption_justify = "left"
    return table


def _row(row: Row, benchmarks: list[str]) -> list[Text]:
    overall = Text(percent(row.overall), style="bold" if row.overall is not None else "dim")
    if row.overall_std is not None:
        overall.append(f" ± {100 * row.overall_std:.1f}", style="not bold dim")
    interval = "–" if row.overall_ci is None else " – ".join(percent(end) for end in row.overall_ci)
    return [
        Text(plain(row.agent)),
        overall,
        Text(interval, style="dim"),
        Text(percent(row.overall_raw), style="dim"),
        *(_score(row.benchmarks[benchmark]) for benchmark in benchmarks),
        Text(str(row.runs)),
        Text(str(row.reset_cells), style="yellow" if row.reset_cells else "dim"),
    ]


def _score(score: BenchmarkScore) -> Text:
    if not score.reset_cells:
        return Text(percent(score.score))
    text = Text(f"{percent(score.score)}*", style="yellow")
    if score.raw_score != score.score:
        text.append(f" ({percent(score.raw_score)})", style="dim")
    return text


def _baseline(name: str, baseline: BaselineRow, benchmarks: list[str]) -> list[str]:
    scores = [percent(baseline.benchmarks[benchmark]) for benchmark in benchmarks]
    return [name, percent(baseline.overall), "", "", *scores, "", ""]


def _missing(board: Leaderboard) -> list[tuple[str, str]]:
    return [
        (
            plain(row.agent),
            f"no counted run of {plain(gap.model)} on {plain(gap.benchmark)}: {plain(gap.why, 300)}",
        )
        for row in board.rows
        for gap in row.missing
    ]


def result_table(result: Result, spec: RunSpec, directory: Path | None = None) -> RenderableType:
    """The end of one run: what it scored, the verdict on every rule, and the evidence.

    Args:
        result: the settled result.
        spec: what was run.
        directory: where the run's files are, shown at the end.
    """
    title = f"{plain(spec.agent.name)} · {plain(spec.model)} · {plain(spec.benchmark)} · seed {spec.seed}"
    reset = result.status is Status.BASE_FALLBACK
    scores = Table.grid(padding=(0, 3))
    scores.add_row(*(Text(name, style="dim") for name in ("score", "raw", "base", "instruct", "status")))
    scores.add_row(
        Text(percent(result.score), style="bold"),
        Text(percent(result.raw_score), style="strike dim" if reset and result.raw_score is not None else ""),
        Text(percent(result.base_score), style="dim"),
        Text(percent(result.instruct_score), style="dim"),
        Text(result.status.replace("_", " "), style=STATUS_STYLE[result.status]),
    )
    rules = Table.grid(padding=(0, 2))
    for rule, state in result.verdict.items():
        rules.add_row(Text(state.replace("_", " "), style=RULE_STYLE[state]), Text(plain(rule)))
    parts: list[RenderableType] = [
        Text(title, style="bold"),
        Padding(scores, (1, 0, 1, 2)),
        Padding(rules, (0, 2)),
    ]
    if result.reasons:
        parts += [Text(), *(Padding(Text(plain(reason, 400)), (0, 2)) for reason in result.reasons)]
    if result.evidence:
        parts += [Text(), Padding(_evidence(result.evidence), (0, 2))]
    if directory is not None:
        parts += [Text(), Text(f"  Files: {plain(str(directory), 1000)}", style="dim", overflow="fold")]
    return Group(*parts)


def _evidence(evidence: list[Evidence]) -> Table:
    table = Table(title=Text("Evidence"), title_justify="left", expand=True)
    table.add_column("what the agent left", ratio=1, overflow="fold")
    table.add_column("what it matches", ratio=1, overflow="fold")
    for quotation in evidence[:QUOTATIONS]:
        place = plain(quotation.file) + (f":{quotation.line}" if quotation.line is not None else "")
        table.add_row(
            Text.assemble((f"{place}\n", "dim"), plain(quotation.text)),
            Text.assemble((f"{plain(quotation.item)}\n", "dim"), plain(quotation.item_text)),
        )
    if len(evidence) > QUOTATIONS:
        table.caption = Text(f"and {len(evidence) - QUOTATIONS} more in result.json")
        table.caption_justify = "left"
    return table
