"""Writes the comparisons of agents: an overview of all pairs, and a page for each pair with its cells.

A test takes a fraction of a second, so that not all pairs of many agents are tested: all pairs of the first agents, and
each other agent with the next better one. `ptb compare` tests any pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.errors import InputError
from posttrainbench.report.site.shell import write_page
from posttrainbench.report.site.standings import AgentLine, Table, runs_link
from posttrainbench.report.text import percent, plain
from posttrainbench.scoring import baselines_of
from posttrainbench.scoring.comparison import ALPHA, Comparison, Pair, compare, format_interval, format_p

ALL_PAIRS = 8
"""Agents of which all pairs are compared, best first."""
MAX_PAIRS = 60
"""Comparisons of a group."""


@dataclass(frozen=True)
class Difference:
    """A base model and benchmark: scores of A and B with links to the runs, and the difference in points."""

    model: str
    benchmark: str
    pair: Pair
    href_a: str
    href_b: str
    points: float


@dataclass(frozen=True)
class Compared:
    """Two agents. `reason` says why they could not be compared; then `result` is None."""

    a: AgentLine
    b: AgentLine
    place: str
    result: Comparison | None
    reason: str = ""

    @property
    def points(self) -> str:
        """Difference A minus B in points."""
        return "–" if self.result is None else f"{100 * self.result.difference:+.1f}"

    @property
    def clear(self) -> bool:
        """True if the test over runs distinguishes the agents."""
        return self.result is not None and self.result.p_value <= ALPHA


@dataclass(frozen=True)
class Overview:
    """The pairs of a group; `matrix` has a row for each of `agents`, and None for pairs that were not compared."""

    table: Table
    agents: list[AgentLine]
    matrix: list[list[Compared | None]]
    others: list[Compared]


def write_comparisons(tables: Sequence[Table], out: Path) -> None:
    """Write `compare.html` and `compare/`."""
    overviews = []
    for table in tables:
        pairs = _pairs(table)
        for pair in pairs.values():
            _write_pair(table, pair, out)
        shown = table.lines[:ALL_PAIRS]
        matrix = [[pairs.get((a, b)) for b in range(len(shown))] for a in range(len(shown))]
        others = [pair for (_, b), pair in pairs.items() if b >= ALL_PAIRS]
        overviews.append(Overview(table, shown, matrix, others))
    write_page(
        out / "compare.html",
        "compare.html.jinja",
        title="Compare agents",
        depth=0,
        active="compare",
        overviews=overviews,
        limit=ALL_PAIRS,
    )


def _pairs(table: Table) -> dict[tuple[int, int], Compared]:
    """Return (place of A, place of B) -> comparison, with A before B."""
    count = len(table.lines)
    chosen = [(a, b) for b in range(min(count, ALL_PAIRS)) for a in range(b)]
    chosen += [(b - 1, b) for b in range(ALL_PAIRS, count)]
    cells = [run.cell for run in table.group.runs]
    baselines = baselines_of(cells)
    pairs = {}
    for a, b in chosen[:MAX_PAIRS]:
        first, second = table.lines[a], table.lines[b]
        place = f"compare/{table.group.id}-{a + 1}-{b + 1}.html"
        try:
            result = compare(cells, baselines, first.row.agent, second.row.agent)
            pairs[a, b] = Compared(first, second, place, result)
        except InputError as error:
            pairs[a, b] = Compared(first, second, place, None, plain(str(error), 600))
    return pairs


def _write_pair(table: Table, pair: Compared, out: Path) -> None:
    result = pair.result
    differences = []
    widest = 0.0
    for each in result.pairs if result else ():
        points = 100 * (each.score_a - each.score_b)
        widest = max(widest, abs(points))
        href_a, href_b = (
            runs_link(table.group, agent=agent, model=each.model, benchmark=each.benchmark)
            for agent in (pair.a.row.agent, pair.b.row.agent)
        )
        differences.append(Difference(plain(each.model), plain(each.benchmark), each, href_a, href_b, points))
    sources = []
    if result is not None:
        for name, interval, p_value in (
            ("runs of both agents", result.ci, result.p_value),
            ("base models and benchmarks", result.ci_cells, result.p_cells),
            ("test items", result.ci_items, None),
        ):
            shown = format_interval(interval) if interval else "–"
            sources.append((name, shown, "–" if p_value is None else format_p(p_value)))
    write_page(
        out / pair.place,
        "pair.html.jinja",
        title=f"{pair.a.agent} and {pair.b.agent}",
        depth=1,
        active="compare",
        table=table,
        pair=pair,
        result=result,
        sentence=plain(result.sentence, 2000) if result else pair.reason,
        sources=sources,
        differences=differences,
        widest=widest or 1.0,
        left_out=[
            f"{plain(gap.model)} on {plain(gap.benchmark)} ({plain(gap.agent)}: {plain(gap.why, 300)})"
            for gap in (result.left_out if result else ())
        ],
        overall=(percent(result.score_a), percent(result.score_b)) if result else None,
    )
