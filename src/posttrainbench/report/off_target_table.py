"""The terminal table of scores on benchmarks that submissions were not trained for."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from posttrainbench.report.layout import Paragraph, columns
from posttrainbench.report.text import percent, plain
from posttrainbench.scoring import Leaderboard
from posttrainbench.scoring.off_target import OffTargetScore

HEADER = ("  agent", "off target", "score", "base", "change", "lowest", "highest", "instruct", "runs")


def change(value: float | None) -> str:
    """Format a difference of fractions in points, with its sign; None as an en dash."""
    return "–" if value is None else f"{100 * value:+.1f}"


def off_target_parts(board: Leaderboard) -> list[RenderableType]:
    """Return the table with its heading and notes; nothing if there are no such evaluations."""
    if not board.off_target:
        return []
    order = {row.agent: number for number, row in enumerate(board.rows)}
    scores = sorted(board.off_target, key=lambda score: (order.get(score.agent, len(order)), score.benchmark))
    rows = [[Text(name, "dim") for name in HEADER]]
    agent = None
    for score in scores:
        rows.append(_cells(score, first=score.agent != agent))
        agent = score.agent
    heading = "Benchmarks that the submissions were not trained for; no effect on the scores above"
    notes = [Paragraph(Text(plain(note, 400), "dim")) for note in off_target_notes(scores)]
    return [Text(f"  {heading}"), Text(), *columns(rows, right=range(2, len(HEADER))), Text(), *notes]


def off_target_notes(scores: Sequence[OffTargetScore]) -> list[str]:
    """Return facts that the readers of these scores must know, as sentences."""
    notes = ["change: score minus the base model's score, in points; lowest and highest: of one run."]
    if failed := sum(score.failed for score in scores):
        notes.append(f"{failed} off-target evaluation{_s(failed)} failed because of the submission: no score.")
    if reset := sum(score.reset for score in scores):
        notes.append(f"{reset} off-target evaluation{_s(reset)} of runs reset to the base score left out.")
    if any(len(score.trained_for) > 1 for score in scores):
        notes.append("--json has the changes by the benchmark that the submissions were trained for (`trained_for`).")
    return notes


def _s(number: int) -> str:
    return "" if number == 1 else "s"


def _cells(score: OffTargetScore, first: bool) -> list[Text]:
    style = "" if score.change is None or round(score.change, 3) == 0 else "green" if score.change > 0 else "yellow"
    return [
        Text(f"  {plain(score.agent) if first else ''}"),
        Text(plain(score.benchmark)),
        Text(percent(score.score)),
        Text(percent(score.base), "dim"),
        Text(change(score.change), style),
        Text(change(score.lowest), "dim"),
        Text(change(score.highest), "dim"),
        Text(percent(score.instruct), "dim"),
        Text(str(score.runs)),
    ]
