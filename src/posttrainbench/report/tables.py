"""Rich tables for the terminal, to be printed with `soft_wrap=True`. Scores are displayed in percent.

Names, reasons and quotations may be written by an agent: all of them go through `plain` into `Text`, which does not
interpret markup. Paths are never broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from posttrainbench.records import Quote, Result, RunSpec, Status
from posttrainbench.report.layout import Paragraph, columns
from posttrainbench.report.number_table import NAME_WIDTH, NumberTable
from posttrainbench.report.off_target_table import change, off_target_parts
from posttrainbench.report.text import percent, plain
from posttrainbench.scoring import BenchmarkScore, BoardCell, Leaderboard, Row
from posttrainbench.scoring.aggregate import Interval
from posttrainbench.scoring.comparison import Comparison, format_interval, format_p
from posttrainbench.scoring.item_comparison import ItemComparison
from posttrainbench.scoring.leaderboard import uncounted_note
from posttrainbench.scoring.remarks import remarks, restart_remark

QUOTATIONS = 5
REMARKS = 5

STATUS_STYLE = {
    Status.SCORED: "green",
    Status.BASE_FALLBACK: "yellow",
    Status.INFRASTRUCTURE_ERROR: "magenta",
    Status.NOT_AUDITED: "magenta",
}
RULE_STYLE = {"clean": "green", "suspected": "yellow", "flagged": "bold red", "not_checked": "magenta"}
DIFFERENCES = 40
"""Items that a comparison of two runs lists."""


def percents(interval: Interval | None) -> str:
    """Format an interval of fractions in percent; None as an en dash."""
    return "–" if interval is None else " – ".join(percent(end) for end in interval)


def ranks(interval: tuple[int, int] | None) -> str:
    """Format an interval of ranks; a single rank if both ends are equal, None as an en dash."""
    return "–" if interval is None else "–".join(str(end) for end in dict.fromkeys(interval))


def leaderboard_table(board: Leaderboard) -> RenderableType:
    """Return the leaderboard: ranking, intervals by source of uncertainty, and benchmarks; baselines dim below.

    `*` marks scores that include a reset run, `?` those that include a suspected one. Signs are explained only if
    they occur.
    """
    ranking = NumberTable(["agent", "overall", "95% interval", "rank", "raw", "seeds", "reset"])
    ranking.title = Text(f"Leaderboard, suite {plain(board.suite)}, scores in percent")
    for row in board.rows:
        ranking.add_row(*_ranked(row))
    for name, baseline in board.baselines.named:
        ranking.add_row(name, percent(baseline.overall), style="dim")
    notes = (_note(plain(note, 400)) for note in board_notes(board))
    return Group(ranking, *_intervals(board), _Benchmarks(board), *off_target_parts(board), *notes)


def board_notes(board: Leaderboard) -> list[str]:
    """Return explanations of the signs in a leaderboard, and facts that its readers must know, as sentences."""
    notes = [*_explanations(board)]
    notes += [f"{row.agent}: {note}." for row in board.rows if (note := uncounted_note(row))]
    return [*notes, *_missing(board), *board.notes, *_remarks(board)]


def _explanations(board: Leaderboard) -> list[str]:
    """Return an explanation of each sign that the tables contain."""
    notes = []
    scores = [score for row in board.rows for score in row.benchmarks.values()]
    if any(score.reset_cells for score in scores):
        note = "* includes runs reset to the base score"
        shown = any(before_reset(score) is not None for score in scores)
        notes.append(f"{note}; the score before the reset is in parentheses." if shown else f"{note}.")
    if any(row.suspected_cells for row in board.rows):
        notes.append(
            "? includes suspected runs, which count until a person decides (`ptb review`). Without them "
            "(counted with the base score), the overall scores are: "
            + ", ".join(f"{row.agent} {percent(row.overall_confirmed)}" for row in board.rows if row.suspected_cells)
            + "."
        )
    if any(_evaluated(row) not in (0, len(_counted(row))) for row in board.rows):
        notes.append("raw: runs whose submission could not be evaluated count with the base score.")
    if any(None in (row.ci_items, row.ci_runs, row.ci_cells) for row in board.rows if _intervals(board)):
        notes.append("An interval is missing (–) if there are too few items, runs or base models.")
    return notes


def _remarks(board: Leaderboard) -> list[str]:
    """Return facts about single runs, such as an early stop by a person; those of several runs once."""
    runs: dict[str, list[tuple[str, str]]] = {}
    for row in board.rows:
        for cell in row.cells:
            for note in cell.notes:
                place = f"{row.agent} on {cell.model}, {cell.benchmark}, seed {cell.seed}"
                runs.setdefault(note, []).append((row.agent, place))
    sentences = []
    for note, own in runs.items():
        agents = ", ".join(dict.fromkeys(agent for agent, _ in own))
        sentences.append(f"{own[0][1] if len(own) == 1 else f'{len(own)} runs ({agents})'}: {note}")
    more = len(sentences) - REMARKS
    return sentences if more <= 0 else [*sentences[:REMARKS], f"{more} more facts about runs are in --json."]


def _counted(row: Row) -> list[BoardCell]:
    return [cell for cell in row.cells if cell.score is not None]


def raw_overall(row: Row) -> float | None:
    """Return the overall score before resets; None if no submission could be evaluated."""
    return row.overall_raw if _evaluated(row) else None


def _evaluated(row: Row) -> int:
    """Return the number of counted runs whose submission was evaluated."""
    return sum(cell.raw_score is not None for cell in _counted(row))


def before_reset(score: BenchmarkScore) -> float | None:
    """Return the score before resets if it is displayed differently, or None."""
    return score.raw_score if score.reset_cells and percent(score.raw_score) != percent(score.score) else None


@dataclass(frozen=True)
class _Benchmarks:
    """Scores by benchmark, split into as many tables as the width of the terminal requires."""

    board: Leaderboard

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        named = self.board.baselines.named
        agents = [Text(plain(row.agent)) for row in self.board.rows] + [Text(name) for name, _ in named]
        columns = []
        for name in self.board.benchmarks:
            scores = [_score(row.benchmarks[name]) for row in self.board.rows]
            columns.append((name, scores + [Text(percent(line.benchmarks[name])) for _, line in named]))
        while columns:
            room = options.max_width - NAME_WIDTH - 3
            fitting = 0
            for name, texts in columns:
                room -= 2 + max(len(plain(name)), *(text.cell_len for text in texts))
                if room < 0 and fitting:
                    break
                fitting += 1
            current, columns = columns[:fitting], columns[fitting:]
            table = NumberTable(["agent", *(plain(name) for name, _ in current)])
            for number, agent in enumerate(agents):
                baseline = number >= len(self.board.rows)
                table.add_row(agent, *(texts[number] for _, texts in current), style="dim" if baseline else None)
            yield table


def _note(text: str) -> Paragraph:
    return Paragraph(Text(text, style="dim"))


def _ranked(row: Row) -> list[Text]:
    mark = "?" if row.suspected_cells and row.overall is not None else ""
    overall = Text(percent(row.overall) + mark, style="bold" if row.overall is not None else "dim")
    if row.overall_std is not None:
        overall.append(f" ± {100 * row.overall_std:.1f}", style="not bold dim")
    return [
        Text(plain(row.agent)),
        overall,
        Text(percents(row.overall_ci), style="dim"),
        Text(ranks(row.rank_ci), style="dim"),
        Text(percent(raw_overall(row)), style="dim"),
        Text(str(row.runs)),
        Text(str(row.reset_cells), style="yellow" if row.reset_cells else "dim"),
    ]


def _intervals(board: Leaderboard) -> list[NumberTable]:
    """Return a table of the intervals by source of uncertainty, if there are any besides those over items."""
    if not any(row.ci_runs or row.ci_cells for row in board.rows):
        return []
    table = NumberTable(["95% interval over", "items", "runs", "base models"])
    for row in board.rows:
        if row.overall is not None:
            intervals = (row.ci_items, row.ci_runs, row.ci_cells)
            table.add_row(Text(plain(row.agent)), *(Text(percents(interval)) for interval in intervals))
    return [table]


def _score(score: BenchmarkScore) -> Text:
    mark = "?" if score.suspected_cells and score.score is not None else ""
    if not score.reset_cells:
        return Text(f"{percent(score.score)}{mark}", style="yellow" if mark else "")
    text = Text(f"{percent(score.score)}*{mark}", style="yellow")
    if (raw := before_reset(score)) is not None:
        text.append(f" ({percent(raw)})", style="dim")
    return text


def _missing(board: Leaderboard) -> list[str]:
    """Return one sentence for each agent that lacks a cell."""
    sentences = []
    for row in board.rows:
        gaps = ", ".join(f"{gap.model} on {gap.benchmark} ({gap.why})" for gap in row.missing)
        if gaps:
            sentences.append(f"{row.agent} has no overall score because it has no counted run of {gaps}.")
    return sentences


def comparison_table(result: Comparison) -> RenderableType:
    """Return a comparison of two agents: the sentence, the intervals by source of uncertainty, and the benchmarks."""
    sources = NumberTable(["source of uncertainty", "95% interval of A - B", "p"])
    for name, interval, p_value in (
        ("runs of both agents", result.ci, result.p_value),
        ("base models and benchmarks", result.ci_cells, result.p_cells),
        ("test items", result.ci_items, None),
    ):
        sources.add_row(
            name,
            format_interval(interval) if interval else "–",
            "–" if p_value is None else format_p(p_value),
        )
    benchmarks = NumberTable(["benchmark", "weight", "A", "B", "A - B", "models", "seeds"])
    for row in _compared_benchmarks(result):
        benchmarks.add_row(*row)
    scores = percent(result.score_a), percent(result.score_b), f"{100 * result.difference:+.1f}"
    benchmarks.add_row("overall", "", *scores, "", "", style="bold")
    notes = [f"A: {result.agent_a}", f"B: {result.agent_b}"]
    notes += [f"Left out: {gap.model} on {gap.benchmark} ({gap.agent}: {gap.why})" for gap in result.left_out]
    return Group(
        Paragraph(Text(plain(result.sentence, 1500)), indent=0),
        sources,
        benchmarks,
        *(_note(plain(note, 400)) for note in notes),
    )


def item_comparison_table(result: ItemComparison) -> RenderableType:
    """Return a comparison of two runs: the sentence, and the items on which they differ."""
    items = NumberTable([f"item of {plain(result.benchmark)}", "A", "B"])
    for one in result.differences[:DIFFERENCES]:
        items.add_row(plain(one.item, 120), percent(one.score_a), percent(one.score_b))
    items.add_row("all common items", percent(result.score_a), percent(result.score_b), style="bold")
    notes = [f"A: {result.run_a}", f"B: {result.run_b}", *result.notes]
    if len(result.differences) > DIFFERENCES:
        notes.insert(2, f"{len(result.differences) - DIFFERENCES:,} more items differ; --json lists all.")
    return Group(Paragraph(Text(result.sentence), indent=0), items, *(_note(plain(note, 400)) for note in notes))


def _compared_benchmarks(result: Comparison) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for benchmark, weight in result.weights.items():
        pairs = [pair for pair in result.pairs if pair.benchmark == benchmark]
        a = sum(pair.weight * pair.score_a for pair in pairs) / weight
        b = sum(pair.weight * pair.score_b for pair in pairs) / weight
        seeds = f"{sum(pair.seeds_a for pair in pairs)}, {sum(pair.seeds_b for pair in pairs)}"
        scores = percent(a), percent(b), f"{100 * (a - b):+.1f}"
        rows.append((plain(benchmark), f"{weight:.3f}", *scores, str(len(pairs)), seeds))
    return rows


def result_table(result: Result, spec: RunSpec, directory: Path | None = None) -> RenderableType:
    """Return the result of one run: its scores, the verdict on every rule, and the evidence.

    Args:
        result: the settled result.
        spec: the specification of the run.
        directory: the run directory, displayed at the end.
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
        Text(
            result.status.replace("_", " ") + (", suspected" if result.suspected else ""),
            style="yellow" if result.suspected else STATUS_STYLE[result.status],
        ),
    )
    rules = Table.grid(padding=(0, 2))
    for rule, state in result.verdict.items():
        rules.add_row(Text(state.replace("_", " "), style=RULE_STYLE[state]), Text(plain(rule)))
    parts: list[RenderableType] = [
        Text(title, style="bold"),
        Padding(scores, (1, 0, 1, 2)),
        Padding(rules, (0, 2)),
    ]
    if result.off_target:
        parts += [Text(), *_off_target(result)]
    if notes := list(filter(None, [restart_remark(result), *remarks(result)])):
        parts += [Text(), *(Paragraph(Text(plain(note, 400))) for note in notes)]
    if result.reasons:
        parts += [Text(), *(Paragraph(Text(plain(reason, 400))) for reason in result.reasons)]
    if result.evidence:
        parts += [Text(), Text("  Evidence", style="bold"), *quotations(result.evidence, QUOTATIONS, "result.json")]
    if directory is not None:
        parts += [Text(), Text(f"  Files: {plain(str(directory), 1000)}", "dim", no_wrap=True, overflow="ignore")]
    return Group(*parts)


