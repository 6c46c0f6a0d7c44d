"""Content of the leaderboard page: numbers and harmless texts for the template."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from posttrainbench.records import Quote, Status
from posttrainbench.report.overlap import Piece, overlap
from posttrainbench.report.tables import before_reset
from posttrainbench.report.text import plain
from posttrainbench.scoring import Cell, Leaderboard, Row
from posttrainbench.scoring.remarks import remarks, restart_remark

QUOTATIONS = 3
"""Quotations of a card shown at once; the others are folded."""

CARDS = 12
"""Cards shown at once; the others are folded."""

TICKS = 7


@dataclass(frozen=True)
class Score:
    """An agent's score on one benchmark.

    Attributes:
        before: the score before resets, if it is displayed differently.
        gain: share of the base-to-instruct gap that was closed, 0-1.
    """

    score: float | None
    before: float | None
    std: float | None
    reset: int
    gain: float


@dataclass(frozen=True)
class Share:
    """Percentage of bootstrap draws in which an agent has a rank; `level` 1-10 is the decile, rounded up."""

    rank: int
    percent: float
    level: int


@dataclass(frozen=True)
class Standing:
    """One agent in the ranking. `ranks` lists the ranks that it has in at least 0.5% of the draws."""

    row: Row
    agent: str
    scores: list[Score]
    ranks: list[Share]
    missing: list[str]


@dataclass(frozen=True)
class Quotation:
    """Text found in the run and the test item or checkpoint that it matches."""

    location: str
    text: list[Piece]
    item: str
    item_text: list[Piece]


@dataclass(frozen=True)
class Entry:
    """One run, with harmless texts. `status` is displayed, `kind` is the CSS class."""

    cell: Cell
    agent: str
    model: str
    benchmark: str
    kind: str
    status: str
    rules: list[tuple[str, str]]
    reasons: list[str]
    notes: list[str]
    quotations: list[Quotation]
    folded: list[Quotation]

    @property
    def flagged(self) -> bool:
        """True if a rule is flagged."""
        return any(state == "flagged" for _, state in self.rules)

    @property
    def suspected(self) -> bool:
        """True if the run counts although a rule is suspected."""
        return self.cell.suspected

    @property
    def clean(self) -> int:
        """Number of rules with the verdict clean."""
        return sum(state == "clean" for _, state in self.rules)

    @property
    def open_rules(self) -> list[tuple[str, str]]:
        """The rules with another verdict than clean."""
        return [(rule, state) for rule, state in self.rules if state != "clean"]


@dataclass(frozen=True)
class Page:
    """Everything that the template displays. `top` is the score at the right end of the ranking's axis."""

    board: Leaderboard
    standings: list[Standing]
    entries: list[Entry]
    flagged: list[Entry]
    flagged_folded: list[Entry]
    suspected: list[Entry]
    top: float
    ticks: list[float]

    @property
    def struck(self) -> bool:
        """True if a score before resets is shown."""
        return any(score.before is not None for standing in self.standings for score in standing.scores)

    @property
    def removed(self) -> bool:
        """True if the audit lowered an overall score."""
        rows = [standing.row for standing in self.standings]
        return any(row.overall is not None and (row.overall_raw or 0.0) > row.overall for row in rows)

    @property
    def ranked(self) -> list[Standing]:
        """The agents with a rank interval."""
        return [standing for standing in self.standings if standing.ranks]


def page(board: Leaderboard, cells: Sequence[Cell]) -> Page:
    """Return the page content for a leaderboard and its runs."""
    ordered = sorted(cells, key=lambda c: (c.agent, c.benchmark, c.model, c.seed, c.run))
    entries = [_entry(cell) for cell in ordered]
    flagged = [entry for entry in entries if entry.flagged]
    lines = (board.baselines.base, board.baselines.instruct)
    ends = [line.overall for line in lines if line.overall is not None]
    for row in board.rows:
        if row.overall is not None:
            ends.append(row.overall_ci[1] if row.overall_ci else row.overall)
    ticks = axis(max(ends, default=1.0))
    return Page(
        board=board,
        standings=[_standing(row, board) for row in board.rows],
        entries=entries,
        flagged=flagged[:CARDS],
        flagged_folded=flagged[CARDS:],
        suspected=[entry for entry in entries if entry.suspected],
        top=ticks[-1],
        ticks=ticks,
    )


def axis(highest: float) -> list[float]:
    """Return ticks from 0 to just above `highest` in round steps, but at most 1."""
    needed = 1.02 * highest
    step = next((step for step in (0.01, 0.02, 0.05, 0.1) if TICKS * step >= needed), 0.2)
    count = min(max(1, math.ceil(round(needed / step, 9))), round(1 / step))
    return [round(step * number, 4) for number in range(count + 1)]


def _standing(row: Row, board: Leaderboard) -> Standing:
    scores = []
    for benchmark in board.benchmarks:
        own = row.benchmarks[benchmark]
        low, high = (line.benchmarks[benchmark] for line in (board.baselines.base, board.baselines.instruct))
        gain = 0.0
        if own.score is not None and low is not None and high is not None and high > low:
            gain = min(1.0, max(0.0, (own.score - low) / (high - low)))
        scores.append(Score(own.score, before_reset(own), own.std, own.reset_cells, gain))
    missing = [f"{plain(gap.model)} on {plain(gap.benchmark)}: {plain(gap.why, 300)}" for gap in row.missing]
    ranks = [
        Share(rank, 100 * share, max(1, math.ceil(round(10 * share, 6))))
        for rank, share in enumerate(row.rank_shares, 1)
        if share >= 0.005
    ]
    return Standing(row, plain(row.agent), scores, ranks, missing)


def _entry(cell: Cell) -> Entry:
    result = cell.result
    status = result.status if result else None
    names = {
        Status.SCORED: "scored",
        Status.BASE_FALLBACK: "reset to base",
        Status.INFRASTRUCTURE_ERROR: "infrastructure error",
        Status.NOT_AUDITED: "not audited",
        None: "unfinished",
    }
    quotations = [_quotation(evidence) for evidence in result.evidence] if result else []
    return Entry(
        cell=cell,
        agent=plain(cell.agent),
        model=plain(cell.model),
        benchmark=plain(cell.benchmark),
        kind=status.value if status else "unfinished",
        status=names[status] + (", suspected" if cell.suspected else ""),
        rules=[(plain(rule), state) for rule, state in result.verdict.items()] if result else [],
        reasons=[plain(reason, 600) for reason in result.reasons] if result else [],
        notes=[plain(note, 600) for note in filter(None, [restart_remark(result), *remarks(result)])] if result else [],
        quotations=quotations[:QUOTATIONS],
        folded=quotations[QUOTATIONS:],
    )


def _quotation(evidence: Quote) -> Quotation:
    text, item_text = overlap(plain(evidence.text, 500), plain(evidence.item_text, 500))
    location = plain(evidence.file) + (f":{evidence.line}" if evidence.line is not None else "")
    return Quotation(location, text, plain(evidence.item), item_text)
