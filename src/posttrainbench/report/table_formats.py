"""The leaderboard as CSV, Markdown and LaTeX, for spreadsheets and papers.

Names may be written by an agent or a user: they go through `plain`, and what a format would interpret is escaped.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from itertools import chain

from posttrainbench.report.tables import before_reset, board_notes, percents, ranks, raw_overall
from posttrainbench.report.text import percent, plain
from posttrainbench.scoring import BenchmarkScore, Leaderboard
from posttrainbench.scoring.off_target import OffTargetScore

CSV_COLUMNS = (
    "kind",
    "agent",
    "rank",
    "rank_low",
    "rank_high",
    "overall",
    "ci_low",
    "ci_high",
    "overall_raw",
    "overall_confirmed",
    "overall_std",
    "seeds_counted",
    "seeds",
    "reset_runs",
    "suspected_runs",
)
OFF_TARGET_COLUMNS = ("", "_base", "_instruct", "_runs")
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
} | {character: f"\\{character}" for character in "&%$#_"}


def as_csv(board: Leaderboard) -> str:
    """Return the leaderboard as CSV: scores are fractions in full precision, and a missing one is an empty cell.

    A row is an `agent` or a `baseline`. Each benchmark has two columns, the second with the score before resets. Each
    benchmark of off-target evaluations has four more at the end: score, the base and instruct models' scores for the
    same runs, and number of runs.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = chain.from_iterable((f"{name}", f"{name}_raw") for name in board.benchmarks)
    others = sorted({score.benchmark for score in board.off_target})
    off_target = {(score.agent, score.benchmark): score for score in board.off_target}
    more = chain.from_iterable((f"off_target_{name}{part}" for part in OFF_TARGET_COLUMNS) for name in others)
    writer.writerow([*CSV_COLUMNS, *map(csv_text, names), *map(csv_text, more)])
    for row in board.rows:
        values = [
            *(row.rank, *(row.rank_ci or (None, None)), row.overall, *(row.overall_ci or (None, None))),
            *(row.overall_raw, row.overall_confirmed, row.overall_std, row.runs, row.seeds),
            *(row.reset_cells, row.suspected_cells),
        ]
        scores = chain.from_iterable(
            (row.benchmarks[name].score, row.benchmarks[name].raw_score) for name in board.benchmarks
        )
        last = chain.from_iterable(_off_target(off_target.get((row.agent, name))) for name in others)
        writer.writerow(["agent", csv_text(row.agent), *values, *scores, *last])
    for name, baseline in board.baselines.named:
        values = [None, None, None, baseline.overall, *[None] * (len(CSV_COLUMNS) - 6)]
        both = chain.from_iterable((baseline.benchmarks[benchmark],) * 2 for benchmark in board.benchmarks)
        writer.writerow(["baseline", name, *values, *both, *[None] * (len(OFF_TARGET_COLUMNS) * len(others))])
    return file.getvalue()


def as_markdown(board: Leaderboard) -> str:
    """Return the leaderboard as a Markdown table with scores in percent, followed by its notes as a list."""
    header, *rows = _table(board, _markdown)
    rule = ["---", *["---:"] * (len(header) - 1)]
    lines = [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]
    notes = [f"* {_markdown(note, 1000)}" for note in board_notes(board)]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def as_latex(board: Leaderboard) -> str:
    """Return the leaderboard as a LaTeX table for the package `booktabs`, with its notes as comments."""
    header, *rows = _table(board, _latex)
    split = len(rows) - len(board.baselines.named)
    lines = [
        r"% needs \usepackage{booktabs}",
        *(f"% {plain(note, 1000)}" for note in board_notes(board)),
        rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"\toprule",
        _latex_row(header),
        r"\midrule",
        *map(_latex_row, rows[:split]),
        r"\midrule",
        *map(_latex_row, rows[split:]),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


FORMATS: dict[str, Callable[[Leaderboard], str]] = {"csv": as_csv, "markdown": as_markdown, "latex": as_latex}


def _off_target(score: OffTargetScore | None) -> tuple[float | None, ...]:
    """Return the values of `OFF_TARGET_COLUMNS`."""
    return (score.score, score.base, score.instruct, score.runs) if score else (None,) * len(OFF_TARGET_COLUMNS)


def _table(board: Leaderboard, text: Callable[[str], str]) -> list[list[str]]:
    """Return a header and rows in percent: agents, then baselines.

    Args:
        text: escapes a cell.
    """
    header = ["agent", "overall", "95% interval", "rank", "raw", "seeds", "reset", *board.benchmarks]
    rows = [
        [
            row.agent,
            percent(row.overall) + ("?" if row.suspected_cells and row.overall is not None else ""),
            percents(row.overall_ci),
            ranks(row.rank_ci),
            percent(raw_overall(row)),
            str(row.runs) if row.runs == row.seeds else f"{row.runs} of {row.seeds}",
            str(row.reset_cells),
            *(_score(row.benchmarks[name]) for name in board.benchmarks),
        ]
        for row in board.rows
    ]
    for name, baseline in board.baselines.named:
        scores = [percent(baseline.benchmarks[benchmark]) for benchmark in board.benchmarks]
        rows.append([name, percent(baseline.overall), *[""] * 5, *scores])
    return [[text(cell) for cell in row] for row in (header, *rows)]


def _score(score: BenchmarkScore) -> str:
    """Return a score with the signs that the notes explain."""
    raw = before_reset(score)
    text = percent(score.score) + ("*" if score.reset_cells else "")
    text += "?" if score.suspected_cells and score.score is not None else ""
    return text if raw is None else f"{text} ({percent(raw)})"


def csv_text(text: str) -> str:
    """Return text that a spreadsheet does not take for a formula."""
    cell = plain(text, 1000)
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell


def _markdown(text: str, limit: int = 200) -> str:
    return MARKDOWN.sub(r"\\\1", plain(text, limit))


def _latex(text: str) -> str:
    escaped = "".join(LATEX.get(character, character) for character in plain(text))
    return escaped.replace(" – ", "--").replace("–", "--")


def _latex_row(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"