def _off_target(result: Result) -> list[Text]:
    """Return a table of what a submission gained and forgot on benchmarks that it was not trained for."""
    rows = [[Text(name, "dim") for name in ("  off target", "score", "base", "difference", "instruct", "")]]
    for one in result.off_target:
        difference = change(None if one.score is None else one.score - one.base_score)
        cells = [f"  {plain(one.benchmark)}", percent(one.score), percent(one.base_score), difference]
        rows.append([Text(cell) for cell in [*cells, percent(one.instruct_score), plain(one.text)]])
    return columns(rows, right=(1, 2, 3, 4))


def quotations(evidence: Sequence[Quote], limit: int, more: str) -> list[RenderableType]:
    """Return quotations: the two places on one line, and below it the two texts side by side.

    Args:
        evidence: the quotations.
        limit: maximum number of them.
        more: where the others are.
    """
    parts: list[RenderableType] = []
    for quotation in evidence[:limit]:
        location = plain(quotation.file) + (f":{quotation.line}" if quotation.line is not None else "")
        places = " matches ".join(filter(None, (location, plain(quotation.item))))
        parts.append(Text(f"  {places}", style="dim", no_wrap=True, overflow="ignore"))
        if texts := [plain(text) for text in (quotation.text, quotation.item_text) if text]:
            grid = Table.grid(*(Column(ratio=1, overflow="fold") for _ in texts), expand=True, padding=(0, 2))
            grid.add_row(*map(Text, texts))
            parts.append(Padding(grid, (0, 0, 0, 4)))
    if len(evidence) > limit:
        parts.append(Text(f"  and {len(evidence) - limit} more in {more}", style="dim"))
    return parts
